//! The feed of a pool: it moves units from the queue into the rings of the workers, and answers out of them.
//!
//! No thread of its own does that. Whoever is there pumps: a thread that submits, one that waits for a result, before it sleeps, and
//! the dispatcher where none of these is. One pumps at a time; another one that comes meanwhile leaves a mark, and the first pumps
//! again before it goes. Where nobody pumps, the dispatcher sleeps, and the rings say so: a worker that has an answer wakes it.
//!
//! The user's code (encoding, decoding, wakers, drops) runs under the pumper's turn, which nobody but the dispatcher ever waits for, and
//! never under the lock of the books. What waits for the pool there is refused, as on the dispatcher's own thread.
//!
//! # Where a unit is
//!
//! In the queue, in the pumper's hand, held for an idle worker (what is too large for a ring), in a lane, or in the pumper's hand
//! again, while its answer is decoded. The books name each, so that `terminate` ends its job at once.
//!
//! # How many units a lane has
//!
//! One, until its worker's tasks have proved short, and one again after the first that was not; then at most [`Pace::reach`]. Behind a
//! task that runs, others wait in the ring, not started. As soon as a worker has none, those that wait behind others' are taken back
//! into the queue, and given out in the order of their submission: so nothing waits behind a long task while a worker is idle.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use nix::sys::eventfd::EventFd;
use pool_core::backend::{Assist, Claim, Queue, ServiceGuard};
use pool_core::{Cause, CodecError, TaskError};

use crate::ring::parent::{Answer, CAPACITY, ParentRing, SLOTS};
use crate::wire::codec::{has_room_for_small_values, ran_out_of_stack};
use crate::wire::socket::{self, Socket};
use crate::wire::{self, HEAD, Kind};

use super::bells::Bells;
use super::cause;
use super::inbox::Inbox;
use super::remote_job::{JobContext, RemoteJob};
use super::sent_contexts::SentContexts;
use super::watch::Watch;

/// How far the feed reaches ahead, and how long whoever waits looks again before it sleeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The most units that a lane has.
    pub(crate) reach: usize,
    /// Every lane has as many as it may, whatever its tasks take.
    pub(crate) forced: bool,
    pub(crate) spin: Duration,
}

impl Pace {
    /// The most that is of use.
    pub(crate) const REACH: usize = SLOTS;
    /// Tasks are short that take less than this.
    const SHORT: Duration = Duration::from_micros(5);
    /// A task is long that has run for so long.
    const SLOW: Duration = Duration::from_micros(50);
}

/// The rings of a pool's workers, and what is in them.
pub(crate) struct Feed {
    queue: Arc<Queue<dyn RemoteJob>>,
    inbox: Arc<Inbox>,
    watch: Arc<Watch>,
    pace: Pace,
    max_payload: u64,
    /// How many tasks a worker runs before it is replaced.
    max_tasks: usize,
    /// Held by whoever pumps.
    turn: Mutex<Buffers>,
    /// There may be something that whoever pumps has not seen.
    again: AtomicBool,
    /// No lane has room: whoever reads the next answer, and somebody will, gives more.
    is_full: AtomicBool,
    /// Submissions while that was so.
    pushed: AtomicU32,
    /// The dispatcher has something to do when work arrives.
    needs_dispatcher: AtomicBool,
    dispatcher: OnceLock<ThreadId>,
    bells: Bells,
    books: Mutex<Books>,
}

/// What a pumper uses, kept for the next one.
#[derive(Default)]
struct Buffers {
    /// Answers that were read, and the lanes that they are from.
    ended: Vec<Ended>,
    /// Their bytes.
    bytes: Vec<u8>,
    /// A frame: an argument that was encoded, behind room for a head.
    frame: Vec<u8>,
}

struct Ended {
    lane: LaneId,
    pid: u32,
    claim: Claim<dyn RemoteJob>,
    answer: Answer,
}

/// Which worker: the serial number tells it from the one that replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneId {
    pub(crate) slot: usize,
    pub(crate) serial: u32,
}

struct Books {
    lanes: Vec<Option<Lane>>,
    /// The lane whose worker may look for a while before it sleeps.
    hot: Option<usize>,
    /// The job of the unit that the pumper has in its hand, to be encoded.
    in_hand: Option<Arc<dyn RemoteJob>>,
    /// The queue's first unit nests deeper than the stack of the thread that has tried it: the dispatcher takes it.
    is_deep: bool,
    /// A unit that waits for an idle worker, encoded as a frame.
    held: Option<Parcel>,
    /// The jobs of units whose answers are being decoded.
    finishing: Vec<Arc<dyn RemoteJob>>,
    /// The pool was terminated: nothing is handed out any more.
    terminated: bool,
    /// What had not started then.
    abandoned: Vec<Claim<dyn RemoteJob>>,
    /// The dispatcher is to hear of every unit that ends.
    is_ending: bool,
    /// A lane has something for the dispatcher.
    has_chores: bool,
    /// Tasks handed out so far.
    requests: u64,
}

