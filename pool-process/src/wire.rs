//! What the two sides of a socket agree on: frames, how values are encoded, how functions are named.

// Each module uses only those above it.

// How messages lie on a stream.
pub(crate) mod frame;

// What a task or an answer consists of.
pub(crate) mod payload;

// How values are encoded.
pub(crate) mod codec;

// The socket.
pub(crate) mod socket;

// How a function is named.
pub(crate) mod token;

// What a process is started to be.
pub(crate) mod role;

// What a worker is told first.
pub(crate) mod setup;

// What a worker answers.
pub(crate) mod answer;

pub(crate) use frame::{Breach, Frame, HEAD, KEEP, Kind, MAX_PAYLOAD, Reader, fits, seal, write};
pub(crate) use payload::{Payload, Reply};
pub(crate) use setup::{RING_AND_ARENA, RING_MAPPED};
