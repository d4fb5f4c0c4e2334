//! The fork server: what runs in it, what is said to it, and the parent's side.

// Each module uses only those above it.

// Requests and replies.
mod protocol;

// What runs in the server.
pub(crate) mod main_loop;

// How a parent asks a server.
pub(crate) mod client;

// The servers of this process.
pub(crate) mod registry;
