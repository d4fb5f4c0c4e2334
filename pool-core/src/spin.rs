//! Spinning: a thread that waits looks again for a while before it sleeps.

use std::cell::Cell;
use std::time::Duration;

use crate::sync::{Instant, MODELLED, thread};

thread_local! {
    /// The calling thread has woken another one since it spun last.
    static WOKE: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread wakes another one, which may have been put on the same CPU.
pub(crate) fn note_wake_up() {
    // While the thread's locals are torn down nobody spins.
    let _ = WOKE.try_with(|woke| woke.set(!MODELLED));
}

/// Whether the calling thread has woken another one since it was asked last.
pub(crate) fn has_woken() -> bool {
    WOKE.try_with(|woke| woke.replace(false)).unwrap_or(true)
}

/// For how long it looks without leaving the CPU to anybody: what is awaited may need it.
const ALONE: Duration = Duration::from_micros(4);

/// How often it leaves the CPU to others where it does not spin.
const YIELDS: u32 = 4;

/// Looks until it `is_there`, true, or the time is over, false; with a time of zero it only leaves the CPU to others a few times. Where the calling thread `yields`, it leaves the CPU to others between
/// two looks from the first on.
pub(crate) fn until(is_there: impl Fn() -> bool, time: Duration, yields: bool) -> bool {
    if MODELLED {
        // The checker tries every order: one look is any number of them.
        return is_there();
    }
    if time.is_zero() {
        // Where there is one CPU, whoever is awaited needs it.
        return (0..YIELDS).any(|_| {
            let there = is_there();
            if !there {
                thread::yield_now();
            }
            there
        }) || is_there();
    }
    let began = Instant::now();
    let mut yields = yields;
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
        let spent = began.elapsed();
        if spent >= time {
            return is_there();
        }
        yields |= spent >= ALONE;
    }
}
