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
//!   of what `main` set up: no statics, no loggers.
//! - A function carries no data of its own: it is a plain function, or a closure that captures nothing. What it
//!   needs beside its argument comes by the `*_with` methods ([`map_with`](ProcessPool::map_with)).
//! - A task that dies, however it does, fails alone, with [`Failure::WorkerLost`]; its worker is replaced. In
//!   programs built with `panic = "abort"` a panic is such a death.
//! - **Dropping a pool terminates it**: `close()` and `join()` it to have its work done.
//! - Whatever becomes of the program, its workers do not outlive it.
//! - Linux only.
//!
//! The modules are listed ground floor first: each uses only those above it.

#![deny(unsafe_code)]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("pool-process needs 64-bit Linux (5.9 or later): elsewhere, use pool-thread");

pub mod guide;

mod sys;

mod environment;

mod lifeline;

mod names;

mod wire;

mod codec;

mod image;

mod lent;

mod symbols;

mod errand;

mod link;

mod surroundings;

mod travel;

mod current;

mod at_exit;

mod setup;

mod worker;

mod talk;

mod server;

mod hook;

mod channel;

mod child;

mod start;

mod stats;

mod cause;

mod inbox;

mod loans;

mod hand;

mod dispatch;

mod backend;

mod pool;

mod face;

mod calls;

mod trying;

mod with;

mod builder;

mod with_pool;

mod process;

pub use builder::Builder;
pub use current::{CurrentProcess, current_process};
pub use hook::init;
pub use pool::ProcessPool;
pub use pool_core::{
    AsyncResult, Cause, Chunks, CodecError, DrainError, Failure, Imap, ImapSubmission, JoinAsync,
    Misuse, Never, Panic, Phase, Pool, Portable, Report, StartError, Submission, Tally, Timers,
    TrySubmitError, Unseen, Worker, WorkerLost, current_worker, drain, worker_state,
};
pub use process::{ActiveChild, Process, ProcessError, active_children};
pub use start::StartMethod;
pub use stats::Stats;
pub use with_pool::with_pool;
