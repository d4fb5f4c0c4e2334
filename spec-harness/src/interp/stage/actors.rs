//! Main and its threads on the stage: what they do between two calls, and their calls.

use super::{Caller, Class, OpenCall, Ready, Stage};
use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::{Raised, What};
use crate::interp::lower::Call;
use crate::interp::program::{ActorId, Demand, Input, MAIN};
use crate::interp::stage::Move;
use crate::protocol::Command;

/// The real timeout, in seconds, of a call that is known to lose against its virtual deadline.
const SHORT: f64 = 0.001;

impl Stage<'_> {
    /// Goes on with main or a thread until it calls, sleeps or ends.
    pub(super) fn act(&mut self, actor: ActorId, input: Input) -> Option<Move> {
        let mut demand = self.program.resume(actor, self.now, input);
        loop {
            match demand {
                Demand::Print(line) => self.log(self.program.who(actor), What::Print(line)),
                Demand::Unmet { span, text } => {
                    self.log(self.program.who(actor), What::Unmet { span, text });
                }
                Demand::Sleep(time) => {
                    self.enqueue(self.now + time, Ready::Actor(actor, Input::Go));
                    return None;
                }
                Demand::Wake(other) => {
                    let known = self.calls.contains_key(&Caller::Actor(other))
                        || self
                            .queue
                            .values()
                            .any(|r| matches!(r, Ready::Actor(a, _) if *a == other));
                    if self.idle.remove(&other) || !known {
                        self.enqueue(self.now, Ready::Actor(other, Input::Go));
                    }
                }
                Demand::Kill(key) => {
                    self.log(self.program.who(actor), What::KillsWorker { of: key });
                    self.enqueue(self.now, Ready::Actor(actor, Input::Go));
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
            demand = self.program.resume(actor, self.now, Input::Go);
        }
    }

    /// As a language waits for its threads, main's end waits for them.
    pub(super) fn exit_if_over(&mut self) -> Option<Move> {
        let calls = |caller: &Caller| matches!(caller, Caller::Actor(_));
        let busy = self.calls.keys().any(calls)
            || self.queue.values().any(|r| matches!(r, Ready::Actor(..)));
        if !self.main_ended || busy || self.exited {
            return None;
        }
        self.exited = true;
        Some(Move::Exit)
    }

    pub(super) fn call(&mut self, caller: Caller, call: Box<Call>) -> Move {
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
        for key in &call.submits {
            self.log(who.clone(), What::Submit { key: *key });
        }
        match &call.command {
            Command::Terminate { pool } | Command::Drop { pool } => {
                self.stopped.insert(pool.clone());
            }
            Command::Kill { process } | Command::TerminateProcess { process } => {
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
        if let Some(timeout) = call.timeout.filter(|t| !self.options.timers && t.0 > 0) {
            late = self.options.late.contains(&number);
            set_timeout(&mut command, late.then_some(SHORT));
            let rank = self.rank(self.now + timeout, Class::Timer, caller.number());
            self.queue.insert(rank, Ready::Deadline(caller));
            deadline = Some(rank);
        }
        let since = self.now;
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
        if let Some(rank) = open.deadline {
            self.queue.remove(&rank);
        }
        let what = What::Return {
            span: open.call.span,
            result: result.clone(),
        };
        self.log(self.who(caller), what);
        match caller {
            Caller::Actor(actor) => {
                self.enqueue(self.now, Ready::Actor(actor, Input::Returned(result)));
            }
            Caller::Body(key) => {
                let took = Time(self.now.0 - open.since.0);
                if let Some(playing) = self.bodies.get_mut(&key) {
                    playing.returned = Some((took, result));
                }
                self.enqueue_body(key, self.now);
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

fn set_timeout(command: &mut Command, to: Option<f64>) {
    match command {
        Command::ApplyAsync { timeout, .. }
        | Command::MapAsync { timeout, .. }
        | Command::StarmapAsync { timeout, .. }
        | Command::Next { timeout, .. }
        | Command::Get { timeout, .. }
        | Command::Wait { timeout, .. }
        | Command::Join { timeout, .. }
        | Command::JoinProcess { timeout, .. } => *timeout = to,
        _ => {}
    }
}
