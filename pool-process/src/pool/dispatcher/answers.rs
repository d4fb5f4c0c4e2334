//! What workers say, and what is made of it.

use std::io;
use std::os::fd::AsFd;

use pool_core::Cause;

use crate::pool::cause;
use crate::pool::connection::WorkerState;
use crate::wire::{Frame, Kind, codec};

use super::Dispatcher;

/// What a frame was.
enum Outcome {
    /// What was due.
    Fine,
    /// The worker can be given work for the first time.
    Ready,
    /// Not what a worker says at this point.
    Breach(String),
}

impl Dispatcher {
    /// Reads what a worker wrote, once, and acts on it.
    pub(super) fn read(&mut self, index: usize) {
        let Some(connection) = &mut self.slots[index].connection else {
            return;
        };
        match connection.read() {
            Ok(0) => self.disconnected(index),
            Ok(_) => self.handle_frames(index),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The worker ended with something of ours unread.
            Err(_) => self.disconnected(index),
        }
    }

    /// Reads what a worker that has ended left in its socket. Somebody who has left its group may still hold that and go
    /// on writing: it ends with the first breach, and of one that was leaving nothing would be a breach, nor does it matter.
    pub(super) fn read_to_end(&mut self, index: usize) {
        while let Some(connection) = &mut self.slots[index].connection
            && !matches!(connection.state, WorkerState::Leaving)
            && !connection.closed
            && connection.kill_reason.is_none()
            && connection.read().is_ok_and(|bytes| bytes > 0)
        {
            self.handle_frames(index);
        }
    }

    /// Acts on every whole frame that is there.
    fn handle_frames(&mut self, index: usize) {
        while let Some(connection) = &mut self.slots[index].connection {
            let pid = connection.child.pid();
            let outcome = match connection.next_frame() {
                (Ok(Some(frame)), state) => handle_frame(pid, &frame, state),
                (Ok(None), _) => return,
                (Err(breach), _) => Outcome::Breach(breach.to_string()),
            };
            match outcome {
                Outcome::Fine => {}
                Outcome::Ready => self.failures = 0,
                Outcome::Breach(what) => {
                    self.kill(index, what);
                    return;
                }
            }
        }
    }

    /// Nothing is read any more of what comes from a worker's socket, whoever holds it.
    pub(super) fn stop_reading(&mut self, index: usize) {
        if let Some(connection) = &mut self.slots[index].connection
            && !std::mem::replace(&mut connection.closed, true)
        {
            // It was in the set, and is open: nothing else is said to fail.
            let _ = self.epoll.delete(connection.socket.as_fd());
        }
    }

    /// A worker's socket has ended. Mostly its process is ending as well, and will say why; otherwise it is stopped. One that is
    /// leaving may close what it likes: nothing is expected of it but its end.
    fn disconnected(&mut self, index: usize) {
        let Some(connection) = &mut self.slots[index].connection else {
            return;
        };
        let is_ending =
            matches!(connection.state, WorkerState::Leaving) || connection.child.is_ending();
        self.stop_reading(index);
        if !is_ending {
            self.kill(index, "it closed its connection".to_owned());
        }
    }
}

/// What a frame means to a worker with this state.
fn handle_frame(pid: u32, frame: &Frame<'_>, state: &mut WorkerState) -> Outcome {
    let unexpected = || {
        Outcome::Breach(format!(
            "{:?} of request {} was not expected",
            frame.kind, frame.request
        ))
    };
    match (frame.kind, &mut *state) {
        // What it says while it is being stopped concerns nobody any more.
        (_, WorkerState::Leaving) => Outcome::Fine,
        (Kind::Ready, WorkerState::Starting) => {
            *state = WorkerState::Idle;
            Outcome::Ready
        }
        (Kind::Unfit, WorkerState::Starting) => {
            Outcome::Breach(codec::decode(frame.payload).unwrap_or_else(|error| error.to_string()))
        }
        (Kind::Started, WorkerState::Busy(task))
            if task.request == frame.request && !task.started =>
        {
            task.started = true;
            Outcome::Fine
        }
        (
            Kind::Done | Kind::Raised | Kind::Panicked | Kind::BadArgument | Kind::BadResult,
            WorkerState::Busy(task),
        ) if task.request == frame.request && task.started => {
            let WorkerState::Busy(task) = std::mem::replace(state, WorkerState::Idle) else {
                return unexpected();
            };
            let job = task.claim.job;
            match job.complete(task.claim.unit, frame.kind, frame.payload) {
                Ok(()) => Outcome::Fine,
                Err((unit, error)) => {
                    let what = error.to_string();
                    let lost =
                        cause::lost(pid, Cause::Protocol(what.clone()), (&*job, &unit), None);
                    job.fail(unit, lost);
                    Outcome::Breach(what)
                }
            }
        }
        _ => unexpected(),
    }
}
