//! Who goes next, and at what instant: the virtual clock, the queue, and the record of what happened.

mod actors;
mod bodies;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::body::{Body, Ended};
use super::lower::Call;
use super::program::{ActorId, Input, MAIN, Program};
use super::rank::{Class, Rank};
use crate::case::ast::{Case, Span, Step, TaskDef, Time};
use crate::case::expr::Value;
use crate::history::{Ending, Event, History, Key, Raised, What, Who, WorkerId};
use crate::protocol::{Command, Order};

/// How the player of the pool keeps deadlines.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// It reports its own timers ([`Stage::timer`]); otherwise deadlines of calls are kept here.
    pub timers: bool,
    /// Calls, by their number in the run, that a former run showed to be still blocked at their deadline.
    pub late: BTreeSet<u64>,
    /// What is done otherwise than the rule of the order says.
    pub deviations: Deviations,
}

/// An order of the turns of a run, told by what it does otherwise than the rule: at which turn, counted from 0,
/// and which of those that are ready in that instant goes first instead of the first.
///
/// # Examples
/// ```
/// use spec_harness::interp::Deviations;
///
/// // At turn 3 the second goes first, at turn 7 the third.
/// let order: Deviations = "3:1,7:2".parse()?;
/// assert_eq!(order.end(), 8);
/// assert_eq!(order.to_string(), "3:1,7:2");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deviations(Vec<(usize, usize)>);

impl Deviations {
    /// The same order but for one more, later turn.
    #[must_use]
    pub fn and(&self, turn: usize, first: usize) -> Deviations {
        Deviations([self.0.as_slice(), &[(turn, first)]].concat())
    }

    /// The first turn after all that deviate.
    pub fn end(&self) -> usize {
        self.0.last().map_or(0, |(turn, _)| turn + 1)
    }

    /// Whether this is the rule's own order.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a run in which so many were ready at each turn can go by this order.
    pub(crate) fn fits(&self, ready: &[usize]) -> bool {
        let fits = |(turn, first): &(usize, usize)| ready.get(*turn).is_some_and(|n| first < n);
        self.0.iter().all(fits)
    }

    fn first_at(&self, turn: usize) -> usize {
        let here = self.0.iter().find(|(at, _)| *at == turn);
        here.map_or(0, |(_, first)| *first)
    }
}

impl fmt::Display for Deviations {
    /// `3:1,7:2`: at turn 3 the second goes first, at turn 7 the third.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (turn, first)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{turn}:{first}")?;
        }
        Ok(())
    }
}

impl FromStr for Deviations {
    type Err = String;

    fn from_str(text: &str) -> Result<Deviations, String> {
        let mut order = Deviations::default();
        for part in text.split(',') {
            let numbers = part.split_once(':');
            let numbers = numbers.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            let Some((turn, first)) = numbers.filter(|(turn, _)| *turn >= order.end()) else {
                return Err(format!(
                    "`{part}` is not a later turn and who goes first in it, as 3:1"
                ));
            };
            order = order.and(turn, first);
        }
        Ok(order)
    }
}

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Main or a thread of it.
    Actor(ActorId),
    /// A task or a callback, from inside.
    Body(Key),
}

impl Caller {
    /// A number that no other caller has.
    fn number(self) -> u64 {
        match self {
            Caller::Actor(actor) => actor as u64,
            Caller::Body(key) => (1 << 32) + key,
        }
    }
}

/// What the player of the pool is to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// Make this call; [`Stage::returned`] when it returns.
    Call {
        /// For this caller.
        caller: Caller,
        /// The call.
        command: Command,
    },
    /// Give a running body this order.
    Order {
        /// The body.
        key: Key,
        /// The order.
        order: Order,
        /// Whether the body ends with it; otherwise [`Stage::done`] when it is carried out.
        last: bool,
    },
    /// Kill the worker that ran this body, as the program does that knows its number; it goes on at once.
    Kill(Key),
    /// The time of this timer has come.
    Fire(u64),
    /// Main has returned: end the program.
    Exit,
    /// This call is still blocked at its deadline, which the run was not prepared for:
    /// run again with its number in [`Options::late`].
    Late(u64),
    /// Nobody is ready and no time will make anybody so.
    Stuck,
}

/// Whose turn it can be; several of one instant are told in the order of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Main or a thread goes on.
    Actor(ActorId),
    /// A body goes on.
    Body(Key),
    /// A timer of the implementation is due.
    Timer(u64),
    /// A call's time is over.
    Deadline(Caller),
}

/// A turn that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// When.
    pub at: Time,
    /// Who was ready, in the order of the rule.
    pub ready: Vec<Turn>,
    /// Who took it.
    pub whose: Turn,
}

