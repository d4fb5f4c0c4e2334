//! A pool for the length of a call: closed and joined at its end, with the first error that came of it.

use std::error::Error;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use crate::backend::StartError;
use crate::failure::Misuse;
use crate::pool::Pool;
use crate::report::Reason;
use crate::tally::Unseen;

/// Why a pool that was to be drained did not come to a good end.
#[derive(Debug)]
#[non_exhaustive]
pub enum DrainError<E> {
    /// The pool could not be started.
    Start(StartError),
    /// What the body returned.
    Body(E),
    /// The first error of a task that nobody looked at.
    Task(Unseen),
    /// The pool cannot be joined here: the body ran inside one of its own tasks.
    Misuse(Misuse),
}

/// Calls `body` with a pool, then closes and joins it: all that was submitted has been done when it returns.
///
/// When the body panics, the pool is terminated and joined, and the panic goes on.
///
/// In Python `with Pool() as pool` terminates it instead.
///
/// # Errors
///
/// The body's own error; else the first error of a task that nobody looked at, as
/// [`Tally::first_unseen`](crate::Tally::first_unseen) tells it.
pub fn drain<P: Pool, R, E>(
    pool: P,
    body: impl FnOnce(&P) -> Result<R, E>,
) -> Result<R, DrainError<E>> {
    let ended = match panic::catch_unwind(AssertUnwindSafe(|| body(&pool))) {
        Ok(ended) => ended,
        Err(payload) => {
            pool.terminate();
            drop(pool);
            panic::resume_unwind(payload);
        }
    };
    pool.close();
    let joined = pool.join();
    let value = ended.map_err(DrainError::Body)?;
    joined.map_err(DrainError::Misuse)?;
    match pool.tally().first_unseen {
        Some(unseen) => Err(DrainError::Task(unseen)),
        None => Ok(value),
    }
}

impl<E: fmt::Display> fmt::Display for DrainError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DrainError::Start(error) => error.fmt(f),
            DrainError::Body(error) => error.fmt(f),
            DrainError::Task(unseen) => unseen.fmt(f),
            DrainError::Misuse(misuse) => misuse.fmt(f),
        }
    }
}

impl<E: Reason> Error for DrainError<E> {
    /// What it says is the inner error's, and so is what is behind it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DrainError::Start(error) => error.source(),
            DrainError::Body(error) => error.as_error().source(),
            DrainError::Task(unseen) => unseen.source(),
            DrainError::Misuse(misuse) => misuse.source(),
        }
    }
}
