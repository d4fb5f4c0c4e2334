//! What all cells of a pool share: its number, its timers, its callbacks' lane.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::failure::Misuse;
use crate::fork::OwnerProcess;
use crate::lane::Lane;
use crate::tally::Ledger;
use crate::timers::Timers;

/// Number of a task in its pool, from 0 in the order of submission; a map counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(crate) u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What all cells of a pool share.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Number of the pool in this process, from 1.
    pub(crate) pool: u64,
    pub(crate) timers: Timers,
    pub(crate) lane: Lane,
    pub(crate) ledger: Ledger,
    /// The process whose pool it is.
    owner: OwnerProcess,
    tasks: AtomicU64,
}

impl Hub {
    pub(crate) fn new(timers: Timers) -> Hub {
        static POOLS: AtomicU64 = AtomicU64::new(1);
        let pool = POOLS.fetch_add(1, Ordering::Relaxed);
        Hub {
            pool,
            timers,
            lane: Lane::new(pool),
            ledger: Ledger::default(),
            owner: OwnerProcess::current(),
            tasks: AtomicU64::new(0),
        }
    }

    /// Refuses what only the pool's own process can do: in a child that it has forked nobody does the work, and a lock may be one
    /// that nobody unlocks.
    pub(crate) fn is_here(&self) -> Result<(), Misuse> {
        match self.owner.is_current() {
            true => Ok(()),
            false => Err(Misuse::Forked),
        }
    }

    /// The next task's number.
    pub(crate) fn number(&self) -> TaskId {
        TaskId(self.tasks.fetch_add(1, Ordering::Relaxed))
    }
}
