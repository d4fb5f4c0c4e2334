//! The methods of `multiprocessing.Pool` that hand work over.

use std::sync::Arc;

use pool_core::{
    AsyncResult, Chunks, Failure, Flow, Imap, ImapSubmission, Misuse, Never, Once, Plain, Single,
    Star, StarFn, Submission, Terms,
};

use crate::pool::ThreadPool;

/// Calls, maps and streams of results.
impl ThreadPool {
    /// Calls `func(arg)` on a worker and waits for its value; both may borrow from the caller's stack.
    ///
    /// # Errors
    ///
    /// Why there is no value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let words = vec!["a", "b"];
    /// assert_eq!(pool.apply(|index: usize| words[index], 1)?, "b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn apply<A: Send, R: Send>(
        &self,
        func: impl FnOnce(A) -> R + Send,
        arg: A,
    ) -> Result<R, Failure> {
        self.0.call(Single::new(Once { func, arg }))
    }

    /// Queues `func(arg)` and returns at once.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.apply_async(|x| x * x, 12)?;
    /// assert_eq!(handle.get()?, 144);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn apply_async<A: Send + 'static, R: Send + 'static>(
        &self,
        func: impl FnOnce(A) -> R + Send + 'static,
        arg: A,
    ) -> Result<AsyncResult<R>, Misuse> {
        let task = Once { func, arg };
        Ok(self.0.submit_task(task, Terms::here(), |task| task.arg)?)
    }

    /// The long form of [`apply_async`](Self::apply_async): callbacks, and all else that can be said of a call.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.task(|x| x + 1, 1).callback(|value| println!("got {value}")).submit()?;
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn task<'p, A: Send + 'static, R: Send + 'static>(
        &'p self,
        func: impl FnOnce(A) -> R + Send + 'static,
        arg: A,
    ) -> Submission<'p, A, R> {
        Submission::new(arg, move |arg, (), terms| {
            self.0
                .submit_task(Once { func, arg }, terms, |task| task.arg)
        })
    }

    /// Calls `func` for each item and waits for all values, in the items' order; everything may borrow.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let text = String::from("one two three");
    /// let lengths = pool.map(|word: &str| word.len(), text.split(' '))?;
    /// assert_eq!(lengths, [3, 3, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map<A: Send, R: Send>(
        &self,
        func: impl Fn(A) -> R + Send + Sync,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        self.call_batch(Plain(func), items)
    }

    /// Queues a call of `func` for each item and returns at once; the items are read before it does.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.map_async(|x: u32| x * 2, 0..4)?;
    /// assert_eq!(handle.get()?, [0, 2, 4, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_async<A: Send + 'static, R: Send + 'static>(
        &self,
        func: impl Fn(A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Misuse> {
        let items = items.into_iter().collect();
        Ok(self
            .0
            .submit_batch(Plain(func), items, None, Terms::here())?)
    }

    /// The long form of [`map_async`](Self::map_async): callbacks, chunk size.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.map_task(|x| x * x, 0..6).chunksize(3).submit()?;
    /// assert_eq!(handle.get()?, [0, 1, 4, 9, 16, 25]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_task<'p, A: Send + 'static, R: Send + 'static>(
        &'p self,
        func: impl Fn(A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'p, Vec<A>, Vec<R>, Never, Chunks> {
        self.batch_task(Plain(func), items)
    }

    /// Calls `func` for each item; results come in the items' order, each as soon as it and all before it are
    /// there. The input is read as results are taken, and may be infinite.
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let firsts: Vec<u64> = pool.imap(|x| x * x, 1u64..)?.take(4).collect::<Result<_, _>>()?;
    /// assert_eq!(firsts, [1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn imap<A: Send + 'static, R: Send + 'static>(
        &self,
        func: impl Fn(A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        self.0.imap(Arc::new(Plain(func)), items, Flow::default())
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let mut doubles = pool.imap_unordered(|x: u32| x * 2, 0..4)?.collect::<Result<Vec<_>, _>>()?;
    /// doubles.sort();
    /// assert_eq!(doubles, [0, 2, 4, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn imap_unordered<A: Send + 'static, R: Send + 'static>(
        &self,
        func: impl Fn(A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        self.0
            .imap(Arc::new(Plain(func)), items, Flow::default().unordered())
    }

    /// The long form of [`imap`](Self::imap) and [`imap_unordered`](Self::imap_unordered): chunk size, read-ahead.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let halves = pool.imap_task(|x| x / 2, [2, 4, 6]).chunksize(2).read_ahead(1).ordered()?;
    /// assert_eq!(halves.collect::<Result<Vec<i32>, _>>()?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_task<'p, A: Send + 'static, R: Send + 'static>(
        &'p self,
        func: impl Fn(A) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R> {
        let func = Arc::new(Plain(func));
        ImapSubmission::new(move |flow| self.0.imap(func, items, flow))
    }

    /// As [`map`](Self::map), with each item a tuple of 2 to 6 arguments.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.starmap(|a, b| a * b, [(2, 3), (4, 5)])?, [6, 20]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn starmap<A: Send, F: StarFn<A> + Send + Sync>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<F::Out>, Failure>
    where
        F::Out: Send,
    {
        self.call_batch(Star(func), items)
    }

    /// As [`map_async`](Self::map_async), with each item a tuple of 2 to 6 arguments.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.starmap_async(|a, b| a * b, [(2, 3), (4, 5)])?;
    /// assert_eq!(handle.get()?, [6, 20]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn starmap_async<A: Send + 'static, F: StarFn<A> + Send + Sync + 'static>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<F::Out>>, Misuse>
    where
        F::Out: Send + 'static,
    {
        let items = items.into_iter().collect();
        Ok(self
            .0
            .submit_batch(Star(func), items, None, Terms::here())?)
    }
}
