//! How far a worker reaches ahead, and how long it spins.

use std::time::Duration;

/// How far a worker reaches ahead, and how long it spins.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The most units that a worker takes at once.
    pub most: usize,
    /// Every worker takes as many at once as it may, whatever its tasks take.
    pub forced: bool,
    /// How long a worker that finds nothing looks again before it sleeps. `None` where the backend waits by means of its own.
    pub spin: Option<Duration>,
}

impl Pace {
    /// Tasks are short that take less than this in the mean.
    pub const SHORT: Duration = Duration::from_micros(5);
    /// A worker is slow that has not come back for so long.
    pub const SLOW: Duration = Duration::from_micros(50);

    /// How many units a worker may take at first.
    pub fn first_depth(&self) -> usize {
        if self.forced { self.most } else { 1 }
    }

    /// How many units a worker may take that might take `depth`, and whose tasks were short, or not.
    pub fn next_depth(&self, depth: usize, short: bool) -> usize {
        match short {
            _ if self.forced => self.most,
            true => (depth * 2).min(self.most),
            false => 1,
        }
    }

    /// How many units of one job a worker may take that might take `range`, and was away for so long with short ones. As long as it is
    /// soon back, it takes more of them than of several jobs.
    pub(super) fn next_range(&self, range: usize, away: Option<Duration>) -> usize {
        const SOON: Duration = Duration::from_micros(10);
        match away {
            _ if self.forced => self.most,
            None => 1,
            Some(_) if range < self.most => (range * 2).min(self.most),
            Some(away) if away < SOON => (range * 2).min(self.most * 16),
            Some(away) if away > 2 * SOON => (range / 2).max(self.most),
            Some(_) => range,
        }
    }

    /// One unit at a time, and no spinning.
    #[cfg(test)]
    pub(crate) const ONE: Pace = Pace {
        most: 1,
        forced: false,
        spin: None,
    };
}
