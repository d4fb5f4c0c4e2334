//! Tasks that arrive at random: a caller who does not wait for one result before he hands in the next task.
//!
//! The caller has a CPU of his own, on which he waits for the next arrival without sleeping; the workers have the others.
//! A latency is from the moment when a task was due, so that a pool that holds its caller up pays for all that come late.

use std::hint;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::contestant::{Contestant, Outcome};
use crate::rival::Readings;
use crate::scale::Scale;
use crate::stats::quantile;
use crate::usage::Usage;
use crate::work::{Work, clock};
use crate::workload::{CPU, P50, P99, P999, RATE};

/// How tasks arrive.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    /// How long each task is busy.
    pub micros: u64,
    /// How many in a second, in the mean.
    pub rate: f64,
    /// How many in all.
    pub tasks: usize,
}

impl Arrivals {
    pub(crate) fn new(micros: u64, rate: f64, time: Duration) -> Self {
        let tasks = (rate * time.as_secs_f64()) as usize;
        Arrivals {
            micros,
            rate,
            tasks: tasks.max(100),
        }
    }

    pub(crate) fn at_most(self, tasks: usize) -> Self {
        Arrivals {
            tasks: self.tasks.min(tasks),
            ..self
        }
    }

    /// When each is due, in nanoseconds from the first; the same for the same rate.
    fn times(self) -> Vec<u64> {
        let (mut random, mut now) = (Random(0x9E37_79B9_7F4A_7C15), 0.0);
        (0..self.tasks)
            .map(|_| {
                let due = now;
                now -= (1.0 - random.unit()).ln() / self.rate * 1e9;
                due as u64
            })
            .collect()
    }
}

/// An xorshift generator.
struct Random(u64);

impl Random {
    /// From 0 up to but without 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// As many as there are CPUs beside the caller's.
pub(crate) fn workers(scale: &Scale) -> usize {
    scale.workers.saturating_sub(1).max(1)
}

pub(crate) fn measure(pool: &impl Contestant, arrivals: Arrivals) -> Outcome<Readings> {
    let due = arrivals.times();
    let mut handles = Vec::with_capacity(due.len());
    let mut submitting = 0;
    let (before, caller_before) = (Usage::now()?, thread_cpu()?);
    let began = clock();
    for offset in &due {
        let time = began + offset;
        let mut now = clock();
        while now < time {
            hint::spin_loop();
            now = clock();
        }
        handles.push(pool.submit(Work::Stamp, arrivals.micros)?);
        submitting += clock() - now;
    }
    // All that the caller has used up to here but for what he spent in `submit`.
    let waiting = thread_cpu()?
        .saturating_sub(caller_before)
        .saturating_sub(submitting);
    let mut latencies = Vec::with_capacity(due.len());
    for (handle, offset) in handles.into_iter().zip(&due) {
        let ended = pool.wait(handle)?;
        latencies.push(ended.saturating_sub(began + offset) as f64 / 1e9);
    }
    let used = Usage::now()?.since(before);
    let cpu = (used.cpu - waiting as f64 / 1e9).max(0.0) / due.len() as f64;
    let mut readings = Readings::from([(CPU.to_owned(), cpu), (RATE.to_owned(), arrivals.rate)]);
    // A quantile is told where enough lie beyond it.
    for (name, part, least) in [(P50, 0.5, 10), (P99, 0.99, 100), (P999, 0.999, 1_000)] {
        if latencies.len() >= least
            && let Some(value) = quantile(&latencies, part)
        {
            readings.insert(name.to_owned(), value);
        }
    }
    Ok(readings)
}

/// Nanoseconds of CPU time of this thread.
fn thread_cpu() -> Outcome<u64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(Duration::from(time).as_nanos().try_into()?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Arrivals;

    #[test]
    fn arrivals_are_the_same_each_time_and_have_their_rate() {
        let arrivals = Arrivals::new(0, 1_000.0, Duration::from_secs(10));
        let times = arrivals.times();
        assert_eq!(times, arrivals.times());
        assert_eq!(times.len(), 10_000);
        assert!(times.is_sorted());
        let seconds = times[9_999] as f64 / 1e9;
        assert!((9.5..10.5).contains(&seconds), "{seconds}");
    }
}
