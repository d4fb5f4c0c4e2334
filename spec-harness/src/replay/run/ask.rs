//! What the stage asks for, put to adapter and puppets.

use super::{Asked, Run, Talk};
use crate::history::{Ending, Key, Who};
use crate::interp::{Caller, Move};
use crate::protocol::{Command, Control, Order, Request};
use crate::replay::Fault;

impl Run<'_, '_> {
    /// Does the stage's next move.
    pub(super) fn advance(&mut self) -> Result<Option<Ending>, Fault> {
        self.unasked = 0;
        let made = self.stage.next_move();
        for event in &self.stage.events()[self.watched..] {
            (self.watch)(event);
            self.watched += 1;
        }
        self.kept.talk.asks(&self.stage, &made);
        match made {
            Move::Call {
                caller: Caller::Actor(actor),
                command,
            } => {
                let by = self.name_of(Caller::Actor(actor));
                self.ask(Asked::Actor(actor), &by, command);
            }
            Move::Call {
                caller: Caller::Body(key),
                command,
            } => self.order(key, &Order::Call(command), Talk::Calling(key)),
            Move::Order {
                key,
                order,
                last: true,
            } => self.order(key, &order, Talk::Ending(key)),
            Move::Order {
                key,
                order,
                last: false,
            } => self.order(key, &order, Talk::Detour(key)),
            Move::Kill(key) => {
                if let Some(worker) = self.ran.get(&key) {
                    worker.kill();
                }
            }
            Move::Fire(timer) => self.ask(Asked::Timer, "clock", Control::Fire { timer }),
            Move::Exit => {
                self.ask(Asked::Exit, "main", Control::Exit {});
                if !self.timers {
                    self.session.hang_up_after_writing();
                }
            }
            Move::Late(number) => return Err(Fault::Late(number)),
            // There is nothing left to say: some adapters end when they hear nothing more.
            Move::Stuck if self.stage.exited() && self.session.hang_up_after_writing() => {}
            Move::Stuck => return Ok(Some(self.stuck())),
        }
        Ok(None)
    }

    /// The name of a caller in requests.
    pub(super) fn name_of(&self, caller: Caller) -> String {
        match self.stage.who(caller) {
            Who::Thread(name) => name,
            _ => "main".to_owned(),
        }
    }

    /// Tells a body what to do.
    fn order(&mut self, key: Key, order: &Order, talk: Talk) {
        if let Some(line) = self.bodies.get(&key).copied() {
            self.session.order(line, order);
            self.lines.insert(line, talk);
        }
    }

    pub(super) fn ask(&mut self, asked: Asked, by: &str, command: impl Into<Command>) {
        let id = self.next_id;
        self.next_id += 1;
        self.open.insert(id, asked);
        self.session.request(&Request {
            id,
            by: by.to_owned(),
            command: command.into(),
        });
    }
}
