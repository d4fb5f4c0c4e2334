//! Python's `multiprocessing.Pool` in Rust: a pool of worker processes.
//!
//! ```
//! use pool_process::prelude::*;
//!
//! let pool = ProcessPool::new(2)?;
//! let squares = pool.map(|x: u64| x * x, 0..1_000)?; // in order
//! let handle = pool.apply_async(|s: String| s.len(), "four".to_owned())?; // a handle, and a Future
//! assert_eq!((squares[31], handle.get()?), (961, 4));
//! pool.close();
//! pool.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What to know
//!
//! - There is nothing to write in `main`. Workers are this very program, started again; they take their place
//!   before `main` is reached (see [`init`] for the alternative).
//! - A worker has the working directory, environment, limits and output that the pool was made with, and none
//!   of what `main` set up: no statics, no loggers. It is who the thread was that made the pool: user, rights, priorities.
//! - A worker has no terminal: a task that opens `/dev/tty` gets an error. It may print, and set the mode of an output that it has
//!   inherited (`tcsetattr` on descriptor 1). Ctrl-C and Ctrl-Z are the program's alone.
//! - A function carries no data of its own: it is a plain function, or a closure that captures nothing. What it
//!   needs beside its argument comes by a context ([`with`](Pool::with)).
//! - A task that dies, however it does, fails alone, with [`TaskError::WorkerLost`]; its worker is replaced. In
//!   programs built with `panic = "abort"` a panic is such a death.
//! - **Dropping a pool terminates it**: `close()` and `join()` it to have its work done.
//! - Whatever becomes of the program, its workers do not outlive it.
//! - 64-bit Linux, 5.9 or later. Elsewhere the crate compiles, and `new` is an error that says so.

#![deny(unsafe_code)]

// What becomes of what tasks print: the same everywhere.
mod output;
pub use output::Output;

// All else but the items of pool-core is for Linux. `linux.rs` lists the modules, whose files lie beside it; to the code they are
// modules of the crate.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[path = "linux.rs"]
mod linux;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use linux::*;

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod unsupported;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub use unsupported::{Builder, NoJob, ProcessPool, Processes, init};

#[cfg(feature = "tracing")]
pub use pool_core::TracingObserver;
pub use pool_core::{
    AsCompleted, AsyncResult, Call, CancelHandle, CancelToken, Cause, CodecError, ContextValue,
    DeadlineExceeded, Each, Imap, Input, JoinAsync, Never, Observer, Panic, Phase, Pool, PoolError,
    Portable, Progress, Report, Results, RunError, StartError, SubmitAsync, Submitted, TaskEnd,
    TaskError, TaskInfo, TaskStats, TimedOut, Timers, TrySubmitError, UnhandledError, WithContext,
    Worker, WorkerEnd, WorkerLost, WorkerStats, as_completed, cancelled, current_worker, wait_any,
    worker_state,
};

/// What nearly every program that uses a process pool names: `use pool_process::prelude::*`.
pub mod prelude {
    pub use crate::ProcessPool;
    pub use pool_core::prelude::*;
}

// The examples of the package's own page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
