//! How a submission meets a full queue, and what it gets back when it is not let in.

use std::fmt;
use std::time::Duration;

use crate::failure::Misuse;

/// How long a submission waits for a place in a queue that has a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Entry {
    /// Until there is one.
    #[default]
    Wait,
    /// For at most this long.
    Within(Duration),
    /// Not at all.
    Now,
}

/// Why a job was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoEntry {
    /// There is no place, or there was none in time.
    Full,
    /// The call was not allowed.
    Misuse(Misuse),
}

impl From<Misuse> for NoEntry {
    fn from(misuse: Misuse) -> Self {
        NoEntry::Misuse(misuse)
    }
}

/// Work that was not let in comes back.
#[derive(Debug)]
pub struct Refused<W> {
    pub(crate) why: NoEntry,
    pub(crate) work: W,
}

impl<W> Refused<W> {
    pub(crate) fn new(why: impl Into<NoEntry>, work: W) -> Self {
        Refused {
            why: why.into(),
            work,
        }
    }

    /// What the caller is told, with the argument that is in the work.
    pub fn give_back<A>(self, argument: impl FnOnce(W) -> A) -> TrySubmitError<A> {
        let argument = argument(self.work);
        match self.why {
            NoEntry::Full => TrySubmitError::Full(argument),
            NoEntry::Misuse(misuse) => TrySubmitError::of(misuse, argument),
        }
    }

    /// Why, where nobody wants the work back.
    pub fn misuse(&self) -> Misuse {
        match self.why {
            NoEntry::Full => Misuse::QueueFull,
            NoEntry::Misuse(misuse) => misuse,
        }
    }
}

/// Why a submission was refused; the argument comes back.
///
/// # Examples
///
/// ```
/// use pool_core::TrySubmitError;
///
/// let refused = TrySubmitError::Full("argument");
/// assert_eq!(refused.to_string(), "queue is full");
/// assert_eq!(refused.into_argument(), "argument");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySubmitError<A> {
    /// The queue has no place, or had none in time.
    Full(A),
    /// The pool was closed or terminated, before the call or while it waited for a place.
    NotRunning(A),
    /// The call was not allowed: a chunk size of zero, or a worker that cannot wait for its own pool.
    Misuse(Misuse, A),
}

impl<A> TrySubmitError<A> {
    /// The refusal of a call that was not allowed.
    pub fn of(misuse: Misuse, argument: A) -> Self {
        match misuse {
            Misuse::NotRunning => TrySubmitError::NotRunning(argument),
            Misuse::QueueFull => TrySubmitError::Full(argument),
            other => TrySubmitError::Misuse(other, argument),
        }
    }

    /// The argument: of a map, its items.
    pub fn into_argument(self) -> A {
        match self {
            TrySubmitError::Full(argument)
            | TrySubmitError::NotRunning(argument)
            | TrySubmitError::Misuse(_, argument) => argument,
        }
    }

    /// Why, without the argument.
    pub fn misuse(&self) -> Misuse {
        match self {
            TrySubmitError::Full(_) => Misuse::QueueFull,
            TrySubmitError::NotRunning(_) => Misuse::NotRunning,
            TrySubmitError::Misuse(misuse, _) => *misuse,
        }
    }
}

impl<A> From<TrySubmitError<A>> for Misuse {
    fn from(refused: TrySubmitError<A>) -> Misuse {
        refused.misuse()
    }
}

impl<A> fmt::Display for TrySubmitError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.misuse().fmt(f)
    }
}

impl<A: fmt::Debug> std::error::Error for TrySubmitError<A> {}
