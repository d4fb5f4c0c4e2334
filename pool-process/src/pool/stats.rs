//! What a pool says of itself.

use pool_core::TaskStats;

use crate::start::{StartMethod, Starter};

/// A pool's work and its workers in numbers, and how workers are started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks, errors, and errors that nobody looked at.
    pub tasks: TaskStats,
    /// How the last worker was started.
    pub start_method: StartMethod,
    /// Why that way.
    pub start_reason: String,
    /// Workers that live now.
    pub workers: usize,
    /// Of these, the workers whose tasks travel through memory that the pool shares with each: see
    /// [`Builder::shared_memory`](crate::Builder::shared_memory).
    pub shared_memory: usize,
    /// Workers that were started, replacements included.
    pub started: usize,
    /// Workers that ended without having been told to.
    pub lost: usize,
}

impl Stats {
    pub(crate) fn started(&mut self, starter: &Starter) {
        self.start_method = starter.method();
        self.start_reason.clone_from(&starter.reason);
        self.workers += 1;
        self.started += 1;
    }

    pub(crate) fn ended(&mut self, expected: bool) {
        self.workers = self.workers.saturating_sub(1);
        self.lost += usize::from(!expected);
    }
}
