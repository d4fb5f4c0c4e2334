//! What each worker has for itself: what it runs, and what it has taken and not started.
//!
//! What it has taken are jobs of one unit each, one after the other, or units of one job. Either way they are a range of numbers
//! (`range.rs` beside this folder), and whoever takes a number from it by a compare-and-swap has that unit. The worker itself does so
//! without a lock, and others while they hold the head's lock and the worker's own. Only the worker sets a new range.
//!
//! # Safety
//!
//! A slot has one [`Taker`](super::Taker), which is the worker. The places of `jobs` are
//! - written by the worker while it holds its lock and the range is empty,
//! - emptied by whoever has taken the number of a place from the range while it held the worker's lock,
//! - read by the worker without a lock where it has itself taken the number of the place, and by others while they hold the lock.
//!
//! So a place is written only while nobody reads it: the worker reads no place whose number another has, and others none without the lock.
#![expect(
    unsafe_code,
    reason = "places belong to whoever has taken their number"
)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::back::is_unwanted;
use super::head::Inner;
use super::{Claim, JobOrder, Pace, Queue, WorkerSlot};
use crate::flaws::{self, Flaw};
use crate::range::{MoreUnits, UnitRange};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError, UnsafeCell};
use crate::unit::{AsJob, Job, Unit};

/// What one worker has.
pub(super) struct Slot<J: ?Sized> {
    own: Mutex<Own<J>>,
    /// What it has taken and not started: places in `jobs`, or units of the job in the first place.
    range: UnitRange,
    /// These are units of one job. Written under the lock.
    one_job: AtomicBool,
    /// The place of the job that it runs, or [`NONE`]. While the range is one of places, it writes here what it is about to take.
    running: AtomicU32,
    jobs: Box<[UnsafeCell<Option<Arc<J>>>]>,
    /// When it took them, in nanoseconds since the start of the pool.
    filled: AtomicU64,
    /// It has a worker.
    is_used: AtomicBool,
}

// SAFETY: see the module's head; the references that go from thread to thread are those of an `Arc`.
unsafe impl<J: ?Sized + Send + Sync> Sync for Slot<J> {}

const NONE: u32 = u32::MAX;

pub(super) struct Own<J: ?Sized> {
    /// The job of a unit that was taken singly.
    current: Option<Arc<J>>,
    /// How many places have a job, or had one.
    used: usize,
    /// How many units it took at the last fill.
    taken: usize,
    /// How many it may take at the next.
    depth: usize,
    /// How many it may take where they are all of one job.
    range: usize,
}

