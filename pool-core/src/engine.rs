//! The engine of a pool: what is admitted, what each call waits for, how a pool ends.

use std::fmt;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::admission::{Admission, NotAdmitted, Rejected, TrySubmitError};
use crate::backends::{Backend, LocalBackend, StartError};
use crate::cancel::{Early, EndEarly, Withdraw, end_early};
use crate::chunks::default_chunksize;
use crate::config::{Config, number_of_workers};
use crate::error::{PoolError, TaskError};
use crate::handle::{AsyncResult, Submitted, wait_to_the_end};
use crate::imap::{Imap, ImapInput, ImapOptions, Input, OpenSource, ReadChunk, Window, is_at_hand};
use crate::job::JobCell;
use crate::lifecycle::{Order, Phase, Step};
use crate::limits::{LimitOptions, Retries};
use crate::options::SubmitOptions;
use crate::outcome::Awaited;
use crate::panics;
use crate::queue::{Claim, Queue, Source};
use crate::settled::Settled;
use crate::shared::{EarlyEnds, PoolShared, UnitStop};
use crate::shutdown::{self, JoinAsync, Shutdown};
use crate::stack_job::StackJob;
use crate::stats::TaskStats;
use crate::submit_async::{Admit, SubmitAsync};
use crate::task::{Func, Task};
use crate::thread_state;
use crate::unit::{AsJob, Job, Unclaimed};
use crate::wait_group::Deadline;
use crate::work::{Batch, Single, Work};

/// How a backend makes of a job's cell what its workers see.
pub type Erase<B, W> = fn(Arc<JobCell<W>>) -> Arc<<B as Backend>::Job>;

/// What a pool is made of: a queue, workers of one kind, and the rules that hold for all of them. A backend's pool is a struct
/// around it.
pub struct Engine<B: Backend>(Arc<Shared<B>>);

struct Shared<B: Backend> {
    backend: B,
    queue: Arc<Queue<B::Job>>,
    shared: Arc<PoolShared>,
    warn_on_drop: bool,
    /// For the calls that do not say it themselves.
    retries: Retries,
    /// It was detached and ends by itself: a drop does nothing.
    detached: AtomicBool,
}

impl<B: Backend> Engine<B> {
    /// Starts a pool.
    ///
    /// # Errors
    ///
    /// A size of zero, or a worker that the system refused; then none is left.
    pub fn start(backend: B, config: Config) -> Result<Self, StartError> {
        let (size, bound) = (config.workers()?, config.bound()?);
        if config.panic_hook {
            panics::install_hook();
        }
        let mut pace = config.pace(backend.reach());
        if backend.reach() == 1 {
            // It waits by means of its own.
            pace.spin = None;
        }
        let shared = Arc::new(PoolShared::new(
            config.timers,
            pace.spin,
            backend.assist(),
            config.observed,
        ));
        let queue = Arc::new(Queue::new(size, bound, shared.pool, pace));
        if let Err(error) = backend.start(&queue) {
            // The workers that were started find nothing to do, and leave.
            // A running pool can always be terminated.
            let _ = queue.step(Step::Terminate);
            backend.terminate();
            backend.join(&Deadline::after(&shared.timers, None));
            return Err(error);
        }
        let pool = Arc::new(Shared {
            backend,
            queue,
            shared,
            warn_on_drop: config.warn_on_drop,
            retries: config.retries,
            detached: AtomicBool::new(false),
        });
        let early_ends: Weak<Shared<B>> = Arc::downgrade(&pool);
        pool.shared.set_early_ends(early_ends);
        Ok(Engine(pool))
    }

    /// Number of workers.
    pub fn size(&self) -> usize {
        self.0.queue.size()
    }

    /// Changes the number of workers.
    ///
    /// # Errors
    ///
    /// A size that no pool can have, a worker that the system refused, or a pool that the calling process has not made. The size is then
    /// as before.
    pub fn resize(&self, workers: usize) -> Result<(), StartError> {
        let size = number_of_workers(workers)?;
        self.is_here().map_err(|forked| StartError::Impossible {
            reason: forked.to_string(),
        })?;
        let before = self.0.queue.set_size(size);
        self.0.backend.resize(before).inspect_err(|_| {
            self.0.queue.lower_size(size, before);
            // Those that were started are too many now: nothing is started for a smaller size.
            let _ = self.0.backend.resize(size.get());
        })
    }

