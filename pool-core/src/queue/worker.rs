//! What a worker does with the queue: it takes units, spins, and sleeps where there is none.
//!
//! # Safety
//!
//! A [`Taker`] is the worker of its slot, for a slot has one. What it gives borrows from it, so the worker comes back for more only when
//! it has ended what it was given.
#![expect(unsafe_code, reason = "the worker reads its own places without a lock")]

use std::fmt;
use std::sync::Arc;

use super::head::Inner;
use super::own::Slot;
use super::{JobOrder, Queue, WaitMeter, WorkerSlot};
use crate::flaws::{self, Flaw};
use crate::range::MoreUnits;
use crate::spin;
use crate::sync::atomic::Ordering;
use crate::sync::{MutexGuard, PoisonError};
use crate::unit::{AsJob, Unit};

/// Takes units for the worker of one slot.
pub struct Taker<'q, J: ?Sized + AsJob> {
    queue: &'q Queue<J>,
    pub(super) slot: WorkerSlot,
    place: &'q Slot<J>,
    /// How long the worker has waited.
    meter: Option<&'q WaitMeter>,
    when_idle: Option<&'q dyn WhenIdle>,
    /// Jobs whose units it has run, to be dropped under no lock.
    spent: Vec<Arc<J>>,
}

/// What becomes of a worker that has nothing to do for a while.
pub trait WhenIdle {
    /// It has nothing to do from now on. What this gives says whether that was so for long enough; when it is, the queue rings.
    /// It is dropped when the worker has something to do.
    fn begin(&self) -> Box<dyn Fn() -> bool>;
    /// Whether the worker leaves, which has had nothing to do for long enough: then it counts as gone. Called under the head's lock.
    fn leaves(&self) -> bool;
    /// It stays: work came meanwhile.
    fn stays(&self);
    /// It has taken a unit, and there are others for which no worker sleeps. Called under no lock.
    fn leaves_others(&self);
}

/// A unit that a worker takes from the queue, and where its job stands there.
type First = (Unit, JobOrder);

/// A unit for a worker to run.
#[derive(Debug)]
#[must_use = "a unit that is not ended keeps its job waiting for ever"]
pub struct Taken<'a, J: ?Sized> {
    /// The job.
    pub job: &'a Arc<J>,
    /// One unit of it, to be finished.
    pub unit: Unit,
    /// Units of the same job that the worker goes on with, without asking the queue again.
    pub more: MoreUnits<'a>,
    /// Where the job stands in the queue: for a unit that comes back.
    pub order: JobOrder,
}

impl<J: ?Sized + AsJob> Queue<J> {
    /// What takes units for the worker of this slot.
    ///
    /// # Panics
    ///
    /// When the slot has one: a slot is for one worker.
    pub fn taker(&self, slot: WorkerSlot) -> Taker<'_, J> {
        let place = self.slots.get(slot.0).unwrap_or_else(|| {
            let _inner = self.lock();
            self.slots.make(slot.0)
        });
        place.set_used(true);
        Taker {
            queue: self,
            slot,
            place,
            meter: None,
            when_idle: None,
            spent: Vec::new(),
        }
    }
}

impl<'q, J: ?Sized + AsJob> Taker<'q, J> {
    /// The same, with a meter of how long the worker waits.
    #[must_use]
    pub fn metered(mut self, meter: &'q WaitMeter) -> Self {
        self.meter = Some(meter);
        self
    }

    /// The same, for a worker that leaves when it has had nothing to do for a while.
    #[must_use]
    pub fn leaves_when_idle(mut self, when_idle: Option<&'q dyn WhenIdle>) -> Self {
        self.when_idle = when_idle;
        self
    }

