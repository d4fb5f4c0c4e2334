//! A worker's ring as the feed has it: the units in it, how many there may be, and what wakes the worker.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::eventfd::EventFd;
use pool_core::backend::Claim;

use crate::arena::Span;
use crate::pool::outgoing::Outgoing;
use crate::pool::remote_job::RemoteJob;
use crate::pool::sent_contexts::SentContexts;
use crate::ring::parent::{CAPACITY, ParentRing};
use crate::wire::socket::{self, Socket};
use crate::wire::{self, HEAD, Kind};

thread_local! {
    /// The calling thread has woken a worker since it waited last.
    pub(super) static WOKE: Cell<bool> = const { Cell::new(false) };
}

/// A unit in a lane.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) claim: Claim<dyn RemoteJob>,
    pub(super) request: u64,
    /// It has a deadline, and has not been seen to start.
    pub(super) awaits_start: bool,
    /// It may come back to the queue: nothing lies behind it.
    pub(super) comes_back: bool,
}

/// Whether an arena has memory that may be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Warmth {
    /// It has none.
    Cold,
    /// It was not used since the last check.
    Cooling,
    /// It was.
    Warm,
}

/// A worker's ring, and what is in it.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(super) serial: u32,
    pub(super) pid: u32,
    pub(super) ring: ParentRing,
    pub(super) socket: Arc<Socket>,
    /// Units in the ring, in its order.
    pub(super) units: VecDeque<Assignment>,
    /// Since when the first of them is that.
    pub(super) since: Instant,
    /// How many it was given, those that were taken back aside.
    pub(super) tasks: usize,
    /// How many it may be given.
    pub(super) most_tasks: usize,
    pub(super) contexts: SentContexts,
    /// Frames that were written for the worker so far.
    pub(super) frames: u64,
    /// Frames that the dispatcher is to send.
    pub(super) outgoing: Vec<Outgoing>,
    /// Frames are under way: they wake the worker.
    pub(super) is_sending: bool,
    /// Answers are being copied out of its arena: the worker is not told yet that they were read.
    pub(super) is_reading: bool,
    /// Memory of its arena is in use, or was since the last check but one.
    pub(super) warmth: Warmth,
    /// The worker is to be woken, which the system has refused.
    pub(super) wake_due: bool,
    /// The worker writes into it to wake the pool.
    pub(super) bell: EventFd,
    /// How it broke the protocol: nothing is read of it any more.
    pub(super) breach: Option<String>,
    /// The worker is to be stopped, since what it runs was cancelled, or had a deadline.
    pub(super) is_stopping: bool,
}

impl Lane {
    pub(crate) fn new(
        serial: u32,
        pid: u32,
        (ring, bell): (ParentRing, EventFd),
        socket: Arc<Socket>,
        most_tasks: usize,
    ) -> Lane {
        Lane {
            serial,
            pid,
            ring,
            socket,
            units: VecDeque::new(),
            since: Instant::now(),
            tasks: 0,
            most_tasks,
            contexts: SentContexts::default(),
            frames: 0,
            outgoing: Vec::new(),
            is_sending: false,
            is_reading: false,
            warmth: Warmth::Cold,
            wake_due: false,
            bell,
            breach: None,
            is_stopping: false,
        }
    }

    /// Whether it may get another unit, where it may have so many.
    pub(super) fn has_room(&self, most: usize) -> bool {
        let comes_back = self.units.back().is_some_and(|unit| unit.comes_back);
        let may_have = self.breach.is_none() && !self.is_stopping && !comes_back;
        self.units.len() < most && self.tasks < self.most_tasks && may_have
    }

    /// Whether its worker comes to another unit later than one that sleeps and is woken for it, where a worker with fewer than `soon` units
    /// is sooner.
    pub(super) fn is_late(&self, soon: usize) -> bool {
        match self.units.len() {
            0 => self.ring.is_asleep(),
            count => count >= soon,
        }
    }

    /// Whether a unit waits behind another.
    pub(super) fn waits(&self) -> bool {
        self.units.len() > 1
    }

    /// Puts a unit into the ring, the rest of which may lie in the arena; whether the dispatcher has something to send. Where it `is_ahead`,
    /// behind a task that is not short, the worker wakes the pool when it goes on with it.
    pub(super) fn put(
        &mut self,
        unit: Assignment,
        frame: &mut Vec<u8>,
        tail: Option<Span>,
        is_ahead: bool,
    ) -> bool {
        let tells_start = unit.awaits_start || is_ahead;
        if frame.len() - HEAD > CAPACITY {
            let mut frame = std::mem::take(frame);
            wire::seal(&mut frame, Kind::Task, unit.request);
            self.frames += 1;
            self.outgoing.push(frame.into());
            self.ring
                .put(unit.request, self.frames, &[], None, tells_start);
        } else {
            let payload = &frame[HEAD..];
            self.ring
                .put(unit.request, self.frames, payload, tail, tells_start);
        }
        if self.units.is_empty() {
            self.since = Instant::now();
        }
        self.units.push_back(unit);
        self.tasks += 1;
        self.wake() || !self.outgoing.is_empty()
    }

    /// Takes back units that have not started, and leaves at least so many in the ring.
    pub(super) fn take_back(&mut self, keep: usize) -> Vec<Claim<dyn RemoteJob>> {
        let taken = self.ring.take_back(keep);
        let kept = self.units.len().saturating_sub(taken);
        self.tasks = self.tasks.saturating_sub(taken);
        let taken = self.units.split_off(kept);
        taken.into_iter().map(|unit| unit.claim).collect()
    }

    /// Wakes the worker, if it sleeps and no frame does; whether the dispatcher has to do it.
    pub(super) fn wake(&mut self) -> bool {
        if self.is_sending || !self.outgoing.is_empty() || !self.ring.must_wake() {
            return false;
        }
        // While the thread's locals are torn down nobody spins.
        let _ = WOKE.try_with(|woke| woke.set(true));
        let frame = wake_frame();
        match self.socket.try_write(&frame) {
            // It has not read what was sent before: that wakes it.
            Ok(0) => false,
            Ok(sent) => {
                if sent < frame.len() {
                    self.outgoing.push(frame[sent..].to_vec().into());
                }
                sent < frame.len()
            }
            Err(error) => {
                // Where it has ended, its pidfd says so.
                self.wake_due = socket::is_shortage(&error);
                self.wake_due
            }
        }
    }

    /// The first unit was answered by the socket.
    pub(super) fn pass(&mut self) -> Option<Assignment> {
        let unit = self.units.pop_front()?;
        self.ring.pass();
        self.ring.tell_read();
        self.since = Instant::now();
        Some(unit)
    }
}

/// The frame that wakes a worker.
pub(super) fn wake_frame() -> [u8; HEAD] {
    let mut frame = [0; HEAD];
    wire::seal(&mut frame, Kind::Wake, 0);
    frame
}
