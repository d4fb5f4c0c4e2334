//! Python's `multiprocessing.Pool` in Rust, on several machines: a pool whose workers are processes of other machines, over
//! [NATS](https://nats.io).
//!
//! ```no_run
//! use pool_cluster::prelude::*;
//!
//! let pool = ClusterPool::connect("nats://10.0.0.7:4222")?;
//! assert_eq!(pool.map(|x: u64| x * x, 0..5)?, [0, 1, 4, 9, 16]);
//! pool.close();
//! pool.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A **node** is this very program, copied to another machine and started there with one variable: `POOL_NODE=nats://10.0.0.7:4222
//! ./program`. It never reaches `main`. It runs tasks in a [`ProcessPool`](pool_process::ProcessPool) of its own.
//!
//! # What to know
//!
//! - Functions, arguments and results are as for a process pool: plain functions, serde data. A node runs functions of its own image
//!   only; a node of another build gets no work, and an error names it.
//! - The queue, handles, callbacks, `close`, `terminate` and `join` are in the client. A node asks for as many tasks as it has
//!   workers, and for more only while tasks are short.
//! - A task runs **at most once** unless it is allowed [`retries`](Call::retries): what a lost node may have begun fails with
//!   [`TaskError::WorkerLost`], whose cause names the node. With retries a task may run again while its first run was lost half-way, so it
//!   must be one that may be repeated.
//! - A node that has not heard of its client for [`Builder::contact`] stops what it runs for it. The client takes a node for lost only
//!   when it must have done so. So a server that is restarted, or loses everything, costs time and no task, as long as it is back
//!   within that time.

#![deny(unsafe_code)]

// The modules are listed ground floor first: each uses only those above it.

// Which program this is.
mod build;

// What client and nodes tell each other.
mod wire;

// Messages in order, each once.
mod link;

// The connection to the server.
mod bus;

// What a node takes out of its environment.
mod environment;

// Tasks of clients, run here.
mod run;

// A program that was started as a node.
mod node;

// Before `main`.
mod hook;

// The side of the program that has the pool.
mod client;

// Server and nodes on this machine.
mod local;

// How a pool is made.
mod builder;

pub use builder::Builder;
pub use client::ClusterPool;
pub use client::backend::Cluster;
pub use client::stats::{NodeStats, Stats};

pub use pool_core::{
    AsCompleted, AsyncResult, Call, CancelHandle, CancelToken, Cause, CodecError, ContextValue,
    DeadlineExceeded, Each, Imap, Input, JoinAsync, Never, Panic, Phase, Pool, PoolError, Portable,
    Report, Results, RunError, StartError, SubmitAsync, Submitted, TaskError, TaskStats, TimedOut,
    Timers, TrySubmitError, UnhandledError, WithContext, Worker, WorkerLost, as_completed,
    cancelled, current_worker, wait_any, worker_state,
};

/// What nearly every program that uses a cluster pool names: `use pool_cluster::prelude::*`.
pub mod prelude {
    pub use crate::ClusterPool;
    pub use pool_core::prelude::*;
}

// The examples of the package's own page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
