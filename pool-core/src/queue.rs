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

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use crate::error::PoolError;
use crate::fifo::Fifo;
use crate::flaws::{self, Flaw};
use crate::lifecycle::{Order, Phase, Step};
use crate::spin;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Instant, Mutex, MutexGuard, PoisonError};
use crate::unit::{AsJob, Job, Unclaimed, Unit, Units};

mod bound;
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) mod counted;
#[cfg(all(test, loom))]
mod models;

pub(crate) use bound::Turn;

/// A pool's queue, as its workers see it. `J` is how the backend sees a job.
pub struct Queue<J: ?Sized> {
    /// Where submissions arrive. Where both locks are held, the head's was taken first.
    tail: Mutex<Tail<J>>,
    /// Where workers take units.
    inner: Mutex<Inner<J>>,
    bell: Condvar,
    size: NonZeroUsize,
    /// How many units may wait; those of an `imap` have a bound of their own and are counted, not held up.
    bound: Option<NonZeroUsize>,
    /// Notified when the line for places moves, or may.
    places: Condvar,
    /// Notified when workers that pause between two tries to start may have nothing left to do.
    rest: Condvar,
    pool: u64,
    slots: Box<[Slot<J>]>,
    began: Instant,
    /// Units at the tail and at the head: each is written under its lock, and a hint for a worker that spins.
    at_tail: AtomicUsize,
    at_head: AtomicUsize,
    /// Workers that sleep, and whether one spins: written under the head's lock; that none spins, under the tail's as well.
    sleepers: AtomicUsize,
    spins: AtomicBool,
    pace: Pace,
}

/// How far a worker reaches ahead, and how long it spins.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The most units that a worker takes at once.
    pub most: usize,
    /// Every worker takes as many at once as it may, whatever its tasks take.
    pub forced: bool,
    /// How long a worker that finds nothing looks again before it sleeps. `None` where the backend waits by means of its own.
    pub spin: Option<Duration>,
}

impl Pace {
    /// Tasks are short that take less than this in the mean.
    pub const SHORT: Duration = Duration::from_micros(5);
    /// A worker is slow that has not come back for so long.
    pub const SLOW: Duration = Duration::from_micros(50);

    /// How many units a worker may take at first.
    pub fn first_depth(&self) -> usize {
        if self.forced { self.most } else { 1 }
    }

    /// How many units a worker may take that might take `depth`, and whose tasks were short, or not.
    pub fn next_depth(&self, depth: usize, short: bool) -> usize {
        match short {
            _ if self.forced => self.most,
            true => (depth * 2).min(self.most),
            false => 1,
        }
    }

    /// One unit at a time, and no spinning.
    #[cfg(test)]
    pub(crate) const ONE: Pace = Pace {
        most: 1,
        forced: false,
        spin: None,
    };
}

/// What one worker has: what it runs, and what it will run next.
struct Slot<J: ?Sized> {
    own: Mutex<Own<J>>,
    /// The place of the first unit of its queue among all; [`EMPTY`] where there is none. Written under the lock.
    first: AtomicU64,
    /// When it filled its queue, in nanoseconds since the start of the pool.
    filled: AtomicU64,
}

const EMPTY: u64 = u64::MAX;

