//! A run of a case, apart from the pool: who goes next, at what instant, and the record of what happened.

mod actors;
mod bodies;
mod ending;
mod limits;
mod questions;
mod queue;
mod seen;
mod talk;

use std::collections::{BTreeMap, BTreeSet};

use super::order::Rank;
use super::outcome::Input;
use super::program::{ActorId, MAIN, Program};
use crate::case::ast::{Case, TaskDef, Time};
use crate::history::{Event, Key, What, Who, WorkerId};
use actors::OpenCall;
use bodies::Playing;
use limits::Limited;
use queue::{Queue, Ready};
pub use queue::{Taken, Turn};
use seen::Seen;
pub use talk::{Beginning, Caller, Move, Observed, Options, Waiting};

/// A run of a case, apart from the pool.
#[derive(Debug)]
pub struct Stage<'c> {
    program: Program<'c>,
    defs: BTreeMap<&'c str, &'c TaskDef>,
    queue: Queue,
    /// The implementation keeps the deadlines of calls.
    has_timers: bool,
    /// Calls that will still be blocked at their deadline.
    late: BTreeSet<u64>,
    bodies: BTreeMap<Key, Playing<'c>>,
    calls: BTreeMap<Caller, OpenCall>,
    /// Calls made so far.
    count: u64,
    /// Timers of the implementation.
    timers: BTreeMap<u64, Rank>,
    seen: Seen,
    /// How often each body has begun.
    begun: BTreeMap<Key, u64>,
    /// What ends tasks early, and how often they are tried again.
    limits: BTreeMap<Key, Limited>,
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
    /// How many timers have rung since there were so many events.
    in_vain: (usize, u32),
}

/// So often timers ring, while nobody but timers waits for an instant, before the program counts as stuck.
const IN_VAIN: u32 = 100;

impl<'c> Stage<'c> {
    /// The case before its first step.
    pub fn new(case: &'c Case, options: Options) -> Stage<'c> {
        let defs = case.tasks.iter().map(|def| (def.name.value.as_str(), def));
        let mut queue = Queue::new(options.deviations);
        queue.add(Time(0), Ready::Actor(MAIN, Input::Go));
        Stage {
            program: Program::new(case),
            defs: defs.collect(),
            queue,
            has_timers: options.timers,
            late: options.late,
            bodies: BTreeMap::new(),
            calls: BTreeMap::new(),
            count: 0,
            timers: BTreeMap::new(),
            seen: Seen::default(),
            begun: BTreeMap::new(),
            limits: BTreeMap::new(),
            printed: 0,
            idle: BTreeSet::new(),
            main_ended: false,
            exited: false,
            stopped: BTreeSet::new(),
            workers: [BTreeMap::new(), BTreeMap::new()],
            events: Vec::new(),
            in_vain: (0, 0),
        }
    }

    /// What is to be done next. Everything that the last move led to must have been told.
    pub fn next_move(&mut self) -> Move {
        self.absorb();
        loop {
            let Some(ready) = self.queue.pop() else {
                return Move::Stuck;
            };
            let made = match ready {
                Ready::Actor(actor, input) => self.act(actor, input),
                Ready::Body(key) => self.play(key),
                Ready::Timer(timer) => {
                    self.timers.remove(&timer);
                    if self.rings_in_vain() {
                        return Move::Stuck;
                    }
                    Some(Move::Fire(timer))
                }
                Ready::Deadline(caller) => self.deadline(caller),
            };
            if let Some(made) = made {
                return made;
            }
        }
    }

    /// Whether timers ring for ever and nothing comes of it: a pool may always have one, as one whose workers grow old.
    fn rings_in_vain(&mut self) -> bool {
        let (events, rings) = self.in_vain;
        self.in_vain = match events == self.events.len() {
            true => (events, rings + 1),
            false => (self.events.len(), 0),
        };
        self.in_vain.1 > IN_VAIN && self.queue.has_timers_alone()
    }

    /// Everything that has happened so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    fn log(&mut self, who: Who, what: What) {
        let at = self.queue.now();
        self.events.push(Event { at, who, what });
    }
}
