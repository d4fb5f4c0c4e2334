//! How long a worker has waited for units.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Queue;
use crate::unit::AsJob;

/// How long one worker has waited for units. That worker alone writes it.
///
/// It is one word, so that others read what belongs together: twice the nanoseconds, less the time when it began to wait, and one more,
/// while it waits.
#[derive(Debug, Default)]
pub struct WaitMeter(AtomicU64);

const WAITS: u64 = 1;

impl WaitMeter {
    /// It waits from now on: nanoseconds since the start of the pool.
    pub(super) fn begin(&self, now: u64) {
        let waited = self.0.load(Ordering::Relaxed);
        self.0
            .store(waited.wrapping_sub(now << 1) | WAITS, Ordering::Relaxed);
    }

    /// It waits no more.
    pub(super) fn end(&self, now: u64) {
        let waited = self.0.load(Ordering::Relaxed) & !WAITS;
        self.0
            .store(waited.wrapping_add(now << 1), Ordering::Relaxed);
    }

    fn waited(&self, now: u64) -> Duration {
        let word = self.0.load(Ordering::Relaxed);
        let waited = match word & WAITS {
            0 => word,
            _ => (word & !WAITS).wrapping_add(now << 1),
        };
        Duration::from_nanos(waited >> 1)
    }
}

impl<J: ?Sized + AsJob> Queue<J> {
    /// How long a worker has waited by its meter, until now.
    pub fn waited(&self, meter: &WaitMeter) -> Duration {
        meter.waited(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_adds_up_waits_and_the_one_that_goes_on() {
        let meter = WaitMeter::default();
        let waited = |now| meter.waited(now).as_nanos();
        assert_eq!(waited(100), 0);
        meter.begin(100);
        assert_eq!((waited(100), waited(130)), (0, 30));
        meter.end(140);
        assert_eq!(waited(1_000), 40);
        meter.begin(1_000);
        assert_eq!(waited(1_005), 45);
        meter.end(1_007);
        assert_eq!(waited(9_999), 47);
    }
}
