//! Work that stays on the caller's stack while workers run it: the one place where a lifetime is erased.
//!
//! # Safety
//!
//! A [`Loan`] is lent as a pointer without a lifetime. Whoever lends it must not return, nor unwind,
//! before the job made of it has resolved; and a lent job resolves only when no unit of it is left, run
//! or discarded, also when the pool is terminated. [`Loan::call`] is the only lender. Its `run`, the engine's
//! blocking call, contains a panic of the backend; where the job is not queued, for that reason or because it was
//! refused, it takes back every unit before it returns or unwinds: a backend that has kept the job finds none in it.
#![expect(
    unsafe_code,
    reason = "a pointer to the caller's stack travels to workers that it waits for"
)]

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::failure::{CodecError, Failure, Never};
use crate::panics;
use crate::work::{Work, sealed};

/// Work on the caller's stack, and the first failure of its units.
pub(crate) struct Loan<W: Work> {
    work: W,
    failure: Mutex<Option<Failure<W::Raised>>>,
}

/// A loan as its borrower sees it.
trait Lent: Sync {
    /// Runs one unit.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and has not run it before.
    unsafe fn run(&self, unit: usize);
    fn items(&self, unit: usize) -> Option<Range<usize>>;
}

impl<W: Work> Lent for Loan<W> {
    unsafe fn run(&self, unit: usize) {
        // SAFETY: handed on to the caller.
        let end = panics::catch(|| unsafe { self.work.run(unit) });
        if let Some(failure) = failed(end) {
            let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let later = match &*first {
                None => first.replace(failure),
                Some(_) => Some(failure),
            };
            drop(first);
            panics::contain(|| drop(later));
        }
    }

    fn items(&self, unit: usize) -> Option<Range<usize>> {
        self.work.items(unit)
    }
}

/// The failure in what a contained run gave back.
pub(crate) fn failed<E>(end: Result<Result<(), Failure<E>>, crate::Panic>) -> Option<Failure<E>> {
    match end {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(panic) => Some(Failure::Panicked(Box::new(panic))),
    }
}

impl<W: Work> Loan<W> {
    pub(crate) fn new(work: W) -> Self {
        Loan {
            work,
            failure: Mutex::new(None),
        }
    }

    /// Lends the work to `run`, which must have ended every unit of it when it returns, and gives back
    /// the value or the first failure.
    pub(crate) fn call(
        self,
        run: impl FnOnce(Borrowed) -> Result<(), Failure>,
    ) -> Result<W::Value, Failure<W::Raised>> {
        let lent: *const (dyn Lent + '_) = &self;
        // SAFETY: only the lifetime changes. `run` is the engine's blocking call: it returns when the job
        // has resolved, which a lent job does after its last unit; of one that was refused no unit was handed out.
        let lent = unsafe {
            std::mem::transmute::<*const (dyn Lent + '_), *const (dyn Lent + 'static)>(lent)
        };
        let end = run(Borrowed {
            lent,
            units: self.work.units(),
        });
        let first = self
            .failure
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        match (end, first) {
            (Err(failure), _) => Err(failure.widen()),
            (Ok(()), Some(failure)) => Err(failure),
            (Ok(()), None) => {
                // SAFETY: no unit is left, and none failed: all were stored, by workers whose last touch
                // happened before the job resolved.
                let value = unsafe {
                    self.work.seal();
                    self.work.take()
                };
                value.ok_or(Failure::Terminated)
            }
        }
    }
}

/// The work of a job whose function, items and results lie on the stack of a caller that waits for it.
///
/// It can only be made by a pool's blocking calls; a backend that runs tasks in its own process carries it.
pub struct Borrowed {
    lent: *const (dyn Lent + 'static),
    units: usize,
}

// SAFETY: the loan behind the pointer is `Sync`, and lives as long as units of it do.
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
        // SAFETY: asked for a unit that has not ended: the lender waits for it.
        unsafe { &*self.lent }.items(unit)
    }

    unsafe fn inputs(&self, _unit: usize) {}

    unsafe fn run(&self, unit: usize) -> Result<(), Failure> {
        // SAFETY: the caller owns the unit, so it has not ended and the lender waits for it.
        unsafe { (*self.lent).run(unit) };
        Ok(())
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
