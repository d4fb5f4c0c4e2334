//! What adapter and puppets say, told to the stage.

use super::{Asked, MOST_UNASKED, Run, Talk};
use crate::case::ast::{Kind, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::interp::{Beginning, Caller, Observed};
use crate::protocol::{Begin, Control, ErrorReply, FromAdapter, FromPuppet, Order};
use crate::replay::session::{Heard, Line, Pumped, broken};
use crate::replay::tree::Worker;
use crate::replay::{Fault, procfs};

impl Run<'_, '_> {
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
                Heard::Adapter(number, message) => self.adapter_says(number, message)?,
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
                    self.places.remove(&line);
                    if let Some(
                        Talk::Playing(key)
                        | Talk::Detour(key)
                        | Talk::Calling(key)
                        | Talk::Ending(key),
                    ) = talk
                    {
                        // It may run on another worker already.
                        if self.bodies.get(&key) == Some(&line) {
                            self.bodies.remove(&key);
                        }
                        self.sees(Observed::Gone(key))?;
                    }
                }
            }
        }
        Ok(some)
    }

    pub(super) fn adapter_says(&mut self, number: u64, message: FromAdapter) -> Result<(), Fault> {
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
                    let open = self.open.keys().map(u64::to_string);
                    let open: Vec<String> = open.collect();
                    let open = match open.as_slice() {
                        [] => "none is open".to_owned(),
                        [one] => format!("only {one} is open"),
                        some => format!("open are {}", some.join(", ")),
                    };
                    return Err(broken(format!(
                        "the adapter answers request {id} in line {number} of its stdout, and {open}"
                    )));
                }
                (Some(Asked::Actor(actor)), result) => {
                    self.call_returned(Caller::Actor(actor), result)?;
                }
                (Some(_), Err(error)) if error.kind == "Protocol" => {
                    return Err(not_understood(&error));
                }
                (Some(Asked::Hello | Asked::Timer | Asked::Handle | Asked::Exit), Ok(_)) => {}
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
        let unkept = self.stage.unkept(caller).filter(|_| result.is_ok());
        let unkept = unkept.filter(|_| self.drops_handles).map(str::to_owned);
        self.sees(Observed::Returned(caller, result))?;
        if let Some(handle) = unkept {
            let by = self.name_of(caller);
            self.ask(Asked::Handle, &by, Control::DropHandle { handle });
        }
        Ok(())
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
        let (pid, tid) = (begin.pid, begin.tid);
        if self.session.process(line).is_some() && !procfs::has_thread(pid, tid) {
            let text = format!(
                "puppet {key} says that it runs on thread {tid} of process {pid}, which has no such thread: `tid` is the \
                 kernel's number of the thread (gettid)"
            );
            self.nowhere.push((line, text));
        }
        self.ran_on.insert((pid, tid));
        if !begin.callback {
            self.is_isolated(line, key, pid)?;
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
            self.workers
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

impl Run<'_, '_> {
    /// W3: a worker is what it is called. One that is a process is not the program, and runs one body at a time; one that is a thread
    /// is of the program.
    fn is_isolated(&mut self, line: Line, key: Key, pid: i32) -> Result<(), Fault> {
        let is_the_program = pid == self.adapter;
        let breach = match self.kind {
            Kind::Process if is_the_program => {
                format!("puppet {key} runs in process {pid}, which is the adapter itself")
            }
            Kind::Process if self.program.contains(&pid) => {
                format!("puppet {key} runs in process {pid}, which started the adapter")
            }
            Kind::Thread if !is_the_program => {
                format!(
                    "puppet {key} runs in process {pid}, and the adapter is process {}",
                    self.adapter
                )
            }
            Kind::Process => {
                let at_work = |line: &Line| {
                    let talk = self.lines.get(line);
                    matches!(
                        talk,
                        Some(Talk::Playing(_) | Talk::Detour(_) | Talk::Calling(_))
                    )
                };
                let mut others = self.places.iter();
                let other = others.find(|(line, (_, place))| *place == pid && at_work(line));
                let Some((_, (other, _))) = other else {
                    self.places.insert(line, (key, pid));
                    return Ok(());
                };
                format!("puppets {other} and {key} run at a time in process {pid}")
            }
            Kind::Thread => return Ok(()),
        };
        Err(broken(format!(
            "{breach}: a worker of kind {} {} (breaks W3)",
            self.kind,
            match self.kind {
                Kind::Process => "is a process of its own",
                Kind::Thread => "is a thread of the program",
            }
        )))
    }
}

fn not_understood(error: &ErrorReply) -> Fault {
    broken(format!(
        "the adapter does not understand a request: {}",
        error.text
    ))
}
