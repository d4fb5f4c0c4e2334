//! The job cell: one allocation with a job's work, its state and its outcome.
//!
//! Whoever has a result stores it in the cell; there is no table of jobs and no thread that passes
//! results on. A cell with many units (a map) counts those that are left. The thread that finishes the last
//! one, or that fails the job as a whole, is its resolver (see `task_state.rs`).
//!
//! # Safety
//!
//! What is seldom there lies apart, in `rest`. A failure is written under the state's lock while the job is open, or by the
//! resolver; it is read when the job is ready, by the handle. The plan is written before the cell is shared, looked at by the
//! resolver, and taken by the callback thread, which the resolver hands it to. A job has a resolver without that lock only when
//! no unit is left that could write a failure. The work's own rules are kept by [`Unit`]: each is made once, by the link of its own cell,
//! has the name of its job, stays with one thread at a time, and is consumed by its end; what it works on is
//! borrowed from it.
#![expect(unsafe_code, reason = "outcomes are owned by protocol, not by lock")]

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::Range;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::callback_thread::Due;
use crate::contained::Contained;
use crate::error::TaskError;
use crate::options::SubmitOptions;
use crate::outcome::{Awaited, Outcome};
use crate::panics;
use crate::queue::MoreUnits;
use crate::shared::{PoolShared, TaskId};
use crate::stats::{counts, in_words};
use crate::task_state::TaskState;
use crate::thread_state;
use crate::unit::{HandedOut, Job, Name, Unclaimed, Unit};
use crate::work::{Work, sealed};

/// Options with callbacks, and their cell as the callback thread sees it.
struct Plan<T, E> {
    options: SubmitOptions<T, E>,
    me: Weak<dyn Due>,
}

/// What most jobs never have.
struct Rest<T, E> {
    failure: Contained<Option<TaskError<E>>>,
    plan: Contained<Option<Plan<T, E>>>,
}

type RestOf<W> = Rest<<W as Work>::Value, <W as Work>::Raised>;

/// One job: made by the engine, shared by the queue, the worker and the handle.
pub struct JobCell<W: Work> {
    shared: Arc<PoolShared>,
    id: TaskId,
    place: &'static Location<'static>,
    state: TaskState,
    left: AtomicUsize,
    rest: UnsafeCell<Option<Box<RestOf<W>>>>,
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
            id: shared.number(),
            place,
            state: TaskState::new(on_stack),
            left: AtomicUsize::new(work.units()),
            rest: UnsafeCell::new(rest),
            work: Contained::new(work),
        };
        if !options.has_callbacks() {
            return Arc::new(cell(None));
        }
        shared.callbacks.open();
        Arc::new_cyclic(|me: &Weak<Self>| {
            let me: Weak<dyn Due> = me.clone();
            cell(Some(Box::new(Rest::of(None, Some(Plan { options, me })))))
        })
    }
}

impl<T, E> Rest<T, E> {
    fn of(failure: Option<TaskError<E>>, plan: Option<Plan<T, E>>) -> Self {
        Rest {
            failure: Contained::new(failure),
            plan: Contained::new(plan),
        }
    }
}

impl<W: Work> JobCell<W> {
    /// The error of the job as a whole.
    ///
    /// # Safety
    ///
    /// Nobody writes it while the reference lives.
    unsafe fn failure(&self) -> Option<&TaskError<W::Raised>> {
        // SAFETY: the caller's promise; the plan is not touched.
        unsafe { (*self.rest.get()).as_ref() }?.failure.as_ref()
    }

    /// Writes the error of the job as a whole, or takes it; what was there before comes back.
    ///
    /// # Safety
    ///
    /// Nobody else touches what is in `rest`.
    unsafe fn replace_failure(
        &self,
        failure: Option<TaskError<W::Raised>>,
    ) -> Option<TaskError<W::Raised>> {
        // SAFETY: the caller's promise.
        let rest = unsafe { &mut *self.rest.get() };
        match rest {
            Some(rest) => std::mem::replace(&mut *rest.failure, failure),
            None => {
                *rest = failure.map(|failure| Box::new(Rest::of(Some(failure), None)));
                None
            }
        }
    }

    /// The work of a job that was not admitted.
    pub(crate) fn into_work(self) -> W {
        self.work.into_inner()
    }
}

