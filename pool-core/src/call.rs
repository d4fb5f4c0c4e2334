//! The long form of all verbs: `pool.call(f, a)` and `pool.each(f, items)` are builders that share their options; the last method
//! says how the work is submitted.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::admission::Admission;
use crate::cancel::CancelToken;
use crate::error::{Never, PoolError, TaskError};
use crate::handle::{AsyncResult, Submitted};
use crate::imap::{Imap, ImapOptions};
use crate::options::SubmitOptions;
use crate::retry::RetryIf;
use crate::submit_async::SubmitAsync;

/// A pool that can run this work: one call. Every pool can run plain functions, a pool of threads also closures.
pub trait RunCall<W> {
    /// What comes back where the work is not admitted.
    type Argument;
    /// What the call yields.
    type Out;
    /// The error that it returns.
    type Raised;

    /// Queues it.
    ///
    /// # Errors
    ///
    /// The pool refuses the call, or the queue is full and the options do not wait; the argument comes back.
    fn submit_call(
        &self,
        work: W,
        options: SubmitOptions<Self::Out, Self::Raised>,
    ) -> Submitted<Self::Out, Self::Raised, Self::Argument>;

    /// As [`submit_call`](Self::submit_call), waiting for a place without blocking the thread.
    fn submit_call_async(
        &self,
        work: W,
        options: SubmitOptions<Self::Out, Self::Raised>,
    ) -> SubmitAsync<Self::Out, Self::Raised>;
}

/// A pool that can run this work for each item of `I`, as a map.
#[diagnostic::on_unimplemented(
    message = "this pool cannot map this function over `{I}`",
    label = "not submitted as a map",
    note = "an input of results, that of `try_each_ok`, is for `imap` and `imap_unordered`"
)]
pub trait RunEach<W, I> {
    /// An item.
    type Item;
    /// What a call yields.
    type Out;
    /// The error that it returns.
    type Raised;

    /// Queues a call for each item, in chunks.
    ///
    /// # Errors
    ///
    /// As for [`RunCall::submit_call`]; the items come back.
    fn submit_each(
        &self,
        work: W,
        items: I,
        options: SubmitOptions<Vec<Self::Out>, Self::Raised>,
    ) -> Submitted<Vec<Self::Out>, Self::Raised, Vec<Self::Item>>;

    /// As [`submit_each`](Self::submit_each), waiting for places without blocking the thread.
    fn submit_each_async(
        &self,
        work: W,
        items: I,
        options: SubmitOptions<Vec<Self::Out>, Self::Raised>,
    ) -> SubmitAsync<Vec<Self::Out>, Self::Raised>;
}

/// A pool that can run this work for each item of `I`, as an imap.
pub trait RunImap<W, I> {
    /// What a call yields.
    type Out;
    /// The error that it returns.
    type Raised;

    /// Starts the imap.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`], [`PoolError::ZeroChunksize`], [`PoolError::ZeroReadAhead`].
    fn start_imap(
        &self,
        work: W,
        items: I,
        options: ImapOptions,
    ) -> Result<Imap<Self::Out, Self::Raised>, PoolError>;
}

/// One call that is about to be submitted; made by [`Pool::call`](crate::Pool::call) and the like. Nothing happens before one
/// of the methods at its end: [`submit`](Call::submit), [`wait`](Call::wait) and so on.
///
/// `T` is what the call yields, `E` the error of a `try_` form.
#[must_use = "nothing is submitted before `submit`, `wait`, `try_submit`, `submit_timeout` or `submit_async`"]
pub struct Call<'p, P, W, T, E = Never> {
    pool: &'p P,
    work: W,
    options: SubmitOptions<T, E>,
}

/// A call for each item that is about to be submitted; made by [`Pool::each`](crate::Pool::each) and the like. Nothing happens
/// before one of the methods at its end: [`submit`](Each::submit), [`wait`](Each::wait), [`imap`](Each::imap) and so on.
///
/// `R` is what a call yields, `E` the error of a `try_` form. A map calls its callback with all values at once.
#[must_use = "nothing is submitted before `submit`, `wait`, `imap`, `imap_unordered` or another of its kind"]
pub struct Each<'p, P, W, I, R, E = Never> {
    pool: &'p P,
    work: W,
    items: I,
    options: SubmitOptions<Vec<R>, E>,
    result: PhantomData<fn() -> R>,
}

