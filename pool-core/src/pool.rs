//! The face of every pool: what a program may say that is written once for all backends.

use std::time::Duration;

use crate::failure::{Failure, Misuse, Never};
use crate::handle::{AsyncResult, Submitted};
use crate::imap::{Flow, Imap, ImapSubmission};
use crate::parting::JoinAsync;
use crate::submission::{Chunks, Submission};
use crate::tally::Tally;
use crate::task::{FnPtr, Plain, Portable, Star, TryStar, Trying, Tuple};
use crate::terms::Terms;
use crate::with::With;

/// A worker pool: the part of `multiprocessing.Pool` that threads and processes share.
///
/// Functions are plain functions (a closure that captures nothing coerces), arguments and results can
/// travel between processes. A backend's own methods may allow more: threads take closures that capture
/// and borrow.
///
/// Source: `multiprocessing.pool.Pool` in CPython's documentation.
///
/// # Examples
///
/// A program for any backend:
///
/// ```
/// use pool_core::{Failure, Pool};
///
/// fn squares(pool: &impl Pool) -> Result<Vec<u64>, Failure> {
///     pool.map(|x: u64| x * x, 0..4)
/// }
/// ```
pub trait Pool: Sized {
    // What each backend supplies: the pool's life, and three ways in.

    /// Number of workers.
    fn size(&self) -> usize;

    /// What came of the pool's work so far: tasks, errors, and errors that nobody looked at. The backends'
    /// `stats()` hold it, too.
    fn tally(&self) -> Tally;

    /// Lets no more work in and returns at once; what was let in will be done. It may be repeated.
    fn close(&self);

    /// Stops the pool: queued work is dropped, running processes are stopped, running threads finish,
    /// and every open handle resolves to [`Failure::Terminated`]. It returns without waiting.
    fn terminate(&self);

    /// Waits until every task is done, every callback has returned and no worker is left. It may be repeated.
    ///
    /// # Errors
    ///
    /// [`Misuse::StillRunning`] before `close` or `terminate`, [`Misuse::WouldDeadlock`] from inside a task
    /// or callback of this pool, or the input of an `imap` of it.
    fn join(&self) -> Result<(), Misuse>;

    /// As [`join`](Self::join), but for at most this long: false when the time was over first.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join).
    fn join_timeout(&self, limit: Duration) -> Result<bool, Misuse>;

    /// As [`join`](Self::join), to be awaited: it waits on a thread of its own, not on the executor's.
    ///
    /// Its output is `Ok(())`, or what [`join`](Self::join) is refused with.
    fn join_async(&self) -> JoinAsync;

    /// Closes the pool and leaves it to itself: what was let in will be done, then workers and callbacks end, and
    /// nobody need join. The end of the program does not wait for it.
    fn detach(self);

