//! The order in which those who are ready go: one rule, stated once.

use crate::case::ast::Time;

/// A place in the queue. Smaller goes first: by the instant of waking, then by the instant at which one
/// began to wait for it, then main before its threads, deadlines and tasks, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) wake: Time,
    pub(super) registered: Time,
    pub(super) class: Class,
    pub(super) number: u64,
}

/// Who goes first among those of one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Main,
    Thread,
    /// A deadline of a call, or a timer of the implementation: the same thing seen from two sides.
    Timer,
    Puppet,
}
