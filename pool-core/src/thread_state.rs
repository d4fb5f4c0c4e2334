//! What the calling thread is to a pool: a worker, the callback thread, a service thread, or none of them.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::PoolError;
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

/// Calls `f` with the calling worker's state, as its initializer made it; `None` outside of a worker, where the state has
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
    struct Taken(Option<Box<dyn Any>>);
    impl Drop for Taken {
        fn drop(&mut self) {
            here(|here| here.state = self.0.take());
        }
    }
    let mut taken = Taken(here(|here| here.state.take())?);
    taken.0.as_mut()?.downcast_mut().map(f)
}

/// What a backend does when a worker waits for its own pool: it may run a compensation thread while the worker is blocked.
///
/// Source: `ForkJoinPool.ManagedBlocker` in Java, `block_in_place` in tokio.
pub trait BlockHook: Send + Sync {
    /// The calling worker is going to block. False when no compensation thread can be had; then the worker does not block.
    fn block(&self) -> bool;
    /// The worker goes on. Another thread may call this.
    fn unblock(&self);
    /// Whether what the calling worker runs is a part of the job with this number in its pool.
    fn runs(&self, job: u64) -> bool;
}

/// Held by a worker of a pool while it waits for that pool.
pub(crate) struct Blocked(Arc<BlockedWorker>);

impl Blocked {
    /// The worker, for whoever ends the wait: it counts as running again before that thread takes more work.
    pub(crate) fn worker(&self) -> Arc<BlockedWorker> {
        self.0.clone()
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        here(|here| here.blocked = false);
        self.0.unblock();
    }
}

/// A worker that waits for its own pool.
pub(crate) struct BlockedWorker {
    hook: Arc<dyn BlockHook>,
    unblocked: AtomicBool,
}

impl BlockedWorker {
    /// The worker goes on, or is about to. Further calls do nothing.
    pub(crate) fn unblock(&self) {
        if !self.unblocked.swap(true, Ordering::AcqRel) {
            self.hook.unblock();
        }
    }

    pub(crate) fn is_blocked(&self) -> bool {
        !self.unblocked.load(Ordering::Acquire)
    }
}

impl fmt::Debug for BlockedWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockedWorker")
            .field("blocked", &self.is_blocked())
            .finish_non_exhaustive()
    }
}

/// To be held by a caller while it blocks for this pool. If it is a worker of the pool, it counts as blocked, once, however
/// often this is called meanwhile.
pub(crate) fn block(pool: u64) -> Result<Option<Blocked>, PoolError> {
    if is_service_thread(pool) {
        return Err(PoolError::WouldDeadlock);
    }
    let hook = here(|here| match &here.worker {
        Some((of, _)) if *of == pool && !here.blocked => here.hook.clone(),
        _ => None,
    });
    match hook.flatten() {
        Some(hook) if hook.block() => {
            here(|here| here.blocked = true);
            let unblocked = AtomicBool::new(false);
            Ok(Some(Blocked(Arc::new(BlockedWorker { hook, unblocked }))))
        }
        Some(_) => Err(PoolError::WouldDeadlock),
        None => Ok(None),
    }
}

thread_local! {

    static HERE: RefCell<Here> =
        const { RefCell::new(Here { worker: None, state: None, hook: None, blocked: false, post: None, callbacks: Vec::new() }) };
}

struct Here {
    worker: Option<(u64, Worker)>,
    /// What the worker's initializer made.
    state: Option<Box<dyn Any>>,
    /// What is called when the worker waits for its own pool.
    hook: Option<Arc<dyn BlockHook>>,
    /// It is blocked now.
    blocked: bool,
    /// What the thread does for a pool when it is none of its workers.
    post: Option<(u64, Post)>,
    /// Pool and job of each callback that is running on this thread, the innermost last.
    callbacks: Vec<(u64, u64)>,
}

