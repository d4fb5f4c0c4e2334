//! The dispatcher starts, stops, reaps and replaces workers.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use nix::sys::signal::Signal;
use pool_core::backend::{Claim, TaskId, WorkerSlot};
use pool_core::{Cause, TaskEnd, TaskError, WorkerEnd};

use crate::output::Output;
use crate::pool::bells::Bells;
use crate::pool::cause;
use crate::pool::connection::{Assignment, Connection, WorkerState};
use crate::pool::feed::{Feed, LaneId, is_unit_of};
use crate::pool::inbox::Order;
use crate::pool::output::WorkerOutput;
use crate::pool::remote_job::RemoteJob;
use crate::pool::stats::name;
use crate::ring::parent::ParentRing;
use crate::sys::listed;
use crate::sys::memory_file::MemoryFile;
use crate::sys::{about, lifeline};
use crate::wire::setup::{Purpose, Setup};
use crate::wire::socket;

use super::{Dispatcher, Event, Slot, Stage, WorkerId};

/// So many starts in a row may fail before the pool gives up.
const MAX_FAILED_STARTS: u32 = 5;
/// The pause after the first failed start; each further one doubles it.
const PAUSE: Duration = Duration::from_millis(10);

/// So many workers may end before they start a task that was sent to them; with the last of them the task fails.
const MAX_SENDS: u32 = 5;

impl Dispatcher {
    /// Starts a worker for an empty slot, the first of so many that are to be filled now.
    pub(super) fn spawn(&mut self, index: usize, wanted: usize) -> io::Result<()> {
        self.serial = self.serial.wrapping_add(1);
        let (ring, memory) = self.ring();
        let setup = self.setup(index, ring.is_some())?;
        let (output, streams) = self.output()?.unzip();
        let (ours, theirs) = lifeline::ends()?;
        let mut spawned = self.starter.start(wanted)?;
        spawned.child.attach_lifeline(ours);
        self.update_numbers(|numbers| numbers.started(index, &self.starter));
        let id = WorkerId {
            slot: index,
            serial: self.serial,
        };
        let share = self.plan.recycling.share();
        let max = self.plan.max_payload;
        let mut connection = Connection::new(spawned, self.serial, ring, max, share);
        connection.age = share.age.map(|age| {
            let (inbox, serial) = (self.inbox.clone(), self.serial);
            let aged = move || {
                inbox.tell(Order::Aged {
                    slot: index,
                    serial,
                })
            };
            self.plan.timers.arm(age, Box::new(aged))
        });
        let watched = self
            .epoll
            .add(connection.child.as_fd(), Event::Ended(id).interest(false))
            .and_then(|()| {
                self.epoll.add(
                    connection.socket.as_fd(),
                    Event::Readable(id).interest(false),
                )
            })
            .and_then(|()| {
                let fds = output.iter().flat_map(WorkerOutput::fds);
                let mut watched =
                    fds.map(|fd| self.epoll.add(fd, Event::Printed(id).interest(false)));
                watched.try_for_each(|added| added)
            });
        connection.output = output;
        if let Err(error) = watched {
            // The worker exits when its socket closes, but without a watched pidfd the pool would not learn of it.
            connection.child.kill_and_reap();
            self.unwatch(&connection);
            self.update_numbers(|numbers| numbers.ended(index, WorkerEnd::Lost));
            return Err(error.into());
        }
        let streams = streams.as_ref();
        let mut fds = self.plan.environment.fds(&theirs, streams);
        let bell = connection
            .ring
            .as_ref()
            .map(|(_, bell)| bell.as_fd().try_clone_to_owned());
        let bell = bell.transpose()?;
        if let (Some(bell), Some(memory)) = (&bell, &memory) {
            fds.extend([memory.as_fd(), bell.as_fd()]);
        }
        match connection.send_setup(setup, &fds) {
            Ok(()) => {}
            // The worker has ended already. Its pidfd reports that.
            Err(error) if socket::is_end(&error) => {}
            Err(error) => {
                connection.child.kill_and_reap();
                self.unwatch(&connection);
                self.update_numbers(|numbers| numbers.ended(index, WorkerEnd::Lost));
                let refused = format!("a worker cannot be told what it is to do: {error}");
                return Err(io::Error::new(error.kind(), refused));
            }
        }
        self.slots[index].connection = Some(connection);
        self.flush(index);
        Ok(())
    }

