//! What the calling thread is to a pool: a worker, the callback thread, a service thread, or none of them.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};

use crate::error::PoolError;
use crate::panics;
use crate::sync::atomic::{AtomicBool, Ordering};

/// The worker that runs the calling code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its name: `ThreadPoolWorker-1`, `ProcessPoolWorker-1`.
    pub name: String,
    /// Its slot in the pool, from 0. A replacement takes the slot of the worker that was lost.
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
    with_thread(|thread| thread.worker.as_ref().map(|(_, worker)| worker.clone()))?
}

/// Calls `f` with the state of the calling worker, which its initializer made. `None` outside of a worker, if the state has another
/// type, and inside of another `worker_state`.
///
/// In Python: a global that the initializer sets.
///
/// # Examples
///
/// ```
/// assert_eq!(pool_core::worker_state(|count: &mut u32| *count), None);
/// ```
pub fn worker_state<S: 'static, R>(f: impl FnOnce(&mut S) -> R) -> Option<R> {
    /// Puts the state back, also when `f` panics.
    struct Taken(Option<Box<dyn Any>>);
    impl Drop for Taken {
        fn drop(&mut self) {
            with_thread(|thread| thread.state = self.0.take());
        }
    }
    let mut taken = Taken(with_thread(|thread| thread.state.take())?);
    taken.0.as_mut()?.downcast_mut().map(f)
}

/// What a backend does when a worker waits for its own pool. It may run a compensation thread while the worker is blocked.
///
/// Source: `ForkJoinPool.ManagedBlocker` in Java, `block_in_place` in tokio.
pub trait BlockHook: Send + Sync {
    /// Called before the worker blocks, on its thread. False if there is no compensation thread: then the worker does not block.
    fn block(&self) -> bool;
    /// Called when the worker's wait is over, on any thread.
    fn unblock(&self);
    /// Whether the calling worker runs a unit of the job with this number in its pool.
    fn runs(&self, job: u64) -> bool;
    /// Calls `f` with the job whose unit the calling worker runs, if it runs one.
    fn with_job(&self, f: &mut dyn FnMut(&dyn Interruptible));
}

/// A job that can end before its units have, as a worker that runs one of them sees it.
pub trait Interruptible: Send + Sync {
    /// Whether its outcome is decided whatever its units do.
    fn is_unwanted(&self) -> bool;
    /// A unit of it waits for its own pool.
    #[doc(hidden)]
    fn add_interrupt(&self, interrupt: Weak<dyn Interrupt>);
}

/// A wait of a task for its own pool.
#[doc(hidden)]
pub trait Interrupt: Send + Sync {
    /// Has the wait look whether its task is cancelled.
    fn interrupt(&self);
}

/// Held by a worker of a pool while it waits for that pool.
pub(crate) struct Blocked(Arc<BlockedWorker>);

impl Blocked {
    /// The worker. The thread that ends the wait unblocks it, so that it counts as running before that thread takes more work.
    pub(crate) fn worker(&self) -> Arc<BlockedWorker> {
        self.0.clone()
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        with_thread(|thread| thread.blocked = false);
        self.0.unblock();
    }
}

/// A worker that waits for its own pool.
pub(crate) struct BlockedWorker {
    hook: Arc<dyn BlockHook>,
    unblocked: AtomicBool,
}

