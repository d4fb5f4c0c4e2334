//! The face of the crate: `ProcessPool`.

use std::fmt;
use std::time::Duration;

use pool_core::{
    AsyncResult, Call, Chunks, Engine, Failure, Flow, FnPtr, Imap, ImapSubmission, JoinAsync,
    Misuse, Never, Phase, Pool, Portable, Submission, Submitted, Tally, Terms, Tuple,
};

use crate::backend::Processes;
use crate::stats::Stats;

/// A pool of worker processes.
///
/// Functions are plain functions, or closures that capture nothing; arguments and results are serde data, of
/// which the worker gets, and gives back, copies. A task that crashes its worker fails alone.
///
/// Dropping a pool terminates it; `close()` and `join()` it to have its work done.
///
/// # Examples
///
/// ```
/// use pool_process::ProcessPool;
///
/// let pool = ProcessPool::new(2)?;
/// assert_eq!(pool.map(|x: u64| x * x, 0..5)?, [0, 1, 4, 9, 16]);
/// pool.close();
/// pool.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ProcessPool(pub(crate) Engine<Processes>);

impl Pool for ProcessPool {
    fn size(&self) -> usize {
        self.0.size()
    }

    fn tally(&self) -> Tally {
        self.0.tally()
    }

    fn close(&self) {
        self.0.close();
    }

    fn terminate(&self) {
        self.0.terminate();
    }

    fn join(&self) -> Result<(), Misuse> {
        self.0.join(None).map(|_| ())
    }

    fn join_timeout(&self, limit: Duration) -> Result<bool, Misuse> {
        self.0.join(Some(limit))
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

/// The methods of [`Pool`], for programs that have no other kind of pool in view.
impl ProcessPool {
    /// Number of workers.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// assert_eq!(pool.size(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn size(&self) -> usize {
        Pool::size(self)
    }

    /// Where the pool is in its life.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// pool.close();
    /// assert_eq!(pool.phase(), pool_process::Phase::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn phase(&self) -> Phase {
        self.0.phase()
    }

    /// The pool's work and its workers in numbers, errors that nobody looked at among them, and how workers are
    /// started, and why so. It walks the queue.
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
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// drop(pool.apply_async(|code: i32| -> () { std::process::exit(code) }, 3)?);
    /// pool.close();
    /// pool.join()?;
    /// let stats = pool.stats();
    /// assert_eq!((stats.tally.errors, stats.tally.unseen, stats.lost), (1, 1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        Stats {
            tally: self.0.tally(),
            ..self.0.backend().stats()
        }
    }

    /// Lets no more work in and returns at once; what was let in will be done. It may be repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.apply_async(|x: u32| x + 1, 1)?;
    /// pool.close();
    /// assert_eq!(pool.apply_async(|x: u32| x + 1, 1).err(), Some(pool_process::Misuse::NotRunning));
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        Pool::close(self);
    }

    /// Stops the pool: queued work is dropped, running work is stopped by SIGTERM and, after the
    /// [grace](crate::Builder::grace), by SIGKILL; every open handle resolves to [`Failure::Terminated`]. It returns
    /// without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// pool.terminate();
    /// pool.join()?;
    /// assert_eq!(pool.apply(|x: u32| x, 1), Err(pool_process::Misuse::NotRunning.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn terminate(&self) {
        Pool::terminate(self);
    }

    /// Waits until every task is done, every callback has returned and no worker is left. It may be repeated.
    ///
    /// In Python it hangs in a callback, and when a worker has died with its task.
    ///
    /// # Errors
    ///
    /// [`Misuse::StillRunning`] before `close` or `terminate`, [`Misuse::WouldDeadlock`] from inside a
    /// callback of this pool.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// assert_eq!(pool.join(), Err(pool_process::Misuse::StillRunning));
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), Misuse> {
        Pool::join(self)
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
    /// # let pool = pool_process::ProcessPool::new(2)?;
    /// let gone = std::time::Duration::from_secs(60);
    /// pool.close();
    /// assert!(pool.join_timeout(gone)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, limit: Duration) -> Result<bool, Misuse> {
        Pool::join_timeout(self, limit)
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
    ///     let pool = pool_process::ProcessPool::new(2)?;
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
    /// nobody need join. Workers, which are processes, live no longer than the program: what is not done when
    /// it ends is stopped.
    ///
    /// In Python a pool that nobody refers to lives on while a job is pending, and its end is up to the collector.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = pool_process::ProcessPool::new(2)?;
    /// let handle = pool.apply_async(|x: u64| x + 1, 1)?;
    /// pool.detach();
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(self) {
        self.0.detach();
    }

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

    /// As [`imap_task`](Self::imap_task), for a function that may fail: an item's `Err` is
    /// [`Failure::Raised`] at its place, and later items still come.
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

    /// As [`map`](Self::map), with each item a tuple of the function's arguments; `func` captures nothing:
    /// [`starmap_with`](Self::starmap_with) hands it more.
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

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