/// A body that has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Beginning {
    /// Which.
    pub key: Key,
    /// On which process and thread.
    pub on: (i32, i32),
    /// Whether that process is the program itself.
    pub in_parent: bool,
    /// With how many arguments.
    pub args: u32,
    /// The argument of a callback.
    pub given: Option<Value>,
    /// The number of the initializer that it is; every worker that begins by it is a body of its own, whose key is
    /// [`Stage::next_start`].
    pub initializer: Option<u64>,
    /// What its worker calls itself, where somebody asks for it.
    pub name: Option<String>,
}

/// A call that has not returned.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Whose.
    pub who: Who,
    /// The same for people: `main`, `note(3)`.
    pub name: String,
    /// The step.
    pub span: Span,
    /// The call.
    pub text: String,
    /// Since when.
    pub since: Time,
}

/// A run of a case, apart from the pool.
#[derive(Debug)]
pub struct Stage<'c> {
    program: Program<'c>,
    options: Options,
    defs: BTreeMap<&'c str, &'c TaskDef>,
    now: Time,
    queue: BTreeMap<Rank, Ready>,
    turns: Vec<Taken>,
    bodies: BTreeMap<Key, Playing<'c>>,
    calls: BTreeMap<Caller, OpenCall>,
    /// Calls made so far.
    count: u64,
    timers: BTreeMap<u64, Rank>,
    seen: Seen,
    begun: BTreeSet<Key>,
    /// Bytes that bodies have printed.
    printed: usize,
    idle: BTreeSet<ActorId>,
    /// Main has ended; what remains of its threads has not.
    main_ended: bool,
    exited: bool,
    /// Pools that were told to stop, and processes that were sent a signal: who dies then was killed.
    stopped: BTreeSet<String>,
    /// Threads that ran tasks, and threads of the parent that ran callbacks.
    workers: [BTreeMap<(i32, i32), WorkerId>; 2],
    events: Vec<Event>,
}

/// Who is in the queue.
#[derive(Debug)]
enum Ready {
    Actor(ActorId, Input),
    Body(Key),
    Timer(u64),
    Deadline(Caller),
}

impl Ready {
    fn turn(&self) -> Turn {
        match self {
            Ready::Actor(actor, _) => Turn::Actor(*actor),
            Ready::Body(key) => Turn::Body(*key),
            Ready::Timer(timer) => Turn::Timer(*timer),
            Ready::Deadline(caller) => Turn::Deadline(*caller),
        }
    }
}

#[derive(Debug)]
struct Playing<'c> {
    body: Body<'c>,
    /// Its place in the queue, while it has one.
    rank: Option<Rank>,
    /// The step whose call it makes, and what the call makes.
    calling: Option<(&'c Step, Option<Value>)>,
    /// Its call has returned after so long.
    returned: Option<(Time, Result<Value, Raised>)>,
    /// What is known of its end, once it was given its last order.
    ended: Option<Ended>,
}

#[derive(Debug)]
struct OpenCall {
    call: Box<Call>,
    since: Time,
    /// The place of its deadline in the queue.
    deadline: Option<Rank>,
    /// It is known to lose against its deadline: the answer is held until then.
    late: bool,
    number: u64,
    held: Option<Result<Value, Raised>>,
}

/// What was seen since the last move, in no order.
#[derive(Debug, Default)]
struct Seen {
    gone: BTreeSet<Key>,
    done: BTreeSet<Key>,
    returned: BTreeMap<Caller, Result<Value, Raised>>,
    left: Vec<String>,
    began: Vec<Beginning>,
}

