//! The handle of a job: `AsyncResult`, to ask, to wait, to take the value, or to await it.
//!
//! # Safety
//!
//! A job has one handle, made by the engine with the job. Only the handle takes the outcome, and it does so
//! with `self` or `&mut self`; references to the outcome borrow the handle. The marker makes the handle `Sync`
//! only where value and error are.
#![expect(
    unsafe_code,
    reason = "the handle owns the outcome of a job that is ready"
)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::admission::TrySubmitError;
use crate::callback_thread::Due;
use crate::cancel::{CancelHandle, Early, EndEarly, end_early};
use crate::error::{Never, PoolError, TaskError, TimedOut};
use crate::outcome::{Awaited, Outcome, Progress};
use crate::panics;
use crate::shared::PoolShared;
use crate::thread_state::{self, Blocked, Interrupt};
use crate::wait_group::WaitGroupGuard;

/// The handle of a task, or of a whole map, that was submitted.
///
/// Dropping it neither cancels nor detaches: the task runs, and `join` waits for it. It is also a
/// [`Future`], which any executor may poll, from any thread; it yields the outcome once.
///
/// Inside its own task, and inside its own callback, the outcome cannot come before that code returns: to get it or to
/// wait for it there, and to await it, is refused with [`PoolError::WouldDeadlock`]. So it is for everything that is
/// polled there meanwhile, on that thread: a branch of a `select!` yields the refusal at once, and so does a task of an
/// executor that the callback drives. A refusal takes nothing from the handle, which may be polled again elsewhere.
///
/// Source: `multiprocessing.pool.AsyncResult` in CPython's documentation.
#[must_use = "dropping it neither cancels nor waits; its error, if there is one, would go unseen"]
pub struct AsyncResult<T, E = Never> {
    job: Arc<dyn Outcome<T, E>>,
    /// `Send` and `Sync` as a value and an error are.
    content: PhantomData<(T, E)>,
}

/// What comes of a submission: its handle, or its argument again.
pub type Submitted<T, E, A> = Result<AsyncResult<T, E>, TrySubmitError<A>>;

impl<T, E> AsyncResult<T, E> {
    pub(crate) fn new(job: Arc<dyn Outcome<T, E>>) -> Self {
        AsyncResult {
            job,
            content: PhantomData,
        }
    }

