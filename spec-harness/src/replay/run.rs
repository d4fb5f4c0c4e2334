//! The loop of one run: what the stage asks for is done, what follows is awaited, and heard.

mod hear;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::procfs::{Level, ThreadFiles};
use super::session::{Heard, Line, Pumped, Session, broken};
use super::tree::{RunCounts, Worker};
use super::{Fault, Limits, Target, needs, sys, word};
use crate::case::ast::Case;
use crate::history::{Ending, History, Key, Who};
use crate::interp::{ActorId, Caller, Deviations, Move, Observed, Options, Stage};
use crate::protocol::{Command, FromAdapter, Hello, Order, Request, VERSION};
use crate::record::{ALL_ASLEEP, Record, Talk as Talked};

/// Waits between failed looks: the first is about what a message through a pipe takes.
const FIRST_WAIT: Duration = Duration::from_micros(100);
const LONGEST_WAIT: Duration = Duration::from_millis(2);

/// Between looks at an adapter that has not answered hello.
const STARTING: Duration = Duration::from_millis(20);

/// Where the kernel hides what threads wait for, rest has to last this long to count.
const BLIND_SETTLE: Duration = Duration::from_millis(20);

/// What was learnt of the adapter, whatever came of the run.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) hello: Option<Hello>,
    pub(super) stderr: String,
    pub(super) dialogue: Vec<String>,
    pub(super) connections: u64,
    /// What is kept of the run, if it came to one.
    pub(super) record: Option<Record>,
}

/// Messages that may come between two moves of the stage: every worker of the largest pool can begin at once.
const MOST_UNASKED: usize = 100_000;

/// Runs the case once.
pub(super) fn once(
    limits: Limits,
    case: &Case,
    target: &Target,
    order: &Deviations,
    late: &BTreeSet<u64>,
) -> (Result<History, Fault>, Seen) {
    let mut seen = Seen::default();
    let session = match Session::start(target) {
        Ok(session) => session,
        Err(fault) => return (Err(fault), seen),
    };
    let mut run = Run {
        limits,
        session,
        // Replaced when the adapter has said what it can do.
        stage: Stage::new(case, Options::default()),
        kept: Kept::default(),
        heard: Vec::new(),
        next_id: 0,
        open: BTreeMap::new(),
        lines: BTreeMap::new(),
        bodies: BTreeMap::new(),
        staff: BTreeMap::new(),
        ran: BTreeMap::new(),
        asks_names: false,
        joined: Vec::new(),
        adapter: 0,
        timers: false,
        settle: Duration::ZERO,
        settling: None,
        progress: Instant::now(),
        noisy: false,
        unasked: 0,
        sample: None,
        troubled: None,
    };
    let options = Options {
        timers: false,
        late: late.clone(),
        deviations: order.clone(),
    };
    let result = run
        .prepare(case, target, options, &mut seen)
        .and_then(|()| run.drive());
    seen.stderr = run.session.stderr();
    seen.dialogue = run.session.dialogue.lines();
    seen.connections = run.session.connections();
    let result = match result {
        Ok(ending) | Err(Fault::Ends(ending)) => {
            let ending = run.close(ending);
            seen.record = run.record(&seen, &ending);
            Ok(run.stage.finish(ending))
        }
        Err(fault) => Err(fault),
    };
    (result, seen)
}

/// See [`super::level`].
pub(super) fn level() -> Level {
    let Ok(child) = sys::Sleeper::start() else {
        return Level::Nothing;
    };
    let files = ThreadFiles::open(child.pid(), child.pid());
    files.map_or(Level::Nothing, |files| files.level())
}

