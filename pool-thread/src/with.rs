//! The `*_with` methods: a context that the function is lent. Closures capture as well; these are here so that a
//! program reads the same on threads and on processes.

use std::sync::Arc;

use pool_core::{
    AsyncResult, Chunks, Failure, Flow, Imap, ImapSubmission, Misuse, Never, Plain, Star,
    StarFnWith, Submission, Trying, With,
};

use crate::pool::ThreadPool;

/// For functions that are lent a context: threads share it, and it is dropped with its job.
impl ThreadPool {
    /// Calls `func(&context, arg)` on a worker and waits for its value; all three may borrow.
    ///
    /// # Errors
    ///
    /// Why there is no value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let names = vec!["ada".to_owned(), "bob".to_owned()];
    /// assert_eq!(pool.apply_with(names, |names, index: usize| names[index].clone(), 1)?, "bob");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn apply_with<C: Send, A: Send, R: Send>(
        &self,
        context: C,
        func: impl FnOnce(&C, A) -> R + Send,
        arg: A,
    ) -> Result<R, Failure> {
        self.apply(move |arg| func(&context, arg), arg)
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.apply_async_with(10, |base: &u32, x: u32| base + x, 1)?;
    /// assert_eq!(handle.get()?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn apply_async_with<C: Send + 'static, A: Send + 'static, R: Send + 'static>(
        &self,
        context: C,
        func: impl FnOnce(&C, A) -> R + Send + 'static,
        arg: A,
    ) -> Result<AsyncResult<R>, Misuse> {
        self.apply_async(move |arg| func(&context, arg), arg)
    }

    /// The long form of [`apply_async_with`](Self::apply_async_with): callbacks, and all else that can be said of a
    /// call.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.task_with(10, |base: &u32, x: u32| base + x, 1).callback(|sum| println!("{sum}")).submit()?;
    /// assert_eq!(handle.get()?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn task_with<'p, C: Send + 'static, A: Send + 'static, R: Send + 'static>(
        &'p self,
        context: C,
        func: impl FnOnce(&C, A) -> R + Send + 'static,
        arg: A,
    ) -> Submission<'p, A, R> {
        self.task(move |arg| func(&context, arg), arg)
    }

    /// Calls `func(&context, item)` for each item and waits for all values, in the items' order; everything may
    /// borrow.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let names = ["ada", "bob", "cyd"];
    /// let picked = pool.map_with(names, |names, index: usize| names[index], [2, 0])?;
    /// assert_eq!(picked, ["cyd", "ada"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_with<C: Send + Sync, A: Send, R: Send>(
        &self,
        context: C,
        func: impl Fn(&C, A) -> R + Send + Sync,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        self.call_batch(With::new(Plain(func), context), items)
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.map_async_with(10, |base: &u32, x: u32| base + x, 0..3)?;
    /// assert_eq!(handle.get()?, [10, 11, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_async_with<C: Send + Sync + 'static, A: Send + 'static, R: Send + 'static>(
        &self,
        context: C,
        func: impl Fn(&C, A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Misuse> {
        self.map_task_with(context, func, items).submit()
    }

    /// The long form of [`map_async_with`](Self::map_async_with): callbacks, chunk size.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let sums = pool.map_task_with(10, |base: &u32, x: u32| base + x, 0..3).chunksize(1).submit()?;
    /// assert_eq!(sums.get()?, [10, 11, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_task_with<'p, C: Send + Sync + 'static, A: Send + 'static, R: Send + 'static>(
        &'p self,
        context: C,
        func: impl Fn(&C, A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'p, Vec<A>, Vec<R>, Never, Chunks> {
        self.batch_task(With::new(Plain(func), context), items)
    }

    /// As [`starmap`](Self::starmap), with a context that the function is lent before its other arguments.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let sums = pool.starmap_with(100, |base: &i32, a, b| base + a * b, [(2, 3), (4, 5)])?;
    /// assert_eq!(sums, [106, 120]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn starmap_with<C: Send + Sync, A: Send, F: StarFnWith<C, A> + Send + Sync>(
        &self,
        context: C,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<F::Out>, Failure>
    where
        F::Out: Send,
    {
        self.call_batch(With::new(Star(func), context), items)
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let sums = pool.imap_with(10, |base: &u32, x: u32| base + x, 0..)?;
    /// assert_eq!(sums.take(2).collect::<Result<Vec<_>, _>>()?, [10, 11]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn imap_with<C: Send + Sync + 'static, A: Send + 'static, R: Send + 'static>(
        &self,
        context: C,
        func: impl Fn(&C, A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        let func = Arc::new(With::new(Plain(func), context));
        self.0.imap(func, items, Flow::default())
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let sums = pool.imap_unordered_with(10, |base: &u32, x: u32| base + x, 0..3)?;
    /// assert_eq!(sums.collect::<Result<Vec<_>, _>>()?.iter().sum::<u32>(), 33);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn imap_unordered_with<C: Send + Sync + 'static, A: Send + 'static, R: Send + 'static>(
        &self,
        context: C,
        func: impl Fn(&C, A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        let func = Arc::new(With::new(Plain(func), context));
        self.0.imap(func, items, Flow::default().unordered())
    }

    /// The long form of [`imap_with`](Self::imap_with) and [`imap_unordered_with`](Self::imap_unordered_with): chunk
    /// size, read-ahead.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let sums = pool.imap_task_with(10, |base: &u32, x: u32| base + x, 0..3).chunksize(2).ordered()?;
    /// assert_eq!(sums.collect::<Result<Vec<_>, _>>()?, [10, 11, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_task_with<'p, C: Send + Sync + 'static, A: Send + 'static, R: Send + 'static>(
        &'p self,
        context: C,
        func: impl Fn(&C, A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R> {
        let func = Arc::new(With::new(Plain(func), context));
        ImapSubmission::new(move |flow| self.0.imap(func, items, flow))
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// assert_eq!(pool.try_apply_with(3, below, 2), Ok(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_apply_with<C: Send, A: Send, R: Send, E: Send>(
        &self,
        context: C,
        func: impl FnOnce(&C, A) -> Result<R, E> + Send,
        arg: A,
    ) -> Result<R, Failure<E>> {
        self.try_apply(move |arg| func(&context, arg), arg)
    }

    /// As [`task_with`](Self::task_with), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// assert!(pool.try_task_with(3, below, 4).submit()?.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_task_with<'p, C, A, R, E>(
        &'p self,
        context: C,
        func: impl FnOnce(&C, A) -> Result<R, E> + Send + 'static,
        arg: A,
    ) -> Submission<'p, A, R, E>
    where
        C: Send + 'static,
        A: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
    {
        self.try_task(move |arg| func(&context, arg), arg)
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// assert_eq!(pool.try_map_with(3, below, 0..3), Ok(vec![0, 1, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map_with<C: Send + Sync, A: Send, R: Send, E: Send>(
        &self,
        context: C,
        func: impl Fn(&C, A) -> Result<R, E> + Send + Sync,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure<E>> {
        self.call_batch(With::new(Trying(func), context), items)
    }

    /// As [`map_task_with`](Self::map_task_with), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// assert!(pool.try_map_task_with(3, below, 0..4).chunksize(1).submit()?.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map_task_with<'p, C, A, R, E>(
        &'p self,
        context: C,
        func: impl Fn(&C, A) -> Result<R, E> + Send + Sync + 'static,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'p, Vec<A>, Vec<R>, E, Chunks>
    where
        C: Send + Sync + 'static,
        A: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
    {
        self.batch_task(With::new(Trying(func), context), items)
    }

    /// As [`imap_task_with`](Self::imap_task_with), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// let ends = pool.try_imap_task_with(2, below, 1..3).ordered()?;
    /// assert_eq!(ends.map(|end| end.is_ok()).collect::<Vec<_>>(), [true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_imap_task_with<'p, C, A, R, E>(
        &'p self,
        context: C,
        func: impl Fn(&C, A) -> Result<R, E> + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R, E>
    where
        C: Send + Sync + 'static,
        A: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
    {
        let func = Arc::new(With::new(Trying(func), context));
        ImapSubmission::new(move |flow| self.0.imap(func, items, flow))
    }
}
