//! The methods of every pool, written once: Python's names, and the long form that all of them share.

mod with_context;

use std::error::Error;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use crate::backends::{Backend, StartError};
use crate::call::{Call, Each};
use crate::engine::Engine;
use crate::error::{Never, PoolError, TaskError};
use crate::handle::AsyncResult;
use crate::imap::{Imap, Results};
use crate::lifecycle::Phase;
use crate::shutdown::JoinAsync;
use crate::stats::{TaskStats, UnhandledError};
use crate::task::{
    ContextValue, FnCall, FnEach, Plain, PlainCall, PlainEach, Portable, Star, TryCall, TryEach,
    TryStar, Trying, Tuple,
};

pub use with_context::WithContext;

/// A worker pool: the methods of `multiprocessing.Pool`, on any kind of worker.
///
/// Functions are plain functions, or closures that capture nothing; arguments and results are [`Portable`]. A pool of threads has
/// methods of the same names that take closures which capture and borrow.
///
/// Each verb has a short form with Python's name ([`apply`](Pool::apply), [`map`](Pool::map), [`imap`](Pool::imap), ...), and
/// all share one long form: [`call`](Pool::call) and [`each`](Pool::each) give a builder, its methods set options, and its last
/// method says how the work is submitted. The `try_` forms are for functions that return a `Result`: its `Err` is what a raised
/// exception is in Python. [`with`](Pool::with) gives a view of the pool whose functions get a reference to a context.
///
/// A backend implements this trait in four lines, on top of its [`Backend`]; see [`pool_core::backend`](crate::backend).
///
/// Source: `multiprocessing.pool.Pool` in CPython's documentation.
///
/// # Examples
///
/// A program for any kind of worker:
///
/// ```
/// use pool_core::prelude::*;
///
/// fn squares(pool: &impl Pool) -> Result<Vec<u64>, TaskError> {
///     pool.each(|x: u64| x * x, 0..4).chunksize(2).callback(|all| println!("{} values", all.len())).wait()
/// }
/// ```
pub trait Pool: Sized {
    /// The kind of worker.
    type Backend: Backend;

    /// What the pool is made of. Every other method comes from it.
    fn engine(&self) -> &Engine<Self::Backend>;

    // The life of a pool.

