//! Why a task has no value, and why a pool refused a call.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a task, or a call, has no value.
///
/// [`Raised`](TaskError::Raised) comes from the `try_` forms only, whose functions return a `Result<R, E>`. Everywhere else `E`
/// is [`Never`], and the variant cannot occur.
///
/// It is an [`Error`](std::error::Error) wherever `E` can be printed, so `?` takes it along also where `E` is a `String`.
/// Its message holds that of the function's error. To walk the sources of that error, match on
/// [`Raised`](TaskError::Raised).
///
/// # Examples
///
/// ```
/// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
/// use pool_core::TaskError;
///
/// match pool.try_map(str::parse::<u8>, ["1", "many", "3"]) {
///     Err(TaskError::Raised { error, item, .. }) => {
///         assert_eq!(item, Some(1));
///         assert_eq!(error.to_string(), "invalid digit found in string");
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskError<E = Never> {
    /// The function returned an error.
    #[non_exhaustive]
    Raised {
        /// What it returned.
        error: E,
        /// The item of a map or imap that it was called with, as an index of the input, from 0; `None` for a call.
        item: Option<usize>,
        /// The end of what the task has written to stderr: see [`stderr`](TaskError::stderr).
        stderr: Option<Box<str>>,
        /// How often the function was called: see [`attempts`](TaskError::attempts).
        attempts: u32,
    },
    /// The function panicked.
    Panicked(Box<Panic>),
    /// The worker died while it ran the task.
    WorkerLost(Box<WorkerLost>),
    /// An argument or a result could not be encoded.
    Encode(Box<CodecError>),
    /// An argument or a result could not be decoded.
    Decode(Box<CodecError>),
    /// The task had a deadline, or the call an expiry, which has passed before it had finished. It is no error of a wait, which is
    /// [`TimedOut`].
    DeadlineExceeded(Box<DeadlineExceeded>),
    /// The task was cancelled before it had finished.
    Cancelled,
    /// The pool was terminated before the task had finished.
    Terminated,
    /// The pool refused the call; nothing was done.
    Pool(PoolError),
}

impl<E> TaskError<E> {
    /// A function's own error, of a call.
    pub fn raised(error: E) -> Self {
        TaskError::Raised {
            error,
            item: None,
            stderr: None,
            attempts: 1,
        }
    }

    /// How often the task was tried: more than once only with [`retries`](crate::Call::retries).
    pub fn attempts(&self) -> u32 {
        match self {
            TaskError::Raised { attempts, .. } => *attempts,
            TaskError::WorkerLost(lost) => lost.attempts,
            _ => 1,
        }
    }

    /// The same error of a function, of a task that was tried so often.
    pub(crate) fn with_attempts(mut self, tried: u32) -> Self {
        if let TaskError::Raised { attempts, .. } = &mut self {
            *attempts = tried;
        }
        self
    }

    /// The end of what the task had written to stderr, at most 4 KiB, where its pool reads that: a pool of processes whose builder has
    /// set `output` to something else than `Inherit`. `None` where the task has written nothing.
    pub fn stderr(&self) -> Option<&str> {
        match self {
            TaskError::Raised { stderr, .. } => stderr.as_deref(),
            TaskError::Panicked(panic) => panic.stderr.as_deref(),
            TaskError::WorkerLost(lost) => lost.stderr.as_deref(),
            _ => None,
        }
    }

    /// The same error, with the end of what the task had written to stderr: for backends. An error that has no place for it stays as it
    /// is.
    #[must_use]
    pub fn with_stderr(mut self, text: Option<String>) -> Self {
        match &mut self {
            TaskError::Raised { stderr, .. } => *stderr = text.map(String::into_boxed_str),
            TaskError::Panicked(panic) => panic.stderr = text,
            TaskError::WorkerLost(lost) => lost.stderr = text,
            _ => {}
        }
        self
    }

