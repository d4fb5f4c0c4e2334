//! How an adapter introduces itself.

use super::Implementation;
use crate::protocol::Hello;

/// What this adapter is and can do.
pub(super) fn hello<S: Implementation>() -> Hello {
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
        "drop_handle",
        "close",
        "terminate",
        "join",
        "join_timeout",
        "drop",
        "callback",
        "cancel",
        "cancel_token",
        "deadline",
        "expiry",
        "retries",
        "retry_if",
        "timers",
        "threads",
    ];
    const BODIES: &[&str] = &[
        "spawn_child",
        "allocate",
        "call_from_callback",
        "worker_name",
    ];
    let wishes = [
        ("maxtasksperchild", S::SHARES),
        ("max_worker_age", S::AGES),
        ("initializer", S::INITIALIZES),
        ("queue", S::BOUNDS),
        ("stats", S::COUNTS),
    ];
    let wishes = wishes.into_iter().filter(|(_, granted)| *granted);
    let wishes: Vec<&str> = wishes.map(|(wish, _)| wish).collect();
    let can = [CALLS, BODIES, S::BARE, S::KIND.alone_can(), &wishes].concat();
    Hello {
        name: S::NAME.into(),
        version: S::VERSION.into(),
        kinds: vec![S::KIND],
        can: can.into_iter().map(str::to_owned).collect(),
        declines: (S::DECLINES.iter())
            .map(|(row, why)| ((*row).to_owned(), (*why).to_owned()))
            .collect(),
        polls: S::POLLS.map(str::to_owned),
    }
}
