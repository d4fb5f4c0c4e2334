//! A job in the queue, and its units.
//!
//! A [`Unit`] is a move-only token for one part of a job. Finishing that part consumes the token, so no part can finish twice.
//! Only the link of a job cell makes units; it counts those that it has handed out. It also counts those that will never be
//! handed out, as [`Unclaimed`].

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::observer::TaskInfo;
use crate::task_state::TaskState;
use crate::thread_state::Interruptible;
use crate::work::sealed;

/// Number of a task in its pool, from 0 in the order in which the queue has admitted them; a map counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(crate) u64);

impl TaskId {
    /// That of a task that was not admitted.
    pub(crate) const NONE: TaskId = TaskId(u64::MAX);
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A move-only token for one part of one job: the queue makes one for each part, and finishing the part consumes it.
#[derive(Debug)]
#[must_use = "a unit that is not ended keeps its job waiting for ever"]
pub struct Unit {
    index: usize,
    /// A unit that is ended at another cell is refused.
    of: Name,
    /// How often it was handed out and came back.
    returns: u32,
    /// It may go to another thread, and not be shared with one: nor need what it works on be `Sync`.
    here: PhantomData<std::cell::Cell<()>>,
}

impl Unit {
    /// One of a range that was split off from the units of its job: whoever has taken it from the range makes it.
    pub(crate) fn taken(index: u32, of: Name) -> Unit {
        Unit {
            index: index as usize,
            of,
            returns: 0,
            here: PhantomData,
        }
    }

    /// Its index among the units of its job, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How often it was handed out and came back without having started.
    pub fn returns(&self) -> u32 {
        self.returns
    }

    /// Counts one more return.
    pub(crate) fn count_return(&mut self) {
        self.returns = self.returns.saturating_add(1);
    }

    /// Whether it is one of this job.
    pub(crate) fn is_of(&self, job: Name) -> bool {
        self.of == job
    }
}

/// A unit that has failed, and is to be handed out again.
#[derive(Debug)]
#[must_use = "a unit that is not handed out again keeps its job waiting for ever"]
pub struct Again {
    /// It, as before it was run.
    pub unit: Unit,
    /// After this time.
    pub pause: Duration,
}

/// A job's name, which no other one of this process has ever had: the numbers of its pool and of itself.
pub(crate) type Name = (u64, TaskId);

/// How many units of a job will never be handed out: only its queue can tell.
#[derive(Debug)]
pub struct Unclaimed(usize);

/// A job with its units that were not handed out: made once for each job, whoever brings it into a queue, and however often.
pub(crate) struct Units<J: ?Sized> {
    job: Arc<J>,
    next: u32,
    end: u32,
}

impl<J: ?Sized + AsJob> Units<J> {
    /// All units of a job, which gets this number, the first time; none after that. They take places of a queue that has a bound, or not.
    pub(crate) fn of(job: Arc<J>, id: TaskId, takes_places: bool) -> Units<J> {
        let count = job.job().hand_out(id, takes_places);
        Units {
            job,
            next: 0,
            // A cut has no more chunks.
            end: u32::try_from(count).unwrap_or(u32::MAX),
        }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Option<Unit> {
        let index = self.next;
        (index < self.end).then(|| {
            self.next += 1;
            Unit::taken(index, self.job.job().name())
        })
    }

    /// Splits off so many from the next one on, or all that are left.
    pub(crate) fn split(&mut self, most: usize) -> Range<u32> {
        let first = self.next;
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        self.next = self.end.min(first.saturating_add(most));
        first..self.next
    }

    pub(crate) fn job(&self) -> &Arc<J> {
        &self.job
    }

    /// Whether it is the one unit of its job, not handed out.
    pub(crate) fn are_one(&self) -> bool {
        self.next == 0 && self.end == 1
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        (self.end - self.next) as usize
    }

    /// The job; none of its units that are left will be handed out.
    pub(crate) fn abandon(self) -> (Arc<J>, Unclaimed) {
        let unclaimed = Unclaimed(self.len());
        (self.job, unclaimed)
    }
}

/// Whether a job's units were given to a queue, and whether they take places there; only the queue uses it.
#[derive(Debug)]
pub struct HandedOut<'a>(pub(crate) &'a TaskState);

impl HandedOut<'_> {
    /// The units take places of a queue that has a bound.
    pub(crate) fn takes_places(&self) -> bool {
        self.0.takes_places()
    }

