//! The threads of one pool. Each takes the next unit from the queue and runs it. It is replaced when it has run its share of tasks, or is as old
//! as it may get.
//!
//! A worker whose initializer fails tries again, a bounded number of times with growing pauses. Then it fails for good. While no
//! other worker can take work, it fails the queued units with the initializer's message.
//!
//! While a worker waits for a task of its own pool, a compensation thread takes units from the same queue, so a pool cannot
//! deadlock on itself. When the wait is over, there is one thread more than the pool has workers, and the next thread that asks for
//! a unit exits instead. So no unit begins while as many threads run unblocked as the pool has workers. No task runs on the stack of a
//! thread that waits.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pool_core::backend::{
    Again, Armed, BlockHook, Claim, Deadline, Interruptible, Queue, Taken, WaitGroup, WorkerGuard,
    WorkerSlot, thread_builder,
};
use pool_core::{Cause, Phase, StartError, TaskError, Worker, WorkerEnd, WorkerLost, WorkerStats};

use crate::initializer::Settings;
use crate::job::ThreadJob;
use crate::places::{Meter, Places};

/// How often a worker calls an initializer that fails.
const TRIES: u32 = 5;

/// The pause after the first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The threads of one pool.
#[derive(Debug)]
pub(crate) struct Workers {
    queue: Arc<Queue<dyn ThreadJob>>,
    settings: Settings,
    /// Counts the threads that have not ended.
    running: Arc<WaitGroup>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    /// Threads that were ever started. Each has its own number.
    started: AtomicUsize,
    /// Whether a worker has ever waited for its own pool.
    compensates: AtomicBool,
    counts: Mutex<Counts>,
    places: Places,
}

/// How many threads are in which state.
#[derive(Debug, Default)]
struct Counts {
    /// Threads whose initializer has not failed for good, blocked ones included.
    able: usize,
    /// Threads that wait for their own pool.
    blocked: usize,
    /// Compensation threads.
    compensation: usize,
    /// Worker slots that no thread has any more.
    free: Vec<usize>,
    /// How many slots were ever made beyond the pool's size.
    extra_slots: usize,
}

impl Counts {
    /// Whether some thread takes units, or is about to.
    fn takes_work(&self) -> bool {
        self.able > self.blocked
    }

    /// Whether there are more compensation threads than blocked workers: the next thread that asks for a unit exits.
    fn has_superfluous(&self) -> bool {
        self.compensation > self.blocked
    }
}

/// Why a worker exits.
enum Exit {
    /// The pool has ended, or this thread is superfluous.
    Done,
    /// It has run its share of tasks, or is as old as it may get.
    Replaced,
}

impl Workers {
    pub(crate) fn new(queue: &Arc<Queue<dyn ThreadJob>>, settings: Settings) -> Arc<Workers> {
        Arc::new(Workers {
            queue: queue.clone(),
            settings,
            running: Arc::default(),
            handles: Mutex::default(),
            started: AtomicUsize::new(0),
            compensates: AtomicBool::new(false),
            counts: Mutex::new(Counts {
                able: queue.size(),
                ..Counts::default()
            }),
            places: Places::default(),
        })
    }

    /// Starts as many threads as the queue has slots.
    pub(crate) fn spawn_all(self: &Arc<Self>) -> Result<(), StartError> {
        (0..self.queue.size()).try_for_each(|index| self.spawn(index))
    }

