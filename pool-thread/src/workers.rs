//! The threads of one pool: each takes the next unit from the queue and runs it in place, and is replaced
//! when it has done as many tasks as it may.
//!
//! A worker whose initializer fails tries again, a bounded number of times with growing pauses, and then retires.
//! When no other worker can take work, it stays and fails what is queued, with the initializer's own message: for ever
//! where all others have retired too, and until one goes on where they wait for their own pool.
//!
//! While a worker waits for a task of its own pool, a compensation thread takes units from the same queue, so a pool cannot
//! block itself. When the wait is over there is a thread too many, and the first thread that comes to take work leaves instead:
//! no unit begins while as many run unblocked as the pool has workers. No task runs on the stack of a thread that waits.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pool_core::backend::{
    BlockHook, Deadline, Queue, WaitGroup, WorkerGuard, WorkerSlot, thread_builder,
};
use pool_core::{Cause, StartError, TaskError, Worker, WorkerLost};

use crate::initializer::Settings;
use crate::job::ThreadJob;

/// How often an initializer may fail in one worker.
const TRIES: u32 = 5;

/// The pause after the first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The threads of one pool.
#[derive(Debug)]
pub(crate) struct Workers {
    queue: Arc<Queue<dyn ThreadJob>>,
    settings: Settings,
    present: Arc<WaitGroup>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    /// Threads that were ever started: each has a number of its own.
    started: AtomicUsize,
    /// Whether a worker has ever waited for its own pool.
    compensates: AtomicBool,
    counts: Mutex<Counts>,
}

/// Threads by what they do.
#[derive(Debug, Default)]
struct Counts {
    /// Workers that have not retired, the blocked ones among them.
    able: usize,
    /// Those that wait for their own pool.
    blocked: usize,
    /// Threads beyond the pool's size that run meanwhile.
    extra: usize,
    /// Worker slots that no thread has any more.
    free: Vec<usize>,
    /// How many slots there have been beyond the pool's size.
    slots: usize,
}

impl Counts {
    /// Some thread takes work, or is about to.
    fn takes_work(&self) -> bool {
        self.able > self.blocked
    }

    /// There is a thread too many: the next one that comes to take work leaves instead.
    fn is_superfluous(&self) -> bool {
        self.extra > self.blocked
    }
}

/// Why a worker ends.
enum End {
    /// The queue has nothing more for it.
    Drained,
    /// It has done as many tasks as it may.
    MaxTasks,
}

impl Workers {
    pub(crate) fn new(queue: &Arc<Queue<dyn ThreadJob>>, settings: Settings) -> Arc<Workers> {
        Arc::new(Workers {
            queue: queue.clone(),
            settings,
            present: Arc::default(),
            handles: Mutex::default(),
            started: AtomicUsize::new(0),
            compensates: AtomicBool::new(false),
            counts: Mutex::new(Counts {
                able: queue.size(),
                ..Counts::default()
            }),
        })
    }

    /// Starts as many threads as the queue has slots.
    pub(crate) fn spawn_all(self: &Arc<Self>) -> Result<(), StartError> {
        (0..self.queue.size()).try_for_each(|index| self.spawn(index))
    }