/// A unit, encoded.
struct Parcel {
    claim: Claim<dyn RemoteJob>,
    context: Option<JobContext>,
    /// The payload, behind room for the head of a frame.
    frame: Vec<u8>,
}

/// A unit in a lane.
#[derive(Debug)]
struct Assignment {
    claim: Claim<dyn RemoteJob>,
    request: u64,
}

/// A worker's ring, and what is in it.
#[derive(Debug)]
pub(crate) struct Lane {
    serial: u32,
    pid: u32,
    ring: ParentRing,
    socket: Arc<Socket>,
    /// Units in the ring, in its order.
    units: VecDeque<Assignment>,
    /// Since when the first of them is that.
    since: Instant,
    /// How many it may have.
    depth: usize,
    /// How many it was given, those that were taken back aside.
    tasks: usize,
    contexts: SentContexts,
    /// Frames that were written for the worker so far.
    frames: u64,
    /// Frames that the dispatcher is to send.
    outgoing: Vec<Vec<u8>>,
    /// Frames are under way: they wake the worker.
    is_sending: bool,
    /// The worker is to be woken, which the system has refused.
    wake_due: bool,
    /// The worker writes into it to wake the pool.
    bell: EventFd,
    /// How it broke the protocol: nothing is read of it any more.
    breach: Option<String>,
}

/// What the dispatcher has to do for a lane.
#[derive(Debug)]
pub(crate) enum Chore {
    /// Send these frames, and tell when they are sent.
    Send(Vec<Vec<u8>>),
    /// Stop the worker, which broke the protocol.
    Kill(String),
}

/// What is left of a lane whose worker has ended.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// Units that had started.
    pub(crate) started: Vec<Claim<dyn RemoteJob>>,
    /// The unit that was next.
    pub(crate) next: Option<Claim<dyn RemoteJob>>,
    /// What was behind it.
    pub(crate) behind: Vec<Claim<dyn RemoteJob>>,
}

thread_local! {
    /// The calling thread has woken a worker since it waited last.
    static WOKE: Cell<bool> = const { Cell::new(false) };
}

