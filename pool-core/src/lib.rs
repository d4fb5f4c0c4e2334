//! What a worker pool is: the semantics of Python's `multiprocessing.Pool`, once, for every backend.
//!
//! Programs use a backend crate (`pool-thread`, `pool-process`), which re-exports from here what they need.
//! This crate is for those who write a backend or a library that is generic over [`Pool`].
//!
//! The modules are listed ground floor first: each uses only those above it.

mod attendance;
mod backend;
mod cell;
mod chunks;
mod context;
mod engine;
mod failure;
mod feed;
mod gate;
mod handle;
mod hub;
mod lane;
mod lifecycle;
mod loan;
mod panics;
mod pool;
mod submission;
mod task;
mod terms;
mod timers;
mod work;

pub use attendance::{Attendance, Deadline, Present};
pub use backend::{Backend, Carry, StartError};
pub use cell::{Cell, Erased, Job, Link, Unit};
pub use chunks::default_chunksize;
pub use context::{Worker, WorkerSeat, current_worker};
pub use engine::{Config, Engine};
pub use failure::{Cause, CodecError, Failure, Misuse, Never, Panic, WorkerLost};
pub use feed::{Claim, Feed, Seat};
pub use handle::AsyncResult;
pub use hub::TaskId;
pub use lifecycle::{Order, Phase, Step};
pub use loan::Borrowed;
pub use panics::{catch, install_hook};
pub use pool::Pool;
pub use submission::{Chunks, Submission};
pub use task::{
    Address, Call, FnPtr, Func, Once, Plain, Portable, Star, StarFn, Task, TryOnce, TryStar,
    Trying, Tuple,
};
pub use terms::Terms;
pub use timers::{Alarm, Armed, TimeSource, Timers};
pub use work::{Batch, Single, Work};
