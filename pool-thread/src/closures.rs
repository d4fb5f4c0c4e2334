//! The verbs for closures: those of the trait `Pool` under the same names, for closures that capture, and that borrow where the
//! call waits.

use std::sync::Arc;

use pool_core::backend::{
    Func, ImapOptions, LocalBackend, Once, OnceAgain, Pick, Plain, Retrying, Single, Star,
    SubmitOptions, Task, TryOnce, TryStar, Trying,
};
use pool_core::{
    AsyncResult, Call, Each, Imap, Never, PoolError, Results, RetryIf, RunCall, RunEach, RunImap,
    StarFn, SubmitAsync, Submitted, TaskError,
};

use crate::backend::Threads;
use crate::pool::ThreadPool;

/// A closure that is called for each item.
#[derive(Debug)]
pub struct ClosureEach<F>(F);

/// A closure that is called for each item of an input of results.
#[derive(Debug)]
pub struct ClosureEachOk<F>(F);

/// The long form of all verbs.
impl ThreadPool {
    /// A call of `func(arg)` that is about to be submitted.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let offset = 10;
    /// let handle = pool.call(move |x| x + offset, 1).callback(|value| println!("got {value}")).submit()?;
    /// assert_eq!(handle.get()?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn call<A, R, F>(&self, func: F, arg: A) -> Call<'_, Self, Once<F, A>, R>
    where
        A: Send + 'static,
        R: Send + 'static,
        F: FnOnce(A) -> R + Send + 'static,
    {
        Call::new(self, Once { func, arg })
    }

    /// As [`call`](Self::call), for a function that may fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let parsed = pool.try_call(str::parse::<u8>, "many").error_callback(|error| println!("{error}")).wait();
    /// assert!(parsed.is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_call<A, R, E, F>(&self, func: F, arg: A) -> Call<'_, Self, TryOnce<F, A>, R, E>
    where
        A: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
        F: FnOnce(A) -> Result<R, E> + Send + 'static,
    {
        Call::new(self, TryOnce { func, arg })
    }

    /// A call of `func` for each item that is about to be submitted, as a map or as an imap. It is also the long form of
    /// [`starmap`](Self::starmap): `pool.each(|(a, b)| func(a, b), pairs)`. It owns its items: [`map`](Self::map) may borrow them.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let offset = 10;
    /// assert_eq!(pool.each(move |x| x + offset, 0..6).chunksize(3).wait()?, [10, 11, 12, 13, 14, 15]);
    /// let sums = pool.each(|(a, b)| a + b, [(1, 2), (3, 4)]).imap_unordered()?;
    /// assert_eq!(sums.flatten().sum::<i32>(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn each<A, R, F, I>(&self, func: F, items: I) -> Each<'_, Self, ClosureEach<Plain<F>>, I, R>
    where
        A: Send + 'static,
        R: Send + 'static,
        F: Fn(A) -> R + Send + Sync + 'static,
        I: IntoIterator<Item = A>,
    {
        Each::new(self, ClosureEach(Plain(func)), items)
    }

    /// As [`each`](Self::each), for a function that may fail. In a map a failing item ends its chunk; in an imap each item fails
    /// on its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let half = |x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) };
    /// assert!(pool.try_each(half, [2, 5]).chunksize(2).wait().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_each<A, R, E, F, I>(
        &self,
        func: F,
        items: I,
    ) -> Each<'_, Self, ClosureEach<Trying<F>>, I, R, E>
    where
        A: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
        F: Fn(A) -> Result<R, E> + Send + Sync + 'static,
        I: IntoIterator<Item = A>,
    {
        Each::new(self, ClosureEach(Trying(func)), items)
    }

    /// As [`try_each`](Self::try_each), for an input that may fail, such as the lines of a file. The first `Err` of an imap's
    /// input comes as [`TaskError::Raised`] behind the results of all items before it, and is the end.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let input = ["1", "2", "x", "4"].map(|text| text.parse::<u32>().map_err(|error| error.to_string()));
    /// let mut doubled = pool.try_each_ok(|x: u32| Ok(2 * x), input).imap()?;
    /// assert_eq!((doubled.next(), doubled.next()), (Some(Ok(2)), Some(Ok(4))));
    /// assert!(doubled.next().is_some_and(|end| end.is_err()));
    /// assert_eq!(doubled.next(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_each_ok<A, R, E, F, I>(
        &self,
        func: F,
        results: I,
    ) -> Each<'_, Self, ClosureEachOk<Trying<F>>, Results<I>, R, E>
    where
        A: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
        F: Fn(A) -> Result<R, E> + Send + Sync + 'static,
        I: IntoIterator<Item = Result<A, E>>,
    {
        Each::new(self, ClosureEachOk(Trying(func)), Results::new(results))
    }
}

