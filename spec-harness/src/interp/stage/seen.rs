//! What was seen between two moves, which comes in no order, and the order that it is given.

use std::collections::{BTreeMap, BTreeSet};

use super::Stage;
use super::queue::Ready;
use super::talk::{Beginning, Caller, Observed};
use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::{Key, Raised, What, Who};

/// What was seen since the last move, in no order.
#[derive(Debug, Default)]
pub(super) struct Seen {
    gone: BTreeSet<Key>,
    done: BTreeSet<Key>,
    returned: BTreeMap<Caller, Result<Value, Raised>>,
    left: Vec<String>,
    began: Vec<Beginning>,
}

impl Stage<'_> {
    /// Takes note of what was seen.
    ///
    /// # Errors
    /// It cannot be: a call returned that nobody has made, or a worker began out of turn.
    pub fn observe(&mut self, observed: Observed) -> Result<(), String> {
        match observed {
            Observed::Returned(caller, result) => {
                let Some(open) = self.calls.get_mut(&caller) else {
                    return Err("a call returned twice".to_owned());
                };
                if open.late {
                    open.held = Some(result);
                } else {
                    self.seen.returned.insert(caller, result);
                }
            }
            Observed::Began(beginning) => {
                if let Some(initializer) = beginning.initializer {
                    let (key, next) = (beginning.key, self.program.starts(initializer)?);
                    if key != next {
                        return Err(format!("a worker's start is body {next}, not {key}"));
                    }
                }
                *self.begun.entry(beginning.key).or_default() += 1;
                self.seen.began.push(beginning);
            }
            Observed::Done(key) => {
                self.seen.done.insert(key);
            }
            Observed::Gone(key) => {
                self.seen.gone.insert(key);
            }
            Observed::Timer(timer, after) => {
                let rank = self.queue.add(after, Ready::Timer(timer));
                self.timers.insert(timer, rank);
            }
            Observed::Cancelled(timer) => {
                let rank = self.timers.remove(&timer);
                self.queue.remove(rank);
            }
            Observed::Left(who) => self.seen.left.push(who),
        }
        Ok(())
    }

    /// Takes in what was seen although no move follows.
    pub fn absorb(&mut self) {
        let mut seen = std::mem::take(&mut self.seen);
        seen.began.sort_by_key(|beginning| beginning.key);
        // What is tried again ends before it begins.
        let short = |key: &Key| {
            !self.bodies.contains_key(key)
                && seen.began.iter().any(|beginning| beginning.key == *key)
        };
        let (short_lived, gone): (Vec<Key>, Vec<Key>) = seen.gone.into_iter().partition(short);
        for key in gone {
            self.body_gone(key);
        }
        for (caller, result) in seen.returned {
            self.call_returned(caller, result);
        }
        for who in seen.left {
            self.log(Who::Main, What::Left(who));
        }
        for beginning in seen.began {
            self.body_began(beginning);
        }
        for key in short_lived {
            self.body_gone(key);
        }
        for key in seen.done {
            self.body_goes_on(key, Time(0));
        }
    }
}