    /// Number of workers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.size(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn size(&self) -> usize {
        self.engine().size()
    }

    /// Changes the number of workers, and returns at once. Workers that are too many leave: first those that have nothing to do, then
    /// each that has ended its task. No task is lost by it.
    ///
    /// Chunk sizes that the pool chooses are then those of a pool of this size. A closed pool may be resized as well; one that was
    /// terminated has no workers any more.
    ///
    /// In Python the number of workers stays as it is.
    ///
    /// # Errors
    ///
    /// A size of zero or of more workers than a system can have; a thread that the system refuses, and then the pool has as many
    /// as before (a process that it refuses is tried again, as one that replaces another). A pool on other machines has the
    /// workers that these give it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// pool.resize(4)?;
    /// assert_eq!(pool.size(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn resize(&self, workers: usize) -> Result<(), StartError> {
        self.engine().resize(workers)
    }

    /// Where the pool is in its life.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// pool.close();
    /// assert_eq!(pool.phase(), pool_core::Phase::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn phase(&self) -> Phase {
        self.engine().phase()
    }

    /// How many tasks were submitted and have ended, how many errors there were, and how many of them nobody looked at. It walks
    /// the queue.
    ///
    /// An error is handled when somebody gets it: by `get`, `get_timeout` or `get_ref`, by awaiting the handle, in an error
    /// callback, from the iterator of an `imap`, from a call that blocks. It is unhandled once its handle, or the iterator
    /// that it waits in, was dropped. What `terminate` ends is no error.
    ///
    /// In Python an unhandled error leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// drop(pool.try_apply_async(str::parse::<u8>, "many")?);
    /// assert!(pool.try_apply(str::parse::<u8>, "few").is_err());
    /// pool.close();
    /// pool.join()?;
    /// let tasks = pool.task_stats();
    /// assert_eq!((tasks.submitted, tasks.ended), (2, 2));
    /// assert_eq!((tasks.errors, tasks.unhandled), (2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn task_stats(&self) -> TaskStats {
        self.engine().task_stats()
    }

    /// Admits no more work and returns at once; what was admitted will be done. It may be repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.apply_async(|x: u32| x + 1, 1)?;
    /// pool.close();
    /// assert_eq!(pool.apply_async(|x: u32| x + 1, 1).err(), Some(PoolError::NotRunning));
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn close(&self) {
        self.engine().close();
    }

    /// Stops the pool and returns at once; it may be repeated. Queued work is dropped, and every open handle resolves to
    /// [`TaskError::Terminated`].
    ///
    /// Processes are stopped by SIGTERM and, after the grace of their builder, by SIGKILL. Threads cannot be stopped: running
    /// functions finish, and their results are dropped. What runs of a map is a chunk, all of it: smaller
    /// [chunks](Each::chunksize) end sooner.
    ///
    /// In Python, `get()` on such a handle blocks for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// pool.terminate();
    /// pool.join()?;
    /// assert_eq!(pool.apply(|x: u32| x, 1), Err(PoolError::NotRunning.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn terminate(&self) {
        self.engine().terminate();
    }

    /// Waits until every task is done, every callback has returned and no worker is left. It may be repeated.
    ///
    /// In Python it hangs in a callback, and when a worker has died with its task.
    ///
    /// # Errors
    ///
    /// [`PoolError::StillRunning`] before `close` or `terminate`; [`PoolError::WouldDeadlock`] inside a task or callback of
    /// this pool, inside the input of an `imap` of it, and inside the code that encodes and decodes its arguments and results.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.join(), Err(PoolError::StillRunning));
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn join(&self) -> Result<(), PoolError> {
        self.engine().join(None).map(|_| ())
    }

    /// As [`join`](Self::join), but for at most this long: false when the time was over first.
    ///
    /// A limit of zero only looks; a longer one reads on what is left of the inputs of imaps, as `join` does.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// pool.close();
    /// assert!(pool.join_timeout(std::time::Duration::from_secs(60))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn join_timeout(&self, limit: Duration) -> Result<bool, PoolError> {
        self.engine().join(Some(limit))
    }

    /// As [`join`](Self::join), to be awaited: it waits on a thread of its own, not on the executor's.
    ///
    /// Its output is `Ok(())`, or what [`join`](Self::join) is refused with.
    ///
    /// The drop of a pool terminates and joins it, and so blocks the thread that it happens on: in async code, end a pool by
    /// `close` and `join_async().await`, or by [`detach`](Self::detach), before it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::prelude::*;
    ///
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
    fn join_async(&self) -> JoinAsync {
        self.engine().join_async()
    }

    /// Closes the pool and joins it in the background: what was admitted will be done, then workers and callbacks end.
    /// What is not done when the program ends is not done: processes are stopped then.
    ///
    /// In Python a pool that nobody refers to lives on while a job is pending, and its end is up to the collector.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.apply_async(|x: u64| x + 1, 1)?;
    /// pool.detach();
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn detach(self) {
        self.engine().detach();
    }

    /// Calls `body` with the pool, then closes and joins it: all that was submitted has been done when it returns.
    ///
    /// When `body` panics, the pool is terminated and joined, and the panic goes on.
    ///
    /// In Python `with Pool() as pool` terminates the pool instead, and errors of tasks that nobody asked for are lost.
    ///
    /// # Errors
    ///
    /// The body's own error; else the first error of a task that nobody looked at.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::prelude::*;
    /// use pool_thread::ThreadPool;
    ///
    /// let squares = ThreadPool::new(2)?.run_to_completion(|pool| pool.map(|x: u64| x * x, 0..4))?;
    /// assert_eq!(squares, [0, 1, 4, 9]);
    ///
    /// let ended = ThreadPool::new(2)?.run_to_completion(|pool| {
    ///     for text in ["1", "many"] {
    ///         drop(pool.try_apply_async(|text: String| text.parse::<u8>().map_err(|e| e.to_string()), text.to_owned())?);
    ///     }
    ///     Ok::<(), PoolError>(())
    /// });
    /// assert!(ended.unwrap_err().to_string().starts_with("task failed: invalid digit found in string (task 1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn run_to_completion<R, E>(
        self,
        body: impl FnOnce(&Self) -> Result<R, E>,
    ) -> Result<R, RunError<E>> {
        let ended = match panic::catch_unwind(AssertUnwindSafe(|| body(&self))) {
            Ok(ended) => ended,
            Err(payload) => {
                self.terminate();
                drop(self);
                panic::resume_unwind(payload);
            }
        };
        self.close();
        let joined = self.join();
        let value = ended.map_err(RunError::Body)?;
        joined.map_err(RunError::Pool)?;
        match self.task_stats().first_unhandled {
            Some(error) => Err(RunError::Unhandled(error)),
            None => Ok(value),
        }
    }

    // The long form.

    /// A call of `func(arg)` that is about to be submitted.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.call(|x: u64| x + 1, 1).callback(|value| println!("got {value}")).submit()?;
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    fn call<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        arg: A,
    ) -> Call<'_, Self, PlainCall<A, R>, R> {
        let func = Plain(func);
        Call::new(self, FnCall { func, arg })
    }

    /// As [`call`](Self::call), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let parse = |text: String| text.parse::<u8>().map_err(|error| error.to_string());
    /// let parsed = pool.try_call(parse, "many".to_owned()).error_callback(|error| eprintln!("{error}")).wait();
    /// assert!(parsed.is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    fn try_call<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        arg: A,
    ) -> Call<'_, Self, TryCall<A, R, E>, R, E> {
        let func = Trying(func);
        Call::new(self, FnCall { func, arg })
    }

    /// A call of `func` for each item that is about to be submitted, as a map or as an imap. It is also the long form of
    /// [`starmap`](Self::starmap): `pool.each(|(a, b)| func(a, b), pairs)`. It owns its items: [`map`](Self::map) may borrow them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.each(|x: u64| x * x, 0..4).chunksize(2).wait()?, [0, 1, 4, 9]);
    /// let sums = pool.each(|(a, b): (u64, u64)| a + b, [(1, 2), (3, 4)]).callback(|sums| println!("{sums:?}"));
    /// assert_eq!(sums.wait()?, [3, 7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    fn each<A: Portable, R: Portable, I: IntoIterator<Item = A>>(
        &self,
        func: fn(A) -> R,
        items: I,
    ) -> Each<'_, Self, PlainEach<A, R>, I, R> {
        Each::new(self, FnEach(Plain(func)), items)
    }

    /// As [`each`](Self::each), for a function that may fail. In a map a failing item ends its chunk; in an imap each item fails
    /// on its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let half = |x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) };
    /// assert_eq!(pool.try_each(half, [2, 4]).chunksize(1).wait()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    fn try_each<A: Portable, R: Portable, E: Portable, I: IntoIterator<Item = A>>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: I,
    ) -> Each<'_, Self, TryEach<A, R, E>, I, R, E> {
        Each::new(self, FnEach(Trying(func)), items)
    }

    /// As [`try_each`](Self::try_each), for an input that may fail, such as the lines of a file. The first `Err` of an imap's
    /// input comes as [`TaskError::Raised`] behind the results of all items before it, and is the end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let input = (0..4).map(|x| if x < 2 { Ok(x) } else { Err("too many".to_owned()) });
    /// let results = pool.try_each_ok(|x: u32| Ok(x), input).chunksize(2).imap_unordered()?;
    /// assert_eq!(results.filter(Result::is_ok).count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    fn try_each_ok<A: Portable, R: Portable, E: Portable, I: IntoIterator<Item = Result<A, E>>>(
        &self,
        func: fn(A) -> Result<R, E>,
        results: I,
    ) -> Each<'_, Self, TryEach<A, R, E>, Results<I>, R, E> {
        Each::new(self, FnEach(Trying(func)), Results(results))
    }

    /// A view of the pool with the same verbs, whose functions get a reference to this context before their argument. It can be
    /// cloned and kept.
    ///
    /// Threads share the context. A process gets a copy, once for as long as the view, a clone of it or a job of it lives.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let names = pool.with(vec!["ada".to_owned(), "bob".to_owned(), "cyd".to_owned()]);
    /// assert_eq!(names.map(|names, index: usize| names[index].clone(), [2, 0])?, ["cyd", "ada"]);
    /// assert_eq!(names.apply(|names, index: usize| names[index].len(), 1)?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn with<C: Portable + Sync>(&self, context: C) -> WithContext<'_, Self, C> {
        self.with_arc(Arc::new(context))
    }

    /// As [`with`](Self::with), for a context that the program shares already. An `Arc<[f64]>`, of whatever plain numbers, or an
    /// `Arc<str>` is no copy in each process: all workers read the same memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let table = std::sync::Arc::new(vec![1, 2, 3]);
    /// assert_eq!(pool.with_arc(table.clone()).map(|table, index: usize| table[index], [2, 0])?, [3, 1]);
    /// assert_eq!(table.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn with_arc<C: ContextValue + ?Sized>(&self, context: Arc<C>) -> WithContext<'_, Self, C> {
        WithContext::new(self, context)
    }

    // Python's names: one call.

    /// Calls `func(arg)` on a worker and waits for its value.
    ///
    /// # Errors
    ///
    /// Why there is no value.
    #[track_caller]
    fn apply<A: Portable, R: Portable>(&self, func: fn(A) -> R, arg: A) -> Result<R, TaskError> {
        self.call(func, arg).wait()
    }

    /// Queues `func(arg)` and returns at once. Its long form, with callbacks, is [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn apply_async<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        arg: A,
    ) -> Result<AsyncResult<R>, PoolError> {
        self.call(func, arg).submit()
    }

    /// As [`apply`](Self::apply), for a function that may fail.
    ///
    /// # Errors
    ///
    /// Its own error as [`TaskError::Raised`], or why there is no value.
    #[track_caller]
    fn try_apply<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        arg: A,
    ) -> Result<R, TaskError<E>> {
        self.try_call(func, arg).wait()
    }

    /// As [`apply_async`](Self::apply_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_apply_async<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        arg: A,
    ) -> Result<AsyncResult<R, E>, PoolError> {
        self.try_call(func, arg).submit()
    }

    // A call for each item.

    /// Calls `func` for each item and waits for all values, in the items' order. Its long form, with chunk size and callbacks, is
    /// [`each`](Self::each).
    ///
    /// # Errors
    ///
    /// The first error in time, once all chunks have ended.
    #[track_caller]
    fn map<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError> {
        self.each(func, items).wait()
    }

    /// As [`map`](Self::map), with the results in a buffer that is used again: what it held is dropped, and its memory is kept.
    ///
    /// # Errors
    ///
    /// As for [`map`](Self::map); then the buffer is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::prelude::*;
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let mut squares = Vec::new();
    /// for start in [0, 10] {
    ///     pool.map_into(|x: u64| x * x, start..start + 3, &mut squares)?;
    ///     println!("{squares:?}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    fn map_into<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
        results: &mut Vec<R>,
    ) -> Result<(), TaskError> {
        let erase = Self::Backend::map_job;
        self.engine().map_into(Plain(func), items, results, erase)
    }

    /// Queues a call of `func` for each item and returns at once; the items are read before it does.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn map_async<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, PoolError> {
        self.each(func, items).submit()
    }

    /// As [`map`](Self::map), for a function that may fail; a failing item ends its chunk.
    ///
    /// # Errors
    ///
    /// The first error in time, once all chunks have ended.
    #[track_caller]
    fn try_map<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError<E>> {
        self.try_each(func, items).wait()
    }

    /// As [`map_async`](Self::map_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_map_async<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, E>, PoolError> {
        self.try_each(func, items).submit()
    }

    /// As [`map`](Self::map), with each item a tuple of the function's 2 to 6 arguments. The function is a closure: a named one is
    /// given as `|a, b| func(a, b)`. Its long form is [`each`](Self::each): `pool.each(|(a, b)| func(a, b), pairs)`.
    ///
    /// # Errors
    ///
    /// The first error in time, once all chunks have ended.
    #[track_caller]
    fn starmap<A: Tuple + Portable, R: Portable>(
        &self,
        func: A::Fn<R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError> {
        self.starmap_async(func, items)?.get()
    }

    /// As [`map_async`](Self::map_async), with each item a tuple of the function's arguments.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn starmap_async<A: Tuple + Portable, R: Portable>(
        &self,
        func: A::Fn<R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, PoolError> {
        Each::<_, _, _, R, Never>::new(self, FnEach(Star(func)), items).submit()
    }

    /// As [`starmap`](Self::starmap), for a function that may fail.
    ///
    /// # Errors
    ///
    /// The first error in time, once all chunks have ended.
    #[track_caller]
    fn try_starmap<A: Tuple + Portable, R: Portable, E: Portable>(
        &self,
        func: A::Fn<Result<R, E>>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError<E>> {
        self.try_starmap_async(func, items)?.get()
    }

    /// As [`starmap_async`](Self::starmap_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_starmap_async<A: Tuple + Portable, R: Portable, E: Portable>(
        &self,
        func: A::Fn<Result<R, E>>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, E>, PoolError> {
        Each::<_, _, _, R, E>::new(self, FnEach(TryStar(func)), items).submit()
    }

    // A call for each item, read and yielded as it goes.

    /// Calls `func` for each item; results come in the items' order, each as soon as it and all before it are
    /// there. The input is read a bounded number of items ahead, and may be infinite.
    ///
    /// In Python the whole input is read at once.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn imap<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, PoolError> {
        self.each(func, items).imap()
    }

    /// As [`imap`](Self::imap), in the order of completion.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn imap_unordered<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, PoolError> {
        self.each(func, items).imap_unordered()
    }

    /// As [`imap`](Self::imap), for a function that may fail: an item's `Err` is [`TaskError::Raised`] at its place, and later
    /// items still come.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_imap<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, PoolError> {
        self.try_each(func, items).imap()
    }

    /// As [`try_imap`](Self::try_imap), in the order of completion.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_imap_unordered<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, PoolError> {
        self.try_each(func, items).imap_unordered()
    }
}

/// Why [`run_to_completion`](Pool::run_to_completion) returned no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError<E> {
    /// What the body returned.
    Body(E),
    /// The first error of a task that nobody looked at.
    Unhandled(UnhandledError),
    /// The pool cannot be joined here: the body ran inside one of its own tasks.
    Pool(PoolError),
}

impl<E: fmt::Display> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Body(error) => error.fmt(f),
            RunError::Unhandled(error) => error.fmt(f),
            RunError::Pool(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for RunError<E> {}
