//! The methods of `multiprocessing.Pool` that hand work over.

use pool_core::{
    AsyncResult, Chunks, Failure, Imap, ImapSubmission, Misuse, Never, Pool, Portable, Submission,
    Tuple,
};

use crate::pool::ProcessPool;

/// Calls, maps and streams of results.
impl ProcessPool {
    /// Calls `func(arg)` in a worker and waits for its value; `func` captures nothing: [`apply_with`](Self::apply_with)
    /// hands it more.
    ///
    /// # Errors
    ///
    /// Why there is no value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, 1)?, 2);
    /// assert_eq!(pool.apply(|()| "no argument".len(), ())?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn apply<A: Portable, R: Portable>(&self, func: fn(A) -> R, arg: A) -> Result<R, Failure> {
        Pool::apply(self, func, arg)
    }

    /// Queues `func(arg)` and returns at once; `func` captures nothing: [`apply_async_with`](Self::apply_async_with) hands
    /// it more.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.apply_async(|name: String| name.len(), "four".to_owned())?;
    /// assert_eq!(handle.get()?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn apply_async<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        arg: A,
    ) -> Result<AsyncResult<R>, Misuse> {
        Pool::apply_async(self, func, arg)
    }

    /// The long form of [`apply_async`](Self::apply_async): callbacks, and all else that can be said of a call.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.task(|x: u32| x + 1, 1).callback(|value| println!("got {value}")).submit()?;
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn task<A: Portable, R: Portable>(&self, func: fn(A) -> R, arg: A) -> Submission<'_, A, R> {
        Pool::task(self, func, arg)
    }

    /// The long form of [`map_async`](Self::map_async): callbacks, chunk size.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.map_task(|x: u32| x * 2, 0..6).chunksize(3).submit()?;
    /// assert_eq!(handle.get()?, [0, 2, 4, 6, 8, 10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_task<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'_, Vec<A>, Vec<R>, Never, Chunks> {
        Pool::map_task(self, func, items)
    }

    /// Calls `func` for each item and waits for all values, in the items' order; `func` captures nothing:
    /// [`map_with`](Self::map_with) hands it more.
    ///
    /// # Errors
    ///
    /// The first failure, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// assert_eq!(pool.map(|x: u32| x * 2, 0..4)?, [0, 2, 4, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        Pool::map(self, func, items)
    }

    /// Queues a call of `func` for each item and returns at once; `func` captures nothing:
    /// [`map_async_with`](Self::map_async_with) hands it more. The items are read before it returns.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.map_async(|x: u32| x * 2, 0..4)?;
    /// assert_eq!(handle.get()?, [0, 2, 4, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_async<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Misuse> {
        Pool::map_async(self, func, items)
    }

    /// Calls `func` for each item and gives the results as they come, in the items' order; `func` captures nothing:
    /// [`imap_with`](Self::imap_with) hands it more.
    ///
    /// Each result is there as soon as it and all before it are. The input is read as results are taken, and may be infinite.
    ///
    /// In Python the whole input is read at once.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let firsts: Vec<u64> = pool.imap(|x: u64| x * x, 1..)?.take(4).collect::<Result<_, _>>()?;
    /// assert_eq!(firsts, [1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn imap<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        Pool::imap(self, func, items)
    }

    /// As [`imap`](Self::imap), in the order of completion.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let mut doubles = pool.imap_unordered(|x: u32| x * 2, 0..4)?.collect::<Result<Vec<_>, _>>()?;
    /// doubles.sort();
    /// assert_eq!(doubles, [0, 2, 4, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn imap_unordered<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        Pool::imap_unordered(self, func, items)
    }

    /// The long form of [`imap`](Self::imap) and [`imap_unordered`](Self::imap_unordered): chunk size, read-ahead.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let doubles = pool.imap_task(|x: u32| x * 2, 0..3).chunksize(2).read_ahead(1).ordered()?;
    /// assert_eq!(doubles.collect::<Result<Vec<_>, _>>()?, [0, 2, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_task<'p, A: Portable, R: Portable>(
        &'p self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R> {
        Pool::imap_task(self, func, items)
    }

    /// As [`map`](Self::map), with each item a tuple of the function's arguments; `func` captures nothing:
    /// [`starmap_with`](Self::starmap_with) hands it more. A named function is given as `|a, b| func(a, b)`: what its
    /// arguments are would have to be known before the items are.
    ///
    /// # Errors
    ///
    /// The first failure, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// assert_eq!(pool.starmap(|a, b| a * b, [(2, 3), (4, 5)])?, [6, 20]);
    /// assert_eq!(pool.starmap(|a, b| u64::pow(a, b), [(2, 3), (4, 5)])?, [8, 1024]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn starmap<A: Tuple + Portable, R: Portable>(
        &self,
        func: A::Fn<R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        Pool::starmap(self, func, items)
    }

    /// As [`map_async`](Self::map_async), with each item a tuple of the function's arguments.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.starmap_async(|a, b| a * b, [(2, 3), (4, 5)])?;
    /// assert_eq!(handle.get()?, [6, 20]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn starmap_async<A: Tuple + Portable, R: Portable>(
        &self,
        func: A::Fn<R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Misuse> {
        Pool::starmap_async(self, func, items)
    }
}
