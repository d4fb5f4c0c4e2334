//! Work that stays on the caller's stack while workers run it. Its lifetime is erased here, and nowhere else.
//!
//! # Safety
//!
//! Workers get a pointer to a [`StackJob`], without a lifetime. Whoever hands it out must not return, nor unwind,
//! before the job made of it has resolved; and such a job resolves only when no unit of it is left, run
//! or discarded, also when the pool is terminated. [`StackJob::call`] is the only place that hands one out. Its `run`, the
//! engine's blocking call, catches a panic of the backend; where the job is not queued, for that reason or because it was
//! refused, it takes back every unit before it returns or unwinds: a backend that has kept the job finds none in it.
#![expect(
    unsafe_code,
    reason = "a pointer to the caller's stack travels to workers that it waits for"
)]

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::error::{CodecError, Never, TaskError};
use crate::observer::TaskEnd;
use crate::panics;
use crate::work::{UnitError, Work, sealed};

/// Work on the caller's stack, and the first error of its units.
pub(crate) struct StackJob<W: Work> {
    work: W,
    error: Mutex<Option<TaskError<W::Raised>>>,
}

/// Work on a stack as the workers see it.
trait OnStack: Sync {
    /// Runs a unit, and then each that `next` yields; how many they were. `failed` is told how those have ended that fail.
    ///
    /// # Safety
    ///
    /// As for [`Work::run`].
    unsafe fn run(
        &self,
        unit: usize,
        next: &mut dyn FnMut() -> Option<usize>,
        failed: &mut dyn FnMut(usize, TaskEnd),
    ) -> usize;
    fn items(&self, unit: usize) -> Option<Range<usize>>;
}

impl<W: Work> OnStack for StackJob<W> {
    unsafe fn run(
        &self,
        unit: usize,
        next: &mut dyn FnMut() -> Option<usize>,
        failed: &mut dyn FnMut(usize, TaskEnd),
    ) -> usize {
        let mut failed = |unit, error: UnitError<W::Raised>| {
            failed(unit, error.end());
            let UnitError::Of(error) = error else {
                return;
            };
            let error = error.in_unit(self.work.items(unit));
            let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            let later = match &*first {
                None => first.replace(error),
                Some(_) => Some(error),
            };
            drop(first);
            panics::contain(|| drop(later));
        };
        // SAFETY: handed on to the caller.
        unsafe { self.work.run(unit, next, &mut failed) }
    }

    fn items(&self, unit: usize) -> Option<Range<usize>> {
        self.work.items(unit)
    }
}

impl<W: Work> StackJob<W> {
    pub(crate) fn new(work: W) -> Self {
        StackJob {
            work,
            error: Mutex::new(None),
        }
    }

    /// Hands the work to `run`, which must have ended every unit of it when it returns, and gives back
    /// the value or the first error.
    pub(crate) fn call(
        self,
        run: impl FnOnce(Borrowed) -> Result<(), TaskError>,
    ) -> Result<W::Value, TaskError<W::Raised>> {
        let job: *const (dyn OnStack + '_) = &self;
        // SAFETY: only the lifetime changes. `run` is the engine's blocking call: it returns when the job
        // has resolved, which such a job does after its last unit; of one that was refused no unit was handed out.
        let job = unsafe {
            std::mem::transmute::<*const (dyn OnStack + '_), *const (dyn OnStack + 'static)>(job)
        };
        let end = run(Borrowed {
            job,
            units: self.work.units(),
        });
        let first = self
            .error
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        match (end, first) {
            (Err(error), _) => Err(error.widen()),
            (Ok(()), Some(error)) => Err(error),
            (Ok(()), None) => {
                // SAFETY: no unit is left, and none failed: all were stored, by workers whose last touch
                // happened before the job resolved.
                let value = unsafe {
                    self.work.seal();
                    self.work.take()
                };
                value.ok_or(TaskError::Terminated)
            }
        }
    }
}

/// The work of a job whose function, items and results lie on the stack of a caller that waits for it.
///
/// Only a pool's blocking calls make one. A backend whose workers run in this process gets it in a job cell.
pub struct Borrowed {
    job: *const (dyn OnStack + 'static),
    units: usize,
}

// SAFETY: the job behind the pointer is `Sync`, and lives as long as units of it do.
unsafe impl Send for Borrowed {}
// SAFETY: as above; the pointer itself is never written.
unsafe impl Sync for Borrowed {}

impl fmt::Debug for Borrowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrowed")
            .field("units", &self.units)
            .finish_non_exhaustive()
    }
}

impl sealed::Sealed for Borrowed {}

impl Work for Borrowed {
    type Value = ();
    type Raised = Never;
    type Output = Never;
    type Inputs<'a> = ();

    fn units(&self) -> usize {
        self.units
    }

    fn items(&self, unit: usize) -> Option<Range<usize>> {
        // SAFETY: asked for a unit that has not ended: the caller whose stack it is waits for it.
        unsafe { &*self.job }.items(unit)
    }

    unsafe fn inputs(&self, _unit: usize) {}

    unsafe fn run(
        &self,
        unit: usize,
        next: &mut dyn FnMut() -> Option<usize>,
        failed: &mut dyn FnMut(usize, UnitError<Never>),
    ) -> usize {
        let mut failed = |unit, end| failed(unit, UnitError::Kept(end));
        // SAFETY: the caller owns the units, so they have not ended, and the caller whose stack the job is on waits for it.
        unsafe { (*self.job).run(unit, next, &mut failed) }
    }

    unsafe fn store(&self, _unit: usize, output: Never) -> Result<(), CodecError> {
        match output {}
    }

    unsafe fn seal(&self) {}

    unsafe fn peek(&self) -> Option<&()> {
        Some(&())
    }

    unsafe fn take(&self) -> Option<()> {
        Some(())
    }
}