impl BlockedWorker {
    /// Counts the worker as running again. Further calls do nothing.
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

/// Marks the calling thread as blocked until the guard is dropped, if it is a worker of this pool that is not yet blocked.
///
/// # Errors
///
/// [`PoolError::WouldDeadlock`] on the service thread of the pool, and on a worker without a compensation thread.
pub(crate) fn block(pool: u64) -> Result<Option<Blocked>, PoolError> {
    if is_service_thread(pool) {
        return Err(PoolError::WouldDeadlock);
    }
    let hook = with_thread(|thread| match &thread.worker {
        Some((of, _)) if *of == pool && !thread.blocked => thread.hook.clone(),
        _ => None,
    });
    match hook.flatten() {
        Some(hook) if hook.block() => {
            with_thread(|thread| thread.blocked = true);
            let unblocked = AtomicBool::new(false);
            Ok(Some(Blocked(Arc::new(BlockedWorker { hook, unblocked }))))
        }
        Some(_) => Err(PoolError::WouldDeadlock),
        None => Ok(None),
    }
}

thread_local! {
    static THREAD: RefCell<ThreadState> =
        const { RefCell::new(ThreadState { worker: None, state: None, hook: None, blocked: false, role: None, callbacks: Vec::new(), exceeded: None }) };
}

struct ThreadState {
    /// The worker, and the number of its pool.
    worker: Option<(u64, Worker)>,
    /// The worker's state, which its initializer made.
    state: Option<Box<dyn Any>>,
    /// Called when the worker waits for its own pool.
    hook: Option<Arc<dyn BlockHook>>,
    /// The worker is blocked.
    blocked: bool,
    /// The role of a thread that is no worker, and the number of its pool.
    role: Option<(u64, Role)>,
    /// Pool and job of each callback that runs on this thread, the innermost last.
    callbacks: Vec<(u64, u64)>,
    /// Whether the deadline of the unit that it runs has passed.
    exceeded: Option<Arc<AtomicBool>>,
}

/// Whether the calling task is no longer wanted: it was cancelled, its deadline or its expiry has passed, or its pool was terminated. A
/// task of a thread pool that runs long looks at it now and then, and returns: what it returns is dropped.
///
/// False outside of a task, and in a worker process, which is stopped instead.
///
/// # Examples
///
/// ```
/// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
/// use pool_core::{Pool, TaskError, cancelled};
///
/// let handle = pool.apply_async(|()| while !cancelled() { std::thread::yield_now() }, ())?;
/// assert!(handle.cancel());
/// assert_eq!(handle.get(), Err(TaskError::Cancelled));
/// pool.close();
/// pool.join()?; // the function has returned
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cancelled() -> bool {
    let state = with_thread(|thread| (thread.exceeded.clone(), thread.hook.clone()));
    let (exceeded, hook) = state.unwrap_or_default();
    let mut is_unwanted = exceeded.is_some_and(|exceeded| exceeded.load(Ordering::Acquire));
    if let Some(hook) = hook.filter(|_| !is_unwanted) {
        hook.with_job(&mut |job| is_unwanted = job.is_unwanted());
    }
    is_unwanted
}

/// Runs a unit whose deadline may pass meanwhile, which `exceeded` tells.
pub(crate) fn with_deadline<R>(exceeded: Arc<AtomicBool>, run: impl FnOnce() -> R) -> R {
    struct Reset(Option<Arc<AtomicBool>>);
    impl Drop for Reset {
        fn drop(&mut self) {
            with_thread(|thread| thread.exceeded = self.0.take());
        }
    }
    let before = with_thread(|thread| thread.exceeded.replace(exceeded));
    let _reset = Reset(before.flatten());
    run()
}

/// The calling worker of this pool waits for its pool: `interrupt` is called when what it runs is to end early. It may be so already.
pub(crate) fn add_interrupt(pool: u64, interrupt: Weak<dyn Interrupt>) {
    let hook = with_thread(|thread| match &thread.worker {
        Some((of, _)) if *of == pool => thread.hook.clone(),
        _ => None,
    });
    if let Some(hook) = hook.flatten() {
        hook.with_job(&mut |job| job.add_interrupt(interrupt.clone()));
    }
}

/// Whether the calling thread is a worker of this pool.
pub(crate) fn is_worker(pool: u64) -> bool {
    let is = |thread: &mut ThreadState| thread.worker.as_ref().is_some_and(|(of, _)| *of == pool);
    with_thread(is).unwrap_or(false)
}

/// The role of a thread of a pool that is no worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It runs callbacks, wakers, and drops of values.
    Callbacks,
    /// It sends tasks to workers and receives their answers.
    Service,
}

/// Calls `f` with the state of the calling thread. `f` must not call code of the user. `None` while the thread's locals are
/// destroyed, perhaps with a pool in one of them: no task and no callback runs there.
fn with_thread<R>(f: impl FnOnce(&mut ThreadState) -> R) -> Option<R> {
    THREAD.try_with(|thread| f(&mut thread.borrow_mut())).ok()
}

