//! The job cell: one allocation with a job's work, its state and its outcome.
//!
//! Whoever has a result stores it in the cell; there is no table of jobs and no thread that passes
//! results on. A cell with many units (a map) counts those that are left. The thread that finishes the last
//! one, or that fails the job as a whole, is its resolver (see `task_state.rs`).
//!
//! # Safety
//!
//! What is seldom there lies apart, in `rest`. A failure is written under the state's lock, by whoever has made the open job a failed
//! one under that lock, or by the resolver, who takes the lock once where the job had failed before; it is read when the job is ready,
//! by the handle. The plan is written before the cell is shared, looked at by the
//! resolver, and taken by the callback thread, which the resolver hands it to. The work's own rules are kept by [`Unit`]: each is made once, by the link of its own cell,
//! has the name of its job, stays with one thread at a time, and is consumed by its end; what it works on is
//! borrowed from it.
#![expect(unsafe_code, reason = "outcomes are owned by protocol, not by lock")]

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::Range;
use std::panic::Location;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use once_cell::race::OnceBox;

use crate::callback_thread::Due;
use crate::cancel::{Early, EndEarly, Withdraw, end_early};
use crate::contained::Contained;
use crate::error::{DeadlineExceeded, TaskError};
use crate::limits::{LimitOptions, Limits};
use crate::observer::{TaskEnd, TaskInfo};
use crate::options::{MoreOptions, SubmitOptions};
use crate::outcome::{Awaited, Outcome, Progress};
use crate::panics;
use crate::range::MoreUnits;
use crate::shared::{PoolShared, UnitStop};
use crate::stats::{counts, in_words};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::task::Task;
use crate::task_state::{Published, TaskState};
use crate::thread_state::{self, Interrupt, Interruptible, Worker, current_worker};
use crate::unit::{Again, HandedOut, Job, Name, TaskId, Unclaimed, Unit};
use crate::work::{Single, UnitError, Work, sealed};

type Plan<T, E> = Option<Box<MoreOptions<T, E>>>;

/// What most jobs never have.
struct Rest<T, E> {
    failure: UnsafeCell<Contained<Option<TaskError<E>>>>,
    /// Options with callbacks.
    plan: UnsafeCell<Contained<Plan<T, E>>>,
    limits: Option<Limits>,
    /// The cell, where there are options.
    me: Option<Weak<dyn WithOptions>>,
}

/// A cell as the callback thread and timers see it.
trait WithOptions: Due + EndEarly {
    /// The deadline of a unit has passed, if this start of it still runs.
    fn exceed(&self, unit: usize, start: u64);
}

type RestOf<W> = Rest<<W as Work>::Value, <W as Work>::Raised>;

/// One job: made by the engine, shared by the queue, the worker and the handle.
pub struct JobCell<W: Work> {
    shared: Arc<PoolShared>,
    /// Its number, written where it is admitted.
    id: AtomicU64,
    place: &'static Location<'static>,
    state: TaskState,
    rest: OnceBox<RestOf<W>>,
    work: Contained<W>,
}

// SAFETY: see the module's head: what is in `rest` has one owner at a time, handed on with release and
// acquire. References to them are shared only by the handle, which is `Sync` only where its content is.
unsafe impl<W: Work> Sync for JobCell<W> {}