    /// Where the pool is in its life; in a child that the program forked it is terminated.
    pub fn phase(&self) -> Phase {
        match self.0.shared.is_here() {
            Ok(()) => self.0.queue.phase(),
            Err(_) => Phase::Terminated,
        }
    }

    /// Whether the calling process is the pool's own.
    ///
    /// # Errors
    ///
    /// [`PoolError::Forked`] in a child that the program forked.
    pub fn is_here(&self) -> Result<(), PoolError> {
        self.0.shared.is_here()
    }

    /// The pool's backend.
    pub fn backend(&self) -> &B {
        &self.0.backend
    }

    /// What came of the pool's work so far; it walks the queue. Nothing in a child that the program forked.
    pub fn task_stats(&self) -> TaskStats {
        if self.0.shared.is_here().is_err() {
            return TaskStats::default();
        }
        let (submitted, unfinished) = self.0.units();
        self.0.shared.counters.task_stats(submitted, unfinished)
    }

    /// The chunk size for a map of so many items.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] when the pool was closed or terminated, [`PoolError::ZeroChunksize`] when zero was
    /// asked for.
    pub fn chunksize(&self, items: usize, asked: Option<usize>) -> Result<usize, PoolError> {
        self.0.admit()?;
        match asked {
            Some(0) => Err(PoolError::ZeroChunksize),
            Some(size) => Ok(size),
            None => Ok(default_chunksize(items, self.size())),
        }
    }

    /// The options of a call, with the pool's own retries where it does not say them.
    fn with_retries<T, E>(&self, mut options: SubmitOptions<T, E>) -> SubmitOptions<T, E> {
        if self.0.retries.most() > 0 {
            let limits = options.limits();
            limits.retries = limits.retries.or(self.0.retries);
        }
        options
    }

    /// The chunk size of a map with these options.
    fn chunksize_for<T, E>(
        &self,
        items: usize,
        options: &SubmitOptions<T, E>,
    ) -> Result<usize, PoolError> {
        self.0.admit()?;
        let asked = LimitOptions::chunksize(options.limits_if_any(), options.chunksize())?;
        self.chunksize(items, asked)
    }

