//! The long form of a submission: `pool.task(f, a).callback(|v| ..).submit()`.

use std::fmt;
use std::time::Duration;

use crate::entry::Entry;
use crate::failure::{Failure, Misuse, Never};
use crate::handle::{AsyncResult, Submitted};
use crate::terms::Terms;

/// What hands a finished submission to its pool.
type Hand<'p, A, T, E, O> = Box<dyn FnOnce(A, O, Terms<T, E>) -> Submitted<T, E, A> + 'p>;

/// A submission in the making; nothing happens before [`submit`](Submission::submit) or one of its kin.
///
/// `A` is the argument (of a map, its items), `T` what comes of it, `E` the error of a `try_` form; `O` is
/// [`Chunks`] for maps, which can be told their chunk size.
#[must_use = "nothing is submitted before `submit`"]
pub struct Submission<'p, A, T, E = Never, O = ()> {
    argument: A,
    options: O,
    terms: Terms<T, E>,
    hand: Hand<'p, A, T, E, O>,
}

/// How a map is cut; `None` is the pool's own choice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chunks(pub(crate) Option<usize>);

impl<'p, A, T, E, O: Default> Submission<'p, A, T, E, O> {
    /// A submission that `hand` gives to its pool.
    #[track_caller]
    pub fn new(
        argument: A,
        hand: impl FnOnce(A, O, Terms<T, E>) -> Submitted<T, E, A> + 'p,
    ) -> Self {
        Submission {
            argument,
            options: O::default(),
            terms: Terms::here(),
            hand: Box::new(hand),
        }
    }
}

impl<A, T, E, O> Submission<'_, A, T, E, O> {
    /// Calls this with the value, in this process, on one thread at a time, before `ready()` turns true.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let handle = pool.task(|x| x + 1, 1).callback(|value| println!("got {value}")).submit()?;
    /// handle.wait(); // until the callback has returned, too
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn callback(self, callback: impl FnOnce(&T) + Send + 'static) -> Self {
        Submission {
            terms: self.terms.callback(callback),
            ..self
        }
    }

    /// Calls this with the failure, as [`callback`](Self::callback) does with the value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let task = pool.try_task(str::parse::<u8>, "x");
    /// let handle = task.error_callback(|failure| eprintln!("{failure}")).submit()?;
    /// assert!(handle.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn error_callback(self, callback: impl FnOnce(&Failure<E>) + Send + 'static) -> Self {
        Submission {
            terms: self.terms.error_callback(callback),
            ..self
        }
    }

    /// Queues it and returns at once; where the pool's queue has a bound and is full, as soon as there is a place.
    ///
    /// A task that waits here for a place in its own pool lends the one that it has, so that a pool cannot
    /// block itself.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`, also while it waits; [`Misuse::ZeroChunksize`];
    /// [`Misuse::WouldDeadlock`] where a task would have to wait and nobody can be had to take its place.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let handle = pool.task(|x| x + 1, 1).submit()?;
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit(self) -> Result<AsyncResult<T, E>, Misuse> {
        self.hand_over(Entry::Wait).map_err(Misuse::from)
    }

    /// Queues it if there is a place now. A map needs places for all its chunks: one that has more chunks than
    /// the queue has places never finds them this way.
    ///
    /// # Errors
    ///
    /// The argument comes back with [`TrySubmitError::Full`](crate::TrySubmitError::Full), or as for [`submit`](Self::submit).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// pool.close();
    /// let refused = pool.task(|text: String| text.len(), "kept".to_owned()).try_submit();
    /// assert_eq!(refused.unwrap_err().into_argument(), "kept");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_submit(self) -> Submitted<T, E, A> {
        self.hand_over(Entry::Now)
    }

    /// As [`submit`](Self::submit), but it waits for a place for at most this long, by the pool's own timers. A map
    /// is let in with its first chunk; then what is left of the time is waited for the others' places.
    ///
    /// # Errors
    ///
    /// The argument comes back with [`TrySubmitError::Full`](crate::TrySubmitError::Full), or as for [`submit`](Self::submit).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let limit = std::time::Duration::from_secs(60);
    /// let handle = pool.task(|x| x + 1, 1).submit_timeout(limit)?;
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_timeout(self, limit: Duration) -> Submitted<T, E, A> {
        self.hand_over(if limit.is_zero() {
            Entry::Now
        } else {
            Entry::Within(limit)
        })
    }

    fn hand_over(self, entry: Entry) -> Submitted<T, E, A> {
        (self.hand)(self.argument, self.options, self.terms.entry(entry))
    }
}

impl<A, T, E> Submission<'_, A, T, E, Chunks> {
    /// Items per chunk, at least 1; a chunk is one task for one worker.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let handle = pool.map_task(|x| x * x, 0..6).chunksize(3).submit()?;
    /// assert_eq!(handle.get()?, [0, 1, 4, 9, 16, 25]);
    /// assert!(pool.map_task(|x: i32| x, 0..6).chunksize(0).submit().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

impl<A, T, E, O> fmt::Debug for Submission<'_, A, T, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
