//! Where a thread stands: in a worker, in a callback, or outside of every pool.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Misuse;
use crate::panics;

/// The worker that runs the calling code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its name: `ThreadPoolWorker-1`, `ProcessPoolWorker-1`.
    pub name: String,
    /// Its place in the pool, from 0; a replacement takes the place of the lost one.
    pub index: usize,
    /// The process it lives in.
    pub pid: u32,
}

/// The worker that the calling task runs on; `None` outside of every pool.
///
/// In Python: `multiprocessing.current_process()`, which always answers something.
///
/// # Examples
///
/// ```
/// assert_eq!(pool_core::current_worker(), None);
/// ```
pub fn current_worker() -> Option<Worker> {
    here(|here| here.worker.as_ref().map(|(_, worker)| worker.clone()))?
}

/// Lends the calling worker's state, as its initializer made it; `None` outside of a worker, where the state has
/// another type, and inside of another `worker_state`.
///
/// In Python: a global that the initializer sets.
///
/// # Examples
///
/// ```
/// assert_eq!(pool_core::worker_state(|count: &mut u32| *count), None);
/// ```
pub fn worker_state<S: 'static, R>(f: impl FnOnce(&mut S) -> R) -> Option<R> {
    /// Gives the state back, also when `f` panics.
    struct Lent(Option<Box<dyn Any>>);
    impl Drop for Lent {
        fn drop(&mut self) {
            here(|here| here.state = self.0.take());
        }
    }
    let mut lent = Lent(here(|here| here.state.take())?);
    lent.0.as_mut()?.downcast_mut().map(f)
}

/// Takes over for workers that wait for their own pool: while one is blocked, another may run in its place.
pub trait Lender: Send + Sync {
    /// The calling worker is going to block; false when nobody can take its place.
    fn lend(&self) -> bool;
    /// It goes on.
    fn resume(&self);
    /// Whether what the calling worker runs is a part of the job with this number in its pool.
    fn runs(&self, job: u64) -> bool;
}

/// A worker's place, lent while it blocks.
pub(crate) struct Lent(Arc<Loan>);

impl Lent {
    /// The loan, for whoever ends the wait: the place is its owner's again before that thread takes more work.
    pub(crate) fn loan(&self) -> Arc<Loan> {
        self.0.clone()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        here(|here| here.lent = false);
        self.0.end();
    }
}

/// What is known of a place that is lent.
pub(crate) struct Loan {
    lender: Arc<dyn Lender>,
    ended: AtomicBool,
}

impl Loan {
    /// The owner of the place goes on, or is about to. It may be said again.
    pub(crate) fn end(&self) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            self.lender.resume();
        }
    }

    /// Whether its owner has the place again.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan")
            .field("ended", &self.has_ended())
            .finish_non_exhaustive()
    }
}

/// To be held by whoever blocks until something of this pool has happened: a worker of that pool lends its place,
/// once, however often it is asked meanwhile.
pub(crate) fn lend(pool: u64) -> Result<Option<Lent>, Misuse> {
    if keeps(pool) {
        return Err(Misuse::WouldDeadlock);
    }
    let lender = here(|here| match &here.worker {
        Some((of, _)) if *of == pool && !here.lent => here.lender.clone(),
        _ => None,
    });
    match lender.flatten() {
        Some(lender) if lender.lend() => {
            here(|here| here.lent = true);
            let ended = AtomicBool::new(false);
            Ok(Some(Lent(Arc::new(Loan { lender, ended }))))
        }
        Some(_) => Err(Misuse::WouldDeadlock),
        None => Ok(None),
    }
}

thread_local! {
    static HERE: RefCell<Here> =
        const { RefCell::new(Here { worker: None, state: None, lender: None, lent: false, post: None, callbacks: Vec::new() }) };
}

struct Here {
    worker: Option<(u64, Worker)>,
    /// What the worker's initializer made.
    state: Option<Box<dyn Any>>,
    /// Who takes the worker's place while it waits for its own pool.
    lender: Option<Arc<dyn Lender>>,
    /// It is lent now.
    lent: bool,
    /// What the thread does for a pool when it is none of its workers.
    post: Option<(u64, Post)>,
    /// Pool and job of each callback that is running on this thread, the innermost last.
    callbacks: Vec<(u64, u64)>,
}