    /// Queues work and returns at once; where the queue has a bound, as soon as there is a place. `erase` turns the cell
    /// into what the workers see, and keeps no other reference to it.
    ///
    /// # Errors
    ///
    /// The work comes back when the pool was closed or terminated, or the queue is full and the options do not
    /// wait for it.
    fn submit<W: Work + 'static>(
        &self,
        work: W,
        options: SubmitOptions<W::Value, W::Raised>,
        erase: Erase<B, W>,
    ) -> Result<AsyncResult<W::Value, W::Raised>, Rejected<W>> {
        if let Err(error) = self.0.shared.is_here() {
            return Err(Rejected::new(error, work));
        }
        let admission = options.admission;
        let limits = options.limits_if_any().cloned();
        if limits.as_ref().is_some_and(|limits| limits.is_cancelled()) {
            return match self.0.admit() {
                Ok(()) => Ok(self.cancelled(work, options)),
                Err(error) => Err(Rejected::new(error, work)),
            };
        }
        let cell = JobCell::new(&self.0.shared, work, false, options);
        let begin = || {
            if let Some(limits) = &limits {
                cell.begin(limits);
            }
        };
        match self.0.queue(&cell, admission, erase, begin) {
            Ok(()) => Ok(AsyncResult::new(cell)),
            Err(why) => match Arc::try_unwrap(cell) {
                Ok(cell) => Err(Rejected::new(why, cell.into_work())),
                // It has waited for a place, and its token or its timer has it for a moment.
                Err(cell) => {
                    end_early(&*cell, Early::Cancelled);
                    Ok(AsyncResult::new(cell))
                }
            },
        }
    }

    /// A call that was cancelled before it was submitted.
    fn cancelled<W: Work + 'static>(
        &self,
        work: W,
        options: SubmitOptions<W::Value, W::Raised>,
    ) -> AsyncResult<W::Value, W::Raised> {
        let cell = JobCell::new(&self.0.shared, work, false, options);
        if !cell.resolve_if_empty() && cell.decide(Early::Cancelled) {
            cell.conclude(Early::Cancelled);
        }
        AsyncResult::new(cell)
    }

    fn submit_async<W: Work + 'static>(
        &self,
        work: W,
        options: SubmitOptions<W::Value, W::Raised>,
        erase: Erase<B, W>,
    ) -> SubmitAsync<W::Value, W::Raised> {
        let limits = options.limits_if_any().cloned();
        let cell = JobCell::new(&self.0.shared, work, false, options);
        let admitted = cell.resolve_if_empty();
        if let Some(limits) = limits.filter(|_| !admitted) {
            cell.begin(&limits);
        }
        let job = (!admitted).then(|| erase(cell.clone()));
        let shared = self.0.clone();
        let wake = move || shared.backend.wake();
        let shared = self.0.clone();
        let admit = move || shared.admit();
        let admission = Admit::new(&self.0.queue, job, admit, wake);
        SubmitAsync::new(AsyncResult::new(cell), Box::new(admission))
    }

    /// Queues one task. Where it is not admitted, `argument` extracts from it what its caller gets back.
    ///
    /// # Errors
    ///
    /// The argument comes back when the pool was closed or terminated, or the queue is full and the options do not
    /// wait for it.
    pub fn submit_task<T, A>(
        &self,
        task: T,
        options: SubmitOptions<T::Out, T::Raised>,
        erase: Erase<B, Single<T>>,
        argument: impl FnOnce(T) -> A,
    ) -> Submitted<T::Out, T::Raised, A>
    where
        T: Task<Out: Send, Raised: Send> + Send + 'static,
    {
        let options = self.with_retries(options);
        let rejected = match self.submit(Single::new(task), options, erase) {
            Ok(handle) => return Ok(handle),
            Err(rejected) => rejected,
        };
        Err(rejected.give_back(|work| match work.into_task() {
            Some(task) => argument(task),
            None => unreachable!("a task that was not let in has run"),
        }))
    }

    /// As [`submit_task`](Self::submit_task), to be awaited.
    pub fn submit_task_async<T>(
        &self,
        task: T,
        options: SubmitOptions<T::Out, T::Raised>,
        erase: Erase<B, Single<T>>,
    ) -> SubmitAsync<T::Out, T::Raised>
    where
        T: Task<Out: Send, Raised: Send> + Send + 'static,
    {
        self.submit_async(Single::new(task), self.with_retries(options), erase)
    }

    /// Queues a map, in chunks of the size that the options name, or of the pool's choice.
    ///
    /// # Errors
    ///
    /// As for [`submit_task`](Self::submit_task), and [`PoolError::ZeroChunksize`]; the items come back.
    pub fn submit_batch<F, A>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
        options: SubmitOptions<Vec<F::Out>, F::Raised>,
        erase: Erase<B, Batch<F, A>>,
    ) -> Submitted<Vec<F::Out>, F::Raised, Vec<A>>
    where
        F: Func<A, Out: Send, Raised: Send> + Send + Sync + 'static,
        A: Send + 'static,
    {
        let options = self.with_retries(options);
        let items: Vec<A> = items.into_iter().collect();
        let chunksize = match self.chunksize_for(items.len(), &options) {
            Ok(chunksize) => chunksize,
            Err(error) => return Err(TrySubmitError::Refused(error, items)),
        };
        self.submit(Batch::new(func, items, chunksize), options, erase)
            .map_err(|rejected| rejected.give_back(Batch::into_items))
    }

    /// As [`submit_batch`](Self::submit_batch), to be awaited.
    pub fn submit_batch_async<F, A>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
        options: SubmitOptions<Vec<F::Out>, F::Raised>,
        erase: Erase<B, Batch<F, A>>,
    ) -> SubmitAsync<Vec<F::Out>, F::Raised>
    where
        F: Func<A, Out: Send, Raised: Send> + Send + Sync + 'static,
        A: Send + 'static,
    {
        let options = self.with_retries(options);
        let items: Vec<A> = items.into_iter().collect();
        match self.chunksize_for(items.len(), &options) {
            Ok(chunksize) => self.submit_async(Batch::new(func, items, chunksize), options, erase),
            Err(error) => SubmitAsync::refused(error),
        }
    }

    /// Runs a map whose results are written into the memory of `results`, and waits for it.
    ///
    /// # Errors
    ///
    /// Why there are no values; then `results` is empty.
    #[track_caller]
    pub fn map_into<F, A>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
        results: &mut Vec<F::Out>,
        erase: Erase<B, Batch<F, A>>,
    ) -> Result<(), TaskError<F::Raised>>
    where
        F: Func<A, Out: Send, Raised: Send> + Send + Sync + 'static,
        A: Send + 'static,
    {
        let work = self.batch_into(func, items, results)?;
        let handle = self
            .submit(work, self.with_retries(SubmitOptions::here()), erase)
            .map_err(|rejected| rejected.give_back(Batch::into_items).refusal())?;
        *results = handle.get()?;
        Ok(())
    }

    /// As [`map_into`](Self::map_into), with what may borrow from the caller's stack.
    ///
    /// # Errors
    ///
    /// As for [`map_into`](Self::map_into).
    #[track_caller]
    pub fn call_into<F, A>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
        results: &mut Vec<F::Out>,
    ) -> Result<(), TaskError<F::Raised>>
    where
        B: LocalBackend,
        F: Func<A, Out: Send, Raised: Send> + Send + Sync,
        A: Send,
    {
        let work = self.batch_into(func, items, results)?;
        *results = self.call(work)?;
        Ok(())
    }

    /// As [`call_into`](Self::call_into), over a slice that workers read where it is.
    ///
    /// # Errors
    ///
    /// As for [`map_into`](Self::map_into).
    #[track_caller]
    pub fn call_slice_into<'a, F, A>(
        &self,
        func: F,
        items: &'a [A],
        results: &mut Vec<F::Out>,
    ) -> Result<(), TaskError<F::Raised>>
    where
        B: LocalBackend,
        F: Func<&'a A, Out: Send, Raised: Send> + Send + Sync,
        A: Sync,
    {
        let buffer = std::mem::take(results);
        let chunksize = self.chunksize(items.len(), None)?;
        *results = self.call(Batch::of_slice(func, items, buffer, chunksize))?;
        Ok(())
    }

    /// The work of a map that takes over the memory of `results`.
    fn batch_into<F: Func<A>, A>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A>,
        results: &mut Vec<F::Out>,
    ) -> Result<Batch<F, A>, PoolError> {
        let (items, buffer) = Batch::<F, A>::collect_into(items, std::mem::take(results));
        let asked = (self.0.retries.most() > 0).then_some(1);
        let chunksize = self.chunksize(items.len(), asked)?;
        Ok(Batch::with_buffer(func, items, buffer, chunksize))
    }

    /// Runs work that may borrow from the caller's stack, and waits for it.
    ///
    /// # Errors
    ///
    /// Why there is no value; when it returns, nothing of the work is running.
    #[track_caller]
    pub fn call<W: Work>(&self, work: W) -> Result<W::Value, TaskError<W::Raised>>
    where
        B: LocalBackend,
    {
        let options = SubmitOptions::here();
        self.0.admit()?;
        // A worker for which no compensation thread can be had is refused before any other thread has a pointer to its stack.
        let blocked = match thread_state::on_callback_thread(self.0.shared.pool) {
            true => None,
            false => thread_state::block(self.0.shared.pool)?,
        };
        let end = StackJob::new(work).call(|borrowed| {
            let cell = JobCell::new(&self.0.shared, borrowed, true, options);
            let queue = || self.0.queue(&cell, Admission::Wait, B::local_job, || ());
            let queued = panic::catch_unwind(AssertUnwindSafe(queue));
            if !matches!(queued, Ok(Ok(()))) {
                // The backend has had the job, and may have kept it: none of its units is ever handed out.
                cell.terminate(self.0.queue.retract(&*cell));
            }
            let job: Arc<dyn Awaited> = cell.clone();
            wait_to_the_end(&job, blocked.as_ref());
            match queued {
                Ok(Ok(())) => AsyncResult::new(cell).get(),
                Ok(Err(why)) => Err(Rejected::new(why, ()).give_back(|()| ()).refusal().into()),
                Err(panic) => panic::resume_unwind(panic),
            }
        });
        // The errors of work on a stack are not stored in the cell; the caller gets them.
        if let Err(TaskError::Raised { .. } | TaskError::Panicked(_)) = end {
            self.0.shared.counters.errors(1);
        }
        end
    }

    /// Starts an `imap`. The consumer reads an input that is at hand, as it takes results; a thread of its own reads any
    /// other.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`], [`PoolError::ZeroChunksize`], [`PoolError::ZeroReadAhead`].
    pub fn imap<F, A, E>(
        &self,
        func: F,
        input: impl Input<E, Item = A>,
        options: ImapOptions,
        erase: Erase<B, Batch<Settled<F>, A>>,
    ) -> Result<Imap<F::Out, E>, PoolError>
    where
        F: Func<A, Out: Send + 'static, Raised = E> + Clone + Send + Sync + 'static,
        A: Send + 'static,
        E: Send + 'static,
    {
        self.0.admit()?;
        let window = Window::new(options.read_ahead, self.size());
        if options.chunksize == 0 {
            return Err(PoolError::ZeroChunksize);
        }
        let mut limits = options.limits.unwrap_or_default();
        limits.retries = limits.retries.or(self.0.retries);
        LimitOptions::chunksize(Some(&limits), Some(options.chunksize))?;
        if options.read_ahead == Some(0) {
            return Err(PoolError::ZeroReadAhead);
        }
        self.0.queue.open_source()?;
        let (chunksize, place) = (options.chunksize, options.place);
        // What each chunk has for itself.
        let (deadline, retries) = (limits.deadline, limits.retries);
        let has_limits = deadline.is_some() || retries.most() > 0;
        let shared = self.0.clone();
        let mut jobs = Vec::new();
        let submit = move |chunks: &mut dyn Iterator<Item = ReadChunk<A, F::Out, E>>,
                           handles: &mut Vec<_>| {
            // The clone of the function may panic.
            let made = panics::catch(|| {
                for (first, items, memory) in chunks {
                    let func = Settled(func.clone());
                    let work = Batch::with_buffer(func, items, memory, chunksize).at(first);
                    let mut options = SubmitOptions::at(place);
                    if has_limits {
                        let limits = options.limits();
                        (limits.deadline, limits.retries) = (deadline, retries);
                    }
                    let cell = JobCell::new(&shared.shared, work, false, options);
                    jobs.push(erase(cell.clone()));
                    handles.push(AsyncResult::new(cell));
                }
            });
            shared.queue.push_from_source(jobs.drain(..))?;
            shared.backend.wake();
            Ok(made.err())
        };
        let shared = self.0.clone();
        let open = OpenSource::new(move || {
            if shared.shared.is_here().is_ok() {
                shared.queue.end_source();
                shared.backend.wake();
            }
        });
        let end = Arc::default();
        let items = input.read(&end);
        let at_hand = is_at_hand::<_, A>(&items);
        let input = ImapInput::new(items, chunksize, window, place, submit, open, end);
        let source: Arc<dyn Source> = input.clone();
        self.0.queue.remember_source(Arc::downgrade(&source));
        Ok(Imap::new(
            input,
            options.unordered,
            at_hand,
            &limits,
            &self.0.shared,
        ))
    }

    /// Admits no more work and returns at once; what was admitted will be done. It may be repeated.
    pub fn close(&self) {
        if self.0.shared.is_here().is_err() {
            return;
        }
        if let Ok(Some(Order::Close)) = self.0.queue.step(Step::Close) {
            self.0.backend.close();
        }
    }

    /// Stops the pool: what has not started never will, and every open handle resolves to
    /// [`TaskError::Terminated`]. It returns without waiting, and may be repeated.
    pub fn terminate(&self) {
        self.0.terminate();
    }

    /// Waits until every task is done, every callback has returned and no worker is left; true. False when
    /// `limit` was over first: then it may be called again.
    ///
    /// # Errors
    ///
    /// [`PoolError::StillRunning`] before `close` or `terminate`, [`PoolError::WouldDeadlock`] from inside a task
    /// or callback of this pool, or the input of an `imap` of it, [`PoolError::Forked`] in a child that the program forked.
    pub fn join(&self, limit: Option<Duration>) -> Result<bool, PoolError> {
        self.0.join(limit)
    }

    /// As [`join`](Self::join) without a limit, to be awaited.
    pub fn join_async(&self) -> JoinAsync {
        JoinAsync::new(self.0.clone())
    }

    /// Closes the pool and joins it in the background: what was admitted will be done, then it ends.
    pub(crate) fn detach(&self) {
        if self.0.shared.is_here().is_err() {
            return;
        }
        self.close();
        self.0.detached.store(true, Ordering::Release);
        shutdown::join_in_background(self.0.clone());
    }
}

