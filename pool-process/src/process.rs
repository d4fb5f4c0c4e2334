//! `Process`: one function in a process of its own, as Python's `multiprocessing.Process`.

// Each module uses only those above it.

// A process from its start to its end.
mod life;

// The processes that have not ended.
mod children;

// The start.
mod launch;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use pool_core::{CodecError, Portable, Timers};

use crate::sys::Status;
use crate::wire::codec::{self, At};
use crate::wire::{self, Kind};
use crate::worker::entry_points::{Alone, Shape};
use crate::{at_exit, start, task};

use children::Entry;
use life::{Life, Running, State};

pub use children::{ActiveChild, active_children};

/// One function, to be run in a process of its own.
///
/// Source: `multiprocessing.Process` in CPython's documentation.
///
/// The process ends as its function does: with code 0 when it returns, whatever it returns; with code 1 when it
/// panics; with code `n` by `std::process::exit(n)`. A process that is no [`daemon`](Process::daemon) is waited
/// for at the program's normal end. Dropping the handle changes nothing.
///
/// It has the environment, the identity and, like a worker, none of the terminal of the thread that starts it: opening `/dev/tty` is
/// an error there, and Ctrl-Z does not stop it.
///
/// # Examples
///
/// ```
/// use pool_process::Process;
///
/// let process = Process::new(|code: i32| std::process::exit(code), 3);
/// process.start()?;
/// process.join()?;
/// assert_eq!(process.exitcode()?, Some(3));
/// # Ok::<(), pool_process::ProcessError>(())
/// ```
pub struct Process {
    name: String,
    daemon: bool,
    timers: Timers,
    /// Until the start.
    call: Mutex<Option<EncodeCall>>,
    life: Arc<Life>,
}

/// Writes the payload of the frame that names function and argument.
type EncodeCall = Box<dyn Fn(&mut Vec<u8>) -> Result<(), CodecError> + Send>;

/// A call that was refused, or a process that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// `start` was called before.
    #[error("process was started already")]
    AlreadyStarted,
    /// The call needs a process that was started.
    #[error("process was not started")]
    NotStarted,
    /// `close` was called while it ran.
    #[error("process is still running: join() or terminate() it before close()")]
    StillRunning,
    /// The process was closed.
    #[error("process is closed")]
    Closed,
    /// It was started by another process than the calling one.
    #[error("process is no child of this process")]
    NotAChild,
    /// The function's argument cannot be sent.
    #[error("cannot encode {0}")]
    Encode(CodecError),
    /// Processes cannot be started in this program at all.
    #[error("processes cannot be started here: {0}")]
    Impossible(String),
    /// The system refused.
    #[error("process cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The system refused to signal it, or to wait for it.
    #[error("process cannot be signalled or waited for: {0}")]
    Refused(#[source] io::Error),
}

