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
//! In the queue, in the pumper's hand, held for an idle worker (what is too long for a slot), in a lane, or in the pumper's hand
//! again, while its answer is decoded. The books name each, so that `terminate` ends its job at once.
//!
//! # How many units a lane has
//!
//! One, until tasks have proved short, then at most [`Pace::most`]; and one again after the first that was not. Behind a task that runs,
//! others wait in the ring, not started. They are taken back into the queue, which gives them out in the order of their submission, as
//! soon as a worker is awake and has none, so that nothing waits behind a long task while a worker is idle; and as soon as a task was not
//! short, so that from then on whichever worker is free takes the oldest. While tasks are not short, and all workers are busy, the oldest
//! unit of the queue waits behind the task that has run for longest, and no other one.

// A worker's ring.
mod lane;

// Where each unit is.
mod books;

// Jobs end early.
mod early;

// What is too long for a slot.
mod place;

// The observer of the pool is told.
mod observing;

// What the dispatcher asks for.
mod service;

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pool_core::backend::{Again, Assist, Claim, Observed, Pace, Queue, ServiceGuard, spin_until};
use pool_core::{Cause, TaskError, Timers};

use crate::ring::parent::CAPACITY;
use crate::wire::codec::{has_room_for_small_values, ran_out_of_stack};
use crate::wire::{self, HEAD, KEEP};

use books::{Books, Ended, Late, Parcel, Started, is_unwanted};
pub(crate) use books::{LaneId, is_unit_of};
pub(crate) use lane::Lane;
use lane::{Assignment, WOKE};
pub(crate) use observing::end_of;
use place::Placed;
pub(crate) use service::Chore;

use super::bells::Bells;
use super::cause;
use super::inbox::Inbox;
use super::outgoing::Outgoing;
use super::remote_job::{JobContext, RemoteJob, Retry};
use super::stats::Run;
use super::watch::Watch;

/// The rings of a pool's workers, and what is in them.
pub(crate) struct Feed {
    queue: Arc<Queue<dyn RemoteJob>>,
    inbox: Arc<Inbox>,
    watch: Arc<Watch>,
    /// Expires where units wait behind others.
    behind: Watch,
    /// How long whoever waits looks again before it sleeps.
    spin: Duration,
    max_payload: u64,
    /// The dispatcher is to hear of every unit that ends.
    is_watched: AtomicBool,
    /// Workers have left that come back by need.
    lacks_workers: AtomicBool,
    /// Held by whoever pumps.
    turn: Mutex<Buffers>,
    /// There may be something that whoever pumps has not seen.
    again: AtomicBool,
    /// No lane has room: whoever reads the next answer, and somebody will, gives more.
    is_full: AtomicBool,
    /// Submissions while that was so.
    pushed: AtomicU32,
    /// A unit has come back to the queue after its pause, and may be older than what waits in lanes.
    has_come_back: Arc<AtomicBool>,
    /// The dispatcher has something to do when work arrives.
    needs_dispatcher: AtomicBool,
    dispatcher: OnceLock<ThreadId>,
    bells: Bells,
    timers: Timers,
    observed: Observed,
    books: Mutex<Books>,
}

/// What a pumper uses, kept for the next one.
#[derive(Default)]
struct Buffers {
    /// Answers that were read, and the lanes that they are from.
    ended: Vec<Ended>,
    /// Their bytes.
    bytes: Vec<u8>,
    /// Units that have started, and whose deadline runs from now on.
    started: Vec<Started>,
    /// A frame: an argument that was encoded, behind room for a head.
    frame: Vec<u8>,
}