/// What a thread that is no worker does for its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Post {
    /// It runs callbacks, and what comes with them: wakers, and drops of values.
    Callbacks,
    /// It sends tasks to workers and receives their answers.
    Service,
}

/// What is known of the calling thread, while `look` runs, which calls no code of the user. `None` while the thread's
/// locals are torn down, perhaps with a pool in one of them: no task and no callback runs there.
fn here<R>(look: impl FnOnce(&mut Here) -> R) -> Option<R> {
    HERE.try_with(|here| look(&mut here.borrow_mut())).ok()
}

/// Marks the calling thread as a worker until it is dropped.
#[derive(Debug)]
pub struct WorkerGuard(());

impl WorkerGuard {
    /// The calling thread is this worker of the pool with this number (0: of no pool in this process).
    pub fn enter(pool: u64, worker: Worker) -> WorkerGuard {
        here(|here| here.worker = Some((pool, worker)));
        WorkerGuard(())
    }

    /// Calls this hook before and after the worker waits for its own pool.
    pub fn set_block_hook(&self, hook: Arc<dyn BlockHook>) {
        here(|here| here.hook = Some(hook));
    }

    /// The worker's state from now on.
    pub fn set_state(&self, state: Box<dyn Any>) {
        let before = here(|here| here.state.replace(state));
        panics::contain(|| drop(before));
    }
}

impl Drop for WorkerGuard {
    fn drop(&mut self) {
        let state = here(|here| {
            here.worker = None;
            (here.state.take(), here.hook.take())
        });
        panics::contain(|| drop(state));
    }
}

/// Marks the calling thread, until it is dropped, as its pool's service thread, without which the pool does not go on. A call
/// that would wait for the pool is refused there, and a pool that is dropped there is joined by another thread.
#[derive(Debug)]
pub struct ServiceGuard(());

impl ServiceGuard {
    /// The calling thread is the service thread of the pool with this number.
    pub fn enter(pool: u64) -> ServiceGuard {
        here(|here| here.post = Some((pool, Post::Service)));
        ServiceGuard(())
    }
}

impl Drop for ServiceGuard {
    fn drop(&mut self) {
        here(|here| here.post = None);
    }
}

/// The calling thread is the one on which a pool's callbacks run, until it ends.
pub(crate) fn become_callback_thread(pool: u64) {
    here(|here| here.post = Some((pool, Post::Callbacks)));
}

/// True when the calling code runs on a thread of this pool: in a task, in a callback, in a waker or a drop beside them.
pub(crate) fn inside(pool: u64) -> bool {
    let on_worker = |here: &mut Here| here.worker.as_ref().is_some_and(|(of, _)| *of == pool);
    on_callback_thread(pool) || is_service_thread(pool) || here(on_worker).unwrap_or(false)
}

/// True when the calling code runs on this pool's callback thread, or in one of its callbacks.
pub(crate) fn on_callback_thread(pool: u64) -> bool {
    let calls = |here: &mut Here| here.callbacks.iter().any(|(of, _)| *of == pool);
    has_post(pool, Post::Callbacks) || here(calls).unwrap_or(false)
}

/// True when the calling thread is this pool's service thread.
pub(crate) fn is_service_thread(pool: u64) -> bool {
    has_post(pool, Post::Service)
}

fn has_post(pool: u64, post: Post) -> bool {
    here(|here| here.post == Some((pool, post))).unwrap_or(false)
}

/// True when the calling code is the callback of this very job, or a task of it: it is not over before that returns.
pub(crate) fn is_part_of(pool: u64, job: u64) -> bool {
    let known = here(|here| {
        let in_callback = here.callbacks.contains(&(pool, job));
        let on_worker = here.worker.as_ref().is_some_and(|(of, _)| *of == pool);
        (in_callback, here.hook.clone().filter(|_| on_worker))
    });
    let (in_callback, hook) = known.unwrap_or_default();
    in_callback || hook.is_some_and(|hook| hook.runs(job))
}

/// Runs a callback of a job, and marks the thread as running it.
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