impl Feed {
    pub(crate) fn new(
        queue: &Arc<Queue<dyn RemoteJob>>,
        inbox: &Arc<Inbox>,
        watch: &Arc<Watch>,
        bells: Bells,
        pace: Pace,
        max_payload: u64,
        max_tasks: Option<NonZeroUsize>,
    ) -> Feed {
        Feed {
            queue: queue.clone(),
            inbox: inbox.clone(),
            watch: watch.clone(),
            bells,
            pace,
            max_payload,
            max_tasks: max_tasks.map_or(usize::MAX, NonZeroUsize::get),
            turn: Mutex::default(),
            again: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            pushed: AtomicU32::new(0),
            needs_dispatcher: AtomicBool::new(true),
            dispatcher: OnceLock::new(),
            books: Mutex::new(Books {
                lanes: (0..queue.size()).map(|_| None).collect(),
                hot: None,
                in_hand: None,
                is_deep: false,
                held: None,
                finishing: Vec::new(),
                terminated: false,
                abandoned: Vec::new(),
                is_ending: false,
                has_chores: false,
                requests: 0,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread is the dispatcher.
    pub(crate) fn set_dispatcher(&self) {
        self.dispatcher.get_or_init(|| thread::current().id());
    }

    fn is_dispatcher(&self) -> bool {
        self.dispatcher.get() == Some(&thread::current().id())
    }

    /// Work was queued: pumps, mostly. Where no lane has room, the next answer makes some, and who reads it looks at the queue.
    pub(crate) fn queued(&self) {
        fence(Ordering::SeqCst);
        if self.is_full.load(Ordering::SeqCst)
            && !self
                .pushed
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(EVERY)
        {
            return;
        }
        self.nudge();
    }

    /// Something may be there: pumps, unless somebody else does, who then pumps again.
    pub(crate) fn nudge(&self) {
        self.again.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.settle();
    }

    /// Pumps where there is a mark. To be called by whoever has pumped, before it goes. While others submit, there is always more:
    /// after some rounds the dispatcher goes on, so that nobody is held up by the work of others.
    fn settle(&self) {
        if !has_room_for_small_values() && !self.is_dispatcher() {
            return self.inbox.wake();
        }
        for _ in 0..ROUNDS {
            if !self.again.load(Ordering::SeqCst) {
                return;
            }
            // Whoever has the turn looks at the mark when it has given the turn back.
            match self.try_pump() {
                None => return,
                Some(false) => {}
                // More may come of it.
                Some(true) => self.again.store(true, Ordering::SeqCst),
            }
        }
        if self.again.load(Ordering::SeqCst) {
            self.inbox.wake();
        }
    }

    /// Pumps once, and says whether anything moved; nothing where somebody else pumps.
    fn try_pump(&self) -> Option<bool> {
        let mut buffers = match self.turn.try_lock() {
            Ok(buffers) => buffers,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        // Whoever has left the mark has written what it is about before.
        self.again.swap(false, Ordering::SeqCst);
        let moved = self.pump(&mut buffers);
        drop(buffers);
        fence(Ordering::SeqCst);
        Some(moved)
    }

    /// Answers out, units in; whether anything moved.
    fn pump(&self, buffers: &mut Buffers) -> bool {
        let moved = self.collect(buffers);
        self.give(buffers) || moved
    }

    /// Reads answers, and completes their units.
    fn collect(&self, buffers: &mut Buffers) -> bool {
        let Buffers { ended, bytes, .. } = buffers;
        self.lock().read(self.pace, ended, bytes);
        if ended.is_empty() {
            return false;
        }
        let _service = ServiceGuard::enter(self.queue.pool());
        for Ended {
            lane,
            pid,
            claim,
            answer,
        } in ended.drain(..)
        {
            let Claim { job, unit, .. } = claim;
            let payload = &bytes[answer.bytes];
            if let Err((unit, error)) = job.complete(unit, answer.kind, payload) {
                let what = error.to_string();
                let lost = cause::lost(pid, Cause::Protocol(what.clone()), (&*job, &unit), None);
                job.fail(unit, lost);
                self.lock().breach(lane, what);
            }
        }
        bytes.clear();
        let mut books = self.lock();
        let over = std::mem::take(&mut books.finishing);
        // Who waits for the end of all units looks after this, or is woken.
        let wakes = books.is_ending || books.has_chores || self.max_tasks != usize::MAX;
        drop(books);
        drop(over);
        if wakes {
            self.inbox.wake();
        }
        true
    }

    /// Puts units into rings, as long as there are units and room.
    fn give(&self, buffers: &mut Buffers) -> bool {
        let mut books = self.lock();
        // Said before the look at the queue: who queues work later sees it, or its work is seen here.
        self.is_full.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        books.is_deep &= !self.is_dispatcher();
        books.rebalance(&self.queue, self.pace, self.max_tasks);
        let mut moved = false;
        if books.held.is_some()
            && books.choose(true, self.max_tasks).is_some()
            && let Some(Parcel {
                claim,
                context,
                mut frame,
            }) = books.held.take()
        {
            moved = true;
            books.in_hand = Some(claim.job.clone());
            books = self.put(books, claim, context, &mut frame);
        }
        let mut service = None;
        while let Some(claim) = self.take(&mut books) {
            moved = true;
            drop(books);
            self.queue.tell_taken();
            service.get_or_insert_with(|| ServiceGuard::enter(self.queue.pool()));
            let frame = &mut buffers.frame;
            frame.clear();
            frame.resize(HEAD, 0);
            let context = claim.job.context(&claim.unit);
            let encoded = claim.job.encode(&claim.unit, frame).and_then(|()| {
                wire::fits("the task's argument", frame.len() - HEAD, self.max_payload)
            });
            books = match encoded {
                Ok(()) => self.put(self.lock(), claim, context, frame),
                Err(_) if ran_out_of_stack() && !self.is_dispatcher() => self.defer(claim),
                Err(error) => self.refuse(self.lock(), claim, error),
            };
            if frame.capacity() > KEEP {
                *frame = Vec::new();
            }
        }
        drop(service);
        if books.are_full() {
            self.is_full.store(true, Ordering::SeqCst);
        }
        let wakes = books.has_chores || books.is_deep || (moved && books.is_ending);
        drop(books);
        if wakes {
            self.inbox.wake();
        }
        moved
    }

    /// The queue's first unit, where there is room for it: from now on it is in the pumper's hand.
    fn take(&self, books: &mut Books) -> Option<Claim<dyn RemoteJob>> {
        if books.terminated || books.held.is_some() || !self.queue.has_units() {
            return None;
        }
        if books.is_deep || !books.has_room(self.max_tasks) {
            return None;
        }
        let claim = self.queue.take_next()?;
        books.in_hand = Some(claim.job.clone());
        Some(claim)
    }

    /// Puts the unit that is in the pumper's hand into a ring; where none has room any more, it goes back.
    fn put<'a>(
        &'a self,
        mut books: MutexGuard<'a, Books>,
        claim: Claim<dyn RemoteJob>,
        context: Option<JobContext>,
        frame: &mut Vec<u8>,
    ) -> MutexGuard<'a, Books> {
        let hand = books.in_hand.take();
        if books.terminated {
            drop(books);
            claim.job.fail(claim.unit, TaskError::Terminated);
            drop(hand);
            return self.lock();
        }
        let is_large = frame.len() - HEAD > CAPACITY;
        let chosen = books.choose(is_large, self.max_tasks);
        let Books {
            lanes,
            requests,
            has_chores,
            held,
            ..
        } = &mut *books;
        match chosen.and_then(|index| lanes[index].as_mut()) {
            Some(lane) => {
                let mut control = Vec::new();
                let written = lane.contexts.write_missing(
                    context,
                    &mut control,
                    self.max_payload,
                    &mut lane.frames,
                );
                if !control.is_empty() {
                    lane.outgoing.push(control);
                }
                if let Err(error) = written {
                    *has_chores |= !lane.outgoing.is_empty();
                    books.in_hand = hand;
                    return self.refuse(books, claim, error);
                }
                *requests += 1;
                let request = *requests;
                *has_chores |= lane.put(Assignment { claim, request }, frame, is_large);
                self.watch.arm();
            }
            None if is_large => {
                let frame = std::mem::take(frame);
                *held = Some(Parcel {
                    claim,
                    context,
                    frame,
                });
            }
            None => self.queue.give_back([claim]),
        }
        // It is not the last reference to the job: whoever got the unit has another.
        drop(hand);
        books
    }

    /// The unit that is in the pumper's hand goes back: the dispatcher has more stack.
    fn defer(&self, claim: Claim<dyn RemoteJob>) -> MutexGuard<'_, Books> {
        let mut books = self.lock();
        let hand = books.in_hand.take();
        if books.terminated {
            drop(books);
            claim.job.fail(claim.unit, TaskError::Terminated);
            drop(hand);
            return self.lock();
        }
        books.is_deep = true;
        self.queue.give_back([claim]);
        // It is not the last reference to the job: whoever got the unit has another.
        drop(hand);
        books
    }

    /// Fails the unit that is in the pumper's hand, for it cannot be encoded.
    fn refuse<'a>(
        &'a self,
        books: MutexGuard<'a, Books>,
        claim: Claim<dyn RemoteJob>,
        error: CodecError,
    ) -> MutexGuard<'a, Books> {
        drop(books);
        let Claim { job, unit, .. } = claim;
        job.fail(unit, TaskError::Encode(Box::new(error)));
        let hand = self.lock().in_hand.take();
        drop((hand, job));
        self.lock()
    }

