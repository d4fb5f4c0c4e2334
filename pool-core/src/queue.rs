//! The queue of a pool, strictly first in, first out, and with it the pool's phase: one lock for both, so
//! that no work is let in after the pool was closed.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use crate::error::PoolError;
use crate::lifecycle::{Order, Phase, Step};
use crate::unit::{AsJob, Job, Unclaimed, Unit};

mod bound;

pub(crate) use bound::Turn;

/// A pool's queue, as its workers see it. `J` is how the backend sees a job.
pub struct Queue<J: ?Sized> {
    inner: Mutex<Inner<J>>,
    bell: Condvar,
    size: NonZeroUsize,
    /// How many units may wait; those of an `imap` have a bound of their own and are counted, not held up.
    bound: Option<NonZeroUsize>,
    /// Rung when the line for places moves, or may.
    places: Condvar,
    /// Rung when workers that rest may have nothing left to do.
    rest: Condvar,
    pool: u64,
}

/// One unit of a job, handed to a worker.
#[derive(Debug)]
#[must_use = "a unit that is not ended keeps its job waiting for ever"]
pub struct Claim<J: ?Sized> {
    /// The job.
    pub job: Arc<J>,
    /// The right to end one unit of it.
    pub unit: Unit,
}

impl<J: ?Sized + AsJob> Claim<J> {
    /// The place of the unit among all that its queue has let in.
    fn order(&self) -> u64 {
        self.job.job().link().lock().before + self.unit.index() as u64
    }
}

/// The place of one worker: what it took last is known to be running until it takes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerSlot(pub usize);

struct Inner<J: ?Sized> {
    phase: Phase,
    /// Units that were handed out and came back without having started, in the order of their submission.
    returned: VecDeque<Claim<J>>,
    first: Option<Arc<J>>,
    last: Option<Arc<J>>,
    /// What each slot took last.
    running: Vec<Option<Arc<J>>>,
    sleepers: usize,
    sources: Vec<Weak<dyn Source>>,
    /// How many sources have not ended.
    open_sources: usize,
    /// Units that were let in.
    submitted: u64,
    /// Of these, units that take places of the queue and were never handed out.
    placed: usize,
    /// Submissions that wait for places, by their numbers: the first gets the next.
    line: VecDeque<u64>,
    /// Of these, the wakers of those that are awaited.
    wakers: HashMap<u64, Waker>,
    /// Submissions that have ever waited.
    lined_up: u64,
    /// Workers that rest between two tries to start.
    resting: usize,
}

/// Work that is let in but not yet queued: the input of an `imap`.
pub(crate) trait Source: Send + Sync {
    /// Lifts the bound on reading ahead, or sets it again.
    fn lift_bound(&self, lift: bool);
    /// Whether nobody reads it unless asked to; from now on somebody does.
    fn wants_reader(&self) -> bool;
    /// Queues it as far as it goes and is wanted.
    fn read_on(&self);
    /// Forgets the rest of it.
    fn stop(&self);
    /// Whether the calling code is the input, being read.
    fn is_read_here(&self) -> bool;
}

