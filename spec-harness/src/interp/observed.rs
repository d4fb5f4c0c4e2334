//! What whoever plays the pool sees between two moves, as one kind of thing that can be kept.

use super::stage::{Beginning, Caller, Stage};
use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::{Ending, Key, Raised};

/// One thing that was seen of the implementation.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// A call returned.
    Returned(Caller, Result<Value, Raised>),
    /// A body began.
    Began(Beginning),
    /// A body carried out an order that was not its last.
    Done(Key),
    /// A body's connection ended.
    Gone(Key),
    /// A timer was armed, for so long from now.
    Timer(u64, Time),
    /// A timer is no longer wanted.
    Cancelled(u64),
    /// This worker of a pool is still there although a call to join has returned.
    Left(String),
}

impl Stage<'_> {
    /// Takes note of what was seen.
    ///
    /// # Errors
    /// It cannot be: a call returned that nobody has made.
    pub fn observe(&mut self, observed: Observed) -> Result<(), String> {
        match observed {
            Observed::Returned(caller, result) => self.returned(caller, result)?,
            Observed::Began(beginning) => self.began(beginning)?,
            Observed::Done(key) => self.done(key),
            Observed::Gone(key) => self.gone(key),
            Observed::Timer(timer, after) => self.timer(timer, after),
            Observed::Cancelled(timer) => self.cancel(timer),
            Observed::Left(who) => self.left(who),
        }
        Ok(())
    }

    /// Everything sleeps and no time will wake it: what the run has come to.
    pub fn stuck(&mut self) -> Ending {
        let waiting = self.waiting();
        if waiting.is_empty() {
            return Ending::Deadlock("main has returned and the program does not end".to_owned());
        }
        if self.note_blocked() {
            return Ending::Finished;
        }
        let calls = waiting.iter().map(|waiting| {
            let (who, text, since) = (&waiting.name, &waiting.text, waiting.since);
            format!("{who} has waited in `{text}` since {since}")
        });
        let calls: Vec<String> = calls.collect();
        Ending::Deadlock(format!(
            "{}; every thread sleeps and no timer is left",
            calls.join(", ")
        ))
    }

    /// The program has ended with this code, and nothing of it moves any more.
    pub fn over(&mut self, code: i32) -> Ending {
        self.absorb();
        self.ended(code);
        Ending::Finished
    }
}
