//! Scopes: tasks that borrow from the caller's stack. All of them have ended when the scope returns.
//!
//! # Safety
//!
//! A task's closure is in a `ScopedClosure`, whose type has lost the closure's lifetime. Before [`Engine::scope`] returns or
//! unwinds, it waits until every job of the scope has resolved, takes back each closure that never ran, and waits for those that
//! are running. After that no `ScopedClosure` holds a closure, whoever still has a reference to one. The end of the scope cannot be
//! skipped: the scope is on the stack of the function that waits, and tasks can only be submitted through a reference to it.
#![expect(
    unsafe_code,
    reason = "closures that borrow travel to workers that are waited for"
)]

use std::fmt;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backends::{Backend, LocalBackend};
use crate::engine::Engine;
use crate::error::{PoolError, TaskError};
use crate::handle::{AsyncResult, wait};
use crate::options::SubmitOptions;
use crate::outcome::Awaited;
use crate::panics;
use crate::task::TryOnce;
use crate::timers::Timers;
use crate::wait_group::{Deadline, WaitGroup, WaitGroupGuard};

/// A closure that was submitted to a scope, until it is run or taken back.
struct ScopedClosure(Mutex<ClosureState>);

enum ClosureState {
    Pending(PendingClosure),
    /// It was run, or it was taken back after its job had resolved.
    Gone,
    /// It was taken back because the scope may not wait for it. Its task fails with this error.
    Refused(PoolError),
}

struct PendingClosure {
    run: Box<dyn FnOnce() + Send>,
    /// Dropped after the closure: the scope waits until it is dropped.
    guard: WaitGroupGuard,
}

impl ScopedClosure {
    /// Takes the closure back if it has not begun. `waited` is the outcome of the wait for its job; an error becomes that of the task.
    fn take_back(&self, waited: Result<bool, PoolError>) {
        let mut state = lock(&self.0);
        if matches!(*state, ClosureState::Pending(_)) {
            let taken = waited.map_or_else(ClosureState::Refused, |_| ClosureState::Gone);
            let closure = std::mem::replace(&mut *state, taken);
            drop(state);
            // If its drop panics, the scope still waits for the others.
            panics::contain(|| drop(closure));
        }
    }

    fn run(&self) -> Result<(), PoolError> {
        let state = std::mem::replace(&mut *lock(&self.0), ClosureState::Gone);
        match state {
            ClosureState::Pending(PendingClosure { run, guard }) => {
                // Dropped after the closure, also when the closure panics.
                let _guard = guard;
                run();
                Ok(())
            }
            ClosureState::Gone => Ok(()),
            ClosureState::Refused(error) => Err(error),
        }
    }
}

/// What a worker runs for a scoped closure.
type RunScoped = Box<dyn FnOnce(()) -> Result<(), PoolError> + Send>;

/// A closure that was submitted to a scope, and its job.
struct ScopedJob {
    closure: Arc<ScopedClosure>,
    job: Arc<dyn Awaited>,
}

/// Submits tasks that borrow; made by `scope`.
pub struct Scope<'scope, 'env: 'scope, B: Backend> {
    engine: &'scope Engine<B>,
    jobs: Mutex<Vec<ScopedJob>>,
    /// Counts the closures that were not yet dropped.
    closures: Arc<WaitGroup>,
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// The handle of a scope's task.
#[must_use = "the scope waits for the task, but its value or its error is lost: drop the handle to ignore them"]
pub struct ScopedResult<'scope, T> {
    job: AsyncResult<(), PoolError>,
    value: Arc<Mutex<Option<T>>>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedResult<'_, T> {
    /// True when the task has finished, with a value or with an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// pool.scope(|scope| {
    ///     let handle = scope.apply_async(|x| x + 1, 1)?;
    ///     while !handle.ready() {
    ///         std::thread::yield_now();
    ///     }
    ///     assert_eq!(handle.get()?, 2);
    ///     Ok::<_, pool_thread::TaskError>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ready(&self) -> bool {
        self.job.ready()
    }

    /// Blocks until the task has finished and gives its value.
    ///
    /// # Errors
    ///
    /// Why the task has no value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let text = String::from("borrowed");
    /// let length = pool.scope(|scope| scope.apply_async(|()| text.len(), ())?.get())?;
    /// assert_eq!(length, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(self) -> Result<T, TaskError> {
        self.job.get().map_err(|error| match error {
            TaskError::Raised { error, .. } => TaskError::Pool(error),
            error => error.map(|_raised| unreachable!("the arm above has `Raised`")),
        })?;
        lock(&self.value).take().ok_or(TaskError::Terminated)
    }
}

