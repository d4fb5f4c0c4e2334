//! Checks whether busy workers still have their first thread. A task may end it by the bare system call while other threads go
//! on.
//!
//! Then the thread that runs tasks has gone, so no answer can come. But the process lives: its socket stays open, and its pidfd
//! reports nothing (since Linux 6.15 neither does one that is opened for the thread). The kernel's events for the end of a thread
//! do not help: one needs a second thread in every worker, in which `unshare`, `setns` and `fork` would no longer be those of a
//! process with one thread; the other replaces what the C library has set for its own `pthread_join`. So the dispatcher polls. It
//! reads `/proc` once a second for each worker that is busy for longer than a second, and never for shorter tasks. It kills a
//! worker when two checks in a row find the first thread gone, because a process that is exiting as a whole passes through the
//! same state. Such a loss is detected within about three seconds.
//!
//! The time is the system's, not the pool's: it bounds what a process does, and no order of events depends on it. The timer is
//! one of the dispatcher's events, and is armed only while a worker is busy.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timer::Expiration;
use nix::sys::timerfd::{TimerFd, TimerSetTimeFlags};

use crate::pool::connection::{Connection, LastCheck, WorkerState};
use crate::sys;

use super::Dispatcher;

/// How often busy workers are checked.
const EVERY: Duration = Duration::from_secs(1);

/// The timer by which busy workers are checked.
#[derive(Debug)]
pub(super) struct Watch {
    timer: TimerFd,
    /// The timer will expire.
    armed: bool,
}

impl Watch {
    pub(super) fn new() -> io::Result<Watch> {
        let timer = sys::timer()?;
        Ok(Watch {
            timer,
            armed: false,
        })
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

impl Dispatcher {
    /// Arms the timer, unless it is armed or no worker is busy.
    pub(super) fn arm_watch(&mut self) {
        let is_busy = |connection: &Connection| !matches!(connection.state, WorkerState::Idle);
        let mut connections = self
            .slots
            .iter()
            .filter_map(|slot| slot.connection.as_ref());
        if self.watch.armed || !connections.any(is_busy) {
            return;
        }
        let once = Expiration::OneShot(TimeSpec::from_duration(EVERY));
        let set = self.watch.timer.set(once, TimerSetTimeFlags::empty());
        self.watch.armed = set.is_ok();
    }

    /// Kills workers whose first thread has ended alone.
    pub(super) fn check_busy(&mut self) {
        // The timer has expired, and is not readable until it is armed again. Disarming an open timer does not fail.
        self.watch.armed = false;
        let _ = self.watch.timer.unset();
        for index in 0..self.slots.len() {
            let Some(connection) = &mut self.slots[index].connection else {
                continue;
            };
            let request = match &connection.state {
                WorkerState::Idle => None,
                WorkerState::Busy(task) => Some(task.request),
                // No task has this number.
                WorkerState::Starting | WorkerState::Leaving => Some(0),
            };
            let check = LastCheck {
                request,
                first_thread_ended: false,
            };
            let before = std::mem::replace(&mut connection.last_check, check);
            if request.is_none() || request != before.request {
                continue;
            }
            let ended = connection.child.has_lost_its_first_thread();
            connection.last_check.first_thread_ended = ended;
            if ended && before.first_thread_ended {
                self.kill(
                    index,
                    "its first thread has ended, and others go on".to_owned(),
                );
            }
        }
    }
}