    /// The number of threads that live, and of threads that were ever started.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.running.count(), self.started.load(Ordering::Relaxed))
    }

    /// What the workers of each slot have done.
    pub(crate) fn stats(&self) -> Vec<WorkerStats> {
        self.places.stats(|meter| self.queue.waited(meter))
    }

    /// Waits until every thread has ended; false if the deadline passes first.
    pub(crate) fn join(&self, deadline: &Deadline) -> bool {
        let ended = self.running.wait(deadline);
        if ended {
            // The lock is held until the last thread is joined, so that no second caller returns before.
            join_all(lock(&self.handles).drain(..));
        }
        ended
    }

    fn spawn(self: &Arc<Self>, index: usize) -> Result<(), StartError> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let (workers, guard) = (self.clone(), self.running.enter());
        let run = move || {
            let _guard = guard;
            workers.run(index, number);
        };
        // Linux keeps 15 bytes of a thread's name.
        let mut thread = thread_builder(format!("tpool-{number}"));
        if let Some(bytes) = self.settings.stack_size {
            thread = thread.stack_size(bytes);
        }
        let thread = thread
            .spawn(run)
            .map_err(|source| StartError::Worker { index, source })?;
        let ended: Vec<_> = {
            let mut handles = lock(&self.handles);
            let (ended, mut running): (Vec<_>, Vec<_>) =
                handles.drain(..).partition(JoinHandle::is_finished);
            running.push(thread);
            *handles = running;
            ended
        };
        join_all(ended);
        Ok(())
    }

    /// Runs a worker until it exits.
    fn run(self: &Arc<Self>, index: usize, number: usize) {
        loop {
            let worker = worker(index, number);
            let guard = self.enter(worker.clone());
            let exit = match self.initialize(&guard) {
                Ok(()) => self.serve(worker),
                Err(error) => self.fail_units(index, &error),
            };
            drop(guard);
            // A drained pool needs no replacement. If the system refuses the thread of one, this thread becomes the replacement.
            if !matches!(exit, Exit::Replaced)
                || self.queue.is_drained()
                || self.spawn(index).is_ok()
            {
                return;
            }
        }
    }

    /// Runs units until the worker exits; its initializer has succeeded.
    fn serve(&self, worker: Worker) -> Exit {
        let (index, observed) = (worker.index, &self.settings.observed);
        observed.tell(|observer| observer.worker_started(&worker));
        let meter = self.places.enter(worker.clone());
        let exit = self.run_units(index, &meter);
        let waited = self.queue.waited(&meter.waits);
        let end = match exit {
            Exit::Done => WorkerEnd::Left,
            Exit::Replaced => WorkerEnd::Replaced,
        };
        self.places.leave(index, waited, end == WorkerEnd::Replaced);
        observed.tell(|observer| observer.worker_ended(&worker, end));
        if let Some(worker_exit) = &self.settings.worker_exit
            && self.queue.phase() != Phase::Terminated
        {
            worker_exit.run();
        }
        exit
    }

    /// Marks the calling thread as a worker.
    fn enter(self: &Arc<Self>, worker: Worker) -> WorkerGuard {
        let index = worker.index;
        let guard = WorkerGuard::enter(self.queue.pool(), worker);
        let workers = self.clone();
        guard.set_block_hook(Arc::new(SlotHook { workers, index }));
        guard
    }

    /// Calls the initializer until it succeeds, at most [`TRIES`] times.
    fn initialize(&self, guard: &WorkerGuard) -> Result<(), String> {
        let Some(initializer) = &self.settings.initializer else {
            return Ok(());
        };
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        loop {
            match initializer.make() {
                Ok(state) => {
                    guard.set_state(state);
                    return Ok(());
                }
                // A pool that has ended needs no further try.
                Err(why) if tries == TRIES || !self.sleep(pause) => {
                    return Err(format!("the initializer failed {tries} times: {why}"));
                }
                Err(_) => {}
            }
            (tries, pause) = (tries + 1, pause * 2);
        }
    }

    /// Waits by the pool's timers. It returns false, without delay, when workers may exit.
    fn sleep(&self, pause: Duration) -> bool {
        let (over, _armed) = self.when_over(pause);
        self.queue.rest(|| over.load(Ordering::Acquire))
    }

    /// What is true when so much time has passed by the pool's timers, which then rings; the timer stops when the guard is dropped.
    fn when_over(&self, time: Duration) -> (Arc<AtomicBool>, Armed) {
        let over = Arc::new(AtomicBool::new(false));
        let (queue, is_over) = (self.queue.clone(), over.clone());
        let alarm = move || {
            is_over.store(true, Ordering::Release);
            queue.ring();
        };
        let armed = self.settings.timers.arm(time, Box::new(alarm));
        (over, armed)
    }

    /// Runs units until there are none for this thread, or until it has had its share.
    fn run_units(&self, index: usize, meter: &Meter) -> Exit {
        let share = self.settings.recycling.share();
        let (aged, _armed) = share.age.map(|age| self.when_over(age)).unzip();
        let is_aged = || {
            aged.as_ref()
                .is_some_and(|aged| aged.load(Ordering::Acquire))
        };
        let mut left = share.tasks;
        let mut taker = self.queue.taker(WorkerSlot(index)).metered(&meter.waits);
        let is_superfluous = Cell::new(false);
        while left > 0 {
            let Some(taken) = taker.next_unless(|| {
                // In the usual case no worker has ever waited for its own pool: this costs no lock.
                let exits = self.compensates.load(Ordering::Acquire) && self.exits();
                is_superfluous.set(exits);
                exits || is_aged()
            }) else {
                drop(taker);
                if is_superfluous.get() {
                    lock(&self.counts).free.push(index);
                    return Exit::Done;
                }
                return match is_aged() {
                    true => Exit::Replaced,
                    false => Exit::Done,
                };
            };
            // Once a worker has waited for its own pool, each unit is asked for: this thread may be superfluous.
            let more = taken.more.until(&self.compensates);
            let (count, again) = taken.job.run_units(taken.unit, &more);
            meter.count(count);
            if let Some(Again { unit, pause }) = again {
                let claim = Claim::again(taken.job, unit, taken.order);
                self.queue
                    .try_again(claim, pause, &self.settings.timers, || ());
            }
            left -= 1;
        }
        Exit::Replaced
    }

    /// Whether the calling thread is superfluous and exits. Then it counts as ended from now on.
    fn exits(&self) -> bool {
        let mut counts = lock(&self.counts);
        let exits = counts.has_superfluous();
        if exits {
            counts.able -= 1;
            counts.compensation -= 1;
        }
        exits
    }

    /// Lets the other workers take the units. While none of them can, fails the units with this error.
    fn fail_units(&self, index: usize, error: &str) -> Exit {
        {
            let mut counts = lock(&self.counts);
            counts.able -= 1;
            counts.compensation = counts.compensation.saturating_sub(1);
        }
        // If all other workers wait for queued units, this ends when one of them gets such an error and goes on.
        let takes_work = || lock(&self.counts).takes_work();
        let mut taker = self.queue.taker(WorkerSlot(index));
        while let Some(Taken { job, unit, .. }) = taker.next_unless(takes_work) {
            let task = job.describe(&unit, None);
            let mut lost =
                WorkerLost::new(std::process::id(), Cause::Start(error.to_owned()), task);
            lost.items = job.items(&unit);
            lost.begun = false;
            job.fail_unit(unit, TaskError::WorkerLost(Box::new(lost)));
        }
        drop(taker);
        lock(&self.counts).free.push(index);
        Exit::Done
    }
}