struct Run<'c> {
    limits: Limits,
    session: Session,
    stage: Stage<'c>,
    /// What is kept of the run.
    kept: Kept,
    heard: Vec<Heard>,
    next_id: u64,
    /// Requests without a reply, and whose they are.
    open: BTreeMap<u64, Asked>,
    lines: BTreeMap<Line, Talk>,
    /// Workers that have begun a task, by pool.
    staff: BTreeMap<String, BTreeSet<Worker>>,
    /// The worker of each task that has begun.
    ran: BTreeMap<Key, Worker>,
    /// Somebody asks for names of workers.
    asks_names: bool,
    /// Pools of which a call to join has returned since the last rest.
    joined: Vec<String>,
    /// Where the body of a task is.
    bodies: BTreeMap<Key, Line>,
    /// The adapter's process.
    adapter: i32,
    /// It has timers, whose time it is told also while its program ends.
    timers: bool,
    /// How long rest must last to count.
    settle: Duration,
    /// Since when there has been rest, with these run counts.
    settling: Option<(Instant, RunCounts)>,
    /// When something last moved.
    progress: Instant,
    /// Text came on stderr since something last moved.
    noisy: bool,
    /// Messages since the stage last moved.
    unasked: usize,
    /// CPU time of the tree at some moment since.
    sample: Option<u64>,
    /// Since when nothing but an undeclared timed wait has been in the way.
    troubled: Option<Instant>,
}

/// What is kept of a run.
#[derive(Debug, Default)]
struct Kept {
    options: Options,
    talk: Talked,
    /// The code with which the program ended, when nothing of it was left.
    exit: Option<i32>,
}

/// Whom a reply is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Hello,
    Actor(ActorId),
    Timer,
    Exit,
}

/// How far the talk with a puppet has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// It has an order, or waits for one.
    Playing(Key),
    /// It was given an order after which it reports.
    Detour(Key),
    /// It makes a call.
    Calling(Key),
    /// It was given its last order.
    Ending(Key),
    /// It is a task's second body: an offence of the pool that has been noted.
    Double,
}

impl<'c> Run<'c> {
    /// Greets the adapter and finds out whether the case is for it.
    fn prepare(
        &mut self,
        case: &'c Case,
        target: &Target,
        options: Options,
        seen: &mut Seen,
    ) -> Result<(), Fault> {
        let kind = target.kind.into();
        let socket = self.session.socket();
        self.ask(
            Asked::Hello,
            "main",
            Command::Hello {
                protocol: VERSION,
                socket,
                kind,
            },
        );
        let hello = loop {
            self.session.pump(&mut self.heard)?;
            if let Some(heard) = self.heard.pop() {
                match heard {
                    Heard::Adapter(FromAdapter::Reply {
                        id: 0,
                        result: Ok(value),
                    }) => break value,
                    Heard::Adapter(FromAdapter::Reply {
                        id: 0,
                        result: Err(error),
                    }) => {
                        let text =
                            format!("the adapter refuses hello: {}: {}", error.kind, error.text);
                        return Err(broken(text));
                    }
                    other => {
                        return Err(broken(format!(
                            "the adapter does not answer hello but says {other:?}"
                        )));
                    }
                }
            }
            if let Some(code) = self.session.tree.root_ended() {
                return Err(broken(format!(
                    "the adapter ended ({}) before it answered hello",
                    ended(code)
                )));
            }
            self.watch()?;
            // A program takes its time to start; one that sleeps with all its threads has read the request.
            self.session.wait(STARTING);
            if self.session.tree.look().is_proven()
                && self.session.pump(&mut self.heard)? == Pumped::Nothing
            {
                return Err(broken(
                    "the adapter fell asleep without answering hello (is its answer still in a buffer? each line is to be flushed)".to_owned(),
                ));
            }
        };
        self.open.clear();
        let hello: Hello = serde_json::from_value(hello)
            .map_err(|e| broken(format!("the adapter's answer to hello: {e}")))?;
        let polls = hello
            .polling_period()
            .map_err(|e| broken(format!("the adapter's answer to hello: {e}")))?;
        seen.hello = Some(hello.clone());
        if !hello.kinds.contains(&kind) {
            return Err(Fault::NotApplicable(format!(
                "{} has no {} workers",
                hello.name,
                word(kind)
            )));
        }
        let needs = needs::needs(case);
        self.asks_names = needs.contains("worker_name");
        let lacking = needs.into_iter().find(|need| !hello.can.contains(need));
        if let Some(need) = lacking {
            return Err(Fault::NotApplicable(format!(
                "{} cannot `{need}`",
                hello.name
            )));
        }
        self.settle = match (self.session.tree.level(), polls) {
            (Level::Nothing, _) => {
                return Err(Fault::Ends(Ending::Unknown(
                    "the kernel tells nothing about the adapter's threads".to_owned(),
                )));
            }
            (_, Some(period)) => 3 * period,
            (Level::Full, None) => Duration::ZERO,
            (Level::Switches, None) => BLIND_SETTLE,
        };
        let timers = hello.can.iter().any(|can| can == "timers");
        self.timers = timers;
        // The stage has not been touched: it can still be made anew with what is known now.
        self.kept.options = Options { timers, ..options };
        self.stage = Stage::new(case, self.kept.options.clone());
        self.adapter = self.session.tree.root();
        Ok(())
    }

