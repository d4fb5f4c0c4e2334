//! What each worker has for itself: what it runs, and what it has taken and not started.
//!
//! What it has taken are units of several jobs, in a list, or a range of units of the one job that it runs. It takes the next unit of
//! the range by one compare-and-swap (`range.rs` beside this folder), and the next of the list under a lock of its own. Only the worker itself fills
//! them, under the head's lock; others take units from it while they hold that lock and the worker's own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::back::is_unwanted;
use super::head::{Entry, Inner};
use super::{Claim, Pace, Queue, WorkerSlot};
use crate::flaws::{self, Flaw};
use crate::range::{MoreUnits, UnitRange};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::unit::{AsJob, Job, Unclaimed, Unit};

/// What one worker has.
pub(super) struct Slot<J: ?Sized> {
    own: Mutex<Own<J>>,
    /// The place of the first unit of its list among all; [`EMPTY`] where there is none. Written under the lock.
    first: AtomicU64,
    /// When it filled its queue, in nanoseconds since the start of the pool.
    filled: AtomicU64,
    /// Units of `current`.
    range: UnitRange,
}

const EMPTY: u64 = u64::MAX;

pub(super) struct Own<J: ?Sized> {
    /// The job of the unit that it took last.
    current: Option<Arc<J>>,
    /// Jobs of one unit each, which has not started, in their order; empty while there is a range.
    next: VecDeque<Entry<J>>,
    /// How many units it took at the last fill.
    taken: usize,
    /// How many it may take at the next.
    depth: usize,
    /// How many it may take where they are all of one job.
    range: usize,
}

impl<J: ?Sized> Own<J> {
    /// Takes those jobs out of the list.
    fn take_out(&mut self, is_wanted: impl Fn(&Entry<J>) -> bool) -> VecDeque<Entry<J>> {
        let (wanted, others) = self.next.drain(..).partition(is_wanted);
        self.next = others;
        wanted
    }
}

