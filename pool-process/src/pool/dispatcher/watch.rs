//! Workers that have lost their first thread: a task ended it by the bare system call, and other threads go on.
//!
//! The thread that runs tasks is gone, so no answer can come, but the process lives: its socket stays open and its
//! pidfd closed (since Linux 6.15 also one that is opened for the thread). What the kernel offers as an event for the
//! end of a thread either needs a second thread in every worker, which would then be no process with one thread
//! any more (`unshare`, `setns`, `fork` in a task), or replaces what the C library has set for its own `pthread_join`. So
//! workers that are busy are looked at: one read of `/proc` for each that is busy for longer than a second, once a
//! second, and none for tasks that are shorter. What is found twice in a row is so: a process that is ending as a
//! whole passes through the same state. A loss of this kind is therefore known within about three seconds.
//!
//! The time is the system's, not the pool's: it bounds what a process does, and no order of events depends on it. Nothing
//! waits with a limit for it: a clock rings beside the other events, and only while somebody is busy.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timer::Expiration;
use nix::sys::timerfd::{TimerFd, TimerSetTimeFlags};

use crate::pool::connection::{Connection, LastCheck, WorkerState};
use crate::sys;

use super::Dispatcher;

/// How often busy workers are looked at, and how long one is left alone at first.
const EVERY: Duration = Duration::from_secs(1);

/// The clock by which busy workers are looked at.
#[derive(Debug)]
pub(super) struct Watch {
    clock: TimerFd,
    /// It will ring.
    set: bool,
}

impl Watch {
    pub(super) fn new() -> io::Result<Watch> {
        let clock = sys::clock()?;
        Ok(Watch { clock, set: false })
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.clock.as_fd()
    }
}

impl Dispatcher {
    /// Sets the clock, unless it is set or nobody is busy.
    pub(super) fn arm_watch(&mut self) {
        let is_busy = |connection: &Connection| !matches!(connection.state, WorkerState::Idle);
        let mut connections = self
            .slots
            .iter()
            .filter_map(|slot| slot.connection.as_ref());
        if self.watch.set || !connections.any(is_busy) {
            return;
        }
        let once = Expiration::OneShot(TimeSpec::from_duration(EVERY));
        let set = self.watch.clock.set(once, TimerSetTimeFlags::empty());
        self.watch.set = set.is_ok();
    }

    /// Stops workers whose first thread has ended alone.
    pub(super) fn check_busy(&mut self) {
        // Rung and outcome: it is closed until it is set again.
        self.watch.set = false;
        let _ = self.watch.clock.unset();
        for index in 0..self.slots.len() {
            let Some(connection) = &mut self.slots[index].connection else {
                continue;
            };
            let at = match &connection.state {
                WorkerState::Idle => None,
                WorkerState::Busy(task) => Some(task.request),
                // No task has this number.
                WorkerState::Starting | WorkerState::Leaving => Some(0),
            };
            let before =
                std::mem::replace(&mut connection.last_check, LastCheck { at, alone: false });
            if at.is_none() || at != before.at {
                continue;
            }
            connection.last_check.alone = connection.child.has_lost_its_first_thread();
            if connection.last_check.alone && before.alone {
                let kill_reason = "its first thread has ended, and others go on".to_owned();
                self.kill(index, kill_reason);
            }
        }
    }
}
