//! What a worker does before its first task, and how many tasks it does.

use std::any::Any;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use pool_core::Timers;
use pool_core::backend::catch;

/// Makes a worker's state, or says why it cannot.
type Make = dyn Fn() -> Result<Box<dyn Any>, String> + Send + Sync;

/// Runs once in each worker, and again in each that replaces one.
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

    /// The state of a new worker, or why there is none.
    pub(crate) fn make(&self) -> Result<Box<dyn Any>, String> {
        catch(|| (self.0)()).unwrap_or_else(|panic| Err(panic.to_string()))
    }
}

impl fmt::Debug for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initializer").finish_non_exhaustive()
    }
}

/// How many compensation threads there may be, by default.
const COMPENSATION_THREADS: usize = 1_000;

/// The settings of a pool's threads.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) initializer: Option<Initializer>,
    pub(crate) max_tasks: Option<NonZeroUsize>,
    pub(crate) timers: Timers,
    /// How many compensation threads there may be.
    pub(crate) compensation_threads: usize,
    /// Bytes of each worker's stack, if the builder was told.
    pub(crate) stack_size: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            initializer: None,
            max_tasks: None,
            timers: Timers::default(),
            compensation_threads: COMPENSATION_THREADS,
            stack_size: None,
        }
    }
}