impl Feed {
    pub(crate) fn new(
        queue: &Arc<Queue<dyn RemoteJob>>,
        inbox: &Arc<Inbox>,
        (watch, behind): (&Arc<Watch>, Watch),
        bells: Bells,
        pace: Pace,
        max_payload: u64,
        (is_watched, timers, observed): (bool, Timers, Observed),
    ) -> Feed {
        Feed {
            queue: queue.clone(),
            inbox: inbox.clone(),
            watch: watch.clone(),
            behind,
            bells,
            spin: pace.spin.unwrap_or_default(),
            max_payload,
            is_watched: AtomicBool::new(is_watched),
            lacks_workers: AtomicBool::new(false),
            timers,
            turn: Mutex::default(),
            again: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            has_come_back: Arc::default(),
            pushed: AtomicU32::new(0),
            needs_dispatcher: AtomicBool::new(true),
            dispatcher: OnceLock::new(),
            observed,
            books: Mutex::new(Books {
                lanes: (0..queue.size()).map(|_| None).collect(),
                runs: vec![Run::default(); queue.size()],
                pace,
                depth: pace.first_depth(),
                is_small: true,
                cpus: thread::available_parallelism().map_or(1, usize::from),
                mean: 0,
                hot: None,
                in_hand: None,
                is_deep: false,
                held: None,
                lacks_workers: false,
                takings_back: 0,
                late: Late::default(),
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
        self.request_pump();
    }

    /// Something may be there: pumps, unless somebody else does, who then pumps again.
    pub(crate) fn request_pump(&self) {
        self.again.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.pump_as_requested();
    }

    /// Pumps where there is a mark. To be called by whoever has pumped, before it goes. While others submit, there is always more:
    /// after some rounds the dispatcher goes on, so that nobody is held up by the work of others.
    fn pump_as_requested(&self) {
        if !has_room_for_small_values() && !self.is_dispatcher() {
            return self.inbox.wake();
        }
        let mut has_moved = false;
        for _ in 0..ROUNDS {
            if !has_moved && !self.again.load(Ordering::SeqCst) {
                return;
            }
            // Whoever has the turn looks at the mark when it has given the turn back.
            let Some(moved) = self.try_pump() else { return };
            // More may come of it. Where nobody is there any more, a worker wakes the dispatcher.
            has_moved = moved;
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
        let Buffers {
            ended,
            bytes,
            started,
            ..
        } = buffers;
        {
            let mut books = self.lock();
            if !books.late.ended.is_empty() {
                if !self.is_dispatcher() {
                    drop(books);
                    self.inbox.wake();
                    return false;
                }
                Late {
                    ended: *ended,
                    bytes: *bytes,
                } = std::mem::take(&mut books.late);
            }
            books.read(ended, bytes, started);
        }
        let has_started = !started.is_empty();
        if self.observed.is_there() && (has_started || !ended.is_empty()) {
            let _service = ServiceGuard::enter(self.queue.pool());
            ended.iter_mut().for_each(|ended| self.tell_ended(ended));
            for started in &*started {
                self.tell_started(started.lane, started.pid, &*started.job, started.unit);
            }
        }
        for Started { job, unit, .. } in started.drain(..) {
            // Its answer is read under the turn, so later.
            job.as_job().started(unit);
        }
        if ended.is_empty() {
            return has_started;
        }
        let retry = match self.is_dispatcher() {
            true => Retry::Never,
            false => Retry::WithMoreStack,
        };
        let _service = ServiceGuard::enter(self.queue.pool());
        let mut answers = ended.drain(..);
        while let Some(mut answered) = answers.next() {
            let answer = &answered.answer;
            let (unit, payload) = (answered.claim.unit, answer.payload(bytes));
            let job = &answered.claim.job;
            let undone = match job.complete(unit, answer.kind, payload, retry, None) {
                Ok(None) => continue,
                Ok(Some(Again { unit, pause })) => {
                    answered.claim.unit = unit;
                    self.try_again(answered.claim, pause);
                    continue;
                }
                Err(undone) => undone,
            };
            if undone.is_deep {
                answered.claim.unit = undone.unit;
                let ended = std::iter::once(answered).chain(answers).collect();
                let late = Late::of(ended, bytes);
                bytes.clear();
                let mut books = self.lock();
                books.tell_read();
                books.late = late;
                drop(books);
                self.inbox.wake();
                return true;
            }
            let what = undone.error.to_string();
            let cause = Cause::Protocol(what.clone());
            let lost = cause::lost(answered.pid, cause, (&**job, &undone.unit), None);
            job.fail(undone.unit, lost);
            self.lock().breach(answered.lane, what);
        }
        drop(answers);
        bytes.clear();
        let mut books = self.lock();
        books.tell_read();
        let over = std::mem::take(&mut books.finishing);
        // Who waits for the end of all units looks after this, or is woken.
        let wakes = books.is_ending || books.has_chores || self.is_watched.load(Ordering::Relaxed);
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
        if self.has_come_back.swap(false, Ordering::Acquire) && !books.terminated {
            books.take_back(&self.queue);
        }
        books.rebalance(&self.queue);
        let mut moved = false;
        if books.held.is_some()
            && books.choose(true).is_some()
            && let Some(Parcel {
                claim,
                context,
                mut frame,
            }) = books.held.take()
        {
            moved = true;
            books.in_hand = Some(claim.job.clone());
            let takings_back = books.takings_back;
            drop(books);
            let placed = self.place(&mut frame, &[]);
            books = self.lock();
            books = match books.takings_back == takings_back {
                true => self.put(books, claim, context, &mut frame, placed),
                // What came back may be older.
                false => self.give_back(books, claim),
            };
        }
        let mut service = None;
        while let Some(claim) = self.take(&mut books) {
            moved = true;
            let takings_back = books.takings_back;
            drop(books);
            self.queue.tell_taken();
            service.get_or_insert_with(|| ServiceGuard::enter(self.queue.pool()));
            let frame = &mut buffers.frame;
            frame.clear();
            frame.resize(HEAD, 0);
            let context = claim.job.context(&claim.unit);
            let encoded = claim.job.encode(&claim.unit, frame).and_then(|last| {
                let length = frame.len() - HEAD + last.len();
                wire::fits("the task's argument", length, self.max_payload)?;
                Ok(self.place(frame, last))
            });
            books = self.lock();
            books = match encoded {
                _ if books.terminated => self.fail(books, claim, TaskError::Terminated),
                // Who cancels it has looked for it before, or will find it where it is put.
                _ if is_unwanted(&claim) => self.fail(books, claim, TaskError::Cancelled),
                // What came back may be older.
                Ok(_) if books.takings_back != takings_back => self.give_back(books, claim),
                Ok(placed) => self.put(books, claim, context, frame, placed),
                Err(_) if ran_out_of_stack() && !self.is_dispatcher() => {
                    // It has more stack.
                    books.is_deep = true;
                    self.give_back(books, claim)
                }
                Err(error) => self.fail(books, claim, TaskError::Encode(Box::new(error))),
            };
            if frame.capacity() > KEEP {
                *frame = Vec::new();
            }
        }
        drop(service);
        if books.are_full(self.queue.waiting()) {
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
        let waiting = self.queue.waiting();
        if books.terminated || books.held.is_some() || waiting == 0 {
            return None;
        }
        if books.is_deep || !books.has_room(waiting) {
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
        placed: Option<Placed>,
    ) -> MutexGuard<'a, Books> {
        let is_large = frame.len() - HEAD > CAPACITY;
        let was_small = std::mem::replace(&mut books.is_small, !is_large && placed.is_none());
        let depth = books.depth;
        let chosen = match &placed {
            Some(placed) => books.still_idle(placed.lane),
            None => books.choose(is_large),
        };
        let Books {
            lanes,
            requests,
            has_chores,
            held,
            ..
        } = &mut *books;
        match chosen.and_then(|index| lanes[index].as_mut()) {
            Some(lane) => {
                let mut control = Outgoing::default();
                let written = lane.contexts.write_missing(
                    context,
                    &mut control,
                    self.max_payload,
                    &mut lane.frames,
                );
                if !control.bytes.is_empty() {
                    lane.outgoing.push(control);
                }
                if let Err(error) = written {
                    *has_chores |= !lane.outgoing.is_empty();
                    return self.fail(books, claim, TaskError::Encode(Box::new(error)));
                }
                *requests += 1;
                let request = *requests;
                let awaits_start =
                    claim.job.as_job().handed_out().is_timed() || self.observed.is_there();
                let unit = Assignment {
                    comes_back: claim.job.as_job().may_come_back(),
                    claim,
                    request,
                    awaits_start,
                };
                let is_ahead = depth == 1 && !lane.units.is_empty();
                let tail = placed.map(|placed| placed.tail);
                *has_chores |= lane.put(unit, frame, tail, is_ahead);
                self.watch.arm();
                if lane.waits() && !is_ahead {
                    self.behind.arm();
                }
            }
            // It came for a place behind a task, where nothing large waits.
            None if is_large && !(was_small && depth == 1) => {
                let frame = std::mem::take(frame);
                *held = Some(Parcel {
                    claim,
                    context,
                    frame,
                });
            }
            None => return self.give_back(books, claim),
        }
        // It is not the last reference to the job: the unit has another.
        books.in_hand = None;
        books
    }

    /// The unit that is in the pumper's hand goes back to the queue.
    fn give_back<'a>(
        &'a self,
        mut books: MutexGuard<'a, Books>,
        claim: Claim<dyn RemoteJob>,
    ) -> MutexGuard<'a, Books> {
        let hand = books.in_hand.take();
        self.queue.give_back([claim]);
        // Whoever takes it from there may be done with it: this may be the last reference to its job.
        drop(books);
        drop(hand);
        self.lock()
    }

    /// Fails the unit that is in the pumper's hand.
    fn fail<'a>(
        &'a self,
        books: MutexGuard<'a, Books>,
        claim: Claim<dyn RemoteJob>,
        failure: TaskError,
    ) -> MutexGuard<'a, Books> {
        drop(books);
        let Claim { job, unit, .. } = claim;
        job.fail(unit, failure);
        let hand = self.lock().in_hand.take();
        drop((hand, job));
        self.lock()
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
        books.depth > 1 && lanes.any(|lane| !lane.units.is_empty())
    }

    /// The bells of all workers, for the dispatcher.
    pub(crate) fn bells(&self) -> &Bells {
        &self.bells
    }

    /// The dispatcher pumps on for a while, as long as tasks are short and answers come; whether they still do.
    pub(crate) fn keep_pumping(&self) -> bool {
        if self.spin.is_zero() || !self.is_lively() {
            return false;
        }
        {
            let mut books = self.lock();
            for lane in books.lanes.iter_mut().flatten() {
                lane.ring.tell_sleeping(false);
            }
        }
        let moved = Cell::new(false);
        let others_pump = || match self.try_pump() {
            Some(more) => {
                moved.set(moved.get() || more);
                false
            }
            None => true,
        };
        spin_until(others_pump, self.spin, false);
        moved.get()
    }
}

impl Feed {
    fn pump_until(&self, done: &dyn Fn() -> bool) {
        let moved = Cell::new(true);
        let looks = || {
            moved.set(!done() && self.try_pump() == Some(true));
            moved.get() || done()
        };
        while moved.get() {
            spin_until(looks, self.spin, false);
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
        self.pump_as_requested();
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
            self.request_pump();
            if !done() && self.is_lively() {
                self.pump_until(done);
            }
        }
        drop(seat);
        // The bells are the dispatcher's again, which sleeps: what has rung for this thread is to ring for it. Where something moves
        // now, that stays so.
        self.fall_asleep();
        self.pump_as_requested();
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

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("spin", &self.spin)
            .finish_non_exhaustive()
    }
}
