//! Where a thread stands: in a worker, in a callback, or outside of every pool.

use std::any::Any;
use std::cell::RefCell;

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
    HERE.with_borrow(|here| here.worker.as_ref().map(|(_, worker)| worker.clone()))
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
            HERE.with_borrow_mut(|here| here.state = self.0.take());
        }
    }
    let mut lent = Lent(HERE.with_borrow_mut(|here| here.state.take()));
    lent.0.as_mut()?.downcast_mut().map(f)
}

thread_local! {
    static HERE: RefCell<Here> =
        const { RefCell::new(Here { worker: None, state: None, callbacks: Vec::new() }) };
}

struct Here {
    worker: Option<(u64, Worker)>,
    /// What the worker's initializer made.
    state: Option<Box<dyn Any>>,
    /// Pool and job of each callback that is running on this thread, the innermost last.
    callbacks: Vec<(u64, u64)>,
}

/// Marks the calling thread as a worker until it is dropped.
#[derive(Debug)]
pub struct WorkerSeat(());

impl WorkerSeat {
    /// The calling thread is this worker of the pool with this number (0: of no pool in this process).
    pub fn take(pool: u64, worker: Worker) -> WorkerSeat {
        HERE.with_borrow_mut(|here| here.worker = Some((pool, worker)));
        WorkerSeat(())
    }

    /// The worker's state from now on.
    pub fn keep(&self, state: Box<dyn Any>) {
        let before = HERE.with_borrow_mut(|here| here.state.replace(state));
        drop(before);
    }
}

impl Drop for WorkerSeat {
    fn drop(&mut self) {
        let state = HERE.with_borrow_mut(|here| {
            here.worker = None;
            here.state.take()
        });
        drop(state);
    }
}

/// True when the calling code is a task or a callback of this pool.
pub(crate) fn inside(pool: u64) -> bool {
    on_lane(pool)
        || HERE.with_borrow(|here| here.worker.as_ref().is_some_and(|(of, _)| *of == pool))
}

/// True when the calling code is a callback of this pool.
pub(crate) fn on_lane(pool: u64) -> bool {
    HERE.with_borrow(|here| here.callbacks.iter().any(|(of, _)| *of == pool))
}

/// True when the calling code is the callback of this very job.
pub(crate) fn in_callback_of(pool: u64, job: u64) -> bool {
    HERE.with_borrow(|here| here.callbacks.contains(&(pool, job)))
}

/// Runs a callback of a job, known as such while it runs.
pub(crate) fn as_callback<R>(pool: u64, job: u64, run: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            HERE.with_borrow_mut(|here| here.callbacks.pop());
        }
    }
    HERE.with_borrow_mut(|here| here.callbacks.push((pool, job)));
    let _leave = Leave;
    run()
}
