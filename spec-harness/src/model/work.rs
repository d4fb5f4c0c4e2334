//! What a program hands to a pool, what then begins, and how that ends.

use crate::case::expr::Value;
use crate::history::{Key, Raised};

/// What came of a task, of a job, or of a call.
pub(super) type Outcome = Result<Value, Raised>;

/// A job's number in its pool, in the order of submission.
pub(super) type JobId = usize;

/// An iterator's number in its pool, in the order of their making.
pub(super) type IterId = usize;

/// A worker of a pool; one that takes another's place has a number of its own.
pub(super) type Worker = i32;

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