    /// The next unit; blocks while there is none, and `None` says: leave.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it gives borrows from it"
    )]
    pub fn next(&mut self) -> Option<Taken<'_, J>> {
        self.next_unless(|| false)
    }

    /// As [`next`](Self::next), and `None` too as soon as `leave` says so, which is asked before each unit, and again after
    /// each [`ring`](Queue::ring).
    pub fn next_unless(&mut self, leave: impl Fn() -> bool) -> Option<Taken<'_, J>> {
        if leave() {
            self.queue.vacate(self.slot);
            return None;
        }
        match self.place.take_own() {
            Some((number, index)) => self.taken(number, Err(index)),
            None => {
                let first = self.wait_unless(leave)?;
                self.taken(0, Ok(first))
            }
        }
    }

    /// The unit that the worker has taken, whole or by its index, of the job with this number in its slot.
    pub(super) fn taken(&self, number: u32, unit: Result<First, u32>) -> Option<Taken<'_, J>> {
        let place = self.place;
        // SAFETY: this is the worker, which has taken a unit of it, and comes back with `&mut self`.
        let job = unsafe { place.own_job(number) }?;
        let (unit, order) = unit.unwrap_or_else(|index| {
            let unit = Unit::taken(index, job.job().name());
            (unit, place.own_order(number))
        });
        Some(Taken {
            job,
            unit,
            more: place.more_units(job),
            order,
        })
    }

    /// The next unit, for a worker that has none of its own left.
    fn wait_unless(&mut self, leave: impl Fn() -> bool) -> Option<First> {
        let queue = self.queue;
        let mut started = (queue.pace.most > 1).then(|| queue.now());
        self.come_back(started);
        let mut has_spun = queue.pace.spin.is_none();
        let (meter, mut waits) = (self.meter, false);
        let (when_idle, mut is_over) = (self.when_idle, None);
        let end_wait = |waits: bool, now: Option<u64>| {
            if let Some(meter) = meter.filter(|_| waits) {
                meter.end(now.unwrap_or_else(|| queue.now()));
            }
        };
        let mut inner = queue.lock();
        loop {
            if leave() {
                drop(inner);
                end_wait(waits, None);
                queue.vacate(self.slot);
                return None;
            }
            inner = match self.take(inner, started) {
                Ok(unit) => {
                    end_wait(waits, started);
                    return Some(unit);
                }
                Err(inner) => inner,
            };
            if queue.lock_tail().is_at_its_end() {
                queue.leave(inner);
                end_wait(waits, None);
                return None;
            }
            if let Some(meter) = meter.filter(|_| !waits) {
                waits = true;
                meter.begin(started.unwrap_or_else(|| queue.now()));
            }
            if !has_spun && !queue.spins.load(Ordering::Relaxed) {
                queue.spins.store(true, Ordering::Relaxed);
                drop(inner);
                queue.spin();
                inner = queue.lock();
                queue.stop_spinning();
                has_spun = true;
            } else if let (Some(when_idle), None) = (when_idle, &is_over) {
                drop(inner);
                is_over = Some(when_idle.begin());
                inner = queue.lock();
            } else if let Some(when_idle) = when_idle
                && is_over.as_ref().is_some_and(|is_over| is_over())
                && when_idle.leaves()
            {
                // Whoever brings a job after this look sees that the worker has gone.
                if flaws::has(Flaw::LeavesWithoutALook) || queue.lock_tail().is_quiet() {
                    drop(inner);
                    end_wait(waits, None);
                    queue.vacate(self.slot);
                    return None;
                }
                when_idle.stays();
            } else {
                queue.sleepers.fetch_add(1, Ordering::Relaxed);
                // Whoever brings a job after this look sees the sleeper, for it takes the tail's lock later.
                if flaws::has(Flaw::SleepsWithoutALook) || queue.lock_tail().is_quiet() {
                    while inner.woken == 0 {
                        inner = queue
                            .bell
                            .wait(inner)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                    inner.woken -= 1;
                } else {
                    queue.sleepers.fetch_sub(1, Ordering::Relaxed);
                }
                has_spun = queue.pace.spin.is_none();
            }
            started = started.map(|_| queue.now());
        }
    }

    /// Takes units, unlocks the head, and wakes the next sleeper where there are units left. Where there are none at all, it stays
    /// locked.
    pub(super) fn take<'a>(
        &mut self,
        mut inner: MutexGuard<'a, Inner<J>>,
        now: Option<u64>,
    ) -> Result<First, MutexGuard<'a, Inner<J>>>
    where
        Self: 'a,
    {
        let queue = self.queue;
        let Some(claim) = queue.fill(&mut inner, self.slot, now) else {
            return Err(inner);
        };
        let order = claim.job_order();
        let unit = queue.settle(&mut inner, self.place, claim, now);
        // One that spins looks again under this lock.
        let sleeps = queue.has_sleepers();
        let others = self.when_idle.filter(|_| !sleeps);
        let passes_on = (sleeps || others.is_some())
            && !queue.spins.load(Ordering::Relaxed)
            && queue.has_more(&inner);
        queue.leave(inner);
        if passes_on {
            match others {
                None => queue.wake(1),
                Some(when_idle) => when_idle.leaves_others(),
            }
        }
        Ok((unit, order))
    }

    /// What the worker ran has ended.
    fn come_back(&mut self, now: Option<u64>) {
        self.queue.come_back(self.place, now, &mut self.spent);
        // Each may be the last reference to its job, and is dropped under no lock.
        self.spent.clear();
    }
}

impl<J: ?Sized + AsJob> Drop for Taker<'_, J> {
    fn drop(&mut self) {
        // What a worker that has panicked leaves in its slot is taken by others; the slot takes no other worker.
        if std::thread::panicking() {
            return;
        }
        self.queue.vacate(self.slot);
        self.come_back(None);
        self.place.set_used(false);
    }
}

impl<J: ?Sized + AsJob> fmt::Debug for Taker<'_, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taker")
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

impl<J: ?Sized + AsJob> Queue<J> {
    /// Looks for units for a while, without the lock.
    pub(super) fn spin(&self) {
        let time = self.pace.spin.unwrap_or_default();
        spin::until(|| self.has_waiting(), time, spin::has_woken());
    }

    /// A worker has spun, and holds the head's lock. It takes the tail's as well: who brings a job after this sees that nobody spins,
    /// and what came before is seen here.
    pub(super) fn stop_spinning(&self) {
        let tail = (!flaws::has(Flaw::SpinEndsUnderOneLock)).then(|| self.lock_tail());
        self.spins.store(false, Ordering::Relaxed);
        drop(tail);
    }

    /// How many units wait for which no worker is awake or about to be.
    pub fn unserved(&self) -> usize {
        let inner = self.lock();
        let idle = self.sleepers.load(Ordering::Relaxed) + inner.woken;
        let spins = usize::from(self.spins.load(Ordering::Relaxed));
        let taken = self.slots.iter().map(Slot::len).sum::<usize>();
        (self.waiting() + taken).saturating_sub(idle + spins)
    }

    /// Makes workers that wait for a unit look again whether they should leave, and those that rest whether they have
    /// done so for long enough.
    pub fn ring(&self) {
        self.wake(usize::MAX);
        self.rest.notify_all();
    }

    /// Blocks a worker that cannot start until its pause is `over`, which is asked under the queue's lock and again after
    /// each [`ring`](Self::ring); false as soon as workers may leave.
    pub fn rest(&self, over: impl Fn() -> bool) -> bool {
        let mut inner = self.lock();
        inner.resting += 1;
        while !over() && !self.has_drained(&inner) {
            inner = self
                .rest
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inner.resting -= 1;
        !self.has_drained(&inner)
    }
}