    /// A worker is ready, and has this ring. Where the system refuses to watch its bell, the lane comes back.
    pub(crate) fn open(&self, slot: usize, lane: Lane) -> io::Result<()> {
        self.bells.add(&lane.bell)?;
        let mut books = self.lock();
        let lane = Lane {
            depth: if self.pace.forced { self.pace.reach } else { 1 },
            ..lane
        };
        books.lanes[slot] = Some(lane);
        if books.hot.is_none() {
            books.heat(slot);
        }
        Ok(())
    }

    /// Removes a lane.
    fn remove(&self, books: &mut Books, slot: usize) -> Option<Lane> {
        let lane = books.remove(slot)?;
        self.bells.remove(&lane.bell);
        Some(lane)
    }

    /// Closes the lane of a worker that is to leave; false where it has units.
    pub(crate) fn close(&self, slot: usize) -> bool {
        let mut books = self.lock();
        let is_idle = books.lanes[slot]
            .as_ref()
            .is_some_and(|lane| lane.units.is_empty() && lane.breach.is_none());
        if is_idle {
            self.remove(&mut books, slot);
        }
        is_idle
    }

    /// Whether a worker has run as many tasks as it may.
    pub(crate) fn has_run_its_share(&self, slot: usize) -> bool {
        let books = self.lock();
        let lane = books.lanes[slot].as_ref();
        lane.is_some_and(|lane| lane.tasks >= self.max_tasks)
    }

    /// A worker has ended: what it had answered counts, unless it broke the protocol. Gives what is left.
    pub(crate) fn end(&self, slot: usize) -> Remains {
        let mut buffers = self.turn();
        while self.collect(&mut buffers) {}
        let mut books = self.lock();
        let Some(mut lane) = self.remove(&mut books, slot) else {
            return Remains::default();
        };
        drop(books);
        drop(buffers);
        let waiting = lane.ring.take_back(0).min(lane.units.len());
        let started = lane.units.len() - waiting;
        let mut claims = lane.units.drain(..).map(|unit| unit.claim);
        Remains {
            started: claims.by_ref().take(started).collect(),
            next: claims.next(),
            behind: claims.collect(),
        }
    }