impl<J: ?Sized + AsJob> Slot<J> {
    pub(super) fn new(pace: Pace) -> Self {
        Slot {
            own: Mutex::new(Own {
                current: None,
                used: 0,
                taken: 0,
                depth: pace.first_depth(),
                range: pace.first_depth(),
            }),
            range: UnitRange::new(),
            one_job: AtomicBool::new(false),
            running: AtomicU32::new(NONE),
            jobs: (0..pace.most.max(1))
                .map(|_| UnsafeCell::new(None))
                .collect(),
            filled: AtomicU64::new(0),
            is_used: AtomicBool::new(false),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Own<J>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker comes, or goes.
    pub(super) fn set_used(&self, used: bool) {
        let before = self.is_used.swap(used, Ordering::AcqRel);
        assert_ne!(before, used, "a slot is for one worker");
    }

    /// How many units it has that have not started.
    pub(super) fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there is a unit that has not started: for others under the head's lock, else a hint.
    pub(super) fn has_units(&self) -> bool {
        self.range.len() > 0
    }

    /// The job at a place.
    ///
    /// # Safety
    ///
    /// The caller has the lock, or is the worker and has taken the number of the place; and while the reference lives this stays so.
    unsafe fn job(&self, place: u32) -> Option<&Arc<J>> {
        let job = self.jobs.get(place as usize)?;
        // SAFETY: nobody writes it meanwhile: see the module's head.
        job.with(|job| unsafe { (*job).as_ref() })
    }

    /// Takes the job out of a place.
    ///
    /// # Safety
    ///
    /// The caller has the lock, and has taken the number of the place under it; or it is the worker, and the range is empty.
    unsafe fn take_job(&self, place: u32) -> Option<Arc<J>> {
        let job = self.jobs.get(place as usize)?;
        // SAFETY: nobody else touches it: see the module's head.
        job.with_mut(|job| unsafe { (*job).take() })
    }

    /// Puts a job into the next place.
    ///
    /// # Safety
    ///
    /// The caller is the worker, and the range is empty.
    unsafe fn put(&self, own: &mut Own<J>, new: Arc<J>) {
        if let Some(job) = self.jobs.get(own.used) {
            // SAFETY: nobody else touches it: see the module's head.
            job.with_mut(|job| unsafe { *job = Some(new) });
            own.used += 1;
        }
    }

    /// The number in `jobs` of the job that this number of the range stands for.
    fn place(&self, number: u32) -> u32 {
        match self.one_job.load(Ordering::Relaxed) {
            true => 0,
            false => number,
        }
    }

    /// The job that it runs. It is exact where all units were taken from the range before.
    fn running<'a>(&'a self, own: &'a Own<J>) -> Option<&'a Arc<J>> {
        // SAFETY: under the lock.
        let running = unsafe { self.job(self.running.load(Ordering::Relaxed)) };
        running.or(own.current.as_ref())
    }

    /// What was taken singly for it runs from now on; gives back what it ran before.
    pub(super) fn replace_current(&self, job: Option<Arc<J>>) -> Option<Arc<J>> {
        std::mem::replace(&mut self.lock().current, job)
    }

    /// How many units it runs or has, of jobs that are open.
    pub(super) fn unfinished(&self) -> usize {
        let own = self.lock();
        let is_open = |job: &&Arc<J>| job.job().is_open();
        // SAFETY: under the lock.
        let job = |number| unsafe { self.job(self.place(number)) };
        let listed = self.range.now().filter_map(job).filter(is_open).count();
        listed + usize::from(self.running(&own).is_some_and(|job| is_open(&job)))
    }

    /// Takes a unit for the worker itself: the place of its job, and its index there.
    pub(super) fn take_own(&self) -> Option<(u32, u32)> {
        if self.one_job.load(Ordering::Relaxed) {
            return Some((0, self.range.take()?));
        }
        let note = |place| self.running.store(place, Ordering::Relaxed);
        Some((self.range.take_noting(note)?, 0))
    }

    /// The job at a place, for the worker that has taken a unit of it.
    ///
    /// # Safety
    ///
    /// The caller is the worker, and does not come back while the reference lives.
    pub(super) unsafe fn own_job(&self, place: u32) -> Option<&Arc<J>> {
        // SAFETY: the caller's promise.
        unsafe { self.job(place) }
    }

    /// Where the job of a unit stands in the queue that the worker has taken from its range, by the number of its place there.
    pub(super) fn own_order(&self, place: u32) -> JobOrder {
        // Of units of one job the place is 0.
        JobOrder(self.range.before() + u64::from(place))
    }

    /// More units of the job that the worker has taken a unit of, if the range has them.
    pub(super) fn more_units(&self, job: &Arc<J>) -> MoreUnits<'_> {
        match self.one_job.load(Ordering::Relaxed) && self.has_units() {
            true => MoreUnits::new(&self.range, job.job().name()),
            false => MoreUnits::NONE,
        }
    }

    /// The unit that a number stands for, which the caller has taken from the range under the lock.
    fn claim(&self, _own: &mut Own<J>, number: u32) -> Option<Claim<J>> {
        let (job, index) = match self.one_job.load(Ordering::Relaxed) {
            // SAFETY: under the lock.
            true => (unsafe { self.job(0) }?.clone(), number),
            // SAFETY: under the lock, under which the number was taken.
            false => (unsafe { self.take_job(number) }?, 0),
        };
        Some(Claim {
            unit: Unit::taken(index, job.job().name()),
            job,
            order: self.range.before() + u64::from(number),
        })
    }

    /// Takes the first unit that has not started.
    fn take_first(&self, own: &mut Own<J>) -> Option<Claim<J>> {
        let number = self.range.take()?;
        self.claim(own, number)
    }

    /// Takes all units that have not started.
    fn take_all(&self, own: &mut Own<J>) -> VecDeque<Claim<J>> {
        let numbers = self.range.take_all();
        numbers
            .filter_map(|number| self.claim(own, number))
            .collect()
    }

    /// Takes all units that have not started and whose job is of this kind; others go back to the head.
    fn take_out(
        &self,
        inner: &mut Inner<J>,
        is_wanted: impl Fn(&Arc<J>) -> bool,
    ) -> VecDeque<Claim<J>> {
        let mut own = self.lock();
        // SAFETY: under the lock.
        let job = |number| unsafe { self.job(self.place(number)) };
        if !self.range.now().filter_map(job).any(&is_wanted) {
            return VecDeque::new();
        }
        let all = self.take_all(&mut own).into_iter();
        let (taken, others) = all.partition::<VecDeque<_>, _>(|claim| is_wanted(&claim.job));
        others
            .into_iter()
            .for_each(|claim| inner.insert_returned(claim));
        taken
    }

    /// Takes all units of a job that have not started.
    pub(super) fn retract(&self, inner: &mut Inner<J>, job: &dyn Job) -> VecDeque<Claim<J>> {
        let name = job.name();
        self.take_out(inner, |job| job.job().name() == name)
    }

    /// Takes the units of jobs that are not wanted any more, and that have not started.
    pub(super) fn sweep(&self, inner: &mut Inner<J>) -> VecDeque<Claim<J>> {
        self.take_out(inner, is_unwanted)
    }

    /// The job that it runs, and all units that have not started.
    pub(super) fn abandon(&self) -> (Option<Arc<J>>, VecDeque<Claim<J>>) {
        let mut own = self.lock();
        let claims = self.take_all(&mut own);
        (self.running(&own).cloned(), claims)
    }

    /// The worker comes back: what it ran has ended, and goes to the end of `spent`.
    pub(super) fn clear(&self, own: &mut Own<J>, spent: &mut Vec<Arc<J>>) {
        debug_assert!(!self.has_units(), "a worker comes back too early");
        self.running.store(NONE, Ordering::Relaxed);
        for place in 0..own.used {
            // SAFETY: under the lock, by the worker, and the range is empty.
            spent.extend(unsafe { self.take_job(place as u32) });
        }
        own.used = 0;
    }
}

impl<J: ?Sized + AsJob> Queue<J> {
    /// A worker comes back for more: what it ran has ended, and goes to the end of `spent`. How many units it may take depends on how
    /// long it was away.
    pub(super) fn come_back(&self, place: &Slot<J>, now: Option<u64>, spent: &mut Vec<Arc<J>>) {
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
        place.clear(&mut own, spent);
    }