impl<'scope, B: LocalBackend> Scope<'scope, '_, B> {
    /// Queues `func(arg)`, which may borrow from outside of the scope, and returns at once.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] after `close` or `terminate`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let mut halves = [1, 2];
    /// let [left, right] = &mut halves;
    /// pool.scope(|scope| {
    ///     let task = scope.apply_async(|by| *left *= by, 10)?;
    ///     *right += 1;
    ///     task.get()
    /// })?;
    /// assert_eq!(halves, [10, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn apply_async<A: Send + 'scope, R: Send + 'scope>(
        &'scope self,
        func: impl FnOnce(A) -> R + Send + 'scope,
        arg: A,
    ) -> Result<ScopedResult<'scope, R>, PoolError> {
        let value = Arc::new(Mutex::new(None));
        let stored = value.clone();
        let run: Box<dyn FnOnce() + Send + 'scope> = Box::new(move || {
            let value = func(arg);
            *lock(&stored) = Some(value);
        });
        // SAFETY: only the lifetime changes. The closure is run, or taken back, before the scope ends: see the head of the
        // module.
        let run = unsafe {
            std::mem::transmute::<Box<dyn FnOnce() + Send + 'scope>, Box<dyn FnOnce() + Send>>(run)
        };
        let guard = self.closures.enter();
        let pending = ClosureState::Pending(PendingClosure { run, guard });
        let closure = Arc::new(ScopedClosure(Mutex::new(pending)));
        let submitted = closure.clone();
        let func: RunScoped = Box::new(move |()| submitted.run());
        let options = SubmitOptions::here();
        let task = TryOnce { func, arg: () };
        let submit = || {
            self.engine
                .submit_task(task, options, B::local_job, |_task| ())
        };
        let job = match panic::catch_unwind(AssertUnwindSafe(submit)) {
            Ok(submitted) => submitted.map_err(|refused| refused.refusal())?,
            Err(panic) => {
                // Otherwise the end of the scope would wait for it.
                closure.take_back(Ok(false));
                panic::resume_unwind(panic)
            }
        };
        lock(&self.jobs).push(ScopedJob {
            closure,
            job: job.awaited(),
        });
        Ok(ScopedResult {
            job,
            value,
            scope: PhantomData,
        })
    }
}

impl<B: Backend> Scope<'_, '_, B> {
    fn last_job(&self) -> Option<ScopedJob> {
        lock(&self.jobs).pop()
    }

    /// Waits until no closure of the scope is left.
    fn end(&self) {
        if self.engine.is_here().is_err() {
            // In a forked child no thread runs a closure, and the lock of one may be held for ever.
            return;
        }
        // A task may submit further tasks, so this repeats until there are none.
        while let Some(ScopedJob { closure, job }) = self.last_job() {
            // If the wait is refused, since there is no compensation thread, a closure that has not begun never will.
            closure.take_back(wait(&job, None));
        }
        self.closures.wait(&Deadline::after(&Timers::real(), None));
    }
}

impl<B: Backend> Engine<B> {
    /// Calls `body` with a scope in which tasks may borrow from the caller's stack; when it returns, or
    /// unwinds, none of them is left.
    ///
    /// In a task of the same pool, where no compensation thread can be had while the scope waits, those that have not begun
    /// are not run: each is an error in the pool's [`TaskStats`](crate::TaskStats).
    pub fn scope<'env, R>(
        &self,
        body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, B>) -> R,
    ) -> R {
        let scope = Scope {
            engine: self,
            jobs: Mutex::default(),
            closures: Arc::default(),
            scope: PhantomData,
            env: PhantomData,
        };
        let end = panic::catch_unwind(AssertUnwindSafe(|| body(&scope)));
        scope.end();
        match end {
            Ok(value) => value,
            Err(payload) => panic::resume_unwind(payload),
        }
    }
}

impl<B: Backend> fmt::Debug for Scope<'_, '_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("closures", &self.closures.count())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedResult<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedResult")
            .field("ready", &self.ready())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
