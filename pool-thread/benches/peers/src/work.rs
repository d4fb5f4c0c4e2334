//! What the tasks do, in every pool the same.

use std::hint;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The function of a task; its argument is a `u64`, and so is its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Returns its argument.
    Noop,
    /// Keeps a CPU busy for so many microseconds.
    Busy,
    /// As [`Work::Busy`], and returns [`clock`] at its end.
    Stamp,
    /// Sleeps for so many microseconds, and returns the id of its process.
    Sleep,
}

impl Work {
    /// Does it.
    #[inline]
    #[must_use]
    pub fn call(self, arg: u64) -> u64 {
        match self {
            Work::Noop => noop(arg),
            Work::Busy => busy(arg),
            Work::Stamp => stamp(arg),
            Work::Sleep => sleep(arg),
        }
    }

    /// The same as a function.
    #[must_use]
    pub fn function(self) -> fn(u64) -> u64 {
        match self {
            Work::Noop => noop,
            Work::Busy => busy,
            Work::Stamp => stamp,
            Work::Sleep => sleep,
        }
    }
}

fn noop(value: u64) -> u64 {
    value
}

fn busy(micros: u64) -> u64 {
    if micros > 0 {
        let (began, time) = (Instant::now(), Duration::from_micros(micros));
        while began.elapsed() < time {
            hint::spin_loop();
        }
    }
    micros
}

fn stamp(micros: u64) -> u64 {
    busy(micros);
    clock()
}

fn sleep(micros: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(micros));
    u64::from(std::process::id())
}

/// What a map does with each item.
#[must_use]
pub fn square(value: u64) -> u64 {
    value.wrapping_mul(value)
}

/// Nanoseconds of the monotonic clock, which all processes share.
#[must_use]
pub fn clock() -> u64 {
    match clock_gettime(ClockId::CLOCK_MONOTONIC) {
        Ok(time) => Duration::from(time)
            .as_nanos()
            .try_into()
            .unwrap_or(u64::MAX),
        Err(_) => 0,
    }
}
