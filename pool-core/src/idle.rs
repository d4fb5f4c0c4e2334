//! A backend that runs nothing by itself, for tests of what lies below the engine.

use std::sync::Arc;

use crate::cell::Cell;
use crate::hub::Hub;
use crate::timers::Timers;
use crate::unit::{Erased, Job};
use crate::work::Work;

/// A job as such a backend sees it.
pub(crate) trait Queued: Send + Sync {
    fn as_job(&self) -> &dyn Job<dyn Queued>;
}

impl<W: Work + 'static> Queued for Cell<dyn Queued, W> {
    fn as_job(&self) -> &dyn Job<dyn Queued> {
        self
    }
}

impl Erased for dyn Queued {
    fn job(&self) -> &dyn Job<dyn Queued> {
        self.as_job()
    }
}

/// What the cells of a pool share, without a pool.
pub(crate) fn hub() -> Arc<Hub> {
    Arc::new(Hub::new(Timers::real()))
}
