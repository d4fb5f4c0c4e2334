//! The workers themselves: how they are hired, stopped, buried and replaced.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::signal::Signal;
use pool_core::{Cause, Failure, Seat};

use crate::pool::cause;
use crate::pool::connection::{Connection, WorkerState};
use crate::sys::lifeline;
use crate::wire::setup::{Purpose, Setup};
use crate::wire::socket;

use super::{Dispatcher, Event, Slot, Stage, WorkerId};

/// So many starts in a row may come to nothing before the pool gives up.
const TRIES: u32 = 5;
/// The pause after the first of them; each further one doubles it.
const PAUSE: Duration = Duration::from_millis(10);

/// So many workers may end while they receive a task; with the last of them the task fails.
const HAND_OVERS: u32 = 5;

impl Dispatcher {
    /// Starts a worker for an empty place, the first of so many that are to be filled now.
    pub(super) fn spawn(&mut self, index: usize, wanted: usize) -> io::Result<()> {
        self.serial = self.serial.wrapping_add(1);
        let setup = self.setup(index)?;
        let (ours, theirs) = lifeline::ends()?;
        let mut spawned = self.starter.start(wanted)?;
        spawned.child.attach_lifeline(ours);
        self.update_stats(|stats| stats.started(&self.starter));
        let id = WorkerId {
            slot: index,
            serial: self.serial,
        };
        let mut connection = Connection::new(spawned, self.serial, self.plan.max_payload);
        let watched = self
            .epoll
            .add(connection.child.as_fd(), Event::Ended(id).interest(false))
            .and_then(|()| {
                self.epoll.add(
                    connection.socket.as_fd(),
                    Event::Readable(id).interest(false),
                )
            });
        if let Err(error) = watched {
            // Its socket closes with `connection`, at which it leaves; but nobody would see it go.
            connection.child.kill_and_reap();
            self.unwatch(&connection);
            self.update_stats(|stats| stats.ended(false));
            return Err(error.into());
        }
        match connection.send_setup(setup, &self.plan.environment.fds(&theirs)) {
            Ok(()) => {}
            // A worker that is gone before it was told anything is found dead like any other.
            Err(error) if socket::is_end(&error) => {}
            Err(error) => {
                connection.child.kill_and_reap();
                self.unwatch(&connection);
                self.update_stats(|stats| stats.ended(false));
                let refused = format!("a worker cannot be told what it is to do: {error}");
                return Err(io::Error::new(error.kind(), refused));
            }
        }
        self.slots[index].connection = Some(connection);
        self.flush(index);
        Ok(())
    }

    /// Has nothing more reported of a worker. To close its descriptors is not enough: a child that the program has forked may have
    /// copies, for whose sake the kernel would report its end again and again.
    fn unwatch(&self, connection: &Connection) {
        // It fails where one is not in the set, which is what is wanted.
        let _ = self.epoll.delete(connection.child.as_fd());
        let _ = self.epoll.delete(connection.socket.as_fd());
    }

    /// The first frame for a worker.
    fn setup(&self, index: usize) -> io::Result<Vec<u8>> {
        let setup = Setup {
            name: format!("ProcessPoolWorker-{}", self.serial),
            short_name: short_name(self.serial),
            purpose: Purpose::Pool { index },
            max_payload: self.plan.max_payload,
            panic_hook: self.plan.panic_hook,
            initializer: self.plan.initializer.as_deref().map(<[u8]>::to_vec),
        };
        setup.frame(&self.plan.environment)
    }

    /// Puts workers where some are missing and wanted.
    pub(super) fn fill_slots(&mut self) {
        let wanted = match self.stage {
            Stage::Running => true,
            // One that died may have left work behind.
            Stage::Draining => !self.feed.is_drained(),
            Stage::Stopping => false,
        };
        if !wanted || self.broken.is_some() {
            return;
        }
        let is_due = |slot: &Slot| slot.connection.is_none() && slot.retry.is_none();
        let mut wanted = self.slots.iter().filter(|slot| is_due(slot)).count();
        for index in 0..self.slots.len() {
            if !is_due(&self.slots[index]) {
                continue;
            }
            if let Err(error) = self.spawn(index, wanted) {
                self.start_failed(index, error.to_string());
            }
            wanted -= 1;
        }
    }