/// The worker with this number, in this slot.
fn worker(index: usize, number: usize) -> Worker {
    Worker {
        name: format!("ThreadPoolWorker-{number}"),
        index,
        pid: std::process::id(),
    }
}

/// The [`BlockHook`] of the worker with this slot.
struct SlotHook {
    workers: Arc<Workers>,
    index: usize,
}

impl BlockHook for SlotHook {
    fn block(&self) -> bool {
        let workers = &self.workers;
        // Other workers take the units that this one has claimed and not begun.
        workers.queue.vacate(WorkerSlot(self.index));
        let slot = {
            let mut counts = lock(&workers.counts);
            workers.compensates.store(true, Ordering::Release);
            // A superfluous thread becomes the compensation thread instead of exiting.
            let spawns = counts.compensation <= counts.blocked;
            if spawns && counts.compensation >= workers.settings.compensation_threads {
                return false;
            }
            counts.blocked += 1;
            if !spawns {
                return true;
            }
            counts.able += 1;
            counts.compensation += 1;
            counts.free.pop().unwrap_or_else(|| {
                counts.extra_slots += 1;
                workers.queue.size() + counts.extra_slots - 1
            })
        };
        let spawned = workers.spawn(slot).is_ok();
        if !spawned {
            let mut counts = lock(&workers.counts);
            counts.able -= 1;
            counts.blocked -= 1;
            // A thread that has failed meanwhile may have been subtracted in the place of this one.
            counts.compensation = counts.compensation.saturating_sub(1);
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

    fn with_job(&self, f: &mut dyn FnMut(&dyn Interruptible)) {
        let slot = WorkerSlot(self.index);
        self.workers.queue.with_job(slot, &mut |job| f(job));
    }
}

fn join_all(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    let here = thread::current().id();
    for thread in threads {
        // A thread cannot join itself. A task may have stored the last reference to the pool in a local of its thread, which is
        // dropped when the worker has ended.
        if thread.thread().id() == here {
            continue;
        }
        // A worker catches the panics of its tasks. A panic of its own has been reported by the panic hook.
        let _ = thread.join();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
