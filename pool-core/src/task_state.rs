//! The state word of a job, and those who wait for it: one resolver, many waiters.
//!
//! The phases are `open -> resolving -> (due ->) ready`. Whoever moves a job from `open` to `resolving`
//! is its resolver: it alone decides the outcome, all later answers are dropped. `due` is a job whose
//! callback has not run yet. Flags beside the phase are only ever added.
//!
//! No waiter is missed: it sets `WAITED` and looks at the phase under the lock on which it then sleeps;
//! the resolver publishes `ready` and sees the flag in the same atomic step, and takes that lock before it
//! wakes. Wakers are called outside of the lock.

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use once_cell::race::OnceBox;

use crate::flaws::{self, Flaw};
use crate::panics;
use crate::spin;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use crate::thread_state::{Blocked, BlockedWorker, Interrupt};

#[cfg(all(test, loom))]
mod models;

const PHASE: u32 = 0b11;
const OPEN: u32 = 0;
const RESOLVING: u32 = 1;
const DUE: u32 = 2;
const READY: u32 = 3;
/// The outcome is an error.
const FAILED: u32 = 1 << 2;
/// A thread or a future waits.
const WAITED: u32 = 1 << 3;
/// A callback of the same pool waits.
const CALLBACK_WAITS: u32 = 1 << 4;
/// The handle was dropped: nobody will ask for the outcome.
const FORGOTTEN: u32 = 1 << 5;
/// Somebody got the error.
const SEEN: u32 = 1 << 6;
/// The handle has taken the outcome.
const TAKEN: u32 = 1 << 7;
/// The work is on the stack of a caller who waits: the job must not resolve before its last unit.
const ON_STACK: u32 = 1 << 8;
/// Its units were given to a queue.
const HANDED_OUT: u32 = 1 << 9;
/// Its units take places of a queue that has a bound.
const TAKES_PLACES: u32 = 1 << 10;
/// A thread waits by means of the backend's.
const ASSISTS: u32 = 1 << 11;
/// Its outcome is an error already, and units of it that run are being stopped, or are asked to return.
const STOPPED: u32 = 1 << 12;
/// Its units have a deadline.
const TIMED: u32 = 1 << 13;
/// Somebody asks how many of its units have ended: each tells of its end.
const WATCHED: u32 = 1 << 14;

/// What a job's resolver still has to do once the job is ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    /// A callback waits as well: the callback thread must be nudged.
    pub(crate) callback_waits: bool,
    /// The handle was dropped: the outcome belongs to the resolver.
    pub(crate) forgotten: bool,
    /// A thread waits by means of the backend's, and must be kicked.
    pub(crate) assists: bool,
}

#[derive(Debug, Default)]
pub(crate) struct TaskState {
    word: AtomicU32,
    /// How many units have not ended.
    left: AtomicU32,
    /// Made when it is needed first: most jobs are ready before anybody sleeps.
    waiters: OnceBox<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

/// What is woken when the job is ready.
#[derive(Default)]
pub(crate) struct Waiting {
    waker: Option<Waker>,
    /// Workers of the same pool that are blocked here.
    blocked: Vec<Arc<BlockedWorker>>,
    /// How many threads sleep: to notify none of them would be a system call.
    sleeping: usize,
    /// Where units of the job wait for their own pool.
    interrupts: Vec<Weak<dyn Interrupt>>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("sleeping", &self.sleeping)
            .finish_non_exhaustive()
    }
}

impl TaskState {
    #[inline]
    pub(crate) fn new(units: usize, on_stack: bool, watched: bool) -> TaskState {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        TaskState {
            word: AtomicU32::new(flag(on_stack, ON_STACK) | flag(watched, WATCHED)),
            // A cut has no more chunks.
            left: AtomicU32::new(u32::try_from(units).unwrap_or(u32::MAX)),
            waiters: OnceBox::new(),
        }
    }

