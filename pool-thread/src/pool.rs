//! The thread pool's face: signatures for any closure; what they mean is the engine's.

use std::sync::Arc;
use std::time::Duration;

use pool_core::{
    AsyncResult, Batch, Call, Chunks, Engine, Failure, Flow, FnPtr, Func, Imap, ImapSubmission,
    JoinAsync, Misuse, Never, Once, Phase, Plain, Pool, Portable, Scope, Single, Star, StarFn,
    StartError, Submission, Submitted, Tally, Terms, TryOnce, TryStar, Trying,
};

use crate::backend::Threads;
use crate::builder::Builder;
use crate::stats::Stats;

/// A pool of worker threads.
///
/// Source: `multiprocessing.pool.ThreadPool` in CPython's documentation.
#[derive(Debug)]
pub struct ThreadPool(pub(crate) Engine<Threads>);

impl ThreadPool {
    /// Starts a pool of this many workers.
    ///
    /// # Errors
    ///
    /// A size of zero, or a thread that the system refused; then none is left.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.size(), 2);
    /// assert!(pool_thread::ThreadPool::new(0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(workers: usize) -> Result<Self, StartError> {
        Builder::default().size(workers).build()
    }

    /// Starts a pool with as many workers as this process may use CPUs.
    ///
    /// In Python 3.11 it is the machine's number, whatever the process may use.
    ///
    /// # Errors
    ///
    /// A thread that the system refused; then none is left.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = pool_thread::ThreadPool::with_default_size()?;
    /// assert_eq!(pool.size(), std::thread::available_parallelism()?.get());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_default_size() -> Result<Self, StartError> {
        Builder::default().build()
    }

    /// Settings, for a pool that needs more than a size.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = pool_thread::ThreadPool::builder().size(2).warn_on_drop(false).build()?;
    /// assert_eq!(pool.size(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Number of workers.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.size(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// Where the pool is in its life.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// pool.close();
    /// assert_eq!(pool.phase(), pool_thread::Phase::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn phase(&self) -> Phase {
        self.0.phase()
    }

    /// The pool's work and its workers in numbers; errors that nobody looked at among them. It walks the queue.
    ///
    /// An error is seen by whoever gets it: `get`, `get_timeout`, `get_ref`, awaiting the handle, an error callback,
    /// an `imap`'s iterator, any call that blocks. It counts as unseen once its handle, or the iterator it
    /// waits in, was dropped. Work that `terminate` has ended is no error.
    ///
    /// In Python such an error is lost without a trace.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// drop(pool.try_apply_async(str::parse::<u8>, "many")?);
    /// assert!(pool.try_apply(str::parse::<u8>, "few").is_err());
    /// pool.close();
    /// pool.join()?;
    /// let tally = pool.stats().tally;
    /// assert_eq!((tally.submitted, tally.ended), (2, 2));
    /// assert_eq!((tally.errors, tally.unseen), (2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        let (workers, started) = self.0.backend().head_count();
        Stats {
            tally: self.0.tally(),
            workers,
            started,
        }
    }
}

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

    /// As [`imap_task`](Self::imap_task), for a function that may fail: an item's `Err` is
    /// [`Failure::Raised`] at its place, and later items still come.
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

    /// Calls `body` with a scope in which tasks may borrow from the caller's stack and run beside it; when it
    /// returns, or unwinds, none of them is left.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let mut halves = (vec![1, 2], vec![3, 4]);
    /// let (left, right) = (&mut halves.0, &mut halves.1);
    /// pool.scope(|scope| {
    ///     let doubled = scope.apply_async(|by| left.iter_mut().for_each(|x| *x *= by), 2)?;
    ///     right.push(5);
    ///     doubled.get()
    /// })?;
    /// assert_eq!(halves, (vec![2, 4], vec![3, 4, 5]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scope<'env, R>(
        &self,
        body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, Threads>) -> R,
    ) -> R {
        self.0.scope(body)
    }

    /// Lets no more work in and returns at once; what was let in will be done. It may be repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.apply_async(|x: u32| x + 1, 1)?;
    /// pool.close();
    /// assert_eq!(pool.apply_async(|x: u32| x + 1, 1).err(), Some(pool_thread::Misuse::NotRunning));
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.0.close();
    }

    /// Stops the pool and returns at once: queued work is dropped, running functions finish with their results
    /// dropped, and every open handle resolves to [`Failure::Terminated`]. It may be repeated.
    ///
    /// In Python, `get()` on such a handle blocks for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// pool.terminate();
    /// pool.join()?;
    /// assert_eq!(pool.apply(|x: u32| x, 1), Err(pool_thread::Misuse::NotRunning.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn terminate(&self) {
        self.0.terminate();
    }

    /// Waits until every task is done, every callback has returned and no worker is left. It may be repeated.
    ///
    /// In Python it hangs in a callback, and when a worker has died with its task.
    ///
    /// # Errors
    ///
    /// [`Misuse::StillRunning`] before `close` or `terminate`, [`Misuse::WouldDeadlock`] from inside a task
    /// or callback of this pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_thread::{Misuse, ThreadPool};
    ///
    /// let pool = ThreadPool::new(2)?;
    /// assert_eq!(pool.join(), Err(Misuse::StillRunning));
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), Misuse> {
        self.0.join(None).map(|_| ())
    }

    /// As [`join`](Self::join), but for at most this long: false when the time was over first.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let gone = std::time::Duration::from_secs(60);
    /// pool.close();
    /// assert!(pool.join_timeout(gone)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, limit: Duration) -> Result<bool, Misuse> {
        self.0.join(Some(limit))
    }

    /// As [`join`](Self::join), to be awaited: it waits on a thread of its own, not on the executor's.
    ///
    /// # Errors
    ///
    /// Its output is what [`join`](Self::join) is refused with.
    ///
    /// # Examples
    ///
    /// ```
    /// async fn squares() -> Result<Vec<u64>, Box<dyn std::error::Error>> {
    ///     let pool = pool_thread::ThreadPool::new(2)?;
    ///     let squares = pool.map_async(|x: u64| x * x, 0..4)?.await?;
    ///     pool.close();
    ///     pool.join_async().await?;
    ///     Ok(squares)
    /// }
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # assert_eq!(runtime.block_on(squares())?, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_async(&self) -> JoinAsync {
        self.0.join_async()
    }

    /// Closes the pool and leaves it to itself: what was let in will be done, then workers and callbacks end, and
    /// nobody need join. What is not done when the program ends is not done.
    ///
    /// In Python a pool that nobody refers to lives on while a job is pending, and its end is up to the collector.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.apply_async(|x: u64| x + 1, 1)?;
    /// pool.detach();
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(self) {
        self.0.detach();
    }

    #[track_caller]
    pub(crate) fn call_batch<A: Send, F: Func<A> + Send + Sync>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<F::Out>, Failure<F::Raised>>
    where
        F::Out: Send,
        F::Raised: Send,
    {
        let items: Vec<A> = items.into_iter().collect();
        let chunksize = self.0.chunksize(items.len(), None)?;
        self.0.call(Batch::new(func, items, chunksize))
    }

    #[track_caller]
    pub(crate) fn batch_task<'p, A: Send + 'static, F: Func<A> + Send + Sync + 'static>(
        &'p self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'p, Vec<A>, Vec<F::Out>, F::Raised, Chunks>
    where
        F::Out: Send + 'static,
        F::Raised: Send + 'static,
    {
        let items: Vec<A> = items.into_iter().collect();
        Submission::new(items, move |items, chunks: Chunks, terms| {
            self.0.submit_batch(func, items, chunks.size(), terms)
        })
    }
}

