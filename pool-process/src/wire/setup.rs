//! What a worker is told first: who it is, and what it is for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::token::TOKEN;

/// The setup of a worker. In the first frame its environment follows, which is the same for all workers of a pool.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Its name.
    pub(crate) name: String,
    /// Its name for the system, of which that keeps 15 bytes.
    pub(crate) short_name: String,
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// The longest payload in either direction.
    pub(crate) max_payload: u64,
    /// Whether the panic hook may be installed.
    pub(crate) panic_hook: bool,
    /// What it runs before its first task: the payload of a task frame.
    pub(crate) initializer: Option<Vec<u8>>,
    /// What it runs before it leaves.
    pub(crate) worker_exit: Option<[u8; TOKEN]>,
    /// The last descriptors that come along are those of its ring and its bell, and so long it may look there for work before it sleeps.
    pub(crate) ring: Option<Duration>,
}

/// What `Ready` says of a worker that has mapped its ring.
pub(crate) const RING_MAPPED: &[u8] = b"ring";

/// What `Ready` says of a worker that has an arena as well.
pub(crate) const RING_AND_ARENA: &[u8] = b"ring and arena";

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// The tasks of a pool.
    Pool {
        /// The place in it.
        index: usize,
    },
    /// One function, whose end is the process's.
    Alone,
}
