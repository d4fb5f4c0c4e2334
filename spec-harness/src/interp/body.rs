//! One task's or callback's body, operation by operation.

use super::outcome::{Input, Outcome};
use super::values::{clock, duration, whole};
use crate::case::ast::{Fate, Op, OpKind, Span, Step, TaskDef, Time};
use crate::case::expr::{Env, EvalError, Value};
use crate::protocol::{ErrorReply, Order};

/// What a body does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Act<'c> {
    /// Prints a line and goes on.
    Print {
        /// The operation.
        span: Span,
        /// The line.
        line: String,
    },
    /// Sleeps for so long.
    Sleep(Time),
    /// Has its puppet do something and goes on when that is done.
    Detour(Order),
    /// Makes the call of this step and goes on when it has returned.
    Call(&'c Step),
    /// Ends.
    End(Order, Ended),
    /// Cannot go on: the case itself is wrong here. It ends with an error.
    Wrong {
        /// The operation.
        span: Span,
        /// Why.
        text: String,
    },
}

/// What the last order of a body says about its fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// This is it.
    As(Fate),
    /// The worker goes with it; the fate shows when the connection ends.
    WithItsWorker,
    /// The worker rests until somebody ends it.
    ByAnother,
}

/// A running body.
#[derive(Debug, Clone)]
pub struct Body<'c> {
    env: Env,
    /// The lists of operations that it is inside of, innermost last.
    stack: Vec<&'c [Op]>,
    /// The error of a call, by which it ends.
    uncaught: Option<ErrorReply>,
}

impl<'c> Body<'c> {
    /// The body of a task called with these arguments, before its first operation.
    ///
    /// # Errors
    /// The number of arguments is wrong.
    pub fn new(
        task: &'c TaskDef,
        args: &[Value],
        worker: &str,
        worker_name: Option<&str>,
        attempt: u64,
    ) -> Result<Body<'c>, String> {
        if task.params.len() != args.len() {
            let (name, takes) = (&task.name.value, task.params.len());
            return Err(format!(
                "{name}() takes {takes} arguments and was given {}",
                args.len()
            ));
        }
        let mut env = Env::new().with("worker", worker);
        env.set("attempt", Value::Int(attempt as i64));
        if let Some(name) = worker_name {
            env.set("worker_name", name);
        }
        for (name, value) in task.params.iter().zip(args) {
            env.set(name, value.clone());
        }
        Ok(Body {
            env,
            stack: vec![&task.body],
            uncaught: None,
        })
    }

    /// Goes on from where it stands.
    pub fn resume(&mut self, now: Time) -> Act<'c> {
        self.env.set("clock", clock(now));
        if let Some(error) = self.uncaught.take() {
            return Act::End(Order::Raise(error), Ended::As(Fate::Raised));
        }
        while let Some(ops) = self.stack.last_mut() {
            let Some((op, rest)) = ops.split_first() else {
                self.stack.pop();
                continue;
            };
            *ops = rest;
            match self.perform(op) {
                Ok(Some(act)) => return act,
                Ok(None) => {}
                Err(error) => {
                    self.stack.clear();
                    return Act::Wrong {
                        span: error.span,
                        text: error.message,
                    };
                }
            }
        }
        Act::End(
            Order::Return(serde_json::Value::Null),
            Ended::As(Fate::Done),
        )
    }

    /// Its variables.
    pub(super) fn env(&self) -> &Env {
        &self.env
    }

    /// Its call has returned: what was not as the step says, for people. An error that the step does not expect
    /// ends the body, as does one in binding the result; it is what the next [`Body::resume`] gives.
    pub(super) fn returned(
        &mut self,
        step: &'c Step,
        took: Time,
        input: Input,
        makes: Option<Value>,
    ) -> Vec<String> {
        let mut outcome = Outcome::of(step, took, input, makes);
        let bound = outcome.bind(step, &mut self.env);
        let mut unmet = outcome.unmet;
        if let Err(text) = bound {
            unmet.push(text.clone());
            outcome.uncaught = Some(ErrorReply {
                kind: "CaseError".into(),
                text,
            });
        }
        if let Some(error) = outcome.uncaught {
            self.stack.clear();
            self.uncaught = Some(error);
        }
        unmet
    }

    fn perform(&mut self, op: &'c Op) -> Result<Option<Act<'c>>, EvalError> {
        let lost = |order| Ok(Some(Act::End(order, Ended::WithItsWorker)));
        let raised = |order| Ok(Some(Act::End(order, Ended::As(Fate::Raised))));
        match &op.what {
            OpKind::Print(text) => Ok(Some(Act::Print {
                span: op.span,
                line: text.render(&self.env)?,
            })),
            OpKind::Sleep(time) => duration(time, &self.env).map(|time| Some(Act::Sleep(time))),
            OpKind::Return(value) => {
                let value = value.eval(&self.env)?.to_json();
                Ok(Some(Act::End(Order::Return(value), Ended::As(Fate::Done))))
            }
            OpKind::ReturnUnsendable => raised(Order::ReturnUnsendable(true)),
            OpKind::RaiseUnsendable => raised(Order::RaiseUnsendable(true)),
            OpKind::Raise { kind, text } => raised(Order::Raise(ErrorReply {
                kind: kind.clone(),
                text: text.render(&self.env)?,
            })),
            OpKind::Panic(text) => raised(Order::Panic(text.render(&self.env)?)),
            OpKind::Set(name, value) => {
                let value = value.eval(&self.env)?;
                self.env.set(name, value);
                Ok(None)
            }
            OpKind::If(condition, then, otherwise) => {
                let taken = condition.eval(&self.env)?.truthy();
                self.stack.push(if taken { then } else { otherwise });
                Ok(None)
            }
            OpKind::Exit(code) => lost(Order::Exit(whole(code, &self.env)?)),
            OpKind::KillSelf => lost(Order::Signal("KILL".into())),
            OpKind::StopSelf => Ok(Some(Act::End(
                Order::Signal("STOP".into()),
                Ended::ByAnother,
            ))),
            OpKind::IgnoreSigterm => Ok(Some(Act::Detour(Order::IgnoreSigterm(true)))),
            OpKind::CloseFds => lost(Order::CloseFds(true)),
            OpKind::SpawnChild => Ok(Some(Act::Detour(Order::SpawnChild(true)))),
            OpKind::Allocate(mib) => {
                let order = Order::Allocate(whole(mib, &self.env)?);
                Ok(Some(Act::Detour(order)))
            }
            OpKind::Call(step) => Ok(Some(Act::Call(step))),
        }
    }
}
