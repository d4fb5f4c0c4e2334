//! The small pool as a program that the harness can call.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::Timers;
use serde_json::Value;
use spec_harness::adapter::{Answer, Program, serve};
use spec_harness::case::ast::Kind;
use spec_harness::protocol::{
    Call, ErrorReply, Hello, Job, Limits, PoolOptions, Tasks, WorkerKind,
};

use crate::flaws::Flaw;
use crate::pool::early::cancelled;
use crate::pool::{Asked, Nature, Pool, Work, error};

/// What the program has made, by name.
struct Small {
    nature: Nature,
    timers: Timers,
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    /// In the order of their making.
    pools: Vec<(String, Arc<Pool>)>,
    handles: HashMap<String, (Arc<Pool>, usize)>,
    iterators: HashMap<String, (Arc<Pool>, usize)>,
    tokens: HashMap<String, Token>,
}

/// What cancels many calls.
#[derive(Default)]
struct Token {
    is_cancelled: bool,
    /// What was handed in with it, by its number in its pool.
    calls: Vec<(Arc<Pool>, u64)>,
}

/// Serves the harness with a pool of this nature.
pub(crate) fn main(nature: Nature) -> ExitCode {
    serve(|timers| Small {
        nature,
        timers,
        names: Mutex::default(),
    })
}

impl Program for Small {
    fn hello(&self, kind: WorkerKind) -> Option<Hello> {
        const CAN: &str = "pool apply apply_async map starmap map_async starmap_async imap imap_unordered next get wait \
            ready successful close terminate join join_timeout drop timers threads callback maxtasksperchild max_worker_age initializer queue allocate spawn_child \
            deadline expiry retries retry_if cancel cancel_token stats";
        const OF_PROCESSES: &str = "exit_self kill_self stop_self ignore_sigterm close_fds";
        let more = match self.nature.kind {
            Kind::Thread => "",
            Kind::Process => OF_PROCESSES,
        };
        let words = CAN.split_whitespace().chain(more.split_whitespace());
        (kind == self.nature.kind.into()).then(|| Hello {
            name: "a small pool".into(),
            version: "1".into(),
            kinds: vec![kind],
            can: words.map(str::to_owned).collect(),
            declines: BTreeMap::new(),
            polls: self.nature.manner.says(),
        })
    }

    fn call(&self, call: Call) -> Answer {
        self.nature.manner.dawdle();
        let answer = self.make(call);
        self.nature.manner.dawdle();
        answer
    }

    fn leave(&self) {
        loop {
            let Some((_, last)) = self.names().pools.pop() else {
                return;
            };
            last.end();
        }
    }
}

