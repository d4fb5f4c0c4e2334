//! The threads of one pool: each takes the next unit from the feed and runs it in place, and is replaced
//! when it has done its share.
//!
//! A worker whose initializer fails tries again, a bounded number of times with growing pauses, and then retires.
//! When nobody is left who could take work, it stays to fail what is queued, with the initializer's own words: for ever
//! where all others have retired too, and until one goes on where they wait for their own pool.
//!
//! A worker that waits for a task of its own pool lends its place: one more thread takes units from the same queue,
//! so a pool cannot starve itself. When the wait is over there is a thread too many, and whichever comes first to
//! take work leaves instead: no unit begins while as many run unblocked as the pool has places. Nothing is ever run on
//! the stack of one who waits.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pool_core::{
    Attendance, Cause, Deadline, Failure, Feed, Lender, Seat, StartError, Worker, WorkerLost,
    WorkerSeat, thread_builder,
};

use crate::initializer::Settings;
use crate::job::RunHere;

/// How often an initializer may fail in one worker.
const TRIES: u32 = 5;

/// The pause after the first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The threads of one pool.
#[derive(Debug)]
pub(crate) struct Crew {
    feed: Arc<Feed<dyn RunHere>>,
    settings: Settings,
    present: Arc<Attendance>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    /// Workers that were ever hired: each has a number of its own.
    hired: AtomicUsize,
    /// Whether a place was ever lent.
    lends: AtomicBool,
    roll: Mutex<Roll>,
}

/// Who is there, and what keeps them from work.
#[derive(Debug, Default)]
struct Roll {
    /// Workers that have not retired, the blocked ones among them.
    able: usize,
    /// Those that wait for their own pool.
    blocked: usize,
    /// Threads beyond the pool's size that run meanwhile.
    extra: usize,
    /// Seats that nobody sits on any more.
    free: Vec<usize>,
    /// How many seats there have been beyond the pool's size.
    seats: usize,
}

impl Roll {
    /// Somebody takes work, or is about to.
    fn is_manned(&self) -> bool {
        self.able > self.blocked
    }

    /// One more than are missing: whoever comes to take work is to leave instead.
    fn is_superfluous(&self) -> bool {
        self.extra > self.blocked
    }
}

/// Why a worker ends.
enum End {
    /// The feed has nothing more for it.
    Drained,
    /// It has done its share.
    Share,
}

impl Crew {
    pub(crate) fn new(feed: &Arc<Feed<dyn RunHere>>, settings: Settings) -> Arc<Crew> {
        Arc::new(Crew {
            feed: feed.clone(),
            settings,
            present: Arc::default(),
            handles: Mutex::default(),
            hired: AtomicUsize::new(0),
            lends: AtomicBool::new(false),
            roll: Mutex::new(Roll {
                able: feed.size(),
                ..Roll::default()
            }),
        })
    }

    /// Hires as many workers as the feed wants.
    pub(crate) fn hire_all(self: &Arc<Self>) -> Result<(), StartError> {
        (0..self.feed.size()).try_for_each(|index| self.hire(index))
    }

    /// Threads that live, and threads that were ever started.
    pub(crate) fn head_count(&self) -> (usize, usize) {
        (self.present.count(), self.hired.load(Ordering::Relaxed))
    }

    /// Waits until every thread has ended; false when the deadline came first.
    pub(crate) fn reap(&self, deadline: &Deadline) -> bool {
        let gone = self.present.wait(deadline);
        if gone {
            // Held until the last thread is joined, so that a second caller does not return before.
            join_all(lock(&self.handles).drain(..));
        }
        gone
    }

    fn hire(self: &Arc<Self>, index: usize) -> Result<(), StartError> {
        let number = self.hired.fetch_add(1, Ordering::Relaxed) + 1;
        let (crew, present) = (self.clone(), self.present.enter());
        let work = move || {
            let _present = present;
            crew.work(index, number);
        };
        // The system keeps 15 bytes of a thread's name.
        let mut thread = thread_builder(format!("tpool-{number}"));
        if let Some(bytes) = self.settings.stack_size {
            thread = thread.stack_size(bytes);
        }
        let thread = thread
            .spawn(work)
            .map_err(|source| StartError::Worker { index, source })?;
        let ended: Vec<_> = {
            let mut handles = lock(&self.handles);
            let (ended, mut here): (Vec<_>, Vec<_>) =
                handles.drain(..).partition(JoinHandle::is_finished);
            here.push(thread);
            *handles = here;
            ended
        };
        join_all(ended);
        Ok(())
    }

    /// A worker's life.
    fn work(self: &Arc<Self>, index: usize, number: usize) {
        loop {
            let seat = self.sit(index, number);
            let end = match self.initialize(&seat) {
                Ok(()) => self.serve(index),
                Err(why) => self.retire(index, &why),
            };
            drop(seat);
            // Nobody is started for a pool that has nothing left to do. Where the system refuses a successor, this
            // thread is its own.
            if !matches!(end, End::Share) || self.feed.is_drained() || self.hire(index).is_ok() {
                return;
            }
        }
    }