    /// Takes the turn, waiting for whoever has it.
    fn turn(&self) -> MutexGuard<'_, Buffers> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer has come by the socket. False where nothing of the kind was asked for.
    ///
    /// # Errors
    ///
    /// What is wrong with it; its unit has failed.
    pub(crate) fn answer(
        &self,
        lane: LaneId,
        kind: Kind,
        request: u64,
        payload: &[u8],
    ) -> Result<bool, String> {
        let mut buffers = self.turn();
        // What it has answered before is completed before.
        while self.collect(&mut buffers) {}
        let mut books = self.lock();
        let Some(found) = books.lane(lane) else {
            return Ok(true);
        };
        let is_first = found
            .units
            .front()
            .is_some_and(|unit| unit.request == request);
        if found.breach.is_some() || !is_first {
            return Ok(found.breach.is_some());
        }
        let pid = found.pid;
        let Some(Assignment { claim, .. }) = found.pass(self.pace) else {
            return Ok(false);
        };
        books.finishing.push(claim.job.clone());
        books.cool_down(lane.slot);
        drop(books);
        let Claim { job, unit, .. } = claim;
        let completed = job.complete(unit, kind, payload);
        let completed = completed.map_err(|(unit, error)| {
            let what = error.to_string();
            let lost = cause::lost(pid, Cause::Protocol(what.clone()), (&*job, &unit), None);
            job.fail(unit, lost);
            what
        });
        let over = std::mem::take(&mut self.lock().finishing);
        drop((over, job));
        drop(buffers);
        completed.map(|()| true)
    }

    /// Nothing more is read of a worker, which is going to be killed.
    pub(crate) fn stop_reading(&self, slot: usize) {
        if let Some(lane) = &mut self.lock().lanes[slot] {
            lane.breach.get_or_insert_default();
        }
    }

