//! `ThreadPool`.

use pool_core::Pool;
use pool_core::backend::Engine;

use crate::backend::Threads;
use crate::stats::Stats;

/// A pool of worker threads.
///
/// It has all methods of [`Pool`], and its own ones of the same names take any closure: what `apply`, `map` and `starmap` call may
/// borrow from the caller's stack, what the other methods call may capture.
///
/// Source: `multiprocessing.pool.ThreadPool` in CPython's documentation.
///
/// # Examples
///
/// ```
/// use pool_thread::prelude::*;
///
/// let pool = ThreadPool::new(4)?;
/// let offset = 10;
/// assert_eq!(pool.map(|x| x + offset, 0..5)?, [10, 11, 12, 13, 14]);
/// pool.close();
/// pool.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ThreadPool(pub(crate) Engine<Threads>);

/// Submits tasks that borrow from the caller's stack; made by [`ThreadPool::scope`].
///
/// # Examples
///
/// A function that submits further tasks to the scope of the task that calls it:
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use pool_thread::Scope;
/// use pool_thread::prelude::*;
///
/// fn count<'scope>(scope: &'scope Scope<'scope, '_>, nodes: &'scope AtomicUsize, depth: u32) -> Result<(), PoolError> {
///     nodes.fetch_add(1, Ordering::Relaxed);
///     if depth > 0 {
///         for _child in 0..2 {
///             // The scope waits for the task: its handle is not needed.
///             drop(scope.apply_async(move |depth| count(scope, nodes, depth), depth - 1)?);
///         }
///     }
///     Ok(())
/// }
///
/// let pool = ThreadPool::new(2)?;
/// let nodes = AtomicUsize::new(0);
/// pool.scope(|scope| count(scope, &nodes, 4))?;
/// assert_eq!(nodes.into_inner(), 31);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Scope<'scope, 'env> = pool_core::Scope<'scope, 'env, Threads>;

impl Pool for ThreadPool {
    type Backend = Threads;

    fn engine(&self) -> &Engine<Threads> {
        &self.0
    }
}

impl ThreadPool {
    /// Counts of the pool's tasks, errors and workers. It walks the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.apply(|x| x + 1, 1)?, 2);
    /// let stats = pool.stats();
    /// assert_eq!((stats.workers, stats.tasks.submitted), (2, 1));
    /// for worker in stats.per_worker {
    ///     println!("{}: {} tasks in {:?}, idle for {:?}", worker.index, worker.tasks, worker.working, worker.waiting);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        if self.0.is_here().is_err() {
            return Stats::default();
        }
        let (workers, started) = self.0.backend().thread_counts();
        Stats {
            tasks: self.0.task_stats(),
            workers,
            started,
            per_worker: self.0.backend().worker_stats(),
        }
    }

    /// Calls `body` with a scope whose tasks may borrow from the caller's stack. When it returns or unwinds, all of them have ended. A task may submit further ones: see [`Scope`].
    ///
    /// Inside of a task of the same pool the scope needs a compensation thread while it waits (see
    /// [`compensation_threads`](crate::Builder::compensation_threads)). Without one, tasks of the scope that have not begun are not
    /// run: each is an error in the pool's [`TaskStats`](crate::TaskStats).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let mut halves = (vec![1, 2], vec![3, 4]);
    /// let (left, right) = (&mut halves.0, &mut halves.1);
    /// pool.scope(|scope| {
    ///     let doubled = scope.apply_async(|by| left.iter_mut().for_each(|x| *x *= by), 2)?;
    ///     right.push(5);
    ///     doubled.get()
    /// })?;
    /// assert_eq!(halves, (vec![2, 4], vec![3, 4, 5]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scope<'env, R>(
        &self,
        body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    ) -> R {
        self.0.scope(body)
    }
}
