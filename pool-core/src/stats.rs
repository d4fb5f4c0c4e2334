//! Statistics: tasks, errors, and the first error that nobody looked at.
//!
//! An error is handled when somebody gets it: by `get`, `get_timeout`, `get_ref`, by awaiting the handle, in an
//! error callback, as an item of an `imap`. It is unhandled when its handle, or the iterator it waits in, was dropped before
//! that. What `terminate` ends, or somebody cancels, is not an error.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::TaskError;
use crate::report::Report;

/// What came of a pool's work so far.
///
/// Tasks are counted as workers see them: a call is one, and so is each chunk of a map or an `imap`. Errors are
/// counted as callers see them: a call or a map has one at most, an `imap` one for each item that failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TaskStats {
    /// Tasks that were admitted.
    pub submitted: u64,
    /// Of these, tasks that have ended, well or badly, or never will run.
    pub ended: u64,
    /// Errors that came of them.
    pub errors: u64,
    /// Of these, errors that nobody looked at and nobody can any more: their handle was dropped.
    pub unhandled: u64,
    /// The first of those, in the order in which they became unhandled.
    pub first_unhandled: Option<UnhandledError>,
}

/// An error that nobody looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnhandledError {
    /// The task that failed: `task 7, submitted at src/main.rs:8:14`.
    pub task: String,
    /// Its error; of a function's own error the text, where its type is text, else the type's name.
    pub error: TaskError<String>,
}

impl fmt::Display for UnhandledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.error, self.task)
    }
}

impl std::error::Error for UnhandledError {}

/// What a pool counts of its errors.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    errors: AtomicU64,
    unhandled: AtomicU64,
    first: Mutex<Option<UnhandledError>>,
}

impl Counters {
    /// So many errors more.
    pub(crate) fn errors(&self, more: u64) {
        self.errors.fetch_add(more, Ordering::Relaxed);
    }

    /// Counts an error that nobody looked at.
    pub(crate) fn unhandled(&self, task: impl FnOnce() -> String, error: TaskError<String>) {
        if !counts(&error) {
            return;
        }
        self.unhandled.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| UnhandledError {
            task: task(),
            error,
        });
    }

    /// The counts, with what the queue knows of tasks.
    pub(crate) fn task_stats(&self, submitted: u64, unfinished: u64) -> TaskStats {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        TaskStats {
            submitted,
            ended: submitted.saturating_sub(unfinished),
            errors: self.errors.load(Ordering::Relaxed),
            unhandled: self.unhandled.load(Ordering::Relaxed),
            first_unhandled: first.clone(),
        }
    }
}

/// Whether it counts as an error: what `terminate` ended, or somebody has cancelled, does not.
pub(crate) fn counts<E>(error: &TaskError<E>) -> bool {
    !matches!(error, TaskError::Terminated | TaskError::Cancelled)
}

/// An error as text, which can be kept when the error itself is dropped.
pub(crate) fn in_words<E: 'static>(error: &TaskError<E>) -> TaskError<String> {
    in_words_of(error.as_ref())
}

/// As [`in_words`], of an error whose function's own one is borrowed.
pub(crate) fn in_words_of<E: 'static>(error: TaskError<&E>) -> TaskError<String> {
    error.map(|raised| {
        let raised: &dyn Any = raised;
        let text = raised.downcast_ref::<String>().cloned();
        text.or_else(|| raised.downcast_ref::<&str>().map(ToString::to_string))
            .or_else(|| raised.downcast_ref::<Report>().map(ToString::to_string))
            .unwrap_or_else(|| format!("an error of the type {}", type_name::<E>()))
    })
}
