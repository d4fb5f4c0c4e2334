//! Turns a step into the call of the implementation that it stands for: names, numbers and keys.

mod names;

use super::values::{duration, whole};
use crate::case::ast::{Action, Span, Spanned, Step, Time};
use crate::case::expr::{Env, EvalError, Expr, Value};
use crate::history::Key;
use crate::protocol::{Command, Imap, Map, MapAsync};
pub(super) use names::Names;
use names::{Way, Wish, handle, iterator, process};

/// A call of the implementation.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The step.
    pub span: Span,
    /// The call as people write it: `apply_async func(3)`.
    pub text: String,
    /// The call as the implementation gets it.
    pub command: Command,
    /// The tasks that it submits, in order; callbacks are not among them.
    pub submits: Vec<Key>,
    /// The longest it may take, in virtual time.
    pub timeout: Option<Time>,
    /// What the step's variable gets instead of what the call returns: the handle or process it made.
    pub makes: Option<Value>,
}

impl Names<'_> {
    /// The call of a step of main, or of a body, which means its own pool where it names none.
    pub(super) fn lower_for(
        &mut self,
        body: Option<Key>,
        step: &Step,
        env: &Env,
    ) -> Result<Call, EvalError> {
        let own = body.and_then(|key| self.task_of(key)?.pool.clone());
        let last = own.map(|own| self.last.replace(own));
        let call = self.action(step, env);
        if let Some(last) = last {
            self.last = last;
        }
        Ok(Call {
            span: step.span,
            ..call?
        })
    }

    fn action(&mut self, step: &Step, env: &Env) -> Result<Call, EvalError> {
        match &step.action {
            Action::Pool {
                name,
                size,
                maxtasksperchild,
                initializer,
                queue,
            } => {
                let wish = Wish {
                    size: size.as_ref(),
                    maxtasksperchild: maxtasksperchild.as_ref(),
                    initializer: initializer.as_ref(),
                    queue: queue.as_ref(),
                };
                self.pool(name, &wish, env)
            }
            Action::Apply(pool, task) => {
                let pool = self.find(step, pool)?;
                let (key, text) = self.task(Some(&pool), task, env)?;
                let command = Command::Apply { pool, key };
                Ok(submit(format!("apply {text}"), command, vec![key]))
            }
            Action::ApplyAsync(pool, task, callbacks, timeout) => {
                let pool = self.find(step, pool)?;
                let (key, text) = self.task(Some(&pool), task, env)?;
                let (callback, error_callback) = self.callbacks(&pool, callbacks)?;
                let number = self.new_handle(key);
                let call = timed(format!("apply_async {text}"), timeout, env, |timeout| {
                    Command::ApplyAsync {
                        pool,
                        key,
                        handle: handle(number),
                        callback,
                        error_callback,
                        timeout,
                    }
                })?;
                Ok(Call {
                    submits: vec![key],
                    makes: Some(Value::Handle(number)),
                    ..call
                })
            }
            Action::Map { pool, call, star } => {
                let pool = self.find(step, pool)?;
                let (keys, chunksize, text) = self.items(&pool, call, Way::map(*star), env)?;
                let (verb, command) = match star {
                    true => ("starmap", Command::Starmap as fn(Map) -> Command),
                    false => ("map", Command::Map as _),
                };
                let map = Map {
                    pool,
                    keys: keys.clone(),
                    chunksize,
                };
                Ok(submit(format!("{verb} {text}"), command(map), keys))
            }
            Action::MapAsync {
                pool,
                call,
                star,
                callbacks,
                timeout,
            } => {
                let pool = self.find(step, pool)?;
                let (keys, chunksize, text) = self.items(&pool, call, Way::map(*star), env)?;
                let (callback, error_callback) = self.callbacks(&pool, callbacks)?;
                let number = self.new_handle(keys.first().copied().unwrap_or_default());
                let submits = keys.clone();
                let (verb, command) = match star {
                    true => (
                        "starmap_async",
                        Command::StarmapAsync as fn(MapAsync) -> Command,
                    ),
                    false => ("map_async", Command::MapAsync as _),
                };
                let call = timed(format!("{verb} {text}"), timeout, env, |timeout| {
                    command(MapAsync {
                        pool,
                        keys,
                        chunksize,
                        handle: handle(number),
                        callback,
                        error_callback,
                        timeout,
                    })
                })?;
                Ok(Call {
                    submits,
                    makes: Some(Value::Handle(number)),
                    ..call
                })
            }
            Action::Imap {
                pool,
                call,
                read_ahead,
                unordered,
                endless,
            } => {
                let pool = self.find(step, pool)?;
                let read_ahead = read_ahead
                    .as_ref()
                    .map(|chunks| whole::<u64>(chunks, env))
                    .transpose()?;
                let (keys, chunksize, text) = self.items(&pool, call, Way::Imap, env)?;
                let (verb, command) = match unordered {
                    true => (
                        "imap_unordered",
                        Command::ImapUnordered as fn(Imap) -> Command,
                    ),
                    false => ("imap", Command::Imap as _),
                };
                let number = self.new_iterator();
                let imap = Imap {
                    pool,
                    keys: keys.clone(),
                    chunksize,
                    read_ahead,
                    endless: *endless,
                    iterator: iterator(number),
                };
                Ok(Call {
                    makes: Some(Value::Iterator(number)),
                    ..submit(format!("{verb} {text}"), command(imap), keys)
                })
            }
            Action::Next(iterator, timeout) => {
                let (iterator, text) = (of_iterator(iterator, env)?, shown(iterator));
                timed(format!("next {text}"), timeout, env, |timeout| {
                    Command::Next { iterator, timeout }
                })
            }
            Action::Get(handle, timeout) => {
                let (handle, text) = (of_handle(handle, env)?, shown(handle));
                timed(format!("get {text}"), timeout, env, |timeout| {
                    Command::Get { handle, timeout }
                })
            }
            Action::Wait(handle, timeout) => {
                let (handle, text) = (of_handle(handle, env)?, shown(handle));
                timed(format!("wait {text}"), timeout, env, |timeout| {
                    Command::Wait { handle, timeout }
                })
            }
            Action::Ready(handle) => {
                let (handle, text) = (of_handle(handle, env)?, shown(handle));
                Ok(plain(format!("ready {text}"), Command::Ready { handle }))
            }
            Action::Successful(handle) => {
                let (handle, text) = (of_handle(handle, env)?, shown(handle));
                let command = Command::Successful { handle };
                Ok(plain(format!("successful {text}"), command))
            }
            Action::Close(pool) => {
                self.on_pool(step, "close", pool, |pool| Command::Close { pool })
            }
            Action::Terminate(pool) => {
                self.on_pool(step, "terminate", pool, |pool| Command::Terminate { pool })
            }
            Action::Drop(pool) => self.on_pool(step, "drop", pool, |pool| Command::Drop { pool }),
            Action::Join(pool, timeout) => {
                let pool = self.find(step, pool)?;
                timed(format!("join {pool}"), timeout, env, |timeout| {
                    Command::Join { pool, timeout }
                })
            }
            Action::Process { call, daemon } => {
                let (key, text) = self.task(None, call, env)?;
                let number = self.new_process();
                let command = Command::Process {
                    process: process(number),
                    key,
                    daemon: *daemon,
                };
                Ok(Call {
                    makes: Some(Value::Process(number)),
                    ..plain(format!("Process {text}"), command)
                })
            }
            Action::Start(process) => {
                let text = format!("start {}", shown(process));
                let (process, key) = self.of_process(process, env)?;
                Ok(submit(text, Command::Start { process }, vec![key]))
            }
            Action::JoinProcess(process, timeout) => {
                let text = format!("join {}", shown(process));
                let (process, _) = self.of_process(process, env)?;
                timed(text, timeout, env, |timeout| Command::JoinProcess {
                    process,
                    timeout,
                })
            }
            Action::IsAlive(process) => self.on_process("is_alive", process, env, |process| {
                Command::IsAlive { process }
            }),
            Action::ExitCode(process) => self.on_process("exitcode", process, env, |process| {
                Command::Exitcode { process }
            }),
            Action::Signal { process, kill } if *kill => {
                self.on_process("kill", process, env, |process| Command::Kill { process })
            }
            Action::Signal { process, .. } => {
                self.on_process("terminate", process, env, |process| {
                    Command::TerminateProcess { process }
                })
            }
            Action::KillWorker(_)
            | Action::Print(_)
            | Action::Sleep(_)
            | Action::Let(_)
            | Action::Check(_)
            | Action::For { .. }
            | Action::If(..) => Err(wrong(step.span, "this step calls nothing")),
        }
    }

    fn on_pool(
        &self,
        step: &Step,
        verb: &str,
        pool: &Option<Spanned<String>>,
        command: impl FnOnce(String) -> Command,
    ) -> Result<Call, EvalError> {
        let pool = self.find(step, pool)?;
        Ok(plain(format!("{verb} {pool}"), command(pool)))
    }

    fn on_process(
        &self,
        verb: &str,
        expr: &Expr,
        env: &Env,
        command: impl FnOnce(String) -> Command,
    ) -> Result<Call, EvalError> {
        let (process, _) = self.of_process(expr, env)?;
        Ok(plain(format!("{verb} {}", shown(expr)), command(process)))
    }
}

