//! Whether a submission waits where the queue is full, and what it gets back when it is not admitted.

use std::fmt;
use std::time::Duration;

use crate::error::PoolError;

/// How long a submission waits for a place in a queue that has a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Admission {
    /// Until there is one.
    #[default]
    Wait,
    /// For at most this long.
    Within(Duration),
    /// Not at all.
    Now,
}

/// Why a job was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// There is no place, or there was none in time.
    Full,
    /// The pool refuses the call.
    Refused(PoolError),
}

impl From<PoolError> for NotAdmitted {
    fn from(error: PoolError) -> Self {
        NotAdmitted::Refused(error)
    }
}

/// Work that was not admitted comes back.
#[derive(Debug)]
pub(crate) struct Rejected<W> {
    pub(crate) why: NotAdmitted,
    pub(crate) work: W,
}

impl<W> Rejected<W> {
    pub(crate) fn new(why: impl Into<NotAdmitted>, work: W) -> Self {
        Rejected {
            why: why.into(),
            work,
        }
    }

    /// What the caller is told, with the argument that is in the work.
    pub(crate) fn give_back<A>(self, argument: impl FnOnce(W) -> A) -> TrySubmitError<A> {
        let argument = argument(self.work);
        match self.why {
            NotAdmitted::Full => TrySubmitError::Full(argument),
            NotAdmitted::Refused(error) => TrySubmitError::Refused(error, argument),
        }
    }
}

/// Why a submission was not admitted; the argument comes back.
///
/// # Examples
///
/// ```
/// use pool_core::TrySubmitError;
///
/// let full = TrySubmitError::Full("argument");
/// assert_eq!(full.to_string(), "queue is full");
/// assert_eq!(full.into_argument(), "argument");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySubmitError<A> {
    /// The queue has no place, or had none in time.
    Full(A),
    /// The pool refused the call: it was closed or terminated, before the call or while it waited for a place; or the call
    /// was not allowed.
    Refused(PoolError, A),
}

impl<A> TrySubmitError<A> {
    /// The argument: of a map, its items.
    pub fn into_argument(self) -> A {
        match self {
            TrySubmitError::Full(argument) | TrySubmitError::Refused(_, argument) => argument,
        }
    }

    /// True where the queue was full: a later try may be admitted.
    pub fn is_full(&self) -> bool {
        matches!(self, TrySubmitError::Full(_))
    }

    /// The refusal of a submission that waited for a place: it never finds the queue full.
    pub(crate) fn refusal(self) -> PoolError {
        match self {
            TrySubmitError::Refused(error, _) => error,
            TrySubmitError::Full(_) => {
                unreachable!("a submission without a time limit waits for a place")
            }
        }
    }
}

impl<A> fmt::Display for TrySubmitError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrySubmitError::Full(_) => f.write_str("queue is full"),
            TrySubmitError::Refused(error, _) => error.fmt(f),
        }
    }
}

impl<A: fmt::Debug> std::error::Error for TrySubmitError<A> {}
