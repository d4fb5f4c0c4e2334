//! What must be seen when a case runs.

use std::fmt;

use super::{Span, Spanned, Time};
use crate::case::expr::Value;

/// What must be seen when a case runs; every part that is there is judged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expect {
    /// Lines by the instant of their printing; order inside one instant is free unless `exact`.
    pub timeline: Option<Vec<(Spanned<Time>, Vec<Line>)>>,
    /// All lines in order, `any:` groups apart.
    pub output: Option<Vec<Line>>,
    /// Virtual time until the program and all its workers have ended.
    pub elapsed: Option<Spanned<Time>>,
    /// Fates of tasks, by function and argument: `func(0..2): done`.
    pub tasks: Vec<(TaskSet, Fate)>,
    /// The workers that ran tasks.
    pub workers: Option<Workers>,
    /// Orders that must hold: `end f(0) < start f(2)`.
    pub order: Vec<Order>,
    /// What the document claims, and whether it is so.
    pub claims: Vec<Claim>,
    /// That what is seen depends on who goes first in an instant.
    pub schedules: Option<Schedules>,
}

/// That the results of a case depend on the order of events of one instant. What is expected is what the rule of
/// that order gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedules {
    /// Where it says so.
    pub span: Span,
    /// What another order may give; each replaces the parts that it names. Without any (`schedules: rule`), nothing
    /// is said of other orders.
    pub also: Vec<Expect>,
}

/// One expected line, or a group whose order is free.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Exactly this text; `{worker}` inside stands for one worker's normalised name.
    Text(Spanned<String>),
    /// These lines in any order (`any: [..]`).
    Any(Vec<Spanned<String>>),
}

/// A set of tasks: every task of a function, or those whose first argument lies in a range or is a value.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSet {
    /// As written, with its place.
    pub text: Spanned<String>,
    /// The function.
    pub task: String,
    /// Which of its calls.
    pub which: Which,
}

/// Which calls of a function are meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// `func`: all.
    All,
    /// `func(0..4)`: first argument an integer in this half-open range.
    Range(i64, i64),
    /// `func(3)`, `func("x")`: first argument equal to this value.
    Is(Value),
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It returned.
    Done,
    /// It raised or panicked, or what it gave could not travel.
    Raised,
    /// It was stopped from outside by terminate, or at the end of the program.
    Killed,
    /// Its worker died under it.
    Lost,
    /// It never started.
    Never,
}

impl fmt::Display for Fate {
    /// As case files write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::Done => "done",
            Fate::Raised => "raised",
            Fate::Killed => "killed",
            Fate::Lost => "lost",
            Fate::Never => "never",
        })
    }
}

/// What must hold of the workers that ran tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Workers {
    /// Exactly this many ran a task.
    pub distinct: Option<Spanned<u64>>,
    /// None is left at the end, nor any process of theirs.
    pub reaped: Option<bool>,
}

/// `end f(0) < start f(2)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// As written, with its place.
    pub text: Spanned<String>,
    /// The earlier event.
    pub before: (Edge, TaskSet),
    /// The later event.
    pub after: (Edge, TaskSet),
}

/// The beginning or the end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// `start`.
    Start,
    /// `end`.
    End,
}

/// A claim of the document in our words, and what the case shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What is claimed.
    pub says: String,
    /// Whether it is so.
    pub verdict: Truth,
    /// Why, in one sentence.
    pub why: Option<String>,
}

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Always.
    True,
    /// Not.
    False,
    /// Often, but nothing promises it.
    Usually,
}
