//! What a backend supplies: how its workers are started and stopped, and how they see a job.

use std::io;
use std::sync::Arc;

use crate::job::JobCell;
use crate::queue::{Claim, Queue};
use crate::shared::{Assist, UnitStop};
use crate::task::{FnCall, Portable, PortableFn};
use crate::unit::{AsJob, TaskId};
use crate::wait_group::Deadline;
use crate::work::{Batch, Single, Work};

/// The job of a call of a plain function.
pub type CallCell<F, A> = JobCell<Single<FnCall<F, A>>>;

/// A kind of worker. The engine calls `close` and `terminate` at most once each, `close` first.
///
/// A pool is a struct around an [`Engine`](crate::backend::Engine) of its backend; one `impl` of [`Pool`](crate::Pool) gives it
/// all methods.
pub trait Backend: Sized + Send + Sync + 'static {
    /// How the workers see a job: a trait object of the backend's own, which every [`JobCell`] that it is given implements.
    type Job: ?Sized + AsJob + 'static;

    /// `thread`, `process`: messages name it.
    const KIND: &'static str;

    /// Starts as many workers as the queue has worker slots.
    ///
    /// # Errors
    ///
    /// Why a worker could not be started; those that were are gone when it returns.
    fn start(&self, queue: &Arc<Queue<Self::Job>>) -> Result<(), StartError>;

    /// A call, as the workers see it. No other reference to the cell may be kept: a job that is not admitted gives its argument
    /// back.
    fn call_job<F: PortableFn<A>, A: Portable>(cell: Arc<CallCell<F, A>>) -> Arc<Self::Job>;

    /// A map, or a chunk of an `imap`, as the workers see it; as for [`call_job`](Self::call_job).
    fn map_job<F: PortableFn<A>, A: Portable>(cell: Arc<JobCell<Batch<F, A>>>) -> Arc<Self::Job>;

    /// How many units a worker may take at once where its tasks are short: they wait in a queue of its own, where other workers
    /// find them. 1 where each must be taken for itself.
    fn reach(&self) -> usize {
        1
    }

    /// What threads that wait for a job of the pool do meanwhile, where its workers do not complete jobs themselves. It is asked for
    /// once, before the start.
    fn assist(&self) -> Option<Arc<dyn Assist>> {
        None
    }

    /// Something was queued, or the phase changed. Called without a lock held, on the thread that has done it.
    fn wake(&self) {}

    /// How many units that it has taken by [`Queue::take_next`] are not over: their jobs are open.
    fn unfinished(&self) -> usize {
        0
    }

    /// The pool is terminated: no unit that it has taken by [`Queue::take_next`], and that has not started, will start when this
    /// returns. Gives the jobs of all units that it has taken so, and that have not ended. Called once, before
    /// [`terminate`](Self::terminate).
    fn abandon(&self) -> Vec<Arc<Self::Job>> {
        Vec::new()
    }

    /// Whether it can stop a unit that a worker runs. Then a job that is cancelled resolves when all its units have been ended; otherwise
    /// at once, and its units run on.
    fn stops_units(&self) -> bool {
        false
    }

    /// Some jobs are not wanted any more (see [`HandedOut::is_unwanted`](crate::backend::HandedOut::is_unwanted)). Gives their units
    /// that it has taken by [`Queue::take_next`], and that have not started; none of these will start.
    fn withdraw(&self) -> Vec<Claim<Self::Job>> {
        Vec::new()
    }

    /// Stops the units of this job that run, and ends each when it has; with an index only that unit. Called where
    /// [`stops_units`](Self::stops_units) says true, on any thread, without a lock held.
    fn stop(&self, _job: TaskId, _unit: Option<usize>) -> UnitStop {
        UnitStop::RunsOn
    }

    /// The queue has another size ([`Queue::size`]) than it had before. Workers that are too many leave when they have nothing to do, or
    /// have ended their task; on any thread, without a lock held.
    ///
    /// # Errors
    ///
    /// Why the workers that are missing could not be started; then none of them was.
    fn resize(&self, _before: usize) -> Result<(), StartError> {
        Err(StartError::Impossible {
            reason: format!("a {} pool cannot be resized", Self::KIND),
        })
    }

    /// The pool was closed: workers leave once the queue is empty.
    fn close(&self) {}

    /// The pool was terminated and its queue is empty: workers stop.
    fn terminate(&self) {}

    /// Waits until no worker is left, not even as a zombie; false when the deadline came first.
    fn join(&self, deadline: &Deadline) -> bool;
}

/// A backend whose workers run in this process, and so can run any work: closures that capture, and borrow from a caller who
/// waits.
pub trait LocalBackend: Backend {
    /// Any job, as the workers see it; as for [`Backend::call_job`].
    fn local_job<W: Work + 'static>(cell: Arc<JobCell<W>>) -> Arc<Self::Job>;
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
