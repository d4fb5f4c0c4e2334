//! The thread pool's face: signatures for any closure; what they mean is the engine's.

use std::time::Duration;

use pool_core::{
    Batch, Chunks, Engine, Failure, Func, JoinAsync, Misuse, Phase, Scope, Submission,
};

use crate::backend::Threads;
use crate::stats::Stats;

/// A pool of worker threads.
///
/// Source: `multiprocessing.pool.ThreadPool` in CPython's documentation.
#[derive(Debug)]
pub struct ThreadPool(pub(crate) Engine<Threads>);

impl ThreadPool {
    /// Number of workers.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.size(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// Where the pool is in its life.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// pool.close();
    /// assert_eq!(pool.phase(), pool_thread::Phase::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn phase(&self) -> Phase {
        self.0.phase()
    }

    /// The pool's work and its workers in numbers; errors that nobody looked at among them. It walks the queue.
    ///
    /// An error is seen by whoever gets it: `get`, `get_timeout`, `get_ref`, awaiting the handle, an error callback,
    /// an `imap`'s iterator, any call that blocks. It counts as unseen once its handle, or the iterator it
    /// waits in, was dropped. Work that `terminate` has ended is no error.
    ///
    /// In Python such an error is lost without a trace.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// drop(pool.try_apply_async(str::parse::<u8>, "many")?);
    /// assert!(pool.try_apply(str::parse::<u8>, "few").is_err());
    /// pool.close();
    /// pool.join()?;
    /// let tally = pool.stats().tally;
    /// assert_eq!((tally.submitted, tally.ended), (2, 2));
    /// assert_eq!((tally.errors, tally.unseen), (2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        if self.0.is_here().is_err() {
            return Stats::default();
        }
        let (workers, started) = self.0.backend().head_count();
        Stats {
            tally: self.0.tally(),
            workers,
            started,
        }
    }

    /// Calls `body` with a scope in which tasks may borrow from the caller's stack and run beside it; when it
    /// returns, or unwinds, none of them is left.
    ///
    /// In a task of the same pool, where no thread can be had to take its place while the scope waits (see
    /// [`stand_ins`](crate::Builder::stand_ins)), those that have not begun are not run: each is an error of the pool's
    /// [`Tally`](crate::Tally).
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
        body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, Threads>) -> R,
    ) -> R {
        self.0.scope(body)
    }

    /// Lets no more work in and returns at once; what was let in will be done. It may be repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.apply_async(|x: u32| x + 1, 1)?;
    /// pool.close();
    /// assert_eq!(pool.apply_async(|x: u32| x + 1, 1).err(), Some(pool_thread::Misuse::NotRunning));
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.0.close();
    }

    /// Stops the pool and returns at once: queued work is dropped, running functions finish with their results
    /// dropped, and every open handle resolves to [`Failure::Terminated`]. It may be repeated.
    ///
    /// What runs of a map is a chunk, all of it, and a call that borrows returns only then: smaller
    /// [chunks](crate::Submission::chunksize) end sooner.
    ///
    /// In Python, `get()` on such a handle blocks for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// pool.terminate();
    /// pool.join()?;
    /// assert_eq!(pool.apply(|x: u32| x, 1), Err(pool_thread::Misuse::NotRunning.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn terminate(&self) {
        self.0.terminate();
    }

    /// Waits until every task is done, every callback has returned and no worker is left. It may be repeated.
    ///
    /// In Python it hangs in a callback, and when a worker has died with its task.
    ///
    /// # Errors
    ///
    /// [`Misuse::StillRunning`] before `close` or `terminate`, [`Misuse::WouldDeadlock`] from inside a task
    /// or callback of this pool, or the input of an `imap` of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_thread::{Misuse, ThreadPool};
    ///
    /// let pool = ThreadPool::new(2)?;
    /// assert_eq!(pool.join(), Err(Misuse::StillRunning));
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), Misuse> {
        self.0.join(None).map(|_| ())
    }

    /// As [`join`](Self::join), but for at most this long: false when the time was over first.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let gone = std::time::Duration::from_secs(60);
    /// pool.close();
    /// assert!(pool.join_timeout(gone)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, limit: Duration) -> Result<bool, Misuse> {
        self.0.join(Some(limit))
    }

    /// As [`join`](Self::join), to be awaited: it waits on a thread of its own, not on the executor's.
    ///
    /// # Errors
    ///
    /// Its output is what [`join`](Self::join) is refused with.
    ///
    /// # Examples
    ///
    /// ```
    /// async fn squares() -> Result<Vec<u64>, Box<dyn std::error::Error>> {
    ///     let pool = pool_thread::ThreadPool::new(2)?;
    ///     let squares = pool.map_async(|x: u64| x * x, 0..4)?.await?;
    ///     pool.close();
    ///     pool.join_async().await?;
    ///     Ok(squares)
    /// }
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # assert_eq!(runtime.block_on(squares())?, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_async(&self) -> JoinAsync {
        self.0.join_async()
    }

    /// Closes the pool and leaves it to itself: what was let in will be done, then workers and callbacks end, and
    /// nobody need join. What is not done when the program ends is not done.
    ///
    /// In Python a pool that nobody refers to lives on while a job is pending, and its end is up to the collector.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.apply_async(|x: u64| x + 1, 1)?;
    /// pool.detach();
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(self) {
        self.0.detach();
    }
}

/// What the methods share.
impl ThreadPool {
    #[track_caller]
    pub(crate) fn call_batch<A: Send, F: Func<A> + Send + Sync>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<F::Out>, Failure<F::Raised>>
    where
        F::Out: Send,
        F::Raised: Send,
    {
        let items: Vec<A> = items.into_iter().collect();
        let chunksize = self.0.chunksize(items.len(), None)?;
        self.0.call(Batch::new(func, items, chunksize))
    }

    #[track_caller]
    pub(crate) fn batch_task<'p, A: Send + 'static, F: Func<A> + Send + Sync + 'static>(
        &'p self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'p, Vec<A>, Vec<F::Out>, F::Raised, Chunks>
    where
        F::Out: Send + 'static,
        F::Raised: Send + 'static,
    {
        let items: Vec<A> = items.into_iter().collect();
        Submission::new(items, move |items, chunks: Chunks, terms| {
            self.0.submit_batch(func, items, chunks.size(), terms)
        })
    }
}