impl<'c> Stage<'c> {
    /// The case before its first step.
    pub fn new(case: &'c Case, options: Options) -> Stage<'c> {
        let defs = case.tasks.iter().map(|def| (def.name.value.as_str(), def));
        let mut stage = Stage {
            program: Program::new(case),
            options,
            defs: defs.collect(),
            now: Time(0),
            queue: BTreeMap::new(),
            turns: Vec::new(),
            bodies: BTreeMap::new(),
            printed: 0,
            calls: BTreeMap::new(),
            count: 0,
            timers: BTreeMap::new(),
            seen: Seen::default(),
            begun: BTreeSet::new(),
            idle: BTreeSet::new(),
            main_ended: false,
            exited: false,
            stopped: BTreeSet::new(),
            workers: [BTreeMap::new(), BTreeMap::new()],
            events: Vec::new(),
        };
        stage.enqueue(Time(0), Ready::Actor(MAIN, Input::Go));
        stage
    }

    /// Tells how deadlines are kept; to be said before the first move.
    pub fn set_options(&mut self, options: Options) {
        self.options = options;
    }

    /// A caller by name.
    pub fn who(&self, caller: Caller) -> Who {
        match caller {
            Caller::Actor(actor) => self.program.who(actor),
            Caller::Body(key) => Who::Puppet(key),
        }
    }

    /// The current instant.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Whether a body of this number begins for the first time; a second time is an offence of the pool, which
    /// the record shows, and has no body to perform.
    ///
    /// # Errors
    /// No such task was submitted, or it is of the other sort.
    pub fn is_first(&self, key: Key, callback: bool) -> Result<bool, String> {
        let task = usize::try_from(key)
            .ok()
            .and_then(|key| self.program.tasks().get(key));
        match task {
            None => Err(format!(
                "a puppet says it is {key}, which was never submitted"
            )),
            Some(task) if task.callback != callback => {
                let kinds = if callback {
                    ("callback", "task")
                } else {
                    ("task", "callback")
                };
                Err(format!(
                    "puppet {key} says it is a {}, it is a {}",
                    kinds.0, kinds.1
                ))
            }
            Some(_) => Ok(!self.begun.contains(&key)),
        }
    }

    /// The number that the next body has that is not numbered yet.
    pub fn next_key(&self) -> Key {
        self.program.tasks().len() as Key
    }

    /// The key of the next body that is this initializer.
    ///
    /// # Errors
    /// No pool was given it, or its pool starts workers without end.
    pub fn next_start(&self, initializer: u64) -> Result<Key, String> {
        self.program.next_start(initializer)
    }

    /// A call returned.
    ///
    /// # Errors
    /// This caller is in no call.
    pub fn returned(
        &mut self,
        caller: Caller,
        result: Result<Value, Raised>,
    ) -> Result<(), String> {
        let Some(open) = self.calls.get_mut(&caller) else {
            return Err("a call returned twice".to_owned());
        };
        if open.late {
            open.held = Some(result);
        } else {
            self.seen.returned.insert(caller, result);
        }
        Ok(())
    }

    /// A body began.
    ///
    /// # Errors
    /// It is an initializer, and its key is not the one of the next start.
    pub fn began(&mut self, beginning: Beginning) -> Result<(), String> {
        if let Some(initializer) = beginning.initializer {
            let (key, next) = (beginning.key, self.program.starts(initializer)?);
            if key != next {
                return Err(format!("a worker's start is body {next}, not {key}"));
            }
        }
        self.begun.insert(beginning.key);
        self.seen.began.push(beginning);
        Ok(())
    }

    /// Workers of a pool are still there although a call to join has returned.
    pub fn left(&mut self, who: String) {
        self.seen.left.push(who);
    }

    /// The pool that a call of this caller joins, while it has not returned.
    pub fn joins(&self, caller: Caller) -> Option<&str> {
        match &self.calls.get(&caller)?.call.command {
            Command::Join { pool, .. } => Some(pool),
            _ => None,
        }
    }

    /// The pool that a task was handed to.
    pub fn pool_of(&self, key: Key) -> Option<&str> {
        let task = self.program.tasks().get(usize::try_from(key).ok()?)?;
        task.pool.as_deref()
    }

    /// A body carried out an order that was not its last.
    pub fn done(&mut self, key: Key) {
        self.seen.done.insert(key);
    }

    /// A body's connection ended.
    pub fn gone(&mut self, key: Key) {
        self.seen.gone.insert(key);
    }

    /// The implementation armed a timer.
    pub fn timer(&mut self, timer: u64, after: Time) {
        let rank = self.rank(self.now + after, Class::Timer, timer);
        self.timers.insert(timer, rank);
        self.queue.insert(rank, Ready::Timer(timer));
    }

    /// The implementation no longer wants a timer.
    pub fn cancel(&mut self, timer: u64) {
        if let Some(rank) = self.timers.remove(&timer) {
            self.queue.remove(&rank);
        }
    }

    /// Whether a call was given a real timeout and has not answered yet: until then nothing else may move.
    pub fn awaits_real_timeout(&self) -> bool {
        self.calls
            .values()
            .any(|open| open.late && open.held.is_none())
    }

    /// Whether main was told to end.
    pub fn exited(&self) -> bool {
        self.exited
    }

    /// Everybody whose call has not returned.
    pub fn callers(&self) -> impl Iterator<Item = Caller> {
        self.calls.keys().copied()
    }

    /// Every call that has not returned, main's first.
    pub fn waiting(&self) -> Vec<Waiting> {
        let waiting = self.calls.iter().map(|(caller, open)| Waiting {
            who: self.who(*caller),
            name: self.name(*caller),
            span: open.call.span,
            text: open.call.text.clone(),
            since: open.since,
        });
        waiting.collect()
    }

    /// A caller as people call it.
    fn name(&self, caller: Caller) -> String {
        match self.who(caller) {
            Who::Main => "main".to_owned(),
            Who::Thread(name) => name,
            Who::Puppet(key) => {
                let task = usize::try_from(key)
                    .ok()
                    .and_then(|key| self.program.tasks().get(key));
                task.map_or_else(|| format!("body {key}"), |task| task.to_string())
            }
        }
    }

    /// Notes that every call still open will never return, where its step says so.
    /// False when one of them does not.
    pub fn note_blocked(&mut self) -> bool {
        let mut expected = true;
        let open: Vec<(Caller, Span)> = self.calls.iter().map(|(c, o)| (*c, o.call.span)).collect();
        for (caller, span) in open {
            let step = match caller {
                Caller::Actor(actor) => self.program.current(actor),
                Caller::Body(key) => self
                    .bodies
                    .get(&key)
                    .and_then(|body| Some(body.calling.as_ref()?.0)),
            };
            expected &= step.is_some_and(|step| step.blocks);
            self.log(self.who(caller), What::Blocked { span });
        }
        expected
    }

    /// Notes that the process of the main program has ended.
    pub fn ended(&mut self, code: i32) {
        self.log(Who::Main, What::Exit { code });
    }

    /// Takes in what was seen although no move follows.
    pub fn absorb(&mut self) {
        let mut seen = std::mem::take(&mut self.seen);
        seen.began.sort_by_key(|beginning| beginning.key);
        let short = |key: &Key| seen.began.iter().any(|beginning| beginning.key == *key);
        let (short_lived, gone): (Vec<Key>, Vec<Key>) = seen.gone.into_iter().partition(short);
        for key in gone {
            self.body_gone(key);
        }
        for (caller, result) in seen.returned {
            self.call_returned(caller, result);
        }
        for who in seen.left {
            self.log(Who::Main, What::Left(who));
        }
        for beginning in seen.began {
            self.body_began(beginning);
        }
        for key in short_lived {
            self.body_gone(key);
        }
        for key in seen.done {
            self.enqueue_body(key, self.now);
        }
    }

    /// The record, whole as far as the run came.
    pub fn finish(mut self, ending: Ending) -> History {
        self.absorb();
        // Whoever is still there is ended by the harness.
        self.exited = true;
        let left: Vec<Key> = self.bodies.keys().copied().collect();
        for key in left {
            self.body_gone(key);
        }
        History {
            events: self.events,
            tasks: self.program.take_tasks(),
            pools: self.program.pools().to_vec(),
            ending,
        }
    }

    /// What is to be done next. Everything that the last move led to must have been told.
    pub fn next_move(&mut self) -> Move {
        self.absorb();
        loop {
            let Some((rank, ready)) = self.pop() else {
                return Move::Stuck;
            };
            self.now = self.now.max(rank.wake);
            let made = match ready {
                Ready::Actor(actor, input) => self.act(actor, input),
                Ready::Body(key) => self.play(key),
                Ready::Timer(timer) => {
                    self.timers.remove(&timer);
                    Some(Move::Fire(timer))
                }
                Ready::Deadline(caller) => self.deadline(caller),
            };
            if let Some(made) = made {
                return made;
            }
        }
    }

    /// Every turn so far.
    pub fn turns(&self) -> &[Taken] {
        &self.turns
    }

    /// Takes one out of those that wake first.
    fn pop(&mut self) -> Option<(Rank, Ready)> {
        let wake = self.queue.first_key_value()?.0.wake;
        let together = self.queue.iter().take_while(|(rank, _)| rank.wake == wake);
        let ready: Vec<Turn> = together.map(|(_, ready)| ready.turn()).collect();
        let first = self.options.deviations.first_at(self.turns.len());
        let first = first.min(ready.len() - 1);
        let rank = *self.queue.keys().nth(first)?;
        let whose = ready[first];
        self.turns.push(Taken {
            at: wake,
            ready,
            whose,
        });
        self.queue.remove_entry(&rank)
    }

    fn enqueue(&mut self, wake: Time, ready: Ready) {
        let (class, number) = match ready {
            Ready::Actor(MAIN, _) => (Class::Main, 0),
            Ready::Actor(thread, _) => (Class::Thread, thread as u64),
            Ready::Body(key) => (Class::Puppet, key),
            Ready::Timer(timer) => (Class::Timer, timer),
            Ready::Deadline(caller) => (Class::Timer, caller.number()),
        };
        let rank = self.rank(wake, class, number);
        self.queue.insert(rank, ready);
    }

    fn enqueue_body(&mut self, key: Key, wake: Time) {
        let rank = self.rank(wake, Class::Puppet, key);
        if let Some(playing) = self.bodies.get_mut(&key) {
            playing.rank = Some(rank);
            self.queue.insert(rank, Ready::Body(key));
        }
    }

    fn rank(&self, wake: Time, class: Class, number: u64) -> Rank {
        Rank {
            wake,
            registered: self.now,
            class,
            number,
        }
    }

    fn log(&mut self, who: Who, what: What) {
        self.events.push(Event {
            at: self.now,
            who,
            what,
        });
    }
}
