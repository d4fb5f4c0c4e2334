//! The crate where there is no 64-bit Linux: programs that use it compile, and a pool that is to be started is an error.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use pool_core::backend::{
    AsJob, Backend, Batch, CallCell, Config, Deadline, Engine, Job, JobCell, PortableFn, Queue,
};
use pool_core::{Pool, Portable, StartError, Timers};

use crate::Output;

/// A pool of worker processes, which only 64-bit Linux has: elsewhere, none can be started.
#[derive(Debug)]
pub struct ProcessPool(Engine<Processes>);

/// Workers that are processes.
#[derive(Debug)]
pub struct Processes(());

/// A job of a pool that cannot be started.
#[derive(Debug)]
pub enum NoJob {}

impl AsJob for NoJob {
    fn job(&self) -> &dyn Job {
        match *self {}
    }
}

impl Backend for Processes {
    type Job = NoJob;

    const KIND: &'static str = "process";

    fn start(&self, _: &Arc<Queue<NoJob>>) -> Result<(), StartError> {
        Err(StartError::Impossible {
            reason: "pools of processes need 64-bit Linux; pools of threads are in pool-thread"
                .to_owned(),
        })
    }

    fn call_job<F: PortableFn<A>, A: Portable>(_: Arc<CallCell<F, A>>) -> Arc<NoJob> {
        unreachable!("no pool was started")
    }

    fn map_job<F: PortableFn<A>, A: Portable>(_: Arc<JobCell<Batch<F, A>>>) -> Arc<NoJob> {
        unreachable!("no pool was started")
    }

    fn join(&self, _: &Deadline) -> bool {
        true
    }
}

impl Pool for ProcessPool {
    type Backend = Processes;

    fn engine(&self) -> &Engine<Processes> {
        &self.0
    }
}

impl ProcessPool {
    /// Starts a pool of this many workers.
    ///
    /// # Errors
    ///
    /// [`StartError::Impossible`]: there are none on this platform.
    pub fn new(size: usize) -> Result<Self, StartError> {
        ProcessPool::builder().size(size).build()
    }

    /// Starts a pool with as many workers as this process may use CPUs.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_default_size() -> Result<Self, StartError> {
        ProcessPool::builder().build()
    }

    /// A pool in the making.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// How a [`ProcessPool`] is to be.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is started before `build`"]
pub struct Builder {
    config: Config,
}

macro_rules! ignored {
    ($($name:ident($($arg:ident: $type:ty),*);)+) => {$(
        #[doc = concat!("`", stringify!($name), "` of the builder on Linux; it changes nothing here.")]
        pub fn $name(self, $($arg: $type),*) -> Self {
            $(let _ = $arg;)*
            self
        }
    )+};
}

impl Builder {
    /// Number of workers.
    pub fn size(self, size: usize) -> Self {
        Builder {
            config: self.config.size(size),
        }
    }

    ignored! {
        queue(tasks: usize);
        timers(timers: Timers);
        grace(grace: Duration);
        max_message(bytes: u64);
        panic_hook(install: bool);
        warn_on_drop(warn: bool);
        maxtasksperchild(tasks: NonZeroUsize);
        max_worker_age(age: Duration);
        idle_timeout(time: Duration);
        max_worker_memory(bytes: u64);
        recycle_jitter(part: f64);
        worker_exit(function: fn());
        memory_limit(bytes: u64);
        nice(value: i32);
        output(output: Output);
        stderr_tail(bytes: usize);
        shared_memory(shared: bool);
        spin(time: Duration);
        reexec();
        preload(function: fn());
    }

    /// `cpus` of the builder on Linux; it changes nothing here.
    pub fn cpus(self, _: impl IntoIterator<Item = usize>) -> Self {
        self
    }

    /// `initializer` of the builder on Linux; it changes nothing here.
    pub fn initializer<A: Portable, S: 'static>(self, _: fn(A) -> S, _: A) -> Self {
        self
    }

    /// `try_initializer` of the builder on Linux; it changes nothing here.
    pub fn try_initializer<A: Portable, S: 'static, E: fmt::Display + 'static>(
        self,
        _: fn(A) -> Result<S, E>,
        _: A,
    ) -> Self {
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    ///
    /// As for [`ProcessPool::new`].
    pub fn build(self) -> Result<ProcessPool, StartError> {
        Engine::start(Processes(()), self.config).map(ProcessPool)
    }
}

/// Does nothing: no process is a worker here.
pub fn init() {}
