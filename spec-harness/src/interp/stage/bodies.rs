//! Tasks and callbacks on the stage: how they begin, go on and end.

use super::Stage;
use super::queue::Ready;
use super::talk::{Beginning, Caller, Move};
use crate::case::ast::{Fate, Span, Step, Time};
use crate::case::expr::Value;
use crate::history::{FIRST_PARENT_THREAD, Key, Raised, What, Who};
use crate::interp::body::{Act, Body, Ended};
use crate::interp::order::Rank;
use crate::interp::outcome::Input;
use crate::interp::program::MOST_TEXT;
use crate::protocol::{ErrorReply, Order};

#[derive(Debug)]
pub(super) struct Playing<'c> {
    body: Body<'c>,
    /// Its place in the queue, while it has one.
    rank: Option<Rank>,
    /// The step whose call it makes, and what the call makes.
    pub(super) calling: Option<(&'c Step, Option<Value>)>,
    /// Its call has returned after so long.
    pub(super) returned: Option<(Time, Result<Value, Raised>)>,
    /// What is known of its end, once it was given its last order.
    ended: Option<Ended>,
}

impl<'c> Stage<'c> {
    /// A body has begun: a second time it is recorded and not performed.
    pub(super) fn body_began(&mut self, beginning: Beginning) {
        let Beginning {
            key,
            on,
            in_parent,
            args,
            given,
            initializer: _,
            name: own_name,
        } = beginning;
        let who = Who::Puppet(key);
        let Some(task) = self.program.task_mut(key) else {
            return;
        };
        let fate = task.fate;
        let is_new = fate == Fate::Never;
        if task.callback && is_new && !self.bodies.contains_key(&key) {
            task.args = given.into_iter().collect();
        }
        let (name, arguments, callback) = (task.task.clone(), task.args.clone(), task.callback);
        let performed = is_new || self.is_tried_again(key, fate);
        let performed = performed && !self.bodies.contains_key(&key);
        // Callbacks in the parent are counted apart: they run on no worker.
        let apart = usize::from(callback && in_parent);
        let known = self.workers[apart].len();
        let number = *self.workers[apart].entry(on).or_insert(known);
        let worker = number + apart * FIRST_PARENT_THREAD;
        self.log(who.clone(), What::Begin { worker });
        let Some(def) = self.defs.get(name.as_str()).copied().filter(|_| performed) else {
            return;
        };
        let span = def.name.span;
        let wanted = self.program.arguments_on_the_wire(key);
        if args != wanted {
            let text = format!("{name} was called with {args} arguments, {wanted} were submitted");
            self.log(who.clone(), What::Unmet { span, text });
        }
        let worker_name = if apart == 0 {
            format!("w{number}")
        } else {
            "parent".to_owned()
        };
        let attempt = self.attempt(key);
        match Body::new(def, &arguments, &worker_name, own_name.as_deref(), attempt) {
            Ok(body) => {
                self.bodies.insert(
                    key,
                    Playing {
                        body,
                        rank: None,
                        calling: None,
                        returned: None,
                        ended: None,
                    },
                );
                self.body_goes_on(key, Time(0));
            }
            Err(text) => self.log(who, What::Unmet { span, text }),
        }
    }

    /// A body has its turn after so long.
    pub(super) fn body_goes_on(&mut self, key: Key, after: Time) {
        if let Some(playing) = self.bodies.get_mut(&key) {
            playing.rank = Some(self.queue.add(after, Ready::Body(key)));
        }
    }

