//! What a program hands to a pool, what then begins, and how that ends.

use super::raised;
use crate::case::ast::{Kind, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::protocol;

/// What came of a task, of a job, or of a call.
pub(super) type Outcome = Result<Value, Raised>;

/// A job's number in its pool, in the order of submission.
pub(super) type JobId = usize;

/// An iterator's number in its pool, in the order of their making.
pub(super) type IterId = usize;

/// A worker of a pool; one that takes another's place has a number of its own.
pub(super) type Worker = i32;

/// What ends a call, a map or an imap early, and how often its tasks are tried again.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    /// X1: of each chunk, from its start.
    pub(super) deadline: Option<Time>,
    /// X2: of the whole, from its submission.
    pub(super) expiry: Option<Time>,
    /// X6
    pub(super) retries: u64,
    /// X6: before the first; it doubles with each.
    pub(super) pause: Time,
    /// X6: the error that is tried again as well.
    pub(super) retry_if: Option<String>,
    /// X3, X5: the token that cancels it.
    pub(super) token: Option<String>,
}

impl From<&protocol::Limits> for Limits {
    fn from(limits: &protocol::Limits) -> Limits {
        let time = |seconds: Option<f64>| seconds.and_then(Time::from_units);
        Limits {
            deadline: time(limits.deadline),
            expiry: time(limits.expiry),
            retries: limits.retries.unwrap_or_default(),
            pause: time(limits.retry_pause).unwrap_or_default(),
            retry_if: limits.retry_if.clone(),
            token: limits.cancel_on.clone(),
        }
    }
}

impl Limits {
    /// X6: what was done before a lost item is not done again, so that with retries each item is a chunk of its own.
    pub(super) fn chunksize(&self, asked: Option<u64>) -> Result<Option<u64>, Raised> {
        match (self.retries, asked) {
            (0, asked) | (_, asked @ Some(0 | 1)) => Ok(asked),
            (_, None) => Ok(Some(1)),
            (_, Some(_)) => {
                let text = "retries need chunks of one item";
                Err(raised("RetriesOfChunks", text))
            }
        }
    }

    /// What a chunk of an imap has for itself.
    fn of_chunk(&self) -> Limits {
        Limits {
            expiry: None,
            token: None,
            ..self.clone()
        }
    }
}

/// Why something ends before its work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Early {
    Cancelled,
    Expired(Time),
}

impl Early {
    /// The error that it is, where something of it still runs or not.
    pub(super) fn error(self, runs_on: bool) -> Raised {
        match self {
            Early::Cancelled => raised("Cancelled", "task was cancelled"),
            Early::Expired(limit) => exceeded("expiry", limit, runs_on),
        }
    }

    /// Whether a chunk of an imap has ended with it, and the imap with the chunk.
    pub(super) fn is(error: &Raised) -> bool {
        error.kind == "Cancelled" || error.text.starts_with("expiry of ")
    }
}

/// X1: a function on a thread runs on.
pub(super) fn late(limit: Time, kind: Kind) -> Raised {
    exceeded("deadline", limit, kind == Kind::Thread)
}

fn exceeded(what: &str, limit: Time, runs_on: bool) -> Raised {
    let runs_on = if runs_on {
        "; its function still runs"
    } else {
        ""
    };
    let text = format!("{what} of {limit} exceeded{runs_on}");
    raised("DeadlineExceeded", text)
}

/// What a pool waits for to ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// X2: of a job.
    Expiry(JobId),
    /// X2: of an imap.
    ImapExpiry(IterId),
    /// X1: of this start of a chunk.
    Deadline(u64),
    /// X1, X4: until the worker that runs this start is killed.
    Stop(u64),
    /// X6: until a lost chunk is tried again.
    Retry(u64),
    /// L7: until all workers are killed.
    Grace,
    /// R12: until a worker that could not start is tried again.
    Pause(u32),
    /// X8: until this worker is as old as it may get.
    Age(u64),
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
    pub(super) of_imap: bool,
    pub(super) chunksize: Option<u64>,
    pub(super) callback: Option<Key>,
    pub(super) error_callback: Option<Key>,
    pub(super) limits: Limits,
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
    pub(super) fn imap_chunk(keys: Vec<Key>, limits: &Limits) -> Work {
        Work {
            limits: limits.of_chunk(),
            chunksize: Some(keys.len() as u64),
            keys,
            args: 1,
            many: true,
            of_imap: true,
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