impl<'p, P, W, T, E> Call<'p, P, W, T, E> {
    /// A call that `pool` is to run.
    #[track_caller]
    pub fn new(pool: &'p P, work: W) -> Self {
        Call {
            pool,
            work,
            options: SubmitOptions::here(),
        }
    }

    /// Tries the call again after an error of its function for which `pick` says true, as often as [`retries`](Call::retries) allows, after
    /// [`retry_pause`](Call::retry_pause). It keeps the place in the queue that it had; what lies in front of a worker process already goes
    /// first.
    ///
    /// The function and its argument are cloned, so that there is one of each for the next time. `pick` runs in this process: on a thread of
    /// the pool, or on one that waits for the pool. One that panics picks nothing. A panic of the function is not tried again.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let calls = Arc::new(AtomicU32::new(0));
    /// let busy_twice = move |x: u32| match calls.fetch_add(1, Ordering::Relaxed) {
    ///     0 | 1 => Err("busy"),
    ///     _ => Ok(x),
    /// };
    /// let call = pool.try_call(busy_twice, 7).retries(3).retry_if(|error| *error == "busy");
    /// assert_eq!(call.wait(), Ok(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_if(
        self,
        pick: impl Fn(&E) -> bool + Send + Sync + 'static,
    ) -> Call<'p, P, W::Retrying<E>, T, E>
    where
        W: RetryIf,
    {
        Call {
            pool: self.pool,
            work: self.work.retry_if(Arc::new(pick)),
            options: self.options,
        }
    }
}

impl<'p, P, W, I, R, E> Each<'p, P, W, I, R, E> {
    /// Tries an item again after an error of its function for which `pick` says true, as [`Call::retry_if`] does with a call. The others
    /// go on meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let half = |x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) };
    /// let halves = pool.try_each(half, [2, 7, 4]).retries(2).retry_if(|error| error.contains("odd")).imap()?;
    /// let ends: Vec<_> = halves.map(|half| half.map_err(|error| error.to_string())).collect();
    /// assert_eq!(ends, [Ok(1), Err("task failed at item 1 in 3 attempts: 7 is odd".to_owned()), Ok(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_if(
        self,
        pick: impl Fn(&E) -> bool + Send + Sync + 'static,
    ) -> Each<'p, P, W::Retrying<E>, I, R, E>
    where
        W: RetryIf,
    {
        Each {
            pool: self.pool,
            work: self.work.retry_if(Arc::new(pick)),
            items: self.items,
            options: self.options,
            result: PhantomData,
        }
    }

    /// A call for each item that `pool` is to run.
    #[track_caller]
    pub fn new(pool: &'p P, work: W, items: I) -> Self {
        Each {
            pool,
            work,
            items,
            options: SubmitOptions::here(),
            result: PhantomData,
        }
    }

    /// Items per chunk, at least 1. A chunk is one task for one worker. Without it a map makes about four chunks for each
    /// worker, and an imap chunks of one item.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// assert_eq!(pool.each(|x| x * x, 0..6).chunksize(3).wait()?, [0, 1, 4, 9, 16, 25]);
    /// assert!(pool.each(|x: i32| x, 0..6).chunksize(0).wait().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunksize(mut self, items: usize) -> Self {
        self.options.more().chunksize = Some(items);
        self
    }

    /// How many chunks of an imap may be in the pool, or done and not yet taken, at least 1. Without it these are at first four
    /// for each worker, and more where chunks are short. A map has all its items in the pool, whatever this says.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let halves = pool.each(|x| x / 2, 0..).read_ahead(1).imap()?;
    /// assert_eq!(halves.flatten().take(3).collect::<Vec<i32>>(), [0, 0, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_ahead(mut self, chunks: usize) -> Self {
        self.options.more().read_ahead = Some(chunks);
        self
    }
}