/// Python's names for calls that wait: functions, arguments and results may borrow from the caller's stack.
impl ThreadPool {
    #[track_caller]
    fn run_batch<A: Send, F: Func<A, Out: Send, Raised: Send> + Send + Sync>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<F::Out>, TaskError<F::Raised>> {
        let mut results = Vec::new();
        self.0.call_into(func, items, &mut results)?;
        Ok(results)
    }

    /// Calls `func(arg)` on a worker and waits for its value.
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
    ) -> Result<R, TaskError> {
        self.0.call(Single::new(Once { func, arg }))
    }

    /// As [`apply`](Self::apply), for a function that may fail.
    ///
    /// # Errors
    ///
    /// Its own error as [`TaskError::Raised`], or why there is no value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let error = pool.try_apply(str::parse::<u8>, "many").unwrap_err();
    /// assert_eq!(error.to_string(), "task failed: invalid digit found in string");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_apply<A: Send, R: Send, E: Send>(
        &self,
        func: impl FnOnce(A) -> Result<R, E> + Send,
        arg: A,
    ) -> Result<R, TaskError<E>> {
        self.0.call(Single::new(TryOnce { func, arg }))
    }

    /// Calls `func` for each item and waits for all values, in the items' order.
    ///
    /// # Errors
    ///
    /// The first error in time, once all chunks have ended.
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
    ) -> Result<Vec<R>, TaskError> {
        self.run_batch(Plain(func), items)
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
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let (mut frame, mut next) = (vec![1.0_f64; 1_000], Vec::new());
    /// for _ in 0..10 {
    ///     pool.map_into(|x: &f64| x * 0.5, &frame, &mut next)?;
    ///     std::mem::swap(&mut frame, &mut next);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_into<A: Send, R: Send>(
        &self,
        func: impl Fn(A) -> R + Send + Sync,
        items: impl IntoIterator<Item = A>,
        results: &mut Vec<R>,
    ) -> Result<(), TaskError> {
        self.0.call_into(Plain(func), items, results)
    }

    /// Calls `func` with a reference to each item of a slice and waits for all values, in the items' order. Workers read the items where
    /// they are: nothing is copied, neither the items nor references to them.
    ///
    /// # Errors
    ///
    /// As for [`map`](Self::map).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let samples = vec![1.0_f64, 4.0, 9.0];
    /// assert_eq!(pool.map_slice(|x| x.sqrt(), &samples)?, [1.0, 2.0, 3.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_slice<A: Sync, R: Send>(
        &self,
        func: impl Fn(&A) -> R + Send + Sync,
        items: &[A],
    ) -> Result<Vec<R>, TaskError> {
        let mut results = Vec::new();
        self.map_slice_into(func, items, &mut results)?;
        Ok(results)
    }

    /// As [`map_slice`](Self::map_slice), with the results in a buffer that is used again, as in [`map_into`](Self::map_into).
    ///
    /// # Errors
    ///
    /// As for [`map`](Self::map); then the buffer is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let (mut frame, mut next) = (vec![1.0_f64; 1_000], Vec::new());
    /// for _ in 0..10 {
    ///     pool.map_slice_into(|x| x * 0.5, &frame, &mut next)?;
    ///     std::mem::swap(&mut frame, &mut next);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn map_slice_into<A: Sync, R: Send>(
        &self,
        func: impl Fn(&A) -> R + Send + Sync,
        items: &[A],
        results: &mut Vec<R>,
    ) -> Result<(), TaskError> {
        self.0.call_slice_into(Plain(func), items, results)
    }

    /// As [`map`](Self::map), for a function that may fail; a failing item ends its chunk.
    ///
    /// # Errors
    ///
    /// The first error in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let half = |x: u32| if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) };
    /// assert_eq!(pool.try_map(half, [2, 4])?, [1, 2]);
    /// let error = pool.try_map(half, [2, 5]).unwrap_err();
    /// assert_eq!(error.to_string(), "task failed at item 1: 5 is odd");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_map<A: Send, R: Send, E: Send>(
        &self,
        func: impl Fn(A) -> Result<R, E> + Send + Sync,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError<E>> {
        self.run_batch(Trying(func), items)
    }

    /// As [`map`](Self::map), with each item a tuple of 2 to 6 arguments.
    ///
    /// # Errors
    ///
    /// The first error in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.starmap(|a, b| a * b, [(2, 3), (4, 5)])?, [6, 20]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn starmap<A: Send, F: StarFn<A, Out: Send> + Send + Sync>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<F::Out>, TaskError> {
        self.run_batch(Star(func), items)
    }

    /// As [`starmap`](Self::starmap), for a function that may fail.
    ///
    /// # Errors
    ///
    /// The first error in time, once all chunks have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let ratios = pool.try_starmap(|a: u32, b: u32| a.checked_div(b).ok_or("by zero"), [(6, 3), (1, 1)]);
    /// assert_eq!(ratios, Ok(vec![2, 1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_starmap<A: Send, R: Send, E: Send>(
        &self,
        func: impl StarFn<A, Out = Result<R, E>> + Send + Sync,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError<E>> {
        self.run_batch(TryStar(func), items)
    }
}

