//! How a pool is to be: the builder.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use pool_core::backend::{Config, Engine, FnAddress, Recycling};
use pool_core::{CodecError, Observer, Portable, StartError, Timers};

use crate::environment::{Environment, Overrides};
use crate::output::Output;
use crate::pool::ProcessPool;
use crate::pool::backend::Processes;
use crate::pool::dispatcher::Plan;
use crate::ring::parent::SLOTS;
use crate::start::{self, StartMethod};
use crate::wire::codec;
use crate::wire::token::{Entry, Token};
use crate::worker::entry_points::{Making, Shape, TryMaking};
use crate::{task, wire};

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
    recycling: Recycling,
    idle_timeout: Option<Duration>,
    worker_exit: Option<fn()>,
    overrides: Overrides,
    output: Output,
    stderr_tail: usize,
    shared_memory: bool,
    shared_payload: u64,
}

/// How many bytes of an argument or a result each worker shares with its pool at most.
const SHARED_PAYLOAD: u64 = 128 << 20;

impl ProcessPool {
    /// Starts a pool of this many workers.
    ///
    /// # Errors
    ///
    /// A size of zero, a worker that the system refused, a program whose workers cannot be started, as one that its user may not
    /// execute, or a thread whose real and effective ids differ.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::new(2)?;
    /// assert_eq!(pool.size(), 2);
    /// assert!(pool_process::ProcessPool::new(0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(size: usize) -> Result<Self, StartError> {
        ProcessPool::builder().size(size).build()
    }

    /// Starts a pool with as many workers as this process may use CPUs.
    ///
    /// In Python 3.11 it is the machine's number, whatever the process may use.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::with_default_size()?;
    /// assert_eq!(pool.size(), std::thread::available_parallelism()?.get());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_default_size() -> Result<Self, StartError> {
        ProcessPool::builder().build()
    }

    /// A pool in the making, by default with a worker for each CPU that this process may use.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(2).warn_on_drop(false).build()?;
    /// assert_eq!(pool.size(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
            recycling: Recycling::default(),
            idle_timeout: None,
            worker_exit: None,
            overrides: Overrides::default(),
            output: Output::Inherit,
            stderr_tail: 4096,
            shared_memory: true,
            shared_payload: SHARED_PAYLOAD,
        }
    }
}

