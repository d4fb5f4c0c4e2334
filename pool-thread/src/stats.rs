//! What a pool says of itself.

use pool_core::Tally;

/// A pool's work and its workers in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks, errors, and errors that nobody looked at.
    pub tally: Tally,
    /// Threads that live now: workers, and those that run in the place of blocked ones.
    pub workers: usize,
    /// Threads that were started, replacements included.
    pub started: usize,
}