impl<W: Work + 'static> JobCell<W> {
    /// The task's number in its pool.
    pub fn id(&self) -> TaskId {
        self.id
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

    /// Runs a unit on the calling thread; a panic of the task becomes its error.
    ///
    /// # Panics
    ///
    /// When the unit is another job's.
    pub fn run(&self, unit: Unit) {
        self.run_units(unit, &MoreUnits::NONE);
    }

    /// Runs a unit on the calling thread, and then `more`; a panic of the task becomes its error.
    ///
    /// # Panics
    ///
    /// When a unit is another job's.
    pub fn run_units(&self, unit: Unit, more: &MoreUnits<'_>) {
        self.check(&unit);
        assert!(more.are_of(self.called()), "more units are another job's");
        let mut next = || more.take();
        let mut failed = |unit, error: TaskError<W::Raised>| {
            self.record(error.in_unit(self.work.items(unit)));
        };
        // SAFETY: units are made once and consumed here: they were neither run nor stored before.
        let count = unsafe { self.work.run(unit.index(), &mut next, &mut failed) };
        self.leave(count);
    }

    /// Ends a unit that ran elsewhere, or that never will run. The item of an error is counted within the unit, from 0.
    ///
    /// # Panics
    ///
    /// When the unit is another job's.
    pub fn finish(&self, unit: Unit, end: Result<W::Output, TaskError<W::Raised>>) {
        self.check(&unit);
        let stored = panics::catch(|| match end {
            // SAFETY: a unit is made once and consumed here: it was neither run nor stored before.
            Ok(output) => unsafe { self.work.store(unit.index(), output) }
                .map_err(|error| TaskError::Decode(Box::new(error))),
            Err(error) => Err(error),
        });
        let stored = stored.unwrap_or_else(|panic| Err(TaskError::Panicked(Box::new(panic))));
        if let Err(error) = stored {
            self.record(error.in_unit(self.work.items(unit.index())));
        }
        self.leave(1);
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
        (self.shared.pool, self.id)
    }

    /// Keeps the first error of an open job.
    fn record(&self, failure: TaskError<W::Raised>) {
        let guard = self.state.lock();
        let first = self.state.is_open() && !self.state.has_failed();
        let failure = if first {
            self.state.mark_failed();
            // SAFETY: under the state's lock, and the job is open.
            unsafe { self.replace_failure(Some(failure)) }
        } else {
            Some(failure)
        };
        drop(guard);
        panics::contain(|| drop(failure));
    }

    /// Some units have ended; after the last one the job resolves.
    fn leave(&self, units: usize) {
        if self.left.fetch_sub(units, Ordering::AcqRel) == units && self.state.begin() {
            if !self.state.has_failed() {
                // SAFETY: no unit is left and none failed, so all were stored; the resolver is alone.
                unsafe { self.work.seal() };
            }
            self.settle();
        }
    }

    /// The outcome is there: its callback first, then those who wait.
    fn settle(&self) {
        let failed = self.state.has_failed();
        // SAFETY: decided, and not yet ready: the outcome is the resolver's alone.
        unsafe { self.book(failed) };
        // SAFETY: written before the cell was shared, and taken only by the callback thread, to which this hands it.
        let due = match unsafe { (*self.rest.get()).as_ref() }.and_then(|rest| rest.plan.as_ref()) {
            Some(plan) if plan.options.has_callback_for(failed) => plan.me.upgrade(),
            _ => None,
        };
        match due {
            Some(due) => {
                self.state.due();
                self.shared.callbacks.post(due);
            }
            None => self.publish(),
        }
    }

    fn publish(&self) {
        let published = self.state.publish();
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

    /// Nobody will ask for the outcome: the errors in it that nobody has got are unhandled.
    ///
    /// # Safety
    ///
    /// The job is ready, its outcome was not taken, and nobody else touches it.
    unsafe fn lose(&self) {
        let task = || format!("task {}, submitted at {}", self.id, self.place);
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

    fn is_open(&self) -> bool {
        self.state.is_open()
    }

    fn terminate(&self, unclaimed: Unclaimed) {
        let unclaimed = unclaimed.count();
        let guard = self.state.lock();
        let on_stack = self.state.is_on_stack();
        let resolver = !on_stack && self.state.begin();
        let replaced = (resolver || (on_stack && self.state.is_open())).then(|| {
            self.state.mark_failed();
            // SAFETY: under the state's lock with the job open, or as its resolver under the same lock.
            unsafe { self.replace_failure(Some(TaskError::Terminated)) }
        });
        drop(guard);
        panics::contain(|| drop(replaced));
        if resolver {
            self.settle();
        } else if on_stack && unclaimed > 0 {
            self.leave(unclaimed);
        }
    }

    fn items(&self, unit: &Unit) -> Option<Range<usize>> {
        // The items of work on a stack are known as long as one of its units is not ended.
        self.check(unit);
        self.work.items(unit.index())
    }

    fn describe(&self, unit: &Unit, function: Option<&str>) -> String {
        let items = match self.items(unit) {
            None => String::new(),
            Some(items) if items.len() == 1 => format!(", item {}", items.start),
            Some(items) => format!(", items {}..{}", items.start, items.end),
        };
        let (id, place) = (self.id, self.place);
        match function {
            Some(function) => format!("{function}{items} (task {id}, submitted at {place})"),
            None => format!("task {id}{items}, submitted at {place}"),
        }
    }
}

impl<W: Work + 'static> Due for JobCell<W> {
    fn run_callback(&self) {
        // SAFETY: the resolver handed the job to the callback thread, which calls this once: plan and outcome are its own.
        let plan = unsafe { (*self.rest.get()).as_mut() }.and_then(|rest| rest.plan.take());
        let panicked = plan.and_then(|plan| {
            let run = || {
                // SAFETY: as above; the references end with the callback, before the job is ready.
                match unsafe { (self.failure(), self.work.peek()) } {
                    (Some(failure), _) => {
                        self.state.mark_seen();
                        plan.options
                            .error_callback
                            .map(|callback| callback(failure))
                    }
                    (None, Some(value)) => plan.options.callback.map(|callback| callback(value)),
                    (None, None) => None,
                }
            };
            panics::catch(|| thread_state::as_callback(self.shared.pool, self.id.0, run)).err()
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

impl<W: Work> Awaited for JobCell<W> {
    fn state(&self) -> &TaskState {
        &self.state
    }

    fn shared(&self) -> &Arc<PoolShared> {
        &self.shared
    }

    fn id(&self) -> TaskId {
        self.id
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