/// Marks the calling thread as a worker until it is dropped.
#[derive(Debug)]
pub struct WorkerGuard(());

impl WorkerGuard {
    /// Marks the calling thread as this worker of the pool with this number (0: of no pool in this process).
    pub fn enter(pool: u64, worker: Worker) -> WorkerGuard {
        with_thread(|thread| thread.worker = Some((pool, worker)));
        WorkerGuard(())
    }

    /// Sets the hook that is called before and after the worker waits for its own pool.
    pub fn set_block_hook(&self, hook: Arc<dyn BlockHook>) {
        with_thread(|thread| thread.hook = Some(hook));
    }

    /// Sets the worker's state.
    pub fn set_state(&self, state: Box<dyn Any>) {
        let previous = with_thread(|thread| thread.state.replace(state));
        panics::contain(|| drop(previous));
    }
}

impl Drop for WorkerGuard {
    fn drop(&mut self) {
        let state = with_thread(|thread| {
            thread.worker = None;
            (thread.state.take(), thread.hook.take())
        });
        panics::contain(|| drop(state));
    }
}

/// Marks the calling thread, until it is dropped, as the service thread of a pool: the pool makes no progress without it. A call that
/// would wait for the pool is refused there. If the pool is dropped there, another thread joins it.
#[derive(Debug)]
pub struct ServiceGuard {
    /// What the thread did before.
    before: Option<(u64, Role)>,
}

impl ServiceGuard {
    /// Marks the calling thread as the service thread of the pool with this number.
    pub fn enter(pool: u64) -> ServiceGuard {
        let before = with_thread(|thread| thread.role.replace((pool, Role::Service)));
        ServiceGuard {
            before: before.flatten(),
        }
    }
}

impl Drop for ServiceGuard {
    fn drop(&mut self) {
        with_thread(|thread| thread.role = self.before);
    }
}

/// Marks the calling thread as the callback thread of a pool, until the thread ends.
pub(crate) fn become_callback_thread(pool: u64) {
    with_thread(|thread| thread.role = Some((pool, Role::Callbacks)));
}

/// Whether the calling code runs on a thread of this pool: in a task, a callback, a waker or a drop.
pub(crate) fn inside(pool: u64) -> bool {
    let on_worker =
        |thread: &mut ThreadState| thread.worker.as_ref().is_some_and(|(of, _)| *of == pool);
    on_callback_thread(pool) || is_service_thread(pool) || with_thread(on_worker).unwrap_or(false)
}

/// Whether the calling code runs on the callback thread of this pool, or in one of its callbacks.
pub(crate) fn on_callback_thread(pool: u64) -> bool {
    let in_callback = |thread: &mut ThreadState| thread.callbacks.iter().any(|(of, _)| *of == pool);
    has_role(pool, Role::Callbacks) || with_thread(in_callback).unwrap_or(false)
}

/// Whether the calling thread is the service thread of this pool.
pub(crate) fn is_service_thread(pool: u64) -> bool {
    has_role(pool, Role::Service)
}

fn has_role(pool: u64, role: Role) -> bool {
    with_thread(|thread| thread.role == Some((pool, role))).unwrap_or(false)
}

/// Whether the calling code is a callback or a unit of this job. The job cannot end before that code returns.
pub(crate) fn is_part_of(pool: u64, job: u64) -> bool {
    let state = with_thread(|thread| {
        let in_callback = thread.callbacks.contains(&(pool, job));
        let on_worker = thread.worker.as_ref().is_some_and(|(of, _)| *of == pool);
        (in_callback, thread.hook.clone().filter(|_| on_worker))
    });
    let (in_callback, hook) = state.unwrap_or_default();
    in_callback || hook.is_some_and(|hook| hook.runs(job))
}

/// Runs a callback of a job, and marks the thread as running it meanwhile.
pub(crate) fn as_callback<R>(pool: u64, job: u64, run: impl FnOnce() -> R) -> R {
    struct PopOnDrop;
    impl Drop for PopOnDrop {
        fn drop(&mut self) {
            with_thread(|thread| thread.callbacks.pop());
        }
    }
    with_thread(|thread| thread.callbacks.push((pool, job)));
    let _pop = PopOnDrop;
    run()
}
