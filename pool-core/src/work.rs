//! What a job cell holds: the work in units, each done by one worker, and the room for its value.
//!
//! # Safety
//!
//! Everything here is shared between threads without a lock; who may touch what follows from the job's
//! protocol, which [`JobCell`](crate::backend::JobCell) keeps: a unit is owned by the one holder of its
//! [`Unit`](crate::Unit) until it is stored or given up; the value is owned by the resolver once no unit
//! is left, and by the handle after that. The methods that rely on it are `unsafe` and say on which part.
#![expect(
    unsafe_code,
    reason = "units and values are owned by protocol, not by lock"
)]

use std::cell::UnsafeCell;
use std::mem;
use std::ops::Range;

use crate::error::{CodecError, TaskError};
use crate::observer::TaskEnd;
use crate::panics;
use crate::task::Task;

mod batch;

pub use batch::{Batch, Items};

/// The work of one job, in units: sealed; [`Single`] and [`Batch`] implement it.
pub trait Work: sealed::Sealed + Send + Sync {
    /// What the job yields as a whole.
    type Value: Send;
    /// The error that its functions return.
    type Raised: Send;
    /// What one unit yields, where it is not run in place.
    type Output;
    /// What one unit works on, as it is encoded.
    type Inputs<'a>
    where
        Self: 'a;

    /// Number of units.
    fn units(&self) -> usize;

    /// The items of one unit, as indexes of the input; a call has none.
    fn items(&self, unit: usize) -> Option<Range<usize>>;

    /// What a unit works on.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and has neither run nor stored it.
    #[doc(hidden)]
    unsafe fn inputs(&self, unit: usize) -> Self::Inputs<'_>;

    /// Runs a unit here, and then each that `next` yields, and keeps what they yield; how many they were. Where one fails, `failed`
    /// gets its error, in which items are counted within the unit. A panic of the task is an error.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and those that `next` yields from the moment it does, and has neither run nor stored them.
    #[doc(hidden)]
    unsafe fn run(
        &self,
        unit: usize,
        next: &mut dyn FnMut() -> Option<usize>,
        failed: &mut dyn FnMut(usize, UnitError<Self::Raised>),
    ) -> usize;

    /// Whether some errors of its function are picked to be tried again.
    #[doc(hidden)]
    fn retries(&self) -> bool {
        false
    }

    /// As [`run`](Self::run), of a unit whose function is called for the so manieth time. Where its error is picked, and `again` says so, the
    /// unit is as before it was run, and what comes back is true.
    ///
    /// # Safety
    ///
    /// As for [`run`](Self::run). A unit that is as before is still the caller's.
    #[doc(hidden)]
    unsafe fn run_again(
        &self,
        unit: usize,
        _attempt: u32,
        failed: &mut dyn FnMut(usize, UnitError<Self::Raised>),
        _again: &mut dyn FnMut(TaskEnd) -> bool,
    ) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.run(unit, &mut || None, failed) };
        false
    }

    /// Whether a unit that has ended elsewhere is to be run again.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and has neither run nor stored it.
    #[doc(hidden)]
    unsafe fn picks(&self, _unit: usize, _end: Result<&Self::Output, &Self::Raised>) -> bool {
        false
    }

    /// Tells the errors in what a unit yielded elsewhere how often it was tried.
    #[doc(hidden)]
    fn tell_attempts(_output: &mut Self::Output, _attempts: u32) {}

    /// Keeps what a unit yielded elsewhere; a chunk of the wrong length is refused.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and has neither run nor stored it.
    #[doc(hidden)]
    unsafe fn store(&self, unit: usize, output: Self::Output) -> Result<(), CodecError>;

    /// Makes the job's value of the units' results.
    ///
    /// # Safety
    ///
    /// Every unit was stored, and nobody else touches the value until this returns.
    #[doc(hidden)]
    unsafe fn seal(&self);

    /// The value.
    ///
    /// # Safety
    ///
    /// Sealed, not taken, and nobody takes it while the reference lives.
    #[doc(hidden)]
    unsafe fn peek(&self) -> Option<&Self::Value>;

    /// Moves the value out.
    ///
    /// # Safety
    ///
    /// Sealed, and nobody else touches the value.
    #[doc(hidden)]
    unsafe fn take(&self) -> Option<Self::Value>;

    /// The errors within the value: those of an `imap`'s items.
    ///
    /// # Safety
    ///
    /// Sealed, and nobody takes the value meanwhile.
    #[doc(hidden)]
    unsafe fn errors(&self) -> Vec<TaskError<String>> {
        Vec::new()
    }
}

/// Why a unit that was run in place has failed.
#[derive(Debug)]
pub enum UnitError<E> {
    /// The error, for the job.
    Of(TaskError<E>),
    /// The caller on whose stack the work lies has the error.
    Kept(TaskEnd),
}

impl<E> UnitError<E> {
    /// As an observer is told of it.
    pub(crate) fn end(&self) -> TaskEnd {
        match self {
            UnitError::Of(TaskError::Panicked(_)) => TaskEnd::Panicked,
            UnitError::Of(_) => TaskEnd::Failed,
            UnitError::Kept(end) => *end,
        }
    }
}

