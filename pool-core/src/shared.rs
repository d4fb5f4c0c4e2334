//! What all jobs of a pool share: its number, its timers, its callback thread.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use crate::callback_thread::CallbackThread;
use crate::cancel::Withdraw;
use crate::error::PoolError;
use crate::fork::OwnerProcess;
use crate::observer::Observed;
use crate::readers::Readers;
use crate::stats::Counters;
use crate::thread_state;
use crate::timers::Timers;
use crate::unit::Job;

/// What threads that wait do for a pool whose workers do not complete jobs themselves.
pub trait Assist: Send + Sync {
    /// Called by a thread that is going to sleep until `done` says true: until then, or for a short time, it may do the pool's work.
    fn assist(&self, done: &dyn Fn() -> bool);

    /// Sleeps until `done` says true, and does the pool's work meanwhile, instead of its backend's own thread; false where another
    /// thread does that already: then the caller sleeps otherwise.
    fn sleep(&self, done: &dyn Fn() -> bool) -> bool;

    /// Has a thread that sleeps so ask again whether it is done.
    fn kick(&self);
}

/// The pool of a job that ends before its units have.
pub(crate) trait EarlyEnds: Withdraw {
    /// Whether the backend ends a unit that runs; otherwise it runs on.
    fn stops_units(&self) -> bool;
    /// Has the backend stop the units of a job that run.
    fn stop_job(&self, job: &dyn Job);
    /// Has the backend stop one unit of a job, if it runs.
    fn stop_unit(&self, job: &dyn Job, unit: usize) -> UnitStop;
    /// Whether it was terminated: all that somebody waits for in it resolves.
    fn is_terminated(&self) -> bool;
}

/// What becomes of a unit that is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitStop {
    /// It runs on, and nothing can stop it.
    RunsOn,
    /// The backend stops it, and ends the unit when it has.
    Stops,
}

/// What all jobs of a pool share.
pub(crate) struct PoolShared {
    /// Number of the pool in this process, from 1.
    pub(crate) pool: u64,
    pub(crate) timers: Timers,
    pub(crate) callbacks: CallbackThread,
    pub(crate) counters: Counters,
    pub(crate) readers: Readers,
    /// How long one who waits for a job looks at it before he sleeps, if he does.
    pub(crate) spin: Option<Duration>,
    /// What those who wait do before they sleep, if there is anything.
    pub(crate) assist: Option<Arc<dyn Assist>>,
    pub(crate) observed: Observed,
    /// The pool, once it has started and while it is there.
    early_ends: OnceLock<Weak<dyn EarlyEnds>>,
    /// The process whose pool it is.
    owner: OwnerProcess,
}

impl PoolShared {
    pub(crate) fn new(
        timers: Timers,
        spin: Option<Duration>,
        assist: Option<Arc<dyn Assist>>,
        observed: Observed,
    ) -> PoolShared {
        static POOLS: AtomicU64 = AtomicU64::new(1);
        let pool = POOLS.fetch_add(1, Ordering::Relaxed);
        PoolShared {
            pool,
            timers,
            callbacks: CallbackThread::new(pool),
            counters: Counters::default(),
            readers: Readers::default(),
            spin,
            assist,
            observed,
            early_ends: OnceLock::new(),
            owner: OwnerProcess::current(),
        }
    }

    /// Refuses what only the pool's own process can do: in a child that it has forked no thread does the work, and a lock may
    /// stay locked for ever.
    pub(crate) fn is_here(&self) -> Result<(), PoolError> {
        match self.owner.is_current() {
            true => Ok(()),
            false => Err(PoolError::Forked),
        }
    }

    /// The pool that jobs which end early turn to.
    pub(crate) fn set_early_ends(&self, pool: Weak<dyn EarlyEnds>) {
        self.early_ends.get_or_init(|| pool);
    }

    /// The pool; `None` once it has gone, and with it all units.
    pub(crate) fn early_ends(&self) -> Option<Arc<dyn EarlyEnds>> {
        self.early_ends.get()?.upgrade()
    }

    /// Whether the calling code is a task of this pool that must not wait for the pool, since it was cancelled, or its deadline has
    /// passed. Where the pool was terminated it waits on, for `Terminated`.
    pub(crate) fn ends_wait(&self) -> bool {
        thread_state::is_worker(self.pool)
            && thread_state::cancelled()
            && self.early_ends().is_some_and(|pool| !pool.is_terminated())
    }
}

impl fmt::Debug for PoolShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolShared")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