    /// No unit of the job that has not started is to start. Whoever has one ends it, with any error.
    pub fn is_unwanted(&self) -> bool {
        self.0.is_unwanted()
    }

    /// The units of the job have a deadline: a backend calls [`Job::started`] as soon as one starts.
    pub fn is_timed(&self) -> bool {
        self.0.is_timed()
    }
}

impl Unclaimed {
    /// All were handed out.
    pub(crate) const NONE: Unclaimed = Unclaimed(0);

    /// All units of a job that was given to no queue; from now on no queue gets them.
    pub(crate) fn before_any_queue(job: &dyn Job) -> Unclaimed {
        Unclaimed(job.hand_out(TaskId::NONE, false))
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.0
    }

    /// These as well.
    pub(crate) fn add(&mut self, more: Unclaimed) {
        self.0 += more.0;
    }

    /// This one was, and came back; nothing where it is another job's.
    pub(crate) fn returned(unit: &Unit, job: &dyn Job) -> Unclaimed {
        Unclaimed(usize::from(unit.is_of(job.name())))
    }
}

/// A job as its queue sees it, whatever it works on: a [`JobCell`](crate::backend::JobCell), and nothing else.
pub trait Job: sealed::Sealed + Interruptible + Send + Sync {
    /// Whether its units were given to a queue, and whether they are still wanted.
    fn handed_out(&self) -> HandedOut<'_>;
    /// Its number in its pool.
    fn number(&self) -> TaskId {
        self.name().1
    }
    /// The numbers of its pool, in this process, and of itself, in the pool.
    fn name(&self) -> (u64, TaskId);
    /// Number of its units.
    fn units(&self) -> usize;
    /// Number of its units, the first time, when it gets this number; none after that.
    #[doc(hidden)]
    fn hand_out(&self, id: TaskId, takes_places: bool) -> usize;
    /// False once its outcome is decided: what has not started need not.
    fn is_open(&self) -> bool;
    /// The pool was terminated, and some units will never be handed out.
    fn terminate(&self, unclaimed: Unclaimed);
    /// Some units will never be handed out: the outcome of the job is decided, or will be an error.
    fn discard(&self, unclaimed: Unclaimed);
    /// A unit was lost with the worker that ran it: after which pause it is tried again. `None` where it fails.
    fn try_again(&self, unit: &Unit) -> Option<Duration>;
    /// How often a unit was tried so far.
    fn attempts(&self, unit: &Unit) -> u32;
    /// Whether a unit that has failed may come back to the queue: nothing is to lie behind it that was submitted later.
    fn may_come_back(&self) -> bool {
        false
    }
    /// The unit with this index, as an [`Observer`](crate::Observer) is told of it.
    ///
    /// # Panics
    ///
    /// When there is none with this index, and of work on a caller's stack possibly after the last unit has ended.
    fn info(&self, unit: usize) -> TaskInfo;
    /// The unit with this index has started: from now on its deadline runs, if it has one. Called with no lock held. A thread that
    /// runs a unit by [`JobCell::run`](crate::backend::JobCell::run) need not call it.
    fn started(&self, unit: usize);
    /// The items of a unit, as indexes of the whole input of its map or imap; a call has none.
    ///
    /// # Panics
    ///
    /// When the unit is another job's.
    fn items(&self, unit: &Unit) -> Option<Range<usize>>;
    /// A unit's name for people: `thumbs::resize, items 16..32 (task 7, submitted at src/main.rs:8:14)`; without
    /// the name of its function, `task 7, items 16..32, submitted at src/main.rs:8:14`.
    ///
    /// # Panics
    ///
    /// When the unit is another job's.
    fn describe(&self, unit: &Unit, function: Option<&str>) -> String;
}

/// A backend's own view of a job, as its queue takes it.
pub trait AsJob: Send + Sync {
    /// The job as the queue sees it.
    fn job(&self) -> &dyn Job;
}
