//! What a case file says, with the place of each thing that an error may have to name.

#[cfg(feature = "suite")]
mod case;
#[cfg(feature = "suite")]
mod expect;
#[cfg(feature = "suite")]
mod step;
#[cfg(feature = "suite")]
mod task;

use std::fmt;

pub use super::span::{Span, Spanned};

#[cfg(feature = "suite")]
pub use case::Case;
#[cfg(feature = "suite")]
pub use expect::{
    Claim, Edge, Expect, Fate, Line, Order, Schedules, TaskSet, Truth, Which, Workers,
};
#[cfg(feature = "suite")]
pub use step::{Action, MapCall, Step, TaskCall, Written};
#[cfg(feature = "suite")]
pub use task::{Op, OpKind, TaskDef};

/// Virtual time since main began, in microseconds; a case's unit (`sleep: 1`) is one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// A time given in units (seconds), if it is a finite, non-negative number that fits.
    pub fn from_units(units: f64) -> Option<Time> {
        let micros = (units * 1e6).round();
        (micros >= 0.0 && micros < u64::MAX as f64).then_some(Time(micros as u64))
    }
}

impl std::ops::Add for Time {
    type Output = Time;
    fn add(self, rhs: Time) -> Time {
        Time(self.0.saturating_add(rhs.0))
    }
}

impl fmt::Display for Time {
    /// The shortest decimal number of units: `0`, `1`, `1.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{rest:06}").trim_end_matches('0'))
    }
}

/// The kind of worker a pool has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Workers are threads of the program.
    Thread,
    /// Workers are processes.
    Process,
}

impl fmt::Display for Kind {
    /// As case files write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Thread => "thread",
            Kind::Process => "process",
        })
    }
}