impl<W: Work + 'static> JobCell<W> {
    pub(crate) fn new(
        shared: &Arc<PoolShared>,
        work: W,
        on_stack: bool,
        options: SubmitOptions<W::Value, W::Raised>,
    ) -> Arc<Self> {
        let place = options.place;
        let cell = |rest| JobCell {
            shared: shared.clone(),
            id: AtomicU64::new(TaskId::NONE.0),
            place,
            state: TaskState::new(
                work.units(),
                on_stack,
                // Each unit tells of its end by itself.
                shared.observed.is_there() || work.retries(),
            ),
            rest,
            work: Contained::new(work),
        };
        let Some(mut more) = options.take_more() else {
            return Arc::new(cell(OnceBox::new()));
        };
        let limits = more.limits.take();
        if more.has_callbacks() {
            shared.callbacks.open();
        } else if limits.is_none() {
            return Arc::new(cell(OnceBox::new()));
        }
        let deadline = limits.as_ref().and_then(|limits| limits.deadline);
        let retries = limits.as_ref().map(|limits| limits.retries);
        let cell = Arc::new_cyclic(|me: &Weak<Self>| {
            let me: Weak<dyn WithOptions> = me.clone();
            let rest = OnceBox::new();
            // It is empty.
            let _ = rest.set(Box::new(Rest {
                plan: UnsafeCell::new(Contained::new(more.has_callbacks().then_some(more))),
                limits: limits
                    .is_some()
                    .then(|| Limits::new(deadline, retries.unwrap_or_default())),
                me: Some(me),
                ..Rest::default()
            }));
            cell(rest)
        });
        if deadline.is_some() {
            cell.state.set_timed();
        }
        cell
    }

    /// Starts the timer of a call that has an expiry, and adds the call to its token.
    pub(crate) fn begin(self: &Arc<Self>, options: &LimitOptions) {
        let me: Weak<Self> = Arc::downgrade(self);
        let me: Weak<dyn EndEarly> = me;
        if options.token.as_ref().is_some_and(|token| !token.add(&me)) {
            end_early(&**self, Early::Cancelled);
            return;
        }
        if let Some(limit) = options.expiry
            && let Some(limits) = self.limits()
        {
            let alarm = move || {
                if let Some(job) = me.upgrade() {
                    end_early(&*job, Early::Expired(limit));
                }
            };
            limits.set_expiry(self.shared.timers.arm(limit, Box::new(alarm)));
            if !self.state.is_open() {
                limits.disarm();
            }
        }
    }
}

impl<T, E> Default for Rest<T, E> {
    fn default() -> Self {
        Rest {
            failure: UnsafeCell::new(Contained::new(None)),
            plan: UnsafeCell::new(Contained::new(None)),
            limits: None,
            me: None,
        }
    }
}

impl<T: Task + Send + 'static> JobCell<Single<T>>
where
    T::Out: Send,
    T::Raised: Send,
{
    /// The task of a unit that has run elsewhere: nobody needs it any more. None where it was taken before.
    ///
    /// # Panics
    ///
    /// When the unit is another job's.
    pub fn take_task(&self, unit: &mut Unit) -> Option<T> {
        self.check(unit);
        // SAFETY: a unit is made once and consumed by `run` and `finish`: it was neither run nor stored; and it is one thread's.
        // What it works on is borrowed together with the unit, so nobody has a reference to it.
        unsafe { self.work.take_task() }
    }
}

impl<W: Work> JobCell<W> {
    /// The error of the job as a whole.
    ///
    /// # Safety
    ///
    /// Nobody writes it while the reference lives.
    unsafe fn failure(&self) -> Option<&TaskError<W::Raised>> {
        let rest = self.rest.get()?;
        // SAFETY: the caller's promise.
        unsafe { (*rest.failure.get()).as_ref() }
    }

    /// Writes the error of the job as a whole, or takes it; what was there before comes back.
    ///
    /// # Safety
    ///
    /// Nobody else touches it.
    unsafe fn replace_failure(
        &self,
        failure: Option<TaskError<W::Raised>>,
    ) -> Option<TaskError<W::Raised>> {
        if failure.is_none() && self.rest.get().is_none() {
            return None;
        }
        let rest = self.rest.get_or_init(Box::default);
        // SAFETY: the caller's promise.
        std::mem::replace(unsafe { &mut **rest.failure.get() }, failure)
    }

    fn limits(&self) -> Option<&Limits> {
        self.rest.get()?.limits.as_ref()
    }

    /// The work of a job that was not admitted.
    pub(crate) fn into_work(self) -> W {
        self.work.into_inner()
    }
}

