//! What the workers of one place of a pool have done.

use std::time::{Duration, Instant};

use crate::thread_state::Worker;

/// One place for a worker in a pool: who has it, and what those have done who had it so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WorkerStats {
    /// The place, from 0.
    pub index: usize,
    /// Who has it now; `None` where nobody has, or nobody who is ready for a task.
    pub worker: Option<Worker>,
    /// Since when that worker has been ready for tasks.
    pub started: Option<Instant>,
    /// Tasks that have ended here: calls, and chunks of maps and imaps.
    pub tasks: u64,
    /// How long workers that were ready had no task.
    pub waiting: Duration,
    /// How long they had one; that of now included.
    pub working: Duration,
    /// Workers that have died here, or were stopped with their task.
    pub lost: u64,
    /// Workers that have reached a limit on their tasks, their age or their memory.
    pub replaced: u64,
}
