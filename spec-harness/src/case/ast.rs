//! What a case file says, with the place of each thing that an error may have to name.

mod expect;
mod step;
mod task;

use std::fmt;

pub use expect::{Claim, Edge, Expect, Fate, Line, Order, TaskSet, Ties, Truth, Which, Workers};
pub use step::{Action, MapCall, Step, TaskCall, Written};
pub use task::{Op, OpKind, TaskDef};

/// A stretch of a case file: byte offsets into its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A value and where it stands in the case file.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

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

/// One case file: a program that uses pools, and what must be seen when it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Topic and file name without its ending: `close/join-waits`.
    pub name: String,
    /// One line that says what the case shows.
    pub title: String,
    /// The document and example it is taken from, as `004#S004-1`; `None` for a case of our own.
    pub source: Option<Spanned<String>>,
    /// Rows of the contract that it shows.
    pub covers: Vec<Spanned<String>>,
    /// Free words to select by.
    pub tags: Vec<String>,
    /// Abilities the implementation must have beyond those its steps imply.
    pub needs: Vec<Spanned<String>>,
    /// The one kind of worker the case is for, when it is not for both.
    pub only: Option<Spanned<Kind>>,
    /// The task functions, in the file's order.
    pub tasks: Vec<TaskDef>,
    /// The main program.
    pub main: Vec<Step>,
    /// What must be seen.
    pub expect: Expect,
    /// What must be seen instead on one kind of worker, by its nature; replaces the parts it names.
    pub on: Vec<(Spanned<Kind>, Expect)>,
}

impl Case {
    /// Whether nothing that is seen can be wrong: no part of `expect` is there that is judged, and no step says what it must come to.
    pub fn expects_nothing(&self) -> bool {
        let silent = |expect: &Expect| {
            let judged = Expect {
                ties: None,
                claims: vec![],
                ..expect.clone()
            };
            judged == Expect::default()
        };
        let mut bodies = self.tasks.iter().map(|task| &task.body);
        silent(&self.expect)
            && self.on.iter().all(|(_, expect)| silent(expect))
            && !self.main.iter().any(Step::expects)
            && !bodies.any(|body| body.iter().any(Op::expects))
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