    /// Some units have ended, or never will start; true where they were the last.
    #[inline]
    pub(crate) fn end_units(&self, units: usize) -> bool {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        // Whoever ends all that are left is the only one who does.
        if units > 0 && self.left.load(Ordering::Acquire) == units {
            self.left.store(0, Ordering::Release);
            return true;
        }
        self.left.fetch_sub(units, Ordering::AcqRel) == units
    }

    /// Whether some units have not ended.
    pub(crate) fn has_units_left(&self) -> bool {
        self.units_left() > 0
    }

    /// How many units have not ended.
    pub(crate) fn units_left(&self) -> usize {
        self.left.load(Ordering::Acquire) as usize
    }

    /// From now on each unit tells of its end as soon as it has ended.
    pub(crate) fn watch(&self) {
        if self.word.load(Ordering::Relaxed) & WATCHED == 0 {
            self.word.fetch_or(WATCHED, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_on_stack(&self) -> bool {
        self.word.load(Ordering::Relaxed) & ON_STACK != 0
    }

    /// The units are given to a queue, the first time: true.
    #[inline]
    pub(crate) fn hand_out(&self, takes_places: bool) -> bool {
        let flags = if takes_places {
            HANDED_OUT | TAKES_PLACES
        } else {
            HANDED_OUT
        };
        if flaws::has(Flaw::HandsOutTwice) {
            let before = self.word.load(Ordering::Acquire);
            self.word.fetch_or(flags, Ordering::AcqRel);
            return before & HANDED_OUT == 0;
        }
        self.word.fetch_or(flags, Ordering::AcqRel) & HANDED_OUT == 0
    }

    pub(crate) fn takes_places(&self) -> bool {
        self.word.load(Ordering::Relaxed) & TAKES_PLACES != 0
    }

    /// The handle takes the outcome; false when it has done so before.
    #[inline]
    pub(crate) fn mark_taken(&self) -> bool {
        self.word.fetch_or(TAKEN, Ordering::Relaxed) & TAKEN == 0
    }

    #[inline]
    pub(crate) fn was_taken(&self) -> bool {
        self.word.load(Ordering::Relaxed) & TAKEN != 0
    }

    #[inline]
    fn phase(&self) -> u32 {
        self.word.load(Ordering::Acquire) & PHASE
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase() == OPEN
    }

    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.phase() == READY
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.word.load(Ordering::Acquire) & FAILED != 0
    }

    pub(crate) fn mark_failed(&self) {
        self.word.fetch_or(FAILED, Ordering::Release);
    }

    /// The outcome of an open job becomes an error, the first time: true. The caller holds the lock, and writes the error before it
    /// releases it. Whoever resolves a job that has failed takes the lock once before it reads the error.
    pub(crate) fn fail_first(&self) -> bool {
        self.add_to_open(FAILED, FAILED).is_some()
    }

    /// The caller resolves a job that has failed: whoever has made it fail may still be writing the error.
    pub(crate) fn await_error(&self) {
        if !flaws::has(Flaw::ResolvesBesideTheWriter) {
            drop(self.lock());
        }
    }

    /// No further unit of an open job starts, and its outcome is an error: the first time, whether it had failed before. The caller
    /// holds the lock, as for [`fail_first`](Self::fail_first), and writes the error where it had not.
    pub(crate) fn stop(&self) -> Option<bool> {
        if flaws::has(Flaw::StopsInTwoSteps) {
            let is_open = self.is_open() && !self.is_stopped();
            return is_open
                .then(|| self.word.fetch_or(STOPPED | FAILED, Ordering::AcqRel) & FAILED != 0);
        }
        let before = self.add_to_open(STOPPED, STOPPED | FAILED)?;
        Some(before & FAILED != 0)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.word.load(Ordering::Acquire) & STOPPED != 0
    }

    /// Adds flags to those of an open job, unless it has this one; what it had before.
    #[inline]
    fn add_to_open(&self, unless: u32, flags: u32) -> Option<u32> {
        let add = |word: u32| (word & (PHASE | unless) == OPEN).then_some(word | flags);
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add)
            .ok()
    }

    /// A unit that starts has a deadline, or is to tell of its end, or is not wanted any more.
    #[inline]
    pub(crate) fn needs_care(&self) -> bool {
        self.word.load(Ordering::Acquire) & (PHASE | STOPPED | TIMED | WATCHED) != OPEN
    }

    /// No unit that has not started is to start: the outcome is decided, or will be an error whatever the units do.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.word.load(Ordering::Acquire) & (PHASE | STOPPED) != OPEN
    }

