//! What all these pools have in common behind `spec/1`. None of them has handles that may be looked at repeatedly, so
//! those are the adapter's own, as a program would make them.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use spec_harness::adapter::{Answer, Program, puppet, serve};
use spec_harness::protocol::{Call, ErrorReply, Hello, MapOptions, PoolOptions, WorkerKind};

/// Something to run.
pub type Work = Box<dyn FnOnce() + Send>;

/// A thread pool under test.
pub trait Rival: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    const VERSION: &'static str;
    /// Rows of the contract that it does not follow, each with the reason.
    const DECLINES: &'static [(&'static str, &'static str)];

    fn new(size: Option<usize>) -> Result<Self, ErrorReply>;

    /// False when the pool takes nothing any more.
    fn submit(&self, work: Work) -> bool;

    /// Its own way to run one function and to wait, if it has one.
    fn apply(&self, key: u64) -> Option<Answer> {
        let _ = key;
        None
    }

    /// Its own way to run a function for each item and to wait, if it has one.
    fn map(&self, keys: &[u64]) -> Option<Vec<Answer>>;

    /// Whether it has one.
    const MAPS: bool;

    /// Lets nothing more in.
    fn close(&self);

    /// Waits until its threads have gone, or until it has nothing to do.
    fn join(&self);
}

/// The `main` of an adapter.
pub fn adapter<R: Rival>() -> ExitCode {
    serve(|_| Pools::<R> {
        pools: Mutex::default(),
        handles: Mutex::default(),
    })
}

struct Pools<R> {
    pools: Mutex<HashMap<String, Arc<R>>>,
    handles: Mutex<HashMap<String, Arc<Handle>>>,
}

/// The place of a result.
#[derive(Default)]
struct Handle {
    answer: Mutex<Option<Answer>>,
    filled: Condvar,
}

/// Fills the place, whatever becomes of the task.
struct Promise(Arc<Handle>);

impl Promise {
    fn keep(self, answer: Answer) {
        lock(&self.0.answer).get_or_insert(answer);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // A panic has passed by; what it said, nobody passes on.
        lock(&self.0.answer).get_or_insert_with(|| Err(error("Panicked", "")));
        self.0.filled.notify_all();
    }
}

impl Handle {
    fn wait(&self, limit: Option<f64>) -> MutexGuard<'_, Option<Answer>> {
        let mut answer = lock(&self.answer);
        let until = limit.map(|limit| Instant::now() + Duration::from_secs_f64(limit.max(0.0)));
        while answer.is_none() {
            answer = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self
                    .filled
                    .wait(answer)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return answer,
                Some(rest) => {
                    let woken = self.filled.wait_timeout(answer, rest);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        answer
    }
}

impl<R: Rival> Program for Pools<R> {
    fn hello(&self, kind: WorkerKind) -> Option<Hello> {
        let mut can = vec![
            "pool",
            "apply",
            "apply_async",
            "get",
            "wait",
            "ready",
            "successful",
        ];
        can.extend([
            "close",
            "join",
            "drop",
            "threads",
            "call_from_task",
            "allocate",
        ]);
        can.extend(R::MAPS.then_some("map"));
        let declines = R::DECLINES.iter();
        let declines = declines.map(|(row, why)| ((*row).to_owned(), (*why).to_owned()));
        (kind == WorkerKind::Thread).then(|| Hello {
            name: R::NAME.into(),
            version: R::VERSION.into(),
            kinds: vec![kind],
            can: can.into_iter().map(str::to_owned).collect(),
            declines: declines.collect::<BTreeMap<_, _>>(),
            polls: None,
        })
    }

    fn call(&self, call: Call) -> Answer {
        match call {
            Call::Pool(PoolOptions { pool, size, .. }) => {
                let made = R::new(size.map(|size| size as usize))?;
                lock(&self.pools).insert(pool, Arc::new(made));
            }
            Call::Apply { pool, key, .. } => {
                let there = self.pool(&pool)?;
                let applied = catch_unwind(AssertUnwindSafe(|| there.apply(key)));
                return match applied.map_err(panicked) {
                    Ok(Some(answer)) => answer,
                    Ok(None) => got(&*self.submit(&pool, key)?, None),
                    Err(error) => Err(error),
                };
            }
            Call::ApplyAsync {
                pool, key, handle, ..
            } => {
                let made = self.submit(&pool, key)?;
                lock(&self.handles).insert(handle, made);
            }
            Call::Map(MapOptions { pool, keys, .. }) => {
                let pool = self.pool(&pool)?;
                let answers = catch_unwind(AssertUnwindSafe(|| pool.map(&keys)));
                let answers = answers.map_err(panicked)?;
                let answers = answers.ok_or_else(|| error("NotRunning", ""))?;
                let values: Result<Vec<_>, _> = answers.into_iter().collect();
                return values.map(Into::into);
            }
            Call::Get { handle, timeout } => return got(&*self.handle(&handle)?, timeout),
            Call::Wait { handle, timeout } => drop(self.handle(&handle)?.wait(timeout)),
            Call::Ready { handle } => {
                return Ok(lock(&self.handle(&handle)?.answer).is_some().into());
            }
            Call::Successful { handle } => {
                return match &*lock(&self.handle(&handle)?.answer) {
                    None => Err(error("NotReady", "")),
                    Some(answer) => Ok(answer.is_ok().into()),
                };
            }
            Call::Close { pool } => self.pool(&pool)?.close(),
            Call::Join { pool, .. } => self.pool(&pool)?.join(),
            Call::Drop { pool } => drop(lock(&self.pools).remove(&pool)),
            _ => return Err(error("Protocol", "not a call of these pools")),
        }
        Ok(().into())
    }

    fn leave(&self) {
        lock(&self.pools).clear();
    }
}

impl<R: Rival> Pools<R> {
    fn pool(&self, name: &str) -> Result<Arc<R>, ErrorReply> {
        let pool = lock(&self.pools).get(name).cloned();
        pool.ok_or_else(|| error("Protocol", "there is no such pool"))
    }

    fn handle(&self, name: &str) -> Result<Arc<Handle>, ErrorReply> {
        let handle = lock(&self.handles).get(name).cloned();
        handle.ok_or_else(|| error("Protocol", "there is no such handle"))
    }

    fn submit(&self, pool: &str, key: u64) -> Result<Arc<Handle>, ErrorReply> {
        let handle = Arc::new(Handle::default());
        let promise = Promise(handle.clone());
        let work = Box::new(move || promise.keep(puppet::task(key)));
        match self.pool(pool)?.submit(work) {
            true => Ok(handle),
            false => Err(error("NotRunning", "the pool is gone")),
        }
    }
}

fn got(handle: &Handle, timeout: Option<f64>) -> Answer {
    let late = || Err(error("TimedOut", "not in time"));
    handle.wait(timeout).clone().unwrap_or_else(late)
}

/// A panic that a call has passed on to its caller.
fn panicked(payload: Box<dyn std::any::Any + Send>) -> ErrorReply {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    error("Panicked", text.unwrap_or_default())
}

/// An error by its portable name.
pub fn error(kind: &str, text: &str) -> ErrorReply {
    ErrorReply {
        kind: kind.into(),
        text: text.into(),
    }
}

/// A lock whose holder has panicked still holds a whole value.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
