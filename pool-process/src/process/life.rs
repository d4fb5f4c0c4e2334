//! A process from its start to its end, as its handle and the list of live ones share it.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EfdFlags;
use nix::sys::signal::Signal;
use pool_core::Timers;
use pool_core::backend::OwnerProcess;

use crate::child::Child;
use crate::sys::listed::Listed;
use crate::sys::{self, Status};

use super::ProcessError;

#[derive(Debug)]
pub(super) struct Life {
    /// The process that has made it, and whose child it will be.
    owner: OwnerProcess,
    state: Mutex<State>,
    /// Set by the start.
    pub(super) child: OnceLock<Child>,
}

#[derive(Debug, Default)]
pub(super) enum State {
    #[default]
    New,
    Running(Running),
    Ended(u32, Status),
    Closed,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) _listed: Listed,
}

impl State {
    /// Whether a start comes in question.
    pub(super) fn may_start(&self) -> Result<(), ProcessError> {
        match self {
            State::New => Ok(()),
            State::Closed => Err(ProcessError::Closed),
            State::Running(_) | State::Ended(..) => Err(ProcessError::AlreadyStarted),
        }
    }
}

impl Life {
    pub(super) fn new() -> Life {
        Life {
            owner: OwnerProcess::current(),
            state: Mutex::default(),
            child: OnceLock::new(),
        }
    }

    /// Looked at before any lock: in a forked child one may be held for ever.
    pub(super) fn is_ours(&self) -> Result<(), ProcessError> {
        match self.owner.is_current() {
            true => Ok(()),
            false => Err(ProcessError::NotAChild),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state as it is now: an end that nobody has seen yet is seen here.
    pub(super) fn look(&self) -> Result<MutexGuard<'_, State>, ProcessError> {
        self.is_ours()?;
        let mut state = self.lock();
        match (&*state, self.child.get()) {
            (State::Closed, _) => return Err(ProcessError::Closed),
            (State::Running(running), Some(child)) if child.has_ended() => {
                let pid = running.pid;
                *state = State::Ended(pid, child.reap());
            }
            _ => {}
        }
        Ok(state)
    }

    pub(super) fn wait(&self, limit: Option<(Duration, &Timers)>) -> Result<bool, ProcessError> {
        match &*self.look()? {
            State::New => return Err(ProcessError::NotStarted),
            State::Running(_) => {}
            State::Ended(..) | State::Closed => return Ok(true),
        }
        let child = self.child.get().ok_or(ProcessError::NotStarted)?;
        match limit {
            Some((limit, _)) if limit.is_zero() => {}
            _ => wait_for(child, limit).map_err(ProcessError::Refused)?,
        }
        Ok(!matches!(*self.look()?, State::Running(_)))
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        match (&*self.look()?, self.child.get()) {
            (State::New, _) => Err(ProcessError::NotStarted),
            (State::Running(_), Some(child)) => {
                child.signal_alone(signal).map_err(ProcessError::Refused)
            }
            _ => Ok(()),
        }
    }
}

/// Sleeps until a process has ended, or a timer of these has fired.
fn wait_for(child: &Child, limit: Option<(Duration, &Timers)>) -> io::Result<()> {
    let expired = Arc::new(sys::eventfd(EfdFlags::empty())?);
    let _armed = limit.map(|(limit, timers)| {
        let expired = expired.clone();
        // It can only fail when the counter is full, and then the eventfd is readable already.
        timers.arm(
            limit,
            Box::new(move || {
                let _ = expired.write(1);
            }),
        )
    });
    let mut events = [
        PollFd::new(child.as_fd(), PollFlags::POLLIN),
        PollFd::new(expired.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut events, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            other => return other.map(|_| ()).map_err(io::Error::from),
        }
    }
}