    /// Threads that live, and threads that were ever started.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.present.count(), self.started.load(Ordering::Relaxed))
    }

    /// Waits until every thread has ended; false when the deadline came first.
    pub(crate) fn join(&self, deadline: &Deadline) -> bool {
        let gone = self.present.wait(deadline);
        if gone {
            // Held until the last thread is joined, so that a second caller does not return before.
            join_all(lock(&self.handles).drain(..));
        }
        gone
    }

    fn spawn(self: &Arc<Self>, index: usize) -> Result<(), StartError> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let (workers, present) = (self.clone(), self.present.enter());
        let work = move || {
            let _present = present;
            workers.work(index, number);
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
            let slot = self.enter(index, number);
            let end = match self.initialize(&slot) {
                Ok(()) => self.serve(index),
                Err(why) => self.retire(index, &why),
            };
            drop(slot);
            // No thread is started for a pool that has nothing left to do. Where the system refuses a replacement, this thread
            // goes on as its own.
            if !matches!(end, End::MaxTasks) || self.queue.is_drained() || self.spawn(index).is_ok()
            {
                return;
            }
        }
    }

    fn enter(self: &Arc<Self>, index: usize, number: usize) -> WorkerGuard {
        let name = format!("ThreadPoolWorker-{number}");
        let pid = std::process::id();
        let guard = WorkerGuard::enter(self.queue.pool(), Worker { name, index, pid });
        let workers = self.clone();
        guard.set_block_hook(Arc::new(BlockedSlot { workers, index }));
        guard
    }

    fn initialize(&self, slot: &WorkerGuard) -> Result<(), String> {
        let Some(initializer) = &self.settings.initializer else {
            return Ok(());
        };
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        loop {
            match initializer.make() {
                Ok(state) => {
                    slot.set_state(state);
                    return Ok(());
                }
                // No further try for a pool that has nothing left to do.
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
        let (queue, told) = (self.queue.clone(), over.clone());
        let alarm = move || {
            told.store(true, Ordering::Release);
            queue.ring();
        };
        let _armed = self.settings.timers.arm(pause, Box::new(alarm));
        self.queue.rest(|| over.load(Ordering::Acquire))
    }

    fn serve(&self, index: usize) -> End {
        let mut left = self.settings.max_tasks.map(std::num::NonZeroUsize::get);
        while left != Some(0) {
            let Some(claim) = self
                .queue
                .next_unless(WorkerSlot(index), || self.leaves(index))
            else {
                return End::Drained;
            };
            claim.job.run_here(claim.unit);
            left = left.map(|left| left - 1);
        }
        End::MaxTasks
    }

    /// Whether the thread with this slot is one too many: it counts as gone.
    fn leaves(&self, index: usize) -> bool {
        // No worker has waited for the pool, as far as this thread can know: the usual case costs no lock.
        if !self.compensates.load(Ordering::Acquire) {
            return false;
        }
        let mut counts = lock(&self.counts);
        let leaves = counts.is_superfluous();
        if leaves {
            counts.able -= 1;
            counts.extra -= 1;
            counts.free.push(index);
        }
        leaves
    }

    /// Leaves the work to the other workers; while none of them can take it, fails it.
    fn retire(&self, index: usize, why: &str) -> End {
        {
            let mut counts = lock(&self.counts);
            counts.able -= 1;
            counts.extra = counts.extra.saturating_sub(1);
        }
        // Where all other workers wait for what is queued, this ends with the first error that one of them has waited for.
        let takes_work = || lock(&self.counts).takes_work();
        while let Some(claim) = self.queue.next_unless(WorkerSlot(index), takes_work) {
            let job = claim.job.as_job();
            let task = job.describe(&claim.unit, None);
            let mut lost = WorkerLost::new(std::process::id(), Cause::Start(why.to_owned()), task);
            lost.items = job.items(&claim.unit);
            lost.begun = false;
            claim
                .job
                .give_up(claim.unit, TaskError::WorkerLost(Box::new(lost)));
        }
        lock(&self.counts).free.push(index);
        End::Drained
    }
}

/// The threads, as the worker with this slot sees them while it is blocked.
struct BlockedSlot {
    workers: Arc<Workers>,
    index: usize,
}

impl BlockHook for BlockedSlot {
    fn block(&self) -> bool {
        let workers = &self.workers;
        // What it has taken and not begun is for those who go on.
        workers.queue.vacate(WorkerSlot(self.index));
        let slot = {
            let mut counts = lock(&workers.counts);
            workers.compensates.store(true, Ordering::Release);
            // If there is a thread too many, it goes on instead of leaving.
            let spawns = counts.extra <= counts.blocked;
            if spawns && counts.extra >= workers.settings.compensation_threads {
                return false;
            }
            counts.blocked += 1;
            if !spawns {
                return true;
            }
            counts.able += 1;
            counts.extra += 1;
            counts.free.pop().unwrap_or_else(|| {
                counts.slots += 1;
                workers.queue.size() + counts.slots - 1
            })
        };
        let spawned = workers.spawn(slot).is_ok();
        if !spawned {
            let mut counts = lock(&workers.counts);
            counts.able -= 1;
            counts.blocked -= 1;
            // One that has retired meanwhile may have been counted as this one.
            counts.extra = counts.extra.saturating_sub(1);
            counts.free.push(slot);
        }
        spawned
    }

    fn unblock(&self) {
        lock(&self.workers.counts).blocked -= 1;
        self.workers.queue.ring();
    }

    fn runs(&self, job: u64) -> bool {
        self.workers.queue.runs(WorkerSlot(self.index), job)
    }
}

fn join_all(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    let here = thread::current().id();
    for thread in threads {
        // A task may have left the last reference to the pool in its thread's locals, which are dropped when the worker has left.
        if thread.thread().id() == here {
            continue;
        }
        // A worker catches the panics of its tasks. If it panicked itself, there is nothing to be done here.
        let _ = thread.join();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
