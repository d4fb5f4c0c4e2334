//! Python's `multiprocessing.pool.ThreadPool` in Rust: a worker pool on threads.
//!
//! A pool has a fixed number of workers and one queue, strictly first in, first out. Any closure is a
//! task; calls that block may borrow from the caller's stack.
//!
//! **Dropping a pool terminates it**: queued work is dropped, running tasks finish. Call
//! [`close`](Pool::close) and [`join`](Pool::join) to have everything done.
//!
//! ```
//! use pool_thread::prelude::*;
//!
//! let pool = ThreadPool::new(4)?;
//! let offset = 10;
//! let sums = pool.map(|x| x + offset, 0..5)?;             // in order, and `offset` is borrowed
//! let handle = pool.apply_async(|name| format!("hello {name}"), "world")?;
//! assert_eq!(sums, [10, 11, 12, 13, 14]);
//! assert_eq!(handle.get()?, "hello world");
//! pool.close();
//! pool.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Python's short names have one long form: [`call`](ThreadPool::call) and [`each`](ThreadPool::each).
//!
//! ```
//! # use pool_thread::prelude::*;
//! # let pool = ThreadPool::new(4)?;
//! let squares = pool.each(|x| x * x, 0..100u64).chunksize(20).callback(|all| println!("{} squares", all.len())).wait()?;
//! for root in pool.try_each(|x: u64| x.checked_isqrt().ok_or("no root"), squares).read_ahead(4).imap_unordered()? {
//!     root?;
//! }
//! # trait Root { fn checked_isqrt(self) -> Option<u64>; }
//! # impl Root for u64 { fn checked_isqrt(self) -> Option<u64> { Some(self.isqrt()) } }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! A thread cannot be stopped from outside: `terminate` drops what has not started, and what runs finishes
//! with its result dropped. While a task waits for another task of its own pool, a compensation thread runs in its place.

#![forbid(unsafe_code)]

// The modules are listed ground floor first: each uses only those above it.

pub mod guide;

mod job;

mod initializer;

mod stats;

mod places;

mod workers;

mod backend;

mod pool;

mod closures;

mod builder;

mod process;

pub use backend::Threads;
pub use builder::Builder;
pub use closures::{ClosureEach, ClosureEachOk};
pub use job::ThreadJob;
pub use pool::{Scope, ThreadPool};
#[cfg(feature = "tracing")]
pub use pool_core::TracingObserver;
pub use pool_core::{
    AsCompleted, AsyncResult, Call, CancelHandle, CancelToken, Cause, CodecError, ContextValue,
    DeadlineExceeded, Each, Imap, Input, JoinAsync, Never, Observer, Panic, Phase, Pool, PoolError,
    Portable, Progress, Report, Results, RunError, ScopedResult, StartError, SubmitAsync,
    Submitted, TaskEnd, TaskError, TaskInfo, TaskStats, TimedOut, Timers, TrySubmitError,
    UnhandledError, WithContext, Worker, WorkerEnd, WorkerLost, WorkerStats, as_completed,
    cancelled, current_worker, wait_any, worker_state,
};
pub use process::{Process, ProcessError};
pub use stats::Stats;

/// What nearly every program that uses a thread pool names: `use pool_thread::prelude::*`.
pub mod prelude {
    pub use crate::ThreadPool;
    pub use pool_core::prelude::*;
}

// The examples of the package's own page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
