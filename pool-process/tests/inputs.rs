//! The inputs of `imap`s on processes.

use pool_process as pools;
type AnyPool = pools::ProcessPool;

#[path = "../../pool-core/tests/programs/inputs.rs"]
mod inputs;
