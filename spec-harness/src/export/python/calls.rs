//! Calls of the pool, as expressions of Python.

use super::plan::{Pool, fails};
use super::{Class, Export, errors, foreseen};
use crate::case::Diagnostic;
use crate::case::ast::{Action, Callbacks, Kind, MapCall, Spanned, Step, TaskCall};
use crate::case::expr::Expr;

impl Export<'_> {
    /// A step that calls the pool, with what is made of its result.
    pub(super) fn call(&mut self, step: &Step) {
        let Some(call) = self.called(step) else {
            return;
        };
        let call = match (&step.bind, &step.into) {
            (Some(name), _) => format!("{} = {call}", self.words.variable(name)),
            (None, Some(list)) => format!("{}.append({call})", self.words.variable(list)),
            (None, None) => call,
        };
        let foreseen = self.foreseen.as_deref();
        let takes = match &step.takes {
            // CPython's pools take another time.
            _ if foreseen.is_some_and(|history| foreseen::is_unmet(history, step.span)) => {
                String::new()
            }
            Some(takes) if takes.value.0 == 0 => "  # does not block".to_owned(),
            Some(takes) => format!("  # takes {}", takes.value),
            None => String::new(),
        };
        let Some(raises) = &step.raises else {
            return self.line(format!("{call}{takes}"));
        };
        let class = match (&step.action, raises.value.as_str()) {
            // A thread that would join itself is refused by the thread, not by the pool.
            (Action::Join(..), "WouldDeadlock") => Ok(Class::Known("RuntimeError")),
            (_, name) => errors::of_step(name, self.kind),
        };
        let otherwise = |history| !foreseen::raises(history, step.span, &raises.value);
        match class {
            Ok(_) if foreseen.is_some_and(otherwise) => {
                let why = format!("CPython's pools do not end this step by `{}`", raises.value);
                self.refuse(raises.span, why);
            }
            Ok(class) => {
                let class = self.class(class, &raises.value);
                self.line(format!("with raises({class}):  # {}", raises.value));
                self.indent += 1;
                self.line(format!("{call}{takes}"));
                self.indent -= 1;
            }
            Err(why) => self.refuse(raises.span, why),
        }
    }

    /// The call of a step as an expression.
    fn called(&mut self, step: &Step) -> Option<String> {
        if let Action::ApplyAsync(.., Some(timeout))
        | Action::MapAsync {
            timeout: Some(timeout),
            ..
        } = &step.action
        {
            self.refuse(timeout.span, "CPython's pools let everything in at once");
        }
        let words = &self.words;
        Some(match &step.action {
            Action::Pool {
                name,
                size,
                maxtasksperchild,
                initializer,
                queue,
            } => {
                if let Some(places) = queue {
                    let why = "the queue of CPython's pools has no bound";
                    self.problems.push(Diagnostic::new(places.span, why));
                }
                if let Some(call) = initializer
                    && let Some(task) = self.tasks.get(call.task.value.as_str())
                    && fails(&task.body)
                {
                    let why =
                        "an initializer that may fail: CPython's pools start workers for ever";
                    self.problems.push(Diagnostic::new(call.task.span, why));
                }
                if let Some(share) = maxtasksperchild
                    && self.kind == Kind::Thread
                {
                    let why = "CPython's ThreadPool gives its threads no share of tasks";
                    self.problems.push(Diagnostic::new(share.span, why));
                }
                let size = size.as_ref().map(|size| words.expr(size));
                let share = maxtasksperchild
                    .as_ref()
                    .map(|share| format!("maxtasksperchild={}", words.expr(share)));
                let initializer = initializer.as_ref().map(|call| {
                    let args = call.args.iter().map(|arg| words.expr(arg));
                    let args: String = args.map(|arg| arg + ", ").collect();
                    let task = words.task(&call.task.value);
                    match args.trim_end() {
                        "" => format!("initializer={task}"),
                        args => format!("initializer={task}, initargs=({args})"),
                    }
                });
                let arguments = size.into_iter().chain(initializer).chain(share);
                let arguments = arguments.collect::<Vec<String>>().join(", ");
                let pool = words.pool(name);
                self.pool = Pool::Last(name.clone());
                format!("{pool} = Pool({arguments})")
            }
            Action::Apply(pool, call) => {
                let (task, args) = self.work(call);
                format!("{}.apply({task}, {args})", self.pool(step, pool)?)
            }
            Action::ApplyAsync(pool, call, callbacks, _) => {
                let (task, args) = self.work(call);
                let callbacks = self.callbacks(callbacks);
                format!(
                    "{}.apply_async({task}, {args}{callbacks})",
                    self.pool(step, pool)?
                )
            }
            Action::Map { pool, call, star } => {
                let (name, call) = (if *star { "starmap" } else { "map" }, self.items(call));
                format!("{}.{name}({call})", self.pool(step, pool)?)
            }
            Action::MapAsync {
                pool,
                call,
                star,
                callbacks,
                ..
            } => {
                let name = if *star { "starmap_async" } else { "map_async" };
                let (call, callbacks) = (self.items(call), self.callbacks(callbacks));
                format!("{}.{name}({call}{callbacks})", self.pool(step, pool)?)
            }
            Action::Imap {
                pool,
                call,
                read_ahead,
                unordered,
                endless,
            } => {
                if *endless {
                    self.refuse(step.span, "an input that never ends");
                }
                if let Some(bound) = read_ahead {
                    self.refuse(
                        bound.span,
                        "CPython's imap reads its whole input at once, whatever bound is asked for",
                    );
                }
                let (name, call) = (
                    if *unordered { "imap_unordered" } else { "imap" },
                    self.items(call),
                );
                format!("{}.{name}({call})", self.pool(step, pool)?)
            }
            Action::Next(iterator, None) => format!("next({})", words.expr(iterator)),
            Action::Next(iterator, timeout) => {
                format!("{}.next({})", words.factor(iterator), self.timeout(timeout))
            }
            Action::Get(handle, timeout) => {
                format!("{}.get({})", words.factor(handle), self.timeout(timeout))
            }
            Action::Wait(handle, timeout) => {
                format!("{}.wait({})", words.factor(handle), self.timeout(timeout))
            }
            Action::Ready(handle) => format!("{}.ready()", words.factor(handle)),
            Action::Successful(handle) => format!("{}.successful()", words.factor(handle)),
            Action::Close(pool) => format!("{}.close()", self.pool(step, pool)?),
            Action::Terminate(pool) => format!("{}.terminate()", self.pool(step, pool)?),
            Action::Join(pool, None) => format!("{}.join()", self.pool(step, pool)?),
            Action::Join(_, Some(timeout)) => {
                self.refuse(timeout.span, "CPython's `join` of a pool has no timeout");
                return None;
            }
            Action::Drop(pool) => format!("del {}", self.pool(step, pool)?),
            Action::Process { call, daemon } => {
                let (task, args) = self.work(call);
                // The twin on threads is made without the word.
                if *daemon && self.kind == Kind::Thread {
                    self.refuse(step.span, "a daemon among threads is not made by a word");
                }
                let daemon = if *daemon { ", daemon=True" } else { "" };
                format!("Process(target={task}, args={args}{daemon})")
            }
            Action::Start(process) => format!("{}.start()", words.factor(process)),
            Action::JoinProcess(process, timeout) => {
                format!("{}.join({})", words.factor(process), self.timeout(timeout))
            }
            Action::IsAlive(process) => format!("{}.is_alive()", words.factor(process)),
            Action::ExitCode(process) => format!("{}.exitcode", words.factor(process)),
            Action::Signal { process, kill } => {
                let name = if *kill { "kill" } else { "terminate" };
                format!("{}.{name}()", words.factor(process))
            }
            Action::KillWorker(_)
            | Action::Print(_)
            | Action::Sleep(_)
            | Action::Let(_)
            | Action::Check(_)
            | Action::For { .. }
            | Action::If(..) => return None,
        })
    }

    fn pool(&mut self, step: &Step, named: &Option<Spanned<String>>) -> Option<String> {
        let name = match (named, &self.pool) {
            (Some(name), _) => &name.value,
            (None, Pool::Last(name)) => name,
            (None, Pool::None | Pool::Unsure) => {
                self.refuse(
                    step.span,
                    "which pool is meant depends on what was done before, or on who calls: name it by `on`",
                );
                return None;
            }
        };
        Some(self.words.pool(name))
    }

    /// A task, and its arguments as a tuple.
    fn work(&self, call: &TaskCall) -> (String, String) {
        let args: Vec<String> = call.args.iter().map(|arg| self.words.expr(arg)).collect();
        let comma = if args.len() == 1 { "," } else { "" };
        (
            self.words.task(&call.task.value),
            format!("({}{comma})", args.join(", ")),
        )
    }

    fn items(&self, call: &MapCall) -> String {
        let chunks = call.chunksize.as_ref();
        let chunks = chunks.map(|size| format!(", chunksize={}", self.words.expr(size)));
        format!(
            "{}, {}{}",
            self.words.task(&call.task.value),
            self.words.items(&call.over),
            chunks.unwrap_or_default()
        )
    }

    fn callbacks(&mut self, callbacks: &Callbacks) -> String {
        let mut text = String::new();
        if let Some(name) = &callbacks.ok {
            text += &format!(", callback={}", self.words.task(&name.value));
        }
        if let Some(name) = &callbacks.error {
            text += &format!(
                ", error_callback=lambda error: {}(str(error))",
                self.words.task(&name.value)
            );
        }
        for name in [&callbacks.ok, &callbacks.error].into_iter().flatten() {
            if self
                .tasks
                .get(name.value.as_str())
                .is_some_and(|task| fails(&task.body))
            {
                self.refuse(
                    name.span,
                    "CPython's pool waits for ever after a callback that fails",
                );
            }
        }
        text
    }

    fn timeout(&self, timeout: &Option<Expr>) -> String {
        let timeout = timeout.as_ref();
        timeout
            .map(|units| format!("{} * UNIT", self.words.factor(units)))
            .unwrap_or_default()
    }
}
