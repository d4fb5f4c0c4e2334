//! A job as the threads of a pool see it.

use pool_core::{Cell, Erased, Failure, Job, Unit, Work};

/// A job as a thread sees it: something to run here and now.
pub trait RunHere: Send + Sync {
    /// The job as the queue sees it.
    fn as_job(&self) -> &dyn Job<dyn RunHere>;

    /// Runs one unit, its panics contained.
    fn run_here(&self, unit: Unit);

    /// Ends one unit that no thread can run.
    fn give_up(&self, unit: Unit, why: Failure);
}

impl<W: Work + 'static> RunHere for Cell<dyn RunHere, W> {
    fn as_job(&self) -> &dyn Job<dyn RunHere> {
        self
    }

    fn run_here(&self, unit: Unit) {
        self.run(unit);
    }

    fn give_up(&self, unit: Unit, why: Failure) {
        self.finish(unit, Err(why.widen()));
    }
}

impl Erased for dyn RunHere {
    fn job(&self) -> &dyn Job<dyn RunHere> {
        self.as_job()
    }
}