impl<W: Work + 'static> JobCell<W> {
    /// The task's number in its pool.
    pub fn id(&self) -> TaskId {
        TaskId(self.id.load(Ordering::Relaxed))
    }

    /// What a unit works on, while it is not ended.
    ///
    /// # Panics
    ///
    /// When the unit is another job's.
    pub fn inputs<'a>(&'a self, unit: &'a Unit) -> W::Inputs<'a> {
        self.check(unit);
        // SAFETY: a unit is made once and consumed by `run` and `finish`: it was neither run nor stored, nor will it be
        // while it is borrowed; and it is one thread's.
        unsafe { self.work.inputs(unit.index()) }
    }

    /// Runs a unit on the calling thread; a panic of the task becomes its error. It runs nothing where the job was cancelled. The unit
    /// comes back where its error is one to be tried again.
    ///
    /// # Panics
    ///
    /// When the unit is another job's.
    pub fn run(&self, unit: Unit) -> Option<Again> {
        let (count, again) = self.run_units(unit, &MoreUnits::NONE);
        debug_assert_eq!(count, 1);
        again
    }

    /// Runs a unit on the calling thread, and then `more`, up to one that comes back, since its error is one to be tried again; how many
    /// they were. A panic of the task becomes its error.
    ///
    /// # Panics
    ///
    /// When a unit is another job's.
    pub fn run_units(&self, unit: Unit, more: &MoreUnits<'_>) -> (usize, Option<Again>) {
        self.check(&unit);
        assert!(more.are_of(self.called()), "more units are another job's");
        if self.state.needs_care() {
            return self.run_with_care(unit.index(), more);
        }
        // What is to be cared for from now on is run one by one.
        let mut next = || match self.state.needs_care() {
            true => None,
            false => more.take(),
        };
        let mut failed = |unit, error: UnitError<W::Raised>| {
            if let UnitError::Of(error) = error {
                self.record(error.in_unit(self.work.items(unit)));
            }
        };
        // SAFETY: units are made once and consumed here: they were neither run nor stored before.
        let count = unsafe { self.work.run(unit.index(), &mut next, &mut failed) };
        self.leave(count);
        if self.state.needs_care()
            && let Some(index) = more.take()
        {
            let (further, again) = self.run_with_care(index, more);
            return (count + further, again);
        }
        (count, None)
    }

    /// Runs units that have a deadline, or tell of their end, or may not be wanted, one by one. Called by `run_units`, which consumes the
    /// first.
    #[cold]
    fn run_with_care(&self, first: usize, more: &MoreUnits<'_>) -> (usize, Option<Again>) {
        let (mut next, mut count) = (Some(first), 0);
        while let Some(index) = next {
            count += 1;
            if let Some(pause) = self.run_one_with_care(index) {
                // The unit that was consumed, which has not ended.
                let unit = Unit::taken(index as u32, self.called());
                return (count, Some(Again { unit, pause }));
            }
            next = more.take();
        }
        (count, None)
    }

    /// Runs a unit; after which pause it is to be run again, if it is.
    fn run_one_with_care(&self, index: usize) -> Option<Duration> {
        if self.state.is_unwanted() {
            self.leave(1);
            return None;
        }
        let observed = self.observe_start(index);
        let exceeded = self.start(index);
        let (mut error, mut again) = (None, None);
        let mut failed = |_, failure| error = Some(failure);
        let mut run = || match self.retries() {
            // SAFETY: the caller has consumed the unit: it was neither run nor stored before.
            None => unsafe {
                self.work.run(index, &mut || None, &mut failed);
            },
            Some(limits) => {
                let mut keep = |end| {
                    let pause = match self.state.is_unwanted() {
                        true => None,
                        false => limits.try_again(index),
                    };
                    again = pause.map(|pause| (pause, end));
                    again.is_some()
                };
                let attempt = limits.attempts(index);
                // SAFETY: as above.
                unsafe { self.work.run_again(index, attempt, &mut failed, &mut keep) };
            }
        };
        match exceeded {
            Some(exceeded) => thread_state::with_deadline(exceeded, run),
            None => run(),
        };
        if let Some(observed) = observed {
            let end = match again {
                Some((_, end)) => end,
                None => error.as_ref().map_or(TaskEnd::Done, UnitError::end),
            };
            self.observe_end(observed, end);
        }
        if let Some((pause, _)) = again {
            return Some(pause);
        }
        if self.limits().is_some_and(|limits| limits.end(index)) {
            // The unit has ended at its deadline.
            panics::contain(|| drop(error));
            return None;
        }
        if let Some(UnitError::Of(error)) = error {
            self.record_of(index, error);
        }
        self.leave(1);
        None
    }

    /// The limits of a job that has retries, and whose function picks errors to be tried again.
    fn retries(&self) -> Option<&Limits> {
        self.limits().filter(|_| self.work.retries())
    }

    /// Keeps the first error of an open job, that of a unit: its item is counted within the unit.
    fn record_of(&self, index: usize, error: TaskError<W::Raised>) {
        let attempts = self.retries().map_or(1, |limits| limits.attempts(index));
        let error = error.with_attempts(attempts);
        self.record(error.in_unit(self.work.items(index)));
    }

    /// Tells the observer, if there is one, that the calling worker starts a unit.
    fn observe_start(&self, index: usize) -> Option<(Worker, TaskInfo, Instant)> {
        let observed = &self.shared.observed;
        let worker = observed.is_there().then(current_worker).flatten()?;
        let task = self.info(index);
        observed.tell(|observer| observer.task_started(&worker, &task));
        Some((worker, task, Instant::now()))
    }

    /// Tells the observer that a unit has ended.
    fn observe_end(&self, (worker, task, started): (Worker, TaskInfo, Instant), end: TaskEnd) {
        let took = started.elapsed();
        let observed = &self.shared.observed;
        observed.tell(|observer| observer.task_ended(&worker, &task, end, took));
    }

    /// A unit starts: its deadline runs, if it has one. What comes back is true once that has passed.
    fn start(&self, index: usize) -> Option<Arc<AtomicBool>> {
        let rest = self.rest.get()?;
        let (limits, me) = (rest.limits.as_ref()?, rest.me.as_ref()?);
        let deadline = limits.deadline?;
        Some(limits.start(index, |start| {
            let me = me.clone();
            let alarm = move || {
                if let Some(job) = me.upgrade() {
                    job.exceed(index, start);
                }
            };
            self.shared.timers.arm(deadline, Box::new(alarm))
        }))
    }

    /// Ends a unit that ran elsewhere, as [`finish`](Self::finish) does; it comes back where its error is one to be tried again.
    ///
    /// # Panics
    ///
    /// When the unit is another job's.
    pub fn complete(
        &self,
        unit: Unit,
        mut end: Result<W::Output, TaskError<W::Raised>>,
    ) -> Option<Again> {
        self.check(&unit);
        let index = unit.index();
        if let Some(limits) = self.retries() {
            // SAFETY: a unit is made once and consumed by `run` and `finish`: it was neither run nor stored; and it is one thread's.
            let is_picked = unsafe {
                match &end {
                    Ok(output) => self.work.picks(index, Ok(output)),
                    Err(TaskError::Raised { error, .. }) => self.work.picks(index, Err(error)),
                    Err(_) => false,
                }
            };
            if is_picked
                && !self.state.is_unwanted()
                && let Some(pause) = limits.try_again(index)
            {
                panics::contain(|| drop(end));
                return Some(Again { unit, pause });
            }
            if let Ok(output) = &mut end {
                W::tell_attempts(output, limits.attempts(index));
            }
        }
        self.finish(unit, end);
        None
    }

    /// Ends a unit that ran elsewhere, or that never will run. The item of an error is counted within the unit, from 0.
    ///
    /// # Panics
    ///
    /// When the unit is another job's.
    pub fn finish(&self, unit: Unit, end: Result<W::Output, TaskError<W::Raised>>) {
        self.check(&unit);
        let index = unit.index();
        let is_late =
            self.state.is_timed() && self.limits().is_some_and(|limits| limits.end(index));
        let stored = panics::catch(|| match end {
            _ if is_late => Err(self.exceeded(index, false)),
            // SAFETY: a unit is made once and consumed here: it was neither run nor stored before.
            Ok(output) => unsafe { self.work.store(index, output) }
                .map_err(|error| TaskError::Decode(Box::new(error))),
            Err(error) => Err(error),
        });
        let stored = stored.unwrap_or_else(|panic| Err(TaskError::Panicked(Box::new(panic))));
        if let Err(error) = stored {
            self.record_of(index, error);
        }
        self.leave(1);
    }

    /// The error of a unit whose deadline has passed.
    fn exceeded(&self, index: usize, running: bool) -> TaskError<W::Raised> {
        let limits = self.limits();
        let limit = limits.and_then(|limits| limits.deadline);
        let items = self.work.items(index);
        let task = self.describe_items(items.as_ref(), None);
        let limit = limit.unwrap_or_default();
        let mut exceeded = DeadlineExceeded::new(limit, false, running, task);
        exceeded.items = items;
        TaskError::DeadlineExceeded(Box::new(exceeded))
    }

    fn describe_items(&self, items: Option<&Range<usize>>, function: Option<&str>) -> String {
        let items = match items {
            None => String::new(),
            Some(items) if items.len() == 1 => format!(", item {}", items.start),
            Some(items) => format!(", items {}..{}", items.start, items.end),
        };
        let (id, place) = (self.id(), self.place);
        match function {
            Some(function) => format!("{function}{items} (task {id}, submitted at {place})"),
            None => format!("task {id}{items}, submitted at {place}"),
        }
    }

    /// A job without units is done at once, and its callback is not called; true if it is one.
    pub(crate) fn resolve_if_empty(&self) -> bool {
        let empty = self.work.units() == 0 && self.state.begin();
        if empty {
            // SAFETY: there are no units, and the resolver is alone.
            unsafe { self.work.seal() };
            self.publish();
        }
        empty
    }

    fn check(&self, unit: &Unit) {
        assert!(
            unit.is_of(self.called()),
            "a unit was brought to another job's cell"
        );
    }

    fn called(&self) -> Name {
        (self.shared.pool, self.id())
    }

    /// Keeps the first error of an open job.
    fn record(&self, failure: TaskError<W::Raised>) {
        let guard = self.state.lock();
        let failure = if self.state.fail_first() {
            // SAFETY: under the state's lock, and it was this that has made the open job a failed one.
            unsafe { self.replace_failure(Some(failure)) }
        } else {
            Some(failure)
        };
        drop(guard);
        panics::contain(|| drop(failure));
    }

    /// Some units have ended; after the last one the job resolves.
    fn leave(&self, units: usize) {
        if self.state.end_units(units) && !self.resolve() && self.state.begin() {
            if self.state.has_failed() {
                self.state.await_error();
            } else {
                // SAFETY: no unit is left and none failed, so all were stored; the resolver is alone.
                unsafe { self.work.seal() };
            }
            self.settle();
        }
    }

    /// Resolves a job whose last unit has ended, where that takes one step: it has a value without errors in it, and no options.
    fn resolve(&self) -> bool {
        if !self.state.has_all_units() || self.rest.get().is_some() {
            return false;
        }
        // SAFETY: no unit is left, none failed, and none was taken back, so all were stored. Where the job gets another resolver meanwhile, it fails, and nobody
        // looks at its value.
        let is_plain = unsafe {
            self.work.seal();
            self.work.errors().is_empty()
        };
        let published = is_plain.then(|| self.state.resolve()).flatten();
        published.map(|published| self.tell(published)).is_some()
    }

    /// The outcome is there: its callback first, then those who wait.
    fn settle(&self) {
        let failed = self.state.has_failed();
        // SAFETY: decided, and not yet ready: the outcome is the resolver's alone.
        unsafe { self.book(failed) };
        let due = self.rest.get().and_then(|rest| {
            if let Some(limits) = &rest.limits {
                limits.disarm();
            }
            // SAFETY: written before the cell was shared, and taken only by the callback thread, to which this hands it.
            let plan = unsafe { (*rest.plan.get()).as_ref() };
            let has_callback = plan.is_some_and(|plan| plan.has_callback_for(failed));
            rest.me.as_ref().filter(|_| has_callback)?.upgrade()
        });
        match due {
            Some(due) => {
                self.state.due();
                self.shared.callbacks.post(due);
            }
            None => self.publish(),
        }
    }

    fn publish(&self) {
        self.tell(self.state.publish());
    }

    /// The job is ready: tells those whom its state does not know.
    fn tell(&self, published: Published) {
        if published.callback_waits {
            self.shared.callbacks.nudge();
        }
        if published.assists
            && let Some(assist) = &self.shared.assist
        {
            assist.kick();
        }
        if published.forgotten {
            // SAFETY: ready, and the handle has gone: nobody else can reach the outcome.
            unsafe { self.lose() };
        }
    }

    /// Counts the errors in the outcome.
    ///
    /// # Safety
    ///
    /// The outcome is decided, and nobody else touches it.
    unsafe fn book(&self, failed: bool) {
        let errors = if failed {
            // SAFETY: the caller's promise.
            unsafe { self.failure() }.is_some_and(counts) as u64
        } else {
            // SAFETY: without a failure it is sealed; the caller's promise.
            unsafe { self.work.errors() }.len() as u64
        };
        if errors > 0 {
            self.shared.counters.errors(errors);
        }
    }

    /// Nobody will ask for the outcome: the errors in it that nobody has got are unhandled. It is dropped here, for a worker may keep the
    /// cell until it has run what else it has taken.
    ///
    /// # Safety
    ///
    /// The job is ready, its outcome was not taken, and nobody else touches it.
    unsafe fn lose(&self) {
        let task = || format!("task {}, submitted at {}", self.id(), self.place);
        if self.state.has_failed() {
            // SAFETY: the caller's promise.
            let failure = unsafe { self.failure() };
            if let Some(failure) = failure.filter(|_| !self.state.was_seen()) {
                self.shared.counters.unhandled(task, in_words(failure));
            }
        } else {
            // SAFETY: ready without a failure is sealed; the caller's promise.
            for failure in unsafe { self.work.errors() } {
                self.shared.counters.unhandled(task, failure);
            }
        }
        // SAFETY: the caller's promise.
        let outcome = unsafe { self.take() };
        panics::contain(|| drop(outcome));
    }
}