    /// The item of a map or imap that it is about, as an index of the input, from 0. Where a whole chunk of a map was lost
    /// with its worker, it is the first item of it: [`WorkerLost::items`] has all of them. `None` for a call, and where no
    /// item is to blame.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let halves = pool.try_imap_unordered(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err("odd") }, [2, 4, 7])?;
    /// let failed: Vec<_> = halves.filter_map(Result::err).map(|error| error.item()).collect();
    /// assert_eq!(failed, [Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn item(&self) -> Option<usize> {
        match self {
            TaskError::Raised { item, .. } => *item,
            TaskError::Panicked(panic) => panic.item,
            TaskError::WorkerLost(lost) => lost.item.or_else(|| Some(lost.items.as_ref()?.start)),
            TaskError::Encode(error) | TaskError::Decode(error) => error.item,
            TaskError::DeadlineExceeded(exceeded) => exceeded
                .item
                .or_else(|| Some(exceeded.items.as_ref()?.start)),
            TaskError::Cancelled | TaskError::Terminated | TaskError::Pool(_) => None,
        }
    }

    /// The same error, about this item of a map or imap. A call's error, and one that is about no item, stay as they are.
    pub fn at_item(self, item: usize) -> Self {
        self.change_item(|_| Some(item))
    }

    /// The same error, about another item.
    fn change_item(mut self, change: impl FnOnce(Option<usize>) -> Option<usize>) -> Self {
        let item = match &mut self {
            TaskError::Raised { item, .. } => item,
            TaskError::Panicked(panic) => &mut panic.item,
            TaskError::WorkerLost(lost) => &mut lost.item,
            TaskError::Encode(error) | TaskError::Decode(error) => &mut error.item,
            TaskError::DeadlineExceeded(exceeded) => &mut exceeded.item,
            TaskError::Cancelled | TaskError::Terminated | TaskError::Pool(_) => return self,
        };
        *item = change(*item);
        self
    }

    /// The same error, of a unit with these items: its item was counted within the unit.
    pub(crate) fn in_unit(self, items: Option<Range<usize>>) -> Self {
        match items {
            Some(items) => self.change_item(|item| Some(items.start + item?)),
            None => self,
        }
    }

    /// The function's own error, if it is one.
    pub fn into_raised(self) -> Option<E> {
        match self {
            TaskError::Raised { error, .. } => Some(error),
            _ => None,
        }
    }

    /// The same error with the function's own one replaced.
    pub fn map<F>(self, f: impl FnOnce(E) -> F) -> TaskError<F> {
        match self {
            TaskError::Raised {
                error,
                item,
                stderr,
                attempts,
            } => TaskError::Raised {
                error: f(error),
                item,
                stderr,
                attempts,
            },
            TaskError::Panicked(panic) => TaskError::Panicked(panic),
            TaskError::WorkerLost(lost) => TaskError::WorkerLost(lost),
            TaskError::Encode(error) => TaskError::Encode(error),
            TaskError::Decode(error) => TaskError::Decode(error),
            TaskError::DeadlineExceeded(exceeded) => TaskError::DeadlineExceeded(exceeded),
            TaskError::Cancelled => TaskError::Cancelled,
            TaskError::Terminated => TaskError::Terminated,
            TaskError::Pool(error) => TaskError::Pool(error),
        }
    }

    /// The same error with the function's own one borrowed.
    pub fn as_ref(&self) -> TaskError<&E> {
        match self {
            TaskError::Raised {
                error,
                item,
                stderr,
                attempts,
            } => TaskError::Raised {
                error,
                item: *item,
                stderr: stderr.clone(),
                attempts: *attempts,
            },
            TaskError::Panicked(panic) => TaskError::Panicked(panic.clone()),
            TaskError::WorkerLost(lost) => TaskError::WorkerLost(lost.clone()),
            TaskError::Encode(error) => TaskError::Encode(error.clone()),
            TaskError::Decode(error) => TaskError::Decode(error.clone()),
            TaskError::DeadlineExceeded(exceeded) => TaskError::DeadlineExceeded(exceeded.clone()),
            TaskError::Cancelled => TaskError::Cancelled,
            TaskError::Terminated => TaskError::Terminated,
            TaskError::Pool(error) => TaskError::Pool(*error),
        }
    }
}

impl<E: Clone> TaskError<&E> {
    /// The same error with the function's own one cloned: one that borrows nothing, and so goes by `?` where a
    /// `Box<dyn Error>` is wanted. An error that cannot be cloned can be kept as text: `error.map(ToString::to_string)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::TaskError;
    ///
    /// assert_eq!(TaskError::raised(&7).cloned(), TaskError::raised(7));
    /// ```
    pub fn cloned(self) -> TaskError<E> {
        self.map(E::clone)
    }
}