impl Process {
    /// A process that will call `func(arg)`; nothing runs before [`start`](Process::start).
    pub fn new<A: Portable, R: 'static>(func: fn(A) -> R, arg: A) -> Process {
        let call = move |out: &mut Vec<u8>| {
            let entry = <Alone as Shape<A, fn(A) -> R>>::ENTRY;
            let encode = |out: &mut Vec<u8>, _: &At| codec::encode_value(&arg, out);
            let last = task::payload::<A, _>(entry, func, None, encode, out)?;
            out.extend_from_slice(last);
            Ok(())
        };
        Process {
            name: default_name(),
            daemon: false,
            timers: Timers::real(),
            call: Mutex::new(Some(Box::new(call))),
            life: Arc::new(Life::new()),
        }
    }

    /// Gives it a name (default: `Process-1`, `Process-2`, ...).
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Process {
        Process {
            name: name.into(),
            ..self
        }
    }

    /// Whether the program's end kills it instead of waiting for it (default: no).
    #[must_use]
    pub fn daemon(self, daemon: bool) -> Process {
        Process { daemon, ..self }
    }

    /// The source of time for [`join_timeout`](Process::join_timeout).
    #[must_use]
    pub fn timers(self, timers: Timers) -> Process {
        Process { timers, ..self }
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// It was started before, or is being started; the argument cannot be encoded; this thread's real and effective ids differ;
    /// the system refused.
    pub fn start(&self) -> Result<(), ProcessError> {
        self.life.is_ours()?;
        self.life.lock().may_start()?;
        if let Some(reason) = start::impossible() {
            return Err(ProcessError::Impossible(reason));
        }
        // Whoever has it is the one who starts.
        let call = self.call().take().ok_or(ProcessError::AlreadyStarted)?;
        // The argument's own code, as its drop below: it runs under no lock, and may ask this process what it likes.
        let mut task = Vec::new();
        let encoded = wire::write(&mut task, Kind::Task, 0, &call);
        let started = encoded
            .map_err(ProcessError::Encode)
            .and_then(|()| self.launch(&task));
        if started.is_err() {
            *self.call() = Some(call);
        }
        started
    }

    fn call(&self) -> MutexGuard<'_, Option<EncodeCall>> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts it with its function and argument as bytes.
    fn launch(&self, task: &[u8]) -> Result<(), ProcessError> {
        let mut state = self.life.lock();
        state.may_start()?;
        let spawned = launch::launch(&self.name, task)?;
        let listed = at_exit::list(spawned.child.as_fd(), self.daemon);
        *state = State::Running(Running {
            pid: spawned.child.pid(),
            _listed: listed,
        });
        // Set once: only one start gets here.
        self.life.child.get_or_init(|| spawned.child);
        drop(state);
        children::add(Entry {
            name: self.name.clone(),
            daemon: self.daemon,
            life: self.life.clone(),
        });
        Ok(())
    }

    /// Waits until it has ended. It may be repeated, from any thread.
    ///
    /// # Errors
    ///
    /// It was not started, or was closed.
    pub fn join(&self) -> Result<(), ProcessError> {
        self.life.wait(None).map(|_| ())
    }

    /// Waits until it has ended or the time is over; true when it has ended.
    ///
    /// # Errors
    ///
    /// It was not started, or was closed.
    pub fn join_timeout(&self, limit: Duration) -> Result<bool, ProcessError> {
        self.life.wait(Some((limit, &self.timers)))
    }

    /// Whether it was started and has not ended.
    ///
    /// # Errors
    ///
    /// It was closed.
    pub fn is_alive(&self) -> Result<bool, ProcessError> {
        Ok(matches!(*self.life.look()?, State::Running(_)))
    }

    /// How it ended: 0, the code it left with, or minus the number of the signal that ended it; `None` before.
    /// 255 where another part of the program has taken its status from the system.
    ///
    /// # Errors
    ///
    /// It was closed.
    pub fn exitcode(&self) -> Result<Option<i32>, ProcessError> {
        Ok(match &*self.life.look()? {
            State::Ended(_, Status::Exited(code)) => Some(*code),
            State::Ended(_, Status::Killed { signal, .. }) => Some(-signal),
            State::Ended(_, Status::Unknown) => Some(255),
            State::New | State::Running(_) | State::Closed => None,
        })
    }

    /// Its process id; `None` before the start.
    ///
    /// # Errors
    ///
    /// It was closed.
    pub fn pid(&self) -> Result<Option<u32>, ProcessError> {
        Ok(match &*self.life.look()? {
            State::Running(Running { pid, .. }) | State::Ended(pid, _) => Some(*pid),
            State::New | State::Closed => None,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the program's end kills it.
    ///
    /// # Examples
    ///
    /// ```
    /// let process = pool_process::Process::new(|()| (), ()).daemon(true);
    /// assert!(process.is_daemon());
    /// ```
    pub fn is_daemon(&self) -> bool {
        self.daemon
    }

    /// A descriptor that is readable once it has ended, to be polled beside others.
    ///
    /// # Errors
    ///
    /// It was not started, or was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    ///
    /// let process = pool_process::Process::new(|()| (), ());
    /// assert!(process.sentinel().is_err(), "it was not started");
    /// process.start()?;
    /// let mut ends = [PollFd::new(process.sentinel()?, PollFlags::POLLIN)];
    /// assert_eq!(poll(&mut ends, PollTimeout::NONE)?, 1);
    /// assert_eq!(process.exitcode()?, Some(0));
    /// process.close()?;
    /// assert!(process.sentinel().is_err(), "it was closed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sentinel(&self) -> Result<BorrowedFd<'_>, ProcessError> {
        drop(self.life.look()?);
        let child = self.life.child.get();
        child.map(AsFd::as_fd).ok_or(ProcessError::NotStarted)
    }

    /// Asks it to end, by SIGTERM. One that has ended already is left alone.
    ///
    /// # Errors
    ///
    /// It was not started, or was closed; the program has become another user since, and the fork server has gone.
    pub fn terminate(&self) -> Result<(), ProcessError> {
        self.life.signal(Signal::SIGTERM)
    }

    /// Ends it, by SIGKILL. One that has ended already is left alone.
    ///
    /// # Errors
    ///
    /// It was not started, or was closed.
    pub fn kill(&self) -> Result<(), ProcessError> {
        self.life.signal(Signal::SIGKILL)
    }

    /// Lets go of it; whatever is asked of it later is refused, but its name and whether it was a daemon.
    ///
    /// # Errors
    ///
    /// It is still running.
    pub fn close(&self) -> Result<(), ProcessError> {
        let mut state = match self.life.look() {
            Err(ProcessError::Closed) => return Ok(()),
            other => other?,
        };
        if matches!(*state, State::Running(_)) {
            return Err(ProcessError::StillRunning);
        }
        *state = State::Closed;
        Ok(())
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("daemon", &self.daemon)
            .field("state", &*self.life.lock())
            .finish_non_exhaustive()
    }
}

/// The name of the next process that is given none.
fn default_name() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("Process-{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}