impl<J: ?Sized + AsJob> Slot<J> {
    pub(super) fn new(pace: Pace) -> Self {
        Slot {
            own: Mutex::new(Own {
                current: None,
                next: VecDeque::new(),
                taken: 0,
                depth: pace.first_depth(),
                range: pace.first_depth(),
            }),
            first: AtomicU64::new(EMPTY),
            filled: AtomicU64::new(0),
            range: UnitRange::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Own<J>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many units it runs or has, of jobs that are open.
    pub(super) fn unfinished(&self) -> usize {
        let own = self.lock();
        let is_open = |job: &Arc<J>| job.job().is_open();
        let is_listed = |entry: &&Entry<J>| is_open(entry.units.job());
        let listed = own.next.iter().filter(is_listed).count();
        let current = own.current.as_ref().filter(|job| is_open(job));
        listed + current.map_or(0, |_| 1 + self.range.len())
    }

    /// How many units it has that have not started.
    #[cfg(all(test, loom))]
    pub(super) fn len(&self) -> usize {
        self.lock().next.len() + self.range.len()
    }

    /// Whether there is a unit that has not started: for others under the head's lock, else a hint.
    pub(super) fn has_units(&self) -> bool {
        self.first().is_some()
    }

    /// The place of its first unit among all.
    fn first(&self) -> Option<u64> {
        match self.first.load(Ordering::Relaxed) {
            EMPTY => self.range.first(),
            first => Some(first),
        }
    }

    /// Tells others which unit of the list is the first.
    fn tell_first(&self, own: &Own<J>) {
        let first = own.next.front().map_or(EMPTY, |entry| entry.before);
        self.first.store(first, Ordering::Relaxed);
    }

    /// Takes the first unit that has not started.
    fn take_first(&self, own: &mut Own<J>) -> Option<Claim<J>> {
        if let Some(entry) = own.next.pop_front() {
            self.tell_first(own);
            return entry.into_claim();
        }
        // Its worker leaves a job only when its range is empty.
        let index = self.range.take()?;
        Some(self.claim(own.current.as_ref()?, index))
    }

    /// A unit that was taken from the range.
    fn claim(&self, job: &Arc<J>, index: u32) -> Claim<J> {
        Claim {
            job: job.clone(),
            unit: Unit::taken(index, job.job().name()),
            order: self.range.before() + u64::from(index),
        }
    }

    /// Takes all units that have not started.
    fn take_all(&self, own: &mut Own<J>) -> VecDeque<Claim<J>> {
        let taken = own.next.drain(..).filter_map(Entry::into_claim);
        let mut taken: VecDeque<_> = taken.collect();
        self.tell_first(own);
        let range = self.range.take_up_to(u32::MAX);
        if let Some(job) = &own.current {
            taken.extend(range.map(|index| self.claim(job, index)));
        }
        taken
    }

    /// Takes all units of a job that have not started, and adds how many they were.
    pub(super) fn retract(&self, job: &dyn Job, unclaimed: &mut Unclaimed) -> Vec<Arc<J>> {
        let mut own = self.lock();
        let name = job.name();
        let mut jobs = Vec::new();
        for entry in own.take_out(|entry| entry.units.job().job().name() == name) {
            let (job, units) = entry.units.abandon();
            unclaimed.add(units);
            jobs.push(job);
        }
        self.tell_first(&own);
        if own
            .current
            .as_ref()
            .is_some_and(|job| job.job().name() == name)
        {
            let range = self.range.take_up_to(u32::MAX);
            unclaimed.add(Unclaimed::taken(range));
        }
        jobs
    }

    /// Moves the units of jobs that are not wanted any more, and that have not started.
    pub(super) fn sweep(&self, swept: &mut VecDeque<Claim<J>>) {
        let mut own = self.lock();
        let unwanted = own.take_out(|entry| is_unwanted(entry.units.job()));
        swept.extend(unwanted.into_iter().filter_map(Entry::into_claim));
        self.tell_first(&own);
        if let Some(job) = own.current.as_ref().filter(|job| is_unwanted(job)) {
            let range = self.range.take_up_to(u32::MAX);
            swept.extend(range.map(|index| self.claim(job, index)));
        }
    }

    /// The job that it runs, and all units that have not started.
    pub(super) fn abandon(&self) -> (Option<Arc<J>>, VecDeque<Claim<J>>) {
        let mut own = self.lock();
        let claims = self.take_all(&mut own);
        (own.current.clone(), claims)
    }
}

impl<J: ?Sized + AsJob> Queue<J> {
    /// The next unit of a worker's own queue.
    pub(super) fn next_of_own(&self, slot: WorkerSlot) -> Option<Claim<J>> {
        let place = self.slots.get(slot.0)?;
        if !place.has_units() {
            return None;
        }
        let mut own = place.lock();
        let claim = place.take_first(&mut own)?;
        let before = own.current.replace(claim.job.clone());
        drop(own);
        drop(before);
        Some(claim)
    }

    /// The units that a worker goes on with after the one that it was given, without asking the queue again.
    pub fn more_units(&self, slot: WorkerSlot, claim: &Claim<J>) -> MoreUnits<'_> {
        let place = self.slots.get(slot.0);
        let Some(place) = place.filter(|place| place.range.len() > 0) else {
            return MoreUnits::NONE;
        };
        let name = claim.job.job().name();
        let own = place.lock();
        match &own.current {
            Some(job) if job.job().name() == name => MoreUnits::new(&place.range, name),
            _ => MoreUnits::NONE,
        }
    }

    /// A worker comes back for more: what it ran has ended, and is returned. How many units it may take depends on how long it was
    /// away.
    pub(super) fn come_back(&self, slot: WorkerSlot, now: Option<u64>) -> Option<Arc<J>> {
        let Some(place) = self.slots.get(slot.0) else {
            return self.replace_current(&mut self.lock(), slot, None);
        };
        let mut own = place.lock();
        if let Some(now) = now.filter(|_| !self.pace.forced) {
            let away = now.saturating_sub(place.filled.load(Ordering::Relaxed));
            let away = Duration::from_nanos(away);
            let is_short = own.taken > 0 && away < Pace::SHORT * own.taken as u32;
            if is_short || !flaws::has(Flaw::DepthStays) {
                own.range = self.pace.next_range(own.range, is_short.then_some(away));
                own.depth = self.pace.next_depth(own.depth, is_short);
            }
            own.taken = 0;
        }
        own.current.take()
    }

    /// Takes units for a worker: the first is for now, the others go into its own queue.
    pub(super) fn fill(
        &self,
        inner: &mut Inner<J>,
        slot: WorkerSlot,
        now: Option<u64>,
    ) -> Option<Claim<J>> {
        let claim = match self.take_from_slow(slot, now) {
            Some(claim) => claim,
            None => match self.take(inner) {
                Some(claim) => claim,
                None => self.take_from_another(slot, 0)?,
            },
        };
        let Some(place) = self.slots.get(slot.0) else {
            self.replace_current(inner, slot, Some(claim.job.clone()));
            return Some(claim);
        };
        let mut own = place.lock();
        own.current = Some(claim.job.clone());
        if let Some(now) = now {
            own.taken = 1;
            // What came back goes first.
            let most = if place.range.is_in_use() {
                0
            } else {
                own.range - 1
            };
            if let Some((before, range)) = inner.take_range(&claim.unit, most) {
                own.taken += range.len();
                place.range.set(before, range);
            } else {
                self.fetch(inner);
                let most = own.depth - 1;
                own.taken += inner.take_singles(most, &mut own.next);
                place.tell_first(&own);
            }
            place.filled.store(now, Ordering::Relaxed);
        }
        Some(claim)
    }

    /// A unit of a worker that does not come back for those that it has taken: they are before all that nobody has taken.
    fn take_from_slow(&self, slot: WorkerSlot, now: Option<u64>) -> Option<Claim<J>> {
        let slow = match self.pace.forced {
            true => Duration::ZERO,
            false => Pace::SLOW,
        };
        let filled_before = now?.saturating_sub(slow.as_nanos() as u64);
        self.take_from_another(slot, filled_before)
    }

    /// The first unit that lies in the own queue of a worker; of one that has filled it until then, where that is not zero.
    fn take_from_another(&self, slot: WorkerSlot, filled_before: u64) -> Option<Claim<J>> {
        if flaws::has(Flaw::NeverTakesBack) {
            return None;
        }
        loop {
            let others = self
                .slots
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != slot.0);
            let full = others.filter_map(|(_, place)| {
                let is_slow =
                    filled_before == 0 || place.filled.load(Ordering::Relaxed) <= filled_before;
                is_slow.then(|| Some((place.first()?, place))).flatten()
            });
            let (_, place) = full.min_by_key(|(first, _)| *first)?;
            if let Some(claim) = place.take_first(&mut place.lock()) {
                return Some(claim);
            }
        }
    }