/// The options that all builders share; written once.
macro_rules! options {
    ([$($generics:tt)*] $builder:ty, $value:ty) => {
        impl<$($generics)*> $builder {
            /// Calls this with the value, in this process, on one thread at a time, before the handle is ready.
            ///
            /// # Examples
            ///
            /// ```
            /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
            /// let handle = pool.call(|x| x + 1, 1).callback(|value| println!("got {value}")).submit()?;
            /// let squares = pool.each(|x| x * x, 0..9).callback(|all| println!("{} values", all.len())).wait()?;
            /// handle.wait(); // until the callback has returned, too
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn callback(mut self, callback: impl FnOnce(&$value) + Send + 'static) -> Self {
                self.options.more().callback = Some(Box::new(callback));
                self
            }

            /// Calls this with the error, as [`callback`](Self::callback) does with the value.
            ///
            /// # Examples
            ///
            /// ```
            /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
            /// let parsed = pool.try_call(str::parse::<u8>, "x").error_callback(|error| eprintln!("{error}")).wait();
            /// assert!(parsed.is_err());
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn error_callback(
                mut self,
                callback: impl FnOnce(&TaskError<E>) + Send + 'static,
            ) -> Self {
                self.options.more().error_callback = Some(Box::new(callback));
                self
            }

            /// How long each task may run, from its start: a call, or a chunk of a map or imap, by the pool's own timers. A task that has
            /// not finished by then fails with [`TaskError::DeadlineExceeded`]; other chunks go on. In the queue no time passes.
            ///
            /// A process is stopped, by SIGTERM and after the pool's grace by SIGKILL, and replaced; the error comes when it has ended, and
            /// no other task is touched. A function on a thread cannot be stopped: its error comes at once and says that the function is
            /// `running`; its worker takes no other task until it returns, and it may look whether it is
            /// [`cancelled`](crate::cancelled()).
            ///
            /// # Examples
            ///
            /// ```
            /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
            /// use std::time::Duration;
            /// use pool_core::{Pool, TaskError, cancelled};
            ///
            /// let late = |x: u32| while x == 1 && !cancelled() { std::thread::yield_now() };
            /// let results = pool.each(late, [0, 1, 2]).deadline(Duration::from_millis(1)).imap()?;
            /// let ends: Vec<_> = results.collect();
            /// assert!(matches!(&ends[1], Err(TaskError::DeadlineExceeded(exceeded)) if exceeded.running));
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn deadline(mut self, limit: Duration) -> Self {
                self.options.limits().deadline = Some(limit);
                self
            }

            /// How long the whole call, map or imap may take, from its submission: in the queue, also while it waits for a place there,
            /// and while it runs. What has not finished by then is ended as by a cancel, with [`TaskError::DeadlineExceeded`]. An imap
            /// gives what has arrived before, then this error once, then ends.
            ///
            /// # Examples
            ///
            /// ```
            /// # let pool = pool_thread::ThreadPool::builder().size(1).panic_hook(false).build()?;
            /// use std::time::Duration;
            /// use pool_core::{Pool, TaskError};
            ///
            /// let (sender, receiver) = std::sync::mpsc::channel::<()>();
            /// let blocks = pool.apply_async(move |()| receiver.recv().is_err(), ())?;
            /// let queued = pool.call(|x| x + 1, 1).expiry(Duration::from_millis(1)).submit()?;
            /// assert!(matches!(queued.get(), Err(TaskError::DeadlineExceeded(exceeded)) if !exceeded.running));
            /// drop(sender);
            /// assert!(blocks.get()?);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn expiry(mut self, limit: Duration) -> Self {
                self.options.limits().expiry = Some(limit);
                self
            }

            /// How often a task is tried again that was lost with its worker, or whose error [`retry_if`](Self::retry_if) has picked, each
            /// item of a map or imap for itself: with retries each is a task of its own, and a [`chunksize`](Each::chunksize) of more
            /// is refused. Without it such a task fails at once. A task that was tried again this often fails with its last error,
            /// whose [`attempts`](TaskError::attempts) says so.
            ///
            /// What the task had done before its worker died is done again, so it is for functions that may be repeated. What is
            /// cancelled, or has passed its deadline, is not tried again. A pool of threads loses no worker. A pool of processes may have a
            /// number for all its calls that do not say one.
            ///
            /// # Examples
            ///
            /// ```
            /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
            /// use std::time::Duration;
            ///
            /// let second = Duration::from_secs(1);
            /// let squares = pool.each(|x| x * x, 0..3).retries(2).retry_pause(second).wait()?;
            /// assert_eq!(squares, [0, 1, 4]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn retries(mut self, most: u32) -> Self {
                self.options.limits().retries.most = Some(most);
                self
            }

            /// How long a task waits before it is tried again, by the pool's own timers; twice as long before each further
            /// [retry](Self::retries). Without it there is no pause. Its worker runs other tasks meanwhile.
            pub fn retry_pause(mut self, first: Duration) -> Self {
                self.options.limits().retries.pause = Some(first);
                self
            }

            /// Has this token cancel the call, map or imap, as [`AsyncResult::cancel`] does. Where it was cancelled before, nothing
            /// starts.
            ///
            /// # Examples
            ///
            /// ```
            /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
            /// use pool_core::{CancelToken, Pool, TaskError};
            ///
            /// let token = CancelToken::new();
            /// assert_eq!(pool.call(|x| x + 1, 1).cancel_on(&token).wait()?, 2);
            /// token.cancel();
            /// assert_eq!(pool.each(|x| x + 1, 0..9).cancel_on(&token).wait(), Err(TaskError::Cancelled));
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn cancel_on(mut self, token: &CancelToken) -> Self {
                self.options.limits().token = Some(token.clone());
                self
            }
        }
    };
}

