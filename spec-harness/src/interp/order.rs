//! The order in which those who are ready go: one rule, stated once, and how a run departs from it.

use std::fmt;
use std::str::FromStr;

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

/// An order of the turns of a run, told by what it does otherwise than the rule: at which turn, counted from 0,
/// and which of those that are ready in that instant goes first instead of the first.
///
/// # Examples
/// ```
/// use spec_harness::interp::Deviations;
///
/// // At turn 3 the second goes first, at turn 7 the third.
/// let order: Deviations = "3:1,7:2".parse()?;
/// assert_eq!(order.end(), 8);
/// assert_eq!(order.to_string(), "3:1,7:2");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deviations(Vec<(usize, usize)>);

impl Deviations {
    /// The same order but for one more, later turn.
    #[must_use]
    pub fn and(&self, turn: usize, first: usize) -> Deviations {
        Deviations([self.0.as_slice(), &[(turn, first)]].concat())
    }

    /// The first turn after all that deviate.
    pub fn end(&self) -> usize {
        self.0.last().map_or(0, |(turn, _)| turn + 1)
    }

    /// Whether this is the rule's own order.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a run in which so many were ready at each turn can go by this order.
    pub(crate) fn fits(&self, ready: &[usize]) -> bool {
        let fits = |(turn, first): &(usize, usize)| ready.get(*turn).is_some_and(|n| first < n);
        self.0.iter().all(fits)
    }

    pub(super) fn first_at(&self, turn: usize) -> usize {
        let here = self.0.iter().find(|(at, _)| *at == turn);
        here.map_or(0, |(_, first)| *first)
    }
}

impl fmt::Display for Deviations {
    /// `3:1,7:2`: at turn 3 the second goes first, at turn 7 the third.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (turn, first)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{turn}:{first}")?;
        }
        Ok(())
    }
}

impl FromStr for Deviations {
    type Err = String;

    fn from_str(text: &str) -> Result<Deviations, String> {
        let mut order = Deviations::default();
        for part in text.split(',') {
            let numbers = part.split_once(':');
            let numbers = numbers.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            let Some((turn, first)) = numbers.filter(|(turn, _)| *turn >= order.end()) else {
                return Err(format!(
                    "`{part}` is not a later turn and who goes first in it, as 3:1"
                ));
            };
            order = order.and(turn, first);
        }
        Ok(order)
    }
}
