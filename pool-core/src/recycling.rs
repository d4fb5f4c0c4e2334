//! After how much a worker is replaced: tasks, time, memory.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::time::Duration;

/// What the workers of a pool may reach before others take their places.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recycling {
    /// How many tasks one runs.
    pub tasks: Option<NonZeroUsize>,
    /// How long one lives.
    pub age: Option<Duration>,
    /// How many bytes of one are resident.
    pub memory: Option<u64>,
    /// By how much of each limit a worker's own one is less, at most; from 0 to 1.
    pub jitter: f64,
}

/// The limits of one worker.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// How many tasks it runs.
    pub tasks: usize,
    /// How long it lives.
    pub age: Option<Duration>,
    /// How many bytes of it are resident.
    pub memory: u64,
}

impl Recycling {
    /// Whether any worker is ever replaced for these.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.tasks.is_some() || self.age.is_some() || self.memory.is_some()
    }

    /// The limits of the next worker.
    #[must_use]
    pub fn share(&self) -> Share {
        // Hashed with keys that nobody knows, a constant is a random number.
        let random = RandomState::new().hash_one(0_u8) >> 11;
        self.share_at(random as f64 / (1_u64 << 53) as f64)
    }

    /// The limits of a worker that has drawn this number, from 0 to below 1.
    fn share_at(&self, drawn: f64) -> Share {
        let factor = 1.0 - self.jitter.clamp(0.0, 1.0) * drawn;
        let tasks = self.tasks.map_or(usize::MAX, |tasks| {
            ((tasks.get() as f64 * factor).ceil() as usize).clamp(1, tasks.get())
        });
        Share {
            tasks,
            age: self.age.map(|age| age.mul_f64(factor)),
            memory: self
                .memory
                .map_or(u64::MAX, |bytes| (bytes as f64 * factor) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_less_than_the_limit_by_no_more_than_the_jitter() {
        let limits = |jitter| Recycling {
            tasks: NonZeroUsize::new(10),
            age: Some(Duration::from_secs(10)),
            memory: Some(1000),
            jitter,
        };
        for (jitter, drawn, tasks, seconds, memory) in [
            (0.0, 0.9, 10, 10, 1000),
            (0.5, 0.0, 10, 10, 1000),
            (0.5, 0.8, 6, 6, 600),
            (1.0, 1.0 - f64::EPSILON, 1, 0, 0),
        ] {
            let share = limits(jitter).share_at(drawn);
            let age = share.age.map(|age| age.as_millis().div_ceil(1000));
            assert_eq!((share.tasks, share.memory), (tasks, memory));
            assert!(age.is_some_and(|age| age.abs_diff(seconds) <= 1), "{age:?}");
        }
        let share = limits(0.5).share();
        assert!((5..=10).contains(&share.tasks), "{share:?}");
        assert!(!Recycling::default().is_limited());
        assert_eq!(Recycling::default().share().tasks, usize::MAX);
    }
}
