//! What a worker has around it: working directory, environment variables, limits, where it writes. They are those of the thread
//! that made its pool, as they were then, however old the process is that the worker comes from.

// Each module uses only those above it.

// Environment variables.
pub(crate) mod variables;

// What is sent as bytes.
pub(crate) mod settings;

// The parent captures it.
mod captured;

// The worker applies it.
mod applied;

pub(crate) use captured::{Environment, Overrides};