impl<W: Work> sealed::Sealed for JobCell<W> {}

impl<W: Work + 'static> Job for JobCell<W> {
    fn handed_out(&self) -> HandedOut<'_> {
        HandedOut(&self.state)
    }

    fn name(&self) -> Name {
        self.called()
    }

    fn units(&self) -> usize {
        self.work.units()
    }

    fn hand_out(&self, id: TaskId, takes_places: bool) -> usize {
        // Whoever finds that it was handed out finds its number: the queue has written that before.
        if id != TaskId::NONE && self.id() == TaskId::NONE {
            self.id.store(id.0, Ordering::Relaxed);
        }
        match self.state.hand_out(takes_places) {
            true => self.work.units(),
            false => 0,
        }
    }

    fn is_open(&self) -> bool {
        self.state.is_open()
    }

    fn terminate(&self, unclaimed: Unclaimed) {
        let guard = self.state.lock();
        let on_stack = self.state.is_on_stack();
        let was_stopped = self.state.is_stopped();
        let (resolver, writes) = match on_stack {
            true => (false, self.state.stop() == Some(false)),
            false => {
                let resolver = self.state.begin();
                // What was cancelled before stays that.
                (resolver, resolver && !was_stopped)
            }
        };
        let replaced = writes.then(|| {
            self.state.mark_failed();
            // SAFETY: under the state's lock, by the resolver, or by whoever has made the open job a failed one.
            unsafe { self.replace_failure(Some(TaskError::Terminated)) }
        });
        drop(guard);
        panics::contain(|| drop(replaced));
        self.state.interrupt();
        if resolver {
            self.settle();
        } else if on_stack {
            self.discard(unclaimed);
        }
    }

    fn discard(&self, unclaimed: Unclaimed) {
        if unclaimed.count() > 0 {
            self.leave(unclaimed.count());
        }
    }

    fn try_again(&self, unit: &Unit) -> Option<Duration> {
        self.check(unit);
        let limits = self.limits().filter(|_| !self.state.is_unwanted());
        limits?.try_again(unit.index())
    }

    fn attempts(&self, unit: &Unit) -> u32 {
        let limits = self.limits();
        limits.map_or(1, |limits| limits.attempts(unit.index()))
    }

    fn may_come_back(&self) -> bool {
        self.retries().is_some_and(Limits::may_retry)
    }

    fn info(&self, unit: usize) -> TaskInfo {
        TaskInfo::new(self.id().0, self.work.items(unit), self.place)
    }

    fn started(&self, unit: usize) {
        if !self.state.is_unwanted() {
            // Whoever asks whether its deadline has passed asks its limits.
            drop(self.start(unit));
        }
    }

    fn items(&self, unit: &Unit) -> Option<Range<usize>> {
        // The items of work on a stack are known as long as one of its units is not ended.
        self.check(unit);
        self.work.items(unit.index())
    }

    fn describe(&self, unit: &Unit, function: Option<&str>) -> String {
        self.describe_items(self.items(unit).as_ref(), function)
    }
}