impl<E> From<TaskError<E>> for UnitError<E> {
    fn from(error: TaskError<E>) -> Self {
        UnitError::Of(error)
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// The work of one task.
#[derive(Debug)]
pub struct Single<T: Task>(UnsafeCell<Slot<T, T::Out>>);

#[derive(Debug)]
enum Slot<T, R> {
    Task(T),
    Value(R),
    Empty,
}

// SAFETY: the slot is touched by the unit's owner, then by the resolver, then by the handle, one after
// the other with acquire and release between them; the one shared access is `peek`, which the handle
// offers only where `T::Out: Sync`.
unsafe impl<T: Task + Send> Sync for Single<T> where T::Out: Send {}

impl<T: Task> Single<T> {
    /// The work of this task.
    pub fn new(task: T) -> Self {
        Single(UnsafeCell::new(Slot::Task(task)))
    }

    /// The task again; `None` when it was run.
    pub fn into_task(self) -> Option<T> {
        match self.0.into_inner() {
            Slot::Task(task) => Some(task),
            Slot::Value(_) | Slot::Empty => None,
        }
    }
}

impl<T: Task> Single<T> {
    /// The task, before it was run or its value stored; `None` where it was taken.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, has neither run nor stored it, and has no reference to what it works on.
    pub(crate) unsafe fn take_task(&self) -> Option<T> {
        // SAFETY: the caller owns the one unit, so nobody else touches the slot.
        match unsafe { mem::replace(&mut *self.0.get(), Slot::Empty) } {
            Slot::Task(task) => Some(task),
            Slot::Value(_) | Slot::Empty => None,
        }
    }
}

impl<T: Task> sealed::Sealed for Single<T> {}

impl<T: Task + Send> Work for Single<T>
where
    T::Out: Send,
    T::Raised: Send,
{
    type Value = T::Out;
    type Raised = T::Raised;
    type Output = T::Out;
    type Inputs<'a>
        = Option<&'a T>
    where
        Self: 'a;

    fn units(&self) -> usize {
        1
    }

    fn items(&self, _unit: usize) -> Option<Range<usize>> {
        None
    }

    unsafe fn inputs(&self, _unit: usize) -> Option<&T> {
        // SAFETY: the caller owns the one unit, so nobody writes the slot.
        match unsafe { &*self.0.get() } {
            Slot::Task(task) => Some(task),
            Slot::Value(_) | Slot::Empty => None,
        }
    }

    unsafe fn run(
        &self,
        unit: usize,
        _next: &mut dyn FnMut() -> Option<usize>,
        failed: &mut dyn FnMut(usize, UnitError<T::Raised>),
    ) -> usize {
        // SAFETY: the caller owns the one unit; the reference ends before the task runs.
        let slot = unsafe { mem::replace(&mut *self.0.get(), Slot::Empty) };
        if let Slot::Task(task) = slot {
            match panics::catch(|| task.run()) {
                // SAFETY: as above; the task may have run long, but the unit is still the caller's, and the slot is empty.
                Ok(Ok(value)) => unsafe { self.0.get().write(Slot::Value(value)) },
                Ok(Err(raised)) => failed(unit, TaskError::raised(raised).into()),
                Err(panic) => failed(unit, TaskError::Panicked(Box::new(panic)).into()),
            }
        }
        1
    }

    fn retries(&self) -> bool {
        T::RETRIES
    }

    unsafe fn run_again(
        &self,
        unit: usize,
        _attempt: u32,
        failed: &mut dyn FnMut(usize, UnitError<T::Raised>),
        again: &mut dyn FnMut(TaskEnd) -> bool,
    ) -> bool {
        // SAFETY: the caller's promise; the reference ends with the call.
        let copy = match panics::catch(|| unsafe { self.inputs(unit) }.and_then(T::copy)) {
            Ok(copy) => copy,
            Err(panic) => {
                failed(unit, TaskError::Panicked(Box::new(panic)).into());
                return false;
            }
        };
        let mut failure = None;
        let mut keep = |_, error| failure = Some(error);
        // SAFETY: the caller's promise.
        unsafe { self.run(unit, &mut || None, &mut keep) };
        let picks = |copy: &T| match &failure {
            Some(UnitError::Of(TaskError::Raised { error, .. })) => copy.picks(error),
            _ => false,
        };
        match copy.filter(picks) {
            Some(copy) if again(TaskEnd::Failed) => {
                // SAFETY: the caller owns the one unit, and the slot is empty, as it has failed.
                unsafe { self.0.get().write(Slot::Task(copy)) };
                panics::contain(|| drop(failure));
                return true;
            }
            copy => panics::contain(|| drop(copy)),
        }
        if let Some(failure) = failure {
            failed(unit, failure);
        }
        false
    }

    unsafe fn picks(&self, unit: usize, end: Result<&T::Out, &T::Raised>) -> bool {
        // SAFETY: the caller's promise.
        let task = unsafe { self.inputs(unit) };
        task.zip(end.err())
            .is_some_and(|(task, error)| task.picks(error))
    }

    unsafe fn store(&self, _unit: usize, output: T::Out) -> Result<(), CodecError> {
        // SAFETY: the caller owns the one unit.
        let task = unsafe { mem::replace(&mut *self.0.get(), Slot::Value(output)) };
        panics::contain(|| drop(task));
        Ok(())
    }

    unsafe fn seal(&self) {}

    unsafe fn peek(&self) -> Option<&T::Out> {
        // SAFETY: the caller vouches that the value is sealed and not being taken.
        match unsafe { &*self.0.get() } {
            Slot::Value(value) => Some(value),
            Slot::Task(_) | Slot::Empty => None,
        }
    }

    unsafe fn take(&self) -> Option<T::Out> {
        // SAFETY: the caller vouches that nobody else touches the value.
        match unsafe { mem::replace(&mut *self.0.get(), Slot::Empty) } {
            Slot::Value(value) => Some(value),
            Slot::Task(_) | Slot::Empty => None,
        }
    }
}