    /// Queues one call; all other ways to submit one call come down to this.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`, a full queue where the terms do not wait; with the argument.
    fn submit_call<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        arg: A,
        terms: Terms<F::Out, F::Raised>,
    ) -> Submitted<F::Out, F::Raised, A>
    where
        F::Out: Portable,
        F::Raised: Portable;

    /// Queues a call for each item, in chunks; all other ways to map come down to this.
    ///
    /// # Errors
    ///
    /// As for [`submit_call`](Self::submit_call), [`Misuse::ZeroChunksize`]; with the items.
    fn submit_map<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        items: Vec<A>,
        chunksize: Option<usize>,
        terms: Terms<Vec<F::Out>, F::Raised>,
    ) -> Submitted<Vec<F::Out>, F::Raised, Vec<A>>
    where
        F::Out: Portable,
        F::Raised: Portable;

    /// Starts an `imap`; all other ways to do so come down to this.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`], [`Misuse::ZeroChunksize`], [`Misuse::ZeroReadAhead`].
    #[track_caller]
    fn submit_imap<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
        flow: Flow,
    ) -> Result<Imap<F::Out, F::Raised>, Misuse>
    where
        F::Out: Portable,
        F::Raised: Portable;

    /// Starts an `imap` of an input that may fail; the other ways to do so come down to this.
    ///
    /// # Errors
    ///
    /// As for [`submit_imap`](Self::submit_imap).
    #[track_caller]
    fn submit_imap_results<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        results: impl IntoIterator<Item = Result<A, F::Raised>, IntoIter: Send + 'static>,
        flow: Flow,
    ) -> Result<Imap<F::Out, F::Raised>, Misuse>
    where
        F::Out: Portable,
        F::Raised: Portable;

    // One call.

    /// Calls `func(arg)` on a worker and waits for its value.
    ///
    /// # Errors
    ///
    /// Why there is no value.
    #[track_caller]
    fn apply<A: Portable, R: Portable>(&self, func: fn(A) -> R, arg: A) -> Result<R, Failure> {
        self.apply_async(func, arg)?.get()
    }

    /// Queues `func(arg)` and returns at once.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn apply_async<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        arg: A,
    ) -> Result<AsyncResult<R>, Misuse> {
        Ok(self.submit_call(Plain(func), arg, Terms::here())?)
    }

    /// The long form of [`apply_async`](Self::apply_async): callbacks, and all else that can be said of a call.
    #[track_caller]
    fn task<A: Portable, R: Portable>(&self, func: fn(A) -> R, arg: A) -> Submission<'_, A, R> {
        Submission::new(arg, move |arg, (), terms| {
            self.submit_call(Plain(func), arg, terms)
        })
    }

    // One call for each item.

    /// The long form of [`map_async`](Self::map_async): callbacks, chunk size.
    #[track_caller]
    fn map_task<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'_, Vec<A>, Vec<R>, Never, Chunks> {
        let items: Vec<A> = items.into_iter().collect();
        Submission::new(items, move |items, chunks: Chunks, terms| {
            self.submit_map(Plain(func), items, chunks.size(), terms)
        })
    }

    /// Calls `func` for each item and waits for all values, in the items' order.
    ///
    /// # Errors
    ///
    /// The first failure, once all chunks have ended.
    #[track_caller]
    fn map<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        self.map_async(func, items)?.get()
    }

    /// Queues a call of `func` for each item and returns at once; the items are read before it does.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn map_async<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Misuse> {
        let items = items.into_iter().collect();
        Ok(self.submit_map(Plain(func), items, None, Terms::here())?)
    }

    // One call for each item, read and yielded as it goes.

    /// Calls `func` for each item; results come in the items' order, each as soon as it and all before it are
    /// there. The input is read as results are taken, and may be infinite.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn imap<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        self.imap_task(func, items).ordered()
    }

    /// As [`imap`](Self::imap), in the order of completion.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn imap_unordered<A: Portable, R: Portable>(
        &self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        self.imap_task(func, items).unordered()
    }

    /// The long form of [`imap`](Self::imap) and [`imap_unordered`](Self::imap_unordered): chunk size, read-ahead.
    fn imap_task<'p, A: Portable, R: Portable>(
        &'p self,
        func: fn(A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R> {
        ImapSubmission::new(move |flow| self.submit_imap(Plain(func), items, flow))
    }

    /// As [`imap`](Self::imap), for a function that may fail: an item's `Err` is [`Failure::Raised`] at its place.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_imap<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, Misuse> {
        self.try_imap_task(func, items).ordered()
    }

    /// As [`try_imap`](Self::try_imap), in the order of completion.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_imap_unordered<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, Misuse> {
        self.try_imap_task(func, items).unordered()
    }

    /// As [`imap_task`](Self::imap_task), for a function that may fail.
    fn try_imap_task<'p, A: Portable, R: Portable, E: Portable>(
        &'p self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R, E> {
        ImapSubmission::new(move |flow| self.submit_imap(Trying(func), items, flow))
    }

    /// As [`try_imap`](Self::try_imap), of an input that may fail: its first `Err` comes as [`Failure::Raised`] behind the results
    /// of all items before it, and is the end.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_imap_results<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        results: impl IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static>,
    ) -> Result<Imap<R, E>, Misuse> {
        self.try_imap_results_task(func, results).ordered()
    }

    /// The long form of [`try_imap_results`](Self::try_imap_results).
    fn try_imap_results_task<'p, A: Portable, R: Portable, E: Portable>(
        &'p self,
        func: fn(A) -> Result<R, E>,
        results: impl IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R, E> {
        ImapSubmission::new(move |flow| self.submit_imap_results(Trying(func), results, flow))
    }

    // Items that are tuples of arguments.

    /// As [`map`](Self::map), with each item a tuple of the function's arguments. A named function is given as
    /// `|a, b| func(a, b)`.
    ///
    /// # Errors
    ///
    /// The first failure, once all chunks have ended.
    #[track_caller]
    fn starmap<A: Tuple + Portable, R: Portable>(
        &self,
        func: A::Fn<R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        self.starmap_async(func, items)?.get()
    }

    /// As [`map_async`](Self::map_async), with each item a tuple of the function's arguments.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn starmap_async<A: Tuple + Portable, R: Portable>(
        &self,
        func: A::Fn<R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Misuse> {
        let items = items.into_iter().collect();
        Ok(self.submit_map(Star(func), items, None, Terms::here())?)
    }

    // The same for functions that may fail.

    /// As [`apply`](Self::apply), for a function that may fail.
    ///
    /// # Errors
    ///
    /// Its own error as [`Failure::Raised`], or why there is no value.
    #[track_caller]
    fn try_apply<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        arg: A,
    ) -> Result<R, Failure<E>> {
        self.try_apply_async(func, arg)?.get()
    }

    /// As [`apply_async`](Self::apply_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_apply_async<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        arg: A,
    ) -> Result<AsyncResult<R, E>, Misuse> {
        Ok(self.submit_call(Trying(func), arg, Terms::here())?)
    }

    /// The long form of [`try_apply_async`](Self::try_apply_async).
    #[track_caller]
    fn try_task<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        arg: A,
    ) -> Submission<'_, A, R, E> {
        Submission::new(arg, move |arg, (), terms| {
            self.submit_call(Trying(func), arg, terms)
        })
    }

    /// As [`map`](Self::map), for a function that may fail; a failing item skips the rest of its chunk.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    #[track_caller]
    fn try_map<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure<E>> {
        self.try_map_async(func, items)?.get()
    }

    /// As [`map_async`](Self::map_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_map_async<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, E>, Misuse> {
        let items = items.into_iter().collect();
        Ok(self.submit_map(Trying(func), items, None, Terms::here())?)
    }

    /// The long form of [`try_map_async`](Self::try_map_async).
    #[track_caller]
    fn try_map_task<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'_, Vec<A>, Vec<R>, E, Chunks> {
        let items: Vec<A> = items.into_iter().collect();
        Submission::new(items, move |items, chunks: Chunks, terms| {
            self.submit_map(Trying(func), items, chunks.size(), terms)
        })
    }

    /// As [`starmap`](Self::starmap), for a function that may fail.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    #[track_caller]
    fn try_starmap<A: Tuple + Portable, R: Portable, E: Portable>(
        &self,
        func: A::Fn<Result<R, E>>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure<E>> {
        self.try_starmap_async(func, items)?.get()
    }

    /// As [`starmap_async`](Self::starmap_async), for a function that may fail.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn try_starmap_async<A: Tuple + Portable, R: Portable, E: Portable>(
        &self,
        func: A::Fn<Result<R, E>>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, E>, Misuse> {
        let items = items.into_iter().collect();
        Ok(self.submit_map(TryStar(func), items, None, Terms::here())?)
    }

    // The same for functions that are lent a context.

    /// Calls `func(&context, arg)` on a worker and waits for its value.
    ///
    /// A worker that is a process gets a copy of the context, once for each call of a `*_with` method: one
    /// [`map_with`](Self::map_with) of many items is better than many `apply_with`.
    ///
    /// # Errors
    ///
    /// Why there is no value; a context that cannot be encoded or decoded is the job's error and names its type.
    #[track_caller]
    fn apply_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        arg: A,
    ) -> Result<R, Failure> {
        self.apply_async_with(context, func, arg)?.get()
    }

    /// As [`apply_async`](Self::apply_async), with a context that the function is lent.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn apply_async_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        arg: A,
    ) -> Result<AsyncResult<R>, Misuse> {
        Ok(self.submit_call(With::new(Plain(func), context), arg, Terms::here())?)
    }

    /// The long form of [`apply_async_with`](Self::apply_async_with): callbacks, and all else that can be said of a
    /// call.
    #[track_caller]
    fn task_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        arg: A,
    ) -> Submission<'_, A, R> {
        let func = With::new(Plain(func), context);
        Submission::new(arg, move |arg, (), terms| {
            self.submit_call(func, arg, terms)
        })
    }

    /// Calls `func(&context, item)` for each item and waits for all values, in the items' order.
    ///
    /// The context is encoded once and goes at most once to each worker that is a process, where it is dropped
    /// some time after the map has ended; threads share it.
    ///
    /// # Errors
    ///
    /// The first failure, once all chunks have ended; a context that cannot be encoded or decoded is one, and
    /// names its type.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::{Failure, Pool};
    ///
    /// fn picked(pool: &impl Pool, names: Vec<String>) -> Result<Vec<String>, Failure> {
    ///     pool.map_with(names, |names, index: usize| names[index].clone(), [2, 0])
    /// }
    /// ```
    #[track_caller]
    fn map_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        self.map_async_with(context, func, items)?.get()
    }

    /// As [`map_async`](Self::map_async), with a context that the function is lent.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn map_async_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>>, Misuse> {
        self.map_task_with(context, func, items).submit()
    }

    /// The long form of [`map_async_with`](Self::map_async_with): callbacks, chunk size.
    #[track_caller]
    fn map_task_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'_, Vec<A>, Vec<R>, Never, Chunks> {
        let (func, items) = (With::new(Plain(func), context), items.into_iter().collect());
        Submission::new(items, move |items, chunks: Chunks, terms| {
            self.submit_map(func, items, chunks.size(), terms)
        })
    }

    /// As [`starmap`](Self::starmap), with a context that the function is lent before its other arguments.
    ///
    /// # Errors
    ///
    /// As for [`map_with`](Self::map_with).
    #[track_caller]
    fn starmap_with<C: Portable + Sync, A: Tuple + Portable, R: Portable>(
        &self,
        context: C,
        func: A::FnWith<C, R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure> {
        let func = With::new(Star(func), context);
        let items = items.into_iter().collect();
        let handle = self.submit_map(func, items, None, Terms::here());
        handle.map_err(Misuse::from)?.get()
    }

    /// As [`imap`](Self::imap), with a context that the function is lent.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn imap_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        self.submit_imap(With::new(Plain(func), context), items, Flow::default())
    }

    /// As [`imap_unordered`](Self::imap_unordered), with a context that the function is lent.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] after `close` or `terminate`.
    #[track_caller]
    fn imap_unordered_with<C: Portable + Sync, A: Portable, R: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
    ) -> Result<Imap<R>, Misuse> {
        let flow = Flow::default().unordered();
        self.submit_imap(With::new(Plain(func), context), items, flow)
    }

    /// The long form of [`imap_with`](Self::imap_with) and [`imap_unordered_with`](Self::imap_unordered_with): chunk
    /// size, read-ahead.
    fn imap_task_with<'p, C: Portable + Sync, A: Portable, R: Portable>(
        &'p self,
        context: C,
        func: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R> {
        let func = With::new(Plain(func), context);
        ImapSubmission::new(move |flow| self.submit_imap(func, items, flow))
    }

    // The same for functions that are lent a context and may fail.

    /// As [`apply_with`](Self::apply_with), for a function that may fail.
    ///
    /// # Errors
    ///
    /// Its own error as [`Failure::Raised`], or why there is no value.
    #[track_caller]
    fn try_apply_with<C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        arg: A,
    ) -> Result<R, Failure<E>> {
        self.try_task_with(context, func, arg).submit()?.get()
    }

    /// As [`task_with`](Self::task_with), for a function that may fail.
    #[track_caller]
    fn try_task_with<C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        arg: A,
    ) -> Submission<'_, A, R, E> {
        let func = With::new(Trying(func), context);
        Submission::new(arg, move |arg, (), terms| {
            self.submit_call(func, arg, terms)
        })
    }

    /// As [`map_with`](Self::map_with), for a function that may fail; a failing item skips the rest of its chunk.
    ///
    /// # Errors
    ///
    /// The first failure in time, once all chunks have ended.
    #[track_caller]
    fn try_map_with<C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, Failure<E>> {
        self.try_map_task_with(context, func, items).submit()?.get()
    }

    /// As [`map_task_with`](Self::map_task_with), for a function that may fail.
    #[track_caller]
    fn try_map_task_with<C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        items: impl IntoIterator<Item = A>,
    ) -> Submission<'_, Vec<A>, Vec<R>, E, Chunks> {
        let (func, items) = (
            With::new(Trying(func), context),
            items.into_iter().collect(),
        );
        Submission::new(items, move |items, chunks: Chunks, terms| {
            self.submit_map(func, items, chunks.size(), terms)
        })
    }

    /// As [`imap_task_with`](Self::imap_task_with), for a function that may fail.
    fn try_imap_task_with<'p, C: Portable + Sync, A: Portable, R: Portable, E: Portable>(
        &'p self,
        context: C,
        func: fn(&C, A) -> Result<R, E>,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static> + 'p,
    ) -> ImapSubmission<'p, R, E> {
        let func = With::new(Trying(func), context);
        ImapSubmission::new(move |flow| self.submit_imap(func, items, flow))
    }
}
