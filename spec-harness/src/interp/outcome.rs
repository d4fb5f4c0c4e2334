//! What came of a step, held against what stands on it.

use crate::case::ast::{Step, Time};
use crate::case::expr::{Env, Value};
use crate::history::Raised;
use crate::protocol::ErrorReply;

/// What an actor is resumed with.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// What it asked for is done.
    Go,
    /// Its call returned.
    Returned(Result<Value, Raised>),
}

/// A step that is over.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What was not as the step says, for people.
    pub(super) unmet: Vec<String>,
    /// What it gave.
    pub(super) value: Option<Value>,
    /// An error that the step does not expect: whoever made the step ends by it.
    pub(super) uncaught: Option<ErrorReply>,
}

impl Outcome {
    /// A step that took so long and was given this; `makes` stands for what a call returns where the program
    /// keeps the thing that it made.
    pub(super) fn of(step: &Step, took: Time, input: Input, makes: Option<Value>) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(takes) = step.takes.as_ref().filter(|takes| takes.value != took) {
            let expected = takes.value;
            let text = format!("takes {expected} was expected, it took {took}");
            outcome.unmet.push(text);
        }
        if step.blocks {
            let text = "it returned, though it was to block for ever".to_owned();
            outcome.unmet.push(text);
        }
        match (input, &step.raises) {
            (Input::Go, _) => {}
            (Input::Returned(Ok(value)), None) => outcome.value = Some(makes.unwrap_or(value)),
            (Input::Returned(Ok(value)), Some(expected)) => {
                let (expected, value) = (&expected.value, value.repr());
                let text = format!("{expected} was expected, it returned {value}");
                outcome.unmet.push(text);
            }
            (Input::Returned(Err(raised)), Some(expected)) if raised.kind == expected.value => {}
            (Input::Returned(Err(raised)), expected) => {
                outcome.unmet.push(match expected {
                    Some(expected) => format!("{} was expected, {raised} came", expected.value),
                    None => format!("uncaught error: {raised}"),
                });
                outcome.uncaught = Some(raised.into());
            }
        }
        outcome
    }

    /// Gives the step's variables their value, in this scope.
    ///
    /// # Errors
    /// A value cannot be appended to what is no list.
    pub(super) fn bind(&mut self, step: &Step, env: &mut Env) -> Result<(), String> {
        let Some(value) = self.value.take() else {
            return Ok(());
        };
        if let Some(list) = &step.into {
            env.append(list, value.clone())?;
        }
        if let Some(name) = &step.bind {
            env.set(name, value);
        }
        Ok(())
    }
}
