//! How a pool is to be: the builder.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{CodecError, Config, Engine, FnPtr, Plain, Portable, StartError, Timers};

use crate::backend::Processes;
use crate::dispatch::Plan;
use crate::errand::{Making, Shape, TryMaking};
use crate::pool::ProcessPool;
use crate::start::StartMethod;
use crate::surroundings::Surroundings;
use crate::{travel, wire};

/// How a [`ProcessPool`] is to be; what is not said stays at its default.
#[derive(Debug, Clone)]
#[must_use = "nothing is started before `build`"]
pub struct Builder {
    config: Config,
    timers: Timers,
    grace: Duration,
    max_message: u64,
    panic_hook: bool,
    method: StartMethod,
    preload: Option<fn()>,
    initializer: Option<Result<Arc<[u8]>, CodecError>>,
    max_tasks: Option<NonZeroUsize>,
}

impl ProcessPool {
    /// Starts a pool of this many workers.
    ///
    /// # Errors
    ///
    /// A size of zero, a worker that the system refused, a program whose workers cannot be started.
    pub fn new(size: usize) -> Result<Self, StartError> {
        ProcessPool::builder().size(size).build()
    }

    /// A pool in the making, by default with a worker for each CPU that this process may use.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            config: Config::default(),
            timers: Timers::real(),
            grace: Duration::from_secs(1),
            max_message: wire::MAX_PAYLOAD,
            panic_hook: true,
            method: StartMethod::default(),
            preload: None,
            initializer: None,
            max_tasks: None,
        }
    }
}

impl Builder {
    /// Number of workers.
    pub fn size(self, size: usize) -> Self {
        Builder {
            config: self.config.size(size),
            ..self
        }
    }

    /// How many tasks may wait in the queue, at least 1 (default: any number); those that run are not counted, each
    /// chunk of a map is one.
    ///
    /// When it is full, a submission waits for a place: [`Submission`](crate::Submission) has the forms that do not,
    /// or not for long, and give the argument back. `close` and `terminate` wake those who wait with
    /// [`Misuse::NotRunning`](crate::Misuse::NotRunning). A map is let in chunk by chunk; one whose first
    /// chunk is in counts as accepted. An `imap` has its read-ahead for a bound and does not wait here. Who gets the
    /// next place, of several who wait, is not said.
    ///
    /// In Python the queue has no bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_process::{ProcessPool, TrySubmitError};
    ///
    /// let pool = ProcessPool::builder().size(1).queue(1).build()?;
    /// let slow = |millis: u64| std::thread::sleep(std::time::Duration::from_millis(millis));
    /// let mut queued = vec![];
    /// let full = loop {
    ///     match pool.task(slow, 20).try_submit() {
    ///         Ok(handle) => queued.push(handle),
    ///         Err(full) => break full,
    ///     }
    /// };
    /// assert_eq!(full, TrySubmitError::Full(20));
    /// let _late = pool.task(slow, full.into_argument()).submit()?; // waits for a place
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue(self, tasks: usize) -> Self {
        Builder {
            config: self.config.queue(tasks),
            ..self
        }
    }

    /// The pool's source of time.
    pub fn timers(self, timers: Timers) -> Self {
        Builder {
            config: self.config.timers(timers.clone()),
            timers,
            ..self
        }
    }

    /// How long workers that are stopped have between SIGTERM and SIGKILL (default: 1 s; zero: SIGKILL at once).
    pub fn grace(self, grace: Duration) -> Self {
        Builder { grace, ..self }
    }

    /// The longest message to and from a worker, in bytes (default: 1 GiB): an argument or a result beyond it
    /// is that task's error.
    pub fn max_message(self, bytes: u64) -> Self {
        Builder {
            max_message: bytes,
            ..self
        }
    }

    /// Whether the panic hook may be installed, here and in the workers, that gives panics of tasks their
    /// place (default: yes).
    pub fn panic_hook(self, install: bool) -> Self {
        Builder {
            config: self.config.panic_hook(install),
            panic_hook: install,
            ..self
        }
    }

    /// Whether a drop with unfinished tasks says so on stderr (default: yes).
    pub fn warn_on_drop(self, warn: bool) -> Self {
        Builder {
            config: self.config.warn_on_drop(warn),
            ..self
        }
    }