impl<W: Work + 'static> Interruptible for JobCell<W> {
    fn is_unwanted(&self) -> bool {
        self.state.is_unwanted()
    }

    fn add_interrupt(&self, interrupt: Weak<dyn Interrupt>) {
        self.state.add_interrupt(interrupt);
    }
}

impl<W: Work + 'static> EndEarly for JobCell<W> {
    fn decide(&self, why: Early) -> bool {
        if self.shared.is_here().is_err() {
            return false;
        }
        let guard = self.state.lock();
        if self.resolves_early() {
            // What it becomes is written when the queue is empty of it: then it is known whether something runs on.
            let decided = self.state.begin();
            drop(guard);
            if decided {
                self.state
                    .end_units(Unclaimed::before_any_queue(self).count());
            }
            return decided;
        }
        let stopped = self.state.stop();
        if stopped == Some(false) {
            let failure = self.early(why, false);
            // SAFETY: under the state's lock, and it was this that has made the open job a failed one.
            let before = unsafe { self.replace_failure(Some(failure)) };
            debug_assert!(before.is_none(), "the job had failed before");
        }
        drop(guard);
        if stopped.is_some() {
            // From now on it comes into no queue.
            self.discard(Unclaimed::before_any_queue(self));
        }
        stopped.is_some()
    }

    fn number(&self) -> Option<u64> {
        Some(self.id().0)
    }

    fn pool(&self) -> Option<Arc<dyn Withdraw>> {
        let pool: Arc<dyn Withdraw> = self.shared.early_ends()?;
        Some(pool)
    }

    fn conclude(&self, why: Early) {
        self.state.interrupt();
        if self.state.is_stopped() {
            if let Some(pool) = self.shared.early_ends() {
                pool.stop_job(self);
            }
            return;
        }
        let running = self.state.has_units_left();
        let guard = self.state.lock();
        if !self.state.has_failed() {
            self.state.mark_failed();
            let failure = self.early(why, running);
            // SAFETY: this thread is the resolver.
            let before = unsafe { self.replace_failure(Some(failure)) };
            debug_assert!(before.is_none(), "the job had failed before");
        }
        drop(guard);
        self.settle();
    }

    fn is_over(&self) -> bool {
        self.state.is_unwanted()
    }
}