struct Own<J: ?Sized> {
    /// The job of the unit that it took last.
    current: Option<Arc<J>>,
    /// Units that have not started, in their order.
    next: VecDeque<Claim<J>>,
    /// How many units it took at the last fill.
    taken: usize,
    /// How many it may take at the next.
    depth: usize,
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

/// The place of one worker: what it took last is known to be running until it takes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerSlot(pub usize);

/// A job in the queue.
struct Entry<J: ?Sized> {
    units: Units<J>,
    /// How many units had been admitted before its first.
    before: u64,
}

/// Where submissions arrive, and the pool's phase.
struct Tail<J: ?Sized> {
    phase: Phase,
    /// How many sources have not ended.
    open_sources: usize,
    /// Units that were admitted.
    submitted: u64,
    /// Jobs that have arrived since a worker came for them last, and their units.
    jobs: Fifo<Entry<J>>,
    units: usize,
}

struct Inner<J: ?Sized> {
    /// Units that were handed out and came back without having started, in the order of their submission.
    returned: VecDeque<Claim<J>>,
    /// Jobs that have units which nobody has taken.
    jobs: Fifo<Entry<J>>,
    /// What each worker beyond the pool's size took last.
    extra: Vec<Option<Arc<J>>>,
    sources: Vec<Weak<dyn Source>>,
    /// Units that take places of the queue and were never handed out.
    placed: usize,
    /// Submissions that wait for places, by their numbers: the first gets the next.
    line: VecDeque<u64>,
    /// Of these, the wakers of those that are awaited.
    wakers: HashMap<u64, Waker>,
    /// Submissions that have ever waited.
    lined_up: u64,
    /// Workers that pause between two tries to start.
    resting: usize,
    /// Units that were admitted and that no worker has taken.
    waiting: usize,
    /// Sleepers that were woken and have not gone on yet.
    woken: usize,
}

/// Work that is admitted but not yet queued: the input of an `imap`.
pub(crate) trait Source: Send + Sync {
    /// Lifts the bound on reading ahead, or sets it again.
    fn lift_bound(&self, lift: bool);
    /// Whether no thread reads it; from now on the caller does.
    fn wants_reader(&self) -> bool;
    /// Reads and queues it, to its end or until nobody wants more.
    fn read_on(&self);
    /// Forgets the rest of it.
    fn stop(&self);
    /// Whether the calling code is the input, being read.
    fn is_read_here(&self) -> bool;
}

impl<J: ?Sized + AsJob> Queue<J> {
    pub(crate) fn new(
        size: NonZeroUsize,
        bound: Option<NonZeroUsize>,
        pool: u64,
        pace: Pace,
    ) -> Self {
        let slot = |_| Slot {
            own: Mutex::new(Own {
                current: None,
                next: VecDeque::new(),
                taken: 0,
                depth: pace.first_depth(),
            }),
            first: AtomicU64::new(EMPTY),
            filled: AtomicU64::new(0),
        };
        Queue {
            tail: Mutex::new(Tail {
                phase: Phase::Running,
                open_sources: 0,
                submitted: 0,
                jobs: Fifo::default(),
                units: 0,
            }),
            inner: Mutex::new(Inner {
                returned: VecDeque::new(),
                jobs: Fifo::default(),
                extra: Vec::new(),
                sources: Vec::new(),
                placed: 0,
                line: VecDeque::new(),
                wakers: HashMap::new(),
                lined_up: 0,
                resting: 0,
                waiting: 0,
                woken: 0,
            }),
            bell: Condvar::new(),
            size,
            bound,
            places: Condvar::new(),
            rest: Condvar::new(),
            pool,
            slots: (0..size.get()).map(slot).collect(),
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
        self.size.get()
    }

    /// The pool's number in this process, from 1: what [`WorkerGuard::enter`](crate::backend::WorkerGuard::enter) asks for.
    pub fn pool(&self) -> u64 {
        self.pool
    }

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
    fn claim<'a>(
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

    /// The next unit of a worker's own queue.
    fn next_of_own(&self, slot: WorkerSlot) -> Option<Claim<J>> {
        let place = self.slots.get(slot.0)?;
        if place.first.load(Ordering::Relaxed) == EMPTY {
            return None;
        }
        let mut own = place.lock();
        let claim = own.next.pop_front()?;
        place.tell_first(&own);
        let before = own.current.replace(claim.job.clone());
        drop(own);
        drop(before);
        Some(claim)
    }

    /// A worker comes back for more: what it ran has ended, and is returned. How many units it may take depends on how long it was
    /// away.
    fn come_back(&self, slot: WorkerSlot, now: Option<u64>) -> Option<Arc<J>> {
        let Some(place) = self.slots.get(slot.0) else {
            return self.replace_current(&mut self.lock(), slot, None);
        };
        let mut own = place.lock();
        if let Some(now) = now.filter(|_| !self.pace.forced) {
            let away = now.saturating_sub(place.filled.load(Ordering::Relaxed));
            let short = Pace::SHORT.as_nanos() as u64;
            let is_short = own.taken > 0 && away < short.saturating_mul(own.taken as u64);
            if is_short || !flaws::has(Flaw::DepthStays) {
                own.depth = self.pace.next_depth(own.depth, is_short);
            }
            own.taken = 0;
        }
        own.current.take()
    }

    /// Takes units for a worker: the first is for now, the others go into its own queue.
    fn fill(&self, inner: &mut Inner<J>, slot: WorkerSlot, now: Option<u64>) -> Option<Claim<J>> {
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
            while own.next.len() + 1 < own.depth
                && let Some(claim) = self.take(inner)
            {
                own.next.push_back(claim);
            }
            own.taken = own.next.len() + 1;
            place.tell_first(&own);
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
                let first = place.first.load(Ordering::Relaxed);
                let is_slow =
                    filled_before == 0 || place.filled.load(Ordering::Relaxed) <= filled_before;
                (first != EMPTY && is_slow).then_some((first, place))
            });
            let (_, place) = full.min_by_key(|(first, _)| *first)?;
            let mut own = place.lock();
            let claim = own.next.pop_front();
            place.tell_first(&own);
            if claim.is_some() {
                return claim;
            }
        }
    }

    /// Gives back what lies in a worker's own queue: it will not come back for a while, or never.
    pub fn vacate(&self, slot: WorkerSlot) {
        let Some(place) = self.slots.get(slot.0) else {
            return;
        };
        let mut inner = self.lock();
        let mut own = place.lock();
        let back = match flaws::has(Flaw::KeepsWhatItTook) {
            true => VecDeque::new(),
            false => std::mem::take(&mut own.next),
        };
        place.tell_first(&own);
        drop(own);
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
    fn has_more(&self, inner: &Inner<J>) -> bool {
        let has_own = |place: &Slot<J>| place.first.load(Ordering::Relaxed) != EMPTY;
        if flaws::has(Flaw::AsksAHint) {
            return self.has_waiting() || self.slots.iter().any(has_own);
        }
        inner.waiting > 0
            || self.at_tail.load(Ordering::Relaxed) > 0
            || (!flaws::has(Flaw::OverlooksOthers) && self.slots.iter().any(has_own))
    }

    /// Whether units were admitted that no worker has taken: without the lock, a hint.
    fn has_waiting(&self) -> bool {
        self.at_tail.load(Ordering::Relaxed) > 0 || self.at_head.load(Ordering::Relaxed) > 0
    }

    /// Looks for units for a while, without the lock.
    fn spin(&self) {
        let time = self.pace.spin.unwrap_or_default();
        spin::until(|| self.has_waiting(), time, spin::has_woken());
    }

    /// A worker has spun, and holds the head's lock. It takes the tail's as well: who brings a job after this sees that nobody spins,
    /// and what came before is seen here.
    fn stop_spinning(&self) {
        let tail = (!flaws::has(Flaw::SpinEndsUnderOneLock)).then(|| self.lock_tail());
        self.spins.store(false, Ordering::Relaxed);
        drop(tail);
    }

    /// What a worker runs from now on; gives back what it ran before.
    fn replace_current(
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

    /// Nanoseconds since the start of the pool.
    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
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

    /// The next unit for a worker, if there is one now.
    pub fn try_next(&self, slot: WorkerSlot) -> Option<Claim<J>> {
        let mut inner = self.lock();
        let before = self.replace_current(&mut inner, slot, None);
        let claim = self.take(&mut inner);
        if let Some(claim) = &claim {
            self.replace_current(&mut inner, slot, Some(claim.job.clone()));
        }
        self.leave(inner);
        drop(before);
        claim
    }

    /// The next unit, if there is one now, for a backend that itself remembers which units its workers have. It calls no code of
    /// the user: whoever has taken units calls [`tell_taken`](Self::tell_taken), with no lock held.
    pub fn take_next(&self) -> Option<Claim<J>> {
        if !self.has_waiting() {
            return None;
        }
        let mut inner = self.lock();
        let claim = self.take(&mut inner);
        self.at_head.store(inner.waiting, Ordering::Relaxed);
        claim
    }

    /// Units were taken by [`take_next`](Self::take_next): whoever waits for a place in the queue looks again.
    pub fn tell_taken(&self) {
        if self.bound.is_some() {
            self.leave(self.lock());
        }
    }

    /// Takes back units that were taken by [`take_next`](Self::take_next), and that no worker has started: each is handed out again
    /// before all that were submitted after it. Not to be called once the backend was told to abandon its units.
    pub fn give_back(&self, claims: impl IntoIterator<Item = Claim<J>>) {
        let mut inner = self.lock();
        claims
            .into_iter()
            .for_each(|claim| inner.insert_returned(claim));
        self.at_head.store(inner.waiting, Ordering::Relaxed);
    }

    /// Whether there is a unit that nobody has taken: a hint, without a lock.
    pub fn has_units(&self) -> bool {
        self.has_waiting()
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

    /// Takes back a unit that a worker was given and has not started: it is handed out again before all that were
    /// submitted after it. In a terminated pool its job is ended instead.
    pub fn put_back(&self, mut claim: Claim<J>) {
        claim.unit.count_return();
        self.put_back_unsent(claim);
    }

    /// As [`put_back`](Self::put_back), for a unit that its worker was not about to start: the return is not counted.
    pub fn put_back_unsent(&self, claim: Claim<J>) {
        let mut inner = self.lock();
        if self.phase() == Phase::Terminated {
            drop(inner);
            let job = claim.job.job();
            job.terminate(Unclaimed::returned(&claim.unit, job));
            return;
        }
        inner.insert_returned(claim);
        self.at_head.store(inner.waiting, Ordering::Relaxed);
        drop(inner);
        self.wake(1);
    }

    /// True when workers may leave: no more work is admitted, and none is left to hand out.
    pub fn is_drained(&self) -> bool {
        self.has_drained(&self.lock())
    }

    /// Where the pool is in its life.
    pub fn phase(&self) -> Phase {
        self.lock_tail().phase
    }

    /// Units that were admitted, and how many of them wait or run.
    pub(crate) fn units(&self) -> (u64, u64) {
        let inner = self.lock();
        let is_open = |job: &Option<Arc<J>>| job.as_ref().is_some_and(|job| job.job().is_open());
        let mut units =
            inner.returned.len() + inner.extra.iter().filter(|job| is_open(job)).count();
        for place in &self.slots {
            let own = place.lock();
            units += own
                .next
                .iter()
                .filter(|claim| claim.job.job().is_open())
                .count();
            units += usize::from(is_open(&own.current));
        }
        let tail = self.lock_tail();
        let queued = inner.jobs.iter().chain(tail.jobs.iter());
        let queued = queued.filter(|entry| entry.units.job().job().is_open());
        units += queued.map(|entry| entry.units.len()).sum::<usize>();
        (tail.submitted, units as u64)
    }

    /// Whether work would be admitted.
    pub(crate) fn admit(&self) -> Result<(), PoolError> {
        self.lock_tail().phase.after(Step::Submit).map(|_| ())
    }

    /// Admits a source: until it has ended, workers of a closed pool stay, and its jobs are admitted.
    pub(crate) fn open_source(&self) -> Result<(), PoolError> {
        let mut tail = self.lock_tail();
        tail.phase.after(Step::Submit)?;
        tail.open_sources += 1;
        Ok(())
    }

    /// Keeps a reference to a source that was admitted, so that `join` can have it read to its end.
    pub(crate) fn remember_source(&self, source: Weak<dyn Source>) {
        let mut inner = self.lock();
        inner.sources.retain(|source| source.strong_count() > 0);
        inner.sources.push(source);
    }

    /// A source has ended.
    pub(crate) fn end_source(&self) {
        self.lock_tail().open_sources -= 1;
        // A worker is before its look, or asleep.
        self.wake(usize::MAX);
        self.rest.notify_all();
    }

    /// The sources that may not have ended.
    pub(crate) fn sources(&self) -> Vec<Arc<dyn Source>> {
        self.lock()
            .sources
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
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

    /// Admits a job of a source, which was itself admitted before and has a bound of its own.
    pub(crate) fn push_from_source(&self, job: Arc<J>) -> Result<(), PoolError> {
        let tail = self.lock_tail();
        match tail.phase {
            Phase::Running => {}
            // Where no source is open, workers may have left: this one has been given up.
            Phase::Closed if tail.open_sources > 0 => {}
            _ => return Err(PoolError::NotRunning),
        }
        self.append(tail, job, None);
        Ok(())
    }

    /// Puts a job at the tail. Its units take places of a queue that has a bound, where `inner` is given.
    fn append(
        &self,
        mut tail: MutexGuard<'_, Tail<J>>,
        job: Arc<J>,
        inner: Option<MutexGuard<'_, Inner<J>>>,
    ) {
        let units = Units::of(job, inner.is_some());
        let count = units.len();
        if let Some(mut inner) = inner {
            inner.placed += count;
        }
        let before = tail.submitted;
        tail.submitted += count as u64;
        // A backend that brings a job again brings no units.
        if count > 0 {
            tail.units += count;
            self.at_tail.store(tail.units, Ordering::Relaxed);
            tail.jobs.push(Entry { units, before });
        }
        drop(tail);
        // One unit is found by a worker that spins, before it sleeps.
        let is_found = count == 0 || (count == 1 && self.spins.load(Ordering::Relaxed));
        if !is_found && self.has_sleepers() && !flaws::has(Flaw::SubmissionWakesNobody) {
            spin::note_wake_up();
            self.wake(count);
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

    /// The next unit: one that came back, one at the head, or one of those that have arrived.
    fn take(&self, inner: &mut Inner<J>) -> Option<Claim<J>> {
        if inner.waiting == 0 && self.at_tail.load(Ordering::Relaxed) > 0 {
            let mut tail = self.lock_tail();
            std::mem::swap(&mut inner.jobs, &mut tail.jobs);
            inner.waiting = std::mem::take(&mut tail.units);
            self.at_tail.store(0, Ordering::Relaxed);
        }
        inner.next()
    }

    /// Workers may leave.
    fn has_drained(&self, inner: &Inner<J>) -> bool {
        let tail = self.lock_tail();
        tail.is_at_its_end() && inner.waiting == 0
    }

    /// Moves the pool on; the order is to be given to the backend.
    pub(crate) fn step(&self, step: Step) -> Result<Option<Order>, PoolError> {
        let mut tail = self.lock_tail();
        let (phase, order) = tail.phase.after(step)?;
        tail.phase = phase;
        drop(tail);
        if order.is_some() && !flaws::has(Flaw::EndWakesNobody) {
            self.wake(usize::MAX);
            self.ring_for_places();
            self.rest.notify_all();
        }
        Ok(order)
    }

    /// Hands out no more units of a job, whoever still holds it; how many never were.
    pub(crate) fn retract(&self, job: &dyn Job) -> Unclaimed {
        let mut inner = self.lock();
        // Where it has not come into the queue, it never will.
        let mut unclaimed = Unclaimed::before_any_queue(job);
        let name = job.name();
        let mut taken: Vec<VecDeque<Claim<J>>> = Vec::new();
        for place in &self.slots {
            let mut own = place.lock();
            let (of_it, others) = own.next.drain(..).partition(|claim| claim.unit.is_of(name));
            own.next = others;
            place.tell_first(&own);
            taken.push(of_it);
        }
        for claim in taken.iter().flatten() {
            unclaimed.add(Unclaimed::returned(&claim.unit, job));
        }
        let is_of_it = |entry: &Entry<J>| entry.units.job().job().name() == name;
        let mut entries = inner.jobs.take_out(is_of_it);
        let left: usize = entries.iter().map(|entry| entry.units.len()).sum();
        inner.waiting -= left;
        {
            let mut tail = self.lock_tail();
            let arrived = tail.jobs.take_out(is_of_it);
            tail.units -= arrived.iter().map(|entry| entry.units.len()).sum::<usize>();
            self.at_tail.store(tail.units, Ordering::Relaxed);
            entries.extend(arrived);
        }
        for entry in entries {
            if job.handed_out().takes_places() {
                inner.placed -= entry.units.len();
            }
            unclaimed.add(entry.units.abandon().1);
        }
        self.leave(inner);
        unclaimed
    }

    /// Empties the queue of a terminated pool: the jobs that are not over, in the order of their submission, and
    /// how many units of each will never be handed out.
    pub(crate) fn abandon(&self) -> Vec<(Arc<J>, Unclaimed)> {
        let mut inner = self.lock();
        let mut jobs: Vec<_> = inner.extra.iter().flatten().cloned().collect();
        let mut claims = std::mem::take(&mut inner.returned);
        for place in &self.slots {
            let mut own = place.lock();
            jobs.extend(own.current.clone());
            claims.append(&mut own.next);
            place.tell_first(&own);
        }
        let mut jobs: Vec<_> = jobs.into_iter().map(|job| (job, Unclaimed::NONE)).collect();
        jobs.extend(claims.into_iter().map(|Claim { job, unit, .. }| {
            let unclaimed = Unclaimed::returned(&unit, job.job());
            (job, unclaimed)
        }));
        let mut tail = self.lock_tail();
        for list in [&mut inner.jobs, &mut tail.jobs] {
            jobs.extend(std::iter::from_fn(|| Some(list.pop()?.units.abandon())));
        }
        tail.units = 0;
        self.at_tail.store(0, Ordering::Relaxed);
        drop(tail);
        (inner.waiting, inner.placed) = (0, 0);
        self.leave(inner);
        jobs.sort_by_key(|(job, _)| job.job().number());
        jobs
    }

    fn lock_tail(&self) -> MutexGuard<'_, Tail<J>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<J>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: ?Sized> Tail<J> {
    /// No more work will come.
    fn takes_no_more(&self) -> bool {
        match self.phase {
            Phase::Running => false,
            Phase::Closed => self.open_sources == 0,
            Phase::Terminated | Phase::Joined => true,
        }
    }

    /// Nothing has arrived, and more may come.
    fn is_quiet(&self) -> bool {
        self.units == 0 && !self.takes_no_more()
    }

    /// Nothing has arrived, and nothing will.
    fn is_at_its_end(&self) -> bool {
        self.units == 0 && self.takes_no_more()
    }
}

impl<J: ?Sized + AsJob> Inner<J> {
    /// The next unit: one that came back, or that nobody has taken yet.
    fn next(&mut self) -> Option<Claim<J>> {
        match self.returned.pop_front() {
            Some(claim) => {
                self.waiting -= 1;
                Some(claim)
            }
            None => self.take(),
        }
    }

    /// A unit comes back without having started: it is handed out again before all that were submitted after it.
    fn insert_returned(&mut self, claim: Claim<J>) {
        let place = self
            .returned
            .partition_point(|other| other.order < claim.order);
        self.returned.insert(place, claim);
        self.waiting += 1;
    }

    /// The next unit of the queue.
    fn take(&mut self) -> Option<Claim<J>> {
        let entry = self.jobs.first_mut()?;
        let unit = entry.units.next()?;
        let order = entry.before + unit.index() as u64;
        let job = match entry.units.len() {
            0 => self.jobs.pop()?.units.abandon().0,
            _ => entry.units.job().clone(),
        };
        self.placed -= usize::from(job.job().handed_out().takes_places());
        self.waiting -= 1;
        Some(Claim { job, unit, order })
    }
}

impl<J: ?Sized> Slot<J> {
    fn lock(&self) -> MutexGuard<'_, Own<J>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells others which unit is the first.
    fn tell_first(&self, own: &Own<J>) {
        let first = own.next.front().map_or(EMPTY, |claim| claim.order);
        self.first.store(first, Ordering::Relaxed);
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
