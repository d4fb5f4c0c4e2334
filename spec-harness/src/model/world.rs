//! Everything a program makes, and who waits for what: the answers to its calls, and its end.

use std::collections::BTreeMap;

use super::command::{held, limit, submission};
use super::pool::{Begin, End, JobId, Outcome, Pool, Worker};
use super::process::{Process, SIGKILL, SIGTERM};
use super::stream::{Stream, Wish};
use super::{Choices, raised};
use crate::case::ast::{Kind, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::interp::{Beginning, Caller};
use crate::protocol::{self, Command, Order};

/// A program's pools, handles and processes.
#[derive(Debug)]
pub(super) struct World {
    kind: Kind,
    choices: Choices,
    /// In the order of their making; what was dropped stays, for its handles.
    pools: Vec<(String, Pool)>,
    dropped: Vec<String>,
    handles: BTreeMap<String, Job>,
    /// Each with the pool that it is of.
    streams: BTreeMap<String, (usize, Stream)>,
    processes: Vec<(String, Process)>,
    calls: BTreeMap<Caller, OpenCall>,
    timers: u64,
    /// Timers of pools that were told to stop: when they ring, every worker is killed.
    graces: BTreeMap<u64, usize>,
    leaving: bool,
    seen: Vec<Seen>,
}

/// A pool, and a job of it.
type Job = (usize, JobId);

/// What the program's interpreter is to be told.
#[derive(Debug)]
pub(super) enum Seen {
    Returned(Caller, Outcome),
    Began(Beginning),
    Did(Key),
    Gone(Key),
    Armed(u64, Time),
    Disarmed(u64),
    /// The program has ended, and nothing of it is left.
    Ended,
    /// The program asked for something that has no answer: why.
    Nonsense(String),
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
    /// `get`, `apply`, `map`: for the value.
    Value(Job),
    /// `next`: for the iterator's next result.
    Next(String),
    /// `wait`.
    Ready(Job),
    /// `join`, `drop`: for the pool's last worker.
    Gone(usize),
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
            streams: BTreeMap::new(),
            processes: Vec::new(),
            calls: BTreeMap::new(),
            timers: 0,
            graces: BTreeMap::new(),
            leaving: false,
            seen: Vec::new(),
        }
    }

    /// Main, a thread or a body makes a call.
    pub(super) fn call(&mut self, by: Caller, command: &Command) {
        let awaits = match self.perform(by, command) {
            Ok(awaits) => awaits,
            Err(raised) => return self.seen.push(Seen::Returned(by, Err(raised))),
        };
        // R3: a timeout of zero is a look.
        let limit = limit(command);
        let late = limit == Some(Time(0));
        if !late && self.waits_for_itself(by, &awaits) {
            // R3: wait never fails.
            let outcome = match awaits {
                Awaits::Ready(_) => Ok(Value::None),
                _ => Err(raised("WouldDeadlock", "call would wait for itself")),
            };
            return self.seen.push(Seen::Returned(by, outcome));
        }
        let timer = limit.filter(|_| !late && self.result(&awaits).is_none());
        let timer = timer.map(|after| {
            self.timers += 1;
            self.seen.push(Seen::Armed(self.timers, after));
            self.timers
        });
        let call = OpenCall {
            awaits,
            timer,
            late,
            holds: held(command).cloned(),
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
        if let Some(pool) = self.graces.remove(&timer) {
            let dead = self.pools[pool].1.kill();
            self.seen.extend(dead.into_iter().map(Seen::Gone));
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
        self.seen.push(Seen::Did(key));
    }

    /// A body was given its last order.
    pub(super) fn obey(&mut self, key: Key, order: &Order) {
        let died = |cause: String, code: i64| End::WorkerDied { cause, code };
        let end = match order {
            Order::Return(value) => match Value::from_json(value) {
                Ok(value) => End::With(Ok(value)),
                Err(why) => return self.seen.push(Seen::Nonsense(why)),
            },
            Order::Raise(error) => End::With(Err(raised(&error.kind, error.text.clone()))),
            // R9
            Order::ReturnUnsendable(_) | Order::RaiseUnsendable(_) => {
                End::With(Err(raised("Encode", protocol::CANNOT_TRAVEL)))
            }
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
        self.seen.push(Seen::Gone(key));
        if let End::WorkerDied { cause, .. } = &end
            && self.is_in_program(key)
        {
            return self
                .seen
                .push(Seen::Nonsense(format!("the program itself {cause}")));
        }
        let mut pools = self.pools.iter_mut();
        if pools.any(|(_, pool)| pool.ended(key, &end)) {
            return;
        }
        if let Some(process) = self.bare(key) {
            process.ended(&end);
        }
    }

    /// Main has returned: the program ends.
    pub(super) fn exit(&mut self) {
        self.leaving = true;
    }

    /// Everything that follows by itself from what has happened.
    pub(super) fn settle(&mut self) -> Vec<Seen> {
        if self
            .streams
            .values_mut()
            .any(|(_, stream)| stream.ran_dry())
        {
            let why = "an endless input was read further than the case has items for";
            self.nonsense(why.to_owned());
        }
        loop {
            let before = self.seen.len();
            if self.leaving {
                self.leave();
            }
            for number in 0..self.pools.len() {
                let waiting = self.waiting_inside(number);
                let begins = self.pools[number].1.begin(&waiting).into_iter();
                self.seen
                    .extend(begins.map(|begin| beginning(number as i32, begin)));
            }
            if self.seen.len() == before {
                break;
            }
        }
        for (by, call) in std::mem::take(&mut self.calls) {
            if !self.can_go_on(by) {
                self.calls.insert(by, call);
                continue;
            }
            self.advance(&call.awaits);
            let late = || call.late.then(|| too_late(&call.awaits));
            if let Some(result) = self.result(&call.awaits).or_else(late) {
                self.seen.extend(call.timer.map(Seen::Disarmed));
                self.seen.push(Seen::Returned(by, result));
                self.taken(&call.awaits);
            } else {
                self.calls.insert(by, call);
            }
        }
        std::mem::take(&mut self.seen)
    }

    /// The end of the program. L9: pools are dropped, the last one first. P2: daemons are killed, and the other
    /// processes are waited for.
    fn leave(&mut self) {
        while let Some(open) = self.pools.iter().rposition(|(_, pool)| !pool.is_gone()) {
            self.terminate(open);
            if !self.pools[open].1.is_gone() {
                return;
            }
        }
        for number in 0..self.processes.len() {
            // P4: threads end with their program.
            if self.processes[number].1.daemon || self.kind == Kind::Thread {
                self.signal(number, SIGKILL);
            }
        }
        if !self.processes.iter().any(|(_, process)| process.is_alive()) {
            self.leaving = false;
            self.seen.push(Seen::Ended);
        }
    }

    /// Does what a call does at once, and says for what it waits.
    fn perform(&mut self, by: Caller, command: &Command) -> Result<Awaits, Raised> {
        if let Some((pool, work, handle)) = submission(command) {
            let pool = self.pool(pool)?;
            let job = (pool, self.pools[pool].1.submit(work)?);
            // O1: apply is apply_async and get.
            let Some(handle) = handle else {
                return Ok(Awaits::Value(job));
            };
            self.handles.insert(handle.clone(), job);
            return Ok(Awaits::No(Value::None));
        }
        if let Some(wish) = Wish::of(command) {
            let pool = self.pool(wish.pool)?;
            let stream = Stream::new(&wish, &mut self.pools[pool].1)?;
            self.streams.insert(wish.iterator.clone(), (pool, stream));
            return Ok(Awaits::No(Value::None));
        }
        match command {
            Command::Next { iterator, .. } => {
                let Some((pool, stream)) = self.streams.get_mut(iterator) else {
                    return Err(self.nonsense(format!("the iterator `{iterator}` was never made")));
                };
                stream.asked(&mut self.pools[*pool].1);
                let awaits = Awaits::Next(iterator.clone());
                self.advance(&awaits);
                return Ok(awaits);
            }
            Command::Pool {
                pool,
                size,
                maxtasksperchild,
            } => {
                let made = Pool::new(self.kind, *size, *maxtasksperchild, self.choices)?;
                self.pools.push((pool.clone(), made));
            }
            Command::Get { handle, .. } => return Ok(Awaits::Value(self.handle(handle)?)),
            Command::Wait { handle, .. } => return Ok(Awaits::Ready(self.handle(handle)?)),
            Command::Ready { handle } => {
                let job = self.handle(handle)?;
                return Ok(Awaits::No(Value::Bool(self.outcome(job).is_some())));
            }
            Command::Successful { handle } => {
                let job = self.handle(handle)?;
                // R2
                let outcome = self
                    .outcome(job)
                    .ok_or(raised("NotReady", "task not ready"))?;
                return Ok(Awaits::No(Value::Bool(outcome.is_ok())));
            }
            Command::Close { pool } => {
                let pool = self.pool(pool)?;
                self.pools[pool].1.close();
            }
            Command::Terminate { pool } => {
                let pool = self.pool(pool)?;
                self.terminate(pool);
            }
            Command::Join { pool, .. } => {
                let pool = self.pool(pool)?;
                self.pools[pool].1.join()?;
                // L8: it would wait for itself.
                if self.is_inside(by, pool) {
                    return Err(raised("WouldDeadlock", "call would wait for itself"));
                }
                for (_, stream) in self.streams.values_mut().filter(|(of, _)| *of == pool) {
                    stream.read_all(&mut self.pools[pool].1);
                }
                return Ok(Awaits::Gone(pool));
            }
            Command::Drop { pool: name } => {
                // L9: terminate and join.
                let pool = self.pool(name)?;
                if self
                    .calls
                    .values()
                    .any(|call| call.holds.as_ref() == Some(name))
                {
                    let why = format!("the pool `{name}` is dropped while another thread is in it");
                    return Err(self.nonsense(why));
                }
                self.dropped.push(name.clone());
                self.terminate(pool);
                // L8: from inside, without waiting.
                if !self.is_inside(by, pool) {
                    return Ok(Awaits::Gone(pool));
                }
            }
            Command::Process {
                process,
                key,
                daemon,
            } => {
                self.processes
                    .push((process.clone(), Process::new(*key, *daemon)));
            }
            Command::Start { process } => {
                let number = self.process(process)?;
                let process = &mut self.processes[number].1;
                process.start()?;
                let begin = Begin::Task {
                    key: process.key,
                    worker: number as i32,
                    args: 1,
                };
                self.seen.push(beginning(BARE, begin));
            }
            Command::JoinProcess { process, .. } => {
                return Ok(Awaits::Ended(self.started(process)?));
            }
            Command::IsAlive { process } => {
                let number = self.process(process)?;
                return Ok(Awaits::No(Value::Bool(self.processes[number].1.is_alive())));
            }
            Command::Exitcode { process } => {
                let number = self.process(process)?;
                return Ok(Awaits::No(self.processes[number].1.exitcode()));
            }
            Command::Kill { process } => {
                let number = self.started(process)?;
                self.signal(number, SIGKILL);
            }
            Command::TerminateProcess { process } => {
                let number = self.started(process)?;
                self.signal(number, SIGTERM);
            }
            other => return Err(self.nonsense(format!("no program calls `{}`", other.name()))),
        }
        Ok(Awaits::No(Value::None))
    }

    /// What a call returns with now, if it does.
    fn result(&self, awaits: &Awaits) -> Option<Outcome> {
        let none = || Ok(Value::None);
        match awaits {
            Awaits::No(value) => Some(Ok(value.clone())),
            Awaits::Value(job) => self.outcome(*job).cloned(),
            // R3: wait never fails.
            Awaits::Ready(job) => self.outcome(*job).map(|_| none()),
            Awaits::Next(iterator) => self.streams.get(iterator)?.1.next(),
            Awaits::Gone(pool) => self.is_gone(*pool).then(none),
            Awaits::Ended(process) => self.processes[*process].1.has_ended().then(none),
        }
    }

    /// Whether a call is made by a task or a callback of this pool.
    fn is_inside(&self, by: Caller, pool: usize) -> bool {
        matches!(by, Caller::Body(key) if self.pools[pool].1.is_inside(key))
    }

    /// The pool for whose work a call waits.
    fn waited_for(&self, awaits: &Awaits) -> Option<usize> {
        match awaits {
            Awaits::Value((pool, _)) | Awaits::Ready((pool, _)) => Some(*pool),
            Awaits::Next(iterator) => self.streams.get(iterator).map(|(pool, _)| *pool),
            Awaits::No(_) | Awaits::Gone(_) | Awaits::Ended(_) => None,
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
                // Some result that has come lets it go on.
                _ => self.result(&call.awaits).map(|_| 0),
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
        self.pools[*pool].1.waits_for_itself(key, *job) && self.result(awaits).is_none()
    }

    /// Whether whoever calls can go on when the call returns: a callback not before those that run inside of it.
    fn can_go_on(&self, by: Caller) -> bool {
        match by {
            Caller::Actor(_) => true,
            Caller::Body(key) => self.pools.iter().all(|(_, pool)| pool.is_innermost(key)),
        }
    }

    /// Lets an iterator take in what has come, where somebody waits for it.
    fn advance(&mut self, awaits: &Awaits) {
        if let Awaits::Next(iterator) = awaits
            && let Some((pool, stream)) = self.streams.get_mut(iterator)
        {
            stream.advance(&self.pools[*pool].1);
        }
    }

    /// A call was given what it waited for.
    fn taken(&mut self, awaits: &Awaits) {
        if let Awaits::Next(iterator) = awaits
            && let Some((_, stream)) = self.streams.get_mut(iterator)
        {
            stream.taken();
        }
    }

    /// L4: also what an imap has still to read keeps a pool.
    fn is_gone(&self, pool: usize) -> bool {
        let mut streams = self.streams.values().filter(|(of, _)| *of == pool);
        self.pools[pool].1.is_gone() && !streams.any(|(_, stream)| stream.is_open())
    }

    fn outcome(&self, (pool, job): Job) -> Option<&Outcome> {
        self.pools[pool].1.outcome(job)
    }

    /// L7: workers that do not listen are given some time.
    fn terminate(&mut self, pool: usize) {
        for (_, stream) in self.streams.values_mut().filter(|(of, _)| *of == pool) {
            stream.stop();
        }
        let dead = self.pools[pool].1.terminate();
        self.seen.extend(dead.into_iter().map(Seen::Gone));
        let waits = self.kind == Kind::Process && self.pools[pool].1.is_busy();
        if waits && !self.graces.values().any(|of| *of == pool) {
            self.timers += 1;
            self.graces.insert(self.timers, pool);
            self.seen.push(Seen::Armed(self.timers, GRACE));
        }
    }

    fn signal(&mut self, process: usize, signal: i64) {
        let process = &mut self.processes[process].1;
        if process.signal(signal) {
            self.seen.push(Seen::Gone(process.key));
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

    fn pool(&mut self, name: &str) -> Result<usize, Raised> {
        if self.dropped.iter().any(|dropped| dropped == name) {
            return Err(self.nonsense(format!("the pool `{name}` was dropped")));
        }
        let found = self.pools.iter().position(|(known, _)| known == name);
        found.ok_or_else(|| self.nonsense(format!("the pool `{name}` was never made")))
    }

    fn handle(&mut self, name: &str) -> Result<Job, Raised> {
        let found = self.handles.get(name).copied();
        found.ok_or_else(|| self.nonsense(format!("the handle `{name}` was never made")))
    }

    fn process(&mut self, name: &str) -> Result<usize, Raised> {
        let found = self.processes.iter().position(|(known, _)| known == name);
        found.ok_or_else(|| self.nonsense(format!("the process `{name}` was never made")))
    }

    fn started(&mut self, name: &str) -> Result<usize, Raised> {
        let process = self.process(name)?;
        self.processes[process].1.started()?;
        Ok(process)
    }

    fn nonsense(&mut self, why: String) -> Raised {
        self.seen.push(Seen::Nonsense(why.clone()));
        raised("Protocol", why)
    }
}

/// L7: the time between SIGTERM and SIGKILL.
const GRACE: Time = Time(1_000_000);

/// Workers are told apart by their pool and number; bare processes are of no pool.
const BARE: Worker = -1;

/// What a call returns with when its time is over.
fn too_late(awaits: &Awaits) -> Outcome {
    match awaits {
        // P1: join of a process says nothing of whether it has ended.
        Awaits::Ready(_) | Awaits::Ended(_) => Ok(Value::None),
        _ => Err(raised("TimedOut", "timed out")),
    }
}

fn beginning(pool: Worker, begin: Begin) -> Seen {
    Seen::Began(match begin {
        Begin::Task { key, worker, args } => Beginning {
            key,
            on: (pool, worker),
            in_parent: false,
            args,
            given: None,
        },
        Begin::Callback { key, with } => {
            let given = Some(with.unwrap_or_else(|error| Value::Str(error.shown().to_owned())));
            Beginning {
                key,
                on: (pool, 0),
                in_parent: true,
                args: 1,
                given,
            }
        }
    })
}
