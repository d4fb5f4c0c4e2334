//! Everything a program makes, and who waits for what: the answers to its calls, and its end.

mod leave;
mod perform;

use std::collections::BTreeMap;

use super::command::held;
use super::pool::{Begin, End, IterId, JobId, Outcome, Pool, Work, Worker};
use super::process::{Process, SIGKILL};
use super::{Choices, Dialect, raised};
use crate::case::ast::{Kind, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::interp::{Beginning, Caller, Observed};
use crate::protocol::{Command, Order};

/// A program's pools, handles and processes.
#[derive(Debug)]
pub(super) struct World {
    kind: Kind,
    choices: Choices,
    /// In the order of their making; what was dropped stays, for its handles.
    pools: Vec<(String, Box<dyn Pool>)>,
    dropped: Vec<String>,
    handles: BTreeMap<String, Job>,
    iterators: BTreeMap<String, Results>,
    processes: Vec<(String, Process)>,
    calls: BTreeMap<Caller, OpenCall>,
    timers: u64,
    /// Timers of pools that were told to stop: when they ring, every worker is killed.
    graces: BTreeMap<u64, usize>,
    /// Timers of pools whose workers could not start: when they ring, one is tried again.
    pauses: BTreeMap<u64, usize>,
    leaving: bool,
    /// L10: children of bodies that nobody ends.
    orphans: usize,
    /// What the program's interpreter was not told yet.
    seen: Vec<Observed>,
    over: Option<Over>,
}

/// A pool, and a job of it.
type Job = (usize, JobId);

/// A pool, and an iterator of it.
type Results = (usize, IterId);

/// Why nothing follows any more.
#[derive(Debug)]
pub(super) enum Over {
    /// The program has ended, and nothing of it is left.
    Ended,
    /// The program has ended, and processes of it are left.
    Leaked,
    /// The program asked for something that has no answer: why.
    Nonsense(String),
    /// A pool is at work without end: nobody sees what comes next.
    Spins,
}

/// What a call hands in: to which pool, what, and under which name the handle is kept; without one, for its value.
#[derive(Debug)]
struct Submission {
    pool: usize,
    work: Work,
    handle: Option<String>,
}

#[derive(Debug)]
struct OpenCall {
    awaits: Awaits,
    timer: Option<u64>,
    /// Its time is over.
    late: bool,
    /// The pool that the caller holds meanwhile.
    holds: Option<String>,
}

/// What a call returns with, or for what it waits.
#[derive(Debug)]
enum Awaits {
    /// For nothing.
    No(Value),
    /// For a place in the queue.
    Place(Box<Submission>),
    /// For places for the rest of a map.
    Places(usize),
    /// `get`, `apply`, `map`: for the value.
    Value(Job),
    /// `next`: for the iterator's next result.
    Next(Results),
    /// `wait`.
    Ready(Job),
    /// `join`, `drop`: for the pool's last worker.
    Gone(usize),
    /// `terminate`, where that takes its time.
    Terminated(usize),
    /// `join` of a process.
    Ended(usize),
}

impl World {
    pub(super) fn new(kind: Kind, choices: Choices) -> World {
        World {
            kind,
            choices,
            pools: Vec::new(),
            dropped: Vec::new(),
            handles: BTreeMap::new(),
            iterators: BTreeMap::new(),
            processes: Vec::new(),
            calls: BTreeMap::new(),
            timers: 0,
            graces: BTreeMap::new(),
            pauses: BTreeMap::new(),
            leaving: false,
            orphans: 0,
            seen: Vec::new(),
            over: None,
        }
    }

    /// Main, a thread or a body makes a call.
    pub(super) fn call(&mut self, by: Caller, command: &Command) {
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
        let timer = limit.filter(|_| !late && self.result(by, &awaits).is_none());
        let timer = timer.map(|after| {
            self.timers += 1;
            self.seen.push(Observed::Timer(self.timers, after));
            self.timers
        });
        let call = OpenCall {
            awaits,
            timer,
            late,
            holds: held(command).map(str::to_owned),
        };
        self.calls.insert(by, call);
    }

    /// The time of a call is over.
    pub(super) fn fire(&mut self, timer: u64) {
        for call in self.calls.values_mut() {
            if call.timer.take_if(|armed| *armed == timer).is_some() {
                call.late = true;
            }
        }
        if let Some(pool) = self.pauses.remove(&timer) {
            self.pools[pool].1.pause_over();
        }
        if let Some(pool) = self.graces.remove(&timer) {
            let dead = self.pools[pool].1.kill();
            self.seen.extend(dead.into_iter().map(Observed::Gone));
        }
    }

    /// A body was given an order that is not its last.
    pub(super) fn detour(&mut self, key: Key, order: &Order) {
        if matches!(order, Order::IgnoreSigterm(_)) {
            let mut pools = self.pools.iter_mut();
            if !pools.any(|(_, pool)| pool.deafen(key))
                && let Some(process) = self.bare(key)
            {
                process.deaf = true;
            }
        }
        // L10: it ends with its worker.
        if matches!(order, Order::SpawnChild(_)) && self.choices.dialect == Dialect::CPython {
            self.orphans += 1;
        }
        self.seen.push(Observed::Done(key));
    }

    /// A body was given its last order.
    pub(super) fn obey(&mut self, key: Key, order: &Order) {
        let died = |cause: String, code: i64| End::WorkerDied { cause, code };
        let end = match order {
            Order::Return(value) => match Value::from_json(value) {
                Ok(value) => End::With(Ok(value)),
                Err(why) => {
                    self.nonsense(why);
                    return;
                }
            },
            Order::Raise(error) => End::With(Err(raised(&error.kind, error.text.clone()))),
            Order::ReturnUnsendable(_) => End::Unsendable { raised: false },
            Order::RaiseUnsendable(_) => End::Unsendable { raised: true },
            Order::Panic(text) => End::With(Err(raised("Panicked", text.clone()))),
            Order::Exit(code) => died(format!("exited with code {code}"), (*code).into()),
            // Who is stopped keeps its place until somebody ends it.
            Order::Signal(name) if name == "STOP" => return self.stop(key),
            Order::Signal(name) => died(format!("killed by SIG{name}"), -SIGKILL),
            Order::CloseFds(_) => died("lost its connection".to_owned(), 0),
            Order::SpawnChild(_)
            | Order::Allocate(_)
            | Order::IgnoreSigterm(_)
            | Order::Call(_) => {
                return self.detour(key, order);
            }
        };
        self.seen.push(Observed::Gone(key));
        if let End::WorkerDied { cause, .. } = &end
            && self.is_in_program(key)
        {
            self.nonsense(format!("the program itself {cause}"));
            return;
        }
        let mut pools = self.pools.iter_mut();
        if pools.any(|(_, pool)| pool.ended(key, &end)) {
            return;
        }
        if let Some(process) = self.bare(key) {
            process.ended(&end);
        }
    }

    /// R11: the worker that ran this body is killed from outside; with it, what it is at now.
    pub(super) fn kill_worker(&mut self, key: Key) {
        let end = End::WorkerDied {
            cause: "killed by SIGKILL".to_owned(),
            code: -SIGKILL,
        };
        for (_, pool) in &mut self.pools {
            if let Some(body) = pool.kill_worker(key)
                && pool.ended(body, &end)
            {
                self.seen.push(Observed::Gone(body));
            }
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
    pub(super) fn settle(&mut self, mut next: Key) -> Vec<Observed> {
        if self.pools.iter_mut().any(|(_, pool)| pool.ran_dry()) {
            let why = "an endless input was read further than the case has items for";
            self.nonsense(why.to_owned());
        }
        loop {
            let before = self.seen.len();
            match self.choices.dialect {
                _ if !self.leaving => {}
                Dialect::Contract => self.leave(),
                Dialect::CPython => self.leave_cpython(),
            }
            self.let_in();
            // What has come for one who waits for it is his before anything else begins.
            let awaited = self.calls.values().filter_map(|call| match call.awaits {
                Awaits::Next(next) => Some(next),
                _ => None,
            });
            for (pool, iterator) in awaited.collect::<Vec<_>>() {
                self.pools[pool].1.advance(iterator);
            }
            for number in 0..self.pools.len() {
                let waiting = self.waiting_inside(number);
                let pool = &mut self.pools[number].1;
                let begins = pool.begin(&waiting, &mut next).into_iter();
                let names = (self.choices.dialect, self.kind);
                self.seen
                    .extend(begins.map(|begin| beginning(number as i32, begin, names)));
                for pause in pool.pauses() {
                    self.timers += 1;
                    self.pauses.insert(self.timers, number);
                    self.seen.push(Observed::Timer(self.timers, pause));
                }
            }
            if self.seen.len() == before {
                break;
            }
        }
        if let Some(why) = self.pools.iter().find_map(|(_, pool)| pool.race()) {
            self.nonsense(why.to_owned());
        }
        if self.pools.iter().any(|(_, pool)| pool.spins()) {
            self.over = Some(Over::Spins);
        }
        for (by, call) in std::mem::take(&mut self.calls) {
            if !self.can_go_on(by) {
                self.calls.insert(by, call);
                continue;
            }
            self.advance(&call.awaits);
            let late = || call.late.then(|| self.too_late(&call.awaits));
            if let Some(result) = self.result(by, &call.awaits).or_else(late) {
                self.seen.extend(call.timer.map(Observed::Cancelled));
                self.seen.push(Observed::Returned(by, result));
                self.taken(&call.awaits);
            } else {
                self.calls.insert(by, call);
            }
        }
        std::mem::take(&mut self.seen)
    }

    /// C5: those who wait for a place hand in what finds one.
    fn let_in(&mut self) {
        for by in self.calls.keys().copied().collect::<Vec<_>>() {
            let Some(call) = self.calls.get_mut(&by) else {
                continue;
            };
            let Awaits::Place(submission) = &call.awaits else {
                continue;
            };
            let pool = &self.pools[submission.pool].1;
            if pool.accepts().is_err() || !pool.has_place(&submission.work, true) {
                continue;
            }
            let Awaits::Place(submission) =
                std::mem::replace(&mut call.awaits, Awaits::No(Value::None))
            else {
                continue;
            };
            let entered = self.enter(*submission);
            match (entered, self.calls.get_mut(&by)) {
                (Ok(awaits), Some(call)) => call.awaits = awaits,
                (Err(raised), _) => {
                    self.calls.remove(&by);
                    self.seen.push(Observed::Returned(by, Err(raised)));
                }
                _ => {}
            }
        }
    }

    /// Hands in what has found a place.
    fn enter(&mut self, submission: Submission) -> Result<Awaits, Raised> {
        let Submission { pool, work, handle } = submission;
        let job = (pool, self.pools[pool].1.submit(work)?);
        // O1: apply is apply_async and get.
        let Some(handle) = handle else {
            return Ok(Awaits::Value(job));
        };
        self.handles.insert(handle, job);
        Ok(Awaits::Places(pool))
    }

    /// What a call returns with now, if it does.
    fn result(&self, by: Caller, awaits: &Awaits) -> Option<Outcome> {
        let none = || Ok(Value::None);
        match awaits {
            Awaits::No(value) => Some(Ok(value.clone())),
            // C5: close and terminate wake who waits there.
            Awaits::Place(submission) => {
                let refused = self.pools[submission.pool].1.accepts().err();
                refused.map(Err)
            }
            Awaits::Places(pool) => {
                let pool = &self.pools[*pool].1;
                (!pool.is_overfull() || pool.accepts().is_err()).then(none)
            }
            Awaits::Value(job) => self.outcome(*job).cloned(),
            // R3: wait never fails.
            Awaits::Ready(job) => self.outcome(*job).map(|_| none()),
            Awaits::Next((pool, iterator)) => self.pools[*pool].1.next(*iterator),
            Awaits::Gone(pool) => self.pools[*pool].1.joined(by),
            Awaits::Terminated(pool) => self.pools[*pool].1.terminated(by),
            Awaits::Ended(process) => self.processes[*process].1.has_ended().then(none),
        }
    }

    /// What a call returns with when its time is over.
    fn too_late(&self, awaits: &Awaits) -> Outcome {
        let refused = match awaits {
            // P1: join of a process says nothing of whether it has ended.
            Awaits::Ready(_) | Awaits::Ended(_) | Awaits::Places(_) => return Ok(Value::None),
            Awaits::Place(_) => return Err(raised("QueueFull", "queue is full")),
            Awaits::Next((pool, iterator)) => self.pools[*pool].1.unlimited(*iterator),
            _ => None,
        };
        Err(refused.unwrap_or_else(|| match self.choices.dialect {
            Dialect::Contract => raised("TimedOut", "timed out"),
            Dialect::CPython => raised("TimedOut", ""),
        }))
    }

    /// Whether a call is made by a task or a callback of this pool.
    fn is_inside(&self, by: Caller, pool: usize) -> bool {
        matches!(by, Caller::Body(key) if self.pools[pool].1.bodies().contains(&key))
    }

    /// The pool for whose work a call waits.
    fn waited_for(&self, awaits: &Awaits) -> Option<usize> {
        match awaits {
            Awaits::Value((pool, _)) | Awaits::Ready((pool, _)) | Awaits::Next((pool, _)) => {
                Some(*pool)
            }
            Awaits::Place(submission) => Some(submission.pool),
            Awaits::Places(pool) => Some(*pool),
            Awaits::No(_) | Awaits::Gone(_) | Awaits::Terminated(_) | Awaits::Ended(_) => None,
        }
    }

    /// The bodies that are blocked until something of this pool has happened: which job's end, by its place among
    /// all, lets them go on.
    fn waiting_inside(&self, pool: usize) -> BTreeMap<Key, Option<usize>> {
        let waiting = self.calls.iter().filter_map(|(by, call)| {
            let Caller::Body(key) = by else { return None };
            if call.late || self.waited_for(&call.awaits) != Some(pool) {
                return None;
            }
            let until = match &call.awaits {
                Awaits::Value((_, job)) | Awaits::Ready((_, job)) => self.pools[pool].1.done(*job),
                Awaits::Next((_, iterator)) => {
                    let came = self.pools[pool].1.came(*iterator);
                    self.result(*by, &call.awaits).map(|_| came)
                }
                // Some result that has come lets it go on.
                _ => self.result(*by, &call.awaits).map(|_| 0),
            };
            Some((*key, until))
        });
        waiting.collect()
    }

    /// R7: whether a callback waits for the job whose callback it is, or for one whose callback waits for it.
    fn waits_for_itself(&self, by: Caller, awaits: &Awaits) -> bool {
        let (Caller::Body(key), Awaits::Value((pool, job)) | Awaits::Ready((pool, job))) =
            (by, awaits)
        else {
            return false;
        };
        self.pools[*pool].1.waits_for_itself(key, *job) && self.result(by, awaits).is_none()
    }

    /// Whether whoever calls can go on when the call returns: a callback not before those that run inside of it.
    fn can_go_on(&self, by: Caller) -> bool {
        match by {
            Caller::Actor(_) => true,
            Caller::Body(key) => self.pools.iter().all(|(_, pool)| pool.can_go_on(key)),
        }
    }

    /// Lets an iterator take in what has come, where somebody waits for it.
    fn advance(&mut self, awaits: &Awaits) {
        if let Awaits::Next((pool, iterator)) = awaits {
            self.pools[*pool].1.advance(*iterator);
        }
    }

    /// A call was given what it waited for.
    fn taken(&mut self, awaits: &Awaits) {
        if let Awaits::Next((pool, iterator)) = awaits {
            self.pools[*pool].1.taken(*iterator);
        }
    }

    fn outcome(&self, (pool, job): Job) -> Option<&Outcome> {
        self.pools[pool].1.outcome(job)
    }

    /// L7: workers that do not listen are given some time.
    fn terminate(&mut self, pool: usize, by: Caller) {
        let dead = self.pools[pool].1.terminate(by);
        self.seen.extend(dead.into_iter().map(Observed::Gone));
        if self.pools[pool].1.has_grace() && !self.graces.values().any(|of| *of == pool) {
            self.timers += 1;
            self.graces.insert(self.timers, pool);
            self.seen.push(Observed::Timer(self.timers, GRACE));
        }
    }

    fn signal(&mut self, process: usize, signal: i64) {
        let process = &mut self.processes[process].1;
        if process.signal(signal) {
            self.seen.push(Observed::Gone(process.key));
        }
    }

    fn stop(&mut self, key: Key) {
        if self.is_in_program(key) {
            self.nonsense("the program itself was stopped".to_owned());
        } else if let Some(process) = self.bare(key) {
            process.stop();
        }
        // Who goes on only to end does not listen because it would have to.
        for (_, pool) in &mut self.pools {
            pool.stopped(key);
        }
    }

    /// Whether a body runs in the program's own process.
    fn is_in_program(&self, key: Key) -> bool {
        self.kind == Kind::Thread || self.pools.iter().any(|(_, pool)| pool.is_calling(key))
    }

    fn bare(&mut self, key: Key) -> Option<&mut Process> {
        let mut processes = self.processes.iter_mut().map(|(_, process)| process);
        processes.find(|process| process.key == key)
    }

    fn nonsense(&mut self, why: String) -> Raised {
        self.over = Some(Over::Nonsense(why.clone()));
        raised("Protocol", why)
    }
}

/// L7: the time between SIGTERM and SIGKILL.
const GRACE: Time = Time(1_000_000);

/// Workers are told apart by their pool and number; bare processes are of no pool.
const BARE: Worker = -1;

fn beginning(pool: Worker, begin: Begin, names: (Dialect, Kind)) -> Observed {
    let body = |key: Key, worker: Worker| Beginning {
        key,
        on: (pool, worker),
        in_parent: false,
        args: 1,
        given: None,
        initializer: None,
        // C6
        name: Some(match names {
            (Dialect::Contract, Kind::Thread) => format!("ThreadPoolWorker-{worker}"),
            (Dialect::Contract, Kind::Process) => format!("ProcessPoolWorker-{worker}"),
            (Dialect::CPython, Kind::Thread) => format!("Thread-{worker} (worker)"),
            (Dialect::CPython, Kind::Process) => format!("ForkPoolWorker-{worker}"),
        }),
    };
    Observed::Began(match begin {
        Begin::Task { key, worker, args } => Beginning {
            args,
            ..body(key, worker)
        },
        Begin::Callback { key, with } => Beginning {
            in_parent: true,
            given: Some(with.unwrap_or_else(|error| Value::Str(error.shown().to_owned()))),
            ..body(key, 0)
        },
        Begin::Start {
            key,
            worker,
            initializer,
        } => Beginning {
            initializer: Some(initializer),
            ..body(key, worker)
        },
    })
}
