//! A process that was started for a pool: how it is signalled and buried, whosever child it is.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::channel::Channel;
use crate::sys::{self, Status};

/// A process, the leader of a group of its own, until its end was seen to.
#[derive(Debug)]
pub(crate) struct Child {
    pid: u32,
    /// Readable once it has ended.
    pidfd: OwnedFd,
    parent: Parent,
}

/// Whose child it is.
#[derive(Debug)]
pub(crate) enum Parent {
    /// Of this process.
    Us,
    /// Of the fork server behind this.
    Server(Arc<Channel>),
}

impl Child {
    pub(crate) fn new(pid: u32, pidfd: OwnedFd, parent: Parent) -> Child {
        Child { pid, pidfd, parent }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Signals it and its group, stopped or not. One that has ended is left alone.
    pub(crate) fn signal(&self, signal: Signal) {
        match &self.parent {
            Parent::Server(channel) if channel.signal(self.pid, signal).is_ok() => {}
            // Ours, or nobody's any more: its number is its own as long as it runs.
            _ if self.has_ended() => {}
            _ => self.kill_group(signal),
        }
    }

    /// Signals the one process, and only it.
    pub(crate) fn signal_alone(&self, signal: Signal) -> io::Result<()> {
        sys::pidfd_signal(self.pidfd.as_fd(), signal)
    }

    pub(crate) fn has_ended(&self) -> bool {
        let mut ended = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut ended, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Whether it is on its way out: a process closes its descriptors before it can be waited for.
    pub(crate) fn is_ending(&self) -> bool {
        /// `PF_EXITING` of the kernel's `<linux/sched.h>`.
        const EXITING: u64 = 0x4;
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid)) else {
            return true;
        };
        // The name, in parentheses, may hold anything; the flags are the seventh field after it.
        let flags = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
        flags.is_none_or(|flags| flags & EXITING != 0)
    }

    /// Takes the status of one that has ended, and ends whatever it left behind in its group.
    pub(crate) fn bury(&self) -> Status {
        match &self.parent {
            Parent::Us => {
                // Before the status is taken, the number cannot be anybody else's.
                self.kill_group(Signal::SIGKILL);
                // A pidfd that is readable has a status, or never will.
                sys::take_status(self.pidfd.as_fd()).unwrap_or(Status::Unknown)
            }
            Parent::Server(channel) => channel.bury(self.pid).unwrap_or(Status::Unknown),
        }
    }

    /// Ends it and waits until it is gone.
    pub(crate) fn kill_and_bury(&self) -> Status {
        self.signal(Signal::SIGKILL);
        self.await_and_bury()
    }

    /// Waits until it is gone, stopped or not: it was killed, or has been told to leave.
    pub(crate) fn await_and_bury(&self) -> Status {
        // It fails only where there is nobody left to go on.
        let _ = self.signal_alone(Signal::SIGCONT);
        let mut ended = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        while poll(&mut ended, PollTimeout::NONE) == Err(Errno::EINTR) {}
        self.bury()
    }

    fn kill_group(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.pid) {
            // One that is gone already is what was wanted.
            let _ = killpg(Pid::from_raw(group), signal);
            // Stopped processes act on it only when they go on.
            let _ = killpg(Pid::from_raw(group), Signal::SIGCONT);
        }
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