    /// True when the task has finished, with a value or with an error, and its callback has returned.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let handle = pool.apply_async(|x| x + 1, 1)?;
    /// handle.wait();
    /// assert!(handle.ready());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ready(&self) -> bool {
        self.job.state().is_ready()
    }

    /// Whether the task has finished without an error.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotReady`] before it has finished.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let handle = pool.try_apply_async(str::parse::<u8>, "x")?;
    /// handle.wait();
    /// assert_eq!(handle.successful(), Ok(false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn successful(&self) -> Result<bool, PoolError> {
        let state = self.job.state();
        if state.is_ready() {
            Ok(!state.has_failed())
        } else {
            Err(PoolError::NotReady)
        }
    }

    /// How many items of a map are done, and of how many: for a progress bar. They are counted by chunks: a chunk is done when it has
    /// ended, well or badly, or never will run. A call is one item.
    ///
    /// It may be asked for at any time, from any thread. A map that was asked once counts each chunk at its end, and short ones not only
    /// when a worker has run several.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// use std::time::Duration;
    ///
    /// let squares = pool.map_async(|x: u64| x * x, 0..1_000)?;
    /// while !squares.wait_timeout(Duration::from_millis(100)) {
    ///     println!("{} done", squares.progress().done);
    /// }
    /// let progress = squares.progress();
    /// assert_eq!((progress.done, progress.total), (1_000, Some(1_000)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn progress(&self) -> Progress {
        self.job.progress()
    }

    /// Blocks until the task has finished; it never fails, whatever the task did.
    ///
    /// Inside the very callback or task that it would wait for, it returns at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let handle = pool.apply_async(|()| panic!("never mind"), ())?;
    /// handle.wait();
    /// let failed: Result<(), _> = handle.get();
    /// assert!(failed.is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) {
        // What is refused, to wait for oneself or in a forked child, leaves nothing to wait for.
        let _ = wait(&self.awaited(), None);
    }

    /// Blocks until the task has finished or the time is over (zero only looks); true when it has finished.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let handle = pool.apply_async(|x| x + 1, 1)?;
    /// assert!(handle.wait_timeout(std::time::Duration::from_secs(60)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        wait(&self.awaited(), Some(limit)) == Ok(true)
    }

    /// Blocks until the task has finished and gives its value.
    ///
    /// # Errors
    ///
    /// Why the task has no value; [`PoolError::Taken`] when it was moved out before, and
    /// [`PoolError::WouldDeadlock`] in the very callback or task that it would wait for, or where no compensation thread can
    /// be had for a worker that waits for its own pool.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// assert_eq!(pool.apply_async(|x| x + 1, 1)?.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(self) -> Result<T, TaskError<E>> {
        self.is_reached(None)?;
        let this = ManuallyDrop::new(self);
        // SAFETY: moved out once: `this` is not dropped. Nobody will ask whether the outcome was taken.
        let job = unsafe { std::ptr::read(&this.job) };
        // SAFETY: ready, and the handle is gone, which was the only way to the outcome.
        unsafe { job.take() }.unwrap_or(Err(PoolError::Taken.into()))
    }

    /// As [`get`](Self::get), but for at most this long (zero only looks). [`TimedOut`] is an error of the wait and not of the
    /// task, which goes on; the handle can wait again.
    ///
    /// # Errors
    ///
    /// The outer one: the time was over first. The inner one: as for [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// use std::time::Duration;
    ///
    /// let mut handle = pool.apply_async(|x| x + 1, 1)?;
    /// assert_eq!(handle.get_timeout(Duration::from_secs(60))??, 2);
    /// assert!(handle.get_timeout(Duration::ZERO)?.is_err(), "it was taken");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_timeout(&mut self, limit: Duration) -> Result<Result<T, TaskError<E>>, TimedOut> {
        match self.is_reached(Some(limit)) {
            Ok(true) => Ok(self.take()),
            Ok(false) => Err(TimedOut),
            Err(refused) => Ok(Err(refused.into())),
        }
    }

    /// Blocks until the task has finished and gives a reference to its value; it may be repeated, and from many threads
    /// where the value is `Sync`.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get), with a reference to the function's own error; what is to outlive the handle is
    /// [`cloned`](TaskError::cloned).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let handle = pool.apply_async(|x| vec![x; 3], 1)?;
    /// assert_eq!(handle.get_ref(), Ok(&vec![1, 1, 1]));
    /// assert_eq!(handle.get_ref().map(Vec::len), Ok(3));
    /// let ones: &Vec<i32> = handle.get_ref().map_err(pool_core::TaskError::cloned)?;
    /// assert_eq!(ones.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_ref(&self) -> Result<&T, TaskError<&E>> {
        self.is_reached(None)?;
        self.look()
    }

    /// As [`get_ref`](Self::get_ref), but for at most this long (zero only looks).
    ///
    /// # Errors
    ///
    /// The outer one: the time was over first. The inner one: as for [`get_ref`](Self::get_ref).
    pub fn get_ref_timeout(&self, limit: Duration) -> Result<Result<&T, TaskError<&E>>, TimedOut> {
        match self.is_reached(Some(limit)) {
            Ok(true) => Ok(self.look()),
            Ok(false) => Err(TimedOut),
            Err(refused) => Ok(Err(refused.into())),
        }
    }

    /// Has a function called with the outcome when the task has finished, also where it has already: on the callback thread of the
    /// pool, after the callbacks of the call itself. `join` waits for it. It may use the pool, as every callback may. Its panic is
    /// reported by the panic hook, and changes nothing.
    ///
    /// Source: `concurrent.futures.Future.add_done_callback` in Python's documentation.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let (sender, lengths) = std::sync::mpsc::channel();
    /// pool.apply_async(str::len, "seven")?
    ///     .add_done_callback(move |length| {
    ///         // Nobody may be there any more to receive it.
    ///         let _ = sender.send(length);
    ///     });
    /// assert_eq!(lengths.recv()?, Ok(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_done_callback<F>(self, callback: F)
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(Result<T, TaskError<E>>) + Send + 'static,
    {
        let shared = self.shared().clone();
        if shared.is_here().is_err() {
            return;
        }
        shared.callbacks.open();
        let waits = Arc::new(DoneCallback {
            _expected: shared.callbacks.expect(),
            task: self.job.id().0,
            shared,
            rest: Mutex::new(None),
        });
        let mut rest = waits.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let (handle, _) = rest.insert((self, callback));
        let is_ready = handle.watch(&Waker::from(waits.clone()));
        drop(rest);
        if is_ready {
            waits.wake();
        }
    }

    /// What the jobs of its pool share.
    pub(crate) fn shared(&self) -> &Arc<PoolShared> {
        self.job.shared()
    }

    /// No wait would change what it returns.
    pub(crate) fn cannot_change(&self) -> bool {
        self.job.state().was_taken() || self.shared().is_here().is_err()
    }

    /// Cancels the task, or the whole map; true where this has decided its outcome, which then is [`TaskError::Cancelled`]. False
    /// where it was decided before: the task has finished, or was cancelled already.
    ///
    /// What has not started never will, and leaves the queue at once. A process that runs a part of it is stopped, by SIGTERM and after
    /// the pool's grace by SIGKILL, and replaced; the outcome comes when nothing of it runs any more. A function on a thread cannot
    /// be stopped: the outcome comes at once, and the function may look whether it is [`cancelled`](crate::cancelled()). Where a chunk of
    /// a map had failed before, the error of the map is that of the chunk.
    ///
    /// To cancel many calls at once take a [`CancelToken`](crate::CancelToken). In Python: `Future.cancel`, which cannot cancel what
    /// has started.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// use pool_core::{Pool, TaskError, cancelled};
    ///
    /// let handle = pool.apply_async(|()| while !cancelled() { std::thread::yield_now() }, ())?;
    /// assert!(handle.cancel() && !handle.cancel());
    /// assert_eq!(handle.get(), Err(TaskError::Cancelled));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        end_early(&*self.job, Early::Cancelled)
    }

    /// What can cancel the task from elsewhere, while another thread waits for it, or takes its value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let handle = pool.apply_async(|x| x + 1, 1)?;
    /// let cancels = handle.cancel_handle();
    /// assert_eq!(handle.get()?, 2);
    /// assert!(cancels.is_over() && !cancels.cancel());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::new(self.target())
    }

    /// The job, for those who end it early.
    pub(crate) fn target(&self) -> Weak<dyn EndEarly> {
        let job: Weak<dyn Outcome<T, E>> = Arc::downgrade(&self.job);
        job
    }

    /// The outcome of a job that is ready.
    fn look(&self) -> Result<&T, TaskError<&E>> {
        // SAFETY: ready; the reference borrows the handle, and taking needs it whole or mutably.
        match unsafe { self.job.peek() } {
            Some(Ok(value)) => Ok(value),
            Some(Err(failure)) => {
                self.job.state().mark_seen();
                Err(failure.as_ref())
            }
            None => Err(PoolError::Taken.into()),
        }
    }

    /// The job, for others to wait for.
    pub(crate) fn awaited(&self) -> Arc<dyn Awaited> {
        self.job.clone()
    }

    /// True when the calling code is a task or the callback of this job, and the job not over before it returns.
    pub(crate) fn is_ours(&self) -> bool {
        !self.ready() && is_ours(&*self.job)
    }

    /// Wakes `waker` when the task has finished; true when it has already: then `waker` is not woken.
    pub(crate) fn watch(&self, waker: &Waker) -> bool {
        self.job
            .state()
            .poll(&mut Context::from_waker(waker))
            .is_ready()
    }

    /// Waits until the outcome may be looked at; false when the time was over first.
    fn is_reached(&self, limit: Option<Duration>) -> Result<bool, PoolError> {
        match self.job.state() {
            state if state.was_taken() => Err(PoolError::Taken),
            state if state.is_ready() => Ok(true),
            _ => wait(&self.awaited(), limit),
        }
    }

    /// Takes the outcome of a job that is ready.
    fn take(&mut self) -> Result<T, TaskError<E>> {
        if !self.job.state().mark_taken() {
            return Err(PoolError::Taken.into());
        }
        // SAFETY: ready, and `&mut self` is the only way to the outcome.
        unsafe { self.job.take() }.unwrap_or(Err(PoolError::Taken.into()))
    }
}

