//! Turns a step into the call of the implementation that it stands for: names, numbers and keys.

mod names;

use super::values::{duration, whole};
use crate::case::ast::{Action, MapCall, Span, Spanned, Step, TaskCall, Time, Written};
use crate::case::call::{Convert, Makes, Plain};
use crate::case::expr::{Env, EvalError, Expr, Value};
use crate::history::{Key, PoolInfo};
use crate::protocol::Call;
pub(super) use names::Names;
use names::{Way, handle, iterator, process};

/// Most workers that a pool may be asked for.
const MOST_WORKERS: u64 = 1_000;

/// A call of the implementation, with what it means to the program.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowered {
    /// The step.
    pub span: Span,
    /// The call as people write it: `apply_async func(3)`.
    pub text: String,
    /// The call as the implementation gets it.
    pub command: Call,
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
    ) -> Result<Lowered, EvalError> {
        let own = body.and_then(|key| self.task_of(key)?.pool.clone());
        let last = own.map(|own| self.last.replace(own));
        let call = self.lower(step, env);
        if let Some(last) = last {
            self.last = last;
        }
        call
    }

    fn lower(&mut self, step: &Step, env: &Env) -> Result<Lowered, EvalError> {
        let Action::Call(call) = &step.action else {
            return Err(wrong(step.span, "this step calls nothing"));
        };
        let mut lowering = Lowering {
            names: self,
            step,
            env,
            way: match call {
                Call::Starmap(_) | Call::StarmapAsync(_) => Way::Starmap,
                Call::Imap(_) | Call::ImapUnordered(_) => Way::Imap,
                _ => Way::Map,
            },
            pool: None,
            chunksize: None,
            options: PoolInfo::default(),
            object: None,
            details: String::new(),
            submits: Vec::new(),
            timeout: None,
            makes: None,
        };
        let command = call.convert(&mut lowering)?;
        let Lowering {
            pool,
            object,
            details,
            mut submits,
            timeout,
            makes,
            ..
        } = lowering;
        if let Call::Process { .. } = call {
            // Its task is submitted by its start.
            submits.clear();
        }
        if let Call::Start { process } = call {
            submits = vec![self.of_process(process, env)?.1];
        }
        let mut text = call.method().to_owned();
        if let Some(object) = object.or(pool) {
            text += &format!(" {object}");
        }
        text += &details;
        if let Some(timeout) = timeout {
            text += &format!(", timeout {timeout}");
        }
        Ok(Lowered {
            span: step.span,
            text,
            command,
            submits,
            timeout,
            makes,
        })
    }
}

/// Evaluates the fields of a call.
struct Lowering<'l, 'c> {
    names: &'l mut Names<'c>,
    step: &'l Step,
    env: &'l Env,
    way: Way,
    /// The pool that it is about.
    pool: Option<String>,
    /// Items per chunk.
    chunksize: Option<u64>,
    /// What is asked of a new pool.
    options: PoolInfo,
    /// What it is about, for its text.
    object: Option<String>,
    /// What its text says of a new pool.
    details: String,
    submits: Vec<Key>,
    timeout: Option<Time>,
    makes: Option<Value>,
}

impl Lowering<'_, '_> {
    /// What an operand is called in the text: its name where it has one.
    fn about(&mut self, operand: &Expr) {
        self.object = Some(operand.as_name().unwrap_or("it").to_owned());
    }
}

impl Convert<Written, Plain> for Lowering<'_, '_> {
    type Error = EvalError;

    fn pool(&mut self, pool: &Option<Spanned<String>>) -> Result<String, EvalError> {
        let pool = self.names.find(self.step, pool)?;
        self.pool = Some(pool.clone());
        Ok(pool)
    }

    fn new_pool(&mut self, name: &String) -> Result<String, EvalError> {
        let unique = self.names.new_pool(name, self.options.clone());
        self.options.name.clone_from(&unique);
        Ok(unique)
    }

    fn task(&mut self, call: &TaskCall) -> Result<Key, EvalError> {
        let (key, text) = self.names.task(self.pool.as_deref(), call, self.env)?;
        self.object = Some(text);
        self.submits.push(key);
        Ok(key)
    }

    fn tasks(&mut self, call: &MapCall) -> Result<Vec<Key>, EvalError> {
        let pool = self.pool.clone().unwrap_or_default();
        let items = self
            .names
            .items(&pool, call, self.chunksize, self.way, self.env);
        let (keys, text) = items?;
        self.object = Some(text);
        self.submits.clone_from(&keys);
        Ok(keys)
    }

    fn initializer(&mut self, call: &Option<TaskCall>) -> Result<Option<u64>, EvalError> {
        let Some(call) = call else {
            return Ok(None);
        };
        let (number, text) = self.names.initializer(&self.options.name, call, self.env)?;
        self.details += &format!(", initializer {text}");
        Ok(Some(number))
    }

