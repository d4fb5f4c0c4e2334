//! The side of the program that has the pool.

// Each module uses only those above it.

// Numbers.
pub(crate) mod stats;

// Where each unit is.
mod books;

// The thread that talks to nodes.
pub(crate) mod dispatcher;

// What the engine orders.
pub(crate) mod backend;

use pool_core::Pool;
use pool_core::backend::Engine;

use self::backend::Cluster;
use self::stats::Stats;

/// A pool of worker processes on other machines.
///
/// Its methods are those of the trait [`Pool`]. Functions are plain functions, or closures that capture nothing; arguments and results
/// are serde data. Dropping a pool terminates it; `close()` and `join()` it to have its work done.
///
/// # Examples
///
/// ```no_run
/// use pool_cluster::prelude::*;
///
/// let pool = ClusterPool::local(2)?; // starts a server and two nodes on this machine
/// assert_eq!(pool.map(|x: u64| x * x, 0..5)?, [0, 1, 4, 9, 16]);
/// pool.close();
/// pool.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClusterPool(pub(crate) Engine<Cluster>);

impl Pool for ClusterPool {
    type Backend = Cluster;

    fn engine(&self) -> &Engine<Cluster> {
        &self.0
    }
}

impl ClusterPool {
    /// The pool's work and its nodes in numbers. It walks the queue.
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
