//! The threads of one pool. Each takes the next unit from the queue and runs it. It is replaced when it has run its share of tasks, or is as old
//! as it may get.
//!
//! A worker leaves where the pool has become smaller, and, if the pool says so, when it has had nothing to do for a while: then it comes back
//! by need. One always stays.
//!
//! A worker whose initializer fails tries again, a bounded number of times with growing pauses. Then it fails for good. While no
//! other worker can take work, it fails the queued units with the initializer's message.
//!
//! While a worker waits for a task of its own pool, a compensation thread takes units from the same queue, so a pool cannot
//! deadlock on itself. When the wait is over, there is one thread more than the pool has workers, and the next thread that asks for
//! a unit exits instead. So no unit begins while as many threads run unblocked as the pool has workers. No task runs on the stack of a
//! thread that waits.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pool_core::backend::{
    Again, Armed, BlockHook, Claim, Deadline, Interruptible, Queue, Taken, WaitGroup, WhenIdle,
    WorkerGuard, WorkerSlot, thread_builder,
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
    /// Whether a worker may be superfluous: one has waited for its own pool, or the pool was resized.
    may_exceed: AtomicBool,
    /// Whether workers have left that come back by need.
    is_reduced: AtomicBool,
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
    /// Workers that have left because there was nothing to do.
    absent: usize,
    /// Worker slots that no thread has any more.
    free: BTreeSet<usize>,
    /// How many slots were ever used.
    slots: usize,
}

impl Counts {
    /// How many threads take units, or are about to.
    fn unblocked(&self) -> usize {
        self.able - self.blocked.min(self.able)
    }

    /// Whether some thread takes units, or is about to.
    fn takes_work(&self) -> bool {
        self.unblocked() > 0
    }

    /// No more than the pool has workers are there or absent.
    fn bound_absent(&mut self, size: usize) {
        self.absent = self.absent.min(size.saturating_sub(self.unblocked()));
    }

