//! The head of the queue, where workers take units.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::task::Waker;

use super::{Claim, Queue};
use crate::fifo::Fifo;
use crate::sync::atomic::Ordering;
use crate::timers::Armed;
use crate::unit::{AsJob, Unit, Units};

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

/// A job in the queue.
pub(super) struct Entry<J: ?Sized> {
    pub(super) units: Units<J>,
    /// How many units had been admitted before its first.
    pub(super) before: u64,
}

/// A unit that is handed out again after a pause.
pub(super) struct Paused<J: ?Sized> {
    pub(super) number: u64,
    pub(super) claim: Claim<J>,
    pub(super) timer: Option<Armed>,
}

/// What the head's lock guards.
pub(super) struct Inner<J: ?Sized> {
    /// Units that were handed out and came back without having started, in the order of their submission.
    pub(super) returned: VecDeque<Claim<J>>,
    /// Units that are handed out again after a pause. Each counts as an open source.
    pub(super) paused: Vec<Paused<J>>,
    /// Pauses so far.
    pub(super) pauses: u64,
    /// Jobs that have units which nobody has taken.
    pub(super) jobs: Fifo<Entry<J>>,
    pub(super) sources: Vec<Weak<dyn Source>>,
    /// Units that take places of the queue and were never handed out.
    pub(super) placed: usize,
    /// Submissions that wait for places, by their numbers: the first gets the next.
    pub(super) line: VecDeque<u64>,
    /// Of these, the wakers of those that are awaited.
    pub(super) wakers: HashMap<u64, Waker>,
    /// Submissions that have ever waited.
    pub(super) lined_up: u64,
    /// Workers that pause between two tries to start.
    pub(super) resting: usize,
    /// Units that were admitted and that no worker has taken.
    pub(super) waiting: usize,
    /// Sleepers that were woken and have not gone on yet.
    pub(super) woken: usize,
}

impl<J: ?Sized + AsJob> Inner<J> {
    pub(super) fn new() -> Self {
        Inner {
            returned: VecDeque::new(),
            paused: Vec::new(),
            pauses: 0,
            jobs: Fifo::default(),
            sources: Vec::new(),
            placed: 0,
            line: VecDeque::new(),
            wakers: HashMap::new(),
            lined_up: 0,
            resting: 0,
            waiting: 0,
            woken: 0,
        }
    }

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
    pub(super) fn insert_returned(&mut self, claim: Claim<J>) {
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

    /// Up to so many more units of the job that this one is of, if they are the next, and the place of the job's first unit.
    pub(super) fn take_range(&mut self, unit: &Unit, most: usize) -> Option<(u64, Range<u32>)> {
        if most == 0 || !self.returned.is_empty() {
            return None;
        }
        let entry = self.jobs.first_mut()?;
        if !unit.is_of(entry.units.job().job().name()) {
            return None;
        }
        let (before, range) = (entry.before, entry.units.split(most));
        let takes_places = entry.units.job().job().handed_out().takes_places();
        if entry.units.len() == 0 {
            // The unit's claim has a reference to the job.
            self.jobs.pop();
        }
        if takes_places {
            self.placed -= range.len();
        }
        self.waiting -= range.len();
        Some((before, range))
    }

    /// Takes up to so many of the next jobs, as long as they have one unit each and were admitted one after the other, if nothing has come
    /// back; how many units had been admitted before them, and how many they are.
    pub(super) fn take_singles(
        &mut self,
        most: usize,
        mut take: impl FnMut(Arc<J>),
    ) -> Option<(u64, usize)> {
        if most == 0 || !self.returned.is_empty() {
            return None;
        }
        let before = self.jobs.first_mut()?.before;
        let mut next = before;
        let follows = |entry: &Entry<J>| {
            let follows = entry.units.are_one() && entry.before == next;
            next += 1;
            follows
        };
        // Where nothing takes places, none are looked at.
        let (any_placed, mut placed) = (self.placed > 0, 0);
        let count = self.jobs.take_first(most, follows, |entry| {
            let job = entry.units.abandon().0;
            placed += usize::from(any_placed && job.job().handed_out().takes_places());
            take(job);
        });
        self.placed -= placed;
        self.waiting -= count;
        Some((before, count))
    }
}

impl<J: ?Sized + AsJob> Queue<J> {
    /// The next unit: one that came back, one at the head, or one of those that have arrived.
    pub(super) fn take(&self, inner: &mut Inner<J>) -> Option<Claim<J>> {
        self.fetch(inner);
        inner.next()
    }

    /// Where the head has no units, takes over what has arrived at the tail.
    pub(super) fn fetch(&self, inner: &mut Inner<J>) {
        if inner.waiting == 0 && self.at_tail.load(Ordering::Relaxed) > 0 {
            let mut tail = self.lock_tail();
            std::mem::swap(&mut inner.jobs, &mut tail.jobs);
            inner.waiting = std::mem::take(&mut tail.units);
            self.at_tail.store(0, Ordering::Relaxed);
        }
    }
}
