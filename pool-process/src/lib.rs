//! Python's `multiprocessing.Pool` in Rust: a pool of worker processes.
//!
//! ```
//! use pool_process::ProcessPool;
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
//!   needs beside its argument comes by the `*_with` methods ([`map_with`](ProcessPool::map_with)).
//! - A task that dies, however it does, fails alone, with [`Failure::WorkerLost`]; its worker is replaced. In
//!   programs built with `panic = "abort"` a panic is such a death.
//! - **Dropping a pool terminates it**: `close()` and `join()` it to have its work done.
//! - Whatever becomes of the program, its workers do not outlive it.
//! - Linux only.

#![deny(unsafe_code)]

// The modules are listed ground floor first: each uses only those above it.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("pool-process needs 64-bit Linux (5.9 or later): elsewhere, use pool-thread");

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub mod guide;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod sys;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod environment;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod identity;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod listed;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod lifeline;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod names;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod wire;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod codec;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod image;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod lent;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod symbols;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod errand;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod link;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod surroundings;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod travel;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod current;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod at_exit;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod setup;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod worker;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod talk;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod server;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod hook;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod child;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod channel;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod start;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod stats;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod cause;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod inbox;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod loans;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod hand;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod dispatch;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod backend;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod pool;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod face;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod calls;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod trying;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod with;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod builder;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod with_pool;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod process;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use builder::Builder;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use current::{CurrentProcess, current_process};
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use hook::init;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use pool::ProcessPool;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use pool_core::{
    AsyncResult, Cause, Chunks, CodecError, DrainError, Failure, Imap, ImapSubmission, JoinAsync,
    Misuse, Never, Panic, Phase, Pool, Portable, Report, StartError, Submission, Tally, Timers,
    TrySubmitError, Unseen, Worker, WorkerLost, current_worker, drain, worker_state,
};
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use process::{ActiveChild, Process, ProcessError, active_children};
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use start::StartMethod;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use stats::Stats;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use with_pool::with_pool;