impl<W: Work + 'static> JobCell<W> {
    /// Whether it resolves as soon as it is decided that it ends early, whatever runs of it.
    fn resolves_early(&self) -> bool {
        let stops_units = || {
            self.shared
                .early_ends()
                .is_some_and(|pool| pool.stops_units())
        };
        !self.state.is_on_stack() && !stops_units()
    }

    fn early(&self, why: Early, running: bool) -> TaskError<W::Raised> {
        match why {
            Early::Cancelled => TaskError::Cancelled,
            Early::Expired(limit) => {
                let task = self.describe_items(None, None);
                let expired = DeadlineExceeded::new(limit, true, running, task);
                TaskError::DeadlineExceeded(Box::new(expired))
            }
        }
    }
}

impl<W: Work + 'static> WithOptions for JobCell<W> {
    fn exceed(&self, unit: usize, start: u64) {
        let (Some(limits), Some(pool)) = (self.limits(), self.shared.early_ends()) else {
            return;
        };
        if self.shared.is_here().is_err() {
            return;
        }
        let Some(exceeded) = limits.exceed(unit, start) else {
            return;
        };
        match pool.stop_unit(self, unit) {
            UnitStop::RunsOn => {
                self.record(self.exceeded(unit, true));
                self.leave(1);
            }
            UnitStop::Stops => {}
        }
        // Its function is told after those who wait: what it does then comes later for them, too.
        exceeded.store(true, Ordering::Release);
        self.state.interrupt();
    }
}