    /// Takes units for the worker of a slot, whose own range is empty: the first, which is for now, and where it may, others.
    pub(super) fn fill(
        &self,
        inner: &mut Inner<J>,
        slot: WorkerSlot,
        now: Option<u64>,
    ) -> Option<Claim<J>> {
        match self.take_from_slow(slot, now) {
            Some(claim) => Some(claim),
            None => match self.take(inner) {
                Some(claim) => Some(claim),
                None => self.take_from_another(slot, 0),
            },
        }
    }

    /// Puts the first unit of a worker into its slot, and takes others with it.
    pub(super) fn settle(
        &self,
        inner: &mut Inner<J>,
        place: &Slot<J>,
        claim: Claim<J>,
        now: Option<u64>,
    ) -> Unit {
        let Claim { job, unit, .. } = claim;
        let mut own = place.lock();
        // SAFETY: the caller is the worker, and the range is empty.
        unsafe { place.put(&mut own, job) };
        place.running.store(0, Ordering::Relaxed);
        let Some(now) = now else {
            return unit;
        };
        own.taken = 1;
        let range = inner.take_range(&unit, own.range - 1);
        place.one_job.store(range.is_some(), Ordering::Relaxed);
        if let Some((before, range)) = range {
            own.taken += range.len();
            place.range.set(before, range);
        } else {
            self.fetch(inner);
            let most = own.depth - 1;
            // SAFETY: as above.
            let singles = inner.take_singles(most, |job| unsafe { place.put(&mut own, job) });
            if let Some((before, count)) = singles {
                own.taken += count;
                // Number 0 is the one before them.
                place.range.set(before.wrapping_sub(1), 1..1 + count as u32);
            }
        }
        place.filled.store(now, Ordering::Relaxed);
        unit
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
                is_slow
                    .then(|| Some((place.range.first()?, place)))
                    .flatten()
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

    /// Gives back what all workers have taken and not started.
    pub(super) fn recall(&self, inner: &mut Inner<J>) {
        for place in self.slots.iter() {
            for claim in place.take_all(&mut place.lock()) {
                inner.insert_returned(claim);
            }
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

    /// Calls `f` with the job of the unit that a slot runs, if it runs one.
    pub fn with_job(&self, slot: WorkerSlot, f: &mut dyn FnMut(&dyn Job)) {
        let running = |place: &Slot<J>| place.running(&place.lock()).cloned();
        if let Some(job) = self.slots.get(slot.0).and_then(running) {
            f(job.job());
        }
    }

    /// Whether what a slot runs is a unit of the job with this number.
    pub fn runs(&self, slot: WorkerSlot, job: u64) -> bool {
        let mut is = false;
        self.with_job(slot, &mut |running| is = running.number().0 == job);
        is
    }
}
