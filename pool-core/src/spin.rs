//! Spinning: a thread that waits looks again for a while before it sleeps.

use std::cell::Cell;
use std::sync::LazyLock;
// A model checker does not come to these.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{MODELLED, thread};

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

/// For how long a thread looks without leaving the CPU to anybody: what is awaited may need it.
const ALONE: Duration = Duration::from_micros(4);

/// How often a thread leaves the CPU to others where it does not spin.
const YIELDS: u32 = 4;

/// A thread that comes back to its next look after longer than this has shared its CPU with another busy thread.
const AWAY: Duration = Duration::from_micros(150);

/// For how long no thread of this process spins after that. Beside a busy thread a CPU that is left is back after milliseconds, so a thread
/// that sleeps is sooner back: it is preferred when it is woken.
const CROWDED: Duration = Duration::from_millis(4);

/// Until when CPUs are shared with other busy threads: nanoseconds since [`START`].
static CROWDED_UNTIL: AtomicU64 = AtomicU64::new(0);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now() -> Duration {
    START.elapsed()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Looks until it `is_there`, true, or the time is over, false; with a time of zero it only leaves the CPU to others a few times. Where
/// the calling thread `yields`, it leaves the CPU to others between two looks from the first on, otherwise after a while. Where CPUs are
/// shared with other busy threads, it looks for a short time only, and leaves the CPU to nobody.
pub fn until(is_there: impl Fn() -> bool, time: Duration, yields: bool) -> bool {
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
    let began = now();
    let crowded = nanos(began) < CROWDED_UNTIL.load(Ordering::Relaxed);
    let time = if crowded { time.min(ALONE) } else { time };
    let (mut yields, mut before) = (yields, began);
    loop {
        for _ in 0..32 {
            if is_there() {
                return true;
            }
            std::hint::spin_loop();
        }
        if yields && !crowded {
            thread::yield_now();
        }
        let now = now();
        if now - before > AWAY {
            CROWDED_UNTIL.store(nanos(now + CROWDED), Ordering::Relaxed);
            return is_there();
        }
        if now - began >= time {
            return is_there();
        }
        yields |= now - began >= ALONE;
        before = now;
    }
}