/// What a thread that is no worker does for its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Post {
    /// It runs callbacks, and what comes with them: wakers, and drops of values.
    Lane,
    /// It gives workers their tasks, and takes what they answer.
    Keeper,
}

/// What is known of the calling thread, for the length of `look`, which runs nobody else's code. Nothing while the
/// thread's locals are torn down, a pool in one of them perhaps: no task and no callback runs there.
fn here<R>(look: impl FnOnce(&mut Here) -> R) -> Option<R> {
    HERE.try_with(|here| look(&mut here.borrow_mut())).ok()
}

/// Marks the calling thread as a worker until it is dropped.
#[derive(Debug)]
pub struct WorkerSeat(());

impl WorkerSeat {
    /// The calling thread is this worker of the pool with this number (0: of no pool in this process).
    pub fn take(pool: u64, worker: Worker) -> WorkerSeat {
        here(|here| here.worker = Some((pool, worker)));
        WorkerSeat(())
    }

    /// While the worker waits for its own pool, this takes its place.
    pub fn lend_to(&self, lender: Arc<dyn Lender>) {
        here(|here| here.lender = Some(lender));
    }

    /// The worker's state from now on.
    pub fn keep(&self, state: Box<dyn Any>) {
        let before = here(|here| here.state.replace(state));
        panics::contain(|| drop(before));
    }
}

impl Drop for WorkerSeat {
    fn drop(&mut self) {
        let state = here(|here| {
            here.worker = None;
            (here.state.take(), here.lender.take())
        });
        panics::contain(|| drop(state));
    }
}

/// Marks the calling thread, until it is dropped, as the one without which its pool does not go on: what would wait for
/// that pool here is refused, and a pool dropped here is joined elsewhere.
#[derive(Debug)]
pub struct Keeper(());

impl Keeper {
    /// The calling thread keeps the pool with this number going.
    pub fn of(pool: u64) -> Keeper {
        here(|here| here.post = Some((pool, Post::Keeper)));
        Keeper(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        here(|here| here.post = None);
    }
}

/// The calling thread is the one on which a pool's callbacks run, until it ends.
pub(crate) fn become_lane(pool: u64) {
    here(|here| here.post = Some((pool, Post::Lane)));
}

/// True when the calling code runs on a thread of this pool: in a task, in a callback, in a waker or a drop beside them.
pub(crate) fn inside(pool: u64) -> bool {
    let on_worker = |here: &mut Here| here.worker.as_ref().is_some_and(|(of, _)| *of == pool);
    on_lane(pool) || keeps(pool) || here(on_worker).unwrap_or(false)
}

/// True when the calling code is where this pool's callbacks run.
pub(crate) fn on_lane(pool: u64) -> bool {
    let calls = |here: &mut Here| here.callbacks.iter().any(|(of, _)| *of == pool);
    has_post(pool, Post::Lane) || here(calls).unwrap_or(false)
}

/// True when this pool does not go on before the calling code has returned.
pub(crate) fn keeps(pool: u64) -> bool {
    has_post(pool, Post::Keeper)
}

fn has_post(pool: u64, post: Post) -> bool {
    here(|here| here.post == Some((pool, post))).unwrap_or(false)
}

/// True when the calling code is the callback of this very job, or a task of it: it is not over before that returns.
pub(crate) fn is_part_of(pool: u64, job: u64) -> bool {
    let known = here(|here| {
        let in_callback = here.callbacks.contains(&(pool, job));
        let on_worker = here.worker.as_ref().is_some_and(|(of, _)| *of == pool);
        (in_callback, here.lender.clone().filter(|_| on_worker))
    });
    let (in_callback, lender) = known.unwrap_or_default();
    in_callback || lender.is_some_and(|lender| lender.runs(job))
}

/// Runs a callback of a job, known as such while it runs.
pub(crate) fn as_callback<R>(pool: u64, job: u64, run: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            here(|here| here.callbacks.pop());
        }
    }
    here(|here| here.callbacks.push((pool, job)));
    let _leave = Leave;
    run()
}
