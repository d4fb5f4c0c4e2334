//! Main and its threads: steps, loops, variables, and what each step was to show.

mod stand;

use super::lower::{Lowered, Names};
use super::outcome::{Input, Outcome};
use super::values::{clock, duration, items};
use crate::case::ast::{Action, Case, Span, Step, Time};
use crate::case::expr::{Env, EvalError, Expr, Value};
use crate::history::{Key, PoolInfo, TaskInfo, Who};
use stand::{Actor, Frame, Loop, Open};

/// Who performs steps: main is [`MAIN`], threads follow in the order of their first step.
pub type ActorId = usize;

/// The main program.
pub const MAIN: ActorId = 0;

/// What an actor wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Demand {
    /// Prints a line and goes on.
    Print(String),
    /// Sleeps for so long.
    Sleep(Time),
    /// Calls the implementation and goes on with what it returned.
    Call(Box<Lowered>),
    /// Kills the worker that ran this task, and goes on.
    Kill(Key),
    /// Something was not as the step said; it goes on (or not, which the next demand shows).
    Unmet {
        /// The step.
        span: Span,
        /// Expected and seen, for people.
        text: String,
    },
    /// Gave a step to this thread, which may now be resumed if it was idle, and goes on.
    Wake(ActorId),
    /// A thread has nothing to do until it is woken.
    Idle,
    /// Has ended: main at its last step or by an uncaught error, a thread only by the latter.
    Finish,
}

/// Most steps that a program may take: one that loops for hours is a mistake.
const MOST_STEPS: usize = 100_000;

/// Most bytes that main and its threads may print, and as many again their tasks.
pub(super) const MOST_TEXT: usize = 4 << 20;

/// The program of a case while it runs.
#[derive(Debug)]
pub struct Program<'c> {
    env: Env,
    /// Steps begun so far.
    steps: usize,
    /// Bytes that main and its threads have printed.
    printed: usize,
    actors: Vec<Actor<'c>>,
    names: Names<'c>,
}

/// What a step comes to when it is begun.
enum Begun<'c> {
    Demand(Demand),
    /// It is over already, with this result.
    Over(Value),
    /// It consists of other steps.
    Inside(Frame<'c>),
}

impl<'c> Program<'c> {
    /// The program before its first step.
    pub fn new(case: &'c Case) -> Program<'c> {
        let mut main = Actor::new(None);
        main.stack.push(Frame::plain(&case.main, None));
        Program {
            env: Env::new(),
            steps: 0,
            printed: 0,
            actors: vec![main],
            names: Names::new(case),
        }
    }

    /// Goes on with one actor.
    pub fn resume(&mut self, who: ActorId, now: Time, input: Input) -> Demand {
        if let Some(open) = self.actors[who].open.take() {
            self.complete(who, open, now, input);
        }
        loop {
            if let Some((span, text)) = self.actors[who].unmet.pop_front() {
                return Demand::Unmet { span, text };
            }
            if self.actors[who].ended {
                return Demand::Finish;
            }
            let Some(step) = self.next_step(who, now) else {
                if !self.actors[who].unmet.is_empty() {
                    continue;
                }
                if who == MAIN {
                    self.actors[who].ended = true;
                    return Demand::Finish;
                }
                return Demand::Idle;
            };
            self.steps += 1;
            if self.steps > MOST_STEPS {
                let text = format!("the program takes more than {MOST_STEPS} steps");
                self.fail(who, step.span, text);
                continue;
            }
            if let Some(other) = self.give_away(who, step) {
                return Demand::Wake(other);
            }
            let mut open = Open {
                step,
                since: now,
                makes: None,
            };
            match self.begin(who, step, now) {
                Ok(Begun::Demand(demand)) => {
                    if let Demand::Call(call) = &demand {
                        open.makes = call.makes.clone();
                    }
                    self.actors[who].open = Some(open);
                    return demand;
                }
                Ok(Begun::Over(value)) => self.complete(who, open, now, Input::Returned(Ok(value))),
                Ok(Begun::Inside(mut frame)) => {
                    frame.whole = Some(open);
                    self.actors[who].stack.push(frame);
                }
                Err(error) => self.fail(who, error.span, error.message),
            }
        }
    }

    /// The step that an actor is in the middle of.
    pub fn current(&self, who: ActorId) -> Option<&'c Step> {
        self.actors[who].open.as_ref().map(|open| open.step)
    }

