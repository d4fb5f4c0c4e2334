//! The tail of the queue, where submissions arrive, and the pool's phase.

use std::sync::{Arc, Weak};

use super::Queue;
use super::head::{Entry, Inner, Source};
use crate::error::PoolError;
use crate::fifo::Fifo;
use crate::flaws::{self, Flaw};
use crate::lifecycle::{Order, Phase, Step};
use crate::spin;
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;
use crate::unit::{AsJob, TaskId, Units};

/// Where submissions arrive, and the pool's phase.
pub(super) struct Tail<J: ?Sized> {
    pub(super) phase: Phase,
    /// How many sources have not ended.
    pub(super) open_sources: usize,
    /// Units that were admitted.
    pub(super) submitted: u64,
    /// Jobs that were admitted.
    admitted: u64,
    /// Jobs that have arrived since a worker came for them last, and their units.
    pub(super) jobs: Fifo<Entry<J>>,
    pub(super) units: usize,
}

impl<J: ?Sized> Tail<J> {
    pub(super) fn new() -> Self {
        Tail {
            phase: Phase::Running,
            open_sources: 0,
            submitted: 0,
            admitted: 0,
            jobs: Fifo::default(),
            units: 0,
        }
    }

    /// Puts a job at the end; how many units it brings.
    #[inline]
    fn append(&mut self, job: Arc<J>, takes_places: bool) -> usize
    where
        J: AsJob,
    {
        let units = Units::of(job, TaskId(self.admitted), takes_places);
        let count = units.len();
        let before = self.submitted;
        self.submitted += count as u64;
        // A backend that brings a job again brings no units.
        if count > 0 {
            self.admitted += 1;
            self.units += count;
            self.jobs.push(Entry { units, before });
        }
        count
    }

    /// No more work will come.
    fn takes_no_more(&self) -> bool {
        match self.phase {
            Phase::Running => false,
            Phase::Closed => self.open_sources == 0,
            Phase::Terminated | Phase::Joined => true,
        }
    }

    /// Nothing has arrived, and more may come.
    pub(super) fn is_quiet(&self) -> bool {
        self.units == 0 && !self.takes_no_more()
    }

    /// Nothing has arrived, and nothing will.
    pub(super) fn is_at_its_end(&self) -> bool {
        self.units == 0 && self.takes_no_more()
    }
}

impl<J: ?Sized + AsJob> Queue<J> {
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
        self.end_sources(1);
    }

    /// So many sources have ended.
    pub(super) fn end_sources(&self, count: usize) {
        self.lock_tail().open_sources -= count;
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

    /// Admits jobs of a source, which was itself admitted before and has a bound of its own.
    pub(crate) fn push_from_source(
        &self,
        jobs: impl Iterator<Item = Arc<J>>,
    ) -> Result<(), PoolError> {
        let mut tail = self.lock_tail();
        match tail.phase {
            Phase::Running => {}
            // Where no source is open, workers may have left: this one has been given up.
            Phase::Closed if tail.open_sources > 0 => {}
            _ => return Err(PoolError::NotRunning),
        }
        let count = jobs.map(|job| tail.append(job, false)).sum();
        self.have_arrived(tail, count);
        Ok(())
    }

    /// Puts a job at the tail. Its units take places of a queue that has a bound, where `inner` is given.
    pub(super) fn append(
        &self,
        mut tail: MutexGuard<'_, Tail<J>>,
        job: Arc<J>,
        inner: Option<MutexGuard<'_, Inner<J>>>,
    ) {
        let count = tail.append(job, inner.is_some());
        if let Some(mut inner) = inner {
            inner.placed += count;
        }
        self.have_arrived(tail, count);
    }

    /// So many units have arrived at the tail.
    fn have_arrived(&self, tail: MutexGuard<'_, Tail<J>>, count: usize) {
        self.at_tail.store(tail.units, Ordering::Relaxed);
        drop(tail);
        // One unit is found by a worker that spins, before it sleeps.
        let is_found = count == 0 || (count == 1 && self.spins.load(Ordering::Relaxed));
        if !is_found && self.has_sleepers() && !flaws::has(Flaw::SubmissionWakesNobody) {
            spin::note_wake_up();
            self.wake(count);
        }
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
}
