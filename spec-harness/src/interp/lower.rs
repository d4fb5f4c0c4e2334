//! Turns a step into the call of the implementation that it stands for: names, numbers and keys.

use std::collections::BTreeMap;

use super::body::{duration, whole};
use super::program::items;
use crate::case::ast::{
    Action, Callbacks, Case, Fate, MapCall, Span, Spanned, Step, TaskCall, TaskDef, Time,
};
use crate::case::expr::{Env, EvalError, Expr, Value};
use crate::history::{Key, PoolInfo, TaskInfo};
use crate::protocol::Command;

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

/// What the program has made so far: pools, handles, processes, tasks.
#[derive(Debug)]
pub(super) struct Names<'c> {
    defs: BTreeMap<&'c str, &'c TaskDef>,
    /// What a pool's name in the case means now; made again, a name means the newer pool.
    current: BTreeMap<String, String>,
    /// The pool made last.
    last: Option<String>,
    handles: u64,
    processes: u64,
    jobs: u64,
    pub(super) tasks: Vec<TaskInfo>,
    pub(super) pools: Vec<PoolInfo>,
}

impl<'c> Names<'c> {
    pub(super) fn new(case: &'c Case) -> Names<'c> {
        let defs = case.tasks.iter().map(|def| (def.name.value.as_str(), def));
        Names {
            defs: defs.collect(),
            current: BTreeMap::new(),
            last: None,
            handles: 0,
            processes: 0,
            jobs: 0,
            tasks: Vec::new(),
            pools: Vec::new(),
        }
    }

    pub(super) fn lower(&mut self, step: &Step, env: &Env) -> Result<Call, EvalError> {
        let mut call = self.action(step, env)?;
        call.span = step.span;
        call.makes = match &step.action {
            Action::ApplyAsync(..) | Action::MapAsync { .. } => {
                Some(Value::Handle(self.handles - 1))
            }
            Action::Process { .. } => Some(Value::Process(self.processes - 1)),
            _ => None,
        };
        Ok(call)
    }

    fn action(&mut self, step: &Step, env: &Env) -> Result<Call, EvalError> {
        match &step.action {
            Action::Pool { name, size } => self.pool(name, size.as_ref(), env),
            Action::Apply(pool, task) => {
                let pool = self.find(step, pool)?;
                let (key, text) = self.task(Some(&pool), task, env)?;
                let command = Command::Apply { pool, key };
                Ok(submit(format!("apply {text}"), command, vec![key]))
            }
            Action::ApplyAsync(pool, task, callbacks) => {
                let pool = self.find(step, pool)?;
                let (key, text) = self.task(Some(&pool), task, env)?;
                let (callback, error_callback) = self.callbacks(&pool, callbacks)?;
                let handle = self.handle();
                let command = Command::ApplyAsync {
                    pool,
                    key,
                    handle,
                    callback,
                    error_callback,
                };
                Ok(submit(format!("apply_async {text}"), command, vec![key]))
            }
            Action::Map { pool, call, star } => {
                let pool = self.find(step, pool)?;
                let (keys, chunksize, text) = self.items(&pool, call, *star, env)?;
                let submits = keys.clone();
                Ok(if *star {
                    let command = Command::Starmap {
                        pool,
                        keys,
                        chunksize,
                    };
                    submit(format!("starmap {text}"), command, submits)
                } else {
                    let command = Command::Map {
                        pool,
                        keys,
                        chunksize,
                    };
                    submit(format!("map {text}"), command, submits)
                })
            }
            Action::MapAsync {
                pool,
                call,
                star,
                callbacks,
            } => {
                let pool = self.find(step, pool)?;
                let (keys, chunksize, text) = self.items(&pool, call, *star, env)?;
                let (callback, error_callback) = self.callbacks(&pool, callbacks)?;
                let (handle, submits) = (self.handle(), keys.clone());
                Ok(if *star {
                    let command = Command::StarmapAsync {
                        pool,
                        keys,
                        chunksize,
                        handle,
                        callback,
                        error_callback,
                    };
                    submit(format!("starmap_async {text}"), command, submits)
                } else {
                    let command = Command::MapAsync {
                        pool,
                        keys,
                        chunksize,
                        handle,
                        callback,
                        error_callback,
                    };
                    submit(format!("map_async {text}"), command, submits)
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
                let text = format!("ready {}", shown(handle));
                Ok(plain(
                    text,
                    Command::Ready {
                        handle: of_handle(handle, env)?,
                    },
                ))
            }
            Action::Successful(handle) => {
                let text = format!("successful {}", shown(handle));
                Ok(plain(
                    text,
                    Command::Successful {
                        handle: of_handle(handle, env)?,
                    },
                ))
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
                let process = process(self.processes);
                self.processes += 1;
                let command = Command::Process {
                    process,
                    key,
                    daemon: *daemon,
                };
                Ok(plain(format!("Process {text}"), command))
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
            Action::Signal {
                process,
                kill: true,
            } => self.on_process("kill", process, env, |process| Command::Kill { process }),
            Action::Signal {
                process,
                kill: false,
            } => self.on_process("terminate", process, env, |process| {
                Command::TerminateProcess { process }
            }),
            Action::Print(_)
            | Action::Sleep(_)
            | Action::Let(_)
            | Action::Check(_)
            | Action::For { .. }
            | Action::If(..) => Err(wrong(step.span, "this step calls nothing")),
        }
    }

    fn pool(&mut self, name: &str, size: Option<&Expr>, env: &Env) -> Result<Call, EvalError> {
        let size = size.map(|size| whole::<u64>(size, env)).transpose()?;
        let made = self
            .pools
            .iter()
            .filter(|p| p.name == name || p.name.starts_with(&format!("{name}#")));
        let unique = match made.count() {
            0 => name.to_owned(),
            n => format!("{name}#{}", n + 1),
        };
        self.current.insert(name.to_owned(), unique.clone());
        self.last = Some(unique.clone());
        self.pools.push(PoolInfo {
            name: unique.clone(),
            size,
        });
        let text = size.map_or("pool".to_owned(), |size| format!("pool of {size}"));
        Ok(plain(text, Command::Pool { pool: unique, size }))
    }

    fn find(&self, step: &Step, named: &Option<Spanned<String>>) -> Result<String, EvalError> {
        let found = match named {
            None => self.last.as_ref(),
            Some(name) => self.current.get(&name.value),
        };
        found.cloned().ok_or_else(|| match named {
            None => wrong(step.span, "no pool has been made yet"),
            Some(name) => wrong(
                name.span,
                format!("no pool `{}` has been made yet", name.value),
            ),
        })
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

    /// A process's name, and the key of its task.
    fn of_process(&self, expr: &Expr, env: &Env) -> Result<(String, Key), EvalError> {
        let value = expr.eval(env)?;
        let Value::Process(number) = value else {
            return Err(wrong(expr.span, format!("{} is no Process", value.repr())));
        };
        // Bare processes are the tasks without a pool, in the order of their making.
        let mut bare = self.tasks.iter().filter(|task| task.pool.is_none());
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        match bare.nth(index) {
            Some(task) => Ok((process(number), task.key)),
            None => Err(wrong(expr.span, "this Process was never made")),
        }
    }

    fn handle(&mut self) -> String {
        self.handles += 1;
        handle(self.handles - 1)
    }

    /// Numbers a task; the job is a new one.
    fn task(
        &mut self,
        pool: Option<&str>,
        call: &TaskCall,
        env: &Env,
    ) -> Result<(Key, String), EvalError> {
        let args: Result<Vec<Value>, EvalError> =
            call.args.iter().map(|arg| arg.eval(env)).collect();
        let args = args?;
        let shown: Vec<String> = args.iter().map(Value::repr).collect();
        let text = format!("{}({})", call.task.value, shown.join(", "));
        self.jobs += 1;
        Ok((self.number(pool, &call.task, args, false)?, text))
    }

    /// Numbers the items of a map.
    fn items(
        &mut self,
        pool: &str,
        call: &MapCall,
        star: bool,
        env: &Env,
    ) -> Result<(Vec<Key>, Option<u64>, String), EvalError> {
        let chunksize = call
            .chunksize
            .as_ref()
            .map(|n| whole::<u64>(n, env))
            .transpose()?;
        let over = items(&call.over, env)?;
        let text = format!("{} over {} items", call.task.value, over.len());
        self.jobs += 1;
        let per_chunk = self.per_chunk(pool, chunksize, over.len());
        let mut keys = Vec::with_capacity(over.len());
        for (index, item) in over.into_iter().enumerate() {
            let args = match (star, item.items()) {
                (false, _) => vec![item],
                (true, Some(args)) => args.to_vec(),
                (true, None) => {
                    let text = format!("starmap needs tuples, {} is none", item.repr());
                    return Err(wrong(call.over.span, text));
                }
            };
            let key = self.number(Some(pool), &call.task, args, false)?;
            if let Some(task) = self.tasks.last_mut() {
                task.chunk = per_chunk.map(|items| index as u64 / items);
            }
            keys.push(key);
        }
        Ok((keys, chunksize, text))
    }

    /// How many items a chunk has: as asked for, or by the contract's rule for this pool's size.
    fn per_chunk(&self, pool: &str, asked: Option<u64>, items: usize) -> Option<u64> {
        let size = self.pools.iter().find(|p| p.name == pool)?.size;
        let by_rule = size.map(|size| (items as u64).div_ceil(size.saturating_mul(4).max(1)));
        asked.or(by_rule).map(|items| items.max(1))
    }

    fn callbacks(
        &mut self,
        pool: &str,
        callbacks: &Callbacks,
    ) -> Result<(Option<Key>, Option<Key>), EvalError> {
        let mut one = |task: &Option<Spanned<String>>| {
            let numbered = task
                .as_ref()
                .map(|task| self.number(Some(pool), task, vec![], true));
            numbered.transpose()
        };
        Ok((one(&callbacks.ok)?, one(&callbacks.error)?))
    }

    fn number(
        &mut self,
        pool: Option<&str>,
        task: &Spanned<String>,
        args: Vec<Value>,
        callback: bool,
    ) -> Result<Key, EvalError> {
        let Some(def) = self.defs.get(task.value.as_str()) else {
            return Err(wrong(
                task.span,
                format!("there is no task `{}`", task.value),
            ));
        };
        // A callback's argument comes from the pool.
        let given = if callback { 1 } else { args.len() };
        if def.params.len() != given {
            let (name, takes) = (&task.value, def.params.len());
            let text = format!("{name}() takes {takes} arguments and is given {given}");
            return Err(wrong(task.span, text));
        }
        let key = self.tasks.len() as Key;
        self.tasks.push(TaskInfo {
            key,
            task: task.value.clone(),
            args,
            pool: pool.map(str::to_owned),
            job: self.jobs - 1,
            chunk: Some(0),
            callback,
            fate: Fate::Never,
            value: None,
        });
        Ok(key)
    }
}

fn handle(number: u64) -> String {
    format!("h{number}")
}

fn process(number: u64) -> String {
    format!("q{number}")
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