/// A function that waits for the outcome of a task.
struct DoneCallback<T, E, F> {
    task: u64,
    rest: Mutex<Option<(AsyncResult<T, E>, F)>>,
    shared: Arc<PoolShared>,
    /// The callback thread does not end before it has run.
    _expected: WaitGroupGuard,
}

impl<T, E, F> Wake for DoneCallback<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(Result<T, TaskError<E>>) + Send + 'static,
{
    fn wake(self: Arc<Self>) {
        self.shared.clone().callbacks.post(self);
    }
}

impl<T: Send, E: Send, F: FnOnce(Result<T, TaskError<E>>) + Send> Due for DoneCallback<T, E, F> {
    fn run_callback(&self) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((handle, callback)) = rest.take() else {
            return;
        };
        drop(rest);
        // The panic hook has reported a panic of the caller's function.
        let _ = panics::catch(|| {
            thread_state::as_callback(self.shared.pool, self.task, || callback(handle.get()))
        });
    }
}

/// Whether the calling code is a part of a job, and would wait for itself.
fn is_ours<J: Awaited + ?Sized>(job: &J) -> bool {
    thread_state::is_part_of(job.shared().pool, job.id().0)
}

/// Blocks until a job is ready, true, or the time is over, false.
pub(crate) fn wait(job: &Arc<dyn Awaited>, limit: Option<Duration>) -> Result<bool, PoolError> {
    let (state, shared) = (job.state(), job.shared());
    if state.is_ready() {
        return Ok(true);
    }
    shared.is_here()?;
    if limit.is_some_and(|limit| limit.is_zero()) {
        return Ok(false);
    }
    if is_ours(&**job) || thread_state::is_service_thread(shared.pool) {
        return Err(PoolError::WouldDeadlock);
    }
    let on_callback_thread = thread_state::on_callback_thread(shared.pool);
    if on_callback_thread {
        state.callback_waits();
    }
    let over = limit.map(|_| Arc::new(AtomicBool::new(false)));
    let _armed = limit.zip(over.clone()).map(|(limit, over)| {
        let job = job.clone();
        shared.timers.arm(
            limit,
            Box::new(move || {
                over.store(true, Ordering::Release);
                if job.state().ring() {
                    job.shared().callbacks.nudge();
                }
                if let Some(assist) = &job.shared().assist {
                    assist.kick();
                }
            }),
        )
    });
    let is_worker = thread_state::is_worker(shared.pool);
    let is_cancelled = || shared.ends_wait();
    let give_up = || {
        let over = over.as_ref();
        over.is_some_and(|over| over.load(Ordering::Acquire)) || is_cancelled()
    };
    if on_callback_thread {
        shared.callbacks.run_until(|| state.is_ready() || give_up());
        // Where callbacks have no thread of their own, there is nothing else to run meanwhile.
        return Ok(state.wait(None, None, give_up));
    }
    let blocked = thread_state::block(shared.pool)?;
    let _interrupt = match is_worker {
        true => Some(interrupt_by(job, false)?),
        false => None,
    };
    if let Some(assist) = &shared.assist {
        let done = || state.is_ready() || give_up();
        assist.assist(&done);
        if !done() && state.assists() && assist.sleep(&done) {
            return Ok(state.is_ready());
        }
    }
    match state.wait(blocked.as_ref(), shared.spin, give_up) {
        false if is_cancelled() => Err(PoolError::Cancelled),
        is_ready => Ok(is_ready),
    }
}