    /// Gives back what lies in a worker's own queue: it will not come back for a while, or never.
    pub fn vacate(&self, slot: WorkerSlot) {
        let Some(place) = self.slots.get(slot.0) else {
            return;
        };
        let mut inner = self.lock();
        let back = match flaws::has(Flaw::KeepsWhatItTook) {
            true => VecDeque::new(),
            false => place.take_all(&mut place.lock()),
        };
        for claim in back {
            inner.insert_returned(claim);
        }
        // Also where nothing came back: it may have been woken for a unit, which somebody else has to take.
        let is_wanted =
            self.has_sleepers() && self.has_more(&inner) && !flaws::has(Flaw::PassesOnNothing);
        self.leave(inner);
        if is_wanted {
            self.wake(1);
        }
    }

    /// Whether there are units for another worker: at the head, at the tail, or in the own queue of any worker. Under the head's
    /// lock, for one that has held the tail's since it last spun.
    pub(super) fn has_more(&self, inner: &Inner<J>) -> bool {
        if flaws::has(Flaw::AsksAHint) {
            return self.has_waiting() || self.slots.iter().any(Slot::has_units);
        }
        inner.waiting > 0
            || self.at_tail.load(Ordering::Relaxed) > 0
            || (!flaws::has(Flaw::OverlooksOthers) && self.slots.iter().any(Slot::has_units))
    }

    /// What a worker runs from now on; gives back what it ran before.
    pub(super) fn replace_current(
        &self,
        inner: &mut Inner<J>,
        slot: WorkerSlot,
        job: Option<Arc<J>>,
    ) -> Option<Arc<J>> {
        match self.slots.get(slot.0) {
            Some(place) => std::mem::replace(&mut place.lock().current, job),
            None => {
                let extra = slot.0 - self.slots.len();
                if extra >= inner.extra.len() {
                    inner.extra.resize_with(extra + 1, || None);
                }
                std::mem::replace(&mut inner.extra[extra], job)
            }
        }
    }

    /// Calls `f` with the job of the unit that a slot took last, if it has one.
    pub fn with_job(&self, slot: WorkerSlot, f: &mut dyn FnMut(&dyn Job)) {
        let job = match self.slots.get(slot.0) {
            Some(place) => place.lock().current.clone(),
            None => {
                let extra = slot.0 - self.slots.len();
                self.lock().extra.get(extra).cloned().flatten()
            }
        };
        if let Some(job) = job {
            f(job.job());
        }
    }

    /// Whether what a slot took last is a unit of the job with this number.
    pub fn runs(&self, slot: WorkerSlot, job: u64) -> bool {
        let is = |running: &Arc<J>| running.job().number().0 == job;
        match self.slots.get(slot.0) {
            Some(place) => place.lock().current.as_ref().is_some_and(is),
            None => {
                let extra = slot.0 - self.slots.len();
                let inner = self.lock();
                let running = inner.extra.get(extra).and_then(Option::as_ref);
                running.is_some_and(is)
            }
        }
    }
}
