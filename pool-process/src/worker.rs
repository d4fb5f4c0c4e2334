//! What runs in a worker.

// Each module uses only those above it.

// The contexts that the worker was sent.
pub(crate) mod contexts;

// Memory for the next argument.
mod spare;

// The code that runs a task.
pub(crate) mod entry_points;

// The first frame.
mod setup;

// The end.
mod exit;

// A task is run and answered.
mod task;

// One task after the other, through a ring.
mod ring_loop;

// One task after the other.
mod main_loop;

pub(crate) use exit::Exit;
pub(crate) use main_loop::{refuse, serve};
pub(crate) use task::call as run_task;
