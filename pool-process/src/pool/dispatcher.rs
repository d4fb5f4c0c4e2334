//! The dispatcher: one thread per pool that owns all its workers, gives them work and reaps them.
//!
//! ```text
//!            queue ──try_next──▶ dispatcher ──Task──▶ worker
//!   submit ──wake──▶   │  ▲ ▲                          │
//!                      │  │ └──Started, Done, ...──────┤ socket
//!   finish ◀───────────┘  └──────────(it ended)────────┘ pidfd
//! ```
//!
//! That is the way of a worker without a ring. Where a worker has one, the [`Feed`] gives it units and takes its answers, on whatever thread
//! is there, and on this one where none is; the dispatcher has its life: it starts, stops, reaps and replaces it, and its socket, for
//! what is too long for a ring, contexts, and the order to leave.
//!
//! The dispatcher shares none of its state. Other threads send it orders through the [`Inbox`], and work through the queue. It
//! blocks in `epoll_wait` alone: bytes that a socket does not take at once stay in that worker's outbox.
//!
//! # The protocol of a worker
//!
//! | state | frame | after it |
//! |---|---|---|
//! | starting | `Ready` | idle; fed, where it says that it has mapped its ring |
//! | starting | `Unfit` | killed, and the start counts as failed |
//! | busy, not started | `Started` | busy, started |
//! | busy, started | `Done`, `Raised`, `Panicked`, `BadArgument`, `BadResult` | idle, and the unit has ended |
//! | fed | the same, for the first unit in its ring | fed, and the unit has ended |
//! | leaving | anything | leaving: the frame is ignored |
//! | any other pair | | a breach: the worker is killed, and its unit fails |
//!
//! # Why no unit is lost, and none runs twice
//!
//! A unit is in one place: the queue, the feed, or one worker's assignment. It leaves the assignment by an answer, or when the
//! worker's pidfd reports that its process has ended. The pidfd always does, whatever becomes of the socket. The dispatcher then
//! reads what the worker wrote before it died, and what it answered in its ring. The unit fails if the worker had sent `Started`, or
//! taken it out of its ring, and goes back to the front of the queue if not: a worker does so before it decodes the argument.
//!
//! The end of the socket alone does not end a unit: a process that a task has started may hold the socket open, and a task may
//! close it. A worker that closes its socket and is not about to exit could never answer, so the dispatcher kills it. It also
//! kills a worker whose first thread has ended while others go on, which no descriptor reports: see [`watch`].

// Each module uses only those above it.

// Busy workers are checked.
mod watch;

// Frames are read.
mod answers;

// Workers are started, stopped, reaped and replaced.
mod workers;

// How many workers there are.
mod resizing;

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::Signal;
use pool_core::backend::{Alarm, Armed, Observed, Pace, Queue, Recycling, WorkerSlot};
use pool_core::{StartError, TaskError, Timers, WorkerEnd};

use crate::environment::Environment;
use crate::output::Output;
use crate::server::registry::Preload;
use crate::start::{StartMethod, Starter};
use crate::wire::socket;
use crate::wire::token::TOKEN;

use super::cause;
use super::connection::{Assignment, Connection, WorkerState};
use super::feed::{Chore, Feed};
use super::inbox::{Inbox, Order};
use super::remote_job::RemoteJob;
use super::stats::Numbers;
use super::watch::Watch;

/// The settings of a pool's workers, from its builder.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) environment: Environment,
    pub(crate) timers: Timers,
    pub(crate) grace: Duration,
    pub(crate) max_payload: u64,
    pub(crate) panic_hook: bool,
    pub(crate) method: StartMethod,
    pub(crate) preload: Option<Preload>,
    /// The payload of a task frame that each worker runs before its first task.
    pub(crate) initializer: Option<Arc<[u8]>>,
    /// After how much a worker is replaced.
    pub(crate) recycling: Recycling,
    /// How long a worker has nothing to do before it leaves.
    pub(crate) idle_timeout: Option<Duration>,
    /// The token of what a worker runs before it leaves.
    pub(crate) worker_exit: Option<[u8; TOKEN]>,
    /// What becomes of what tasks print.
    pub(crate) output: Output,
    /// So many bytes of what a task has written to stderr go with its error.
    pub(crate) stderr_tail: usize,
    /// Whether workers get rings.
    pub(crate) shared_memory: bool,
    /// How many bytes of an argument or a result each shares with its pool at most.
    pub(crate) shared_payload: u64,
    pub(crate) pace: Pace,
    pub(crate) numbers: Arc<Mutex<Numbers>>,
    pub(crate) observed: Observed,
}

