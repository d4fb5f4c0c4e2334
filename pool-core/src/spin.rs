//! Spinning: a thread that waits looks again for a while before it sleeps.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

thread_local! {
    /// The calling thread has woken another one since it spun last.
    static WOKE: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread wakes another one, which may have been put on the same CPU.
pub(crate) fn note_wake_up() {
    // While the thread's locals are torn down nobody spins.
    let _ = WOKE.try_with(|woke| woke.set(true));
}

/// Whether the calling thread has woken another one since it was asked last.
pub(crate) fn has_woken() -> bool {
    WOKE.try_with(|woke| woke.replace(false)).unwrap_or(true)
}

/// Looks until it `is_there`, true, or the time is over, false. Where the calling thread `yields`, it leaves the CPU to others between
/// two looks.
pub(crate) fn until(is_there: impl Fn() -> bool, time: Duration, yields: bool) -> bool {
    if time.is_zero() {
        return false;
    }
    let end = Instant::now() + time;
    loop {
        for _ in 0..32 {
            if is_there() {
                return true;
            }
            std::hint::spin_loop();
        }
        if yields {
            thread::yield_now();
        }
        if Instant::now() >= end {
            return is_there();
        }
    }
}
