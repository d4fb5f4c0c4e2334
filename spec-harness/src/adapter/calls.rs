//! What the harness asks for, as calls of the pool under test.

use std::collections::HashMap;
use std::iter;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pool_core::backend::{FnEach, TryStar};
use pool_core::{
    CancelHandle, CancelToken, Each, Imap, Pool, PoolError, TaskError, Timers, cancelled,
};
use serde_json::Value;

use super::clock::seconds;
use super::handle::{Handle, Kept, Way, limited, list, one, retrying, submit};
use super::hello::hello;
use super::named::{
    Answer, bad, error, named, not_started, not_submitted, refused, timed_out, unknown,
};
use super::parcel::Parcel;
use super::puppet::Ended;
use super::{Bare, Implementation, PoolWish, Program, puppet};
use crate::protocol::{
    Call, Control, ErrorReply, Hello, Job, Later, Limits, PoolOptions, SHARED_VARIABLE, Stream,
    Tasks, WorkerKind,
};

/// Everything that the program under test has made, by name.
pub(super) struct Calls<S: Implementation> {
    timers: Timers,
    /// In the order of their making.
    pools: Mutex<Vec<(String, Arc<S::Pool>)>>,
    handles: Mutex<HashMap<String, Arc<Kept>>>,
    iterators: Mutex<HashMap<String, KeptImap>>,
    tokens: Mutex<HashMap<String, CancelToken>>,
    processes: Mutex<HashMap<String, Arc<dyn Bare>>>,
    /// Calls that were made so far.
    count: AtomicUsize,
    /// Bodies call pools: then main is not the only one who holds them.
    is_shared: bool,
}

/// An `imap`: its results, and what cancels it while somebody waits for one.
#[derive(Clone)]
struct KeptImap {
    results: Arc<Mutex<Results>>,
    cancel: CancelHandle,
}

/// The results of an `imap`, one by one.
type Results = Imap<Parcel<Value>, Parcel<ErrorReply>>;

impl<S: Implementation> Program for Calls<S> {
    fn hello(&self, kind: WorkerKind) -> Option<Hello> {
        (kind == S::KIND).then(hello::<S>)
    }

    fn call(&self, call: Call) -> Answer {
        let way = Way::of(self.count.fetch_add(1, Ordering::Relaxed));
        self.make(call, way)
    }

    fn control(&self, control: Control) -> Answer {
        match control {
            Control::Pid { process } => self.process(&process)?.pid().map(Value::from),
            Control::DropHandle { handle } => {
                let gone = lock(&self.handles).remove(&handle);
                gone.map(drop).ok_or_else(|| unknown("handle", &handle))?;
                nothing()
            }
            Control::Hello { .. } | Control::Fire { .. } | Control::Exit {} => nothing(),
        }
    }

    fn call_from_body(&self, call: Call) -> Answer {
        // Who awaits on a worker's thread is for the pool no worker that waits, and lends no place.
        self.make(call, Way::ByReference)
    }

    /// As variables go at the end of a main: the last first.
    fn leave(&self) {
        // Tasks and callbacks that call pools hold them as main does: what a drop would do is done by name, and meanwhile they can be
        // called. Not under the lock: it may wait for such a call.
        if self.is_shared {
            let pools = lock(&self.pools).clone();
            for (_, pool) in pools.iter().rev() {
                pool.terminate();
                // Terminated, and by main: nothing is left to refuse.
                let _ = pool.join();
            }
        }
        lock(&self.iterators).clear();
        lock(&self.handles).clear();
        loop {
            // Not under the lock, either.
            let last = lock(&self.pools).pop();
            let Some((_, pool)) = last else { break };
            drop(pool);
        }
        lock(&self.processes).clear();
    }
}

impl<S: Implementation> Calls<S> {
    pub(super) fn new(timers: Timers) -> Self {
        Calls {
            timers,
            pools: Mutex::default(),
            handles: Mutex::default(),
            iterators: Mutex::default(),
            tokens: Mutex::default(),
            processes: Mutex::default(),
            count: AtomicUsize::new(0),
            is_shared: std::env::var_os(SHARED_VARIABLE).is_some(),
        }
    }

