//! The small pool as a program that the harness can call.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::Timers;
use serde_json::Value;
use spec_harness::adapter::{Answer, Program, serve};
use spec_harness::case::ast::Kind;
use spec_harness::protocol::{Command, ErrorReply, Hello, WorkerKind};

use crate::flaws::Flaw;
use crate::imap::Wish;
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
            ready successful close terminate join join_timeout drop exit timers threads callback maxtasksperchild initializer queue raise panic allocate spawn_child";
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

    fn call(&self, command: Command) -> Answer {
        self.nature.manner.dawdle();
        let answer = self.make(command);
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

    fn make(&self, command: Command) -> Answer {
        match command {
            Command::Pool {
                pool,
                size,
                maxtasksperchild,
                initializer,
                queue,
            } => {
                let asked = Asked {
                    size,
                    share: maxtasksperchild,
                    initializer,
                    queue,
                };
                let made = Pool::new(self.nature, asked, self.timers.clone())?;
                self.names().pools.push((pool, made));
            }
            Command::Apply { pool, key } => {
                let pool = self.pool(&pool)?;
                let job = pool.submit(one(key, None, None), None)?;
                if !pool.has(Flaw::ApplyReturnsEarly) {
                    return pool.get(job, None);
                }
            }
            Command::ApplyAsync {
                pool,
                key,
                handle,
                callback,
                error_callback,
                timeout,
            } => self.keep(&pool, handle, one(key, callback, error_callback), timeout)?,
            Command::Map {
                pool,
                keys,
                chunksize,
            } => return self.map(&pool, many(keys, chunksize, false)),
            Command::Starmap {
                pool,
                keys,
                chunksize,
            } => return self.map(&pool, many(keys, chunksize, true)),
            Command::MapAsync {
                pool,
                keys,
                chunksize,
                handle,
                callback,
                error_callback,
                timeout,
            } => {
                let work = Work {
                    callback,
                    error_callback,
                    ..many(keys, chunksize, false)
                };
                self.keep(&pool, handle, work, timeout)?;
            }
            Command::StarmapAsync {
                pool,
                keys,
                chunksize,
                handle,
                callback,
                error_callback,
                timeout,
            } => {
                let work = Work {
                    callback,
                    error_callback,
                    ..many(keys, chunksize, true)
                };
                self.keep(&pool, handle, work, timeout)?;
            }
            Command::Imap {
                pool,
                keys,
                chunksize,
                read_ahead,
                endless,
                iterator,
            } => self.imap(
                &pool,
                iterator,
                Wish {
                    keys,
                    endless,
                    chunksize,
                    read_ahead,
                    unordered: false,
                },
            )?,
            Command::ImapUnordered {
                pool,
                keys,
                chunksize,
                read_ahead,
                endless,
                iterator,
            } => self.imap(
                &pool,
                iterator,
                Wish {
                    keys,
                    endless,
                    chunksize,
                    read_ahead,
                    unordered: true,
                },
            )?,
            Command::Next { iterator, timeout } => {
                let found = self.names().iterators.get(&iterator).cloned();
                let (pool, id) = found.ok_or_else(|| unknown(&iterator))?;
                return pool.next_result(id, timeout.map(seconds));
            }
            Command::Get { handle, timeout } => {
                let (pool, job) = self.handle(&handle)?;
                return pool.get(job, timeout.map(seconds));
            }
            Command::Wait { handle, timeout } => {
                let (pool, job) = self.handle(&handle)?;
                if !pool.wait_for(job, timeout.map(seconds)) && pool.has(Flaw::WaitFails) {
                    return Err(error("TimedOut", "the result was not there in time"));
                }
            }
            Command::Ready { handle } => {
                let (pool, job) = self.handle(&handle)?;
                return Ok(pool.ready(job).into());
            }
            Command::Successful { handle } => {
                let (pool, job) = self.handle(&handle)?;
                return pool.successful(job).map(Value::from);
            }
            Command::Close { pool } => self.pool(&pool)?.close()?,
            Command::Terminate { pool } => {
                let pool = self.pool(&pool)?;
                if pool.has(Flaw::TerminateEverything) {
                    for (_, other) in self.names().pools.clone() {
                        other.terminate()?;
                    }
                }
                pool.terminate()?;
            }
            Command::Join { pool, timeout } => self.pool(&pool)?.join(timeout.map(seconds))?,
            Command::Drop { pool } => {
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

    fn map(&self, pool: &str, work: Work) -> Answer {
        let pool = self.pool(pool)?;
        let job = pool.submit(work, None)?;
        pool.get(job, None)
    }

    fn keep(
        &self,
        pool: &str,
        handle: String,
        work: Work,
        timeout: Option<f64>,
    ) -> Result<(), ErrorReply> {
        let pool = self.pool(pool)?;
        let job = pool.submit(work, timeout.map(seconds))?;
        self.names().handles.insert(handle, (pool, job));
        Ok(())
    }

    fn imap(&self, pool: &str, iterator: String, wish: Wish) -> Result<(), ErrorReply> {
        let pool = self.pool(pool)?;
        let stream = pool.imap(wish)?;
        self.names().iterators.insert(iterator, (pool, stream));
        Ok(())
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

fn one(key: u64, callback: Option<u64>, error_callback: Option<u64>) -> Work {
    Work {
        keys: vec![key],
        callback,
        error_callback,
        ..Work::default()
    }
}

fn many(keys: Vec<u64>, chunksize: Option<u64>, star: bool) -> Work {
    Work {
        keys,
        chunksize,
        star,
        many: true,
        ..Work::default()
    }
}

fn unknown(name: &str) -> ErrorReply {
    error("Protocol", &format!("there is no {name:?}"))
}

/// Seconds of the protocol; what is too much is for ever.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}