    /// Runs `make(arg)` in each worker before its first task, and in each worker that replaces one; what it makes
    /// is the worker's own state, which tasks reach by [`worker_state`](crate::worker_state).
    ///
    /// A panic is a failed start: it is tried again a few times, with growing pauses; when no worker is left
    /// that could start, what is queued fails with [`Failure::WorkerLost`](crate::Failure::WorkerLost). In
    /// Python workers are then started for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_process::{ProcessPool, worker_state};
    ///
    /// let pool = ProcessPool::builder().size(1).initializer(|start: u32| vec![start], 1).build()?;
    /// let push = |x: u32| worker_state(|seen: &mut Vec<u32>| { seen.push(x); seen.len() });
    /// assert_eq!(pool.map(push, 5..8)?, [Some(2), Some(3), Some(4)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initializer<A: Portable, S: 'static>(self, make: fn(A) -> S, arg: A) -> Self {
        self.initialized_by::<Making, _, _>(Plain(make), &arg)
    }

    /// As [`initializer`](Self::initializer), for one that may fail: an error is a failed start.
    pub fn try_initializer<A: Portable, S: 'static, E: fmt::Display + 'static>(
        self,
        make: fn(A) -> Result<S, E>,
        arg: A,
    ) -> Self {
        self.initialized_by::<TryMaking, _, _>(Plain(make), &arg)
    }

    fn initialized_by<M: Shape<A, F>, A: Portable, F: FnPtr<A>>(self, make: F, arg: &A) -> Self {
        let mut payload = Vec::new();
        let encoded = travel::payload::<M, A, F, A>(&make, arg, &mut payload);
        Builder {
            initializer: Some(encoded.map(|()| payload.into())),
            ..self
        }
    }

    /// How many tasks a worker does before another takes its place (default: no bound). A chunk of a map is
    /// one task.
    pub fn maxtasksperchild(self, tasks: NonZeroUsize) -> Self {
        Builder {
            max_tasks: Some(tasks),
            ..self
        }
    }

    /// Starts each worker from the program's file, instead of having a fork server fork it.
    pub fn reexec(self) -> Self {
        Builder {
            method: StartMethod::Reexec,
            ..self
        }
    }

    /// Forks this very process for each worker: tasks see what it holds, as in Python on Linux before 3.14.
    ///
    /// # Safety
    ///
    /// A worker has a copy of all memory but none of the other threads: what another thread has locked at that
    /// moment, in Rust or C, stays locked in the worker for ever. Tasks, and the encoding of their values, must
    /// not need anything that another thread of the program may hold. A program with one thread of its own is
    /// fit for it; most others are not.
    #[expect(
        unsafe_code,
        reason = "the caller answers for the program's other threads"
    )]
    pub unsafe fn raw_fork(self) -> Self {
        Builder {
            method: StartMethod::RawFork,
            ..self
        }
    }

    /// Runs this once in the fork server, before it forks workers: they share what it has made. Pools with
    /// the same function share a server. It must leave no thread behind: then no worker could be forked.
    pub fn preload(self, function: fn()) -> Self {
        Builder {
            preload: Some(function),
            ..self
        }
    }

    /// Starts the pool. Its workers, later ones included, have the working directory, environment, limits
    /// and output of the calling thread at this moment.
    ///
    /// # Errors
    ///
    /// See [`ProcessPool::new`].
    pub fn build(self) -> Result<ProcessPool, StartError> {
        let surroundings = Surroundings::here().map_err(|error| StartError::Impossible {
            reason: format!("the surroundings of this process cannot be read: {error}"),
        })?;
        let initializer = self
            .initializer
            .transpose()
            .map_err(|error| StartError::Impossible {
                reason: format!("the initializer cannot travel: cannot encode {error}"),
            })?;
        let plan = Plan {
            surroundings,
            timers: self.timers,
            grace: self.grace,
            max_payload: self.max_message,
            panic_hook: self.panic_hook,
            method: self.method,
            preload: self.preload,
            initializer,
            max_tasks: self.max_tasks,
            stats: Arc::default(),
        };
        Ok(ProcessPool(Engine::start(
            Processes::new(plan)?,
            self.config,
        )?))
    }
}