    fn make(&self, call: Call, way: Way) -> Answer {
        if let Some(job) = call.job() {
            return self.submit(job);
        }
        if let Some(stream) = call.stream() {
            return self.imap(stream);
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
                let wish = PoolWish {
                    size: size.map(saturating),
                    initializer,
                    max_worker_age: max_worker_age.map(seconds),
                    queue: queue.map(saturating),
                    maxtasksperchild: maxtasksperchild.map(saturating).and_then(NonZeroUsize::new),
                };
                let made = S::pool(wish, self.timers.clone()).map_err(|e| not_started(&e))?;
                lock(&self.pools).push((pool, Arc::new(made)));
                nothing()
            }
            Call::Next { iterator, timeout } => self.next(&iterator, timeout.map(seconds)),
            Call::Get { handle, timeout } => self.handle(&handle)?.get(timeout.map(seconds), way),
            Call::Wait { handle, timeout } => {
                self.handle(&handle)?.wait(timeout.map(seconds));
                nothing()
            }
            Call::Ready { handle } => Ok(self.handle(&handle)?.ready().into()),
            Call::Successful { handle } => self
                .handle(&handle)?
                .successful()
                .map(Value::from)
                .map_err(refused),
            Call::Cancel { work } => {
                let iterator = lock(&self.iterators).get(&work).cloned();
                let changed = match iterator {
                    Some(iterator) => iterator.cancel.cancel(),
                    None => self.handle(&work)?.cancel(),
                };
                Ok(changed.into())
            }
            Call::CancelToken { token } => {
                self.token(&token).cancel();
                nothing()
            }
            Call::Cancelled {} => Ok(cancelled().into()),
            Call::Stats { pool } => {
                let stats = S::stats(&*self.pool(&pool)?);
                Ok(vec![stats.submitted, stats.ended, stats.errors].into())
            }
            Call::Close { pool } => {
                self.pool(&pool)?.close();
                nothing()
            }
            Call::Terminate { pool } => {
                self.pool(&pool)?.terminate();
                nothing()
            }
            Call::Join { pool, timeout } => {
                let pool = self.pool(&pool)?;
                match timeout.map(seconds) {
                    None => pool.join().map_err(refused)?,
                    Some(limit) => {
                        if !pool.join_timeout(limit).map_err(refused)? {
                            return Err(error("TimedOut", "the pool was still at work"));
                        }
                    }
                }
                nothing()
            }
            Call::Drop { pool } => {
                let gone = {
                    let mut pools = lock(&self.pools);
                    let at = pools.iter().rposition(|(name, _)| *name == pool);
                    pools.remove(at.ok_or_else(|| unknown("pool", &pool))?)
                };
                drop(gone);
                nothing()
            }
            Call::Process {
                process,
                key,
                daemon,
            } => {
                let made = S::bare(puppet::bare, key, daemon, self.timers.clone());
                let made = made.ok_or_else(|| bad("there are no bare processes here".into()))?;
                lock(&self.processes).insert(process, made.into());
                nothing()
            }
            Call::Start { process } => self.process(&process)?.start().map(Value::from),
            Call::JoinProcess { process, timeout } => self
                .process(&process)?
                .join(timeout.map(seconds))
                .map(Value::from),
            Call::IsAlive { process } => self.process(&process)?.is_alive().map(Value::from),
            Call::Exitcode { process } => self.process(&process)?.exitcode().map(Value::from),
            Call::Kill { process } => self.process(&process)?.kill().map(Value::from),
            Call::TerminateProcess { process } => {
                self.process(&process)?.terminate().map(Value::from)
            }
            other => Err(bad(format!("{} is no call", other.name()))),
        }
    }

    fn submit(&self, job: Job<'_>) -> Answer {
        let Job {
            pool,
            tasks,
            limits,
            later,
        } = job;
        let pool = &*self.pool(pool)?;
        match tasks {
            Tasks::One(&key) => {
                let call = limited!(pool.try_call(TASK, key), limits, self);
                retrying!(call, limits, |call| {
                    let Some(later) = later else {
                        let end = call.wait();
                        return end.map(|value| one(&value)).map_err(|error| named(&error));
                    };
                    let made = submit!(call, &later, key, one);
                    self.keep(&later, Handle::One(made))
                })
            }
            Tasks::Many {
                keys,
                chunksize,
                star: false,
            } => {
                let each = pool.try_each(TASK, keys.iter().copied());
                let mut each = limited!(each, limits, self);
                if let Some(items) = chunksize {
                    each = each.chunksize(saturating(items));
                }
                retrying!(each, limits, |each| {
                    let Some(later) = later else {
                        return values(each.wait());
                    };
                    let made = submit!(each, &later, keys, list);
                    self.keep(&later, Handle::Many(made))
                })
            }
            Tasks::Many {
                keys,
                chunksize,
                star: true,
            } => {
                let items = keys.iter().map(|key| (*key, "arg2".to_owned()));
                let items: Vec<(u64, String)> = items.collect();
                let each = Each::new(pool, FnEach(TryStar(TASK_OF_TWO)), items.clone());
                let mut each = limited!(each, limits, self);
                if let Some(items) = chunksize {
                    each = each.chunksize(saturating(items));
                }
                retrying!(each, limits, |each| {
                    let Some(later) = later else {
                        return values(each.wait());
                    };
                    let made = submit!(each, &later, items, list);
                    self.keep(&later, Handle::Many(made))
                })
            }
        }
    }

    fn imap(&self, stream: Stream<'_>) -> Answer {
        let pool = self.pool(stream.pool)?;
        let keys = stream.keys.to_vec();
        let made = if stream.endless {
            let endless = keys.into_iter().chain(iter::repeat_with(wait_for_ever));
            self.start_imap(&*pool, endless, &stream)
        } else {
            self.start_imap(&*pool, keys, &stream)
        };
        let made = made.map_err(refused)?;
        let iterator = KeptImap {
            cancel: made.cancel_handle(),
            results: Arc::new(Mutex::new(made)),
        };
        lock(&self.iterators).insert(stream.iterator.to_owned(), iterator);
        nothing()
    }

    fn start_imap(
        &self,
        pool: &impl Pool,
        keys: impl IntoIterator<Item = u64, IntoIter: Send + 'static>,
        stream: &Stream<'_>,
    ) -> Result<Results, PoolError> {
        let mut each = limited!(pool.try_each(TASK, keys), stream.limits, self);
        if let Some(items) = stream.chunksize {
            each = each.chunksize(saturating(items));
        }
        if let Some(chunks) = stream.read_ahead {
            each = each.read_ahead(saturating(chunks));
        }
        retrying!(each, stream.limits, |each| match stream.unordered {
            true => each.imap_unordered(),
            false => each.imap(),
        })
    }

    /// The token of this name.
    fn token(&self, name: &str) -> CancelToken {
        lock(&self.tokens)
            .entry(name.to_owned())
            .or_default()
            .clone()
    }

    fn next(&self, name: &str, limit: Option<Duration>) -> Answer {
        let found = lock(&self.iterators).get(name).cloned();
        let found = found.ok_or_else(|| unknown("iterator", name))?;
        let mut results = lock(&found.results);
        let next = match limit {
            None => results.next(),
            Some(limit) => results.next_timeout(limit).map_err(timed_out)?,
        };
        match next {
            Some(end) => end.map(|parcel| parcel.content).map_err(|e| named(&e)),
            None => Err(error("StopIteration", "there is no further result")),
        }
    }

    fn pool(&self, name: &str) -> Result<Arc<S::Pool>, ErrorReply> {
        let pools = lock(&self.pools);
        let found = pools.iter().rev().find(|(known, _)| known == name);
        found
            .map(|(_, pool)| pool.clone())
            .ok_or_else(|| unknown("pool", name))
    }

    fn handle(&self, name: &str) -> Result<Arc<Kept>, ErrorReply> {
        lock(&self.handles)
            .get(name)
            .cloned()
            .ok_or_else(|| unknown("handle", name))
    }

    fn process(&self, name: &str) -> Result<Arc<dyn Bare>, ErrorReply> {
        lock(&self.processes)
            .get(name)
            .cloned()
            .ok_or_else(|| unknown("process", name))
    }

    fn keep(&self, later: &Later<'_>, handle: Handle) -> Answer {
        lock(&self.handles).insert(later.handle.to_owned(), Arc::new(handle.into()));
        nothing()
    }
}

const TASK: fn(u64) -> Ended = puppet::parcel;
const TASK_OF_TWO: fn(u64, String) -> Ended = puppet::parcel_of_two;

/// The outcome of a map.
fn values(end: Result<Vec<Parcel<Value>>, TaskError<Parcel<ErrorReply>>>) -> Answer {
    end.map(|values| list(&values))
        .map_err(|error| named(&error))
}

/// Where an input goes on and on, nobody who reads it gets any further.
fn wait_for_ever<T>() -> T {
    loop {
        thread::park();
    }
}

fn nothing() -> Answer {
    Ok(Value::Null)
}

fn saturating(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// No panic happens under these locks; a poisoned one would still hold whole values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
