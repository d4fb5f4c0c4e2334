//! Python's `multiprocessing.pool.ThreadPool` in Rust: a worker pool on threads.
//!
//! A pool has a fixed number of workers and one queue, strictly first in, first out. Any closure is a
//! task; calls that block may borrow from the caller's stack.
//!
//! **Dropping a pool terminates it**: queued work is dropped, running tasks finish. Call
//! [`close`](ThreadPool::close) and [`join`](ThreadPool::join) to have everything done.
//!
//! ```
//! use pool_thread::ThreadPool;
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
//! # Limits
//!
//! A thread cannot be stopped from outside: `terminate` drops what has not started, and what runs finishes
//! with its result dropped. A task that waits for another task of its own pool lends its place to a further thread
//! until it goes on.

#![forbid(unsafe_code)]

// The modules are listed ground floor first: each uses only those above it.

pub mod guide;

mod job;

mod initializer;

mod stats;

mod crew;

mod backend;

mod pool;

mod face;

mod calls;

mod trying;

mod with;

mod builder;

mod with_pool;

mod process;

pub use backend::Threads;
pub use builder::Builder;
pub use job::RunHere;
pub use pool::ThreadPool;
pub use pool_core::{
    AsyncResult, Cause, Chunks, DrainError, Failure, Imap, ImapSubmission, JoinAsync, Misuse,
    Never, Panic, Phase, Pool, Report, Scope, ScopedResult, StartError, Submission, Tally,
    TrySubmitError, Unseen, Worker, WorkerLost, current_worker, drain, worker_state,
};
pub use process::{Process, ProcessError};
pub use stats::Stats;
pub use with_pool::with_pool;