    fn sit(self: &Arc<Self>, index: usize, number: usize) -> WorkerSeat {
        let name = format!("ThreadPoolWorker-{number}");
        let pid = std::process::id();
        let seat = WorkerSeat::take(self.feed.pool(), Worker { name, index, pid });
        let crew = self.clone();
        seat.lend_to(Arc::new(Stage { crew, index }));
        seat
    }

    fn initialize(&self, seat: &WorkerSeat) -> Result<(), String> {
        let Some(initializer) = &self.settings.initializer else {
            return Ok(());
        };
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        loop {
            match initializer.make() {
                Ok(state) => {
                    seat.keep(state);
                    return Ok(());
                }
                // Nobody tries again for a pool that has nothing left to do.
                Err(why) if tries == TRIES || !self.rest(pause) => {
                    return Err(format!("the initializer failed {tries} times: {why}"));
                }
                Err(_) => {}
            }
            (tries, pause) = (tries + 1, pause * 2);
        }
    }

    /// Waits by the pool's own timers; false as soon as workers may leave.
    fn rest(&self, pause: Duration) -> bool {
        let over = Arc::new(AtomicBool::new(false));
        let (feed, told) = (self.feed.clone(), over.clone());
        let alarm = move || {
            told.store(true, Ordering::Release);
            feed.ring();
        };
        let _armed = self.settings.timers.arm(pause, Box::new(alarm));
        self.feed.rest(|| over.load(Ordering::Acquire))
    }

    fn serve(&self, index: usize) -> End {
        let mut left = self.settings.max_tasks.map(std::num::NonZeroUsize::get);
        while left != Some(0) {
            let Some(claim) = self.feed.next_unless(Seat(index), || self.leaves(index)) else {
                return End::Drained;
            };
            claim.job.run_here(claim.unit);
            left = left.map(|left| left - 1);
        }
        End::Share
    }

    /// Whether the thread on this seat is one too many: it is accounted as gone.
    fn leaves(&self, index: usize) -> bool {
        // Nobody has lent a place, as far as this thread can know: the usual case costs no lock.
        if !self.lends.load(Ordering::Acquire) {
            return false;
        }
        let mut roll = lock(&self.roll);
        let leaves = roll.is_superfluous();
        if leaves {
            roll.able -= 1;
            roll.extra -= 1;
            roll.free.push(index);
        }
        leaves
    }

    /// Leaves the work to those who can do it; where there are none, it fails.
    fn retire(&self, index: usize, why: &str) -> End {
        {
            let mut roll = lock(&self.roll);
            roll.able -= 1;
            roll.extra = roll.extra.saturating_sub(1);
        }
        // Where everybody waits for what is queued, the first failure that one of them has waited for ends this.
        let manned = || lock(&self.roll).is_manned();
        while let Some(claim) = self.feed.next_unless(Seat(index), manned) {
            let job = claim.job.as_job();
            let lost = WorkerLost {
                pid: std::process::id(),
                cause: Cause::Start(why.to_owned()),
                task: job.describe(&claim.unit, None),
                items: job.items(&claim.unit),
                begun: false,
                hint: None,
            };
            claim
                .job
                .give_up(claim.unit, Failure::WorkerLost(Box::new(lost)));
        }
        lock(&self.roll).free.push(index);
        End::Drained
    }
}

/// The crew, as the worker on this seat sees it while it is blocked.
struct Stage {
    crew: Arc<Crew>,
    index: usize,
}

impl Lender for Stage {
    fn lend(&self) -> bool {
        let crew = &self.crew;
        let seat = {
            let mut roll = lock(&crew.roll);
            crew.lends.store(true, Ordering::Release);
            // One that has finished its turn goes on instead of leaving.
            let hires = roll.extra <= roll.blocked;
            if hires && roll.extra >= crew.settings.stand_ins {
                return false;
            }
            roll.blocked += 1;
            if !hires {
                return true;
            }
            roll.able += 1;
            roll.extra += 1;
            roll.free.pop().unwrap_or_else(|| {
                roll.seats += 1;
                crew.feed.size() + roll.seats - 1
            })
        };
        let hired = crew.hire(seat).is_ok();
        if !hired {
            let mut roll = lock(&crew.roll);
            roll.able -= 1;
            roll.blocked -= 1;
            // One that has retired meanwhile may have been counted as this one.
            roll.extra = roll.extra.saturating_sub(1);
            roll.free.push(seat);
        }
        hired
    }

    fn resume(&self) {
        lock(&self.crew.roll).blocked -= 1;
        self.crew.feed.ring();
    }

    fn runs(&self, job: u64) -> bool {
        self.crew.feed.runs(Seat(self.index), job)
    }
}

fn join_all(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    let here = thread::current().id();
    for thread in threads {
        // What a task left in its thread's locals may be the last to hold the pool: it is dropped when the worker has left.
        if thread.thread().id() == here {
            continue;
        }
        // A worker contains what it runs; were it to panic, there is nothing left to save here.
        let _ = thread.join();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
