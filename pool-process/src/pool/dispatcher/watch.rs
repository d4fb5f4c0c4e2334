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

use crate::pool::connection::{Connection, LastCheck, WorkerState};

use super::Dispatcher;

impl Dispatcher {
    /// Arms the timer, unless it is armed or no worker is busy.
    pub(super) fn arm_watch(&mut self) {
        let is_busy = |connection: &Connection| {
            !matches!(connection.state, WorkerState::Idle | WorkerState::Fed)
        };
        let mut connections = self
            .slots
            .iter()
            .filter_map(|slot| slot.connection.as_ref());
        if connections.any(is_busy) || self.feed.is_busy() || self.feed.is_warm() {
            self.watch.arm();
        }
    }

    /// Kills workers whose first thread has ended alone.
    pub(super) fn check_busy(&mut self) {
        self.watch.disarm();
        self.feed.cool();
        for index in 0..self.slots.len() {
            let Some(connection) = &mut self.slots[index].connection else {
                continue;
            };
            let request = match &connection.state {
                WorkerState::Idle => None,
                WorkerState::Busy(task) => Some(task.request),
                WorkerState::Fed => self.feed.request(index),
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
            self.feed.rouse(index);
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
