//! A job in the queue, and its units: the right to end one part of one job, made once and consumed by its end.
//!
//! A unit can only be made here, by the link of its own cell, which counts those that it has handed out. What no
//! longer is to be handed out is known to the same link, and told as [`Unclaimed`].

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::shared::TaskId;
use crate::work::sealed;

/// The right to end one unit of one job: made by the queue, once for each unit, and consumed by its end.
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
    /// Which of its job's units it is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// How often it was handed out and came back without having started.
    pub fn returns(&self) -> u32 {
        self.returns
    }

    /// It comes back once more.
    pub(crate) fn count_return(&mut self) {
        self.returns = self.returns.saturating_add(1);
    }

    /// Whether it is one of this job.
    pub(crate) fn is_of(&self, job: Name) -> bool {
        self.of == job
    }
}

/// A job's name, which no other one of this process has ever had: the numbers of its pool and of itself.
pub(crate) type Name = (u64, TaskId);

/// How many units of a job will never be handed out: only its queue can tell.
#[derive(Debug)]
pub struct Unclaimed(usize);

/// A job's place in its pool's queue; only the queue uses it.
pub struct Link<J: ?Sized>(Mutex<Linked<J>>);

pub(crate) struct Linked<J: ?Sized> {
    /// The job behind this one.
    pub(crate) next: Option<Arc<J>>,
    /// How many units were handed out.
    pub(crate) claimed: usize,
    /// How many units the queue had let in before this job's first.
    pub(crate) before: u64,
    /// Its units take places of a queue that has a bound.
    pub(crate) takes_places: bool,
}

impl<J: ?Sized> Linked<J> {
    /// The next unit of the job whose link this is, and whether it was the last; nothing when all were handed out.
    pub(crate) fn claim(&mut self, job: &dyn Job<J>) -> Option<(Unit, bool)> {
        let index = self.claimed;
        (index < job.units()).then(|| {
            self.claimed += 1;
            let unit = Unit {
                index,
                of: job.name(),
                returns: 0,
                here: PhantomData,
            };
            (unit, self.claimed == job.units())
        })
    }

    /// Hands out no more units.
    pub(crate) fn abandon(&mut self, job: &dyn Job<J>) -> Unclaimed {
        let claimed = mem::replace(&mut self.claimed, job.units());
        Unclaimed(job.units() - claimed)
    }
}

impl Unclaimed {
    /// All were handed out.
    pub(crate) const NONE: Unclaimed = Unclaimed(0);

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.0
    }

    /// This one was, and came back; nothing where it is another job's.
    pub(crate) fn returned<J: ?Sized>(unit: &Unit, job: &dyn Job<J>) -> Unclaimed {
        Unclaimed(usize::from(unit.is_of(job.name())))
    }
}

impl<J: ?Sized> Link<J> {
    /// The place of a job of which nothing was handed out.
    pub(crate) fn new() -> Self {
        Link(Mutex::new(Linked {
            next: None,
            claimed: 0,
            before: 0,
            takes_places: false,
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Linked<J>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: ?Sized> fmt::Debug for Link<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("claimed", &self.lock().claimed)
            .finish_non_exhaustive()
    }
}

/// A job as its queue sees it, whatever it works on: a [`JobCell`](crate::backend::JobCell), and nothing else. `J` is how its backend sees it.
pub trait Job<J: ?Sized>: sealed::Sealed + Send + Sync {
    /// Its place in the queue.
    fn link(&self) -> &Link<J>;
    /// Its number in its pool.
    fn number(&self) -> TaskId {
        self.name().1
    }
    /// The numbers of its pool, in this process, and of itself, in the pool.
    fn name(&self) -> (u64, TaskId);
    /// Number of its units.
    fn units(&self) -> usize;
    /// False once its outcome is decided: what has not started need not.
    fn is_open(&self) -> bool;
    /// The pool was terminated, and some units will never be handed out.
    fn terminate(&self, unclaimed: Unclaimed);
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
    fn job(&self) -> &dyn Job<Self>;
}
