//! How far an input is read ahead.

use std::time::{Duration, Instant};

/// How far an input may be read ahead of its consumer, in chunks.
pub(crate) struct Window {
    pub(super) size: usize,
    /// The initial size.
    base: usize,
    /// The size up to which it grows while chunks are fast.
    max: usize,
    /// How many joins wait for the input. While there is one, the window has no bound: perhaps no consumer takes results.
    pub(super) lifted: usize,
    /// The latest refill: how many chunks had been submitted, and when it was.
    refilled: Option<(u64, Instant)>,
}

impl Window {
    /// A window of a fixed size, or one that begins with four chunks for each worker.
    pub(crate) fn new(fixed: Option<usize>, workers: usize) -> Window {
        const MAX: usize = 1024;
        let size = fixed.unwrap_or(workers.saturating_mul(4));
        Window {
            size,
            base: size,
            max: if fixed.is_some() { size } else { size.max(MAX) },
            lifted: 0,
            refilled: None,
        }
    }

    /// Whether to read on when this many chunks are outstanding. A window that has grown is refilled when it is half empty: a wake-up
    /// of a reader, or of a worker, costs more than many tasks.
    pub(super) fn refills_at(&self, outstanding: usize) -> bool {
        match self.size > self.base {
            true => outstanding <= self.size / 2,
            false => outstanding < self.size,
        }
    }

    /// Adapts the size before a refill, when `sent` chunks had been submitted in all. If chunks were fast since the refill before,
    /// the window grows. Otherwise it has its initial size again.
    pub(super) fn refill(&mut self, sent: u64) {
        /// Less than this per chunk is fast: a wake-up costs a few microseconds.
        const FAST: Duration = Duration::from_micros(50);
        let now = Instant::now();
        let (before, then) = self.refilled.replace((sent, now)).unwrap_or((sent, now));
        let chunks = u32::try_from(sent - before).unwrap_or(u32::MAX);
        self.size = match now.duration_since(then) < FAST.saturating_mul(chunks) {
            true => self.size.saturating_mul(2).min(self.max),
            false => self.base,
        };
    }
}