impl Plan {
    /// Whether the dispatcher is to hear of each task that ends.
    pub(crate) fn watches(&self) -> bool {
        self.recycling.is_limited() || self.idle_timeout.is_some()
    }
}

/// What wakes the dispatcher.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Orders, or new work.
    Wake,
    /// A worker wrote, or its socket ended.
    Readable(WorkerId),
    /// A worker's socket takes more.
    Writable(WorkerId),
    /// A worker's process ended.
    Ended(WorkerId),
    /// A task has printed something, or nobody can print there any more.
    Printed(WorkerId),
    /// Busy workers are to be checked.
    Tick,
    /// What waits behind long tasks is to be taken back.
    Behind,
    /// Workers have answered.
    Rung,
}

/// Which worker an event is about. The serial number tells a worker from the one that has replaced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WorkerId {
    slot: usize,
    serial: u32,
}

/// How far the pool is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Workers that end are replaced.
    Running,
    /// Workers leave when the queue is drained.
    Draining,
    /// Workers are stopped.
    Stopping,
}

/// A place for one worker.
#[derive(Debug, Default)]
struct Slot {
    connection: Option<Connection>,
    /// The timer of the next attempt, after a worker could not be started or not be written to.
    retry: Option<Armed>,
}

pub(crate) struct Dispatcher {
    plan: Plan,
    queue: Arc<Queue<dyn RemoteJob>>,
    inbox: Arc<Inbox>,
    feed: Arc<Feed>,
    epoll: Epoll,
    starter: Starter,
    slots: Vec<Slot>,
    /// Workers that have left because there was nothing to do.
    absent: usize,
    stage: Stage,
    grace: Option<Armed>,
    /// Workers started so far.
    serial: u32,
    /// Tasks handed out so far.
    requests: u64,
    /// Starts in a row that came to nothing.
    failures: u32,
    watch: Arc<Watch>,
    /// How many processes the kernel had killed for memory when the pool was made.
    kills_for_memory: u64,
    /// Why no worker can be had any more.
    broken: Option<String>,
}

impl Dispatcher {
    /// The calling thread must be the one whose identity the plan has.
    pub(crate) fn new(
        plan: Plan,
        queue: &Arc<Queue<dyn RemoteJob>>,
        inbox: &Arc<Inbox>,
        feed: &Arc<Feed>,
        watch: &Arc<Watch>,
        epoll: Epoll,
    ) -> io::Result<Dispatcher> {
        epoll.add(inbox.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        epoll.add(watch.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, TICK))?;
        epoll.add(
            feed.behind().as_fd(),
            EpollEvent::new(EpollFlags::EPOLLIN, BEHIND),
        )?;
        let starter = Starter::new(plan.method, plan.preload, &plan.environment.identity);
        Ok(Dispatcher {
            plan,
            starter,
            queue: queue.clone(),
            inbox: inbox.clone(),
            feed: feed.clone(),
            epoll,
            slots: (0..queue.size()).map(|_| Slot::default()).collect(),
            absent: 0,
            stage: Stage::Running,
            grace: None,
            serial: 0,
            requests: 0,
            failures: 0,
            watch: watch.clone(),
            kills_for_memory: cause::kills_for_memory(),
            broken: None,
        })
    }

    /// Starts every worker. Where one start fails, the workers that were started have ended when this returns. The calling
    /// thread must be the dispatcher's own.
    pub(crate) fn start(&mut self) -> Result<(), StartError> {
        self.plan.environment.identity.pass_on();
        for index in 0..self.slots.len() {
            if let Err(source) = self.spawn(index, self.slots.len() - index) {
                self.stage = Stage::Stopping;
                self.stop(Signal::SIGKILL);
                self.run();
                return Err(StartError::Worker { index, source });
            }
        }
        Ok(())
    }

