//! A process that was started here: how it is signalled and reaped, by this process or by a fork server.

pub(crate) mod reexec;

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::sys::{self, Status, lifeline};

/// A process that leads a group of its own, until it was reaped.
#[derive(Debug)]
pub(crate) struct Child {
    pid: u32,
    /// Readable once it has ended.
    pidfd: OwnedFd,
    parent: Parent,
    /// Our end of its lifeline, until that is dropped; none of a process that never had one.
    lifeline: Option<Mutex<Option<lifeline::Owned>>>,
}

/// Whose child it is.
#[derive(Debug)]
pub(crate) enum Parent {
    /// Of this process.
    Us,
    /// Of a fork server.
    Server(Arc<dyn Supervisor>),
}

/// A parent that signals and reaps its children on behalf of this process.
pub(crate) trait Supervisor: fmt::Debug + Send + Sync {
    /// Signals the group of a child.
    fn signal(&self, pid: u32, signal: Signal) -> io::Result<()>;

    /// Reaps a child that has ended, and returns its status if it is known.
    fn reap(&self, pid: u32) -> Option<Status>;
}

impl Child {
    pub(crate) fn new(pid: u32, pidfd: OwnedFd, parent: Parent) -> Child {
        Child {
            pid,
            pidfd,
            parent,
            lifeline: None,
        }
    }

    /// Keeps our end of its lifeline until the child is reaped. The child holds the other end.
    pub(crate) fn attach_lifeline(&mut self, end: lifeline::Owned) {
        self.lifeline = Some(Mutex::new(Some(end)));
    }

    /// Drops our end of its lifeline, so that the kernel kills the child and its group; false where it never had one. The kernel
    /// checks the rights of the child, which has asked for that, and not those that this process has by now.
    fn drop_lifeline(&self) -> bool {
        let Some(lifeline) = &self.lifeline else {
            return false;
        };
        drop(
            lifeline
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        true
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Signals it and its group, stopped or not. One that has ended is left alone.
    pub(crate) fn signal(&self, signal: Signal) {
        match &self.parent {
            Parent::Server(server) if server.signal(self.pid, signal).is_ok() => {}
            // Ours, or nobody's any more: its number is its own as long as it runs.
            _ if self.has_ended() => {}
            _ => {
                self.kill_group(signal);
                if signal == Signal::SIGKILL {
                    // Whom the group's signal has reached is not told. It fails where the child has another user and no lifeline,
                    // which is so of none that has been told anything.
                    let _ = self.signal_alone(signal);
                }
            }
        }
    }

    /// Signals the one process, and only it. One that belongs to somebody else, since this program has changed its user, is
    /// signalled with its group by its server, or killed by its lifeline.
    pub(crate) fn signal_alone(&self, signal: Signal) -> io::Result<()> {
        match sys::pidfd_signal(self.pidfd.as_fd(), signal) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => match &self.parent {
                Parent::Server(server) if server.signal(self.pid, signal).is_ok() => Ok(()),
                _ if signal == Signal::SIGKILL && self.drop_lifeline() => Ok(()),
                _ => Err(error),
            },
            other => other,
        }
    }

    /// Continues it, in case something has stopped it.
    pub(crate) fn resume(&self) {
        // It fails only where the process has ended.
        let _ = self.signal_alone(Signal::SIGCONT);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ends_within(Some(Duration::ZERO))
    }

    /// Waits until it has ended, or for this long; true when it has.
    pub(crate) fn ends_within(&self, limit: Option<Duration>) -> bool {
        sys::readable_within(self.pidfd.as_fd(), limit).unwrap_or(false)
    }

    /// Whether it is on its way out: a process closes its descriptors before it can be waited for.
    pub(crate) fn is_ending(&self) -> bool {
        /// `PF_EXITING` of the kernel's `<linux/sched.h>`.
        const EXITING: u64 = 0x4;
        let flags = self.stat(6).and_then(|flags| flags.parse::<u64>().ok());
        flags.is_none_or(|flags| flags & EXITING != 0)
    }

    /// Whether its first thread has ended, but not all of it. For a moment that is so in any process that ends.
    pub(crate) fn has_lost_its_first_thread(&self) -> bool {
        self.stat(0).is_some_and(|state| state == "Z") && !self.has_ended()
    }

    /// How many bytes of its memory are resident.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let pages: u64 = self.stat(21)?.parse().ok()?;
        Some(pages * sys::page_size())
    }

    /// A field of what the system says of it, counted from the one after its name.
    fn stat(&self, field: usize) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name, in parentheses, may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(field).map(str::to_owned)
    }

    /// Reaps it, once it has ended, and kills what it left behind in its group.
    pub(crate) fn reap(&self) -> Status {
        match &self.parent {
            Parent::Us => {
                // Before the status is taken, the number cannot be anybody else's.
                self.kill_group(Signal::SIGKILL);
                // A pidfd that is readable has a status, or never will.
                sys::take_status(self.pidfd.as_fd()).unwrap_or(Status::Unknown)
            }
            Parent::Server(server) => server
                .reap(self.pid)
                .unwrap_or_else(|| self.end_of_an_orphan()),
        }
    }

    /// How one ended whose server is gone: it was adopted, by this very process where that is the first of its
    /// container. For the others the kernel shows it until whoever has adopted it has seen to it, and keeps it after
    /// that from Linux 6.15 on. Its group ends with it.
    fn end_of_an_orphan(&self) -> Status {
        // A kernel that cannot be asked for it leaves its group to the end of the program.
        let _ = sys::pidfd_kill_group(self.pidfd.as_fd());
        let known = |status: &Status| *status != Status::Unknown;
        let pidfd = self.pidfd.as_fd();
        sys::take_status(pidfd)
            .filter(known)
            .or_else(|| self.shown_status())
            .or_else(|| sys::kept_status(pidfd))
            .unwrap_or(Status::Unknown)
    }

    /// How one ended whose status nobody has taken yet.
    fn shown_status(&self) -> Option<Status> {
        let status = self.stat(49)?.parse().ok()?;
        // A zero is also what is shown to those who may not know. And it was read by the number, which was its own if
        // it still is.
        (status != 0 && sys::is_unreaped(self.pidfd.as_fd())).then(|| Status::of(status))
    }

    /// Kills and reaps it.
    pub(crate) fn kill_and_reap(&self) -> Status {
        self.signal(Signal::SIGKILL);
        self.wait_and_reap()
    }

    /// Waits for its end and reaps it. It was killed, or was told to end; it may be stopped.
    pub(crate) fn wait_and_reap(&self) -> Status {
        self.resume();
        self.ends_within(None);
        self.reap()
    }

    fn kill_group(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.pid) {
            sys::signal_group(Pid::from_raw(group), signal);
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
