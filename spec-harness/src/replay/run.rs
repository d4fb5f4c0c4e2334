//! The loop of one run: what the stage asks for is done, what follows is awaited, and heard.

mod ask;
mod end;
mod greet;
mod hear;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::procfs::{Level, ThreadFiles};
use super::session::{Heard, Line, Pumped, Session, broken};
use super::tree::{RunCounts, Worker};
use super::{Fault, Limits, Target, sys};
use crate::case::ast::{Case, Kind};
use crate::history::{Ending, Event, History, Key};
use crate::interp::{ActorId, Deviations, Observed, Options, Stage};
use crate::protocol::Hello;
use crate::record::{Record, Talk as Talked};

/// Waits between failed looks: the first is about what a message through a pipe takes.
const FIRST_WAIT: Duration = Duration::from_micros(100);
const LONGEST_WAIT: Duration = Duration::from_millis(2);

/// What was learnt of the adapter, whatever came of the run.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) hello: Option<Hello>,
    pub(super) stderr: String,
    pub(super) dialogue: Vec<String>,
    pub(super) connections: u64,
    /// What explains a failure before all else.
    pub(super) oversleeps: Option<String>,
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
    watch: &mut dyn FnMut(&Event),
) -> (Result<History, Fault>, Seen) {
    let mut seen = Seen::default();
    let needs = super::needs::needs(case);
    let is_shared = ["call_from_task", "call_from_callback"]
        .iter()
        .any(|call| needs.contains(*call));
    let session = match Session::start(target, is_shared) {
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
        kind: target.kind,
        places: BTreeMap::new(),
        nowhere: Vec::new(),
        workers: BTreeMap::new(),
        ran: BTreeMap::new(),
        asks_names: false,
        drops_handles: false,
        joined: Vec::new(),
        adapter: 0,
        program: BTreeSet::new(),
        launched: None,
        timers: false,
        rest_for: Duration::ZERO,
        resting: None,
        ran_on: BTreeSet::new(),
        oversleep: BTreeMap::new(),
        progress: Instant::now(),
        noisy: false,
        unasked: 0,
        sample: None,
        troubled: None,
        watch,
        watched: 0,
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
    seen.oversleeps = run.oversleeps();
    let result = match result {
        Ok(ending) | Err(Fault::Ends(ending)) => {
            let mut ending = run.close(ending);
            if sys::was_short() {
                ending = Ending::Unknown(
                    "the harness has too few descriptors to see everything: raise `ulimit -n`"
                        .to_owned(),
                );
            }
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

struct Run<'c, 'w> {
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
    workers: BTreeMap<String, BTreeSet<Worker>>,
    /// The worker of each task that has begun.
    ran: BTreeMap<Key, Worker>,
    /// Somebody asks for names of workers.
    asks_names: bool,
    /// It is told which handles nobody keeps.
    drops_handles: bool,
    /// Pools of which a call to join has returned since the last rest.
    joined: Vec<String>,
    /// Where the body of a task is.
    bodies: BTreeMap<Key, Line>,
    /// The kind of worker.
    kind: Kind,
    /// The process in which each body began, while its connection lasts.
    places: BTreeMap<Line, (Key, i32)>,
    /// Bodies that named a thread that is not there, if they are still there themselves when all has come to rest.
    nowhere: Vec<(Line, String)>,
    /// The adapter's process.
    adapter: i32,
    /// It, and those that started it.
    program: BTreeSet<i32>,
    /// By which the kernel tells how it ended, where another process than the harness has waited for it.
    launched: Option<OwnedFd>,
    /// It has timers, whose time it is told also while its program ends.
    timers: bool,
    /// How long rest must last to count.
    rest_for: Duration,
    /// Since when there has been rest, with these run counts.
    resting: Option<Resting>,
    /// Threads on which bodies ran.
    ran_on: BTreeSet<(i32, i32)>,
    /// Threads that slept for longer than hello says that anybody does, by name.
    oversleep: BTreeMap<(i32, i32), String>,
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
    /// Sees the events.
    watch: &'w mut dyn FnMut(&Event),
    /// How many it has seen.
    watched: usize,
}

/// A rest that has to last.
struct Resting {
    since: Instant,
    counts: RunCounts,
    /// Those who sleep with a time limit.
    timers: RunCounts,
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
    Handle,
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

impl Run<'_, '_> {
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
                        self.look_after_threads()?;
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

    /// A body that has not ended runs on a thread that is there.
    fn look_after_threads(&mut self) -> Result<(), Fault> {
        let mut nowhere = std::mem::take(&mut self.nowhere).into_iter();
        match nowhere.find(|(line, _)| self.lines.contains_key(line)) {
            Some((_, text)) => Err(broken(text)),
            None => Ok(()),
        }
    }

    /// Who has been joined is gone.
    fn look_after_joins(&mut self) -> Result<(), Fault> {
        for pool in std::mem::take(&mut self.joined) {
            let workers = self.workers.get(&pool).into_iter().flatten();
            for who in workers.filter_map(Worker::left).collect::<Vec<_>>() {
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

    fn moved(&mut self) {
        self.progress = Instant::now();
        self.noisy = false;
        self.resting = None;
        self.troubled = None;
        self.sample = None;
    }
}
