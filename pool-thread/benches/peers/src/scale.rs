//! How much is measured.

use std::time::Duration;

/// The sizes of one run.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Scale {
    pub(crate) name: &'static str,
    /// Workers of each pool, where the workload does not say.
    pub(crate) workers: usize,
    pub(crate) repetitions: usize,
    /// Calls of W1, at most.
    pub(crate) calls: usize,
    /// Calls of W1cold, at most.
    pub(crate) cold_calls: usize,
    /// A loop of calls ends after this, once it has made a few.
    pub(crate) patience: Duration,
    /// Tasks of W2.
    pub(crate) burst: usize,
    pub(crate) map_items: usize,
    pub(crate) map_one_items: usize,
    pub(crate) stream_items: u64,
    /// Tasks of W4.
    pub(crate) busy_tasks: usize,
    pub(crate) starts: usize,
    /// Bytes that are echoed, over all calls.
    pub(crate) echo_bytes: usize,
    pub(crate) queued: usize,
    /// How long tasks arrive.
    pub(crate) arrivals: Duration,
}

impl Scale {
    /// About a minute.
    pub(crate) fn short(processes: bool, workers: usize) -> Self {
        Scale {
            name: "short",
            workers,
            repetitions: 3,
            calls: 2_000,
            cold_calls: 50,
            patience: Duration::from_millis(100),
            burst: if processes { 10_000 } else { 100_000 },
            map_items: 1_000_000,
            map_one_items: if processes { 10_000 } else { 100_000 },
            stream_items: if processes { 5_000 } else { 20_000 },
            busy_tasks: 60,
            starts: 5,
            echo_bytes: 16 << 20,
            queued: 4_000,
            arrivals: Duration::from_millis(60),
        }
    }

    /// For the record.
    pub(crate) fn full(processes: bool, workers: usize) -> Self {
        Scale {
            name: "full",
            repetitions: 9,
            calls: 20_000,
            cold_calls: 300,
            patience: Duration::from_millis(500),
            burst: 100_000,
            map_one_items: 100_000,
            stream_items: if processes { 20_000 } else { 100_000 },
            busy_tasks: 400,
            starts: 20,
            echo_bytes: 64 << 20,
            queued: if processes { 4_000 } else { 20_000 },
            arrivals: Duration::from_millis(1_200),
            ..Scale::short(processes, workers)
        }
    }
}
