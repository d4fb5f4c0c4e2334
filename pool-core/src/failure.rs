//! Why a task has no value, and what a caller did wrong.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::report::Reason;

/// Why a task, or a call, has no value.
///
/// One flat error for every call: `Raised` only comes from the `try_` forms, whose functions return a
/// `Result<R, E>`; everywhere else `E` is [`Never`] and the arm cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Failure<E = Never> {
    /// The task's function returned this error.
    Raised(E),
    /// The task panicked.
    Panicked(Box<Panic>),
    /// The worker died while it ran the task.
    WorkerLost(Box<WorkerLost>),
    /// An argument or a result could not be encoded.
    Encode(Box<CodecError>),
    /// An argument or a result could not be decoded.
    Decode(Box<CodecError>),
    /// The pool was terminated before the task had finished.
    Terminated,
    /// The time given to the call, or to the task, was over.
    TimedOut,
    /// The task was cancelled.
    Cancelled,
    /// The call was not allowed; nothing was done.
    Misuse(Misuse),
}

impl<E> Failure<E> {
    /// The same failure with the task's own error replaced.
    pub fn map<F>(self, f: impl FnOnce(E) -> F) -> Failure<F> {
        self.and_then(|error| Failure::Raised(f(error)))
    }

    /// The same failure, or what the task's own error is made into.
    pub(crate) fn and_then<F>(self, f: impl FnOnce(E) -> Failure<F>) -> Failure<F> {
        match self {
            Failure::Raised(error) => f(error),
            Failure::Panicked(panic) => Failure::Panicked(panic),
            Failure::WorkerLost(lost) => Failure::WorkerLost(lost),
            Failure::Encode(error) => Failure::Encode(error),
            Failure::Decode(error) => Failure::Decode(error),
            Failure::Terminated => Failure::Terminated,
            Failure::TimedOut => Failure::TimedOut,
            Failure::Cancelled => Failure::Cancelled,
            Failure::Misuse(misuse) => Failure::Misuse(misuse),
        }
    }

    /// The same failure with the task's own error borrowed.
    pub fn as_ref(&self) -> Failure<&E> {
        match self {
            Failure::Raised(error) => Failure::Raised(error),
            Failure::Panicked(panic) => Failure::Panicked(panic.clone()),
            Failure::WorkerLost(lost) => Failure::WorkerLost(lost.clone()),
            Failure::Encode(error) => Failure::Encode(error.clone()),
            Failure::Decode(error) => Failure::Decode(error.clone()),
            Failure::Terminated => Failure::Terminated,
            Failure::TimedOut => Failure::TimedOut,
            Failure::Cancelled => Failure::Cancelled,
            Failure::Misuse(misuse) => Failure::Misuse(*misuse),
        }
    }
}

impl<E: Clone> Failure<&E> {
    /// The same failure with the task's own error cloned: one that borrows nothing, and so goes by `?` where a
    /// `Box<dyn Error>` is wanted.
    ///
    /// An error that cannot be cloned can be told: `failure.map(|error| Report::of(error))`.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{Failure, Report};
    ///
    /// fn checked(end: Result<&u32, Failure<&std::io::Error>>) -> Result<u32, Box<dyn std::error::Error>> {
    ///     Ok(*end.map_err(|failure| failure.map(|error| Report::of(error)))?)
    /// }
    /// let error = std::io::Error::other("no paper");
    /// let told = checked(Err(Failure::Raised(&error))).map_err(|error| error.to_string());
    /// assert_eq!(told, Err("task failed: no paper".to_owned()));
    ///
    /// let lent = Failure::Raised(&7);
    /// assert_eq!(lent.cloned(), Failure::Raised(7));
    /// ```
    pub fn cloned(self) -> Failure<E> {
        self.map(E::clone)
    }
}

impl Failure {
    /// A failure that no function raised, as one of any task.
    pub fn widen<E>(self) -> Failure<E> {
        self.map(|never| match never {})
    }
}

impl<E> From<Misuse> for Failure<E> {
    fn from(misuse: Misuse) -> Self {
        Failure::Misuse(misuse)
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Raised(error) => write!(f, "task failed: {error}"),
            Failure::Panicked(panic) => panic.fmt(f),
            Failure::WorkerLost(lost) => lost.fmt(f),
            Failure::Encode(error) => write!(f, "cannot encode {error}"),
            Failure::Decode(error) => write!(f, "cannot decode {error}"),
            Failure::Terminated => f.write_str("pool was terminated before the task had finished"),
            Failure::TimedOut => f.write_str("timed out"),
            Failure::Cancelled => f.write_str("task was cancelled"),
            Failure::Misuse(misuse) => misuse.fmt(f),
        }
    }
}