    /// From the first step to the last process.
    fn drive(&mut self) -> Result<Ending, Fault> {
        self.moved();
        let mut wait = FIRST_WAIT;
        let mut resting = true;
        loop {
            match self.listen()? {
                Pumped::Nothing => {}
                Pumped::Noise => (resting, self.noisy) = (false, true),
                Pumped::Something => {
                    self.moved();
                    (wait, resting) = (FIRST_WAIT, false);
                }
            }
            if self.session.tree.root_ended().is_some()
                && let Some(ending) = self.after_the_adapter()?
            {
                return Ok(ending);
            }
            resting = resting || self.at_rest()?;
            if resting {
                // What was said before the rest began has arrived by now.
                let spoken = self.listen()?;
                resting = false;
                if spoken != Pumped::Noise {
                    self.moved();
                    if spoken == Pumped::Nothing {
                        self.look_after_joins()?;
                        if let Some(ending) = self.advance()? {
                            return Ok(ending);
                        }
                    }
                    wait = FIRST_WAIT;
                    self.session.wait(wait);
                    continue;
                }
            }
            self.watch()?;
            self.session.wait(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Who has been joined is gone.
    fn look_after_joins(&mut self) -> Result<(), Fault> {
        for pool in std::mem::take(&mut self.joined) {
            let staff = self.staff.get(&pool).into_iter().flatten();
            for who in staff.filter_map(Worker::left).collect::<Vec<_>>() {
                self.sees(Observed::Left(who))?;
            }
        }
        Ok(())
    }

    /// Tells the stage what was seen.
    fn sees(&mut self, observed: Observed) -> Result<(), Fault> {
        self.kept.talk.sees(&self.stage, &observed);
        self.stage.observe(observed).map_err(broken)
    }

    /// The run as it is kept.
    fn record(&mut self, seen: &Seen, ending: &Ending) -> Option<Record> {
        let Kept {
            options,
            talk,
            exit,
        } = std::mem::take(&mut self.kept);
        let hello = seen.hello.as_ref()?;
        Some(Record::of_run(hello, &options, talk, ending, exit))
    }

    /// Does the stage's next move.
    fn advance(&mut self) -> Result<Option<Ending>, Fault> {
        self.unasked = 0;
        let made = self.stage.next_move();
        self.kept.talk.asks(&self.stage, &made);
        match made {
            Move::Call {
                caller: Caller::Actor(actor),
                command,
            } => {
                let by = match self.stage.who(Caller::Actor(actor)) {
                    Who::Thread(name) => name,
                    _ => "main".to_owned(),
                };
                self.ask(Asked::Actor(actor), &by, command);
            }
            Move::Call {
                caller: Caller::Body(key),
                command,
            } => self.order(key, &Order::Call(command), Talk::Calling(key)),
            Move::Order {
                key,
                order,
                last: true,
            } => self.order(key, &order, Talk::Ending(key)),
            Move::Order {
                key,
                order,
                last: false,
            } => self.order(key, &order, Talk::Detour(key)),
            Move::Kill(key) => {
                if let Some(worker) = self.ran.get(&key) {
                    worker.kill();
                }
            }
            Move::Fire(timer) => self.ask(Asked::Timer, "clock", Command::Fire { timer }),
            Move::Exit => {
                self.ask(Asked::Exit, "main", Command::Exit {});
                if !self.timers {
                    self.session.hang_up_after_writing();
                }
            }
            Move::Late(number) => return Err(Fault::Late(number)),
            // There is nothing left to say: some adapters end when they hear nothing more.
            Move::Stuck if self.stage.exited() && self.session.hang_up_after_writing() => {}
            Move::Stuck => return Ok(Some(self.stuck())),
        }
        Ok(None)
    }

    /// Everything sleeps and no time will wake it.
    fn stuck(&mut self) -> Ending {
        if self.session.tree.root_ended().is_some() {
            // The last of them may have gone since the last look.
            return self.over();
        }
        self.stage.stuck(ALL_ASLEEP)
    }

    /// The adapter has ended: was it time, and who is left?
    fn after_the_adapter(&mut self) -> Result<Option<Ending>, Fault> {
        let code = self.session.tree.root_ended().unwrap_or_default();
        // It may have said something before it ended.
        self.listen()?;
        if !self.stage.exited() {
            let waiting = self.stage.waiting();
            let during = waiting
                .first()
                .map_or(String::new(), |w| format!(" during `{}`", w.text));
            return Err(broken(format!(
                "the adapter ended ({}) in the middle of the program{during}",
                ended(code)
            )));
        }
        Ok(self.session.tree.is_empty().then(|| self.over()))
    }

    /// Whether the program has ended, as it was told to.
    fn is_over(&self) -> bool {
        self.stage.exited() && self.session.tree.root_ended().is_some()
    }

    /// The ending of a program that has ended and of which nothing moves any more.
    fn over(&mut self) -> Ending {
        let left = self.session.tree.left();
        if !left.is_empty() {
            let left = left.join(", ");
            return Ending::Leaked(format!("the program has ended and left {left}"));
        }
        let code = self.session.tree.root_ended().unwrap_or_default();
        self.kept.exit = Some(code);
        self.stage.over(code)
    }

    fn moved(&mut self) {
        self.progress = Instant::now();
        self.noisy = false;
        self.settling = None;
        self.troubled = None;
        self.sample = None;
    }

    /// Tells a body what to do.
    fn order(&mut self, key: Key, order: &Order, talk: Talk) {
        if let Some(line) = self.bodies.get(&key).copied() {
            self.session.order(line, order);
            self.lines.insert(line, talk);
        }
    }

    fn ask(&mut self, asked: Asked, by: &str, command: Command) {
        let id = self.next_id;
        self.next_id += 1;
        self.open.insert(id, asked);
        self.session.request(&Request {
            id,
            by: by.to_owned(),
            command,
        });
    }

    /// Ends every process; an ending that says too little gets the tail of stderr.
    fn close(&mut self, ending: Ending) -> Ending {
        let gone = self.session.tree.kill_all(self.limits.burial);
        // What was written last is what explains it.
        let _ = self.session.pump(&mut self.heard);
        match ending {
            Ending::Broken(text) => match self.session.stderr().as_str() {
                "" => Ending::Broken(text),
                tail => Ending::Broken(format!("{text}\nstderr: {tail}")),
            },
            Ending::Finished if !gone => Ending::Leaked("a process cannot be killed".to_owned()),
            other => other,
        }
    }
}

/// How a process ended, in words.
fn ended(code: i32) -> String {
    match code {
        0.. => format!("exit code {code}"),
        _ => match nix::sys::signal::Signal::try_from(-code) {
            Ok(signal) => format!("by {signal}"),
            Err(_) => format!("by signal {}", -code),
        },
    }
}