impl TaskError {
    /// An error that no function raised, as one of any task.
    pub fn widen<E>(self) -> TaskError<E> {
        self.map(|never| match never {})
    }
}

impl<E> From<PoolError> for TaskError<E> {
    fn from(error: PoolError) -> Self {
        TaskError::Pool(error)
    }
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Raised {
                error,
                item,
                attempts,
                ..
            } => {
                f.write_str("task failed")?;
                write_item(f, *item)?;
                if *attempts > 1 {
                    write!(f, " in {attempts} attempts")?;
                }
                write!(f, ": {error}")
            }
            TaskError::Panicked(panic) => panic.fmt(f),
            TaskError::WorkerLost(lost) => lost.fmt(f),
            TaskError::Encode(error) => write!(f, "cannot encode {error}"),
            TaskError::Decode(error) => write!(f, "cannot decode {error}"),
            TaskError::DeadlineExceeded(exceeded) => exceeded.fmt(f),
            TaskError::Cancelled => f.write_str("task was cancelled"),
            TaskError::Terminated => {
                f.write_str("pool was terminated before the task had finished")
            }
            TaskError::Pool(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TaskError::WorkerLost(lost) => Some(lost),
            TaskError::DeadlineExceeded(exceeded) => Some(exceeded),
            TaskError::Pool(error) => Some(error),
            _ => None,
        }
    }
}

/// ` at item 3`, where an item is known.
fn write_item(f: &mut fmt::Formatter<'_>, item: Option<usize>) -> fmt::Result {
    item.map_or(Ok(()), |item| write!(f, " at item {item}"))
}

/// A wait with a time limit whose time was over first. The task goes on, and may be waited for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("timed out")]
pub struct TimedOut;

/// The error of a function that returns a plain value: it has no value itself. It is as `std::convert::Infallible`, and can be
/// serialized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

/// Why a pool refused a call; nothing was done, and the pool is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
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
    /// The task that waits here for its own pool was cancelled, or its deadline has passed.
    #[error("wait ended: the task that waits was cancelled, or its deadline has passed")]
    Cancelled,
    /// A chunk size of zero.
    #[error("chunk size must be at least 1")]
    ZeroChunksize,
    /// A read-ahead of zero.
    #[error("read-ahead must be at least 1")]
    ZeroReadAhead,
    /// Retries were asked for, and chunks of more than one item, which would be done again from their beginning.
    #[error("retries need chunks of one item")]
    RetriesOfChunks,
    /// A callback was given to an imap, whose results come from its iterator.
    #[error("an imap calls no callback: its results come from its iterator")]
    CallbackOfImap,
    /// The pool, or the handle, belongs to the process that this one was forked from.
    #[error(
        "pool belongs to the process that this one was forked from: make a pool of its own here"
    )]
    Forked,
}

/// What a task said when it panicked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Panic {
    /// The panic's message.
    pub message: String,
    /// File, line and column, when the panic hook is ours.
    pub location: Option<String>,
    /// The worker's backtrace, when `RUST_BACKTRACE` asks for one.
    pub backtrace: Option<String>,
    /// The item of a map or imap that the function was called with, as an index of the input, from 0.
    pub item: Option<usize>,
    /// The end of what the task had written to stderr: see [`TaskError::stderr`].
    #[serde(skip)]
    pub stderr: Option<String>,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task panicked")?;
        write_item(f, self.item)?;
        write!(f, ": {}", self.message)?;
        if let Some(location) = &self.location {
            write!(f, " (at {location})")?;
        }
        Ok(())
    }
}

/// A task that had not finished in time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadlineExceeded {
    /// The time that it had.
    pub limit: Duration,
    /// The limit was the call's [`expiry`](crate::Call::expiry), over queue and run, and not a task's
    /// [`deadline`](crate::Call::deadline).
    pub expired: bool,
    /// The function still ran when the error was made, and runs on: nothing can end a function on a thread but itself (see [`cancelled`](crate::cancelled)). A process was
    /// stopped, and it is false there.
    pub running: bool,
    /// The task, for people: its number, its items and the place of its submission.
    pub task: String,
    /// The items that have no result for it, as indexes of the whole input of the map or imap, from 0; `None` where the task was a
    /// call, or the limit that of a whole map.
    pub items: Option<Range<usize>>,
    /// Of an `imap`, the item in whose place this error comes.
    pub item: Option<usize>,
}

