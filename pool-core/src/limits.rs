//! The limits of a job whose options have some, and the units of it whose deadline runs.

use crate::sync::atomic::AtomicBool;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cancel::CancelToken;
use crate::error::PoolError;
use crate::timers::Armed;

/// The limits of a call, as its builder collects them.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitOptions {
    /// How long each task may run.
    pub(crate) deadline: Option<Duration>,
    /// How long the whole call may take.
    pub(crate) expiry: Option<Duration>,
    pub(crate) token: Option<CancelToken>,
    pub(crate) retries: Retries,
}

/// How often a task is tried again that was lost with its worker; what a call does not say, its pool may.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Retries {
    pub(crate) most: Option<u32>,
    /// The pause before the first; it doubles with each.
    pub(crate) pause: Option<Duration>,
}

impl Retries {
    /// How often; not at all where nobody has said it.
    pub(crate) fn most(&self) -> u32 {
        self.most.unwrap_or_default()
    }

    /// These, and for what they do not say those of the pool.
    pub(crate) fn or(self, of_pool: Retries) -> Retries {
        Retries {
            most: self.most.or(of_pool.most),
            pause: self.pause.or(of_pool.pause),
        }
    }
}

impl LimitOptions {
    /// The chunk size of a call with these limits that asks for this one. With retries each item is a task of its own: so what was done
    /// before a lost item is not done again.
    pub(crate) fn chunksize(
        limits: Option<&LimitOptions>,
        asked: Option<usize>,
    ) -> Result<Option<usize>, PoolError> {
        match (limits.map_or(0, |limits| limits.retries.most()), asked) {
            (0, asked) => Ok(asked),
            (_, None) => Ok(Some(1)),
            (_, Some(0 | 1)) => Ok(asked),
            (_, Some(_)) => Err(PoolError::RetriesOfChunks),
        }
    }

    /// Whether the call was cancelled before it was submitted.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.token.as_ref().is_some_and(CancelToken::is_cancelled)
    }
}

/// The limits of a job.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// How long each of its units may run.
    pub(crate) deadline: Option<Duration>,
    retries: Retries,
    /// How often each unit was tried again.
    retried: Mutex<BTreeMap<usize, u32>>,
    units: Mutex<TimedUnits>,
    expiry: Mutex<Option<Armed>>,
}

#[derive(Debug, Default)]
struct TimedUnits {
    started: u64,
    running: BTreeMap<usize, TimedUnit>,
}

/// A unit that runs.
#[derive(Debug)]
struct TimedUnit {
    /// The number of this start: a unit that came back may start again.
    start: u64,
    armed: Option<Armed>,
    /// Its deadline has passed: its end does not count.
    is_over: bool,
    /// What tells its function so.
    exceeded: Arc<AtomicBool>,
}

impl Limits {
    pub(crate) fn new(deadline: Option<Duration>, retries: Retries) -> Self {
        Limits {
            deadline,
            retries,
            ..Limits::default()
        }
    }

    /// A unit starts. `arm` starts its timer, with the number of this start, under no lock. What comes back is true once its deadline has
    /// passed.
    pub(crate) fn start(&self, unit: usize, arm: impl FnOnce(u64) -> Armed) -> Arc<AtomicBool> {
        let exceeded = Arc::new(AtomicBool::new(false));
        let (start, before) = {
            let mut units = self.lock();
            units.started += 1;
            let start = units.started;
            let timed = TimedUnit {
                start,
                armed: None,
                is_over: false,
                exceeded: exceeded.clone(),
            };
            (start, units.running.insert(unit, timed))
        };
        drop(before);
        let armed = arm(start);
        let mut units = self.lock();
        match units.running.get_mut(&unit) {
            Some(timed) if timed.start == start => timed.armed = Some(armed),
            _ => {
                drop(units);
                drop(armed);
            }
        }
        exceeded
    }

    /// The deadline of a unit has passed; `None` where it has ended, or came back, before. From here on its end does not count. What
    /// comes back tells its function so, once it is set.
    pub(crate) fn exceed(&self, unit: usize, start: u64) -> Option<Arc<AtomicBool>> {
        let mut units = self.lock();
        let timed = units.running.get_mut(&unit);
        let timed = timed.filter(|timed| timed.start == start)?;
        (!std::mem::replace(&mut timed.is_over, true)).then(|| timed.exceeded.clone())
    }

    /// A unit has ended; true where its deadline has passed before.
    pub(crate) fn end(&self, unit: usize) -> bool {
        let timed = self.lock().running.remove(&unit);
        timed.is_some_and(|timed| timed.is_over)
    }

    /// A unit was lost with its worker: after which pause it is tried again. `None` where it is not, since it was often enough, or had
    /// passed its deadline.
    pub(crate) fn try_again(&self, unit: usize) -> Option<Duration> {
        if !self.may_retry() {
            return None;
        }
        let before = {
            let mut units = self.lock();
            let timed = units.running.get(&unit);
            if timed.is_some_and(|timed| timed.is_over) {
                return None;
            }
            units.running.remove(&unit)
        };
        drop(before);
        let mut retried = self.retried();
        let count = retried.entry(unit).or_default();
        (*count < self.retries.most()).then(|| {
            *count += 1;
            let pause = self.retries.pause.unwrap_or_default();
            pause.saturating_mul(1 << (*count - 1).min(16))
        })
    }

    /// Whether any unit is tried again.
    pub(crate) fn may_retry(&self) -> bool {
        self.retries.most() > 0
    }

    /// How often a unit was tried so far.
    pub(crate) fn attempts(&self, unit: usize) -> u32 {
        1 + self.retried().get(&unit).copied().unwrap_or_default()
    }

    fn retried(&self) -> MutexGuard<'_, BTreeMap<usize, u32>> {
        self.retried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The timer of the whole job runs.
    pub(crate) fn set_expiry(&self, armed: Armed) {
        *self.expiry() = Some(armed);
    }

    /// The job is over: its timer stops.
    pub(crate) fn disarm(&self) {
        let armed = self.expiry().take();
        drop(armed);
    }

    fn expiry(&self) -> MutexGuard<'_, Option<Armed>> {
        self.expiry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, TimedUnits> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
