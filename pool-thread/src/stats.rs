//! The statistics of a pool.

use pool_core::{TaskStats, WorkerStats};

/// A pool's work and its workers in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Counts of tasks, errors, and unhandled errors.
    pub tasks: TaskStats,
    /// Threads that live now: workers and compensation threads.
    pub workers: usize,
    /// Threads that were started, replacements included.
    pub started: usize,
    /// What the workers in each place have done, by the place. Behind the places of the pool's size are those of compensation threads.
    pub per_worker: Vec<WorkerStats>,
}