    /// From now on its units have a deadline. Called before the job is shared.
    pub(crate) fn set_timed(&self) {
        self.word.fetch_or(TIMED, Ordering::Relaxed);
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & TIMED != 0
    }

    /// Makes the caller the resolver; false when the job has one already.
    pub(crate) fn begin(&self) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        while word & PHASE == OPEN {
            let next = word | RESOLVING;
            if flaws::has(Flaw::TwoResolvers) {
                self.word.store(next, Ordering::Release);
                return true;
            }
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Asked by whoever has ended the last unit: no unit has failed, and none was taken back, since the job was not ended early.
    #[inline]
    pub(crate) fn has_all_units(&self) -> bool {
        self.word.load(Ordering::Acquire) & (PHASE | FAILED | STOPPED) == OPEN
    }

    /// Makes the job ready at once, with a value that is in its place, where there is no callback. `None` when the job has a resolver
    /// already, or has failed, or is stopped.
    #[inline]
    pub(crate) fn resolve(&self) -> Option<Published> {
        let before = self.add_to_open(FAILED | STOPPED, READY)?;
        Some(self.published(before))
    }

    /// The resolver's outcome is in its place, and a callback is due.
    pub(crate) fn due(&self) {
        self.word.fetch_add(DUE - RESOLVING, Ordering::Release);
    }

    /// Somebody has got the error.
    pub(crate) fn mark_seen(&self) {
        self.word.fetch_or(SEEN, Ordering::AcqRel);
    }

    pub(crate) fn was_seen(&self) -> bool {
        self.word.load(Ordering::Acquire) & SEEN != 0
    }

    /// The handle is dropped without having read the outcome. True when the job is ready: then the outcome belongs to the
    /// caller. Otherwise it will belong to the resolver.
    pub(crate) fn forget(&self) -> bool {
        if flaws::has(Flaw::ForgetsInTwoSteps) {
            let is_ready = self.is_ready();
            self.word.fetch_or(FORGOTTEN, Ordering::AcqRel);
            return is_ready;
        }
        self.is_ready() || self.word.fetch_or(FORGOTTEN, Ordering::AcqRel) & PHASE == READY
    }

    /// The outcome is in its place, and no callback is due: wakes the waiters.
    pub(crate) fn publish(&self) -> Published {
        // Phases below READY only differ in bits that READY has.
        self.published(self.word.fetch_or(READY, Ordering::AcqRel))
    }

    /// Wakes those who wait for a job that is ready, by what its word was before.
    #[inline]
    fn published(&self, before: u32) -> Published {
        if before & WAITED != 0 {
            self.wake();
        }
        Published {
            callback_waits: before & CALLBACK_WAITS != 0,
            forgotten: before & FORGOTTEN != 0,
            assists: before & ASSISTS != 0,
        }
    }

    #[cold]
    fn wake(&self) {
        if flaws::has(Flaw::WakesBesideTheLock) {
            self.waiters().bell.notify_all();
        }
        let (waker, blocked, sleeping) = {
            let waiting = &mut *self.lock();
            let blocked = std::mem::take(&mut waiting.blocked);
            (waiting.waker.take(), blocked, waiting.sleeping)
        };
        // Before the resolver, or anybody else, can take more work.
        blocked.iter().for_each(|worker| worker.unblock());
        if sleeping > 0 && !flaws::has(Flaw::WakesBesideTheLock) {
            spin::note_wake_up();
            self.waiters().bell.notify_all();
        }
        if let Some(waker) = waker {
            // A waker is the caller's code: its panic is not the worker's.
            let _ = panics::catch(|| waker.wake());
        }
    }

    /// Makes blocked waiters look again. True when a callback waits as well.
    pub(crate) fn ring(&self) -> bool {
        // Through the lock, so that a waiter is either before its look or asleep.
        let sleeping = self.lock().sleeping;
        if sleeping > 0 {
            self.waiters().bell.notify_all();
        }
        self.word.load(Ordering::Acquire) & CALLBACK_WAITS != 0
    }

    /// Blocks until ready; `give_up` is looked at after every [`TaskState::ring`]. True when ready. A worker of the pool
    /// counts as blocked until the job is ready.
    pub(crate) fn wait(
        &self,
        blocked: Option<&Blocked>,
        spin: Option<Duration>,
        give_up: impl Fn() -> bool,
    ) -> bool {
        if self.is_ready() || spin.is_some_and(|time| self.is_ready_within(time)) {
            return true;
        }
        let mut guard = self.lock();
        if let Some(blocked) = blocked {
            guard.blocked.retain(|worker| worker.is_blocked());
            guard.blocked.push(blocked.worker());
        }
        let mut word = self.word.fetch_or(WAITED, Ordering::AcqRel);
        while word & PHASE != READY {
            if give_up() {
                return false;
            }
            guard.sleeping += 1;
            guard = self
                .waiters()
                .bell
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
            guard.sleeping -= 1;
            word = self.word.load(Ordering::Acquire);
        }
        true
    }

    /// Looks for a while whether it is ready, before anybody sleeps.
    fn is_ready_within(&self, spin: Duration) -> bool {
        !spin::has_woken() && spin::until(|| self.is_ready(), spin, false)
    }

    /// A thread is going to wait by means of the backend's: from now on `publish` asks for a kick. False where it is ready already.
    pub(crate) fn assists(&self) -> bool {
        self.word.fetch_or(ASSISTS, Ordering::AcqRel) & PHASE != READY
    }

    /// A unit of the job waits for its own pool: it is interrupted when the job, or the unit, is to end early.
    pub(crate) fn add_interrupt(&self, interrupt: Weak<dyn Interrupt>) {
        let mut waiting = self.lock();
        let (kept, over): (Vec<_>, Vec<_>) = std::mem::take(&mut waiting.interrupts)
            .into_iter()
            .partition(|interrupt| interrupt.strong_count() > 0);
        waiting.interrupts = kept;
        waiting.interrupts.push(interrupt);
        drop(waiting);
        drop(over);
    }

    /// Has units that wait for their own pool look whether they are to go on.
    pub(crate) fn interrupt(&self) {
        let Some(waiters) = self.waiters.get() else {
            return;
        };
        let interrupts = {
            let waiting = waiters.waiting.lock();
            let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            waiting.interrupts.clone()
        };
        let interrupts = interrupts.iter().filter_map(Weak::upgrade);
        interrupts.for_each(|interrupt| interrupt.interrupt());
    }

    /// A callback of the same pool is going to wait: from now on `publish` and `ring` ask for a nudge.
    pub(crate) fn callback_waits(&self) {
        self.word.fetch_or(CALLBACK_WAITS, Ordering::AcqRel);
    }

    /// For a future: ready, or the waker of the last poll is kept.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_ready() {
            return Poll::Ready(());
        }
        // Cloned and dropped outside of the lock: wakers are the caller's code.
        let waker = cx.waker().clone();
        let mut kept = self.lock();
        let mut word = self.word.fetch_or(WAITED, Ordering::AcqRel);
        if flaws::has(Flaw::LooksNoMore) {
            word = OPEN;
        }
        if word & PHASE == READY {
            return Poll::Ready(());
        }
        let replaced = kept.waker.replace(waker);
        drop(kept);
        drop(replaced);
        Poll::Pending
    }

    /// The lock under which errors are recorded while the job is open.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting> {
        let waiting = &self.waiters().waiting;
        waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiters(&self) -> &Waiters {
        self.waiters.get_or_init(Box::default)
    }
}
