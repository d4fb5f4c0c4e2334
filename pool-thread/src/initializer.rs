//! The initializer of workers, and the settings of a pool's threads.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pool_core::Timers;
use pool_core::backend::{Observed, Recycling, catch};

/// Makes the state of a worker, or returns the message of an error.
type Make = dyn Fn() -> Result<Box<dyn Any>, String> + Send + Sync;

/// Called once in each worker, and in each replacement.
#[derive(Clone)]
pub(crate) struct Initializer(Arc<Make>);

impl Initializer {
    pub(crate) fn new<S: 'static, E: fmt::Display>(
        make: impl Fn() -> Result<S, E> + Send + Sync + 'static,
    ) -> Self {
        Initializer(Arc::new(move || match make() {
            Ok(state) => Ok(Box::new(state)),
            Err(error) => Err(error.to_string()),
        }))
    }

    /// Makes the state of a new worker. A panic becomes an error.
    pub(crate) fn make(&self) -> Result<Box<dyn Any>, String> {
        catch(|| (self.0)()).unwrap_or_else(|panic| Err(panic.to_string()))
    }
}

impl fmt::Debug for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initializer").finish_non_exhaustive()
    }
}

/// Called by each worker that leaves while its pool has not been terminated.
#[derive(Clone)]
pub(crate) struct WorkerExit(Arc<dyn Fn() + Send + Sync>);

impl WorkerExit {
    pub(crate) fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        WorkerExit(Arc::new(function))
    }

    pub(crate) fn run(&self) {
        // The panic hook has reported a panic, and there is nobody to tell of it.
        let _ = catch(|| (self.0)());
    }
}

impl fmt::Debug for WorkerExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerExit").finish_non_exhaustive()
    }
}

/// The default limit on compensation threads.
const COMPENSATION_THREADS: usize = 1_000;

/// The settings of a pool's threads.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) initializer: Option<Initializer>,
    pub(crate) worker_exit: Option<WorkerExit>,
    /// After how much a worker is replaced.
    pub(crate) recycling: Recycling,
    /// How long a worker has nothing to do before it leaves.
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) timers: Timers,
    pub(crate) observed: Observed,
    /// The limit on compensation threads.
    pub(crate) compensation_threads: usize,
    /// Bytes of each worker's stack, if it was set.
    pub(crate) stack_size: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            initializer: None,
            worker_exit: None,
            recycling: Recycling::default(),
            idle_timeout: None,
            timers: Timers::default(),
            observed: Observed::default(),
            compensation_threads: COMPENSATION_THREADS,
            stack_size: None,
        }
    }
}
