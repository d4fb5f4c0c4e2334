//! What the world asks of a pool, whosever pool it is: the contract's ([`super::contract`]), or CPython's
//! ([`super::cpython`]).

use std::collections::BTreeMap;

use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::interp::Caller;
use crate::protocol;

/// What came of a task, of a job, or of a call.
pub(super) type Outcome = Result<Value, Raised>;

/// A job's number in its pool, in the order of submission.
pub(super) type JobId = usize;

/// An iterator's number in its pool, in the order of their making.
pub(super) type IterId = usize;

/// A worker of a pool; one that takes another's place has a number of its own.
pub(super) type Worker = i32;

/// A pool as a program asks for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) size: Option<u64>,
    /// W2: tasks (chunks) after which a worker leaves.
    pub(super) share: Option<u64>,
    /// W1: the number of what each worker runs first.
    pub(super) initializer: Option<u64>,
    /// C5: tasks (chunks) that may wait.
    pub(super) queue: Option<u64>,
}

/// What is handed to a pool in one call.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// The tasks, in order.
    pub(super) keys: Vec<Key>,
    /// O13: into how many arguments each item is unpacked.
    pub(super) args: u32,
    /// A map: its value is a list, and its tasks go to the workers in chunks.
    pub(super) many: bool,
    /// O11: a chunk of an imap, whose items fail each for itself.
    pub(super) settled: bool,
    pub(super) chunksize: Option<u64>,
    pub(super) callback: Option<Key>,
    pub(super) error_callback: Option<Key>,
}

impl Work {
    /// R5: the one callback of a job that has come to this.
    pub(super) fn callback_for(&self, outcome: &Outcome) -> Option<Key> {
        match outcome {
            Ok(_) => self.callback,
            Err(_) => self.error_callback,
        }
    }

    /// A chunk of an imap.
    pub(super) fn settled(keys: Vec<Key>) -> Work {
        Work {
            chunksize: Some(keys.len() as u64),
            keys,
            args: 1,
            many: true,
            settled: true,
            callback: None,
            error_callback: None,
        }
    }
}

/// A body that begins now.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Begin {
    Task {
        key: Key,
        worker: Worker,
        args: u32,
    },
    Callback {
        key: Key,
        with: Outcome,
    },
    /// W1: a worker starts, by this initializer.
    Start {
        key: Key,
        worker: Worker,
        initializer: u64,
    },
}

/// How a body ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    With(Outcome),
    /// R9: with a value that cannot travel; where that is an error, it was raised.
    Unsendable {
        raised: bool,
    },
    /// Its worker went with it: of what, and what its process left with.
    WorkerDied {
        cause: String,
        code: i64,
    },
}

/// A pool from its making to its end. Nothing in it waits: [`Pool::begin`] says what starts now, whoever plays the
/// bodies says how they ended, and whoever is in a call asks again whenever something has happened.
pub(super) trait Pool: std::fmt::Debug {
    /// L2: whether it takes work in at all.
    fn accepts(&self) -> Result<(), Raised>;

    /// C5: whether a queue with a bound has a place for this work now; for a map whose caller waits, one is enough.
    /// CPython's has no bound.
    fn has_place(&self, _work: &Work, _waits: bool) -> bool {
        true
    }

    /// C5: whether more waits than there are places, so that who has handed in a map waits.
    fn is_overfull(&self) -> bool {
        false
    }

    /// Takes work in.
    fn submit(&mut self, work: Work) -> Result<JobId, Raised>;

    /// What a job came to, once it is ready.
    fn outcome(&self, job: JobId) -> Option<&Outcome>;

    /// The place of a job in the order in which jobs were decided, once it is ready.
    fn done(&self, job: JobId) -> Option<usize>;