    /// A start came to nothing: it is tried again after a pause, or the pool gives up.
    fn start_failed(&mut self, index: usize, reason: String) {
        self.failures += 1;
        let alone = self.slots.iter().all(|slot| slot.connection.is_none());
        if alone && self.failures >= TRIES {
            self.broken = Some(reason);
            self.slots.iter_mut().for_each(|slot| slot.retry = None);
            return;
        }
        let pause = PAUSE * 2_u32.pow((self.failures - 1).min(8));
        let retry = self.retry(index);
        self.slots[index].retry = Some(self.plan.timers.arm(pause, retry));
    }

    /// In a pool that can have no workers: what is queued fails, for the reason that no worker would start.
    pub(super) fn refuse_all(&mut self) {
        let Some(reason) = &self.broken else {
            return;
        };
        while let Some(claim) = self.feed.try_next(Seat(0)) {
            let unit = (&*claim.job, &claim.unit);
            let lost = cause::never_started(reason.clone(), unit);
            claim.job.fail(claim.unit, lost);
        }
    }

    /// Signals every worker; what they were doing has ended as far as the pool is concerned.
    pub(super) fn stop(&mut self, signal: Signal) {
        for slot in &mut self.slots {
            slot.retry = None;
            if let Some(connection) = &mut slot.connection {
                let state = std::mem::replace(&mut connection.state, WorkerState::Leaving);
                if let WorkerState::Busy(assignment) = state {
                    assignment
                        .claim
                        .job
                        .fail(assignment.claim.unit, Failure::Terminated);
                }
                // One that takes no notice of the signal leaves when it has nothing to do.
                connection.socket.finish();
                connection.child.signal(signal);
            }
        }
    }

    /// Stops a worker that cannot be trusted any more; its task fails for this reason when it is gone.
    pub(super) fn kill(&mut self, index: usize, kill_reason: String) {
        if let Some(connection) = &mut self.slots[index].connection {
            if let WorkerState::Busy(assignment) = &mut connection.state {
                assignment.started = true;
            }
            connection.kill_reason.get_or_insert(kill_reason);
            connection.child.signal(Signal::SIGKILL);
        }
        self.stop_reading(index);
    }

    /// A worker's process has ended: its last words are outcome, then its task fails or goes back to the queue.
    pub(super) fn reap(&mut self, index: usize) {
        let Some(connection) = &self.slots[index].connection else {
            return;
        };
        // Its group goes first, so that nobody who holds its socket goes on writing.
        let status = connection.child.reap();
        self.read_to_end(index);
        let Some(connection) = self.slots[index].connection.take() else {
            return;
        };
        self.unwatch(&connection);
        let expected = matches!(connection.state, WorkerState::Leaving);
        self.update_stats(|stats| stats.ended(expected));
        let cause = match &connection.kill_reason {
            Some(kill_reason) => Cause::Protocol(kill_reason.clone()),
            None => cause::of(status),
        };
        let memory = self.plan.environment.memory;
        match connection.state {
            WorkerState::Busy(assignment) if assignment.started => {
                let claim = assignment.claim;
                let unit = (&*claim.job, &claim.unit);
                let lost = cause::lost(connection.child.pid(), cause, unit, memory);
                claim.job.fail(claim.unit, lost);
            }
            WorkerState::Busy(assignment) if assignment.claim.unit.returns() + 1 < HAND_OVERS => {
                self.feed.put_back(assignment.claim);
            }
            WorkerState::Busy(assignment) => {
                let claim = assignment.claim;
                let unit = (&*claim.job, &claim.unit);
                let lost =
                    cause::never_received(connection.child.pid(), cause, unit, memory, HAND_OVERS);
                claim.job.fail(claim.unit, lost);
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

/// The name that the system shows of a pool's n-th worker, 15 bytes at most.
fn short_name(number: u32) -> String {
    let mut name = format!("ppool-{number}");
    name.truncate(15);
    name
}