    /// What the dispatcher has to do now, by the slots of the workers.
    pub(crate) fn chores(&self) -> Vec<(usize, Chore)> {
        let mut books = self.lock();
        let mut chores = Vec::new();
        if !std::mem::take(&mut books.has_chores) {
            return chores;
        }
        for (slot, lane) in books.lanes.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            if let Some(breach) = lane.breach.as_mut().filter(|breach| !breach.is_empty()) {
                chores.push((slot, Chore::Kill(std::mem::take(breach))));
                continue;
            }
            if std::mem::take(&mut lane.wake_due) {
                lane.outgoing.push(wake_frame().to_vec());
            }
            if !lane.outgoing.is_empty() {
                lane.is_sending = true;
                chores.push((slot, Chore::Send(std::mem::take(&mut lane.outgoing))));
            }
        }
        chores
    }

    /// The frames of a lane were sent.
    pub(crate) fn sent(&self, slot: usize) {
        let mut books = self.lock();
        if let Some(lane) = &mut books.lanes[slot]
            && std::mem::take(&mut lane.is_sending)
        {
            let has_chores = lane.wake();
            books.has_chores |= has_chores;
        }
    }

    /// The request that a worker works on; none when it has nothing to do.
    pub(crate) fn request(&self, slot: usize) -> Option<u64> {
        let books = self.lock();
        let lane = books.lanes[slot].as_ref()?;
        lane.units.front().map(|unit| unit.request)
    }

    /// The first unit of a worker has not started for long: wakes the worker, whatever its ring says. A task may have written there.
    pub(crate) fn rouse(&self, slot: usize) {
        let mut books = self.lock();
        let Books {
            lanes, has_chores, ..
        } = &mut *books;
        if let Some(lane) = &mut lanes[slot]
            && !lane.units.is_empty()
            && !lane.is_sending
        {
            lane.wake_due = true;
            *has_chores = true;
        }
    }

    /// Whether a worker has a unit.
    pub(crate) fn is_busy(&self) -> bool {
        let books = self.lock();
        let mut lanes = books.lanes.iter().flatten();
        lanes.any(|lane| !lane.units.is_empty())
    }

    /// Whether no unit is on its way from the queue to a lane, or from a lane to its job. Such a unit may come back to the queue.
    pub(crate) fn is_at_rest(&self) -> bool {
        let books = self.lock();
        books.in_hand.is_none() && books.held.is_none() && books.finishing.is_empty()
    }

    /// Whether the dispatcher is to be woken when work arrives.
    pub(crate) fn set_needs_dispatcher(&self, needs: bool) {
        self.needs_dispatcher.store(needs, Ordering::SeqCst);
    }

    /// Whether the dispatcher is to be woken when work arrives.
    pub(crate) fn needs_dispatcher(&self) -> bool {
        self.needs_dispatcher.load(Ordering::SeqCst)
    }

    /// From now on the dispatcher hears of every unit that ends.
    pub(crate) fn is_ending(&self) {
        self.lock().is_ending = true;
    }

    /// How many workers have a ring.
    pub(crate) fn rings(&self) -> usize {
        self.lock().lanes.iter().flatten().count()
    }

    /// The pool is terminated: takes back what has not started. Gives the jobs of all units that were not ended.
    pub(crate) fn terminate(&self) -> Vec<Arc<dyn RemoteJob>> {
        let mut books = self.lock();
        books.terminated = true;
        let books = &mut *books;
        for lane in books.lanes.iter_mut().flatten() {
            let waiting = lane.ring.take_back(0);
            let kept = lane.units.len().saturating_sub(waiting);
            let taken = lane.units.split_off(kept);
            books
                .abandoned
                .extend(taken.into_iter().map(|unit| unit.claim));
        }
        let held = books.held.take();
        books.abandoned.extend(held.map(|parcel| parcel.claim));
        books.jobs().cloned().collect()
    }

    /// Gives out a unit that waits for an idle worker: there will be none.
    pub(crate) fn give_up(&self) -> Option<Claim<dyn RemoteJob>> {
        let held = self.lock().held.take();
        held.map(|parcel| parcel.claim)
    }

    /// What [`terminate`](Self::terminate) has taken back.
    pub(crate) fn abandoned(&self) -> Vec<Claim<dyn RemoteJob>> {
        std::mem::take(&mut self.lock().abandoned)
    }

    /// The units of a lane whose worker is stopped, since the pool is terminated.
    pub(crate) fn stop(&self, slot: usize) -> Vec<Claim<dyn RemoteJob>> {
        let lane = self.remove(&mut self.lock(), slot);
        let units = lane.into_iter().flat_map(|lane| lane.units);
        units.map(|unit| unit.claim).collect()
    }

    /// How many units are not over.
    pub(crate) fn unfinished(&self) -> usize {
        let books = self.lock();
        let jobs = books.jobs();
        jobs.filter(|job| job.as_job().is_open()).count()
    }

    /// The dispatcher, or who waits in its place, is going to sleep: false where it must not, since something moved.
    pub(crate) fn fall_asleep(&self) -> bool {
        {
            let mut books = self.lock();
            for lane in books.lanes.iter_mut().flatten() {
                lane.ring.tell_sleeping(true);
            }
        }
        self.again.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        match self.try_pump() {
            Some(moved) => !moved && !self.again.load(Ordering::SeqCst),
            // Whoever has the turn looks at the mark when it has given the turn back.
            None => true,
        }
    }

    /// Whether answers to short tasks are to come.
    fn is_lively(&self) -> bool {
        let books = self.lock();
        let mut lanes = books.lanes.iter().flatten();
        lanes.any(|lane| lane.depth > 1 && !lane.units.is_empty())
    }

    /// The bells of all workers, for the dispatcher.
    pub(crate) fn bells(&self) -> &Bells {
        &self.bells
    }

    /// The dispatcher pumps on for a while, as long as tasks are short and answers come; whether they still do.
    pub(crate) fn linger(&self) -> bool {
        if self.pace.spin.is_zero() || !self.is_lively() {
            return false;
        }
        {
            let mut books = self.lock();
            for lane in books.lanes.iter_mut().flatten() {
                lane.ring.tell_sleeping(false);
            }
        }
        let began = Instant::now();
        let mut moved = false;
        loop {
            for _ in 0..32 {
                match self.try_pump() {
                    Some(more) => moved |= more,
                    // Somebody else pumps.
                    None => return moved,
                }
                std::hint::spin_loop();
            }
            if began.elapsed() >= self.pace.spin {
                return moved;
            }
        }
    }
}

impl Feed {
    fn pump_until(&self, done: &dyn Fn() -> bool) {
        let spin = self.pace.spin;
        if spin.is_zero() {
            for _ in 0..YIELDS {
                if done() {
                    return;
                }
                thread::yield_now();
                self.nudge();
            }
            return;
        }
        let mut since = Instant::now();
        loop {
            for _ in 0..32 {
                if done() {
                    return;
                }
                if self.try_pump() == Some(true) {
                    since = Instant::now();
                    if done() {
                        return;
                    }
                }
                std::hint::spin_loop();
            }
            if since.elapsed() >= spin {
                return;
            }
        }
    }
}

impl Assist for Feed {
    /// Pumps until the job is done, or nothing has moved for a while.
    fn assist(&self, done: &dyn Fn() -> bool) {
        if !has_room_for_small_values() {
            return;
        }
        // Who has woken a worker leaves it the CPU.
        if WOKE.try_with(|woke| woke.replace(false)).unwrap_or(true) {
            return;
        }
        self.pump_until(done);
        self.settle();
    }