    /// Removes a worker from the epoll set. To close its descriptors is not enough: a child that the program has forked may have
    /// copies, and the kernel would report the worker's end again and again.
    fn unwatch(&self, connection: &Connection) {
        // They fail only where the descriptor is not in the set.
        let _ = self.epoll.delete(connection.child.as_fd());
        let _ = self.epoll.delete(connection.socket.as_fd());
        for fd in connection.output.iter().flat_map(WorkerOutput::fds) {
            let _ = self.epoll.delete(fd);
        }
    }

    /// Pipes for what the tasks of a worker print, and its own ends of them, where the pool reads that.
    fn output(&self) -> io::Result<Option<(WorkerOutput, [OwnedFd; 2])>> {
        let forwards = match self.plan.output {
            Output::Inherit => return Ok(None),
            Output::Forward => true,
            Output::Capture => false,
        };
        WorkerOutput::new(forwards, self.plan.stderr_tail)
            .map(Some)
            .map_err(about("a pipe for a worker's output cannot be made"))
    }

    /// Reads what the tasks of a worker have printed.
    pub(super) fn read_output(&mut self, index: usize) {
        if let Some(connection) = &mut self.slots[index].connection
            && let Some(output) = &mut connection.output
        {
            output.read();
            for fd in output.ended() {
                // It fails where it was deleted before.
                let _ = self.epoll.delete(fd);
            }
        }
    }

    /// A ring for a worker, with its bell, and the memory that it maps. Where the system refuses that, tasks go by the socket.
    fn ring(&self) -> (Option<(ParentRing, EventFd)>, Option<Arc<MemoryFile>>) {
        let made = self.plan.shared_memory.then(|| {
            let alone = listed::hold_off_forks();
            let bell = Bells::make().ok()?;
            let room = self.plan.shared_payload.min(self.plan.max_payload);
            let (ring, memory) = ParentRing::create(room, &alone).ok()?;
            Some(((ring, bell), memory))
        });
        made.flatten().unzip()
    }

    /// The setup frame of a worker.
    fn setup(&self, index: usize, has_ring: bool) -> io::Result<Vec<u8>> {
        let setup = Setup {
            name: name(self.serial),
            short_name: short_name(self.serial),
            purpose: Purpose::Pool { index },
            max_payload: self.plan.max_payload,
            panic_hook: self.plan.panic_hook,
            initializer: self.plan.initializer.as_deref().map(<[u8]>::to_vec),
            worker_exit: self.plan.worker_exit,
            ring: has_ring.then(|| self.plan.pace.spin.unwrap_or_default()),
        };
        setup.frame(&self.plan.environment)
    }

    /// Starts workers in the slots that are empty, as long as the pool needs workers.
    pub(super) fn fill_slots(&mut self) {
        let wanted = match self.stage {
            Stage::Running => true,
            // A worker that died may have left work behind.
            Stage::Draining => !self.is_drained(),
            Stage::Stopping => false,
        };
        if !wanted || self.broken.is_some() {
            return;
        }
        let is_due = |slot: &Slot| slot.connection.is_none() && slot.retry.is_none();
        let mut wanted = self.missing();
        for index in 0..self.slots.len() {
            if wanted == 0 {
                return;
            }
            if !is_due(&self.slots[index]) {
                continue;
            }
            if let Err(error) = self.spawn(index, wanted) {
                self.start_failed(index, error.to_string());
            }
            wanted -= 1;
        }
    }

