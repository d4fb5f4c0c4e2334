//! A backend that runs nothing by itself, for tests of what lies below the engine.

use std::sync::Arc;

use crate::job::JobCell;
use crate::observer::Observed;
use crate::shared::PoolShared;
use crate::timers::Timers;
use crate::unit::{AsJob, Job};
use crate::work::Work;

/// A job as such a backend sees it.
pub(crate) trait Queued: Job {}

impl<W: Work + 'static> Queued for JobCell<W> {}

impl AsJob for dyn Queued {
    fn job(&self) -> &dyn Job {
        self
    }
}

/// What the jobs of a pool share, without a pool.
pub(crate) fn shared() -> Arc<PoolShared> {
    Arc::new(PoolShared::new(
        Timers::real(),
        None,
        None,
        Observed::default(),
    ))
}
