//! What workers are called: numbered through the whole process, as in Python.

use std::sync::atomic::{AtomicU64, Ordering};

/// The next worker's number, from 1.
pub(crate) fn next() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The name of the next process that is given none.
pub(crate) fn process() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("Process-{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// The name that tasks see.
pub(crate) fn long(number: u64) -> String {
    format!("ProcessPoolWorker-{number}")
}

/// The name that the system shows, 15 bytes at most.
pub(crate) fn short(number: u64) -> String {
    let mut name = format!("ppool-{number}");
    name.truncate(15);
    name
}