impl Small {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, call: Call) -> Answer {
        if let Some(job) = call.job() {
            return self.submit(&job);
        }
        if let Some(stream) = call.stream() {
            let pool = self.pool(stream.pool)?;
            let turn = self.turn(&pool, stream.limits);
            let made = pool.imap(&stream, turn)?;
            let iterator = stream.iterator.to_owned();
            self.names().iterators.insert(iterator, (pool, made));
            return Ok(Value::Null);
        }
        match call {
            Call::Pool(options) => {
                let PoolOptions {
                    pool,
                    size,
                    maxtasksperchild,
                    max_worker_age,
                    initializer,
                    queue,
                } = options;
                let asked = Asked {
                    size,
                    share: maxtasksperchild,
                    age: max_worker_age,
                    initializer,
                    queue,
                };
                let made = Pool::new(self.nature, asked, self.timers.clone())?;
                self.names().pools.push((pool, made));
            }
            Call::Next { iterator, timeout } => {
                let found = self.names().iterators.get(&iterator).cloned();
                let (pool, id) = found.ok_or_else(|| unknown(&iterator))?;
                return pool.next_result(id, timeout.map(seconds));
            }
            Call::Get { handle, timeout } => {
                let (pool, job) = self.handle(&handle)?;
                return pool.get(job, timeout.map(seconds));
            }
            Call::Wait { handle, timeout } => {
                let (pool, job) = self.handle(&handle)?;
                if !pool.wait_for(job, timeout.map(seconds)) && pool.has(Flaw::WaitFails) {
                    return Err(error("TimedOut", "the result was not there in time"));
                }
            }
            Call::Ready { handle } => {
                let (pool, job) = self.handle(&handle)?;
                return Ok(pool.ready(job).into());
            }
            Call::Successful { handle } => {
                let (pool, job) = self.handle(&handle)?;
                return pool.successful(job).map(Value::from);
            }
            Call::Cancel { work } => {
                let stream = self.names().iterators.get(&work).cloned();
                let changed = match stream {
                    Some((pool, id)) => pool.cancel_stream(id),
                    None => {
                        let (pool, job) = self.handle(&work)?;
                        pool.cancel(job)
                    }
                };
                let says = changed || self.nature.flaw == Some(Flaw::CancelAlwaysSaysYes);
                return Ok(says.into());
            }
            Call::CancelToken { token } => self.cancel_all(token),
            Call::Stats { pool } => return Ok(self.pool(&pool)?.stats().to_vec().into()),
            Call::Close { pool } => self.pool(&pool)?.close()?,
            Call::Terminate { pool } => {
                let pool = self.pool(&pool)?;
                if pool.has(Flaw::TerminateEverything) {
                    for (_, other) in self.names().pools.clone() {
                        other.terminate()?;
                    }
                }
                pool.terminate()?;
            }
            Call::Join { pool, timeout } => self.pool(&pool)?.join(timeout.map(seconds))?,
            Call::Drop { pool } => {
                let gone = self.pool(&pool)?;
                self.names().pools.retain(|(name, _)| *name != pool);
                gone.end();
            }
            other => {
                return Err(error(
                    "Protocol",
                    &format!("there is no {} here", other.name()),
                ));
            }
        }
        Ok(Value::Null)
    }

    fn submit(&self, job: &Job<'_>) -> Answer {
        let pool = self.pool(job.pool)?;
        let limit = job.later.and_then(|later| later.timeout);
        let turn = self.turn(&pool, job.limits);
        let made = pool.submit(work(job, turn), limit.map(seconds))?;
        match job.later {
            None if pool.has(Flaw::ApplyReturnsEarly) && matches!(job.tasks, Tasks::One(_)) => {}
            None => return pool.get(made, None),
            Some(later) => {
                let handle = later.handle.to_owned();
                self.names().handles.insert(handle, (pool, made));
            }
        }
        Ok(Value::Null)
    }

    /// A number for what is handed in, by which its token can cancel it.
    fn turn(&self, pool: &Arc<Pool>, limits: &Limits) -> u64 {
        let turn = pool.turn();
        if let Some(token) = &limits.cancel_on {
            let mut names = self.names();
            let token = names.tokens.entry(token.clone()).or_default();
            token.calls.push((pool.clone(), turn));
            if token.is_cancelled && !pool.has(Flaw::TokenForgetsThatItIs) {
                pool.end_by(turn, &cancelled());
            }
        }
        turn
    }

    /// Cancels what has this token, the last first: so nothing of it takes another's place.
    fn cancel_all(&self, token: String) {
        let mut names = self.names();
        let token = names.tokens.entry(token).or_default();
        token.is_cancelled = true;
        let mut calls = token.calls.clone();
        drop(names);
        if self.nature.flaw == Some(Flaw::TokenCancelsTheFirst) {
            calls.truncate(1);
        }
        for (pool, turn) in calls.into_iter().rev() {
            pool.end_by(turn, &cancelled());
        }
    }

    fn pool(&self, name: &str) -> Result<Arc<Pool>, ErrorReply> {
        let names = self.names();
        let found = names.pools.iter().rfind(|(known, _)| known == name);
        found
            .map(|(_, pool)| pool.clone())
            .ok_or_else(|| unknown(name))
    }

    fn handle(&self, name: &str) -> Result<(Arc<Pool>, usize), ErrorReply> {
        self.names()
            .handles
            .get(name)
            .cloned()
            .ok_or_else(|| unknown(name))
    }
}

fn work(job: &Job<'_>, turn: u64) -> Work {
    let (many, chunksize, star) = match job.tasks {
        Tasks::One(_) => (false, None, false),
        Tasks::Many {
            chunksize, star, ..
        } => (true, chunksize, star),
    };
    Work {
        keys: job.tasks.keys().to_vec(),
        star,
        many,
        of_imap: false,
        chunksize,
        limits: job.limits.clone(),
        turn,
        callback: job.later.and_then(|later| later.callback),
        error_callback: job.later.and_then(|later| later.error_callback),
    }
}

fn unknown(name: &str) -> ErrorReply {
    error("Protocol", &format!("there is no {name:?}"))
}

/// Seconds of the protocol; what is too much is for ever.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}