/// Python's names for calls that return at once: their functions may capture.
impl ThreadPool {
    /// Queues `func(arg)` and returns at once. Its long form, with callbacks, is [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
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
    ) -> Result<AsyncResult<R>, PoolError> {
        self.call(func, arg).submit()
    }

    /// As [`apply_async`](Self::apply_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
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
    ) -> Result<AsyncResult<R, E>, PoolError> {
        self.try_call(func, arg).submit()
    }

    /// Queues a call of `func` for each item and returns at once; the items are read before it does. Its long form, with
    /// chunk size and callbacks, is [`each`](Self::each).
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
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
    ) -> Result<AsyncResult<Vec<R>>, PoolError> {
        self.each(func, items).submit()
    }

    /// As [`map_async`](Self::map_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
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
    ) -> Result<AsyncResult<Vec<R>, E>, PoolError> {
        self.try_each(func, items).submit()
    }

    /// As [`map_async`](Self::map_async), with each item a tuple of 2 to 6 arguments.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
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
    pub fn starmap_async<A: Send + 'static, F>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<F::Out>>, PoolError>
    where
        F: StarFn<A, Out: Send + 'static> + Send + Sync + 'static,
    {
        Each::<_, _, _, F::Out, Never>::new(self, ClosureEach(Star(func)), items).submit()
    }

    /// As [`starmap_async`](Self::starmap_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::new(2)?;
    /// let handle = pool.try_starmap_async(|a: u32, b: u32| a.checked_div(b).ok_or("by zero"), [(6, 0)])?;
    /// assert!(handle.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_starmap_async<A: Send + 'static, R: Send + 'static, E: Send + 'static>(
        &self,
        func: impl StarFn<A, Out = Result<R, E>> + Send + Sync + 'static,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, E>, PoolError> {
        Each::<_, _, _, R, E>::new(self, ClosureEach(TryStar(func)), items).submit()
    }

    /// Calls `func` for each item; results come in the items' order, each as soon as it and all before it are
    /// there. The input is read a bounded number of items ahead, and may be infinite.
    ///
    /// In Python the whole input is read at once.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
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
    ) -> Result<Imap<R>, PoolError> {
        self.each(func, items).imap()
    }

    /// As [`imap`](Self::imap), in the order of completion.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
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
    ) -> Result<Imap<R>, PoolError> {
        self.each(func, items).imap_unordered()
    }

    /// As [`imap`](Self::imap), for a function that may fail: an item's `Err` is [`TaskError::Raised`] at its place, and
    /// later items still come.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
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
    ) -> Result<Imap<R, E>, PoolError> {
        self.try_each(func, items).imap()
    }

    /// As [`try_imap`](Self::try_imap), in the order of completion.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
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
    ) -> Result<Imap<R, E>, PoolError> {
        self.try_each(func, items).imap_unordered()
    }
}