/// How a task that waits for a job of its own pool is interrupted.
struct WaitsFor {
    job: Weak<dyn Awaited>,
    /// The job is cancelled: its work is on the stack of the one who waits.
    cancels: bool,
}

impl Interrupt for WaitsFor {
    fn interrupt(&self) {
        let Some(job) = self.job.upgrade() else {
            return;
        };
        if !self.cancels {
            // Whoever waits is no callback.
            let _ = job.state().ring();
        } else {
            end_early(&*job, Early::Cancelled);
        }
    }
}

/// The calling worker is going to wait for a job of its own pool, until what comes back is dropped: a task that is cancelled waits no
/// longer.
fn interrupt_by(job: &Arc<dyn Awaited>, cancels: bool) -> Result<Arc<WaitsFor>, PoolError> {
    let waits = Arc::new(WaitsFor {
        job: Arc::downgrade(job),
        cancels,
    });
    let weak: Weak<WaitsFor> = Arc::downgrade(&waits);
    thread_state::add_interrupt(job.shared().pool, weak);
    match job.shared().ends_wait() {
        false => Ok(waits),
        true => Err(PoolError::Cancelled),
    }
}

/// Blocks until a job is ready, come what may: its work lies on the caller's stack.
pub(crate) fn wait_to_the_end(job: &Arc<dyn Awaited>, blocked: Option<&Blocked>) {
    let (state, shared) = (job.state(), job.shared());
    if !state.is_ready() && thread_state::on_callback_thread(shared.pool) {
        state.callback_waits();
        shared.callbacks.run_until(|| state.is_ready());
    }
    let _interrupt = match thread_state::is_worker(shared.pool) {
        true => match interrupt_by(job, true) {
            Ok(interrupt) => Some(interrupt),
            // The task was cancelled before: so is what it waits for.
            Err(_) => {
                end_early(&**job, Early::Cancelled);
                None
            }
        },
        false => None,
    };
    state.wait(blocked, shared.spin, || false);
}

impl<T, E> Future for AsyncResult<T, E> {
    type Output = Result<T, TaskError<E>>;

    /// Ready with the outcome, once; polled again after that it is [`PoolError::Taken`]. In the very callback or task that
    /// it would wait for it is [`PoolError::WouldDeadlock`], and the outcome stays where it is.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.is_ours() {
            return Poll::Ready(Err(PoolError::WouldDeadlock.into()));
        }
        if !this.ready() {
            this.job.shared().is_here()?;
        }
        this.job.state().poll(cx).map(|()| this.take())
    }
}

impl<T, E> Drop for AsyncResult<T, E> {
    fn drop(&mut self) {
        if !self.job.state().was_taken() && self.job.shared().is_here().is_ok() {
            // SAFETY: this is the one handle, and it has not taken the outcome.
            unsafe { self.job.forget() };
        }
    }
}

// Nothing in it is ever pinned.
impl<T, E> Unpin for AsyncResult<T, E> {}

impl<T, E> fmt::Debug for AsyncResult<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncResult")
            .field("task", &self.job.id())
            .field("ready", &self.ready())
            .finish_non_exhaustive()
    }
}