impl<B: Backend> Shutdown for Arc<Shared<B>> {
    fn may_join(&self) -> Result<(), PoolError> {
        self.begin_join()
    }

    fn join_pool(&self) -> Result<(), PoolError> {
        self.join(None).map(|_| ())
    }
}

impl<B: Backend> Withdraw for Shared<B> {
    fn number(&self) -> u64 {
        self.shared.pool
    }

    fn withdraw(&self, one: Option<u64>) {
        // In this order: what a worker gives back meanwhile is in the queue when that is swept.
        let taken = self.backend.withdraw();
        for Claim { job, unit, .. } in taken {
            job.job().discard(Unclaimed::returned(&unit, job.job()));
        }
        for (job, unclaimed) in self.queue.sweep(one) {
            job.job().discard(unclaimed);
        }
    }
}

impl<B: Backend> EarlyEnds for Shared<B> {
    fn stops_units(&self) -> bool {
        self.backend.stops_units()
    }

    fn stop_job(&self, job: &dyn Job) {
        self.backend.stop(job.number(), None);
    }

    fn stop_unit(&self, job: &dyn Job, unit: usize) -> UnitStop {
        self.backend.stop(job.number(), Some(unit))
    }

    fn is_terminated(&self) -> bool {
        self.queue.phase() == Phase::Terminated
    }
}

