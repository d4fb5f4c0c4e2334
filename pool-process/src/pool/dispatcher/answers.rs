//! The dispatcher reads the frames of workers.

use std::io;
use std::os::fd::AsFd;
use std::sync::PoisonError;
use std::time::Instant;

use pool_core::Cause;
use pool_core::backend::Again;

use crate::pool::cause;
use crate::pool::connection::WorkerState;
use crate::pool::feed::{Feed, Lane, LaneId, end_of};
use crate::pool::output::WorkerOutput;
use crate::pool::remote_job::{Retry, Undone};
use crate::wire::{self, Frame, Kind, codec};

use super::Dispatcher;

/// What a frame was.
enum Outcome {
    /// The protocol allows it here.
    Allowed,
    /// The worker is ready for its first task.
    Ready {
        /// It has mapped its ring.
        has_ring: bool,
        /// It has its arena.
        has_arena: bool,
    },
    /// The protocol does not allow it here.
    Breach(String),
}

impl Dispatcher {
    /// Reads once from a worker's socket and handles what came.
    pub(super) fn read(&mut self, index: usize) {
        let Some(connection) = &mut self.slots[index].connection else {
            return;
        };
        match connection.read() {
            Ok(0) => self.disconnected(index),
            Ok(_) => self.handle_frames(index),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The worker ended before it had read everything.
            Err(_) => self.disconnected(index),
        }
    }

    /// Reads what a worker that has ended left in its socket. A process that has left the worker's group may still hold that
    /// socket and go on writing, so reading stops at the first breach. Of a worker in the state `Leaving` nothing is read: no
    /// frame of it would be a breach, and none matters.
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

    /// Handles every complete frame that was read.
    fn handle_frames(&mut self, index: usize) {
        while let Some(connection) = &mut self.slots[index].connection {
            let pid = connection.child.pid();
            let lane = LaneId {
                slot: index,
                serial: connection.serial,
            };
            let outcome = match connection.next_frame() {
                (Ok(Some(frame)), WorkerState::Fed, _) => hand_over(&self.feed, lane, &frame),
                (Ok(Some(frame)), state, output) => {
                    handle_frame(&self.feed, (lane, pid), &frame, state, output)
                }
                (Ok(None), ..) => return,
                (Err(breach), ..) => Outcome::Breach(breach.to_string()),
            };
            match outcome {
                Outcome::Allowed => {}
                Outcome::Ready {
                    has_ring,
                    has_arena,
                } => {
                    self.failures = 0;
                    connection.is_ready = true;
                    let worker = connection.worker(index);
                    let numbers = self.plan.numbers.lock();
                    let mut numbers = numbers.unwrap_or_else(PoisonError::into_inner);
                    numbers.ready(&worker);
                    drop(numbers);
                    let observed = &self.plan.observed;
                    observed.tell(|observer| observer.worker_started(&worker));
                    if let Some(mut ring) = connection.ring.take().filter(|_| has_ring) {
                        if !has_arena {
                            ring.0.forget_arena();
                        }
                        connection.state = WorkerState::Fed;
                        let socket = connection.socket.clone();
                        let lane =
                            Lane::new(lane.serial, pid, ring, socket, connection.share.tasks);
                        if let Err(error) = self.feed.open(index, lane) {
                            self.kill(index, format!("the system refuses to watch it: {error}"));
                            return;
                        }
                    }
                }
                Outcome::Breach(what) => {
                    self.kill(index, what);
                    return;
                }
            }
        }
    }

    /// Reads nothing more from a worker's socket.
    pub(super) fn stop_reading(&mut self, index: usize) {
        if let Some(connection) = &mut self.slots[index].connection
            && !std::mem::replace(&mut connection.closed, true)
        {
            // The socket is open and in the set, so there is nothing to fail.
            let _ = self.epoll.delete(connection.socket.as_fd());
        }
    }

    /// A worker's socket has ended. Mostly its process is exiting as well, and its status will tell why; if not, the worker is
    /// killed. A worker in the state `Leaving` may close its socket: no answer of it is awaited.
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

/// Gives the feed a frame of a worker that has a ring.
fn hand_over(feed: &Feed, lane: LaneId, frame: &Frame<'_>) -> Outcome {
    let is_expected = match frame.kind {
        kind if kind.is_answer() => feed.answer(lane, kind, frame.request, frame.payload),
        _ => Ok(false),
    };
    match is_expected {
        Ok(true) => Outcome::Allowed,
        Ok(false) => unexpected(frame),
        Err(what) => Outcome::Breach(what),
    }
}

fn unexpected(frame: &Frame<'_>) -> Outcome {
    Outcome::Breach(format!(
        "{:?} of request {} was not expected",
        frame.kind, frame.request
    ))
}

/// Applies a frame to the state of its worker.
fn handle_frame(
    feed: &Feed,
    (lane, pid): (LaneId, u32),
    frame: &Frame<'_>,
    state: &mut WorkerState,
    output: &mut Option<WorkerOutput>,
) -> Outcome {
    let unexpected = || unexpected(frame);
    match (frame.kind, &mut *state) {
        // Its task has ended for the pool already.
        (_, WorkerState::Leaving) => Outcome::Allowed,
        (Kind::Ready, WorkerState::Starting) => {
            *state = WorkerState::Idle;
            Outcome::Ready {
                has_arena: frame.payload == wire::RING_AND_ARENA,
                has_ring: frame.payload == wire::RING_MAPPED
                    || frame.payload == wire::RING_AND_ARENA,
            }
        }
        (Kind::Unfit, WorkerState::Starting) => {
            Outcome::Breach(codec::decode(frame.payload).unwrap_or_else(|error| error.to_string()))
        }
        (Kind::Started, WorkerState::Busy(task))
            if task.request == frame.request && task.since.is_none() =>
        {
            task.started = true;
            task.since = Some(Instant::now());
            feed.tell_started(lane, pid, &*task.claim.job, task.claim.unit.index());
            let job = task.claim.job.as_job();
            if job.handed_out().is_timed() {
                job.started(task.claim.unit.index());
            }
            Outcome::Allowed
        }
        (
            Kind::Done | Kind::Raised | Kind::Panicked | Kind::BadArgument | Kind::BadResult,
            WorkerState::Busy(task),
        ) if task.request == frame.request && task.started => {
            let WorkerState::Busy(mut task) = std::mem::replace(state, WorkerState::Idle) else {
                return unexpected();
            };
            if let Some(since) = task.since {
                let unit = (&*task.claim.job, task.claim.unit.index());
                feed.tell_ended_by_socket(lane, pid, unit, end_of(frame.kind), since);
            }
            let (job, payload) = (task.claim.job.clone(), frame.payload.into());
            let stderr = output.as_mut().and_then(WorkerOutput::end_task);
            match job.complete(task.claim.unit, frame.kind, payload, Retry::Never, stderr) {
                Ok(None) => Outcome::Allowed,
                Ok(Some(Again { unit, pause })) => {
                    task.claim.unit = unit;
                    feed.try_again(task.claim, pause);
                    Outcome::Allowed
                }
                Err(Undone { unit, error, .. }) => {
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
