//! The queue of a pool, first in, first out, and with it the pool's phase: one lock for both, so that no work is admitted after the
//! pool was closed.
//!
//! In front of each worker is a short queue of its own, which only its worker fills: with one unit, and with more as long as its tasks
//! prove to be short. So a worker takes the queue's lock once for many short tasks. What lies in a worker's own queue has not
//! started: another worker takes it when it finds nothing else, or when its owner is slow. So nothing waits behind a long task,
//! and units start in the order of their submission, as far as anybody can see who looks at more than microseconds.
//!
//! Submissions arrive at the tail, and workers take units at the head, each under a lock of its own: a worker that finds nothing at
//! the head takes all that has arrived. The pool's phase lies at the tail.
//!
//! Nobody sleeps beside work. A worker that is going to sleep holds the head's lock, under which workers fill their queues; it has
//! found nothing at the head and in the queue of any worker, counts itself as a sleeper, and looks at the tail under that one's
//! lock. Whoever brings a job after this look sees the sleeper, and wakes him, unless a worker spins: that one looks again, in
//! the same way, before it sleeps. A worker that takes a unit and leaves others, wherever they lie, wakes the next sleeper.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::flaws::{self, Flaw};
use crate::lifecycle::Phase;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Condvar, Instant, Mutex, MutexGuard, PoisonError};
use crate::unit::{AsJob, Unit};

// Each module uses only those above it.

// How many units a worker takes at once.
mod pace;

// How long a worker has waited.
mod meter;

// Where workers take units.
mod head;

// Units that come back.
mod back;

// A worker's own queue.
mod own;

// The own queues of all workers.
mod slots;

// Where submissions arrive.
mod tail;

// The places of a queue that has a bound.
mod bound;

// What a worker does: it takes units, and sleeps.
mod worker;

// A job for models, which counts its units.
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) mod counted;
#[cfg(all(test, loom))]
mod models;

pub(crate) use bound::Turn;
use head::Inner;
pub(crate) use head::Source;
pub use meter::WaitMeter;
use own::Slot;
pub use pace::Pace;
use slots::Slots;
use tail::Tail;
pub use worker::{Taken, Taker, WhenIdle};

/// A pool's queue, as its workers see it. `J` is how the backend sees a job.
pub struct Queue<J: ?Sized> {
    /// Where submissions arrive. Where both locks are held, the head's was taken first.
    tail: Mutex<Tail<J>>,
    /// Where workers take units.
    inner: Mutex<Inner<J>>,
    bell: Condvar,
    /// How many workers the pool has, or is to have.
    size: AtomicUsize,
    /// How many units may wait; those of an `imap` have a bound of their own and are counted, not held up.
    bound: Option<NonZeroUsize>,
    /// Notified when the line for places moves, or may.
    places: Condvar,
    /// Notified when workers that pause between two tries to start may have nothing left to do.
    rest: Condvar,
    pool: u64,
    slots: Slots<J>,
    began: Instant,
    /// Units at the tail and at the head: each is written under its lock, and a hint for a worker that spins.
    at_tail: AtomicUsize,
    at_head: AtomicUsize,
    /// Workers that sleep, and whether one spins: written under the head's lock; that none spins, under the tail's as well.
    sleepers: AtomicUsize,
    spins: AtomicBool,
    pace: Pace,
}

/// One unit of a job, handed to a worker.
#[derive(Debug)]
#[must_use = "a unit that is not ended keeps its job waiting for ever"]
pub struct Claim<J: ?Sized> {
    /// The job.
    pub job: Arc<J>,
    /// One unit of it, to be finished.
    pub unit: Unit,
    /// The place of the unit among all that its queue has admitted.
    order: u64,
}

/// Where the units of a job stand among all that its queue has admitted: how many are before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobOrder(u64);

impl<J: ?Sized> Claim<J> {
    /// A unit of a job that a worker has taken, and that comes back.
    pub fn again(job: &Arc<J>, unit: Unit, JobOrder(before): JobOrder) -> Claim<J> {
        let order = before + unit.index() as u64;
        let job = job.clone();
        Claim { job, unit, order }
    }

    /// Where its job stands.
    fn job_order(&self) -> JobOrder {
        JobOrder(self.order - self.unit.index() as u64)
    }
}

/// The place of one worker: what it took last is known to be running until it takes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerSlot(pub usize);

impl<J: ?Sized + AsJob> Queue<J> {
    pub(crate) fn new(
        size: NonZeroUsize,
        bound: Option<NonZeroUsize>,
        pool: u64,
        pace: Pace,
    ) -> Self {
        Queue {
            tail: Mutex::new(Tail::new()),
            inner: Mutex::new(Inner::new()),
            bell: Condvar::new(),
            size: AtomicUsize::new(size.get()),
            bound,
            places: Condvar::new(),
            rest: Condvar::new(),
            pool,
            slots: Slots::new(size.get(), pace),
            began: Instant::now(),
            at_tail: AtomicUsize::new(0),
            at_head: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            spins: AtomicBool::new(false),
            pace,
        }
    }

    /// Number of workers of the pool.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// Changes the number of workers that the pool is to have; how many that was before.
    pub(crate) fn set_size(&self, size: NonZeroUsize) -> usize {
        self.size.swap(size.get(), Ordering::Relaxed)
    }