    /// Goes on with a body until it sleeps or is to be given an order.
    pub(super) fn play(&mut self, key: Key) -> Option<Move> {
        let who = Who::Puppet(key);
        loop {
            let playing = self.bodies.get_mut(&key)?;
            playing.rank = None;
            if let (Some((took, result)), Some((step, makes))) =
                (playing.returned.take(), playing.calling.take())
            {
                let input = Input::Returned(result);
                let unmet = playing.body.returned(step, took, input, makes);
                for text in unmet {
                    let span = step.span;
                    self.log(who.clone(), What::Unmet { span, text });
                }
                continue;
            }
            match playing.body.resume(self.queue.now()) {
                Act::Print { span, line } => {
                    self.printed += line.len();
                    if self.printed > MOST_TEXT {
                        let text = format!("the tasks print more than {MOST_TEXT} bytes");
                        return Some(self.cannot_go_on(key, span, text));
                    }
                    self.log(who.clone(), What::Print(line));
                }
                Act::Sleep(time) => {
                    self.body_goes_on(key, time);
                    return None;
                }
                Act::Detour(order) => {
                    return Some(Move::Order {
                        key,
                        order,
                        last: false,
                    });
                }
                Act::Call(step) => return Some(self.body_calls(key, step)),
                Act::End(order, ended) => return Some(self.last_order(key, order, ended)),
                Act::Wrong { span, text } => return Some(self.cannot_go_on(key, span, text)),
            }
        }
    }

    /// Makes a call from inside a body.
    fn body_calls(&mut self, key: Key, step: &'c Step) -> Move {
        let Some(playing) = self.bodies.get_mut(&key) else {
            return Move::Stuck;
        };
        match self.program.body_calls(key, step, playing.body.env()) {
            Ok(call) => {
                playing.calling = Some((step, call.makes.clone()));
                self.call(Caller::Body(key), Box::new(call))
            }
            Err(error) => self.cannot_go_on(key, error.span, error.message),
        }
    }

    /// The case is wrong here: the body ends by an error.
    fn cannot_go_on(&mut self, key: Key, span: Span, text: String) -> Move {
        let unmet = What::Unmet {
            span,
            text: text.clone(),
        };
        self.log(Who::Puppet(key), unmet);
        let order = Order::Raise(ErrorReply {
            kind: "CaseError".into(),
            text,
        });
        self.last_order(key, order, Ended::As(Fate::Raised))
    }

    fn last_order(&mut self, key: Key, order: Order, ended: Ended) -> Move {
        let bare = self
            .program
            .task_mut(key)
            .is_some_and(|task| task.pool.is_none());
        let ended = match (ended, &order) {
            // To exit is how a bare process ends; a pool's worker is lost with its task.
            (Ended::WithItsWorker, Order::Exit(_)) if bare => Ended::As(Fate::Done),
            (ended, _) => ended,
        };
        if let Order::Raise(error) = &order {
            self.raises(key, &error.kind);
        }
        if let (Order::Return(value), Some(task)) = (&order, self.program.task_mut(key)) {
            task.value = Value::from_json(value).ok();
        }
        if let Some(playing) = self.bodies.get_mut(&key) {
            playing.ended = Some(ended);
        }
        if let Ended::As(fate) = ended {
            self.end(key, fate);
        }
        Move::Order {
            key,
            order,
            last: true,
        }
    }

    /// A body's connection has ended: in time, or with its worker.
    pub(super) fn body_gone(&mut self, key: Key) {
        let Some(playing) = self.bodies.remove(&key) else {
            return;
        };
        let call = self.calls.remove(&Caller::Body(key));
        self.queue.remove(playing.rank);
        self.queue.remove(call.and_then(|open| open.deadline));
        let stopped = self.exited
            || self.stopped.contains(&self.program.owner(key))
            || self.may_be_stopped(key);
        match playing.ended {
            Some(Ended::As(_)) => {}
            None | Some(Ended::ByAnother) if stopped => self.end(key, Fate::Killed),
            None | Some(Ended::ByAnother | Ended::WithItsWorker) => self.end(key, Fate::Lost),
        }
    }

    fn end(&mut self, key: Key, fate: Fate) {
        self.log(Who::Puppet(key), What::End { fate });
        if let Some(task) = self.program.task_mut(key) {
            task.fate = fate;
        }
    }
}
