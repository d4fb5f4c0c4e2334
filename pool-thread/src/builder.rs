//! What a thread pool can be told at its start.

use pool_core::{Config, Engine, StartError, Timers};

use crate::backend::Threads;
use crate::pool::ThreadPool;

/// Settings of a [`ThreadPool`] before it is started.
#[derive(Debug, Clone, Default)]
#[must_use = "a pool starts with `build`"]
pub struct Builder(Config);

impl Builder {
    /// Number of workers, at least 1; without it, the CPUs that this process may use.
    pub fn size(self, workers: usize) -> Self {
        Builder(self.0.size(workers))
    }

    /// Whether the panic hook may be installed that gives panics of tasks their place (default: yes). The hook
    /// that was there before is called in any case.
    pub fn panic_hook(self, install: bool) -> Self {
        Builder(self.0.panic_hook(install))
    }

    /// Whether a drop with unfinished tasks says so on stderr (default: yes).
    pub fn warn_on_drop(self, warn: bool) -> Self {
        Builder(self.0.warn_on_drop(warn))
    }

    /// The pool's source of time (default: the real clock).
    pub fn timers(self, timers: Timers) -> Self {
        Builder(self.0.timers(timers))
    }

    /// Starts the pool.
    ///
    /// # Errors
    ///
    /// A size of zero, or a thread that the system refused; then none is left.
    pub fn build(self) -> Result<ThreadPool, StartError> {
        Engine::start(Threads::default(), self.0).map(ThreadPool)
    }
}