impl Builder {
    /// Number of workers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(3).build()?;
    /// assert_eq!(pool.size(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn size(self, size: usize) -> Self {
        Builder {
            config: self.config.size(size),
            ..self
        }
    }

    /// How many tasks may wait in the queue, at least 1 (default: any number); those that run are not counted, each
    /// chunk of a map is one.
    ///
    /// When it is full, a submission waits for a place: [`Call`](crate::Call) and [`Each`](crate::Each) have the forms that do not,
    /// or not for long, and give the argument back, and one that is awaited. `close` and `terminate` wake those who wait with
    /// [`PoolError::NotRunning`](crate::PoolError::NotRunning). A map is let in chunk by chunk; one whose first
    /// chunk is in counts as accepted. An `imap` has its read-ahead for a bound:
    /// it neither waits here nor takes places from others. Of several who wait, whoever came first gets the next
    /// place, and nobody who comes later is let in before.
    ///
    /// In Python the queue has no bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_process::TrySubmitError;
    /// use pool_process::prelude::*;
    ///
    /// let pool = ProcessPool::builder().size(1).queue(1).build()?;
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
        Builder {
            config: self.config.queue(tasks),
            ..self
        }
    }

    /// The pool's source of time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).timers(pool_process::Timers::real()).build()?;
    /// # drop(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timers(self, timers: Timers) -> Self {
        Builder {
            config: self.config.timers(timers.clone()),
            timers,
            ..self
        }
    }

    /// How long workers that are stopped have between SIGTERM and SIGKILL (default: 1 s; zero: SIGKILL at once).
    ///
    /// A worker inherits which signals are blocked where its pool is made, all but SIGTERM.
    pub fn grace(self, grace: Duration) -> Self {
        Builder { grace, ..self }
    }

    /// The longest message to and from a worker, in bytes (default: 1 GiB): an argument or a result beyond it
    /// is that task's error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).max_message(100).build()?;
    /// let refused = pool.apply(|text: String| text.len(), "x".repeat(100));
    /// assert!(matches!(refused, Err(pool_process::TaskError::Encode(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_message(self, bytes: u64) -> Self {
        Builder {
            max_message: bytes,
            ..self
        }
    }

    /// Whether the panic hook may be installed, here and in the workers, that gives panics of tasks their
    /// place (default: yes).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).panic_hook(false).build()?;
    /// match pool.apply(|x: u32| 1 / x, 0) {
    ///     Err(pool_process::TaskError::Panicked(panic)) => assert_eq!(panic.location, None),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn panic_hook(self, install: bool) -> Self {
        Builder {
            config: self.config.panic_hook(install),
            panic_hook: install,
            ..self
        }
    }

    /// Whether a drop with unfinished tasks says so on stderr (default: yes).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).warn_on_drop(false).build()?;
    /// let _never_asked_for = pool.apply_async(|x: u32| x, 1)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// that could start, what is queued fails with [`TaskError::WorkerLost`](crate::TaskError::WorkerLost). In
    /// Python workers are then started for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_process::prelude::*;
    /// use pool_process::worker_state;
    ///
    /// let pool = ProcessPool::builder().size(1).initializer(|start: u32| vec![start], 1).build()?;
    /// let push = |x: u32| worker_state(|seen: &mut Vec<u32>| { seen.push(x); seen.len() });
    /// assert_eq!(pool.map(push, 5..8)?, [Some(2), Some(3), Some(4)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initializer<A: Portable, S: 'static>(self, make: fn(A) -> S, arg: A) -> Self {
        self.initialized_by(<Making as Shape<A, fn(A) -> S>>::ENTRY, make, &arg)
    }

    /// As [`initializer`](Self::initializer), for one that may fail: an error is a failed start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let parse = |text: String| text.parse::<u32>();
    /// let pool = pool_process::ProcessPool::builder().size(1).try_initializer(parse, "7".to_owned()).build()?;
    /// assert_eq!(pool.apply(|()| pool_process::worker_state(|seven: &mut u32| *seven), ())?, Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_initializer<A: Portable, S: 'static, E: fmt::Display + 'static>(
        self,
        make: fn(A) -> Result<S, E>,
        arg: A,
    ) -> Self {
        self.initialized_by(
            <TryMaking as Shape<A, fn(A) -> Result<S, E>>>::ENTRY,
            make,
            &arg,
        )
    }

    fn initialized_by<A: Portable, P: FnAddress>(
        self,
        entry: &'static Entry,
        make: P,
        arg: &A,
    ) -> Self {
        let mut payload = Vec::new();
        let encode = |out: &mut Vec<u8>, _: &codec::At| codec::encode_value(arg, out);
        let encoded = task::payload::<A, P>(entry, make, None, encode, &mut payload);
        let encoded = encoded.map(|last| [&payload, last].concat().into());
        Builder {
            initializer: Some(encoded),
            ..self
        }
    }

    /// How many tasks a worker does before another takes its place (default: no bound). A chunk of a map is
    /// one task.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// use std::num::NonZeroUsize;
    ///
    /// let pool = pool_process::ProcessPool::builder().size(1).maxtasksperchild(NonZeroUsize::MIN).build()?;
    /// let name = |()| pool_process::current_worker().map(|worker| worker.name);
    /// assert_ne!(pool.apply(name, ())?, pool.apply(name, ())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn maxtasksperchild(mut self, tasks: NonZeroUsize) -> Self {
        self.recycling.tasks = Some(tasks);
        self
    }

    /// How long a worker lives before another takes its place, by the pool's [`timers`](Self::timers) (default: no bound). It ends the
    /// task that it runs then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let hour = std::time::Duration::from_secs(3600);
    /// let pool = pool_process::ProcessPool::builder().size(1).max_worker_age(hour).build()?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, 1)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_worker_age(mut self, age: Duration) -> Self {
        self.recycling.age = Some(age);
        self
    }

    /// How long a worker has nothing to do, by the pool's [`timers`](Self::timers), before it leaves and its memory with it (default: it
    /// stays). Another comes when there is a task that no worker takes at once; one worker always stays.
    /// [`Pool::size`](crate::Pool::size) remains the number that there may be. With it, the pool's own thread wakes up after each task.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let minute = std::time::Duration::from_secs(60);
    /// let pool = pool_process::ProcessPool::builder().size(2).idle_timeout(minute).build()?;
    /// assert_eq!(pool.map(|x: u32| x + 1, 0..3)?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle_timeout = Some(time);
        self
    }

    /// How many bytes of a worker may be resident before another takes its place (default: no bound). They are looked at after each
    /// task; meanwhile it may have begun another one, which it ends.
    ///
    /// It is for tasks that leak. What limits a task while it runs is [`memory_limit`](Self::memory_limit). Source: `rss` in proc(5).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).max_worker_memory(64 << 20).build()?;
    /// let leak = |bytes: usize| { Box::leak(vec![1_u8; bytes].into_boxed_slice()); };
    /// pool.apply(leak, 128 << 20)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_worker_memory(mut self, bytes: u64) -> Self {
        self.recycling.memory = Some(bytes);
        self
    }

    /// By how much of its limit a worker is replaced before that, at most, so that not all are replaced at once: of 0.2, each worker
    /// draws a number of tasks, an age and a number of bytes from 80 % to 100 % of what was set (default: 0; 1 is the most).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// # use std::num::NonZeroUsize;
    /// let hundred = NonZeroUsize::new(100).ok_or("not zero")?;
    /// let builder = pool_process::ProcessPool::builder().size(2).maxtasksperchild(hundred);
    /// let pool = builder.recycle_jitter(0.2).build()?;
    /// # drop(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recycle_jitter(mut self, part: f64) -> Self {
        self.recycling.jitter = part;
        self
    }

    /// Runs this in each worker that leaves because the pool is closed or needs it no more, or another takes its place, after its last task and before its
    /// state is dropped. A worker that is stopped or dies does not run it. Its panic changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// use pool_process::worker_state;
    ///
    /// let report = || {
    ///     worker_state(|seen: &mut u32| println!("this worker has seen {seen} tasks"));
    /// };
    /// let pool = pool_process::ProcessPool::builder().size(1).initializer(|()| 0_u32, ()).worker_exit(report).build()?;
    /// pool.map(|x: u32| worker_state(|seen: &mut u32| *seen += x), [1; 3])?;
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker_exit(self, function: fn()) -> Self {
        Builder {
            worker_exit: Some(function),
            ..self
        }
    }

    /// What becomes of what tasks print (default: [`Output::Inherit`]). Where the pool reads it, the errors of tasks tell the end of what
    /// they have written to stderr ([`TaskError::stderr`](crate::TaskError::stderr)), and tasks travel by sockets, as without
    /// [`shared_memory`](Self::shared_memory).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_process::Output;
    /// use pool_process::prelude::*;
    ///
    /// let pool = ProcessPool::builder().size(1).output(Output::Capture).build()?;
    /// let fail = |code: i32| {
    ///     eprintln!("cannot go on");
    ///     std::process::exit(code);
    /// };
    /// let lost: TaskError = pool.apply(fail, 3).map(|never: ()| never).expect_err("it exits");
    /// assert_eq!(lost.stderr(), Some("cannot go on"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn output(self, output: Output) -> Self {
        Builder { output, ..self }
    }

    /// How many bytes, at most, of what a task has written to stderr go with its error, where the pool reads that (default: 4096; zero:
    /// none).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let builder = pool_process::ProcessPool::builder().size(1).output(pool_process::Output::Capture);
    /// let pool = builder.stderr_tail(0).build()?;
    /// let failed = pool.apply(|()| -> u32 { eprintln!("a secret"); panic!("never mind") }, ());
    /// assert_eq!(failed.expect_err("it panics").stderr(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stderr_tail(self, bytes: usize) -> Self {
        Builder {
            stderr_tail: bytes,
            ..self
        }
    }

    /// How often a task is tried again that was lost with its worker, for all calls that do not say it themselves: see
    /// [`Call::retries`](crate::Call::retries) (default: it fails at once). Chunks of maps and imaps are then of one item.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let builder = pool_process::ProcessPool::builder().size(2).retries(2);
    /// let pool = builder.retry_pause(std::time::Duration::from_secs(1)).build()?;
    /// assert_eq!(pool.map(|x: u32| x + 1, 0..3)?, [1, 2, 3]);
    /// assert_eq!(pool.each(|x: u32| x + 1, 0..3).retries(0).chunksize(3).wait()?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retries(self, most: u32) -> Self {
        Builder {
            config: self.config.retries(most),
            ..self
        }
    }

    /// How long such a task waits before it is tried again, for all calls that do not say it themselves: see
    /// [`Call::retry_pause`](crate::Call::retry_pause).
    pub fn retry_pause(self, first: Duration) -> Self {
        Builder {
            config: self.config.retry_pause(first),
            ..self
        }
    }

    /// Tells this observer what the pool's workers and tasks do (default: nobody), in this process, on whatever thread of it hears of
    /// that. With one, the pool is woken by the start of each task.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use pool_process::{Observer, ProcessPool, Worker, WorkerEnd};
    ///
    /// #[derive(Default)]
    /// struct Deaths(AtomicUsize);
    ///
    /// impl Observer for Deaths {
    ///     fn worker_ended(&self, _: &Worker, end: WorkerEnd) {
    ///         if end == WorkerEnd::Lost {
    ///             self.0.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    /// }
    ///
    /// let deaths = Arc::new(Deaths::default());
    /// let pool = ProcessPool::builder().size(1).observer(deaths.clone()).build()?;
    /// assert!(pool.apply(|code: i32| -> () { std::process::exit(code) }, 3).is_err());
    /// pool.close();
    /// pool.join()?;
    /// assert_eq!(deaths.0.load(Ordering::Relaxed), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observer(self, observer: Arc<dyn Observer>) -> Self {
        Builder {
            config: self.config.observer(observer),
            ..self
        }
    }

    /// How many bytes of address space each worker gets (default: as many as this process). To allocate more fails in the task, which
    /// mostly aborts its worker: [`TaskError::WorkerLost`](crate::TaskError::WorkerLost) says that there was a limit.
    ///
    /// Address space is more than what is resident: the program itself, its stacks and its mappings count. Source: `RLIMIT_AS` in
    /// getrlimit(2).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).memory_limit(1 << 30).build()?;
    /// assert!(pool.apply(|bytes: usize| vec![1_u8; bytes].len(), 2 << 30).is_err());
    /// assert_eq!(pool.apply(|bytes: usize| vec![1_u8; bytes].len(), 1 << 20)?, 1 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.overrides.memory = Some(bytes);
        self
    }

    /// The nice value of each worker, from -20 to 19 (default: that of the thread that makes the pool). One that the system refuses is a
    /// failed start. Source: setpriority(2).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).nice(19).build()?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, 1)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nice(mut self, value: i32) -> Self {
        self.overrides.nice = Some(value);
        self
    }

    /// The CPUs that each worker may use, by their numbers (default: those of the thread that makes the pool, which all must be
    /// among). Source: sched_setaffinity(2).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let refused = pool_process::ProcessPool::builder().size(1).cpus([usize::MAX]).build();
    /// assert!(refused.is_err_and(|error| error.to_string().contains("is not one that this thread may use")));
    /// ```
    pub fn cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        self.overrides.cpus = Some(cpus.into_iter().collect());
        self
    }

    /// Whether tasks and their answers travel through memory that the pool shares with each worker (default: yes, 132 KiB for each).
    /// Otherwise, and where the system refuses that memory, they travel by a socket. [`shared_payload`](Self::shared_payload) is for those
    /// that are long.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).shared_memory(false).build()?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, 1)?, 2);
    /// assert_eq!(pool.stats().shared_memory, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shared_memory(self, shared: bool) -> Self {
        Builder {
            shared_memory: shared,
            ..self
        }
    }

    /// How many bytes of an argument or a result each worker shares with its pool at most (default: 128 MiB; 0: none). What is longer
    /// travels by a socket, which takes up to three times as long.
    ///
    /// It is no memory before it is needed: a worker has what its largest argument or result took, and gives it back when it has had
    /// no other for a second or two. Without [`shared_memory`](Self::shared_memory) there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).shared_payload(1 << 30).build()?;
    /// assert_eq!(pool.apply(|bytes: Vec<u8>| bytes.len(), vec![0; 1 << 20])?, 1 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shared_payload(self, bytes: u64) -> Self {
        Builder {
            shared_payload: bytes,
            ..self
        }
    }

    /// How long who waits for a result, and one idle worker of the pool, look again before they sleep (default: 50 microseconds, and
    /// not at all where this process may use one CPU only).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).spin(std::time::Duration::ZERO).build()?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, 1)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spin(self, time: Duration) -> Self {
        Builder {
            config: self.config.spin(time),
            ..self
        }
    }

    /// How many units each worker has at once, whatever its tasks take: for tests.
    #[doc(hidden)]
    pub fn reach(self, units: usize) -> Self {
        Builder {
            config: self.config.reach(units),
            ..self
        }
    }

    /// Starts each worker from the program's file, instead of having a fork server fork it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(1).reexec().build()?;
    /// assert_eq!(pool.stats().start_method, pool_process::StartMethod::Reexec);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reexec(self) -> Self {
        Builder {
            method: StartMethod::Reexec,
            ..self
        }
    }

    /// Forks this very process for each worker: tasks see what it holds, as in Python on Linux before 3.14. When such a worker
    /// leaves, its state is dropped, but no handlers for the exit of the process run: they are the program's.
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
    /// the same function share a server. It runs on a thread of its own, and must leave none behind: then no worker could be
    /// forked. What it registers for the exit of the process runs in each worker that leaves.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// static TABLE: std::sync::OnceLock<Vec<u32>> = std::sync::OnceLock::new();
    ///
    /// let make = || TABLE.set((0..100).collect()).unwrap_or_default();
    /// let pool = pool_process::ProcessPool::builder().size(1).preload(make).build()?;
    /// assert_eq!(pool.apply(|()| TABLE.get().map(Vec::len), ())?, Some(100));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn preload(self, function: fn()) -> Self {
        Builder {
            preload: Some(function),
            ..self
        }
    }

    /// Starts the pool. Its workers, later ones included, have the working directory, environment, limits
    /// and output of the calling thread at this moment, and its identity: user, groups, capabilities, namespaces, priorities.
    ///
    /// # Errors
    ///
    /// See [`ProcessPool::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_process::Pool;
    /// let pool = pool_process::ProcessPool::builder().size(2).build()?;
    /// assert_eq!(pool.map(|x: u32| x + 1, 0..3)?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<ProcessPool, StartError> {
        let impossible = |reason| StartError::Impossible { reason };
        if let Some(reason) = start::impossible() {
            return Err(impossible(reason));
        }
        let environment =
            Environment::here(&self.overrides).map_err(|error| impossible(error.to_string()))?;
        if self.method != StartMethod::RawFork
            && let Some(reason) = environment.identity.obstacle()
        {
            return Err(impossible(reason.to_owned()));
        }
        let initializer = self.initializer.transpose().map_err(|error| {
            impossible(format!(
                "the initializer cannot travel: cannot encode {error}"
            ))
        })?;
        let worker_exit = self.worker_exit.map(task::preload).transpose();
        let worker_exit = worker_exit.map_err(|refused| {
            impossible(format!(
                "the function for a worker's exit cannot travel: {refused}"
            ))
        })?;
        // A share counts what a worker was given.
        let most = if self.recycling.tasks.is_some() {
            1
        } else {
            SLOTS
        };
        let pace = self.config.pace(most);
        let plan = Plan {
            environment,
            timers: self.timers,
            grace: self.grace,
            max_payload: self.max_message,
            panic_hook: self.panic_hook,
            method: self.method,
            preload: self.preload,
            initializer,
            recycling: self.recycling,
            idle_timeout: self.idle_timeout,
            worker_exit: worker_exit.map(Token::to_bytes),
            output: self.output,
            stderr_tail: self.stderr_tail,
            // The order of what is printed and of answers is known where one thread reads both.
            shared_memory: self.shared_memory && self.output == Output::Inherit,
            shared_payload: self.shared_payload,
            pace,
            numbers: Arc::default(),
            observed: self.config.observed().clone(),
        };
        Ok(ProcessPool(Engine::start(
            Processes::new(plan)?,
            self.config,
        )?))
    }
}
