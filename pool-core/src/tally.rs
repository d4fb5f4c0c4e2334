//! What came of a pool's work, in numbers, and the first error that went unseen.
//!
//! An error is seen when somebody gets it: by `get`, `get_timeout`, `get_ref`, by awaiting the handle, in an
//! error callback, as an item of an `imap`. It is unseen when the last one who could have got it has gone: its
//! handle was dropped, or the iterator it waits in. What `terminate` ends is no error of anybody.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;
use crate::report::Report;

/// What came of a pool's work so far.
///
/// Tasks are counted as workers see them: a call is one, and so is each chunk of a map or an `imap`. Errors are
/// counted as callers see them: a call or a map has one at most, an `imap` one for each item that failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Tasks that were let in.
    pub submitted: u64,
    /// Of these, tasks that have ended, well or badly, or never will run.
    pub ended: u64,
    /// Errors that came of them.
    pub errors: u64,
    /// Of these, errors that nobody looked at and nobody can any more: their handle was dropped.
    pub unseen: u64,
    /// The first of those, in the order in which they became unseen.
    pub first_unseen: Option<Unseen>,
}

/// An error that nobody looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// The task that failed: `task 7, submitted at src/main.rs:8:14`.
    pub task: String,
    /// Its failure; of an error of the task's own the words, where its type is text, else the type's name.
    pub failure: Failure<String>,
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.failure, self.task)
    }
}

impl std::error::Error for Unseen {}

/// The books of one pool.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    errors: AtomicU64,
    unseen: AtomicU64,
    first: Mutex<Option<Unseen>>,
}

impl Ledger {
    /// So many errors more.
    pub(crate) fn errors(&self, more: u64) {
        self.errors.fetch_add(more, Ordering::Relaxed);
    }

    /// An error was lost.
    pub(crate) fn lost(&self, task: impl FnOnce() -> String, failure: Failure<String>) {
        if !counts(&failure) {
            return;
        }
        self.unseen.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| Unseen {
            task: task(),
            failure,
        });
    }

    /// The books, with what the queue knows of tasks.
    pub(crate) fn tally(&self, submitted: u64, unfinished: u64) -> Tally {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        Tally {
            submitted,
            ended: submitted.saturating_sub(unfinished),
            errors: self.errors.load(Ordering::Relaxed),
            unseen: self.unseen.load(Ordering::Relaxed),
            first_unseen: first.clone(),
        }
    }
}

/// Whether a failure is an error of somebody: what the caller ended is not.
pub(crate) fn counts<E>(failure: &Failure<E>) -> bool {
    !matches!(failure, Failure::Terminated | Failure::Cancelled)
}

/// A failure in words that can be kept when its error has gone.
pub(crate) fn in_words<E: 'static>(failure: &Failure<E>) -> Failure<String> {
    failure.as_ref().map(|raised| {
        let raised: &dyn Any = raised;
        let text = raised.downcast_ref::<String>().cloned();
        text.or_else(|| raised.downcast_ref::<&str>().map(ToString::to_string))
            .or_else(|| raised.downcast_ref::<Report>().map(ToString::to_string))
            .unwrap_or_else(|| format!("an error of the type {}", type_name::<E>()))
    })
}
