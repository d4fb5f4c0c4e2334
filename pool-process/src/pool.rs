//! `ProcessPool`, and the parent's side of its workers.

// Each module uses only those above it.

// A job that is encoded, and completed from bytes.
pub(crate) mod remote_job;

// Numbers.
pub(crate) mod stats;

// Orders to the dispatcher.
mod inbox;

// Why a worker was lost.
mod cause;

// Frames on their way to a worker.
mod outgoing;

// The contexts that a worker has.
mod sent_contexts;

// What tasks print, where the pool reads it.
pub(crate) mod output;

// The timer by which busy workers are checked.
pub(crate) mod watch;

// What workers wake their pool by.
pub(crate) mod bells;

// Units into rings, answers out of them.
pub(crate) mod feed;

// The connection to a worker.
mod connection;

// The thread that owns all workers.
pub(crate) mod dispatcher;

// What the engine orders.
pub(crate) mod backend;

use pool_core::Pool;
use pool_core::backend::Engine;

use crate::pool::backend::Processes;
use crate::pool::stats::Stats;

/// A pool of worker processes.
///
/// Its methods are those of the trait [`Pool`]. Functions are plain functions, or closures that capture nothing; arguments and
/// results are serde data, of which the worker gets, and gives back, copies. A task that crashes its worker fails alone.
///
/// A result that is a `Vec` of plain numbers or a `String`, as the argument was, lies in the memory of that argument, unless it is much
/// shorter: `buffer = pool.apply(step, buffer)?` allocates nothing here.
///
/// Each worker shares 132 KiB with its pool, and by need as much as its largest argument or result takes, up to 128 MiB
/// ([`Builder::shared_payload`](crate::Builder::shared_payload)), which is given back within two seconds of rest. A worker keeps up to 4 MiB
/// of buffers, and for a second the memory of its last large result. A context behind an `Arc<[f64]>` or the like is in memory once for
/// all workers.
///
/// Dropping a pool terminates it; `close()` and `join()` it to have its work done.
///
/// # Examples
///
/// ```
/// use pool_process::prelude::*;
///
/// let pool = ProcessPool::new(2)?;
/// assert_eq!(pool.map(|x: u64| x * x, 0..5)?, [0, 1, 4, 9, 16]);
/// pool.close();
/// pool.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProcessPool(pub(crate) Engine<Processes>);

impl Pool for ProcessPool {
    type Backend = Processes;

    fn engine(&self) -> &Engine<Processes> {
        &self.0
    }
}

impl ProcessPool {
    /// The pool's work and its workers in numbers, errors that nobody looked at among them, and how workers are
    /// started, and why so. It walks the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::prelude::*;
    /// # let pool = ProcessPool::new(2)?;
    /// drop(pool.apply_async(|code: i32| -> () { std::process::exit(code) }, 3)?);
    /// pool.close();
    /// pool.join()?;
    /// let stats = pool.stats();
    /// assert_eq!((stats.tasks.errors, stats.tasks.unhandled, stats.lost), (1, 1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        if self.0.is_here().is_err() {
            return Stats::default();
        }
        Stats {
            tasks: self.0.task_stats(),
            ..self.0.backend().stats()
        }
    }
}
