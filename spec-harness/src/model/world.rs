//! Everything a program makes, and what follows from what it does: the answers to its calls, and its end.

mod bodies;
mod calls;
mod leave;
mod perform;

use std::collections::{BTreeMap, BTreeSet};

use super::command::held;
use super::pool::Pool;
use super::process::Process;
use super::work::{Alarm, Worker};
use super::{Choices, raised};
use crate::case::ast::{Kind, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::interp::{Caller, Observed};
use crate::protocol::Call;
use calls::{Awaits, Job, OpenCall, Results};

/// A program's pools, handles and processes.
#[derive(Debug)]
pub(super) struct World {
    kind: Kind,
    choices: Choices,
    /// In the order of their making; what was dropped stays, for its handles.
    pools: Vec<Pool>,
    /// Pools by name; nothing where it was dropped.
    pool_names: BTreeMap<String, Option<usize>>,
    handles: BTreeMap<String, Job>,
    iterators: BTreeMap<String, Results>,
    processes: Vec<Process>,
    process_names: BTreeMap<String, usize>,
    calls: BTreeMap<Caller, OpenCall>,
    /// Calls that were ever made.
    called: u64,
    timers: u64,
    /// The alarms of pools that are set, by pool and alarm, each with its timer.
    alarms: BTreeMap<(usize, Alarm), u64>,
    /// Deadlines that run: in which move they began, and how long they are.
    together: BTreeMap<(usize, Alarm), (u64, Time)>,
    /// Moves so far.
    moves: u64,
    /// X2: timers of submissions that wait for a place, by who waits.
    places: BTreeMap<Caller, u64>,
    /// X3 to X5: tokens that were cancelled.
    cancelled: BTreeSet<String>,
    leaving: bool,
    /// What the program's interpreter was not told yet.
    seen: Vec<Observed>,
    over: Option<Over>,
}

/// Why nothing follows any more.
#[derive(Debug)]
pub(super) enum Over {
    /// The program has ended, and nothing of it is left.
    Ended,
    /// The program asked for something that has no answer: why.
    Nonsense(String),
}

impl World {
    pub(super) fn new(kind: Kind, choices: Choices) -> World {
        World {
            kind,
            choices,
            pools: Vec::new(),
            pool_names: BTreeMap::new(),
            handles: BTreeMap::new(),
            iterators: BTreeMap::new(),
            processes: Vec::new(),
            process_names: BTreeMap::new(),
            calls: BTreeMap::new(),
            called: 0,
            timers: 0,
            alarms: BTreeMap::new(),
            together: BTreeMap::new(),
            moves: 0,
            places: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            leaving: false,
            seen: Vec::new(),
            over: None,
        }
    }

    /// Main, a thread or a body makes a call.
    pub(super) fn call(&mut self, by: Caller, command: &Call) {
        self.called += 1;
        let awaits = match self.perform(by, command) {
            Ok(awaits) => awaits,
            Err(raised) => return self.seen.push(Observed::Returned(by, Err(raised))),
        };
        // R3: a timeout of zero is a look.
        let limit = command.limit();
        let late = limit == Some(Time(0));
        if !late && self.waits_for_itself(by, &awaits) {
            // R3: wait never fails.
            let outcome = match awaits {
                Awaits::Ready(_) => Ok(Value::None),
                _ => Err(raised("WouldDeadlock", "call would wait for itself")),
            };
            return self.seen.push(Observed::Returned(by, outcome));
        }
        let timer = limit.filter(|_| !late && self.result(&awaits).is_none());
        let timer = timer.map(|after| self.arm(after));
        let call = OpenCall {
            awaits,
            since: self.called,
            timer,
            late,
            holds: held(command).map(str::to_owned),
        };
        self.calls.insert(by, call);
    }

    /// A timer that is to ring after so long.
    fn arm(&mut self, after: Time) -> u64 {
        self.timers += 1;
        self.seen.push(Observed::Timer(self.timers, after));
        self.timers
    }

    /// The time of a call is over.
    pub(super) fn fire(&mut self, timer: u64) {
        for call in self.calls.values_mut() {
            if call.timer.take_if(|armed| *armed == timer).is_some() {
                call.late = true;
            }
        }
        let mut alarms = self.alarms.iter();
        if let Some(((pool, alarm), _)) = alarms.find(|(_, armed)| **armed == timer) {
            let (pool, alarm) = (*pool, *alarm);
            self.alarms.remove(&(pool, alarm));
            let together = self.together.remove(&(pool, alarm));
            if together.is_some_and(|with| self.together.values().any(|other| *other == with)) {
                let why =
                    "two tasks are late in one instant, and nobody promises which is told first";
                self.nonsense(why.to_owned());
            }
            let dead = self.pools[pool].rings(alarm);
            self.seen.extend(dead.into_iter().map(Observed::Gone));
        }
        let mut places = self.places.iter();
        if let Some((by, _)) = places.find(|(_, armed)| **armed == timer) {
            let by = *by;
            self.give_up_place(by, None);
        }
    }

    /// Main has returned: the program ends.
    pub(super) fn exit(&mut self) {
        self.leaving = true;
    }

    /// Why nothing follows any more, where that is so.
    pub(super) fn over(&mut self) -> Option<Over> {
        self.over.take()
    }

    /// Everything that follows by itself from what has happened. The next worker that starts by an initializer has
    /// this number.
    pub(super) fn run_until_idle(&mut self, mut next: Key) -> Vec<Observed> {
        self.moves += 1;
        loop {
            let before = self.seen.len();
            self.go_on(&mut next);
            if self.seen.len() == before {
                break;
            }
        }
        if let Some(why) = self.pools.iter().find_map(|pool| pool.race()) {
            self.nonsense(why.to_owned());
        }
        self.answer();
        std::mem::take(&mut self.seen)
    }

    /// One round of what follows.
    fn go_on(&mut self, next: &mut Key) {
        if self.leaving {
            self.leave();
        }
        self.let_in();
        // What has come for one who waits for it is his before anything else begins.
        let awaited = self.calls.values().filter_map(|call| match call.awaits {
            Awaits::Next(next) => Some(next),
            _ => None,
        });
        for (pool, iterator) in awaited.collect::<Vec<_>>() {
            self.pools[pool].advance(iterator);
        }
        for number in 0..self.pools.len() {
            let waiting = self.waiting_inside(number);
            let begins = self.pools[number].begin(&waiting, next);
            for begin in begins {
                self.begins(number as Worker, begin);
            }
            self.set_alarms(number);
        }
    }

    /// Sets the alarms that a pool wants now, and those no more that it does not.
    fn set_alarms(&mut self, pool: usize) {
        let wanted = self.pools[pool].alarms();
        let is_wanted = |alarm: &Alarm| wanted.iter().any(|(wanted, _)| wanted == alarm);
        let mut unwanted = Vec::new();
        self.alarms.retain(|(of, alarm), timer| {
            let stays = *of != pool || is_wanted(alarm);
            unwanted.extend((!stays).then_some(Observed::Cancelled(*timer)));
            stays
        });
        let alarms = &self.alarms;
        self.together.retain(|alarm, _| alarms.contains_key(alarm));
        self.seen.extend(unwanted);
        for (alarm, after) in wanted {
            if !self.alarms.contains_key(&(pool, alarm)) {
                let timer = self.arm(after);
                self.alarms.insert((pool, alarm), timer);
                if let Alarm::Deadline(_) = alarm {
                    self.together.insert((pool, alarm), (self.moves, after));
                }
            }
        }
    }

    /// Calls return that have what they wait for, or no more time.
    fn answer(&mut self) {
        for (by, call) in std::mem::take(&mut self.calls) {
            if !self.can_go_on(by) {
                self.calls.insert(by, call);
                continue;
            }
            self.advance(&call.awaits);
            // X4: who is no longer wanted waits no longer.
            if self.result(&call.awaits).is_none() && self.is_interrupted(by, &call.awaits) {
                let outcome = match call.awaits {
                    Awaits::Ready(_) => Ok(Value::None),
                    _ => Err(raised("Cancelled", "wait ended")),
                };
                self.seen.extend(call.timer.map(Observed::Cancelled));
                self.seen.push(Observed::Returned(by, outcome));
                continue;
            }
            let late = || call.late.then(|| World::too_late(&call.awaits));
            if let Some(result) = self.result(&call.awaits).or_else(late) {
                self.seen.extend(call.timer.map(Observed::Cancelled));
                self.seen.push(Observed::Returned(by, result));
                self.taken(&call.awaits);
            } else {
                self.calls.insert(by, call);
            }
        }
    }

    /// L7: workers that do not listen are given some time.
    fn terminate(&mut self, pool: usize) {
        let dead = self.pools[pool].terminate();
        self.seen.extend(dead.into_iter().map(Observed::Gone));
        self.set_alarms(pool);
    }

    fn signal(&mut self, process: usize, signal: i64) {
        let process = &mut self.processes[process];
        if process.signal(signal) {
            self.seen.push(Observed::Gone(process.key));
        }
    }

    fn nonsense(&mut self, why: String) -> Raised {
        self.over = Some(Over::Nonsense(why.clone()));
        raised("Protocol", why)
    }
}