impl Pool for ThreadPool {
    fn size(&self) -> usize {
        self.size()
    }

    fn tally(&self) -> Tally {
        self.0.tally()
    }

    fn close(&self) {
        self.close();
    }

    fn terminate(&self) {
        self.terminate();
    }

    fn join(&self) -> Result<(), Misuse> {
        self.join()
    }

    fn join_timeout(&self, limit: Duration) -> Result<bool, Misuse> {
        self.join_timeout(limit)
    }

    fn join_async(&self) -> JoinAsync {
        self.0.join_async()
    }

    fn detach(self) {
        self.0.detach();
    }

    fn submit_call<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        arg: A,
        terms: Terms<F::Out, F::Raised>,
    ) -> Submitted<F::Out, F::Raised, A>
    where
        F::Out: Portable,
        F::Raised: Portable,
    {
        self.0
            .submit_task(Call { func, arg }, terms, |call| call.arg)
    }

    fn submit_map<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        items: Vec<A>,
        chunksize: Option<usize>,
        terms: Terms<Vec<F::Out>, F::Raised>,
    ) -> Submitted<Vec<F::Out>, F::Raised, Vec<A>>
    where
        F::Out: Portable,
        F::Raised: Portable,
    {
        self.0.submit_batch(func, items, chunksize, terms)
    }

    fn submit_imap<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
        flow: Flow,
    ) -> Result<Imap<F::Out, F::Raised>, Misuse>
    where
        F::Out: Portable,
        F::Raised: Portable,
    {
        self.0.imap(func, items, flow)
    }
}
