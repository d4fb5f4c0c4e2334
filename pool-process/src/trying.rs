//! The `try_` twins: for functions that may fail, and say so by `Err`.

use pool_core::{
    AsyncResult, Chunks, Failure, Imap, ImapSubmission, Misuse, Pool, Portable, Submission, Tuple,
};

use crate::pool::ProcessPool;

/// For functions that may fail: an `Err` is what a raised exception is in Python.
impl ProcessPool {
    /// As [`imap`](Self::imap), for a function that may fail: an item's `Err` is [`Failure::Raised`] at its place, and
    /// later items still come.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let halves = pool.try_imap(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, 2..5)?;
    /// assert_eq!(halves.map(|half| half.ok()).collect::<Vec<_>>(), [Some(1), None, Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_imap<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, Misuse> {
        Pool::try_imap(self, func, items)
    }

    /// As [`try_imap`](Self::try_imap), in the order of completion.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let halves = pool.try_imap_unordered(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, 2..5)?;
    /// assert_eq!(halves.filter_map(Result::ok).sum::<u32>(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_imap_unordered<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, Misuse> {
        Pool::try_imap_unordered(self, func, items)
    }

    /// As [`imap_task`](Self::imap_task), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let halves = pool.try_imap_task(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, 2..5).ordered()?;
    /// assert_eq!(halves.map(|half| half.ok()).collect::<Vec<_>>(), [Some(1), None, Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_imap_task<'p, A: Portable, R: Portable, E: Portable>(
        &'p self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R, E> {
        Pool::try_imap_task(self, func, items)
    }

    /// As [`try_imap`](Self::try_imap), of an input that may fail, such as the lines of a file: its first `Err` comes as
    /// [`Failure::Raised`] behind the results of all items before it, and is the end.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let input = ["1", "2", "x", "4"].map(|text| text.parse::<u32>().map_err(|error| error.to_string()));
    /// let mut doubled = pool.try_imap_results(|x: u32| Ok(2 * x), input)?;
    /// assert_eq!((doubled.next(), doubled.next()), (Some(Ok(2)), Some(Ok(4))));
    /// assert!(doubled.next().is_some_and(|end| end.is_err()));
    /// assert_eq!(doubled.next(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_imap_results<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        results: impl IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, Misuse> {
        self.try_imap_results_task(func, results).ordered()
    }

    /// The long form of [`try_imap_results`](Self::try_imap_results): chunk size, read-ahead, order of completion.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let input = (0..4).map(|x| if x < 2 { Ok(x) } else { Err("too many".to_owned()) });
    /// let results = pool.try_imap_results_task(|x: u32| Ok(x), input).chunksize(2).unordered()?;
    /// assert_eq!(results.filter(Result::is_ok).count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_imap_results_task<'p, A: Portable, R: Portable, E: Portable>(
        &'p self,
        func: fn(A) -> Result<R, E>,
        results: impl IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R, E> {
        Pool::try_imap_results_task(self, func, results)
    }

    /// As [`apply`](Self::apply), for a function that may fail; [`try_apply_with`](Self::try_apply_with) hands it more.
    ///
    /// In Python a function fails by raising; here by returning `Err`. Errors that cannot travel become a
    /// [`Report`](crate::Report).
    ///
    /// # Errors
    ///
    /// Its own error as [`Failure::Raised`], or why there is no value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let half = |x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) };
    /// assert_eq!(pool.try_apply(half, 4), Ok(2));
    /// assert_eq!(pool.try_apply(half, 5), Err(pool_process::Failure::Raised("5 is odd".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_apply<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        arg: A,
    ) -> Result<R, Failure<E>> {
        Pool::try_apply(self, func, arg)
    }

    /// As [`apply_async`](Self::apply_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.try_apply_async(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, 6)?;
    /// assert_eq!(handle.get(), Ok(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_apply_async<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        arg: A,
    ) -> Result<AsyncResult<R, E>, Misuse> {
        Pool::try_apply_async(self, func, arg)
    }

    /// The long form of [`try_apply_async`](Self::try_apply_async).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(1)?;
    /// let half = |x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) };
    /// let handle = pool.try_task(half, 3).error_callback(|failure| println!("{failure}")).submit()?;
    /// assert!(handle.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_task<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        arg: A,
    ) -> Submission<'_, A, R, E> {
        Pool::try_task(self, func, arg)
    }

    /// The long form of [`try_map_async`](Self::try_map_async).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(1)?;
    /// let parse = |text: String| text.parse::<u8>().map_err(|error| error.to_string());
    /// let texts = ["1", "x", "3"].map(str::to_owned);
    /// assert!(pool.try_map_task(parse, texts).chunksize(2).submit()?.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map_task<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'_, Vec<A>, Vec<R>, E, Chunks> {
        Pool::try_map_task(self, func, items)
    }

    /// As [`map`](Self::map), for a function that may fail, a failing item skips the rest of its chunk;
    /// [`try_map_with`](Self::try_map_with) hands it more.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let half = |x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) };
    /// assert_eq!(pool.try_map(half, [2, 4]), Ok(vec![1, 2]));
    /// assert_eq!(pool.try_map(half, [2, 5]), Err(pool_process::Failure::Raised("5 is odd".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure<E>> {
        Pool::try_map(self, func, items)
    }

    /// As [`map_async`](Self::map_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.try_map_async(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, [2, 4])?;
    /// assert_eq!(handle.get(), Ok(vec![1, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map_async<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, E>, Misuse> {
        Pool::try_map_async(self, func, items)
    }

    /// As [`starmap`](Self::starmap), for a function that may fail.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let ratios = pool.try_starmap(|a: u32, b: u32| a.checked_div(b).ok_or("by zero".to_owned()), [(6, 3), (1, 1)]);
    /// assert_eq!(ratios, Ok(vec![2, 1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_starmap<A: Tuple + Portable, R: Portable, E: Portable>(
        &self,
        func: A::Fn<Result<R, E>>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure<E>> {
        Pool::try_starmap(self, func, items)
    }

    /// As [`starmap_async`](Self::starmap_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.try_starmap_async(|a: u32, b: u32| a.checked_div(b).ok_or("by zero".to_owned()), [(6, 0)])?;
    /// assert!(handle.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_starmap_async<A: Tuple + Portable, R: Portable, E: Portable>(
        &self,
        func: A::Fn<Result<R, E>>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, E>, Misuse> {
        Pool::try_starmap_async(self, func, items)
    }
}
