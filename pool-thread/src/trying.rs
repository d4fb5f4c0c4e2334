//! The `try_` twins: for functions that may fail, and say so by `Err`.

use std::sync::Arc;

use pool_core::{
    AsyncResult, Chunks, Failure, Imap, ImapSubmission, Misuse, Single, StarFn, Submission, Terms,
    TryOnce, TryStar, Trying,
};

use crate::pool::ThreadPool;

/// For functions that may fail: an `Err` is what a raised exception is in Python.
impl ThreadPool {
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let halves = pool.try_imap(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, 2..5)?;
    /// assert_eq!(halves.map(|half| half.ok()).collect::<Vec<_>>(), [Some(1), None, Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_imap<A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &self,
        func: impl Fn(A) -> Result<R, E> + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, Misuse> {
        self.try_imap_task(func, items).ordered()
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let halves = pool.try_imap_unordered(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, 2..5)?;
    /// assert_eq!(halves.filter_map(Result::ok).sum::<u32>(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_imap_unordered<A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &self,
        func: impl Fn(A) -> Result<R, E> + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, Misuse> {
        self.try_imap_task(func, items).unordered()
    }

    /// As [`imap_task`](Self::imap_task), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let halves = pool.try_imap_task(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, 2..5).ordered()?;
    /// assert_eq!(halves.map(|half| half.ok()).collect::<Vec<_>>(), [Some(1), None, Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_imap_task<'p, A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &'p self,
        func: impl Fn(A) -> Result<R, E> + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R, E> {
        let func = Arc::new(Trying(func));
        ImapSubmission::new(move |flow| self.0.imap(func, items, flow))
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let input = ["1", "2", "x", "4"].map(|text| text.parse::<u32>().map_err(|error| error.to_string()));
    /// let mut doubled = pool.try_imap_results(|x: u32| Ok(2 * x), input)?;
    /// assert_eq!((doubled.next(), doubled.next()), (Some(Ok(2)), Some(Ok(4))));
    /// assert!(doubled.next().is_some_and(|end| end.is_err()));
    /// assert_eq!(doubled.next(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_imap_results<A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &self,
        func: impl Fn(A) -> Result<R, E> + Send + Sync + 'static,
        results: impl IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, Misuse> {
        self.try_imap_results_task(func, results).ordered()
    }

    /// The long form of [`try_imap_results`](Self::try_imap_results): chunk size, read-ahead, order of completion.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let input = (0..4).map(|x| if x < 2 { Ok(x) } else { Err("too many".to_owned()) });
    /// let results = pool.try_imap_results_task(|x: u32| Ok(x), input).chunksize(2).unordered()?;
    /// assert_eq!(results.filter(Result::is_ok).count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_imap_results_task<'p, A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &'p self,
        func: impl Fn(A) -> Result<R, E> + Send + Sync + 'static,
        results: impl IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R, E> {
        let func = Arc::new(Trying(func));
        ImapSubmission::new(move |flow| self.0.imap_results(func, results, flow))
    }

    /// As [`apply`](Self::apply), for a function that may fail.
    ///
    /// # Errors
    ///
    /// Its own error as [`Failure::Raised`], or why there is no value.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_thread::Failure;
    ///
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let error = pool.try_apply(str::parse::<u8>, "many").unwrap_err();
    /// assert!(matches!(error, Failure::Raised(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_apply<A: Send, R: Send, E: Send>(
        &self,
        func: impl FnOnce(A) -> Result<R, E> + Send,
        arg: A,
    ) -> Result<R, Failure<E>> {
        self.0.call(Single::new(TryOnce { func, arg }))
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.try_apply_async(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, 6)?;
    /// assert_eq!(handle.get(), Ok(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_apply_async<A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &self,
        func: impl FnOnce(A) -> Result<R, E> + Send + 'static,
        arg: A,
    ) -> Result<AsyncResult<R, E>, Misuse> {
        let task = TryOnce { func, arg };
        Ok(self.0.submit_task(task, Terms::here(), |task| task.arg)?)
    }

    /// The long form of [`try_apply_async`](Self::try_apply_async).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.try_task(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, 3).error_callback(|failure| println!("{failure}")).submit()?;
    /// assert!(handle.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_task<'p, A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &'p self,
        func: impl FnOnce(A) -> Result<R, E> + Send + 'static,
        arg: A,
    ) -> Submission<'p, A, R, E> {
        Submission::new(arg, move |arg, (), terms| {
            self.0
                .submit_task(TryOnce { func, arg }, terms, |task| task.arg)
        })
    }

    /// As [`map`](Self::map), for a function that may fail; a failing item skips the rest of its chunk.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let half = |x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) };
    /// assert_eq!(pool.try_map(half, [2, 4]), Ok(vec![1, 2]));
    /// assert_eq!(pool.try_map(half, [2, 5]), Err(pool_thread::Failure::Raised("5 is odd".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map<A: Send, R: Send, E: Send>(
        &self,
        func: impl Fn(A) -> Result<R, E> + Send + Sync,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure<E>> {
        self.call_batch(Trying(func), items)
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.try_map_async(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, [2, 4])?;
    /// assert_eq!(handle.get(), Ok(vec![1, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map_async<A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &self,
        func: impl Fn(A) -> Result<R, E> + Send + Sync + 'static,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, E>, Misuse> {
        let items = items.into_iter().collect();
        Ok(self
            .0
            .submit_batch(Trying(func), items, None, Terms::here())?)
    }

    /// The long form of [`try_map_async`](Self::try_map_async).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.try_map_task(|x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }, [2, 5]).chunksize(2).submit()?;
    /// assert!(handle.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map_task<'p, A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &'p self,
        func: impl Fn(A) -> Result<R, E> + Send + Sync + 'static,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'p, Vec<A>, Vec<R>, E, Chunks> {
        self.batch_task(Trying(func), items)
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let ratios = pool.try_starmap(|a: u32, b: u32| a.checked_div(b).ok_or("by zero".to_owned()), [(6, 3), (1, 1)]);
    /// assert_eq!(ratios, Ok(vec![2, 1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_starmap<
        A: Send,
        R: Send,
        E: Send,
        F: StarFn<A, Out = Result<R, E>> + Send + Sync,
    >(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure<E>> {
        self.call_batch(TryStar(func), items)
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.try_starmap_async(|a: u32, b: u32| a.checked_div(b).ok_or("by zero".to_owned()), [(6, 0)])?;
    /// assert!(handle.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_starmap_async<
        A: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
        F: StarFn<A, Out = Result<R, E>> + Send + Sync + 'static,
    >(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, E>, Misuse> {
        let items = items.into_iter().collect();
        Ok(self
            .0
            .submit_batch(TryStar(func), items, None, Terms::here())?)
    }
}