impl<W: Work + 'static> Due for JobCell<W> {
    fn run_callback(&self) {
        let plan = self.rest.get().and_then(|rest| {
            // SAFETY: the resolver handed the job to the callback thread, which calls this once: plan and outcome are its own.
            unsafe { (*rest.plan.get()).take() }
        });
        let panicked = plan.and_then(|plan| {
            let run = || {
                // SAFETY: as above; the references end with the callback, before the job is ready.
                match unsafe { (self.failure(), self.work.peek()) } {
                    (Some(failure), _) => {
                        self.state.mark_seen();
                        plan.error_callback.map(|callback| callback(failure))
                    }
                    (None, Some(value)) => plan.callback.map(|callback| callback(value)),
                    (None, None) => None,
                }
            };
            panics::catch(|| thread_state::as_callback(self.shared.pool, self.id().0, run)).err()
        });
        if let Some(panic) = panicked
            && !self.state.has_failed()
        {
            // SAFETY: as above: nobody else touches the outcome before the job is ready. The value goes first.
            let value = unsafe {
                self.replace_failure(Some(TaskError::Panicked(Box::new(panic))));
                self.work.take()
            };
            self.state.mark_failed();
            self.shared.counters.errors(1);
            panics::contain(|| drop(value));
        }
        self.publish();
    }
}

