//! The backend's side of the seam: how workers are started, fed and stopped, and what can travel to them.

use std::io;
use std::sync::Arc;

use crate::attendance::Deadline;
use crate::cell::Cell;
use crate::feed::Feed;
use crate::unit::Erased;
use crate::work::Work;

/// A kind of worker. Orders come from the engine, each once, as the lifecycle has it.
pub trait Backend: Sized + Send + Sync + 'static {
    /// How its workers see a job: a trait object of the backend's own, which every cell it carries implements.
    type Job: ?Sized + Erased + 'static;

    /// `thread` or `process`.
    const KIND: &'static str;

    /// Starts all workers of the feed's size.
    ///
    /// # Errors
    ///
    /// Why a worker could not be started; those that were are gone when it returns.
    fn start(&self, feed: &Arc<Feed<Self::Job>>) -> Result<(), StartError>;

    /// Something was queued, or the phase changed. Called outside of every lock.
    fn wake(&self);

    /// The pool was closed: workers leave once the feed is drained.
    fn drain(&self);

    /// The pool was terminated and its feed is empty: workers stop.
    fn abandon(&self);

    /// Waits until no worker is left, not even as a zombie; false when the deadline came first.
    fn reap(&self, deadline: &Deadline) -> bool;
}

/// Says that a backend's workers can be given this work.
#[diagnostic::on_unimplemented(
    message = "`{W}` cannot travel to the workers of `{Self}`",
    note = "threads take any `Send` function; processes take plain functions and serde data: hand data over with the `_with` methods"
)]
pub trait Carry<W: Work + 'static>: Backend {
    /// The cell as the backend's workers see it. No other reference to it is kept: a job that is not let in
    /// gives its work back.
    fn load(cell: Arc<Cell<Self::Job, W>>) -> Arc<Self::Job>;
}

/// A pool could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A size of zero.
    #[error("number of workers must be at least 1")]
    NoWorkers,
    /// A size that no system can start.
    #[error("number of workers must be at most {most}, not {size}")]
    TooManyWorkers {
        /// What was asked for.
        size: usize,
        /// The most that can be.
        most: usize,
    },
    /// A queue without a place.
    #[error("bound of the queue must be at least 1")]
    NoQueue,
    /// The system refused a worker.
    #[error("worker {index} cannot be started: {source}")]
    Worker {
        /// Its place in the pool, from 0.
        index: usize,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Workers cannot be started in this program at all.
    #[error("workers cannot be started here: {reason}")]
    Impossible {
        /// Why, and what would help.
        reason: String,
    },
}
