//! The face of the crate: `ProcessPool`.

// Each module uses only those above it.

// A job that is encoded, and completed from bytes.
pub(crate) mod remote_job;

// Numbers.
pub(crate) mod stats;

// Orders to the dispatcher.
mod inbox;

// Why a worker was lost.
mod cause;

// The contexts that a worker has.
mod sent_contexts;

// The connection to a worker.
mod connection;

// The thread that owns all workers.
pub(crate) mod dispatcher;

// What the engine orders.
pub(crate) mod backend;

use std::fmt;
use std::time::Duration;

use pool_core::{Engine, JoinAsync, Misuse, Phase, Pool};

use crate::pool::backend::Processes;
use crate::pool::stats::Stats;

/// A pool of worker processes.
///
/// Functions are plain functions, or closures that capture nothing; arguments and results are serde data, of
/// which the worker gets, and gives back, copies. A task that crashes its worker fails alone.
///
/// Dropping a pool terminates it; `close()` and `join()` it to have its work done.
///
/// # Examples
///
/// ```
/// use pool_process::ProcessPool;
///
/// let pool = ProcessPool::new(2)?;
/// assert_eq!(pool.map(|x: u64| x * x, 0..5)?, [0, 1, 4, 9, 16]);
/// pool.close();
/// pool.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ProcessPool(pub(crate) Engine<Processes>);

impl ProcessPool {
    /// Number of workers.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// assert_eq!(pool.size(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn size(&self) -> usize {
        Pool::size(self)
    }

    /// Where the pool is in its life.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// pool.close();
    /// assert_eq!(pool.phase(), pool_process::Phase::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn phase(&self) -> Phase {
        self.0.phase()
    }

    /// The pool's work and its workers in numbers, errors that nobody looked at among them, and how workers are
    /// started, and why so. It walks the queue.
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
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// drop(pool.apply_async(|code: i32| -> () { std::process::exit(code) }, 3)?);
    /// pool.close();
    /// pool.join()?;
    /// let stats = pool.stats();
    /// assert_eq!((stats.tally.errors, stats.tally.unseen, stats.lost), (1, 1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        if self.0.is_here().is_err() {
            return Stats::default();
        }
        Stats {
            tally: self.0.tally(),
            ..self.0.backend().stats()
        }
    }

    /// Lets no more work in and returns at once; what was let in will be done. It may be repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.apply_async(|x: u32| x + 1, 1)?;
    /// pool.close();
    /// assert_eq!(pool.apply_async(|x: u32| x + 1, 1).err(), Some(pool_process::Misuse::NotRunning));
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        Pool::close(self);
    }

    /// Stops the pool: queued work is dropped, running work is stopped by SIGTERM and, after the
    /// [grace](crate::Builder::grace), by SIGKILL; every open handle resolves to [`Failure::Terminated`](crate::Failure::Terminated). It returns
    /// without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// pool.terminate();
    /// pool.join()?;
    /// assert_eq!(pool.apply(|x: u32| x, 1), Err(pool_process::Misuse::NotRunning.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn terminate(&self) {
        Pool::terminate(self);
    }

    /// Waits until every task is done, every callback has returned and no worker is left. It may be repeated.
    ///
    /// In Python it hangs in a callback, and when a worker has died with its task.
    ///
    /// # Errors
    ///
    /// [`Misuse::StillRunning`] before `close` or `terminate`, [`Misuse::WouldDeadlock`] from inside a
    /// callback of this pool, the input of an `imap` of it, or what its arguments and results do while they are encoded and
    /// decoded.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// assert_eq!(pool.join(), Err(pool_process::Misuse::StillRunning));
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), Misuse> {
        Pool::join(self)
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
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let gone = std::time::Duration::from_secs(60);
    /// pool.close();
    /// assert!(pool.join_timeout(gone)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, limit: Duration) -> Result<bool, Misuse> {
        Pool::join_timeout(self, limit)
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
    ///     let pool = pool_process::ProcessPool::new(2)?;
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
    /// nobody need join. Workers, which are processes, live no longer than the program: what is not done when
    /// it ends is stopped.
    ///
    /// In Python a pool that nobody refers to lives on while a job is pending, and its end is up to the collector.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.apply_async(|x: u64| x + 1, 1)?;
    /// pool.detach();
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(self) {
        self.0.detach();
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
