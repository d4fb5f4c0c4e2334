//! The builder of a thread pool.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use pool_core::backend::{Config, Engine};
use pool_core::{Never, Observer, StartError, Timers};

use crate::backend::Threads;
use crate::initializer::{Initializer, Settings, WorkerExit};
use crate::pool::ThreadPool;

/// Settings of a [`ThreadPool`] before it is started.
#[derive(Debug, Clone, Default)]
#[must_use = "a pool starts with `build`"]
pub struct Builder {
    config: Config,
    settings: Settings,
}

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
    /// # use pool_thread::Pool;
    /// let pool = pool_thread::ThreadPool::new(2)?;
    /// assert_eq!(pool.size(), 2);
    /// assert!(pool_thread::ThreadPool::new(0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(workers: usize) -> Result<Self, StartError> {
        Builder::default().size(workers).build()
    }

    /// Starts a pool with one worker for each CPU that this process may use.
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
    /// # use pool_thread::Pool;
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
    /// # use pool_thread::Pool;
    /// let pool = pool_thread::ThreadPool::builder().size(2).warn_on_drop(false).build()?;
    /// assert_eq!(pool.size(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Number of workers, at least 1; without it, the CPUs that this process may use.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// let pool = pool_thread::ThreadPool::builder().size(3).build()?;
    /// assert_eq!(pool.size(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn size(self, workers: usize) -> Self {
        self.with(|config| config.size(workers))
    }

    /// How many tasks may wait in the queue, at least 1 (default: any number); those that run are not counted, each
    /// chunk of a map is one.
    ///
    /// When it is full, a submission waits for a place. [`Call`](crate::Call) and [`Each`](crate::Each) also have forms that do not
    /// wait, or not for long, and give the argument back, and one that is awaited. `close` and `terminate` wake submissions that
    /// wait, with [`PoolError::NotRunning`](crate::PoolError::NotRunning). A map is admitted chunk by chunk; it counts as accepted
    /// with its first chunk. An `imap` is bounded by its read-ahead: it neither waits here nor takes places from others. Of
    /// several submissions that wait, the first gets the next place, and a later one is never admitted before it.
    ///
    /// In Python the queue has no bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_thread::TrySubmitError;
    /// use pool_thread::prelude::*;
    ///
    /// let pool = ThreadPool::builder().size(1).queue(1).build()?;
    /// let slow = |millis: u64| std::thread::sleep(std::time::Duration::from_millis(millis));
    /// let mut queued = vec![];
    /// let full = loop {
    ///     match pool.call(slow, 20).try_submit() {
    ///         Ok(handle) => queued.push(handle),
    ///         Err(full) => break full,
    ///     }
    /// };
    /// assert_eq!(full, TrySubmitError::Full(20));
    /// let _late = pool.call(slow, full.into_argument()).submit()?; // waits for a place
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue(self, tasks: usize) -> Self {
        self.with(|config| config.queue(tasks))
    }

    /// Whether to install the panic hook that records the location of a task's panic (default: yes). The previous hook is still
    /// called.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// let pool = pool_thread::ThreadPool::builder().size(1).panic_hook(false).build()?;
    /// match pool.apply(|x: u32| 1 / x, 0) {
    ///     Err(pool_thread::TaskError::Panicked(panic)) => assert_eq!(panic.location, None),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn panic_hook(self, install: bool) -> Self {
        self.with(|config| config.panic_hook(install))
    }

    /// Whether a pool that is dropped with unfinished tasks writes a warning to stderr (default: yes).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// let pool = pool_thread::ThreadPool::builder().size(1).warn_on_drop(false).build()?;
    /// let _never_asked_for = pool.apply_async(|x: u32| x, 1)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn warn_on_drop(self, warn: bool) -> Self {
        self.with(|config| config.warn_on_drop(warn))
    }

    /// Bytes of stack for each worker, rounded up to a size that the system accepts (default: 8 MiB, as for a main thread, or the
    /// value of the environment variable `RUST_MIN_STACK`).
    ///
    /// It reserves address space. A task takes memory only for the part that it uses.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// fn depth(of: u64) -> u64 {
    ///     let frame = std::hint::black_box([of; 128]);
    ///     if of == 0 { 0 } else { frame[0].min(1) + depth(of - 1) }
    /// }
    ///
    /// let pool = pool_thread::ThreadPool::builder().size(1).stack_size(64 << 20).build()?;
    /// assert_eq!(pool.apply(depth, 10_000)?, 10_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = Some(bytes);
        self
    }

    /// The pool's source of time (default: the real clock).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// let pool = pool_thread::ThreadPool::builder().size(1).timers(pool_core::Timers::real()).build()?;
    /// # drop(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timers(mut self, timers: Timers) -> Self {
        self.settings.timers = timers.clone();
        self.with(|config| config.timers(timers))
    }

    /// Tells this observer what the pool's workers and tasks do (default: nobody). With one, the pool tells of each task for itself,
    /// which takes some hundred nanoseconds more than without.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use pool_thread::{Observer, ThreadPool, Worker, WorkerEnd};
    ///
    /// #[derive(Default)]
    /// struct Leaving(AtomicUsize);
    ///
    /// impl Observer for Leaving {
    ///     fn worker_ended(&self, _: &Worker, _: WorkerEnd) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// let leaving = Arc::new(Leaving::default());
    /// drop(ThreadPool::builder().size(2).observer(leaving.clone()).build()?);
    /// assert_eq!(leaving.0.load(Ordering::Relaxed), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observer(self, observer: Arc<dyn Observer>) -> Self {
        self.with(|config| config.observer(observer))
    }

    /// Calls `make` in each worker before its first task, and in each replacement. What it returns is the state of that worker, which
    /// tasks get by [`worker_state`](crate::worker_state).
    ///
    /// A panic is a failed start. The worker tries again a few times, with growing pauses. When no worker is left that could start,
    /// queued tasks fail with [`TaskError::WorkerLost`](crate::TaskError::WorkerLost). In Python workers are then started for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// use pool_thread::{ThreadPool, worker_state};
    ///
    /// let pool = ThreadPool::builder().size(1).initializer(|| Vec::<u32>::new()).build()?;
    /// let push = |x| worker_state(|seen: &mut Vec<u32>| { seen.push(x); seen.len() });
    /// assert_eq!(pool.map(push, 5..8)?, [Some(1), Some(2), Some(3)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initializer<S: 'static>(self, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        self.try_initializer(move || Ok::<S, Never>(make()))
    }

    /// As [`initializer`](Self::initializer), for one that may fail: an error is a failed start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// let pool = pool_thread::ThreadPool::builder().size(1).try_initializer(|| "7".parse::<u32>()).build()?;
    /// assert_eq!(pool.apply(|()| pool_thread::worker_state(|seven: &mut u32| *seven), ())?, Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_initializer<S: 'static, E: fmt::Display>(
        mut self,
        make: impl Fn() -> Result<S, E> + Send + Sync + 'static,
    ) -> Self {
        self.settings.initializer = Some(Initializer::new(make));
        self
    }

    /// Runs this in each worker that leaves because the pool is closed or needs it no more, or another takes its place, after its last task and before its
    /// state is dropped; not in one that leaves because the pool is terminated. Its panic changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// use pool_thread::worker_state;
    ///
    /// let report = || {
    ///     worker_state(|seen: &mut u32| println!("this worker has seen {seen} tasks"));
    /// };
    /// let pool = pool_thread::ThreadPool::builder().size(1).initializer(|| 0_u32).worker_exit(report).build()?;
    /// pool.map(|x: u32| worker_state(|seen: &mut u32| *seen += x), [1; 3])?;
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker_exit(mut self, function: impl Fn() + Send + Sync + 'static) -> Self {
        self.settings.worker_exit = Some(WorkerExit::new(function));
        self
    }

    /// How many tasks a worker runs before it is replaced (default: no bound). A chunk of a map is one task.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// use std::num::NonZeroUsize;
    ///
    /// let pool = pool_thread::ThreadPool::builder().size(1).maxtasksperchild(NonZeroUsize::MIN).build()?;
    /// let name = |()| pool_thread::current_worker().map(|worker| worker.name);
    /// assert_ne!(pool.apply(name, ())?, pool.apply(name, ())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn maxtasksperchild(mut self, tasks: NonZeroUsize) -> Self {
        self.settings.recycling.tasks = Some(tasks);
        self
    }

    /// How long a worker lives, by the pool's timers, before another takes its place (default: no bound). A worker that runs a task ends it
    /// before. With this or [`maxtasksperchild`](Self::maxtasksperchild) a worker takes each task for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// let hour = std::time::Duration::from_secs(3600);
    /// let pool = pool_thread::ThreadPool::builder().size(1).max_worker_age(hour).build()?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, 1)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_worker_age(mut self, age: Duration) -> Self {
        self.settings.recycling.age = Some(age);
        self
    }

    /// How long a worker has nothing to do, by the pool's timers, before it leaves (default: it stays). It comes back when there is a
    /// task that no other worker takes at once; one worker always stays. [`Pool::size`](crate::Pool::size) remains the number that
    /// there may be.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// let minute = std::time::Duration::from_secs(60);
    /// let pool = pool_thread::ThreadPool::builder().size(8).idle_timeout(minute).build()?;
    /// assert_eq!(pool.map(|x: u32| x + 1, 0..3)?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.settings.idle_timeout = Some(time);
        self
    }

    /// By how much of its limit a worker is replaced before that, at most, so that not all are replaced at once: of 0.2, each worker
    /// draws a number of tasks and an age from 80 % to 100 % of what was set (default: 0; 1 is the most).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// # use std::num::NonZeroUsize;
    /// let hundred = NonZeroUsize::new(100).ok_or("not zero")?;
    /// let builder = pool_thread::ThreadPool::builder().size(2).maxtasksperchild(hundred);
    /// let pool = builder.recycle_jitter(0.2).build()?;
    /// # drop(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recycle_jitter(mut self, part: f64) -> Self {
        self.settings.recycling.jitter = part;
        self
    }

    /// The limit on compensation threads (default: 1000). Each runs in the place of a worker that waits for its own pool.
    ///
    /// A wait that would need one more fails with [`PoolError::WouldDeadlock`](crate::PoolError::WouldDeadlock). With zero, no task
    /// may wait for its own pool.
    ///
    /// In Python such a task deadlocks as soon as all workers wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_thread::prelude::*;
    ///
    /// let pool = ThreadPool::builder().size(4).compensation_threads(0).build()?;
    /// let inner = pool.apply(|()| pool.apply(|x: u32| x, 1), ())?;
    /// assert_eq!(inner, Err(TaskError::Pool(PoolError::WouldDeadlock)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compensation_threads(mut self, threads: usize) -> Self {
        self.settings.compensation_threads = threads;
        self
    }

    /// How long an idle worker, or a caller that waits for a result, spins before it sleeps (default: 50 microseconds, or zero if this
    /// process may use one CPU only). At most one worker of a pool spins at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// // For a program that shares its cores with others, and can wait some microseconds more for each result.
    /// let pool = pool_thread::ThreadPool::builder().size(1).spin(std::time::Duration::ZERO).build()?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, 1)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spin(self, time: Duration) -> Self {
        self.with(|config| config.spin(time))
    }

    /// How many units each worker takes at once, however long its tasks run. For tests.
    #[doc(hidden)]
    pub fn reach(self, units: usize) -> Self {
        self.with(|config| config.reach(units))
    }

    fn with(self, change: impl FnOnce(Config) -> Config) -> Self {
        Builder {
            config: change(self.config),
            ..self
        }
    }

    /// Starts the pool.
    ///
    /// # Errors
    ///
    /// A size of zero, or a thread that the system refused; then none is left.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_thread::Pool;
    /// let pool = pool_thread::ThreadPool::builder().size(2).build()?;
    /// assert_eq!(pool.map(|x: u32| x + 1, 0..3)?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<ThreadPool, StartError> {
        let settings = Settings {
            observed: self.config.observed().clone(),
            ..self.settings
        };
        Engine::start(Threads::new(settings), self.config).map(ThreadPool)
    }
}