impl<F> RetryIf for ClosureEach<F> {
    type Retrying<E> = ClosureEach<Retrying<Arc<F>, E>>;
    fn retry_if<E>(self, pick: Pick<E>) -> Self::Retrying<E> {
        ClosureEach(Retrying::new(Arc::new(self.0), pick))
    }
}

impl<F> RetryIf for ClosureEachOk<F> {
    type Retrying<E> = ClosureEachOk<Retrying<Arc<F>, E>>;
    fn retry_if<E>(self, pick: Pick<E>) -> Self::Retrying<E> {
        ClosureEachOk(Retrying::new(Arc::new(self.0), pick))
    }
}

/// A pool of threads runs a call of a closure.
macro_rules! run_call {
    ($($call:ident<$($part:ident),+>: $arg:expr;)+) => {$(
        impl<A, R, E, F> RunCall<$call<$($part),+>> for ThreadPool
        where
            $call<$($part),+>: Task<Out = R, Raised = E> + Send + 'static,
            R: Send,
            E: Send,
        {
            type Argument = A;
            type Out = R;
            type Raised = E;

            fn submit_call(
                &self,
                call: $call<$($part),+>,
                options: SubmitOptions<R, E>,
            ) -> Submitted<R, E, A> {
                self.0
                    .submit_task(call, options, Threads::local_job, $arg)
            }

            fn submit_call_async(
                &self,
                call: $call<$($part),+>,
                options: SubmitOptions<R, E>,
            ) -> SubmitAsync<R, E> {
                self.0
                    .submit_task_async(call, options, Threads::local_job)
            }
        }
    )+};
}

run_call! {
    Once<F, A>: |call| call.arg;
    TryOnce<F, A>: |call| call.arg;
    OnceAgain<F, A, E>: |again| again.call.arg;
}

impl<F, I> RunEach<ClosureEach<F>, I> for ThreadPool
where
    I: IntoIterator<Item: Send + 'static>,
    F: Func<I::Item, Out: Send + 'static, Raised: Send + 'static> + Send + Sync + 'static,
{
    type Item = I::Item;
    type Out = F::Out;
    type Raised = F::Raised;

    fn submit_each(
        &self,
        ClosureEach(func): ClosureEach<F>,
        items: I,
        options: SubmitOptions<Vec<F::Out>, F::Raised>,
    ) -> Submitted<Vec<F::Out>, F::Raised, Vec<I::Item>> {
        self.0
            .submit_batch(func, items, options, Threads::local_job)
    }

    fn submit_each_async(
        &self,
        ClosureEach(func): ClosureEach<F>,
        items: I,
        options: SubmitOptions<Vec<F::Out>, F::Raised>,
    ) -> SubmitAsync<Vec<F::Out>, F::Raised> {
        self.0
            .submit_batch_async(func, items, options, Threads::local_job)
    }
}

impl<F, I> RunImap<ClosureEach<F>, I> for ThreadPool
where
    I: IntoIterator<Item: Send + 'static, IntoIter: Send + 'static>,
    F: Func<I::Item, Out: Send + 'static, Raised: Send + 'static> + Send + Sync + 'static,
{
    type Out = F::Out;
    type Raised = F::Raised;

    fn start_imap(
        &self,
        ClosureEach(func): ClosureEach<F>,
        items: I,
        options: ImapOptions,
    ) -> Result<Imap<F::Out, F::Raised>, PoolError> {
        self.0
            .imap(Arc::new(func), items, options, Threads::local_job)
    }
}

impl<F, I, A, E> RunImap<ClosureEachOk<F>, Results<I>> for ThreadPool
where
    A: Send + 'static,
    E: Send + 'static,
    I: IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static>,
    F: Func<A, Out: Send + 'static, Raised = E> + Send + Sync + 'static,
{
    type Out = F::Out;
    type Raised = E;

    fn start_imap(
        &self,
        ClosureEachOk(func): ClosureEachOk<F>,
        results: Results<I>,
        options: ImapOptions,
    ) -> Result<Imap<F::Out, E>, PoolError> {
        self.0
            .imap(Arc::new(func), results, options, Threads::local_job)
    }
}
