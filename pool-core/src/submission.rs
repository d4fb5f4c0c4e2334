//! The long form of a submission: `pool.task(f, a).callback(|v| ..).submit()`.

use std::fmt;

use crate::failure::{Failure, Misuse, Never};
use crate::handle::AsyncResult;
use crate::terms::Terms;

/// What hands a finished submission to its pool.
type Hand<'p, T, E, O> = Box<dyn FnOnce(O, Terms<T, E>) -> Result<AsyncResult<T, E>, Misuse> + 'p>;

/// A submission in the making; nothing happens before [`submit`](Submission::submit).
#[must_use = "nothing is submitted before `submit`"]
pub struct Submission<'p, T, E = Never, O = ()> {
    options: O,
    terms: Terms<T, E>,
    hand: Hand<'p, T, E, O>,
}

/// How a map is cut; `None` is the pool's own choice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chunks(pub(crate) Option<usize>);

impl<'p, T, E, O: Default> Submission<'p, T, E, O> {
    /// A submission that `hand` gives to its pool.
    #[track_caller]
    pub fn new(
        hand: impl FnOnce(O, Terms<T, E>) -> Result<AsyncResult<T, E>, Misuse> + 'p,
    ) -> Self {
        Submission {
            options: O::default(),
            terms: Terms::here(),
            hand: Box::new(hand),
        }
    }
}

impl<T, E, O> Submission<'_, T, E, O> {
    /// Calls this with the value, in this process, on one thread at a time, before `ready()` turns true.
    pub fn callback(self, callback: impl FnOnce(&T) + Send + 'static) -> Self {
        Submission {
            terms: self.terms.callback(callback),
            ..self
        }
    }

    /// Calls this with the failure, as [`callback`](Self::callback) does with the value.
    pub fn error_callback(self, callback: impl FnOnce(&Failure<E>) + Send + 'static) -> Self {
        Submission {
            terms: self.terms.error_callback(callback),
            ..self
        }
    }

    /// Queues it and returns at once.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`, [`Misuse::ZeroChunksize`].
    pub fn submit(self) -> Result<AsyncResult<T, E>, Misuse> {
        (self.hand)(self.options, self.terms)
    }
}

impl<T, E> Submission<'_, T, E, Chunks> {
    /// Items per chunk, at least 1; a chunk is one task for one worker.
    pub fn chunksize(self, items: usize) -> Self {
        Submission {
            options: Chunks(Some(items)),
            ..self
        }
    }
}

impl Chunks {
    /// Items per chunk, if it was said.
    pub fn size(self) -> Option<usize> {
        self.0
    }
}

impl<T, E, O> fmt::Debug for Submission<'_, T, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