    fn sleep(&self, done: &dyn Fn() -> bool) -> bool {
        if !has_room_for_small_values() {
            return false;
        }
        let Some(seat) = self.bells.take_seat() else {
            return false;
        };
        while !done() {
            seat.lie_down();
            // Who rings after this look finds it asleep, and so does who completes the job, or kicks.
            if self.fall_asleep() && !done() {
                seat.wait();
            }
            seat.get_up();
            self.nudge();
            if !done() && self.is_lively() {
                self.pump_until(done);
            }
        }
        drop(seat);
        // The bells are the dispatcher's again, which sleeps: what has rung for this thread is to ring for it. Where something moves
        // now, that stays so.
        self.fall_asleep();
        self.settle();
        true
    }

    fn kick(&self) {
        self.bells.kick();
    }
}

/// How often a thread that submits or has waited pumps before it leaves the rest to the dispatcher.
const ROUNDS: u32 = 4;

/// While no lane has room, one submission of so many pumps.
const EVERY: u32 = 16;

/// The capacity that a buffer may keep.
const KEEP: usize = 1024 * 1024;

/// How often who waits leaves the CPU to others where it does not spin.
const YIELDS: u32 = 4;

impl Books {
    fn lane(&mut self, id: LaneId) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(id.slot)?.as_mut()?;
        (lane.serial == id.serial).then_some(lane)
    }

    /// The jobs of all units that the feed has.
    fn jobs(&self) -> impl Iterator<Item = &Arc<dyn RemoteJob>> {
        let in_lanes = self.lanes.iter().flatten().flat_map(|lane| &lane.units);
        in_lanes
            .map(|unit| &unit.claim.job)
            .chain(&self.in_hand)
            .chain(self.held.iter().map(|parcel| &parcel.claim.job))
            .chain(&self.finishing)
            .chain(self.abandoned.iter().map(|claim| &claim.job))
    }

    /// A worker broke the protocol.
    fn breach(&mut self, id: LaneId, what: String) {
        if let Some(lane) = self.lane(id) {
            lane.breach.get_or_insert(what);
            self.has_chores = true;
        }
    }

    /// Whether there is a lane for a unit that fits into a slot.
    fn has_room(&self, max_tasks: usize) -> bool {
        let mut lanes = self.lanes.iter().flatten();
        lanes.any(|lane| lane.has_room(lane.depth, max_tasks))
    }

    /// The lane that gets the next unit: one whose worker is idle and awake, or idle, or that has the fewest.
    fn choose(&self, is_large: bool, max_tasks: usize) -> Option<usize> {
        let mut best = None;
        for (index, lane) in self.lanes.iter().enumerate() {
            let Some(lane) = lane else { continue };
            let most = if is_large { 1 } else { lane.depth };
            if !lane.has_room(most, max_tasks) {
                continue;
            }
            let count = lane.units.len();
            let rank = (count, count == 0 && lane.ring.is_asleep());
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, index));
            }
        }
        best.map(|(_, index)| index)
    }

    /// Whether every lane has as many units as it may, and more than one, so that answers are to come.
    fn are_full(&self) -> bool {
        let mut lanes = self.lanes.iter().flatten();
        let is_full = |lane: &Lane| lane.units.len() > 1 && lane.units.len() >= lane.depth;
        self.held.is_none() && self.lanes.iter().any(Option::is_some) && lanes.all(is_full)
    }

    /// Reads answers out of all rings.
    fn read(&mut self, pace: Pace, ended: &mut Vec<Ended>, bytes: &mut Vec<u8>) {
        let mut emptied = None;
        let Books {
            lanes,
            finishing,
            has_chores,
            ..
        } = self;
        for (slot, place) in lanes.iter_mut().enumerate() {
            let Some(lane) = place else { continue };
            if lane.breach.is_some() {
                continue;
            }
            let before = ended.len();
            while let Some(unit) = lane.units.front() {
                match lane.ring.read(unit.request, bytes) {
                    Ok(None) => break,
                    Ok(Some(answer)) => {
                        lane.judge(answer.nanos, pace);
                        let Some(Assignment { claim, .. }) = lane.units.pop_front() else {
                            break;
                        };
                        finishing.push(claim.job.clone());
                        ended.push(Ended {
                            lane: LaneId {
                                slot,
                                serial: lane.serial,
                            },
                            pid: lane.pid,
                            claim,
                            answer,
                        });
                    }
                    Err(breach) => {
                        lane.breach = Some(breach.to_string());
                        *has_chores = true;
                        break;
                    }
                }
            }
            if ended.len() > before {
                lane.ring.tell_read();
                if !lane.units.is_empty() {
                    lane.since = Instant::now();
                } else {
                    emptied = Some(slot);
                }
            }
        }
        if let Some(slot) = emptied {
            self.cool_down(slot);
        }
    }

    /// A lane has lost its last unit: its worker is the one that may look for more.
    fn cool_down(&mut self, slot: usize) {
        let is_empty = |lane: &Lane| lane.units.is_empty();
        if self.hot != Some(slot) && self.lanes[slot].as_ref().is_some_and(is_empty) {
            self.heat(slot);
        }
    }

    fn heat(&mut self, slot: usize) {
        if let Some(Some(before)) = self.hot.map(|hot| &self.lanes[hot]) {
            before.ring.tell_hot(false);
        }
        if let Some(lane) = &self.lanes[slot] {
            lane.ring.tell_hot(true);
        }
        self.hot = Some(slot);
    }

    fn remove(&mut self, slot: usize) -> Option<Lane> {
        let lane = self.lanes[slot].take();
        if self.hot == Some(slot) {
            self.hot = None;
            if let Some(other) = self.lanes.iter().position(Option::is_some) {
                self.heat(other);
            }
        }
        lane
    }

    /// Where a worker has nothing to do, what has not started behind others' tasks goes back to the queue: all of it where the queue
    /// has nothing else, and else what waits behind a task that is long.
    fn rebalance(&mut self, queue: &Queue<dyn RemoteJob>, pace: Pace, max_tasks: usize) {
        if self.terminated || pace.reach == 1 {
            return;
        }
        let waits = |lane: &Lane| lane.units.len() > 1;
        let mut lanes = self.lanes.iter().flatten();
        if !lanes.any(waits) || self.choose_idle(max_tasks).is_none() {
            return;
        }
        let any = pace.forced || !queue.has_units();
        for lane in self.lanes.iter_mut().flatten().filter(|lane| waits(lane)) {
            if any || lane.since.elapsed() >= Pace::SLOW {
                let taken = lane.ring.take_back(1);
                let kept = lane.units.len().saturating_sub(taken);
                lane.tasks = lane.tasks.saturating_sub(taken);
                let taken = lane.units.split_off(kept);
                queue.give_back(taken.into_iter().map(|unit| unit.claim));
            }
        }
    }

    /// A lane that has no unit and may get one.
    fn choose_idle(&self, max_tasks: usize) -> Option<usize> {
        self.choose(true, max_tasks)
    }
}

