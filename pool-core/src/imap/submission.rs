//! An `imap` in the making: how its input is cut and read, and in which order its results come.

use std::fmt;
use std::panic::Location;

use super::Imap;
use crate::failure::{Misuse, Never};

/// How the input of an `imap` is cut and read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flow {
    pub(crate) chunksize: Option<usize>,
    pub(crate) read_ahead: Option<usize>,
    pub(crate) unordered: bool,
    /// Where it was started, if not by who hands this over.
    pub(crate) place: Option<&'static Location<'static>>,
}

/// What begins an `imap`.
type Start<'p, R, E> = Box<dyn FnOnce(Flow) -> Result<Imap<R, E>, Misuse> + 'p>;

impl Flow {
    /// Results come in the order of completion.
    #[must_use]
    pub fn unordered(self) -> Flow {
        Flow {
            unordered: true,
            ..self
        }
    }
}

/// An `imap` in the making; nothing is read before it starts.
#[must_use = "nothing is read before `ordered` or `unordered`"]
pub struct ImapSubmission<'p, R, E = Never> {
    flow: Flow,
    start: Start<'p, R, E>,
}

impl<'p, R, E> ImapSubmission<'p, R, E> {
    /// An `imap` that `start` begins.
    pub fn new(start: impl FnOnce(Flow) -> Result<Imap<R, E>, Misuse> + 'p) -> Self {
        ImapSubmission {
            flow: Flow::default(),
            start: Box::new(start),
        }
    }

    /// Items per chunk, at least 1 (default: 1); a chunk is one task for one worker.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let halves = pool.imap_task(|x| x / 2, [2, 4, 6]).chunksize(2).ordered()?;
    /// assert_eq!(halves.flatten().collect::<Vec<i32>>(), [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunksize(mut self, items: usize) -> Self {
        self.flow.chunksize = Some(items);
        self
    }

    /// How many chunks may be in the pool, or done and not yet taken (default: four for each worker).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let halves = pool.imap_task(|x| x / 2, 0..).read_ahead(1).ordered()?;
    /// assert_eq!(halves.flatten().take(3).collect::<Vec<i32>>(), [0, 0, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_ahead(mut self, chunks: usize) -> Self {
        self.flow.read_ahead = Some(chunks);
        self
    }

    /// Starts it: results come in the order of the input.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`], [`Misuse::ZeroChunksize`], [`Misuse::ZeroReadAhead`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let squares = pool.imap_task(|x| x * x, [3, 1, 2]).ordered()?;
    /// assert_eq!(squares.flatten().collect::<Vec<i32>>(), [9, 1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn ordered(self) -> Result<Imap<R, E>, Misuse> {
        self.start_at(Location::caller(), false)
    }

    /// Starts it: results come in the order of completion.
    ///
    /// # Errors
    ///
    /// As for [`ordered`](Self::ordered).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let squares = pool.imap_task(|x| x * x, [3, 1, 2]).unordered()?;
    /// assert_eq!(squares.flatten().sum::<i32>(), 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn unordered(self) -> Result<Imap<R, E>, Misuse> {
        self.start_at(Location::caller(), true)
    }

    fn start_at(
        self,
        place: &'static Location<'static>,
        unordered: bool,
    ) -> Result<Imap<R, E>, Misuse> {
        (self.start)(Flow {
            unordered,
            place: Some(place),
            ..self.flow
        })
    }
}

impl<R, E> fmt::Debug for ImapSubmission<'_, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapSubmission")
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}
