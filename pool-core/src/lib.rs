//! What a worker pool is: the semantics of Python's `multiprocessing.Pool`, once, for every backend.
//!
//! Programs use a backend crate (`pool-thread`, `pool-process`), which re-exports from here what they need.
//! This crate is for those who write a backend or a library that is generic over [`Pool`].

// The modules are listed ground floor first: each uses only those above it.

// Which process this is.
mod fork;

// Errors in words.
mod report;

// Why a task has no value, and what a caller did wrong.
mod failure;

// What all calls of a job share.
mod common;

// What came of a pool's work.
mod tally;

// What travels to a worker.
mod task;

// A function with a context.
mod with;

// The life of a pool, as a table.
mod lifecycle;

// How a map is cut.
mod chunks;

// Panics as values.
mod panics;

// Threads with a stack for the user's code.
mod threads;

// The one source of time.
mod timers;

// Who is still there.
mod attendance;

// Where the calling code runs.
mod context;

// Where callbacks run.
mod lane;

// What all cells of a pool share.
mod hub;

// The state word of a job and those who wait for it.
mod gate;

// How a submission meets a full queue.
mod entry;

// What is said of a submission.
mod terms;

// A job's work in units, and the place of its value.
mod work;

// Work on the caller's stack.
mod loan;

// A job's place in the queue, and its units.
mod unit;

// Values whose drop may panic.
mod contained;

// What a caller waits for and gets.
mod outcome;

// The cell of a job.
mod cell;

// What the caller holds of it.
mod handle;

// A backend for tests.
#[cfg(test)]
mod idle;

// The queue, and the pool's phase.
mod feed;

// The input of an `imap`.
mod intake;

// Its results as an iterator.
mod imap;

// How workers are started, fed and stopped.
mod backend;

// What a pool is told at its start.
mod config;

// Ends that block nobody.
mod parting;

// The semantics, once.
mod engine;

// Tasks that borrow, all ended before their scope returns.
mod scope;

// The long form of a submission.
mod submission;

// The face of every pool.
mod pool;

// A pool for the length of a call.
mod drain;

pub use attendance::{Attendance, Deadline, Present};
pub use backend::{Backend, Carry, StartError};
pub use cell::Cell;
pub use chunks::default_chunksize;
pub use common::Context;
pub use config::Config;
pub use context::{Keeper, Lender, Worker, WorkerSeat, current_worker, worker_state};
pub use drain::{DrainError, drain};
pub use engine::Engine;
pub use entry::{Refused, TrySubmitError};
pub use failure::{Cause, CodecError, Failure, Misuse, Never, Panic, WorkerLost};
pub use feed::{Claim, Feed, Seat};
pub use fork::{OwnerProcess, PerProcess, end_copy};
pub use handle::{AsyncResult, Submitted};
pub use hub::TaskId;
pub use imap::{Flow, Imap, ImapSubmission};
pub use intake::{Ends, Settled};
pub use lifecycle::{Order, Phase, Step};
pub use loan::Borrowed;
pub use panics::{catch, install_hook};
pub use parting::JoinAsync;
pub use pool::Pool;
pub use report::{Reason, Report};
pub use scope::{Scope, ScopedResult, ScopedTask};
pub use submission::{Chunks, Submission};
pub use tally::{Tally, Unseen};
pub use task::{
    Address, Call, FnPtr, Func, Lent, LentFn, Once, Plain, Portable, Star, StarFn, StarFnWith,
    Task, TryOnce, TryStar, Trying, Tuple,
};
pub use terms::Terms;
pub use threads::thread_builder;
pub use timers::{Alarm, Armed, TimeSource, Timers};
pub use unit::{Erased, Job, Link, Unclaimed, Unit};
pub use with::With;
pub use work::{Batch, Single, Work};
