//! What a worker pool is: the semantics of Python's `multiprocessing.Pool`, once, for every kind of worker.
//!
//! Programs use a crate with workers (`pool-thread`, `pool-process`), which re-exports from here what they need. This crate is for
//! libraries that are generic over [`Pool`], and, with the module [`backend`](mod@backend), for authors of further kinds of worker.

// The modules are listed ground floor first: each uses only those above it.

// What threads synchronise with: std's, or a model checker's.
mod sync;

// Ways to break what the models check.
mod flaws;

// Which process this is.
mod fork;

// Errors of any type, as text.
mod report;

// Why a task has no value, and why a pool refuses a call.
mod error;

// Values that can go from one process to another.
mod value;

// Contexts: values that functions get a reference to.
mod context;

// Panics as values.
mod panics;

// Statistics.
mod stats;

// Functions and tasks.
mod task;

// A function with a context.
mod context_fn;

// A function some of whose errors are picked to be tried again.
mod retry;

// A function whose errors are values: the items of an `imap`.
mod settled;

// The life of a pool, as a table.
mod lifecycle;

// How a map is cut.
mod chunks;

// Threads with a stack for the user's code.
mod threads;

// The one source of time.
mod timers;

// A count that is waited for.
mod wait_group;

// Looking again before one sleeps.
mod spin;

// What the calling thread is to a pool.
mod thread_state;

// What a worker has done.
mod worker_stats;

// Who is told what workers and tasks do.
mod observer;

// Spans of what tasks do.
#[cfg(feature = "tracing")]
mod tracing_observer;

// To end a call before its work is done.
mod cancel;

// Limits of a job.
mod limits;

// The thread on which callbacks run.
mod callback_thread;

// The threads that read inputs.
mod readers;

// The state word of a job, and those who wait for it.
mod task_state;

// Whether a submission waits where the queue is full.
mod admission;

// The options of a submission.
mod options;

// A job's work in units, and the place of its value.
mod work;

// A job's place in the queue, and its units.
mod unit;

// What all jobs of a pool share.
mod shared;

// Units of one job that a worker takes one after the other.
mod range;

// Values whose drop may panic.
mod contained;

// Work on the caller's stack.
mod stack_job;

// What a caller waits for and gets.
mod outcome;

// A job.
mod job;

// What the caller holds of it.
mod handle;

// A backend for tests.
#[cfg(test)]
mod idle;

// First in, first out, in blocks.
mod fifo;

// The queue, and the pool's phase.
mod queue;

// Events that one consumer waits for.
mod events;

// Handles in the order in which their jobs end.
mod completion;

// The results of an `imap`, and its input.
mod imap;

// A submission that is awaited.
mod submit_async;

// What a backend supplies.
mod backends;

// The configuration of a pool.
mod config;

// After how much a worker is replaced.
mod recycling;

// Ends of a pool that block no caller.
mod shutdown;

// The rules of a pool, once.
mod engine;

// Tasks that borrow, all ended before their scope returns.
mod scope;

// The long form of all verbs.
mod call;

// The methods of every pool.
mod pool;

// Plain functions run on every pool.
mod portable;

// Models that a checker runs in orders drawn at random.
#[cfg(all(test, shuttle))]
mod models;
// Errors as an `io::Error`.
mod io_error;

pub use admission::TrySubmitError;
pub use backends::StartError;
pub use call::{Call, Each, RunCall, RunEach, RunImap};
pub use cancel::{CancelHandle, CancelToken};
pub use chunks::default_chunksize;
pub use completion::{AsCompleted, as_completed, wait_any};
pub use error::{
    Cause, CodecError, DeadlineExceeded, Never, Panic, PoolError, TaskError, TimedOut, WorkerLost,
};
pub use handle::{AsyncResult, Submitted};
pub use imap::{Imap, Input, Results};
pub use lifecycle::Phase;
pub use observer::{Observer, TaskEnd, TaskInfo, WorkerEnd};
pub use outcome::Progress;
pub use pool::{Pool, RunError, WithContext};
pub use report::Report;
pub use retry::RetryIf;
pub use scope::{Scope, ScopedResult};
pub use shutdown::JoinAsync;
pub use stats::{TaskStats, UnhandledError};
pub use submit_async::SubmitAsync;
pub use task::{StarFn, StarFnWith, Tuple};
pub use thread_state::{Worker, cancelled, current_worker, worker_state};
pub use timers::Timers;
#[cfg(feature = "tracing")]
pub use tracing_observer::TracingObserver;
pub use value::{ContextValue, Portable};
pub use worker_stats::WorkerStats;

/// What nearly every program that uses a pool names: `use pool_core::prelude::*`.
pub mod prelude {
    pub use crate::error::{PoolError, TaskError};
    pub use crate::pool::Pool;
    pub use crate::report::Report;
}

/// What authors of a backend need: a kind of worker, from its queue to its units.
///
/// A pool of a new kind is a [`Backend`](backend::Backend) and a struct around an [`Engine`](backend::Engine) of it, which implements
/// [`Pool`] by one method. The test `tests/third_backend.rs` of this crate has one in full.
pub mod backend {
    pub use crate::backends::{Backend, CallCell, LocalBackend};
    pub use crate::config::Config;
    pub use crate::context::Context;
    pub use crate::context_fn::{
        ContextCall, ContextEach, ContextFn, TryContextCall, TryContextEach,
    };
    pub use crate::engine::{Engine, Erase};
    pub use crate::error::LostCall;
    pub use crate::fork::{OwnerProcess, PerProcess, end_copy};
    pub use crate::imap::ImapOptions;
    pub use crate::job::JobCell;
    pub use crate::observer::Observed;
    pub use crate::options::SubmitOptions;
    pub use crate::panics::{catch, install_hook};
    pub use crate::queue::{
        Claim, JobOrder, Pace, Queue, Taken, Taker, WaitMeter, WhenIdle, WorkerSlot,
    };
    pub use crate::range::MoreUnits;
    pub use crate::recycling::{Recycling, Share};
    pub use crate::retry::{OnceAgain, Pick, Retrying};
    pub use crate::settled::{ItemResult, Settled};
    pub use crate::shared::{Assist, UnitStop};
    pub use crate::spin::until as spin_until;
    pub use crate::stack_job::Borrowed;
    pub use crate::task::{
        ContextFnPtr, ContextPtr, FnAddress, FnCall, FnEach, Func, Once, Plain, PlainCall,
        PlainEach, PortableFn, Star, Task, TryCall, TryEach, TryOnce, TryStar, Trying,
    };
    pub use crate::thread_state::{BlockHook, Interruptible, ServiceGuard, WorkerGuard};
    pub use crate::threads::thread_builder;
    pub use crate::timers::{Alarm, Armed, TimeSource};
    pub use crate::unit::{Again, AsJob, HandedOut, Job, TaskId, Unclaimed, Unit};
    pub use crate::wait_group::{Deadline, WaitGroup, WaitGroupGuard};
    pub use crate::work::{Batch, Items, Single, UnitError, Work};
}

// The examples of the package's own page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
