//! The crate on Linux. Its modules are listed ground floor first: each uses only those above it.

// How other programs come here.
pub mod guide;

// System calls.
pub(crate) mod sys;

// Who a thread is to the kernel.
pub(crate) mod identity;

// The name of the calling process.
pub(crate) mod current;

// What the program's exit does with its processes.
pub(crate) mod at_exit;

// The program's image in memory and in its file.
pub(crate) mod image;

// Memory for what is too long for a ring.
pub(crate) mod arena;

// Memory that many processes read.
pub(crate) mod view;

// What both sides of a socket agree on.
pub(crate) mod wire;

// Memory that a pool shares with one worker.
pub(crate) mod ring;

// What a worker has around it.
pub(crate) mod environment;

// What runs in a worker.
pub(crate) mod worker;

// What a parent writes into a task frame.
pub(crate) mod task;

// A process that was started.
pub(crate) mod child;

// The fork server.
pub(crate) mod server;

// A lost call is run again.
pub(crate) mod replay;

// What runs before `main`.
pub(crate) mod hook;

// The ways to start a process.
pub(crate) mod start;

// The pool, and the parent's side of its workers.
pub(crate) mod pool;

// Units as bytes.
pub mod remote;

// How a pool is made.
mod builder;

// One function in a process of its own.
mod process;

pub use builder::Builder;
pub use current::{CurrentProcess, current_process};
pub use hook::init;
pub use pool::ProcessPool;
pub use pool::backend::Processes;
pub use pool::stats::Stats;
pub use process::{ActiveChild, Process, ProcessError, active_children};
pub use start::StartMethod;
