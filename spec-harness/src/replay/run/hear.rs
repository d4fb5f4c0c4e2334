//! What adapter and puppets say, told to the stage.

use super::{Asked, MOST_UNASKED, Run, Talk};
use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::Raised;
use crate::interp::{Beginning, Caller, Observed};
use crate::protocol::{Begin, ErrorReply, FromAdapter, FromPuppet, Order};
use crate::replay::Fault;
use crate::replay::session::{Heard, Line, Pumped, broken};
use crate::replay::tree::Worker;

impl Run<'_> {
    /// Hears what was said.
    pub(super) fn listen(&mut self) -> Result<Pumped, Fault> {
        let some = self.session.pump(&mut self.heard)?;
        self.unasked += self.heard.len();
        if self.unasked > MOST_UNASKED {
            return Err(broken(
                "the adapter says no end of things that it was not asked".to_owned(),
            ));
        }
        for heard in std::mem::take(&mut self.heard) {
            match heard {
                Heard::Adapter(message) => self.adapter_says(message)?,
                Heard::Puppet(line, FromPuppet::Begin(begin)) => self.puppet_begins(line, begin)?,
                Heard::Puppet(line, FromPuppet::Done) => match self.lines.get(&line) {
                    Some(Talk::Detour(key)) => {
                        let key = *key;
                        self.lines.insert(line, Talk::Playing(key));
                        self.sees(Observed::Done(key))?;
                    }
                    _ => {
                        let text = "a puppet says done and was asked nothing";
                        return Err(broken(text.to_owned()));
                    }
                },
                Heard::Puppet(line, FromPuppet::Returned(result)) => match self.lines.get(&line) {
                    Some(Talk::Calling(key)) => {
                        let key = *key;
                        self.lines.insert(line, Talk::Playing(key));
                        self.call_returned(Caller::Body(key), result)?;
                    }
                    _ => {
                        let text = "a puppet says that a call has returned and made none";
                        return Err(broken(text.to_owned()));
                    }
                },
                Heard::Gone(line) => {
                    let talk = self.lines.remove(&line);
                    if let Some(
                        Talk::Playing(key)
                        | Talk::Detour(key)
                        | Talk::Calling(key)
                        | Talk::Ending(key),
                    ) = talk
                    {
                        self.bodies.remove(&key);
                        self.sees(Observed::Gone(key))?;
                    }
                }
            }
        }
        Ok(some)
    }

    pub(super) fn adapter_says(&mut self, message: FromAdapter) -> Result<(), Fault> {
        match message {
            FromAdapter::Timer { timer, after } => match Time::from_units(after) {
                Some(after) => self.sees(Observed::Timer(timer, after))?,
                None => {
                    return Err(broken(format!(
                        "timer {timer} is to fire after {after} seconds"
                    )));
                }
            },
            FromAdapter::Cancel { timer } => self.sees(Observed::Cancelled(timer))?,
            FromAdapter::Reply { id, result } => match (self.open.remove(&id), result) {
                (None, _) => {
                    return Err(broken(format!(
                        "the adapter answers request {id}, which is not open"
                    )));
                }
                (Some(Asked::Actor(actor)), result) => {
                    self.call_returned(Caller::Actor(actor), result)?;
                }
                (Some(_), Err(error)) if error.kind == "Protocol" => {
                    return Err(not_understood(&error));
                }
                (Some(Asked::Hello | Asked::Timer | Asked::Exit), Ok(_)) => {}
                (Some(asked), Err(error)) => {
                    return Err(broken(format!(
                        "the adapter refuses {asked:?}: {}: {}",
                        error.kind, error.text
                    )));
                }
            },
        }
        Ok(())
    }

    fn call_returned(
        &mut self,
        caller: Caller,
        result: Result<serde_json::Value, ErrorReply>,
    ) -> Result<(), Fault> {
        let result = match result {
            Ok(value) => Ok(Value::from_json(&value)
                .map_err(|e| broken(format!("the adapter returns what is no value: {e}")))?),
            Err(error) if error.kind == "Protocol" => return Err(not_understood(&error)),
            Err(error) => Err(error.into()),
        };
        if let (Some(pool), Ok(_)) = (self.stage.joins(caller), &result) {
            self.joined.push(pool.to_owned());
        }
        self.sees(Observed::Returned(caller, result))
    }

    pub(super) fn puppet_begins(&mut self, line: Line, begin: Begin) -> Result<(), Fault> {
        if self.lines.contains_key(&line) {
            return Err(broken(format!(
                "puppet {} begins twice on one connection",
                begin.begin
            )));
        }
        let initializer = begin.initializer.then_some(begin.begin);
        let (key, first) = match initializer {
            Some(number) => (self.stage.next_start(number).map_err(broken)?, true),
            None => {
                let first = self.stage.is_first(begin.begin, begin.callback);
                (begin.begin, first.map_err(broken)?)
            }
        };
        let process = self.session.process(line).unwrap_or(begin.pid);
        if process != begin.pid {
            return Err(broken(format!(
                "puppet {key} says that it is in process {}, and the connection is from process {process}",
                begin.pid
            )));
        }
        let given = match (&begin.value, begin.error) {
            (_, Some(error)) => Some(Value::Str(Raised::from(error).shown().to_owned())),
            (Some(value), None) => {
                let value = Value::from_json(value);
                Some(value.map_err(|e| {
                    broken(format!("callback {key} is given what is no value: {e}"))
                })?)
            }
            (None, None) => None,
        };
        let in_parent = begin.pid == self.adapter;
        self.sees(Observed::Began(Beginning {
            key,
            on: (begin.pid, begin.tid),
            in_parent,
            args: begin.args,
            given,
            initializer,
            name: self.asks_names.then_some(begin.name),
        }))?;
        if let (Some(pool), false) = (self.stage.pool_of(key), begin.callback) {
            let thread = if in_parent { begin.tid } else { begin.pid };
            let worker = Worker::met(begin.pid, thread);
            self.ran.extend(worker.map(|worker| (key, worker)));
            self.staff
                .entry(pool.to_owned())
                .or_default()
                .extend(worker);
        }
        if first {
            self.lines.insert(line, Talk::Playing(key));
            self.bodies.insert(key, line);
        } else {
            self.lines.insert(line, Talk::Double);
            self.session
                .order(line, &Order::Return(serde_json::Value::Null));
        }
        Ok(())
    }
}

fn not_understood(error: &ErrorReply) -> Fault {
    broken(format!(
        "the adapter does not understand a request: {}",
        error.text
    ))
}
