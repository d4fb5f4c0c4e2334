//! A job as the threads of a pool see it.

use pool_core::TaskError;
use pool_core::backend::{AsJob, Job, JobCell, Unit, Work};

/// A job as a thread sees it: something to run here and now.
pub trait ThreadJob: Send + Sync {
    /// The job as the queue sees it.
    fn as_job(&self) -> &dyn Job;

    /// Runs one unit, its panics contained.
    fn run_here(&self, unit: Unit);

    /// Ends one unit that no thread can run.
    fn give_up(&self, unit: Unit, why: TaskError);
}

impl<W: Work + 'static> ThreadJob for JobCell<W> {
    fn as_job(&self) -> &dyn Job {
        self
    }

    fn run_here(&self, unit: Unit) {
        self.run(unit);
    }

    fn give_up(&self, unit: Unit, why: TaskError) {
        self.finish(unit, Err(why.widen()));
    }
}

impl AsJob for dyn ThreadJob {
    fn job(&self) -> &dyn Job {
        self.as_job()
    }
}