    /// The pool has fewer workers than that: it cannot have more.
    pub(crate) fn lower_size(&self, from: NonZeroUsize, to: usize) {
        // Where another change came meanwhile, it stays.
        let _ =
            self.size
                .compare_exchange(from.get(), to.max(1), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The pool's number in this process, from 1: what [`WorkerGuard::enter`](crate::backend::WorkerGuard::enter) asks for.
    pub fn pool(&self) -> u64 {
        self.pool
    }

    /// Where the pool is in its life.
    pub fn phase(&self) -> Phase {
        self.lock_tail().phase
    }

    /// True when workers may leave: no more work is admitted, and none is left to hand out.
    pub fn is_drained(&self) -> bool {
        self.has_drained(&self.lock())
    }

    /// Units that were admitted, and how many of them wait or run.
    pub(crate) fn units(&self) -> (u64, u64) {
        let inner = self.lock();
        let mut units = inner.returned.len();
        let paused = inner.paused.iter();
        units += paused
            .filter(|paused| paused.claim.job.job().is_open())
            .count();
        units += self.slots.iter().map(Slot::unfinished).sum::<usize>();
        let tail = self.lock_tail();
        let queued = inner.jobs.iter().chain(tail.jobs.iter());
        let queued = queued.filter(|entry| entry.units.job().job().is_open());
        units += queued.map(|entry| entry.units.len()).sum::<usize>();
        (tail.submitted, units as u64)
    }

    /// Unlocks the queue, from which units may have been taken.
    fn leave(&self, inner: MutexGuard<'_, Inner<J>>) {
        self.at_head.store(inner.waiting, Ordering::Relaxed);
        let awaited = !inner.line.is_empty();
        let drained = inner.resting > 0 && self.has_drained(&inner);
        drop(inner);
        if awaited && !flaws::has(Flaw::PlaceTellsNobody) {
            self.ring_for_places();
        }
        if drained {
            self.rest.notify_all();
        }
    }

    /// Wakes so many sleepers, or all. One that is woken sleeps no more from this moment, so that nobody wakes it again.
    fn wake(&self, count: usize) {
        let mut inner = self.lock();
        let woken = count.min(self.sleepers.load(Ordering::Relaxed));
        if woken > 0 {
            self.sleepers.fetch_sub(woken, Ordering::Relaxed);
            inner.woken += woken;
            drop(inner);
            match woken {
                1 => self.bell.notify_one(),
                _ => self.bell.notify_all(),
            }
        }
    }

    fn has_sleepers(&self) -> bool {
        self.sleepers.load(Ordering::Relaxed) > 0
    }

    /// How many units were admitted that no worker has taken: without the lock, a hint.
    pub fn waiting(&self) -> usize {
        self.at_tail.load(Ordering::Relaxed) + self.at_head.load(Ordering::Relaxed)
    }

    /// Whether there is such a unit.
    pub fn has_waiting(&self) -> bool {
        self.waiting() > 0
    }

    /// Workers may leave.
    fn has_drained(&self, inner: &Inner<J>) -> bool {
        let tail = self.lock_tail();
        tail.is_at_its_end() && inner.waiting == 0
    }

    /// Nanoseconds since the start of the pool.
    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn lock_tail(&self) -> MutexGuard<'_, Tail<J>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<J>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: ?Sized> fmt::Debug for Queue<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self
            .tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .phase;
        f.debug_struct("Queue")
            .field("size", &self.size)
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{Claim, Pace, Queue, WorkerSlot};
    use crate::idle::{self, Queued};
    use crate::job::JobCell;
    use crate::options::SubmitOptions;
    use crate::task::Plain;
    use crate::work::Batch;

    proptest! {
        /// Whatever was handed out and comes back, in whatever order, is handed out again as it was submitted.
        #[test]
        fn units_that_come_back_are_claimed_in_the_order_of_their_submission(
            maps in proptest::collection::vec(1..4_u64, 1..5),
            back in Just((0..16_usize).collect::<Vec<_>>()).prop_shuffle(),
            handed_out in 0..16_usize,
        ) {
            let shared = idle::shared();
            let queue: Queue<dyn Queued> = Queue::new(NonZeroUsize::MIN, None, shared.pool, Pace::ONE);
            let same: fn(u64) -> u64 = |item| item;
            for units in &maps {
                let work = Batch::new(Plain(same), (0..*units).collect(), 1);
                let job: Arc<dyn Queued> = JobCell::new(&shared, work, false, SubmitOptions::here());
                prop_assert!(queue.push(job).is_ok());
            }
            let mut claims: Vec<Option<Claim<dyn Queued>>> = Vec::new();
            while claims.len() < handed_out && let Some(claim) = queue.try_next(WorkerSlot(0)) {
                claims.push(Some(claim));
            }
            let total: u64 = maps.iter().sum();
            for index in back {
                if let Some(claim) = claims.get_mut(index).and_then(Option::take) {
                    queue.put_back(claim);
                }
            }
            let again: Vec<u64> = std::iter::from_fn(|| queue.try_next(WorkerSlot(0))).map(|claim| claim.order).collect();
            prop_assert_eq!(again, (0..total).collect::<Vec<_>>());
        }
    }
}