options!(['p, P, W, T, E] Call<'p, P, W, T, E>, T);
options!(['p, P, W, I, R, E] Each<'p, P, W, I, R, E>, Vec<R>);

/// How a submission ends; written once.
macro_rules! submissions {
    ([$($bound:tt)+] $value:ty, $argument:ty, $send:ident, $send_async:ident, [$($work:ident),+], $example:literal) => {
        /// Queues it and returns its handle at once; where the pool's queue has a bound and is full, as soon as there is a place.
        ///
        /// A task that waits here for a place in its own pool has a compensation thread run in its place, so that a pool
        /// cannot block itself.
        ///
        /// # Errors
        ///
        /// [`PoolError::NotRunning`] after `close` or `terminate`, also while it waits; [`PoolError::ZeroChunksize`];
        /// [`PoolError::WouldDeadlock`] where a task would have to wait and no compensation thread can be had.
        ///
        /// # Examples
        ///
        /// ```
        /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
        #[doc = concat!("let handle = ", $example, ".submit()?;")]
        /// println!("{:?}", handle.get()?);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn submit(self) -> Result<AsyncResult<$value, E>, PoolError>
        where
            P: $($bound)+,
        {
            self.pool
                .$send($(self.$work,)+ self.options)
                .map_err(|refused| refused.refusal())
        }

        /// Queues it and waits for its value.
        ///
        /// # Errors
        ///
        /// Why there is no value.
        ///
        /// # Examples
        ///
        /// ```
        /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
        #[doc = concat!("println!(\"{:?}\", ", $example, ".wait()?);")]
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn wait(self) -> Result<$value, TaskError<E>>
        where
            P: $($bound)+,
        {
            self.submit()?.get()
        }

        /// Queues it if there is a place now. A map needs places for all its chunks: one that has more chunks than
        /// the queue has places never finds them this way.
        ///
        /// # Errors
        ///
        /// The argument comes back with [`TrySubmitError::Full`](crate::TrySubmitError::Full), or as for
        /// [`submit`](Self::submit).
        ///
        /// # Examples
        ///
        /// ```
        /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
        /// pool_core::Pool::close(&pool);
        #[doc = concat!("let refused = ", $example, ".try_submit();")]
        /// println!("{:?}", refused.unwrap_err().into_argument());
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn try_submit(self) -> Submitted<$value, E, $argument>
        where
            P: $($bound)+,
        {
            let options = self.options.admission(Admission::Now);
            self.pool.$send($(self.$work,)+ options)
        }

        /// As [`submit`](Self::submit), but it waits for a place for at most this long, by the pool's own timers. A map
        /// is admitted with its first chunk; then what is left of the time is waited for the others' places.
        ///
        /// # Errors
        ///
        /// The argument comes back with [`TrySubmitError::Full`](crate::TrySubmitError::Full), or as for
        /// [`submit`](Self::submit).
        ///
        /// # Examples
        ///
        /// ```
        /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
        /// let limit = std::time::Duration::from_secs(60);
        #[doc = concat!("println!(\"{:?}\", ", $example, ".submit_timeout(limit)?.get()?);")]
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn submit_timeout(self, limit: Duration) -> Submitted<$value, E, $argument>
        where
            P: $($bound)+,
        {
            let admission = if limit.is_zero() {
                Admission::Now
            } else {
                Admission::Within(limit)
            };
            let options = self.options.admission(admission);
            self.pool.$send($(self.$work,)+ options)
        }

        /// As [`submit`](Self::submit), to be awaited: where the queue is full, the future is pending until there is a place.
        /// Dropped before that, it submits nothing.
        ///
        /// Its output is the handle, which can be awaited in turn, or what [`submit`](Self::submit) is refused with.
        ///
        /// # Examples
        ///
        /// ```
        /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
        /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        /// # runtime.block_on(async {
        #[doc = concat!("let value = ", $example, ".submit_async().await?.await?;")]
        /// println!("{value:?}");
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// # })?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn submit_async(self) -> SubmitAsync<$value, E>
        where
            P: $($bound)+,
        {
            self.pool.$send_async($(self.$work,)+ self.options)
        }
    };
}

impl<P, W, T, E> Call<'_, P, W, T, E> {
    submissions!(
        [RunCall<W, Out = T, Raised = E>]
        T,
        P::Argument,
        submit_call,
        submit_call_async,
        [work],
        "pool.call(|x: u64| x + 1, 1)"
    );
}

impl<P, W, I, R, E> Each<'_, P, W, I, R, E> {
    submissions!(
        [RunEach<W, I, Out = R, Raised = E>]
        Vec<R>,
        Vec<P::Item>,
        submit_each,
        submit_each_async,
        [work, items],
        "pool.each(|x: u64| x + 1, 0..3)"
    );
}

