//! A job as its caller's side sees it: something to wait for, and an outcome to look at or to take.
//!
//! # Safety
//!
//! The two traits say what their caller must know; the handle, who is the only one, knows it.
#![expect(unsafe_code, reason = "an outcome is owned by protocol, not by lock")]

use std::sync::Arc;

use crate::cancel::EndEarly;
use crate::error::TaskError;
use crate::shared::PoolShared;
use crate::task_state::TaskState;
use crate::unit::TaskId;

/// How far a call, a map or an imap has come: see [`AsyncResult::progress`](crate::AsyncResult::progress) and
/// [`Imap::progress`](crate::Imap::progress).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Items that are done.
    pub done: usize,
    /// All items, where it is known how many there are.
    pub total: Option<usize>,
}

/// A job as those who wait for it see it.
pub(crate) trait Awaited: EndEarly {
    fn state(&self) -> &TaskState;
    fn shared(&self) -> &Arc<PoolShared>;
    fn id(&self) -> TaskId;
    /// How many of its items are done.
    fn progress(&self) -> Progress;
}

/// A job as its handle sees it.
pub(crate) trait Outcome<T, E>: Awaited {
    /// Moves the outcome out.
    ///
    /// # Safety
    ///
    /// The job is ready, and the caller alone may touch its outcome.
    unsafe fn take(&self) -> Option<Result<T, TaskError<E>>>;

    /// Looks at the outcome.
    ///
    /// # Safety
    ///
    /// The job is ready, and nobody takes the outcome while the reference lives.
    unsafe fn peek(&self) -> Option<Result<&T, &TaskError<E>>>;

    /// Nobody will take the outcome.
    ///
    /// # Safety
    ///
    /// The one handle of the job goes, and has not taken the outcome.
    unsafe fn forget(&self);
}