impl<B: Backend> Shared<B> {
    fn queue<W: Work + 'static>(
        &self,
        cell: &Arc<JobCell<W>>,
        admission: Admission,
        erase: Erase<B, W>,
        begin: impl FnOnce(),
    ) -> Result<(), NotAdmitted> {
        if cell.resolve_if_empty() {
            return Ok(());
        }
        if let Err((why, job)) = self.queue.push(erase(cell.clone())) {
            if why != NotAdmitted::Full || admission == Admission::Now {
                return Err(why);
            }
            begin();
            return self.waiting(admission, |over| {
                let turn = self.queue.line_up();
                let over = &|| over() || cell.is_over();
                match turn.push(job, over) {
                    // It was cancelled, and has its outcome.
                    Err(NotAdmitted::Full) if cell.is_over() => return Ok(()),
                    pushed => pushed?,
                }
                self.backend.wake();
                // The rest of a map that was admitted finds places one by one; its submitter waits for them, within the
                // same time.
                turn.wait_for_places(over);
                Ok(())
            })?;
        }
        begin();
        self.backend.wake();
        Ok(())
    }

    /// Waits for places, until the time is over. A worker of the pool counts as blocked meanwhile.
    fn waiting<R>(
        &self,
        admission: Admission,
        wait: impl FnOnce(&dyn Fn() -> bool) -> R,
    ) -> Result<R, PoolError> {
        let over = Arc::new(AtomicBool::new(false));
        let _armed = match admission {
            Admission::Within(limit) => {
                let (over, queue) = (over.clone(), self.queue.clone());
                let alarm = move || {
                    over.store(true, Ordering::Release);
                    queue.ring_for_places();
                };
                Some(self.shared.timers.arm(limit, Box::new(alarm)))
            }
            Admission::Wait | Admission::Now => None,
        };
        let _blocked = thread_state::block(self.shared.pool)?;
        Ok(wait(&|| over.load(Ordering::Acquire)))
    }

    /// Units that were admitted, and how many of them wait or run.
    fn units(&self) -> (u64, u64) {
        let (submitted, unfinished) = self.queue.units();
        (submitted, unfinished + self.backend.unfinished() as u64)
    }

    /// Whether work would be admitted.
    fn admit(&self) -> Result<(), PoolError> {
        self.shared.is_here()?;
        self.queue.admit()
    }

    fn terminate(&self) {
        if self.shared.is_here().is_err() {
            return;
        }
        if let Ok(Some(Order::Terminate)) = self.queue.step(Step::Terminate) {
            self.queue.sources().iter().for_each(|source| source.stop());
            let taken = self.backend.abandon();
            let taken = taken.into_iter().map(|job| (job, Unclaimed::NONE));
            let mut jobs = self.queue.abandon();
            jobs.extend(taken);
            jobs.sort_by_key(|(job, _)| job.job().number());
            for (job, unclaimed) in jobs {
                job.job().terminate(unclaimed);
            }
            self.backend.terminate();
        }
    }

    /// Whether the calling code may wait for the pool's end.
    fn begin_join(&self) -> Result<(), PoolError> {
        self.shared.is_here()?;
        self.queue.step(Step::Join)?;
        let reads = |source: &Arc<dyn Source>| source.is_read_here();
        if thread_state::inside(self.shared.pool) || self.queue.sources().iter().any(reads) {
            return Err(PoolError::WouldDeadlock);
        }
        Ok(())
    }

    fn join(&self, limit: Option<Duration>) -> Result<bool, PoolError> {
        self.begin_join()?;
        let deadline = Deadline::after(&self.shared.timers, limit);
        // Nobody may be there to take the results: the bound on reading ahead is lifted, unless this only looks.
        let sources = match deadline.is_over() {
            true => Vec::new(),
            false => self.queue.sources(),
        };
        for source in &sources {
            source.lift_bound(true);
            if source.wants_reader() {
                let read = source.clone();
                // Where the system refuses a thread, this one reads.
                if self.shared.readers.start(move || read.read_on()).is_err() {
                    source.read_on();
                }
            }
        }
        let gone = self.backend.join(&deadline) && self.shared.callbacks.finish(&deadline);
        if gone {
            // After `terminate`, one may be blocked in an input that nobody wants any more.
            let wait = self.queue.phase() != Phase::Terminated;
            self.shared.readers.close(wait);
            self.queue.step(Step::Reaped)?;
        } else {
            sources.iter().for_each(|source| source.lift_bound(false));
        }
        Ok(gone)
    }
}

