//! What a worker does with the queue: it takes units, spins, and sleeps where there is none.

use super::head::Inner;
use super::{Claim, Queue, WorkerSlot};
use crate::flaws::{self, Flaw};
use crate::spin;
use crate::sync::atomic::Ordering;
use crate::sync::{MutexGuard, PoisonError};
use crate::unit::AsJob;

impl<J: ?Sized + AsJob> Queue<J> {
    /// The next unit for a worker; blocks while there is none, and `None` says: leave.
    pub fn next(&self, slot: WorkerSlot) -> Option<Claim<J>> {
        self.next_unless(slot, || false)
    }

    /// As [`next`](Self::next), and `None` too as soon as `leave` says so, which is asked before each claim, and again after
    /// each [`ring`](Self::ring).
    pub fn next_unless(&self, slot: WorkerSlot, leave: impl Fn() -> bool) -> Option<Claim<J>> {
        if leave() {
            self.vacate(slot);
            return None;
        }
        if let Some(claim) = self.next_of_own(slot) {
            return Some(claim);
        }
        let mut started = (self.pace.most > 1).then(|| self.now());
        // It may be the last reference to its job, and is dropped under no lock.
        drop(self.come_back(slot, started));
        let mut has_spun = self.pace.spin.is_none();
        let mut inner = self.lock();
        loop {
            if leave() {
                drop(inner);
                self.vacate(slot);
                return None;
            }
            inner = match self.claim(inner, slot, started) {
                Ok(claim) => return Some(claim),
                Err(inner) => inner,
            };
            if self.lock_tail().is_at_its_end() {
                self.leave(inner);
                return None;
            }
            if !has_spun && !self.spins.load(Ordering::Relaxed) {
                self.spins.store(true, Ordering::Relaxed);
                drop(inner);
                self.spin();
                inner = self.lock();
                self.stop_spinning();
                has_spun = true;
            } else {
                self.sleepers.fetch_add(1, Ordering::Relaxed);
                // Whoever brings a job after this look sees the sleeper, for it takes the tail's lock later.
                if flaws::has(Flaw::SleepsWithoutALook) || self.lock_tail().is_quiet() {
                    while inner.woken == 0 {
                        inner = self
                            .bell
                            .wait(inner)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                    inner.woken -= 1;
                } else {
                    self.sleepers.fetch_sub(1, Ordering::Relaxed);
                }
                has_spun = self.pace.spin.is_none();
            }
            started = started.map(|_| self.now());
        }
    }

    /// Fills a worker's queue, unlocks the head, and wakes the next sleeper where there are units left. Where there are none at all,
    /// it stays locked.
    pub(super) fn claim<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner<J>>,
        slot: WorkerSlot,
        now: Option<u64>,
    ) -> Result<Claim<J>, MutexGuard<'a, Inner<J>>> {
        let Some(claim) = self.fill(&mut inner, slot, now) else {
            return Err(inner);
        };
        // One that spins looks again under this lock.
        let wakes =
            self.has_sleepers() && !self.spins.load(Ordering::Relaxed) && self.has_more(&inner);
        self.leave(inner);
        if wakes {
            self.wake(1);
        }
        Ok(claim)
    }

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
