//! The configuration of a pool.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::backends::StartError;
use crate::limits::Retries;
use crate::observer::{Observed, Observer};
use crate::queue::Pace;
use crate::timers::Timers;

/// More workers than any system can start: a larger size is a mistake, and would not fit in memory.
const MOST_WORKERS: usize = 1 << 20;

/// The configuration that every pool has, whatever its workers are.
#[derive(Debug, Clone)]
pub struct Config {
    size: Option<usize>,
    queue: Option<usize>,
    pub(crate) timers: Timers,
    pub(crate) panic_hook: bool,
    pub(crate) warn_on_drop: bool,
    pub(crate) observed: Observed,
    pub(crate) retries: Retries,
    reach: Option<usize>,
    spin: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            size: None,
            queue: None,
            timers: Timers::real(),
            panic_hook: true,
            warn_on_drop: true,
            observed: Observed::default(),
            retries: Retries::default(),
            reach: None,
            spin: None,
        }
    }
}

impl Config {
    /// Number of workers; without it, the CPUs that this process may use.
    #[must_use]
    pub fn size(self, size: usize) -> Self {
        Config {
            size: Some(size),
            ..self
        }
    }

    /// How many tasks may wait in the queue; without it, any number.
    #[must_use]
    pub fn queue(self, tasks: usize) -> Self {
        Config {
            queue: Some(tasks),
            ..self
        }
    }

    /// The pool's source of time.
    #[must_use]
    pub fn timers(self, timers: Timers) -> Self {
        Config { timers, ..self }
    }

    /// Whether to install the panic hook that records where tasks panic (default: yes).
    #[must_use]
    pub fn panic_hook(self, install: bool) -> Self {
        Config {
            panic_hook: install,
            ..self
        }
    }

    /// Whether a drop with unfinished tasks says so on stderr (default: yes).
    #[must_use]
    pub fn warn_on_drop(self, warn: bool) -> Self {
        Config {
            warn_on_drop: warn,
            ..self
        }
    }

    /// How often tasks of this pool are tried again that are lost with their workers, where their call does not say it.
    #[must_use]
    pub fn retries(mut self, most: u32) -> Self {
        self.retries.most = Some(most);
        self
    }

    /// How long such a task waits before it is tried again, where its call does not say it.
    #[must_use]
    pub fn retry_pause(mut self, first: Duration) -> Self {
        self.retries.pause = Some(first);
        self
    }

    /// Who is told what workers and tasks do.
    #[must_use]
    pub fn observer(self, observer: Arc<dyn Observer>) -> Self {
        Config {
            observed: Observed::by(observer),
            ..self
        }
    }

    /// The observer, for the backend, which tells it what its workers do.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// How many units each worker takes at once, whatever its tasks take: for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn reach(self, units: usize) -> Self {
        Config {
            reach: Some(units.max(1)),
            ..self
        }
    }

    /// How long workers and those who wait look again before they sleep (default: 50 microseconds, and not at all where this process
    /// may use one CPU only).
    #[must_use]
    pub fn spin(self, time: Duration) -> Self {
        Config {
            spin: Some(time),
            ..self
        }
    }

    /// The number that an environment variable says, in a build that asks for it.
    fn of_environment(name: &str) -> Option<u64> {
        let value = cfg!(feature = "pace-of-environment").then(|| std::env::var(name).ok());
        value.flatten()?.parse().ok()
    }

    /// How far a worker reaches ahead that may take `most` units at once. Where the queue has a bound, it takes one, as the bound counts
    /// what workers have taken.
    pub fn pace(&self, most: usize) -> Pace {
        const SPIN: Duration = Duration::from_micros(50);
        let most = if self.queue.is_some() { 1 } else { most };
        let reach = self
            .reach
            .or_else(|| Some(Self::of_environment("POOL_REACH")?.max(1) as usize));
        let spin = self
            .spin
            .or_else(|| Self::of_environment("POOL_SPIN").map(Duration::from_micros))
            .unwrap_or_else(|| match thread::available_parallelism() {
                Ok(cpus) if cpus.get() > 1 => SPIN,
                _ => Duration::ZERO,
            });
        Pace {
            most: reach.unwrap_or(most).min(most),
            forced: reach.is_some() && most > 1,
            spin: Some(spin),
        }
    }

    pub(crate) fn bound(&self) -> Result<Option<NonZeroUsize>, StartError> {
        let bound = self
            .queue
            .map(|tasks| NonZeroUsize::new(tasks).ok_or(StartError::NoQueue));
        bound.transpose()
    }

    pub(crate) fn workers(&self) -> Result<NonZeroUsize, StartError> {
        match self.size {
            Some(size) => number_of_workers(size),
            // Where the system does not tell, one worker is what is sure to be there.
            None => Ok(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        }
    }
}

/// So many workers, if a pool can have as many.
pub(crate) fn number_of_workers(size: usize) -> Result<NonZeroUsize, StartError> {
    if size > MOST_WORKERS {
        let most = MOST_WORKERS;
        return Err(StartError::TooManyWorkers { size, most });
    }
    NonZeroUsize::new(size).ok_or(StartError::NoWorkers)
}

#[cfg(all(test, feature = "pace-of-environment"))]
mod tests {
    use std::time::Duration;

    use super::Config;

    #[test]
    fn a_pool_takes_its_pace_from_the_environment_where_its_configuration_says_nothing() {
        let (reach, spin) = (
            Config::of_environment("POOL_REACH"),
            Config::of_environment("POOL_SPIN"),
        );
        let pace = Config::default().pace(64);
        assert_eq!(reach.is_some(), pace.forced);
        assert_eq!(reach.unwrap_or(64), pace.most as u64);
        if let Some(spin) = spin {
            assert_eq!(pace.spin, Some(Duration::from_micros(spin)));
        }
        assert_eq!(Config::default().reach(3).pace(64).most, 3);
    }
}