impl<E: Reason> std::error::Error for Failure<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Failure::Raised(error) => Some(error.as_error()),
            Failure::WorkerLost(lost) => Some(lost),
            Failure::Misuse(misuse) => Some(misuse),
            _ => None,
        }
    }
}

/// The error of a task that cannot fail politely: it has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

/// What a caller did wrong: the call was refused and the pool is unharmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// Work was submitted to a pool that was closed or terminated.
    #[error("pool not running")]
    NotRunning,
    /// `join` was called before `close` or `terminate`.
    #[error("pool is still running: close() or terminate() it before join()")]
    StillRunning,
    /// `successful` was asked of a task that has not finished.
    #[error("task not ready: successful() has no answer before it has finished")]
    NotReady,
    /// The value was moved out before.
    #[error("result was taken already")]
    Taken,
    /// The call would wait for itself.
    #[error("call would wait for itself: it was made by a task or callback it waits for")]
    WouldDeadlock,
    /// A chunk size of zero.
    #[error("chunk size must be at least 1")]
    ZeroChunksize,
    /// A read-ahead of zero.
    #[error("read-ahead must be at least 1")]
    ZeroReadAhead,
    /// The queue has a bound, and no place.
    #[error("queue is full")]
    QueueFull,
    /// The pool, or the handle, belongs to the process that this one was forked from.
    #[error(
        "pool belongs to the process that this one was forked from: make a pool of its own here"
    )]
    Forked,
}

/// What a task said when it panicked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// The panic's message.
    pub message: String,
    /// File, line and column, when the panic hook is ours.
    pub location: Option<String>,
    /// The worker's backtrace, when `RUST_BACKTRACE` asks for one.
    pub backtrace: Option<String>,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task panicked: {}", self.message)?;
        if let Some(location) = &self.location {
            write!(f, " (at {location})")?;
        }
        Ok(())
    }
}

/// A worker died while it ran a task, or before it could begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLost {
    /// Its process id; 0 where none was started.
    pub pid: u32,
    /// What it died of.
    pub cause: Cause,
    /// The task that it was running, for people: its function where that is known, the items that are lost with
    /// it, its number and the place of its submission.
    pub task: String,
    /// The items that are lost with it, as indexes of the whole input of the map or imap, from 0; `None` where the
    /// task was a call. A chunk is lost as a whole, also what had been done of it.
    pub items: Option<Range<usize>>,
    /// Whether the task had begun, and may have done a part of its work. One that had not is given to other workers first,
    /// and lost where several of them ended as well.
    pub begun: bool,
    /// What may explain it: `its memory is limited to 512 MiB`.
    pub hint: Option<String>,
}

impl fmt::Display for WorkerLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.begun {
            "while running"
        } else {
            "before it began"
        };
        write!(f, "worker lost: {}", self.cause)?;
        if self.pid != 0 {
            write!(f, " (pid {})", self.pid)?;
        }
        write!(f, " {at} {}", self.task)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for WorkerLost {}

/// What a worker died of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Cause {
    /// A signal.
    Signal {
        /// Its number.
        signal: i32,
        /// Its name, `SIGKILL`.
        name: String,
        /// Whether a core was dumped.
        core_dumped: bool,
    },
    /// It left with this exit code.
    Exit(i32),
    /// It ended, and the system could not say how: this is why. It is so on Linux before 6.15 alone, where the fork
    /// server was lost before the worker, or another part of the program has taken the worker's status.
    Unknown(String),
    /// It broke the protocol and was stopped for it.
    Protocol(String),
    /// It could not be started, or ended during its start, in all tries.
    Start(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Signal {
                name, core_dumped, ..
            } => {
                let core = if *core_dumped { ", core dumped" } else { "" };
                write!(f, "killed by {name}{core}")
            }
            Cause::Exit(code) => write!(f, "exited with code {code}"),
            Cause::Unknown(why) => write!(f, "ended, but how is not known: {why}"),
            Cause::Protocol(what) => write!(f, "stopped for breaking the protocol: {what}"),
            Cause::Start(why) => write!(f, "did not start: {why}"),
        }
    }
}

/// A value that could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{type_name}: {reason}")]
pub struct CodecError {
    /// The value's type.
    pub type_name: String,
    /// Why.
    pub reason: String,
}