    /// Takes an input in that is read bit by bit.
    fn imap(&mut self, wish: &protocol::Stream<'_>) -> Result<IterId, Raised>;

    /// Somebody asks an iterator for its next result.
    fn asked(&mut self, _iterator: IterId) {}

    /// Lets an iterator take in what has come, for one who waits.
    fn advance(&mut self, iterator: IterId);

    /// The result that an iterator is to give, if there is one.
    fn next(&self, iterator: IterId) -> Option<Outcome>;

    /// The place of the job that its next result came of, in the order in which jobs were decided.
    fn came(&self, _iterator: IterId) -> usize {
        0
    }

    /// The result was given.
    fn taken(&mut self, iterator: IterId);

    /// The error of one who has asked an iterator with a time limit, where that cannot be done.
    fn unlimited(&self, _iterator: IterId) -> Option<Raised> {
        None
    }

    /// Whether more was read of an endless input than the case has items for; said once.
    fn ran_dry(&mut self) -> bool {
        false
    }

    /// No further work.
    fn close(&mut self);

    /// Stops it; gives the tasks that are stopped in the middle.
    fn terminate(&mut self, by: Caller) -> Vec<Key>;

    /// What this caller's `terminate` returns with now, if it does.
    fn terminated(&self, by: Caller) -> Option<Outcome>;

    /// Whether there are workers that are given a time to listen (L7).
    fn has_grace(&self) -> bool {
        false
    }

    /// Ends what did not listen to terminate, or did not get to hear of it; gives the tasks that are stopped in the
    /// middle.
    fn kill(&mut self) -> Vec<Key>;

    /// Whether this caller may wait for its end.
    fn join(&mut self, by: Caller) -> Result<(), Raised>;

    /// What this caller's `join` returns with now, if it does.
    fn joined(&self, by: Caller) -> Option<Outcome>;

    /// Whether it goes on when its program lets go of it.
    fn is_kept(&self) -> bool {
        false
    }

    /// Whether nothing of it is left.
    fn is_gone(&self) -> bool;

    /// What begins now. Called when anything has happened, it leaves nobody idle beside work. `waits` says of bodies
    /// that are blocked until something of this very pool has happened which job's end, by its place among all
    /// that were decided, lets them go on; none yet where they still wait. `next` is the number that the next worker
    /// to start by an initializer has.
    ///
    /// W1 is the same in CPython. R12 is not: a process that cannot start is followed by the next at once and for ever,
    /// which ends where the stage sees no end of it; a thread that cannot is not missed before a result comes in.
    fn begin(&mut self, waits: &BTreeMap<Key, Option<usize>>, next: &mut Key) -> Vec<Begin>;

    /// R12: the pauses, not told yet, after which workers that could not start are tried again.
    fn pauses(&mut self) -> Vec<Time> {
        Vec::new()
    }

    /// R12: one of them is over.
    fn pause_over(&mut self) {}

    /// A body of this pool ended; false when it has none of this number at work.
    fn ended(&mut self, key: Key, end: &End) -> bool;

    /// R11: the worker that ran this body, if it is one of this pool's, is killed from outside. Gives the body that it
    /// is at now.
    ///
    /// In CPython one that rests may have the lock of the queue, which nobody gives back then.
    fn kill_worker(&mut self, key: Key) -> Option<Key>;

    /// The worker of this body ignores SIGTERM from now on; false where the pool has no such body at work.
    fn deafen(&mut self, key: Key) -> bool;

    /// The worker of this body rests until somebody ends it.
    fn stopped(&mut self, key: Key);

    /// Its tasks and callbacks that have begun and not ended.
    fn bodies(&self) -> Vec<Key>;

    /// Whether this callback runs: in the program itself, on workers of either kind.
    fn is_calling(&self, key: Key) -> bool;

    /// Whether a body can go on when what it waits for has come.
    fn can_go_on(&self, _key: Key) -> bool {
        true
    }

    /// Whether a body that waits for this job would wait for itself, and is told so.
    fn waits_for_itself(&self, _key: Key, _job: JobId) -> bool {
        false
    }

    /// Whether a thread of it is at work without end, so that nobody sees what comes next.
    fn spins(&self) -> bool {
        false
    }

    /// Why what comes next depends on who is faster, where it does.
    fn race(&self) -> Option<&'static str> {
        None
    }
}
