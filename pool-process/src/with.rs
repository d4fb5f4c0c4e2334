//! The `*_with` methods: a context that the function is lent, sent once to each worker.

use pool_core::{
    AsyncResult, Chunks, Failure, Imap, ImapSubmission, Misuse, Never, Pool, Portable, Submission,
    Tuple,
};

use crate::pool::ProcessPool;

/// For functions that need more than their argument: a function for processes cannot capture, it is lent a context.
///
/// The context is encoded once for each call of one of these methods and goes at most once to each worker that
/// gets a task of it, replacements included; there it is decoded once, and dropped when a later task finds its
/// job ended, or when eight younger ones are there. In Python it would go with each task, or into a global by the
/// initializer.
impl ProcessPool {
    /// Calls `func(&context, arg)` on a worker and waits for its value.
    ///
    /// A worker that is a process gets a copy of the context, once for each call of a `*_with` method: one
    /// [`map_with`](Self::map_with) of many items is better than many `apply_with`.
    ///
    /// # Errors
    ///
    /// Why there is no value; a context that cannot be encoded or decoded is the job's error and names its type.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let names = vec!["ada".to_owned(), "bob".to_owned()];
    /// assert_eq!(pool.apply_with(names, |names, index: usize| names[index].clone(), 1)?, "bob");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn apply_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        arg: A,
    ) -> Result<R, Failure> {
        Pool::apply_with(self, context, func, arg)
    }

    /// As [`apply_async`](Self::apply_async), with a context that the function is lent.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.apply_async_with(10, |base: &u32, x: u32| base + x, 1)?;
    /// assert_eq!(handle.get()?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn apply_async_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        arg: A,
    ) -> Result<AsyncResult<R>, Misuse> {
        Pool::apply_async_with(self, context, func, arg)
    }

    /// The long form of [`apply_async_with`](Self::apply_async_with): callbacks, and all else that can be said of a
    /// call.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.task_with(10, |base: &u32, x: u32| base + x, 1).callback(|sum| println!("{sum}")).submit()?;
    /// assert_eq!(handle.get()?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn task_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        arg: A,
    ) -> Submission<'_, A, R> {
        Pool::task_with(self, context, func, arg)
    }

    /// Calls `func(&context, item)` for each item and waits for all values, in the items' order.
    ///
    /// The context is encoded once and goes at most once to each worker that is a process, where it is dropped
    /// some time after the map has ended; threads share it.
    ///
    /// # Errors
    ///
    /// The first failure, once all chunks have ended; a context that cannot be encoded or decoded is one, and
    /// names its type.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let names = ["ada", "bob", "cyd"].map(str::to_owned);
    /// let picked = pool.map_with(names, |names, index: usize| names[index].clone(), [2, 0])?;
    /// assert_eq!(picked, ["cyd", "ada"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        Pool::map_with(self, context, func, items)
    }

    /// As [`map_async`](Self::map_async), with a context that the function is lent.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.map_async_with(10, |base: &u32, x: u32| base + x, 0..3)?;
    /// assert_eq!(handle.get()?, [10, 11, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_async_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Misuse> {
        Pool::map_async_with(self, context, func, items)
    }

    /// The long form of [`map_async_with`](Self::map_async_with): callbacks, chunk size.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let sums = pool.map_task_with(10, |base: &u32, x: u32| base + x, 0..3).chunksize(1).submit()?;
    /// assert_eq!(sums.get()?, [10, 11, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_task_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'_, Vec<A>, Vec<R>, Never, Chunks> {
        Pool::map_task_with(self, context, func, items)
    }

    /// As [`starmap`](Self::starmap), with a context that the function is lent before its other arguments.
    ///
    /// # Errors
    ///
    /// As for [`map_with`](Self::map_with).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let sums = pool.starmap_with(100, |base: &i32, a, b| base + a * b, [(2, 3), (4, 5)])?;
    /// assert_eq!(sums, [106, 120]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn starmap_with<C: Portable + Sync, A: Tuple + Portable, R: Portable>(
        &self,
        context: C,
        func: A::FnWith<C, R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        Pool::starmap_with(self, context, func, items)
    }

    /// As [`imap`](Self::imap), with a context that the function is lent.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let sums = pool.imap_with(10, |base: &u32, x: u32| base + x, 0..)?;
    /// assert_eq!(sums.take(2).collect::<Result<Vec<_>, _>>()?, [10, 11]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn imap_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        Pool::imap_with(self, context, func, items)
    }

    /// As [`imap_unordered`](Self::imap_unordered), with a context that the function is lent.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let sums = pool.imap_unordered_with(10, |base: &u32, x: u32| base + x, 0..3)?;
    /// assert_eq!(sums.collect::<Result<Vec<_>, _>>()?.iter().sum::<u32>(), 33);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn imap_unordered_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        Pool::imap_unordered_with(self, context, func, items)
    }

    /// The long form of [`imap_with`](Self::imap_with) and [`imap_unordered_with`](Self::imap_unordered_with): chunk
    /// size, read-ahead.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let sums = pool.imap_task_with(10, |base: &u32, x: u32| base + x, 0..3).chunksize(2).ordered()?;
    /// assert_eq!(sums.collect::<Result<Vec<_>, _>>()?, [10, 11, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_task_with<'p, C: Portable + Sync, A: Portable, R: Portable>(
        &'p self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R> {
        Pool::imap_task_with(self, context, func, items)
    }

    /// As [`apply_with`](Self::apply_with), for a function that may fail.
    ///
    /// # Errors
    ///
    /// Its own error as [`Failure::Raised`], or why there is no value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// assert_eq!(pool.try_apply_with(3, below, 2), Ok(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_apply_with<C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        arg: A,
    ) -> Result<R, Failure<E>> {
        Pool::try_apply_with(self, context, func, arg)
    }

    /// As [`task_with`](Self::task_with), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// assert!(pool.try_task_with(3, below, 4).submit()?.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_task_with<C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        arg: A,
    ) -> Submission<'_, A, R, E> {
        Pool::try_task_with(self, context, func, arg)
    }

    /// As [`map_with`](Self::map_with), for a function that may fail; a failing item skips the rest of its chunk.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// assert_eq!(pool.try_map_with(3, below, 0..3), Ok(vec![0, 1, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map_with<C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure<E>> {
        Pool::try_map_with(self, context, func, items)
    }

    /// As [`map_task_with`](Self::map_task_with), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// assert!(pool.try_map_task_with(3, below, 0..4).chunksize(1).submit()?.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map_task_with<C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'_, Vec<A>, Vec<R>, E, Chunks> {
        Pool::try_map_task_with(self, context, func, items)
    }

    /// As [`imap_task_with`](Self::imap_task_with), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// let ends = pool.try_imap_task_with(2, below, 1..3).ordered()?;
    /// assert_eq!(ends.map(|end| end.is_ok()).collect::<Vec<_>>(), [true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_imap_task_with<'p, C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &'p self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R, E> {
        Pool::try_imap_task_with(self, context, func, items)
    }
}