    /// An actor's name.
    pub fn who(&self, who: ActorId) -> Who {
        match self.actors[who].name {
            None => Who::Main,
            Some(name) => Who::Thread(name.to_owned()),
        }
    }

    /// Every task and callback so far, by key.
    pub fn tasks(&self) -> &[TaskInfo] {
        &self.names.tasks
    }

    /// The number that a worker's start by this initializer will have.
    pub(super) fn next_start(&self, initializer: u64) -> Result<Key, String> {
        self.names.next_start(initializer)
    }

    /// A worker begins by this initializer: the number of that body.
    pub(super) fn starts(&mut self, initializer: u64) -> Result<Key, String> {
        self.names.starts(initializer)
    }

    /// One of them.
    pub(super) fn task(&self, key: Key) -> Option<&TaskInfo> {
        self.names.task_of(key)
    }

    /// The same, to note what became of it.
    pub(super) fn task_mut(&mut self, key: Key) -> Option<&mut TaskInfo> {
        self.names.tasks.get_mut(usize::try_from(key).ok()?)
    }

    /// All of them, at the end.
    pub(super) fn take_tasks(&mut self) -> Vec<TaskInfo> {
        std::mem::take(&mut self.names.tasks)
    }

    /// With how many arguments the implementation is to call a task.
    pub(super) fn arguments_on_the_wire(&self, key: Key) -> u32 {
        if self.names.unpacked.contains(&key) {
            2
        } else {
            1
        }
    }

    /// The call that a body makes: it sees main's variables behind its own, and means its own pool where it
    /// names none.
    pub(super) fn body_calls(
        &mut self,
        key: Key,
        step: &Step,
        locals: &Env,
    ) -> Result<Lowered, EvalError> {
        let mut env = self.env.clone();
        for name in locals.names() {
            if let Some(value) = locals.get(name) {
                env.set(name, value.clone());
            }
        }
        self.names.lower_for(Some(key), step, &env)
    }

    /// The name, as calls have it, of the pool or bare process that runs a task.
    pub(super) fn owner(&self, key: Key) -> String {
        self.names.owner(key)
    }

    /// Every pool so far.
    pub fn pools(&self) -> &[PoolInfo] {
        &self.names.pools
    }

