//! The state word of a job, and those who wait for it: one resolver, many waiters.
//!
//! The phases are `open -> resolving -> (due ->) ready`. Whoever moves a job from `open` to `resolving`
//! is its resolver: it alone decides the outcome, all later answers are dropped. `due` is a job whose
//! callback has not run yet. Flags beside the phase are only ever added.
//!
//! No waiter is missed: it sets `WAITED` and looks at the phase under the lock on which it then sleeps;
//! the resolver publishes `ready` and sees the flag in the same atomic step, and takes that lock before it
//! wakes. Wakers are called outside of the lock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::panics;
use crate::spin;
use crate::thread_state::{Blocked, BlockedWorker};

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

/// What a job's resolver still has to do once the job is ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    /// A callback waits as well: the callback thread must be nudged.
    pub(crate) callback_waits: bool,
    /// The handle was dropped: the outcome belongs to the resolver.
    pub(crate) forgotten: bool,
}

#[derive(Debug, Default)]
pub(crate) struct TaskState {
    word: AtomicU32,
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

/// What is woken when the job is ready.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    waker: Option<Waker>,
    /// Workers of the same pool that are blocked here.
    blocked: Vec<Arc<BlockedWorker>>,
}

impl TaskState {
    fn phase(&self) -> u32 {
        self.word.load(Ordering::Acquire) & PHASE
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase() == OPEN
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.phase() == READY
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.word.load(Ordering::Acquire) & FAILED != 0
    }

    pub(crate) fn mark_failed(&self) {
        self.word.fetch_or(FAILED, Ordering::Release);
    }

    /// Makes the caller the resolver; false when the job has one already.
    pub(crate) fn begin(&self) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        while word & PHASE == OPEN {
            let next = word | RESOLVING;
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
        self.is_ready() || self.word.fetch_or(FORGOTTEN, Ordering::AcqRel) & PHASE == READY
    }

    /// The outcome is in its place, and no callback is due: wakes the waiters.
    pub(crate) fn publish(&self) -> Published {
        // Phases below READY only differ in bits that READY has.
        let before = self.word.fetch_or(READY, Ordering::AcqRel);
        if before & WAITED != 0 {
            let Waiting { waker, blocked } = std::mem::take(&mut *self.lock());
            spin::note_wake_up();
            // Before the resolver, or anybody else, can take more work.
            blocked.iter().for_each(|worker| worker.unblock());
            self.bell.notify_all();
            if let Some(waker) = waker {
                // A waker is the caller's code: its panic is not the worker's.
                let _ = panics::catch(|| waker.wake());
            }
        }
        Published {
            callback_waits: before & CALLBACK_WAITS != 0,
            forgotten: before & FORGOTTEN != 0,
        }
    }

    /// Makes blocked waiters look again. True when a callback waits as well.
    pub(crate) fn ring(&self) -> bool {
        // Through the lock, so that a waiter is either before its look or asleep.
        drop(self.lock());
        self.bell.notify_all();
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
            guard = self
                .bell
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
            word = self.word.load(Ordering::Acquire);
        }
        true
    }

    /// Looks for a while whether it is ready, before anybody sleeps.
    fn is_ready_within(&self, spin: Duration) -> bool {
        !spin::has_woken() && spin::until(|| self.is_ready(), spin, false)
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
        let word = self.word.fetch_or(WAITED, Ordering::AcqRel);
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
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
