//! How an adapter introduces itself.

use std::collections::BTreeMap;

use super::Subject;
use crate::protocol::Hello;

/// What this adapter is and can do.
pub(super) fn hello<S: Subject>() -> Hello {
    const CALLS: &[&str] = &[
        "pool",
        "apply",
        "apply_async",
        "map",
        "starmap",
        "map_async",
        "starmap_async",
        "imap",
        "imap_unordered",
        "next",
        "get",
        "wait",
        "ready",
        "successful",
        "close",
        "terminate",
        "join",
        "join_timeout",
        "drop",
        "exit",
        "timers",
        "threads",
    ];
    const BODIES: &[&str] = &[
        "raise",
        "panic",
        "kill_self",
        "stop_self",
        "close_fds",
        "spawn_child",
        "allocate",
    ];
    let can = [CALLS, BODIES, S::BARE].concat();
    Hello {
        name: S::NAME.into(),
        version: S::VERSION.into(),
        kinds: vec![S::KIND],
        can: can.into_iter().map(str::to_owned).collect(),
        declines: BTreeMap::new(),
        polls: None,
    }
}
