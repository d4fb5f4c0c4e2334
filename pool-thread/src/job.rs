//! A job as the threads of a pool see it.

use pool_core::TaskError;
use pool_core::backend::{Again, AsJob, Job, JobCell, MoreUnits, Unit, Work};

/// A job that a thread of this process can run.
pub trait ThreadJob: Job {
    /// Runs a unit, and then more of the same job, up to one that comes back, to be run again; how many they were. A panic becomes the
    /// error of its job.
    fn run_units(&self, unit: Unit, more: &MoreUnits<'_>) -> (usize, Option<Again>);

    /// Fails one unit that no worker can run.
    fn fail_unit(&self, unit: Unit, error: TaskError);
}

impl<W: Work + 'static> ThreadJob for JobCell<W> {
    fn run_units(&self, unit: Unit, more: &MoreUnits<'_>) -> (usize, Option<Again>) {
        JobCell::run_units(self, unit, more)
    }

    fn fail_unit(&self, unit: Unit, error: TaskError) {
        self.finish(unit, Err(error.widen()));
    }
}

impl AsJob for dyn ThreadJob {
    fn job(&self) -> &dyn Job {
        self
    }
}