impl Lane {
    pub(crate) fn new(
        serial: u32,
        pid: u32,
        (ring, bell): (ParentRing, EventFd),
        socket: Arc<Socket>,
    ) -> Lane {
        Lane {
            serial,
            pid,
            ring,
            socket,
            units: VecDeque::new(),
            since: Instant::now(),
            depth: 1,
            tasks: 0,
            contexts: SentContexts::default(),
            frames: 0,
            outgoing: Vec::new(),
            is_sending: false,
            wake_due: false,
            bell,
            breach: None,
        }
    }

    /// Whether it may get another unit, where it may have so many.
    fn has_room(&self, most: usize, max_tasks: usize) -> bool {
        self.units.len() < most && self.tasks < max_tasks && self.breach.is_none()
    }

    /// Puts a unit into the ring; whether the dispatcher has something to send.
    fn put(&mut self, unit: Assignment, frame: &mut Vec<u8>, is_large: bool) -> bool {
        if is_large {
            let mut frame = std::mem::take(frame);
            wire::seal(&mut frame, Kind::Task, unit.request);
            self.frames += 1;
            self.outgoing.push(frame);
            self.ring.put(unit.request, self.frames, &[]);
        } else {
            self.ring.put(unit.request, self.frames, &frame[HEAD..]);
        }
        if self.units.is_empty() {
            self.since = Instant::now();
        }
        self.units.push_back(unit);
        self.tasks += 1;
        self.wake() || !self.outgoing.is_empty()
    }

    /// Wakes the worker, if it sleeps and no frame does; whether the dispatcher has to do it.
    fn wake(&mut self) -> bool {
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
                    self.outgoing.push(frame[sent..].to_vec());
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
    fn pass(&mut self, pace: Pace) -> Option<Assignment> {
        let unit = self.units.pop_front()?;
        self.ring.pass();
        self.ring.tell_read();
        self.since = Instant::now();
        self.depth = if pace.forced { pace.reach } else { 1 };
        Some(unit)
    }

    /// How many units it may have depends on how long its tasks take.
    fn judge(&mut self, nanos: u32, pace: Pace) {
        if pace.forced {
            return;
        }
        self.depth = match Duration::from_nanos(nanos.into()) < Pace::SHORT {
            true => (self.depth * 2).min(pace.reach),
            false => 1,
        };
    }
}

/// The frame that wakes a worker.
fn wake_frame() -> [u8; HEAD] {
    let mut frame = [0; HEAD];
    wire::seal(&mut frame, Kind::Wake, 0);
    frame
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}