impl<W: Work + 'static> Awaited for JobCell<W> {
    fn state(&self) -> &TaskState {
        &self.state
    }

    fn shared(&self) -> &Arc<PoolShared> {
        &self.shared
    }

    fn id(&self) -> TaskId {
        self.id()
    }

    fn progress(&self) -> Progress {
        self.state.watch();
        let units = self.work.units();
        let ended = units.saturating_sub(self.state.units_left());
        let length = |unit| self.work.items(unit).map_or(1, |items| items.len());
        let total = match units {
            0 => 0,
            // All chunks but the last are of one size.
            _ => (units - 1) * length(0) + length(units - 1),
        };
        let done = match ended == units {
            true => total,
            false => ended * length(0),
        };
        Progress {
            done,
            total: Some(total),
        }
    }
}

impl<W: Work + 'static> Outcome<W::Value, W::Raised> for JobCell<W> {
    unsafe fn take(&self) -> Option<Result<W::Value, TaskError<W::Raised>>> {
        if self.state.has_failed() {
            // SAFETY: ready, and the caller is alone.
            return unsafe { self.replace_failure(None) }.map(Err);
        }
        // SAFETY: ready without a failure is sealed, and the caller is alone.
        unsafe { self.work.take() }.map(Ok)
    }

    unsafe fn peek(&self) -> Option<Result<&W::Value, &TaskError<W::Raised>>> {
        if self.state.has_failed() {
            // SAFETY: ready, and nobody takes it meanwhile.
            return unsafe { self.failure() }.map(Err);
        }
        // SAFETY: ready without a failure is sealed, and nobody takes it meanwhile.
        unsafe { self.work.peek() }.map(Ok)
    }

    unsafe fn forget(&self) {
        if self.state.forget() {
            // SAFETY: ready, and the handle that alone could take it is the caller's.
            unsafe { self.lose() };
        }
    }
}

impl<W: Work> fmt::Debug for JobCell<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobCell")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
