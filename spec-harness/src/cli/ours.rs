//! The adapters of this project's own two backends: the only place of the harness that knows them.

use std::time::Duration;

use pool_core::{StartError, TaskStats, Timers};
use pool_process::ProcessPool;
use pool_thread::ThreadPool;

use spec_harness::adapter::{Bare, Implementation, PoolWish, puppet};
use spec_harness::protocol::{ErrorReply, WorkerKind};

/// `pool-thread`.
#[derive(Debug)]
pub(super) struct Threads;

impl Implementation for Threads {
    type Pool = ThreadPool;
    const NAME: &'static str = "pool-thread";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const KIND: WorkerKind = WorkerKind::Thread;
    const SHARES: bool = true;
    const AGES: bool = true;
    const INITIALIZES: bool = true;
    const BOUNDS: bool = true;
    const COUNTS: bool = true;
    const BARE: &'static [&'static str] = &["process", "start", "join_process", "is_alive"];

    fn pool(wish: PoolWish, timers: Timers) -> Result<ThreadPool, StartError> {
        let mut builder = ThreadPool::builder().timers(timers).warn_on_drop(false);
        if let Some(size) = wish.size {
            builder = builder.size(size);
        }
        if let Some(tasks) = wish.maxtasksperchild {
            builder = builder.maxtasksperchild(tasks);
        }
        if let Some(age) = wish.max_worker_age {
            builder = builder.max_worker_age(age);
        }
        if let Some(number) = wish.initializer {
            builder = builder.try_initializer(move || puppet::initializer(number));
        }
        if let Some(tasks) = wish.queue {
            builder = builder.queue(tasks);
        }
        builder.build()
    }

    fn stats(pool: &ThreadPool) -> TaskStats {
        pool.stats().tasks
    }

    fn bare(body: fn(u64), key: u64, _daemon: bool, timers: Timers) -> Option<Box<dyn Bare>> {
        let process = pool_thread::Process::new(body, key).timers(timers);
        Some(Box::new(BareThread(process)))
    }
}

/// `pool-thread`'s twin of a process.
struct BareThread(pool_thread::Process);

impl Bare for BareThread {
    fn start(&self) -> Result<(), ErrorReply> {
        self.0.start().map_err(refused_by_thread)
    }

    fn join(&self, limit: Option<Duration>) -> Result<(), ErrorReply> {
        match limit {
            None => self.0.join(),
            Some(limit) => self.0.join_timeout(limit).map(|_ended| ()),
        }
        .map_err(refused_by_thread)
    }

    fn is_alive(&self) -> Result<bool, ErrorReply> {
        Ok(self.0.is_alive())
    }
}

fn refused_by_thread(error: pool_thread::ProcessError) -> ErrorReply {
    use pool_thread::ProcessError;
    let kind = match error {
        ProcessError::AlreadyStarted => "AlreadyStarted",
        ProcessError::NotStarted => "NotStarted",
        ProcessError::WouldDeadlock => "WouldDeadlock",
        _ => "ProcessError",
    };
    refusal(kind, &error)
}

/// `pool-process`.
#[derive(Debug)]
pub(super) struct Processes;

impl Implementation for Processes {
    type Pool = ProcessPool;
    const NAME: &'static str = "pool-process";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const KIND: WorkerKind = WorkerKind::Process;
    const SHARES: bool = true;
    const AGES: bool = true;
    const INITIALIZES: bool = true;
    const BOUNDS: bool = true;
    const COUNTS: bool = true;
    const BARE: &'static [&'static str] = &[
        "process",
        "start",
        "join_process",
        "is_alive",
        "exitcode",
        "pid",
        "terminate_process",
        "kill",
    ];

    fn pool(wish: PoolWish, timers: Timers) -> Result<ProcessPool, StartError> {
        let mut builder = ProcessPool::builder().timers(timers).warn_on_drop(false);
        if let Some(size) = wish.size {
            builder = builder.size(size);
        }
        if let Some(tasks) = wish.maxtasksperchild {
            builder = builder.maxtasksperchild(tasks);
        }
        if let Some(age) = wish.max_worker_age {
            builder = builder.max_worker_age(age);
        }
        if let Some(number) = wish.initializer {
            builder = builder.try_initializer(puppet::initializer, number);
        }
        if let Some(tasks) = wish.queue {
            builder = builder.queue(tasks);
        }
        builder.build()
    }

    fn stats(pool: &ProcessPool) -> TaskStats {
        pool.stats().tasks
    }

    fn bare(body: fn(u64), key: u64, daemon: bool, timers: Timers) -> Option<Box<dyn Bare>> {
        let process = pool_process::Process::new(body, key)
            .daemon(daemon)
            .timers(timers);
        Some(Box::new(BareProcess(process)))
    }
}

/// `pool-process`'s process.
struct BareProcess(pool_process::Process);

impl Bare for BareProcess {
    fn start(&self) -> Result<(), ErrorReply> {
        self.0.start().map_err(refused_by_process)
    }

    fn join(&self, limit: Option<Duration>) -> Result<(), ErrorReply> {
        match limit {
            None => self.0.join(),
            Some(limit) => self.0.join_timeout(limit).map(|_ended| ()),
        }
        .map_err(refused_by_process)
    }

    fn is_alive(&self) -> Result<bool, ErrorReply> {
        self.0.is_alive().map_err(refused_by_process)
    }

    fn exitcode(&self) -> Result<Option<i32>, ErrorReply> {
        self.0.exitcode().map_err(refused_by_process)
    }

    fn pid(&self) -> Result<Option<u32>, ErrorReply> {
        self.0.pid().map_err(refused_by_process)
    }

    fn terminate(&self) -> Result<(), ErrorReply> {
        self.0.terminate().map_err(refused_by_process)
    }

    fn kill(&self) -> Result<(), ErrorReply> {
        self.0.kill().map_err(refused_by_process)
    }
}

fn refused_by_process(error: pool_process::ProcessError) -> ErrorReply {
    use pool_process::ProcessError;
    let kind = match error {
        ProcessError::AlreadyStarted => "AlreadyStarted",
        ProcessError::NotStarted => "NotStarted",
        ProcessError::StillRunning => "StillRunning",
        ProcessError::Encode(_) => "Encode",
        _ => "ProcessError",
    };
    refusal(kind, &error)
}

/// What a bare process refused, by its portable name.
fn refusal(kind: &str, error: &dyn std::error::Error) -> ErrorReply {
    ErrorReply {
        kind: kind.into(),
        text: error.to_string(),
    }
}