impl DeadlineExceeded {
    pub(crate) fn new(limit: Duration, expired: bool, running: bool, task: String) -> Self {
        DeadlineExceeded {
            limit,
            expired,
            running,
            task,
            items: None,
            item: None,
        }
    }
}

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.expired { "expiry" } else { "deadline" };
        write!(f, "{what} of {:?} exceeded by {}", self.limit, self.task)?;
        match self.running {
            true => f.write_str("; its function still runs"),
            false => Ok(()),
        }
    }
}

impl std::error::Error for DeadlineExceeded {}

/// A worker died while it ran a task, or before it could begin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
    /// Of an `imap`, the item in whose place this error comes.
    pub item: Option<usize>,
    /// Whether the task had begun, and may have done a part of its work. One that had not is given to other workers first,
    /// and lost where several of them ended as well.
    pub begun: bool,
    /// How often the task was tried. More than once only with [`retries`](crate::Call::retries).
    pub attempts: u32,
    /// A possible explanation: `its memory is limited to 512 MiB`.
    pub hint: Option<String>,
    /// The end of what the task had written to stderr: see [`TaskError::stderr`].
    pub stderr: Option<String>,
    /// Its function and its argument, where its backend keeps them: see [`WorkerLost::save`].
    #[doc(hidden)]
    pub call: Option<LostCall>,
}

/// A lost call, in the form in which its backend runs it again.
#[doc(hidden)]
#[derive(Clone)]
pub struct LostCall {
    /// Makes what stands before the call in a file: of which program it is.
    pub head: fn() -> io::Result<Vec<u8>>,
    /// The call.
    pub call: Arc<[u8]>,
}

impl PartialEq for LostCall {
    fn eq(&self, other: &Self) -> bool {
        self.call == other.call
    }
}

impl Eq for LostCall {}

impl fmt::Debug for LostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LostCall({} bytes)", self.call.len())
    }
}

impl WorkerLost {
    /// Writes the function and the argument of the task into a new file, which its owner alone may read: the argument may be
    /// a secret. `POOL_REPLAY=path ./program` then runs the task again, alone, in the place of `main`, for example in a debugger:
    /// `POOL_REPLAY=lost.task gdb ./program`. It must be the same build of the program.
    ///
    /// It runs without what the pool had set up in its workers: their initializer, their directory and limits, their output.
    ///
    /// # Errors
    ///
    /// The file is there already, or cannot be written; or there is nothing to write. Only pools of processes keep a lost call, with its context, and one
    /// that takes no more than 64 MiB.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let nothing = || io::Error::new(io::ErrorKind::Unsupported, "the call was not kept");
        let LostCall { head, call } = self.call.as_ref().ok_or_else(nothing)?;
        let head = head()?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(&head)?;
        file.write_all(call)
    }

    /// A worker that died of `cause` while it ran `task`, a call.
    pub fn new(pid: u32, cause: Cause, task: impl Into<String>) -> Self {
        WorkerLost {
            pid,
            cause,
            task: task.into(),
            items: None,
            item: None,
            begun: true,
            attempts: 1,
            hint: None,
            stderr: None,
            call: None,
        }
    }
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
        if self.attempts > 1 {
            write!(
                f,
                ", which was tried {} times and is not tried again",
                self.attempts
            )?;
        }
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        let last = self.stderr.as_deref().and_then(|text| text.lines().last());
        match last {
            Some(line) => write!(f, "; the last line on its stderr: {line}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for WorkerLost {}

/// What a worker died of.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The machine on which it ran was lost: which one, and how.
    Node(String),
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
            Cause::Node(what) => write!(f, "was lost with its node: {what}"),
        }
    }
}

/// A value that could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CodecError {
    /// The value's type.
    pub type_name: String,
    /// Why.
    pub reason: String,
    /// The item of a map or imap whose argument or result it is, as an index of the input, from 0, where that is known.
    pub item: Option<usize>,
}

impl CodecError {
    /// A value of the type with this name, and why it could not be encoded or decoded.
    pub fn new(type_name: impl Into<String>, reason: impl Into<String>) -> Self {
        CodecError {
            type_name: type_name.into(),
            reason: reason.into(),
            item: None,
        }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.type_name)?;
        write_item(f, self.item)?;
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for CodecError {}
