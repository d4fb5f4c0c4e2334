//! The workers themselves: how they are hired, stopped, buried and replaced.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::signal::Signal;
use pool_core::{Cause, Failure, Seat};

use crate::hand::{Duty, Hand};
use crate::setup::{Purpose, Setup};
use crate::{cause, lifeline, link, names};

use super::{Course, Dispatcher, Event, Name, Slot};

/// So many starts in a row may come to nothing before the pool gives up.
const TRIES: u32 = 5;
/// The pause after the first of them; each further one doubles it.
const PAUSE: Duration = Duration::from_millis(10);

/// So many workers may end while they receive a task; with the last of them the task fails.
const HAND_OVERS: u32 = 5;

impl Dispatcher {
    /// Starts a worker for an empty place, the first of so many that are to be filled now.
    pub(super) fn hire(&mut self, index: usize, wanted: usize) -> io::Result<()> {
        self.serial = self.serial.wrapping_add(1);
        let setup = self.setup(index)?;
        let (ours, theirs) = lifeline::ends()?;
        let mut newborn = self.starter.start(wanted)?;
        newborn.child.tie(ours);
        self.note(|stats| stats.started(&self.starter));
        let name = Name {
            slot: index,
            serial: self.serial,
        };
        let mut hand = Hand::new(newborn, self.serial, self.plan.max_payload);
        let watched = self
            .epoll
            .add(hand.child.as_fd(), Event::Ended(name).interest(false))
            .and_then(|()| {
                self.epoll
                    .add(hand.link.as_fd(), Event::Readable(name).interest(false))
            });
        if let Err(error) = watched {
            // Its socket closes with `hand`, at which it leaves; but nobody would see it go.
            hand.child.kill_and_bury();
            self.unwatch(&hand);
            self.note(|stats| stats.ended(false));
            return Err(error.into());
        }
        match hand.introduce(setup, &self.plan.surroundings.fds(&theirs)) {
            Ok(()) => {}
            // A worker that is gone before it was told anything is found dead like any other.
            Err(error) if link::is_end(&error) => {}
            Err(error) => {
                hand.child.kill_and_bury();
                self.unwatch(&hand);
                self.note(|stats| stats.ended(false));
                let refused = format!("a worker cannot be told what it is to do: {error}");
                return Err(io::Error::new(error.kind(), refused));
            }
        }
        self.slots[index].hand = Some(hand);
        self.flush(index);
        Ok(())
    }

    /// Has nothing more reported of a worker. To close its descriptors is not enough: a child that the program has forked may have
    /// copies, for whose sake the kernel would report its end again and again.
    fn unwatch(&self, hand: &Hand) {
        // It fails where one is not in the set, which is what is wanted.
        let _ = self.epoll.delete(hand.child.as_fd());
        let _ = self.epoll.delete(hand.link.as_fd());
    }

    /// The first frame for a worker.
    fn setup(&self, index: usize) -> io::Result<Vec<u8>> {
        let setup = Setup {
            name: names::long(self.serial),
            short_name: names::short(self.serial),
            purpose: Purpose::Pool { index },
            max_payload: self.plan.max_payload,
            panic_hook: self.plan.panic_hook,
            initializer: self.plan.initializer.as_deref().map(<[u8]>::to_vec),
        };
        setup.frame(&self.plan.surroundings)
    }

    /// Puts workers where some are missing and wanted.
    pub(super) fn fill_slots(&mut self) {
        let wanted = match self.course {
            Course::Running => true,
            // One that died may have left work behind.
            Course::Draining => !self.feed.is_drained(),
            Course::Stopping => false,
        };
        if !wanted || self.broken.is_some() {
            return;
        }
        let is_due = |slot: &Slot| slot.hand.is_none() && slot.retry.is_none();
        let mut wanted = self.slots.iter().filter(|slot| is_due(slot)).count();
        for index in 0..self.slots.len() {
            if !is_due(&self.slots[index]) {
                continue;
            }
            if let Err(error) = self.hire(index, wanted) {
                self.start_failed(index, error.to_string());
            }
            wanted -= 1;
        }
    }

    /// A start came to nothing: it is tried again after a pause, or the pool gives up.
    fn start_failed(&mut self, index: usize, reason: String) {
        self.failures += 1;
        let alone = self.slots.iter().all(|slot| slot.hand.is_none());
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
            if let Some(hand) = &mut slot.hand {
                let duty = std::mem::replace(&mut hand.duty, Duty::Leaving);
                if let Duty::Busy(assignment) = duty {
                    assignment
                        .claim
                        .job
                        .fail(assignment.claim.unit, Failure::Terminated);
                }
                // One that takes no notice of the signal leaves when it has nothing to do.
                hand.link.finish();
                hand.child.signal(signal);
            }
        }
    }

    /// Stops a worker that cannot be trusted any more; its task fails for this reason when it is gone.
    pub(super) fn condemn(&mut self, index: usize, verdict: String) {
        if let Some(hand) = &mut self.slots[index].hand {
            if let Duty::Busy(assignment) = &mut hand.duty {
                assignment.started = true;
            }
            hand.verdict.get_or_insert(verdict);
            hand.child.signal(Signal::SIGKILL);
        }
        self.stop_listening(index);
    }

    /// A worker's process has ended: its last words are heard, then its task fails or goes back to the queue.
    pub(super) fn bury(&mut self, index: usize) {
        let Some(hand) = &self.slots[index].hand else {
            return;
        };
        // Its group goes first, so that nobody who holds its socket goes on writing.
        let status = hand.child.bury();
        self.listen_to_the_end(index);
        let Some(hand) = self.slots[index].hand.take() else {
            return;
        };
        self.unwatch(&hand);
        let expected = matches!(hand.duty, Duty::Leaving);
        self.note(|stats| stats.ended(expected));
        let cause = match &hand.verdict {
            Some(verdict) => Cause::Protocol(verdict.clone()),
            None => cause::of(status),
        };
        let memory = self.plan.surroundings.memory;
        match hand.duty {
            Duty::Busy(assignment) if assignment.started => {
                let claim = assignment.claim;
                let unit = (&*claim.job, &claim.unit);
                let lost = cause::lost(hand.child.pid(), cause, unit, memory);
                claim.job.fail(claim.unit, lost);
            }
            Duty::Busy(assignment) if assignment.claim.unit.returns() + 1 < HAND_OVERS => {
                self.feed.put_back(assignment.claim);
            }
            Duty::Busy(assignment) => {
                let claim = assignment.claim;
                let unit = (&*claim.job, &claim.unit);
                let lost = cause::never_received(hand.child.pid(), cause, unit, memory, HAND_OVERS);
                claim.job.fail(claim.unit, lost);
            }
            Duty::Starting if self.course != Course::Stopping => {
                self.start_failed(index, hand.verdict.unwrap_or_else(|| cause.to_string()));
            }
            Duty::Starting | Duty::Idle | Duty::Leaving => {}
        }
    }
}