    /// Runs until the pool has ended and no worker is left.
    pub(crate) fn run(&mut self) {
        let mut room = [EpollEvent::empty(); 64];
        self.feed.set_dispatcher();
        loop {
            self.fill_slots();
            self.tell_needs();
            self.give_work();
            self.feed.request_pump();
            self.return_by_need();
            self.do_chores();
            self.time_idle();
            self.retire_idle();
            if self.is_over() {
                return;
            }
            self.arm_watch();
            // Where answers come one after the other, it looks for the next before it sleeps.
            let timeout = match self.feed.keep_pumping() {
                true => EpollTimeout::ZERO,
                false if self.feed.fall_asleep() => EpollTimeout::NONE,
                false => EpollTimeout::ZERO,
            };
            let events = match self.epoll.wait(&mut room, timeout) {
                Ok(count) => &room[..count],
                Err(Errno::EINTR) => continue,
                // The arguments are valid, and the documentation names no other failure.
                Err(error) => unreachable!("epoll_wait: {error}"),
            };
            for event in events.iter().flat_map(Event::of) {
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Wake => {
                for order in self.inbox.take() {
                    self.handle_order(order);
                }
            }
            Event::Readable(worker) => {
                if self.is_present(worker) {
                    self.read(worker.slot);
                }
            }
            Event::Writable(worker) => {
                if self.is_present(worker) {
                    self.flush(worker.slot);
                }
            }
            Event::Ended(worker) => {
                if self.is_present(worker) {
                    self.reap(worker.slot);
                }
            }
            Event::Printed(worker) => {
                if self.is_present(worker) {
                    self.read_output(worker.slot);
                }
            }
            Event::Tick => self.check_busy(),
            Event::Behind => self.feed.behind_expired(),
            // The loop looks at all rings.
            Event::Rung => self.feed.bells().clear(),
        }
    }

    fn handle_order(&mut self, order: Order) {
        match order {
            Order::Close if self.stage == Stage::Running => {
                self.stage = Stage::Draining;
                self.feed.is_ending();
            }
            Order::Close => {}
            Order::Terminate => {
                self.stage = Stage::Stopping;
                self.feed.is_ending();
                if self.plan.grace.is_zero() {
                    self.stop(Signal::SIGKILL);
                } else {
                    self.stop(Signal::SIGTERM);
                    let inbox = self.inbox.clone();
                    let over = Box::new(move || inbox.tell(Order::GraceOver));
                    self.grace = Some(self.plan.timers.arm(self.plan.grace, over));
                }
            }
            Order::GraceOver => self.stop(Signal::SIGKILL),
            Order::Aged { slot, serial } => {
                if self.is_present(WorkerId { slot, serial })
                    && let Some(connection) = &mut self.slots[slot].connection
                {
                    connection.share.tasks = 0;
                    self.feed.stop_giving(slot);
                }
            }
            Order::Resize => self.resize(),
            Order::Idle { slot, serial } => self.idle_is_over(WorkerId { slot, serial }),
            Order::Stop { job, unit } => self.stop_units(job, unit),
            Order::StopGraceOver { slot, serial } => {
                if self.is_present(WorkerId { slot, serial })
                    && let Some(connection) = &self.slots[slot].connection
                {
                    connection.child.signal(Signal::SIGKILL);
                }
            }
            Order::Retry { slot } => {
                if let Some(place) = self.slots.get_mut(slot) {
                    place.retry = None;
                    self.flush(slot);
                }
            }
        }
    }

    /// An alarm that has a slot tried again.
    fn retry(&self, slot: usize) -> Alarm {
        let inbox = self.inbox.clone();
        Box::new(move || inbox.tell(Order::Retry { slot }))
    }

    /// Changes the pool's numbers.
    fn update_numbers(&self, change: impl FnOnce(&mut Numbers)) {
        let numbers = self.plan.numbers.lock();
        change(&mut numbers.unwrap_or_else(PoisonError::into_inner));
    }

    fn is_present(&self, worker: WorkerId) -> bool {
        let connection = self
            .slots
            .get(worker.slot)
            .and_then(|slot| slot.connection.as_ref());
        connection.is_some_and(|connection| connection.serial == worker.serial)
    }

    /// Says whether it has something to do itself when work arrives or has ended. It looks at the queue after that.
    fn tell_needs(&self) {
        let is_fed = |slot: &Slot| match &slot.connection {
            Some(connection) => matches!(connection.state, WorkerState::Fed),
            None => slot.retry.is_none(),
        };
        let is_running = self.stage == Stage::Running && self.broken.is_none();
        let needs = !is_running || self.missing() > 0 || !self.slots.iter().all(is_fed);
        self.feed.set_needs_dispatcher(needs);
        self.feed.set_lacks_workers(self.absent > 0);
        self.feed.set_is_watched(self.watches());
    }

    /// Does what those who pump have left to it.
    fn do_chores(&mut self) {
        for (index, chore) in self.feed.chores() {
            match chore {
                Chore::Kill(reason) => self.kill(index, reason),
                Chore::Send(frames) => {
                    if let Some(connection) = &mut self.slots[index].connection {
                        frames.into_iter().for_each(|frame| connection.send(frame));
                    }
                    self.flush(index);
                }
            }
        }
        if self.watches() {
            for index in 0..self.slots.len() {
                self.recycle(index);
            }
        }
    }

    /// Whether it is to hear of each task that ends.
    fn watches(&self) -> bool {
        let is_surplus = |slot: &Slot| {
            let connection = slot.connection.as_ref();
            connection.is_some_and(|connection| connection.is_surplus)
        };
        self.plan.watches() || self.slots.iter().any(is_surplus)
    }

    /// Has a worker leave that has nothing to do, where it has reached one of its limits; gives it no more where it has reached that of
    /// its memory.
    fn recycle(&mut self, index: usize) {
        let Some(connection) = &mut self.slots[index].connection else {
            return;
        };
        let is_fed = matches!(connection.state, WorkerState::Fed);
        if !is_fed && !matches!(connection.state, WorkerState::Idle) {
            return;
        }
        let ended = match is_fed {
            true => self.feed.ended_tasks(index),
            false => connection.tasks,
        };
        if self.plan.recycling.memory.is_some()
            && std::mem::replace(&mut connection.measured, ended) != ended
            && connection
                .child
                .resident_bytes()
                .is_some_and(|bytes| bytes > connection.share.memory)
        {
            connection.share.tasks = 0;
            self.feed.stop_giving(index);
        }
        if is_fed && self.feed.has_run_its_share(index) {
            let end = connection.end_of_share();
            self.retire(index, end);
        } else if !is_fed && connection.tasks >= connection.share.tasks {
            connection.retire(connection.end_of_share());
            self.flush(index);
        }
    }

    /// Has a worker that has a ring, and nothing in it, leave.
    fn retire(&mut self, index: usize, end: WorkerEnd) {
        if let Some(connection) = &mut self.slots[index].connection
            && matches!(connection.state, WorkerState::Fed)
            && self.feed.close(index)
        {
            connection.retire(end);
            self.flush(index);
        }
    }

    /// Whether nothing is left to hand out, and nothing can come back.
    fn is_drained(&self) -> bool {
        // In this order: what comes back is in the queue before it is out of the feed.
        self.feed.is_at_rest() && self.queue.is_drained()
    }

    /// Sends the queue's first units to idle workers.
    fn give_work(&mut self) {
        let mut empty = false;
        for index in 0..self.slots.len() {
            while let Some(connection) = &mut self.slots[index].connection
                && matches!(connection.state, WorkerState::Idle)
                && (!empty || connection.seated)
            {
                connection.seated = false;
                if connection.tasks >= connection.share.tasks {
                    connection.retire(connection.end_of_share());
                    self.flush(index);
                    break;
                }
                let Some(claim) = self.queue.try_next(WorkerSlot(index)) else {
                    empty = true;
                    break;
                };
                connection.seated = true;
                self.requests += 1;
                let request = self.requests;
                match connection.write_task(request, &claim, self.plan.max_payload) {
                    Ok(()) => {
                        connection.tasks += 1;
                        connection.state = WorkerState::Busy(Assignment {
                            claim,
                            request,
                            started: false,
                            since: None,
                        });
                        self.flush(index);
                    }
                    Err(error) => claim
                        .job
                        .fail(claim.unit, TaskError::Encode(Box::new(error))),
                }
            }
        }
        self.refuse_all();
    }

    /// Writes what a worker's socket takes, and has epoll report when it takes more.
    fn flush(&mut self, index: usize) {
        let Some(connection) = &mut self.slots[index].connection else {
            return;
        };
        let done = match connection.flush() {
            Ok(done) => done,
            // The worker's pidfd, or the end of its socket, reports its end.
            Err(error) if socket::is_end(&error) => true,
            Err(error) if socket::is_shortage(&error) => {
                let retry = self.retry(index);
                self.slots[index].retry = Some(self.plan.timers.arm(socket::SHORTAGE, retry));
                return;
            }
            Err(error) => {
                // The unit has not started, so another worker gets it.
                connection
                    .kill_reason
                    .get_or_insert(format!("the system refuses to send to it: {error}"));
                connection.child.signal(Signal::SIGKILL);
                return;
            }
        };
        if done && matches!(connection.state, WorkerState::Fed) {
            self.feed.sent(index);
        }
        if connection.awaits_writable == done && !connection.closed {
            connection.awaits_writable = !done;
            let mut interest = Event::Readable(WorkerId {
                slot: index,
                serial: connection.serial,
            })
            .interest(connection.awaits_writable);
            // The socket is in the set: modifying it asks for no memory.
            let _ = self.epoll.modify(connection.socket.as_fd(), &mut interest);
        }
    }

    fn is_over(&self) -> bool {
        let empty = self.slots.iter().all(|slot| slot.connection.is_none());
        match self.stage {
            Stage::Running => false,
            Stage::Draining => empty && self.is_drained(),
            Stage::Stopping => empty && self.feed.is_at_rest(),
        }
    }
}

/// The epoll data of the inbox. The data of a worker are its serial number and its slot.
const WAKE: u64 = u64::MAX;
/// The epoll data of the timer by which busy workers are checked.
const TICK: u64 = u64::MAX - 1;
/// The epoll data of the workers' bells.
pub(crate) const BELLS: u64 = u64::MAX - 2;
/// The epoll data of the timer by which units are taken back that wait behind a long task.
const BEHIND: u64 = u64::MAX - 3;
/// The bit that tells a worker's pidfd from its socket.
const PIDFD: u64 = 1 << 31;
/// The bit that tells the pipes of a worker's output from its socket.
const OUTPUT: u64 = 1 << 30;

impl Event {
    /// The events of one epoll report.
    fn of(report: &EpollEvent) -> impl Iterator<Item = Event> + use<> {
        let (flags, data) = (report.events(), report.data());
        let worker = WorkerId {
            slot: (data & (OUTPUT - 1)) as usize,
            serial: (data >> 32) as u32,
        };
        let events = if data == WAKE {
            [Some(Event::Wake), None]
        } else if data == TICK {
            [Some(Event::Tick), None]
        } else if data == BEHIND {
            [Some(Event::Behind), None]
        } else if data == BELLS {
            [Some(Event::Rung), None]
        } else if data & PIDFD != 0 {
            [Some(Event::Ended(worker)), None]
        } else if data & OUTPUT != 0 {
            [Some(Event::Printed(worker)), None]
        } else {
            let readable =
                flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
            let writable = flags.contains(EpollFlags::EPOLLOUT);
            [
                writable.then_some(Event::Writable(worker)),
                readable.then_some(Event::Readable(worker)),
            ]
        };
        events.into_iter().flatten()
    }

    /// What epoll is to report for this event.
    fn interest(self, also_writable: bool) -> EpollEvent {
        let number = |worker: WorkerId| u64::from(worker.serial) << 32 | worker.slot as u64;
        let data = match self {
            Event::Wake => WAKE,
            Event::Tick => TICK,
            Event::Behind => BEHIND,
            Event::Rung => BELLS,
            Event::Readable(worker) | Event::Writable(worker) => number(worker),
            Event::Ended(worker) => number(worker) | PIDFD,
            Event::Printed(worker) => number(worker) | OUTPUT,
        };
        let flags = if also_writable {
            EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT
        } else {
            EpollFlags::EPOLLIN
        };
        EpollEvent::new(flags, data)
    }
}