    /// A start failed: the pool tries again after a pause, or gives up.
    fn start_failed(&mut self, index: usize, reason: String) {
        self.failures += 1;
        let alone = self.slots.iter().all(|slot| slot.connection.is_none());
        if alone && self.failures >= MAX_FAILED_STARTS {
            self.broken = Some(reason);
            self.slots.iter_mut().for_each(|slot| slot.retry = None);
            return;
        }
        let pause = PAUSE * 2_u32.pow((self.failures - 1).min(8));
        let retry = self.retry(index);
        self.slots[index].retry = Some(self.plan.timers.arm(pause, retry));
    }

    /// In a pool that has given up: every queued unit fails, for the reason that no worker could be started.
    pub(super) fn refuse_all(&mut self) {
        let Some(reason) = &self.broken else {
            return;
        };
        let next = || {
            self.feed
                .give_up()
                .or_else(|| self.queue.try_next(WorkerSlot(0)))
        };
        while let Some(claim) = next() {
            let unit = (&*claim.job, &claim.unit);
            let lost = cause::never_started(reason.clone(), unit);
            claim.job.fail(claim.unit, lost);
        }
    }

    /// Signals every worker, and ends their units as terminated.
    pub(super) fn stop(&mut self, signal: Signal) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            slot.retry = None;
            for claim in self.feed.stop(index) {
                claim.job.fail(claim.unit, TaskError::Terminated);
            }
            if let Some(connection) = &mut slot.connection {
                let state = std::mem::replace(&mut connection.state, WorkerState::Leaving);
                if let WorkerState::Busy(assignment) = state {
                    tell_end(&self.feed, index, connection, &assignment, TaskEnd::Stopped);
                    assignment
                        .claim
                        .job
                        .fail(assignment.claim.unit, TaskError::Terminated);
                }
                // A worker that handles the signal itself exits at the end of its socket, after its task.
                connection.socket.finish();
                connection.child.signal(signal);
            }
        }
    }

    /// Stops workers that run a unit of this job, or this unit of it: no other task is on them. They are replaced when they have ended.
    pub(super) fn stop_units(&mut self, job: TaskId, unit: Option<usize>) {
        for index in 0..self.slots.len() {
            let Some(connection) = &mut self.slots[index].connection else {
                continue;
            };
            let stops = match &mut connection.state {
                WorkerState::Fed => self.feed.must_stop(index),
                WorkerState::Busy(task) if is_unit_of(&task.claim, job, unit) => {
                    // It was sent: whether it has started is not known.
                    task.started = true;
                    true
                }
                _ => false,
            };
            if !stops || connection.stopping.is_some() {
                continue;
            }
            // A worker that handles the signal itself exits at the end of its socket, after its task.
            connection.socket.finish();
            if self.plan.grace.is_zero() {
                connection.stopping = Some(None);
                connection.child.signal(Signal::SIGKILL);
                continue;
            }
            let (inbox, slot, serial) = (self.inbox.clone(), index, connection.serial);
            let over = Box::new(move || inbox.tell(Order::StopGraceOver { slot, serial }));
            connection.stopping = Some(Some(self.plan.timers.arm(self.plan.grace, over)));
            connection.child.signal(Signal::SIGTERM);
        }
    }

    /// Kills a worker that breaks the protocol. Its task fails for this reason when it has ended.
    pub(super) fn kill(&mut self, index: usize, reason: String) {
        if let Some(connection) = &mut self.slots[index].connection {
            if let WorkerState::Busy(assignment) = &mut connection.state {
                assignment.started = true;
            }
            connection.kill_reason.get_or_insert(reason);
            self.feed.stop_reading(index);
            connection.child.signal(Signal::SIGKILL);
        }
        self.stop_reading(index);
    }

    /// A worker's process has ended. Its last frames are handled, then its task fails or goes back to the queue.
    pub(super) fn reap(&mut self, index: usize) {
        let Some(connection) = &self.slots[index].connection else {
            return;
        };
        let task_end = match connection.stopping {
            Some(_) => TaskEnd::Stopped,
            None => TaskEnd::Lost,
        };
        // Its process group is killed first, so that no process that holds its socket goes on writing.
        let status = connection.child.reap();
        self.read_to_end(index);
        // Behind what came by the socket: an answer there is before what the ring holds behind it.
        let remains = self.feed.end(index, task_end);
        let Some(mut connection) = self.slots[index].connection.take() else {
            return;
        };
        self.unwatch(&connection);
        let stderr = connection.output.as_mut().and_then(WorkerOutput::end);
        let end = match connection.state {
            _ if connection.stopping.is_some() => WorkerEnd::Stopped,
            WorkerState::Leaving => connection.end,
            _ => WorkerEnd::Lost,
        };
        if let WorkerState::Busy(assignment) = &connection.state {
            tell_end(&self.feed, index, &connection, assignment, task_end);
        }
        self.update_numbers(|numbers| numbers.ended(index, end));
        if connection.is_ready {
            let worker = connection.worker(index);
            let observed = &self.plan.observed;
            observed.tell(|observer| observer.worker_ended(&worker, end));
        }
        let cause = match &connection.kill_reason {
            Some(reason) => Cause::Protocol(reason.clone()),
            None => cause::of(status),
        };
        let killed = || cause::kills_for_memory() > self.kills_for_memory;
        let memory = cause::hint_at_memory(&cause, self.plan.environment.memory, killed);
        let pid = connection.child.pid();
        let lose = |claim: Claim<dyn RemoteJob>, cause: Cause| {
            if let Some(pause) = claim.job.as_job().try_again(&claim.unit) {
                self.feed.try_again(claim, pause);
                return;
            }
            let unit = (&*claim.job, &claim.unit);
            let lost = cause::lost(pid, cause, unit, memory.clone()).with_stderr(stderr.clone());
            claim.job.fail(claim.unit, lost);
        };
        let hand_back = |claim: Claim<dyn RemoteJob>, cause: Cause| {
            if claim.unit.returns() + 1 < MAX_SENDS {
                self.queue.put_back(claim);
                return;
            }
            let unit = (&*claim.job, &claim.unit);
            let lost = cause::never_received(pid, cause, unit, memory.clone(), MAX_SENDS)
                .with_stderr(stderr.clone());
            claim.job.fail(claim.unit, lost);
        };
        match connection.state {
            WorkerState::Busy(assignment) if assignment.started => lose(assignment.claim, cause),
            WorkerState::Busy(assignment) => hand_back(assignment.claim, cause),
            WorkerState::Fed => {
                for claim in remains.started {
                    lose(claim, cause.clone());
                }
                // From the last on: where the pool is terminated meanwhile, each ends alone.
                for claim in remains.behind.into_iter().rev() {
                    self.queue.put_back_unsent(claim);
                }
                if let Some(claim) = remains.next {
                    hand_back(claim, cause);
                }
            }
            WorkerState::Starting if self.stage != Stage::Stopping => {
                self.start_failed(
                    index,
                    connection.kill_reason.unwrap_or_else(|| cause.to_string()),
                );
            }
            WorkerState::Starting | WorkerState::Idle | WorkerState::Leaving => {}
        }
    }
}

/// What a worker without a ring had started has ended with it.
fn tell_end(
    feed: &Feed,
    slot: usize,
    connection: &Connection,
    assignment: &Assignment,
    end: TaskEnd,
) {
    if let Some(since) = assignment.since {
        let serial = connection.serial;
        let unit = (&*assignment.claim.job, assignment.claim.unit.index());
        let lane = LaneId { slot, serial };
        feed.tell_ended_by_socket(lane, connection.child.pid(), unit, end, since);
    }
}

/// The name that the system shows of a pool's n-th worker, 15 bytes at most.
fn short_name(number: u32) -> String {
    let mut name = format!("ppool-{number}");
    name.truncate(15);
    name
}
