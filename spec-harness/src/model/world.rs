//! Everything a program makes, and who waits for what: the answers to its calls, its bare processes, its end.

use std::collections::BTreeMap;

use super::pool::{Begin, End, JobId, Outcome, Pool, Work, Worker};
use super::{Choices, raised};
use crate::case::ast::{Kind, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::interp::{ActorId, Beginning};
use crate::protocol::{Command, Order};

/// A program's pools, handles and processes.
#[derive(Debug)]
pub(super) struct World {
    kind: Kind,
    choices: Choices,
    /// In the order of their making; what was dropped stays, for its handles.
    pools: Vec<(String, Pool)>,
    dropped: Vec<String>,
    handles: BTreeMap<String, (usize, JobId)>,
    processes: Vec<(String, Process)>,
    calls: BTreeMap<ActorId, OpenCall>,
    timers: u64,
    leaving: bool,
    seen: Vec<Seen>,
}

/// What the program's interpreter is to be told.
#[derive(Debug)]
pub(super) enum Seen {
    Returned(ActorId, Outcome),
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
}

/// What a call returns with, or for what it waits.
#[derive(Debug)]
enum Awaits {
    Nothing(Outcome),
    /// `get`, `apply`, `map`: the value.
    Value(usize, JobId),
    /// `wait`.
    Ready(usize, JobId),
    /// `join`, `drop`.
    Gone(usize),
    /// `join` of a process.
    Ended(usize),
}

/// A bare process (P1), or its thread twin (P4).
#[derive(Debug)]
struct Process {
    key: Key,
    daemon: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Made,
    Runs,
    /// By SIGSTOP: a later SIGTERM changes nothing.
    Stopped,
    /// With this exit code, or by this signal (negative).
    Ended(i64),
}

impl World {
    pub(super) fn new(kind: Kind, choices: Choices) -> World {
        World {
            kind,
            choices,
            pools: Vec::new(),
            dropped: Vec::new(),
            handles: BTreeMap::new(),
            processes: Vec::new(),
            calls: BTreeMap::new(),
            timers: 0,
            leaving: false,
            seen: Vec::new(),
        }
    }

    /// Main or a thread makes a call.
    pub(super) fn call(&mut self, by: ActorId, command: &Command) {
        let awaits = self
            .answer(command)
            .unwrap_or_else(|error| Awaits::Nothing(Err(error)));
        // R3: a timeout of zero is a look.
        let limit = limit(command);
        let timer = limit
            .filter(|limit| limit.0 > 0 && self.result(&awaits).is_none())
            .map(|limit| {
                self.timers += 1;
                self.seen.push(Seen::Armed(self.timers, limit));
                self.timers
            });
        let late = limit == Some(Time(0));
        self.calls.insert(
            by,
            OpenCall {
                awaits,
                timer,
                late,
            },
        );
    }

    /// The time of a call is over.
    pub(super) fn fire(&mut self, timer: u64) {
        for call in self
            .calls
            .values_mut()
            .filter(|call| call.timer == Some(timer))
        {
            (call.timer, call.late) = (None, true);
        }
    }

    /// A body was given an order that is not its last.
    pub(super) fn detour(&mut self, key: Key) {
        self.seen.push(Seen::Did(key));
    }

    /// A body was given its last order.
    pub(super) fn obey(&mut self, key: Key, order: Order) {
        let end = match &order {
            Order::Return(value) => match Value::from_json(value) {
                Ok(value) => End::With(Ok(value)),
                Err(why) => return self.seen.push(Seen::Nonsense(why)),
            },
            Order::Raise(error) => End::With(Err(raised(&error.kind, error.text.clone()))),
            Order::Panic(text) => End::With(Err(raised("Panicked", text.clone()))),
            Order::Exit(code) => End::WorkerDied(format!("exited with code {code}")),
            // Who is stopped holds its place until somebody ends it.
            Order::Signal(name) if name == "STOP" => return self.stop(key),
            Order::Signal(name) => End::WorkerDied(format!("killed by SIG{name}")),
            Order::CloseFds(_) => End::WorkerDied("it closed its connection".to_owned()),
            Order::SpawnChild(_) | Order::Allocate(_) => return self.detour(key),
        };
        self.seen.push(Seen::Gone(key));
        if let (Kind::Thread, End::WorkerDied(cause)) = (self.kind, &end) {
            return self.seen.push(Seen::Nonsense(format!(
                "on threads, the whole program {cause}"
            )));
        }
        if self
            .pools
            .iter_mut()
            .any(|(_, pool)| pool.ended(key, end.clone()))
        {
            return;
        }
        if let Some((_, process)) = self
            .processes
            .iter_mut()
            .find(|(_, process)| process.key == key)
        {
            // P1, P3
            process.state = State::Ended(match (end, order) {
                (End::With(Ok(_)), _) | (_, Order::CloseFds(_)) => 0,
                (_, Order::Exit(code)) => code.into(),
                (_, Order::Signal(_)) => -SIGKILL,
                (End::With(Err(_)) | End::WorkerDied(_), _) => 1,
            });
        }
    }

    /// Main has returned: the program ends.
    pub(super) fn exit(&mut self) {
        self.leaving = true;
    }

    /// Everything that follows by itself from what has happened.
    pub(super) fn settle(&mut self) -> Vec<Seen> {
        loop {
            let before = self.seen.len();
            if self.leaving {
                self.leave();
            }
            for (number, (_, pool)) in self.pools.iter_mut().enumerate() {
                self.seen.extend(
                    pool.begin()
                        .into_iter()
                        .map(|begin| beginning(number as i32, begin)),
                );
            }
            if self.seen.len() == before {
                break;
            }
        }
        let calls = std::mem::take(&mut self.calls);
        for (by, call) in calls {
            match self
                .result(&call.awaits)
                .or_else(|| call.late.then(|| too_late(&call.awaits)))
            {
                Some(result) => {
                    self.seen.extend(call.timer.map(Seen::Disarmed));
                    self.seen.push(Seen::Returned(by, result));
                }
                None => {
                    self.calls.insert(by, call);
                }
            }
        }
        std::mem::take(&mut self.seen)
    }

    /// The end of the program: L9, pools are dropped, the last one first; P2, daemons are killed, and the other
    /// processes are waited for.
    fn leave(&mut self) {
        while let Some(open) = self.pools.iter().rposition(|(_, pool)| !pool.is_gone()) {
            let dead = self.pools[open].1.terminate();
            self.seen.extend(dead.into_iter().map(Seen::Gone));
            if !self.pools[open].1.is_gone() {
                return;
            }
        }
        for number in 0..self.processes.len() {
            if self.processes[number].1.daemon {
                self.kill(number, SIGKILL);
            }
        }
        let running =
            |(_, process): &(_, Process)| matches!(process.state, State::Runs | State::Stopped);
        if !self.processes.iter().any(running) {
            self.leaving = false;
            self.seen.push(Seen::Ended);
        }
    }

    /// What a call does, and what it waits for.
    fn answer(&mut self, command: &Command) -> Result<Awaits, Raised> {
        let nothing = |()| Awaits::Nothing(Ok(Value::None));
        if let Some((pool, work, handle)) = submission(command) {
            let pool = self.pool(pool)?;
            let job = self.pools[pool].1.submit(work)?;
            return Ok(match handle {
                // O1: apply is apply_async and get.
                None => Awaits::Value(pool, job),
                Some(handle) => {
                    self.handles.insert(handle.clone(), (pool, job));
                    nothing(())
                }
            });
        }
        Ok(match command {
            Command::Pool { pool, size } => {
                let made = Pool::new(self.kind, *size, self.choices)?;
                nothing(self.pools.push((pool.clone(), made)))
            }
            Command::Get { handle, .. } => {
                let (pool, job) = self.handle(handle)?;
                Awaits::Value(pool, job)
            }
            Command::Wait { handle, .. } => {
                let (pool, job) = self.handle(handle)?;
                Awaits::Ready(pool, job)
            }
            Command::Ready { handle } => {
                let (pool, job) = self.handle(handle)?;
                Awaits::Nothing(Ok(Value::Bool(self.pools[pool].1.outcome(job).is_some())))
            }
            Command::Successful { handle } => {
                let (pool, job) = self.handle(handle)?;
                match self.pools[pool].1.outcome(job) {
                    Some(outcome) => Awaits::Nothing(Ok(Value::Bool(outcome.is_ok()))),
                    // R2
                    None => return Err(raised("NotReady", "task not ready")),
                }
            }
            Command::Close { pool } => {
                let pool = self.pool(pool)?;
                nothing(self.pools[pool].1.close())
            }
            Command::Terminate { pool } => {
                let pool = self.pool(pool)?;
                nothing(self.terminate(pool))
            }
            Command::Join { pool, .. } => {
                let pool = self.pool(pool)?;
                self.pools[pool].1.join()?;
                Awaits::Gone(pool)
            }
            Command::Drop { pool } => {
                // L9: terminate and join.
                let at = self.pool(pool)?;
                self.dropped.push(pool.clone());
                self.terminate(at);
                Awaits::Gone(at)
            }
            Command::Process {
                process,
                key,
                daemon,
            } => {
                let made = Process {
                    key: *key,
                    daemon: *daemon,
                    state: State::Made,
                };
                nothing(self.processes.push((process.clone(), made)))
            }
            Command::Start { process } => {
                let number = self.process(process)?;
                let process = &mut self.processes[number].1;
                if process.state != State::Made {
                    return Err(raised("AlreadyStarted", "process was started already"));
                }
                process.state = State::Runs;
                let on = (BARE, number as i32);
                let beginning = Beginning {
                    key: process.key,
                    on,
                    in_parent: false,
                    args: 1,
                    given: None,
                };
                nothing(self.seen.push(Seen::Began(beginning)))
            }
            Command::JoinProcess { process, .. } => Awaits::Ended(self.started(process)?),
            Command::IsAlive { process } => {
                let process = self.process(process)?;
                let alive = matches!(
                    self.processes[process].1.state,
                    State::Runs | State::Stopped
                );
                Awaits::Nothing(Ok(Value::Bool(alive)))
            }
            Command::Exitcode { process } => {
                let process = self.process(process)?;
                Awaits::Nothing(Ok(match self.processes[process].1.state {
                    State::Ended(code) => Value::Int(code),
                    State::Made | State::Runs | State::Stopped => Value::None,
                }))
            }
            Command::Kill { process } => {
                let process = self.started(process)?;
                nothing(self.kill(process, SIGKILL))
            }
            Command::TerminateProcess { process } => {
                let process = self.started(process)?;
                nothing(self.kill(process, SIGTERM))
            }
            other => {
                return Err(self.nonsense(format!("the model does not know `{}`", other.name())));
            }
        })
    }

    /// What a call returns with now, if it does.
    fn result(&self, awaits: &Awaits) -> Option<Outcome> {
        let none = || Ok(Value::None);
        match awaits {
            Awaits::Nothing(outcome) => Some(outcome.clone()),
            Awaits::Value(pool, job) => self.pools[*pool].1.outcome(*job).cloned(),
            // R3: wait never fails.
            Awaits::Ready(pool, job) => self.pools[*pool].1.outcome(*job).map(|_| none()),
            Awaits::Gone(pool) => self.pools[*pool].1.is_gone().then(none),
            Awaits::Ended(process) => match self.processes[*process].1.state {
                State::Ended(_) => Some(none()),
                State::Made | State::Runs | State::Stopped => None,
            },
        }
    }

    fn terminate(&mut self, pool: usize) {
        let dead = self.pools[pool].1.terminate();
        self.seen.extend(dead.into_iter().map(Seen::Gone));
    }

    /// Sends a bare process a signal; one that has ended is left alone.
    fn kill(&mut self, number: usize, signal: i64) {
        let process = &mut self.processes[number].1;
        let dies =
            process.state == State::Runs || (process.state == State::Stopped && signal == SIGKILL);
        if dies {
            process.state = State::Ended(-signal);
            self.seen.push(Seen::Gone(process.key));
        }
    }

    fn stop(&mut self, key: Key) {
        let mut bare = self.processes.iter_mut().map(|(_, process)| process);
        if let Some(process) = bare.find(|process| process.key == key) {
            process.state = State::Stopped;
        }
    }

    fn pool(&mut self, name: &str) -> Result<usize, Raised> {
        if self.dropped.iter().any(|dropped| dropped == name) {
            return Err(self.nonsense(format!("the pool `{name}` was dropped")));
        }
        let found = self.pools.iter().position(|(known, _)| known == name);
        found.ok_or_else(|| {
            self.nonsense(format!("there is no pool `{name}`: its making was refused"))
        })
    }

    fn handle(&mut self, name: &str) -> Result<(usize, JobId), Raised> {
        let found = self.handles.get(name).copied();
        found.ok_or_else(|| self.nonsense(format!("there is no handle `{name}`")))
    }

    fn process(&mut self, name: &str) -> Result<usize, Raised> {
        let found = self.processes.iter().position(|(known, _)| known == name);
        found.ok_or_else(|| self.nonsense(format!("there is no process `{name}`")))
    }

    fn started(&mut self, name: &str) -> Result<usize, Raised> {
        let process = self.process(name)?;
        match self.processes[process].1.state {
            State::Made => Err(raised("NotStarted", "process was not started")),
            State::Runs | State::Stopped | State::Ended(_) => Ok(process),
        }
    }

    fn nonsense(&mut self, why: String) -> Raised {
        self.seen.push(Seen::Nonsense(why.clone()));
        raised("Protocol", why)
    }
}

const SIGKILL: i64 = 9;
const SIGTERM: i64 = 15;

/// Workers are told apart by their pool and number; bare processes are of no pool.
const BARE: Worker = -1;

/// The pool, the work and the handle of a command that submits something.
fn submission(command: &Command) -> Option<(&String, Work, Option<&String>)> {
    let plain = |keys: &[Key], many: bool, chunksize: Option<u64>, args: u32| Work {
        keys: keys.to_vec(),
        args,
        many,
        chunksize,
        callback: None,
        error_callback: None,
    };
    // O8: the items are there already.
    let one = |key: &Key| plain(&[*key], false, None, 1);
    let map = |keys: &[Key], chunksize: &Option<u64>| plain(keys, true, *chunksize, 1);
    let starmap = |keys: &[Key], chunksize: &Option<u64>| plain(keys, true, *chunksize, 2);
    Some(match command {
        Command::Apply { pool, key } => (pool, one(key), None),
        Command::ApplyAsync {
            pool,
            key,
            handle,
            callback,
            error_callback,
        } => {
            let work = Work {
                callback: *callback,
                error_callback: *error_callback,
                ..one(key)
            };
            (pool, work, Some(handle))
        }
        Command::Map {
            pool,
            keys,
            chunksize,
        } => (pool, map(keys, chunksize), None),
        Command::Starmap {
            pool,
            keys,
            chunksize,
        } => (pool, starmap(keys, chunksize), None),
        Command::MapAsync {
            pool,
            keys,
            chunksize,
            handle,
            callback,
            error_callback,
        } => {
            let work = Work {
                callback: *callback,
                error_callback: *error_callback,
                ..map(keys, chunksize)
            };
            (pool, work, Some(handle))
        }
        Command::StarmapAsync {
            pool,
            keys,
            chunksize,
            handle,
            callback,
            error_callback,
        } => {
            let work = Work {
                callback: *callback,
                error_callback: *error_callback,
                ..starmap(keys, chunksize)
            };
            (pool, work, Some(handle))
        }
        _ => return None,
    })
}

/// How long a call may take.
pub(super) fn limit(command: &Command) -> Option<Time> {
    match command {
        Command::Get { timeout, .. }
        | Command::Wait { timeout, .. }
        | Command::Join { timeout, .. }
        | Command::JoinProcess { timeout, .. } => timeout.and_then(Time::from_units),
        _ => None,
    }
}

/// What a call returns with when its time is over.
fn too_late(awaits: &Awaits) -> Outcome {
    match awaits {
        Awaits::Ready(..) => Ok(Value::None),
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
            let given = with.unwrap_or_else(|error| Value::Str(error.text));
            Beginning {
                key,
                on: (pool, 0),
                in_parent: true,
                args: 1,
                given: Some(given),
            }
        }
    })
}