    /// The next step to begin; finishes frames on the way.
    fn next_step(&mut self, who: ActorId, now: Time) -> Option<&'c Step> {
        loop {
            let Some(frame) = self.actors[who].stack.last_mut() else {
                let (step, locals) = self.actors[who].inbox.pop_front()?;
                let mut frame = Frame::plain(std::slice::from_ref(step), None);
                frame.locals = locals;
                self.actors[who].stack.push(frame);
                continue;
            };
            if let Some(step) = frame.steps.get(frame.next) {
                frame.next += 1;
                return Some(step);
            }
            if let Some(looped) = &mut frame.looped
                && let Some(value) = looped.rest.next()
            {
                let var = looped.var.to_owned();
                frame.next = 0;
                frame.locals = vec![(var.clone(), value.clone())];
                // As in Python, the variable is still there after the loop.
                self.env.set(var, value);
                continue;
            }
            let whole = frame.whole.take();
            self.actors[who].stack.pop();
            if let Some(open) = whole {
                self.complete(who, open, now, Input::Go);
                if !self.actors[who].unmet.is_empty() {
                    return None;
                }
            }
        }
    }

    /// Gives a step that another thread is to do to that thread.
    fn give_away(&mut self, who: ActorId, step: &'c Step) -> Option<ActorId> {
        let name = step.thread.as_deref()?;
        if self.actors[who].name == Some(name) {
            return None;
        }
        let known = self.actors.iter().position(|a| a.name == Some(name));
        let other = known.unwrap_or_else(|| {
            self.actors.push(Actor::new(Some(name)));
            self.actors.len() - 1
        });
        let locals = self.actors[who].locals();
        self.actors[other].inbox.push_back((step, locals));
        Some(other)
    }

    fn begin(&mut self, who: ActorId, step: &'c Step, now: Time) -> Result<Begun<'c>, EvalError> {
        let env = self.scope(who, now);
        Ok(match &step.action {
            Action::Print(text) => {
                let line = text.render(&env)?;
                self.printed += line.len();
                if self.printed > MOST_TEXT {
                    return Err(EvalError {
                        span: step.span,
                        message: format!("the program prints more than {MOST_TEXT} bytes"),
                    });
                }
                Begun::Demand(Demand::Print(line))
            }
            Action::KillWorker(handle) => {
                Begun::Demand(Demand::Kill(self.names.of_handle(handle, &env)?))
            }
            Action::Sleep(time) => Begun::Demand(Demand::Sleep(duration(time, &env)?)),
            Action::Let(bindings) => {
                for (name, value) in bindings {
                    let value = value.eval(&self.scope(who, now))?;
                    self.env.set(name, value);
                }
                Begun::Over(Value::None)
            }
            Action::Check(condition) => {
                self.check(who, step, condition, &env)?;
                Begun::Over(Value::None)
            }
            Action::For { var, over, body } => {
                let items = items(over, &env)?;
                let mut frame = Frame::plain(
                    &[],
                    Some(Loop {
                        var,
                        rest: items.into_iter(),
                    }),
                );
                frame.steps = body;
                frame.next = body.len();
                Begun::Inside(frame)
            }
            Action::If(condition, then, otherwise) => {
                let taken = condition.eval(&env)?.truthy();
                Begun::Inside(Frame::plain(if taken { then } else { otherwise }, None))
            }
            _ => Begun::Demand(Demand::Call(Box::new(
                self.names.lower_for(None, step, &env)?,
            ))),
        })
    }

    /// A step is over: judges it, binds its result.
    fn complete(&mut self, who: ActorId, open: Open<'c>, now: Time, input: Input) {
        let Open { step, since, makes } = open;
        let mut outcome = Outcome::of(step, Time(now.0 - since.0), input, makes);
        let bound = outcome.bind(step, &mut self.env);
        let fatal = outcome.uncaught.is_some() || bound.is_err();
        let actor = &mut self.actors[who];
        let unmet = outcome.unmet.into_iter().chain(bound.err());
        actor.unmet.extend(unmet.map(|text| (step.span, text)));
        if fatal {
            actor.end();
        }
    }

    fn check(
        &mut self,
        who: ActorId,
        step: &Step,
        condition: &Expr,
        env: &Env,
    ) -> Result<(), EvalError> {
        if !condition.eval(env)?.truthy() {
            let mut text = "the check is false".to_owned();
            let mut seen: Vec<&str> = Vec::new();
            for (name, _) in condition.names() {
                if let (false, Some(value)) = (seen.contains(&name), env.get(name)) {
                    text += if seen.is_empty() { ": " } else { ", " };
                    text += &format!("{name} is {}", value.repr());
                    seen.push(name);
                }
            }
            self.actors[who].unmet.push_back((step.span, text));
        }
        Ok(())
    }

    fn fail(&mut self, who: ActorId, span: Span, text: String) {
        self.actors[who].unmet.push_back((span, text));
        self.actors[who].end();
    }

    /// The variables as this actor sees them now.
    fn scope(&self, who: ActorId, now: Time) -> Env {
        let mut env = self.env.clone();
        for (name, value) in self.actors[who].locals() {
            env.set(name, value);
        }
        env.set("clock", clock(now));
        env
    }
}