    fn callback(
        &mut self,
        _: &'static str,
        task: &Option<Spanned<String>>,
    ) -> Result<Option<Key>, EvalError> {
        let pool = self.pool.as_deref();
        let key = task.as_ref().map(|task| self.names.callback(pool, task));
        key.transpose()
    }

    fn handle(&mut self, expr: &Expr) -> Result<String, EvalError> {
        self.about(expr);
        match expr.eval(self.env)? {
            Value::Handle(number) => Ok(handle(number)),
            other => Err(wrong(
                expr.span,
                format!("{} is no handle of a job", other.repr()),
            )),
        }
    }

    fn iterator(&mut self, expr: &Expr) -> Result<String, EvalError> {
        self.about(expr);
        match expr.eval(self.env)? {
            Value::Iterator(number) => Ok(iterator(number)),
            other => Err(wrong(
                expr.span,
                format!("{} is no iterator of an imap", other.repr()),
            )),
        }
    }

    fn process(&mut self, expr: &Expr) -> Result<String, EvalError> {
        self.about(expr);
        Ok(self.names.of_process(expr, self.env)?.0)
    }

    fn made(&mut self, makes: Makes, (): &()) -> Result<String, EvalError> {
        let (name, value) = match makes {
            Makes::Handle => {
                let first = self.submits.first().copied().unwrap_or_default();
                let number = self.names.new_handle(first);
                (handle(number), Value::Handle(number))
            }
            Makes::Iterator => {
                let number = self.names.new_iterator();
                (iterator(number), Value::Iterator(number))
            }
            Makes::Process => {
                let number = self.names.new_process();
                (process(number), Value::Process(number))
            }
        };
        self.makes = Some(value);
        Ok(name)
    }

    fn number(
        &mut self,
        name: &'static str,
        number: &Option<Expr>,
    ) -> Result<Option<u64>, EvalError> {
        let Some(expr) = number else {
            return Ok(None);
        };
        let number = whole::<u64>(expr, self.env)?;
        match name {
            "chunksize" => self.chunksize = Some(number),
            "size" if number > MOST_WORKERS => {
                let text = format!("a case asks for at most {MOST_WORKERS} workers");
                return Err(wrong(expr.span, text));
            }
            "size" => {
                self.options.size = Some(number);
                self.details += &format!(" of {number}");
            }
            "maxtasksperchild" if number == 0 => {
                return Err(wrong(expr.span, "a worker's share is at least one task"));
            }
            "maxtasksperchild" => self.details += &format!(", maxtasksperchild {number}"),
            "retries" => {
                self.details += &format!(", retries {number}");
                // With them, each item is a task of its own.
                self.chunksize = (number > 0).then_some(1);
            }
            "queue" => {
                self.options.queue = Some(number);
                self.details += &format!(", queue {number}");
            }
            _ => {}
        }
        Ok(Some(number))
    }

    fn work(&mut self, work: &Expr) -> Result<String, EvalError> {
        self.about(work);
        match work.eval(self.env)? {
            Value::Handle(number) => Ok(handle(number)),
            Value::Iterator(number) => Ok(iterator(number)),
            other => Err(wrong(
                work.span,
                format!("{} is neither a handle nor an iterator", other.repr()),
            )),
        }
    }

    fn token(&mut self, token: &Spanned<String>) -> Result<String, EvalError> {
        self.object = Some(token.value.clone());
        Ok(token.value.clone())
    }

    fn name(
        &mut self,
        what: &'static str,
        name: &Option<Spanned<String>>,
    ) -> Result<Option<String>, EvalError> {
        let name = name.as_ref().map(|name| name.value.clone());
        if let Some(name) = &name {
            self.details += &format!(", {what} {name}");
        }
        Ok(name)
    }

    fn time(&mut self, name: &'static str, time: &Option<Expr>) -> Result<Option<f64>, EvalError> {
        let Some(expr) = time else {
            return Ok(None);
        };
        let time = duration(expr, self.env)?;
        match name {
            "timeout" => self.timeout = Some(time),
            "deadline" | "expiry" | "max_worker_age" if time == Time(0) => {
                return Err(wrong(
                    expr.span,
                    format!("`{name}: 0` is over before it begins"),
                ));
            }
            _ => self.details += &format!(", {name} {time}"),
        }
        Ok(Some(time.0 as f64 / 1e6))
    }

    fn flag(&mut self, _: &'static str, is: bool) -> Result<bool, EvalError> {
        Ok(is)
    }
}

fn wrong(span: Span, message: impl Into<String>) -> EvalError {
    EvalError {
        span,
        message: message.into(),
    }
}