    /// A slot for a thread that is about to be started.
    fn enter(&mut self) -> usize {
        self.able += 1;
        self.free.pop_first().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        })
    }

    /// The system refuses that thread.
    fn not_entered(&mut self, slot: usize) {
        self.able -= 1;
        self.free.insert(slot);
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
            may_exceed: AtomicBool::new(false),
            is_reduced: AtomicBool::new(false),
            counts: Mutex::new(Counts {
                able: queue.size(),
                slots: queue.size(),
                ..Counts::default()
            }),
            places: Places::default(),
        })
    }

    /// Starts as many threads as the queue has slots.
    pub(crate) fn spawn_all(self: &Arc<Self>) -> Result<(), StartError> {
        (0..self.queue.size()).try_for_each(|index| self.spawn(index))
    }

    /// The queue has another size, which was this before.
    pub(crate) fn resize(self: &Arc<Self>, before: usize) -> Result<(), StartError> {
        self.may_exceed.store(true, Ordering::Release);
        let started = {
            let mut counts = lock(&self.counts);
            let size = self.queue.size();
            counts.bound_absent(size);
            let there = before.max(counts.unblocked() + counts.absent);
            let more = size.saturating_sub(there);
            let slots: Vec<_> = (0..more).map(|_| counts.enter()).collect();
            drop(counts);
            self.spawn_entered(slots).1
        };
        // Those that are too many leave.
        self.queue.ring();
        started
    }

    /// Starts threads that have been counted, in a pool that needs any; where the system refuses one, none of those after it. How many
    /// were not started.
    fn spawn_entered(self: &Arc<Self>, slots: Vec<usize>) -> (usize, Result<(), StartError>) {
        if slots.is_empty() {
            return (0, Ok(()));
        }
        // Who joins the pool waits for this, and after that nothing is needed.
        let _guard = self.running.enter();
        let is_over = self.queue.is_drained() && self.queue.unserved() == 0;
        let needed = if is_over { 0 } else { slots.len() };
        let mut started = 0;
        let end = slots[..needed].iter().try_for_each(|slot| {
            self.spawn(*slot)?;
            started += 1;
            Ok(())
        });
        let mut counts = lock(&self.counts);
        for slot in &slots[started..] {
            counts.not_entered(*slot);
        }
        (slots.len() - started, end)
    }

    /// Workers that have left because there was nothing to do come back, as many as there are units that nobody takes.
    pub(crate) fn return_by_need(self: &Arc<Self>) {
        if !self.is_reduced.load(Ordering::Relaxed) {
            return;
        }
        let needed = self.queue.unserved();
        let slots: Vec<_> = {
            let mut counts = lock(&self.counts);
            counts.bound_absent(self.queue.size());
            let returning = needed.min(counts.absent);
            counts.absent -= returning;
            self.is_reduced.store(counts.absent > 0, Ordering::Relaxed);
            (0..returning).map(|_| counts.enter()).collect()
        };
        // Where the system refuses them, those that have stayed do the work, until one is needed again.
        let (refused, _) = self.spawn_entered(slots);
        if refused > 0 {
            lock(&self.counts).absent += refused;
            self.is_reduced.store(true, Ordering::Relaxed);
        }
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
    fn serve(self: &Arc<Self>, worker: Worker) -> Exit {
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
    fn run_units(self: &Arc<Self>, index: usize, meter: &Meter) -> Exit {
        let share = self.settings.recycling.share();
        let (aged, _armed) = share.age.map(|age| self.when_over(age)).unzip();
        let is_aged = || {
            aged.as_ref()
                .is_some_and(|aged| aged.load(Ordering::Acquire))
        };
        let mut left = share.tasks;
        let idle = self.settings.idle_timeout.map(|limit| Idle {
            workers: self.clone(),
            limit,
            has_left: Cell::new(false),
        });
        let when_idle = idle.as_ref().map(|idle| idle as &dyn WhenIdle);
        let slot = WorkerSlot(index);
        let taker = self.queue.taker(slot).metered(&meter.waits);
        let mut taker = taker.leaves_when_idle(when_idle);
        let is_superfluous = Cell::new(false);
        while left > 0 {
            let Some(taken) = taker.next_unless(|| {
                // In the usual case none ever was superfluous: this costs no lock.
                let exits = self.may_exceed.load(Ordering::Acquire) && self.exits();
                is_superfluous.set(exits);
                exits || is_aged()
            }) else {
                drop(taker);
                if is_superfluous.get() || idle.as_ref().is_some_and(|idle| idle.has_left.get()) {
                    lock(&self.counts).free.insert(index);
                    return Exit::Done;
                }
                return match is_aged() {
                    true => Exit::Replaced,
                    false => Exit::Done,
                };
            };
            // Once that is so, each unit is asked for.
            let more = taken.more.until(&self.may_exceed);
            let (count, again) = taken.job.run_units(taken.unit, &more);
            meter.count(count);
            if let Some(Again { unit, pause }) = again {
                let claim = Claim::again(taken.job, unit, taken.order);
                // What was submitted later goes behind it.
                self.queue.vacate(slot);
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
        let exits = counts.unblocked() > self.queue.size();
        counts.able -= usize::from(exits);
        exits
    }

    /// Lets the other workers take the units. While none of them can, fails the units with this error.
    fn fail_units(&self, index: usize, error: &str) -> Exit {
        lock(&self.counts).able -= 1;
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
        lock(&self.counts).free.insert(index);
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
            workers.may_exceed.store(true, Ordering::Release);
            // A superfluous thread becomes the compensation thread instead of exiting.
            let spawns = counts.unblocked() <= workers.queue.size();
            if spawns && counts.blocked >= workers.settings.compensation_threads {
                return false;
            }
            counts.blocked += 1;
            if !spawns {
                return true;
            }
            counts.enter()
        };
        let spawned = workers.spawn(slot).is_ok();
        if !spawned {
            let mut counts = lock(&workers.counts);
            counts.blocked -= 1;
            counts.not_entered(slot);
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

/// What a worker does that has had nothing to do for a while.
struct Idle {
    workers: Arc<Workers>,
    limit: Duration,
    has_left: Cell<bool>,
}

impl WhenIdle for Idle {
    fn begin(&self) -> Box<dyn Fn() -> bool> {
        let (over, armed) = self.workers.when_over(self.limit);
        Box::new(move || {
            let _until_it_is_dropped = &armed;
            over.load(Ordering::Acquire)
        })
    }

    fn leaves(&self) -> bool {
        let mut counts = lock(&self.workers.counts);
        let leaves = counts.unblocked() > 1;
        if leaves {
            counts.able -= 1;
            counts.absent += 1;
            self.workers.is_reduced.store(true, Ordering::Relaxed);
        }
        self.has_left.set(leaves);
        leaves
    }

    fn stays(&self) {
        let mut counts = lock(&self.workers.counts);
        counts.able += 1;
        // Another may have come in its place: then one of them is superfluous.
        if counts.absent == 0 {
            self.workers.may_exceed.store(true, Ordering::Release);
        }
        counts.absent = counts.absent.saturating_sub(1);
        self.has_left.set(false);
    }

    fn leaves_others(&self) {
        self.workers.return_by_need();
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