impl<B: Backend> Drop for Engine<B> {
    /// Terminates and joins; inside a task or callback of the pool itself, or the input of an `imap` of it, another thread
    /// does the joining. In a child that the program forked nothing happens.
    fn drop(&mut self) {
        let shared = &self.0;
        if shared.shared.is_here().is_err() {
            // Threads, processes and descriptors are the parent's: nothing of them may be touched here.
            std::mem::forget(shared.clone());
            return;
        }
        if shared.queue.phase() == Phase::Joined || shared.detached.load(Ordering::Acquire) {
            return;
        }
        let (_, unfinished) = shared.units();
        if shared.warn_on_drop && unfinished > 0 && shared.queue.phase() != Phase::Terminated {
            let tasks = if unfinished == 1 { "task" } else { "tasks" };
            // Not `eprintln`, which panics where nobody reads stderr.
            let _ = writeln!(
                io::stderr(),
                "{} pool dropped with {unfinished} unfinished {tasks}: close() and join() it first",
                B::KIND
            );
        }
        shared.terminate();
        // A terminated pool refuses a join for one reason: its end would wait for itself here.
        if shared.join(None).is_err() {
            shutdown::join_in_background(shared.clone());
        }
    }
}

impl<B: Backend> fmt::Debug for Engine<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("kind", &B::KIND)
            .field("phase", &self.phase())
            .field("size", &self.size())
            .finish()
    }
}
