//! What workers and processes are called.

use std::sync::atomic::{AtomicU64, Ordering};

/// The name of the next process that is given none.
pub(crate) fn process() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("Process-{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// The name of a pool's n-th worker, from 1, that tasks see.
pub(crate) fn long(number: u32) -> String {
    format!("ProcessPoolWorker-{number}")
}

/// The name that the system shows, 15 bytes at most.
pub(crate) fn short(number: u32) -> String {
    let mut name = format!("ppool-{number}");
    name.truncate(15);
    name
}
