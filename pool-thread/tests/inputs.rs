//! The inputs of `imap`s on threads.

use pool_thread as pools;
type AnyPool = pools::ThreadPool;

#[path = "../../pool-core/tests/programs/inputs.rs"]
mod inputs;