impl<P, W, I, R, E> Each<'_, P, W, I, R, E> {
    /// Starts an imap: results come in the order of the items, each as soon as it and all before it are there.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`], [`PoolError::ZeroChunksize`], [`PoolError::ZeroReadAhead`];
    /// [`PoolError::CallbackOfImap`] where it was given a callback.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let squares = pool.each(|x| x * x, [3, 1, 2]).chunksize(2).imap()?;
    /// assert_eq!(squares.flatten().collect::<Vec<i32>>(), [9, 1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap(self) -> Result<Imap<R, E>, PoolError>
    where
        P: RunImap<W, I, Out = R, Raised = E>,
    {
        self.start_imap(false)
    }

    /// As [`imap`](Self::imap), in the order of completion.
    ///
    /// # Errors
    ///
    /// As for [`imap`](Self::imap).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let squares = pool.each(|x| x * x, [3, 1, 2]).imap_unordered()?;
    /// assert_eq!(squares.flatten().sum::<i32>(), 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_unordered(self) -> Result<Imap<R, E>, PoolError>
    where
        P: RunImap<W, I, Out = R, Raised = E>,
    {
        self.start_imap(true)
    }

    fn start_imap(self, unordered: bool) -> Result<Imap<R, E>, PoolError>
    where
        P: RunImap<W, I, Out = R, Raised = E>,
    {
        let place = self.options.place;
        let more = self.options.take_more().unwrap_or_default();
        if more.has_callbacks() {
            return Err(PoolError::CallbackOfImap);
        }
        let options = ImapOptions {
            place,
            chunksize: more.chunksize.unwrap_or(1),
            read_ahead: more.read_ahead,
            unordered,
            limits: more.limits,
        };
        self.pool.start_imap(self.work, self.items, options)
    }
}

impl<P, W, T, E> fmt::Debug for Call<'_, P, W, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<P, W, I, R, E> fmt::Debug for Each<'_, P, W, I, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Each")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
