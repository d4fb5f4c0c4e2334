//! Main and its threads on the stage: what they do between two calls, and their calls.

use super::Stage;
use super::queue::Ready;
use super::talk::{Caller, Move};
use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::{Raised, What};
use crate::interp::lower::Lowered;
use crate::interp::order::Rank;
use crate::interp::outcome::Input;
use crate::interp::program::{ActorId, Demand, MAIN};
use crate::protocol::Call;

/// The real timeout, in seconds, of a call that is known to lose against its virtual deadline.
const SHORT: f64 = 0.001;

#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) call: Box<Lowered>,
    pub(super) since: Time,
    /// The place of its deadline in the queue.
    pub(super) deadline: Option<Rank>,
    /// It is known to lose against its deadline: the answer is held until then.
    pub(super) late: bool,
    number: u64,
    pub(super) held: Option<Result<Value, Raised>>,
}

impl Stage<'_> {
    /// Goes on with main or a thread until it calls, sleeps or ends.
    pub(super) fn act(&mut self, actor: ActorId, input: Input) -> Option<Move> {
        let mut demand = self.program.resume(actor, self.queue.now(), input);
        loop {
            match demand {
                Demand::Print(line) => self.log(self.program.who(actor), What::Print(line)),
                Demand::Unmet { span, text } => {
                    self.log(self.program.who(actor), What::Unmet { span, text });
                }
                Demand::Sleep(time) => {
                    self.queue.add(time, Ready::Actor(actor, Input::Go));
                    return None;
                }
                Demand::Wake(other) => {
                    let known = self.calls.contains_key(&Caller::Actor(other))
                        || self.queue.actors().any(|actor| actor == other);
                    if self.idle.remove(&other) || !known {
                        self.queue.add(Time(0), Ready::Actor(other, Input::Go));
                    }
                }
                Demand::Kill(key) => {
                    self.log(self.program.who(actor), What::KillsWorker { of: key });
                    self.queue.add(Time(0), Ready::Actor(actor, Input::Go));
                    return Some(Move::Kill(key));
                }
                Demand::Call(call) => return Some(self.call(Caller::Actor(actor), call)),
                Demand::Idle => {
                    self.idle.insert(actor);
                    return self.exit_if_over();
                }
                Demand::Finish => {
                    self.main_ended |= actor == MAIN;
                    return self.exit_if_over();
                }
            }
            demand = self.program.resume(actor, self.queue.now(), Input::Go);
        }
    }

    /// As a language waits for its threads, main's end waits for them.
    pub(super) fn exit_if_over(&mut self) -> Option<Move> {
        let calls = |caller: &Caller| matches!(caller, Caller::Actor(_));
        let busy = self.calls.keys().any(calls) || self.queue.actors().next().is_some();
        if !self.main_ended || busy || self.exited {
            return None;
        }
        self.exited = true;
        Some(Move::Exit)
    }

    pub(super) fn call(&mut self, caller: Caller, call: Box<Lowered>) -> Move {
        let who = self.who(caller);
        let (span, text, command) = (call.span, call.text.clone(), call.command.clone());
        self.log(
            who.clone(),
            What::Call {
                span,
                text,
                command,
            },
        );
        self.note_limits(&call.command);
        for key in &call.submits {
            self.log(who.clone(), What::Submit { key: *key });
        }
        match &call.command {
            Call::Terminate { pool } | Call::Drop { pool } => {
                self.stopped.insert(pool.clone());
            }
            Call::Kill { process } | Call::TerminateProcess { process } => {
                self.stopped.insert(process.clone());
            }
            _ => {}
        }
        let number = self.count;
        self.count += 1;
        let mut command = call.command.clone();
        let mut deadline = None;
        let mut late = false;
        // A timeout of zero is a look that needs no clock.
        if let Some(timeout) = call.timeout.filter(|t| !self.has_timers && t.0 > 0) {
            late = self.late.contains(&number);
            command.set_limit(late.then_some(SHORT));
            deadline = Some(self.queue.add(timeout, Ready::Deadline(caller)));
        }
        let since = self.queue.now();
        self.calls.insert(
            caller,
            OpenCall {
                call,
                since,
                deadline,
                late,
                number,
                held: None,
            },
        );
        Move::Call { caller, command }
    }

    pub(super) fn call_returned(&mut self, caller: Caller, result: Result<Value, Raised>) {
        let Some(open) = self.calls.remove(&caller) else {
            return;
        };
        self.queue.remove(open.deadline);
        let what = What::Return {
            span: open.call.span,
            result: result.clone(),
        };
        self.log(self.who(caller), what);
        match caller {
            Caller::Actor(actor) => {
                self.queue
                    .add(Time(0), Ready::Actor(actor, Input::Returned(result)));
            }
            Caller::Body(key) => {
                let took = Time(self.queue.now().0 - open.since.0);
                if let Some(playing) = self.bodies.get_mut(&key) {
                    playing.returned = Some((took, result));
                }
                self.body_goes_on(key, Time(0));
            }
        }
    }

    pub(super) fn deadline(&mut self, caller: Caller) -> Option<Move> {
        let open = self.calls.get_mut(&caller)?;
        match open.held.take() {
            None => Some(Move::Late(open.number)),
            Some(result) => {
                self.call_returned(caller, result);
                None
            }
        }
    }
}