fn of_handle(expr: &Expr, env: &Env) -> Result<String, EvalError> {
    match expr.eval(env)? {
        Value::Handle(number) => Ok(handle(number)),
        other => Err(wrong(
            expr.span,
            format!("{} is no handle of a job", other.repr()),
        )),
    }
}

fn of_iterator(expr: &Expr, env: &Env) -> Result<String, EvalError> {
    match expr.eval(env)? {
        Value::Iterator(number) => Ok(iterator(number)),
        other => Err(wrong(
            expr.span,
            format!("{} is no iterator of an imap", other.repr()),
        )),
    }
}

/// An expression in the text of a call: its name where it is one.
fn shown(expr: &Expr) -> &str {
    expr.as_name().unwrap_or("it")
}

fn wrong(span: Span, message: impl Into<String>) -> EvalError {
    EvalError {
        span,
        message: message.into(),
    }
}

fn plain(text: String, command: Command) -> Call {
    submit(text, command, Vec::new())
}

fn submit(text: String, command: Command, submits: Vec<Key>) -> Call {
    Call {
        span: Span::default(),
        text,
        command,
        submits,
        timeout: None,
        makes: None,
    }
}

fn timed(
    text: String,
    timeout: &Option<Expr>,
    env: &Env,
    command: impl FnOnce(Option<f64>) -> Command,
) -> Result<Call, EvalError> {
    let timeout = timeout
        .as_ref()
        .map(|timeout| duration(timeout, env))
        .transpose()?;
    let text = timeout.map_or(text.clone(), |timeout| format!("{text}, timeout {timeout}"));
    let command = command(timeout.map(|timeout| timeout.0 as f64 / 1e6));
    Ok(Call {
        timeout,
        ..plain(text, command)
    })
}
