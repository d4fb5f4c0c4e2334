//! A range of numbers: of units of one job that a worker has taken and not started, or of jobs of one unit each.
//!
//! It is one word: the first of them and the end. Whoever moves the first by a compare-and-swap has that unit, so two that want the
//! same one find it once, and the worker itself needs no lock for it. Only the worker itself sets a new range, when the last one is
//! empty and while it holds the head's lock; so nobody else who holds that lock finds another range than the one it has looked at.
//! Meanwhile the first only grows.

use std::ops::Range;

use crate::flaws::{self, Flaw};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::unit::{Name, TaskId};

/// A range of units.
pub(super) struct UnitRange {
    /// The first unit in the upper half, the end in the lower one.
    word: AtomicU64,
    /// How many units had been admitted before number 0; written under the head's lock.
    before: AtomicU64,
}

impl UnitRange {
    pub(super) fn new() -> UnitRange {
        UnitRange {
            word: AtomicU64::new(0),
            before: AtomicU64::new(0),
        }
    }

    /// Sets a new range where the last one is empty.
    pub(super) fn set(&self, before: u64, units: Range<u32>) {
        self.before.store(before, Ordering::Relaxed);
        let word = u64::from(units.start) << 32 | u64::from(units.end);
        self.word.store(word, Ordering::Release);
    }

    /// What is left.
    pub(super) fn now(&self) -> Range<u32> {
        let word = self.word.load(Ordering::Acquire);
        (word >> 32) as u32..word as u32
    }

    /// How many are left.
    pub(super) fn len(&self) -> usize {
        self.now().len()
    }

    /// How many units had been admitted before number 0.
    pub(super) fn before(&self) -> u64 {
        self.before.load(Ordering::Relaxed)
    }

    /// The place of the first among all units that the queue has admitted.
    pub(super) fn first(&self) -> Option<u64> {
        let units = self.now();
        (!units.is_empty()).then(|| self.before() + u64::from(units.start))
    }

    /// Takes the first.
    #[inline]
    pub(super) fn take(&self) -> Option<u32> {
        self.take_noting(|_| ())
    }

    /// Takes the first, and notes before it which it may be: whoever finds that it was taken, finds the note as well.
    #[inline]
    pub(super) fn take_noting(&self, note: impl Fn(u32)) -> Option<u32> {
        if flaws::has(Flaw::TellsTooLate) {
            let taken = self.take_up_to(1, |_| ());
            return (!taken.is_empty())
                .then_some(taken.start)
                .inspect(|first| note(*first));
        }
        let taken = self.take_up_to(1, note);
        (!taken.is_empty()).then_some(taken.start)
    }

    /// Takes all.
    pub(super) fn take_all(&self) -> Range<u32> {
        self.take_up_to(u32::MAX, |_| ())
    }

    /// Takes so many from the first on, or those that there are.
    #[inline]
    fn take_up_to(&self, most: u32, note: impl Fn(u32)) -> Range<u32> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let (first, end) = ((word >> 32) as u32, word as u32);
            let taken = first..end.min(first.saturating_add(most));
            if taken.is_empty() {
                return taken;
            }
            note(first);
            let left = u64::from(taken.end) << 32 | u64::from(end);
            if flaws::has(Flaw::TakesInTwoSteps) {
                self.word.store(left, Ordering::Release);
                return taken;
            }
            match self
                .word
                .compare_exchange(word, left, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return taken,
                Err(now) => word = now,
            }
        }
    }
}

/// The units that a worker goes on with without asking its queue again: those of the same job that it has taken, and nobody else
/// meanwhile.
#[derive(Debug)]
pub struct MoreUnits<'a> {
    range: Option<&'a UnitRange>,
    of: Name,
    stop: Option<&'a std::sync::atomic::AtomicBool>,
}

impl<'a> MoreUnits<'a> {
    /// None.
    pub const NONE: MoreUnits<'static> = MoreUnits {
        range: None,
        of: (0, TaskId(0)),
        stop: None,
    };

    /// Those of a range that is not set anew while this is there.
    pub(super) fn new(range: &'a UnitRange, of: Name) -> Self {
        MoreUnits {
            range: Some(range),
            of,
            stop: None,
        }
    }

    /// The same, until this is true: then the worker asks its queue again.
    #[must_use]
    pub fn until(mut self, stop: &'a std::sync::atomic::AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Whether they are units of the job with this name.
    pub(crate) fn are_of(&self, job: Name) -> bool {
        self.range.is_none() || self.of == job
    }

    /// The index of the next one: whoever has called it has the unit.
    #[inline]
    pub(crate) fn take(&self) -> Option<usize> {
        let range = self.range?;
        if self.stop.is_some_and(|stop| stop.load(Ordering::Acquire)) {
            return None;
        }
        Some(range.take()? as usize)
    }
}

impl std::fmt::Debug for UnitRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("UnitRange").field(&self.now()).finish()
    }
}
