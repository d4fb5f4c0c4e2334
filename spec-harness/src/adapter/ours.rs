//! This project's own two backends as subjects: the only place of the harness that knows them.

use pool_core::{StartError, Timers};
use pool_process::ProcessPool;
use pool_thread::ThreadPool;

use super::Subject;
use crate::protocol::WorkerKind;

/// `pool-thread`.
#[derive(Debug)]
pub struct Threads;

impl Subject for Threads {
    type Pool = ThreadPool;
    const NAME: &'static str = "pool-thread";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const KIND: WorkerKind = WorkerKind::Thread;

    fn pool(size: Option<usize>, timers: Timers) -> Result<ThreadPool, StartError> {
        let builder = ThreadPool::builder().timers(timers).warn_on_drop(false);
        match size {
            Some(size) => builder.size(size),
            None => builder,
        }
        .build()
    }
}

/// `pool-process`.
#[derive(Debug)]
pub struct Processes;

impl Subject for Processes {
    type Pool = ProcessPool;
    const NAME: &'static str = "pool-process";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const KIND: WorkerKind = WorkerKind::Process;

    fn pool(size: Option<usize>, timers: Timers) -> Result<ProcessPool, StartError> {
        let builder = ProcessPool::builder().timers(timers).warn_on_drop(false);
        match size {
            Some(size) => builder.size(size),
            None => builder,
        }
        .build()
    }
}