impl<J: ?Sized + AsJob> Queue<J> {
    pub(crate) fn new(size: NonZeroUsize, bound: Option<NonZeroUsize>, pool: u64) -> Self {
        Queue {
            inner: Mutex::new(Inner {
                phase: Phase::Running,
                returned: VecDeque::new(),
                first: None,
                last: None,
                running: (0..size.get()).map(|_| None).collect(),
                sleepers: 0,
                sources: Vec::new(),
                open_sources: 0,
                submitted: 0,
                placed: 0,
                line: VecDeque::new(),
                wakers: HashMap::new(),
                lined_up: 0,
                resting: 0,
            }),
            bell: Condvar::new(),
            size,
            bound,
            places: Condvar::new(),
            rest: Condvar::new(),
            pool,
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

    /// As [`next`](Self::next), and `None` too as soon as `leave` says so, which is asked before each claim,
    /// under the queue's lock, and again after each [`ring`](Self::ring).
    pub fn next_unless(&self, slot: WorkerSlot, leave: impl Fn() -> bool) -> Option<Claim<J>> {
        let mut inner = self.lock();
        loop {
            let before = inner.sit(slot, None);
            if leave() {
                drop(inner);
                drop(before);
                // It may have been woken for a unit, which somebody else has to take.
                self.bell.notify_one();
                return None;
            }
            let claim = inner.claim(slot);
            if claim.is_some() || inner.takes_no_more() {
                // What ran before may be the last reference to its job: it is dropped outside of the lock.
                self.leave(inner);
                drop(before);
                return claim;
            }
            if before.is_some() {
                drop(inner);
                drop(before);
                inner = self.lock();
                continue;
            }
            inner.sleepers += 1;
            inner = self
                .bell
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
            inner.sleepers -= 1;
        }
    }

    /// Makes workers that wait for a unit look again whether they should leave, and those that rest whether they have
    /// done so for long enough.
    pub fn ring(&self) {
        drop(self.lock());
        self.bell.notify_all();
        self.rest.notify_all();
    }

    /// Blocks a worker that cannot start until its rest is `over`, which is asked under the queue's lock and again after
    /// each [`ring`](Self::ring); false as soon as workers may leave.
    pub fn rest(&self, over: impl Fn() -> bool) -> bool {
        let mut inner = self.lock();
        inner.resting += 1;
        while !over() && !inner.is_drained() {
            inner = self
                .rest
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inner.resting -= 1;
        !inner.is_drained()
    }

    /// The next unit for a worker, if there is one now.
    pub fn try_next(&self, slot: WorkerSlot) -> Option<Claim<J>> {
        let mut inner = self.lock();
        let before = inner.sit(slot, None);
        let claim = inner.claim(slot);
        self.leave(inner);
        drop(before);
        claim
    }

    /// Whether what a slot took last is a unit of the job with this number.
    pub fn runs(&self, slot: WorkerSlot, job: u64) -> bool {
        let inner = self.lock();
        let running = inner.running.get(slot.0).and_then(Option::as_ref);
        running.is_some_and(|running| running.job().number().0 == job)
    }

    /// Takes back a unit that a worker was given and has not started: it is handed out again before all that were
    /// submitted after it. In a terminated pool its job is ended instead.
    pub fn put_back(&self, mut claim: Claim<J>) {
        let mut inner = self.lock();
        if inner.phase == Phase::Terminated {
            drop(inner);
            let job = claim.job.job();
            job.terminate(Unclaimed::returned(&claim.unit, job));
            return;
        }
        claim.unit.count_return();
        let order = claim.order();
        let place = inner
            .returned
            .partition_point(|other| other.order() < order);
        inner.returned.insert(place, claim);
        drop(inner);
        self.bell.notify_one();
    }

    /// True when workers may leave: no more work is let in, and none is left to hand out.
    pub fn is_drained(&self) -> bool {
        self.lock().is_drained()
    }

    /// Where the pool is in its life.
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Units that were let in, and how many of them wait or run.
    pub(crate) fn units(&self) -> (u64, u64) {
        let inner = self.lock();
        let running = inner
            .running
            .iter()
            .flatten()
            .filter(|job| job.job().is_open());
        let mut units = inner.returned.len() + running.count();
        let mut job = inner.first.clone();
        while let Some(queued) = job {
            let link = queued.job().link().lock();
            if queued.job().is_open() {
                units += queued.job().units() - link.claimed;
            }
            let next = link.next.clone();
            drop(link);
            job = next;
        }
        (inner.submitted, units as u64)
    }

    /// Whether work would be let in.
    pub(crate) fn admit(&self) -> Result<(), PoolError> {
        self.lock().phase.after(Step::Submit).map(|_| ())
    }

    /// Lets a source in: until it has ended, workers of a closed pool stay, and its work is taken.
    pub(crate) fn open_source(&self) -> Result<(), PoolError> {
        let mut inner = self.lock();
        inner.phase.after(Step::Submit)?;
        inner.open_sources += 1;
        Ok(())
    }

    /// Remembers a source that was let in, for `join` to read it to its end.
    pub(crate) fn remember_source(&self, source: Weak<dyn Source>) {
        let mut inner = self.lock();
        inner.sources.retain(|source| source.strong_count() > 0);
        inner.sources.push(source);
    }

    /// A source has ended.
    pub(crate) fn end_source(&self) {
        self.lock().open_sources -= 1;
        self.bell.notify_all();
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
    fn leave(&self, mut inner: MutexGuard<'_, Inner<J>>) {
        let awaited = !inner.line.is_empty();
        let drained = inner.resting > 0 && inner.is_drained();
        drop(inner);
        if awaited {
            self.ring_for_places();
        }
        if drained {
            self.rest.notify_all();
        }
    }

    /// Lets a job of a source in, which was itself let in before and has a bound of its own.
    pub(crate) fn push_from_source(&self, job: Arc<J>) -> Result<(), PoolError> {
        let inner = self.lock();
        match inner.phase {
            Phase::Running => {}
            // Where no source is open, workers may have left: this one has been given up.
            Phase::Closed if inner.open_sources > 0 => {}
            _ => return Err(PoolError::NotRunning),
        }
        self.link(inner, job);
        Ok(())
    }

    /// Puts a job into the queue whose units take places there.
    fn place(&self, mut inner: MutexGuard<'_, Inner<J>>, job: Arc<J>) {
        inner.placed += job.job().units();
        job.job().link().lock().takes_places = true;
        self.link(inner, job);
    }

    fn link(&self, mut inner: MutexGuard<'_, Inner<J>>, job: Arc<J>) {
        let units = job.job().units();
        job.job().link().lock().before = inner.submitted;
        inner.submitted += units as u64;
        match inner.last.replace(job.clone()) {
            Some(last) => last.job().link().lock().next = Some(job),
            None => inner.first = Some(job),
        }
        let sleepers = inner.sleepers;
        drop(inner);
        match (sleepers, units) {
            (0, _) => {}
            (_, 1) => self.bell.notify_one(),
            _ => self.bell.notify_all(),
        }
    }

    /// Moves the pool on; the order is to be given to the backend.
    pub(crate) fn step(&self, step: Step) -> Result<Option<Order>, PoolError> {
        let mut inner = self.lock();
        let (phase, order) = inner.phase.after(step)?;
        inner.phase = phase;
        drop(inner);
        if order.is_some() {
            self.bell.notify_all();
            self.ring_for_places();
            self.rest.notify_all();
        }
        Ok(order)
    }

    /// Hands out no more units of a job, whoever still holds it; how many never were.
    pub(crate) fn retract(&self, job: &dyn Job<J>) -> Unclaimed {
        let mut inner = self.lock();
        let mut link = job.link().lock();
        let unclaimed = link.abandon(job);
        if link.takes_places {
            inner.placed -= unclaimed.count();
        }
        drop(link);
        self.leave(inner);
        unclaimed
    }

    /// Empties the queue of a terminated pool: the jobs that are not over, in the order of their submission, and
    /// how many units of each will never be handed out.
    pub(crate) fn abandon(&self) -> Vec<(Arc<J>, Unclaimed)> {
        let mut inner = self.lock();
        let running = inner.running.iter().flatten();
        let mut jobs: Vec<_> = running.map(|job| (job.clone(), Unclaimed::NONE)).collect();
        jobs.extend(inner.returned.drain(..).map(|Claim { job, unit }| {
            let unclaimed = Unclaimed::returned(&unit, job.job());
            (job, unclaimed)
        }));
        while let Some(job) = inner.front() {
            inner.unlink();
            let unclaimed = {
                let job = job.job();
                job.link().lock().abandon(job)
            };
            jobs.push((job, unclaimed));
        }
        self.leave(inner);
        jobs.sort_by_key(|(job, _)| job.job().number());
        jobs
    }

    fn lock(&self) -> MutexGuard<'_, Inner<J>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: ?Sized + AsJob> Inner<J> {
    /// No more work will come.
    fn takes_no_more(&self) -> bool {
        match self.phase {
            Phase::Running => false,
            Phase::Closed => self.open_sources == 0,
            Phase::Terminated | Phase::Joined => true,
        }
    }

    /// Workers may leave.
    fn is_drained(&mut self) -> bool {
        self.takes_no_more() && self.returned.is_empty() && self.front().is_none()
    }

    /// What a slot runs from now on; gives back what it ran before.
    fn sit(&mut self, slot: WorkerSlot, job: Option<Arc<J>>) -> Option<Arc<J>> {
        if slot.0 >= self.running.len() {
            self.running.resize_with(slot.0 + 1, || None);
        }
        std::mem::replace(&mut self.running[slot.0], job)
    }

    fn claim(&mut self, slot: WorkerSlot) -> Option<Claim<J>> {
        let claim = match self.returned.pop_front() {
            Some(claim) => claim,
            None => self.take()?,
        };
        self.sit(slot, Some(claim.job.clone()));
        Some(claim)
    }

    /// The next unit of the queue.
    fn take(&mut self) -> Option<Claim<J>> {
        loop {
            let job = self.front()?;
            let (claimed, takes_places) = {
                let job = job.job();
                let mut link = job.link().lock();
                (link.claim(job), link.takes_places)
            };
            if let Some((unit, is_last)) = claimed {
                self.placed -= usize::from(takes_places);
                if is_last {
                    self.unlink();
                }
                return Some(Claim { job, unit });
            }
            // Nothing is left of it: it is in the queue twice, for a backend has loaded it twice.
            self.unlink();
        }
    }

    /// The first job that still wants to be run.
    fn front(&mut self) -> Option<Arc<J>> {
        while let Some(job) = &self.first {
            if job.job().is_open() {
                return Some(job.clone());
            }
            self.unlink();
        }
        None
    }

    /// Takes the first job off the queue.
    fn unlink(&mut self) {
        if let Some(job) = self.first.take() {
            let mut link = job.job().link().lock();
            if link.takes_places {
                self.placed -= job.job().units() - link.claimed;
            }
            self.first = link.next.take();
            drop(link);
            if self.first.is_none() {
                self.last = None;
            }
        }
    }
}

impl<J: ?Sized> fmt::Debug for Queue<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self
            .inner
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

    use super::{Claim, Queue, WorkerSlot};
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
            let queue: Queue<dyn Queued> = Queue::new(NonZeroUsize::MIN, None, shared.pool);
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
            let again: Vec<u64> = std::iter::from_fn(|| queue.try_next(WorkerSlot(0))).map(|claim| claim.order()).collect();
            prop_assert_eq!(again, (0..total).collect::<Vec<_>>());
        }
    }
}
