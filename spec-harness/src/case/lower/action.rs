//! What a step does: the value of its own key, and the keys that belong to it.

use super::Lower;
use super::fields::Fields;
use super::scalar::advised;
use crate::case::ast::{Action, Callbacks, MapCall, Spanned, Step, TaskCall};
use crate::case::diagnostic::Diagnostic;
use crate::case::expr::{self, Expr};
use crate::case::language::{Form, POOL};
use crate::case::yaml::{Kind, Node};

impl Lower {
    pub(super) fn action(
        &mut self,
        form: &'static Form,
        key: &Spanned<String>,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<Action> {
        Some(match form.name() {
            "pool" => return self.new_pool(value),
            "apply" => {
                let on = self.on_pool(fields);
                Action::Apply(on, self.task_call(key, value)?)
            }
            "apply_async" => {
                let (on, callbacks) = (self.on_pool(fields), self.callbacks(fields));
                let timeout = self.timeout(fields);
                Action::ApplyAsync(on, self.task_call(key, value)?, callbacks, timeout)
            }
            "map" | "starmap" => {
                let pool = self.on_pool(fields);
                let call = self.map_call(key, value, fields)?;
                Action::Map {
                    pool,
                    call,
                    star: form.name() == "starmap",
                }
            }
            "map_async" | "starmap_async" => {
                let (pool, callbacks) = (self.on_pool(fields), self.callbacks(fields));
                let timeout = self.timeout(fields);
                let call = self.map_call(key, value, fields)?;
                Action::MapAsync {
                    pool,
                    call,
                    star: form.name() == "starmap_async",
                    callbacks,
                    timeout,
                }
            }
            "imap" | "imap_unordered" => {
                let pool = self.on_pool(fields);
                let read_ahead = fields
                    .take("read_ahead")
                    .and_then(|node| self.expr(node, "`read_ahead`"));
                let endless = fields
                    .take("endless")
                    .and_then(|node| self.boolean(node, "`endless`"));
                let call = self.map_call(key, value, fields)?;
                Action::Imap {
                    pool,
                    call,
                    read_ahead,
                    unordered: form.name() == "imap_unordered",
                    endless: endless.unwrap_or(false),
                }
            }
            "next" => {
                let timeout = self.timeout(fields);
                Action::Next(self.operand(key, value, "an iterator")?, timeout)
            }
            "get" => {
                let timeout = self.timeout(fields);
                Action::Get(self.operand(key, value, "a handle")?, timeout)
            }
            "wait" => {
                let timeout = self.timeout(fields);
                Action::Wait(self.operand(key, value, "a handle")?, timeout)
            }
            "ready" => Action::Ready(self.operand(key, value, "a handle")?),
            "successful" => Action::Successful(self.operand(key, value, "a handle")?),
            "close" => Action::Close(self.named_pool(value, fields)),
            "terminate" => Action::Terminate(self.named_pool(value, fields)),
            "drop" => Action::Drop(self.named_pool(value, fields)),
            "join" => {
                let timeout = self.timeout(fields);
                Action::Join(self.named_pool(value, fields), timeout)
            }
            "process" => {
                let daemon = fields
                    .take("daemon")
                    .and_then(|node| self.boolean(node, "`daemon`"));
                let call = self.task_call(key, value)?;
                Action::Process {
                    call,
                    daemon: daemon.unwrap_or(false),
                }
            }
            "start" => Action::Start(self.operand(key, value, "a process")?),
            "join_process" => {
                let timeout = self.timeout(fields);
                Action::JoinProcess(self.operand(key, value, "a process")?, timeout)
            }
            "is_alive" => Action::IsAlive(self.operand(key, value, "a process")?),
            "exitcode" => Action::ExitCode(self.operand(key, value, "a process")?),
            "terminate_process" | "kill" => {
                let process = self.operand(key, value, "a process")?;
                Action::Signal {
                    process,
                    kill: form.name() == "kill",
                }
            }
            "kill_worker" => Action::KillWorker(self.operand(key, value, "a handle")?),
            "print" => Action::Print(match value {
                Some(node) => self.template(node, "what is printed")?,
                None => {
                    self.report(
                        Diagnostic::new(key.span, "`print` of what?")
                            .help("an empty line is written `print: \"\"`"),
                    );
                    return None;
                }
            }),
            "sleep" => Action::Sleep(self.operand(key, value, "a time")?),
            "let" => Action::Let(match value {
                Some(node) => self.bindings(node, "`let`"),
                None => Vec::new(),
            }),
            "check" => Action::Check(self.operand(key, value, "a condition")?),
            "for" => return self.for_each(key, value, fields),
            _ => return self.condition(key, value, fields),
        })
    }

    /// `pool`, `pool: 2`, `pool: {size: 2, name: p, maxtasksperchild: 3}`.
    fn new_pool(&mut self, value: Option<&Node>) -> Option<Action> {
        let plain = |size| Action::Pool {
            name: "pool".to_owned(),
            size,
            maxtasksperchild: None,
            initializer: None,
            queue: None,
        };
        let Some(node) = value else {
            return Some(plain(None));
        };
        if !matches!(node.kind, Kind::Mapping(_)) {
            let size = self.expr(node, "the size of a pool")?;
            return Some(plain(Some(size)));
        }
        let mut fields = self.fields(node, "a pool")?;
        let mut number = |key: &str, what: &str| fields.take(key).map(|node| self.expr(node, what));
        let size = number("size", "the size of a pool");
        let share = number("maxtasksperchild", "`maxtasksperchild`");
        let queue = number("queue", "`queue`");
        let name = fields
            .take("name")
            .map(|node| self.name(node, "the name of a pool"));
        let initializer = fields.take("initializer").map(|node| self.called(node));
        self.finish(fields, POOL);
        Some(Action::Pool {
            name: whole(name)?.map_or("pool".to_owned(), |name| name.value),
            size: whole(size)?,
            maxtasksperchild: whole(share)?,
            initializer: whole(initializer)?,
            queue: whole(queue)?,
        })
    }

    fn on_pool(&mut self, fields: &mut Fields<'_>) -> Option<Spanned<String>> {
        fields
            .take("on")
            .and_then(|node| self.name(node, "the name of a pool"))
    }

    /// The pool of `close: p`, or of `close` with `on: p`.
    fn named_pool(
        &mut self,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<Spanned<String>> {
        let on = self.on_pool(fields);
        let named = value.and_then(|node| self.name(node, "the name of a pool"));
        if let (Some(on), Some(named)) = (&on, &named) {
            self.report(
                Diagnostic::new(on.span, "the pool is named twice").also(named.span, "first here"),
            );
        }
        named.or(on)
    }

    fn timeout(&mut self, fields: &mut Fields<'_>) -> Option<Expr> {
        fields
            .take("timeout")
            .and_then(|node| self.expr(node, "`timeout`"))
    }

    fn callbacks(&mut self, fields: &mut Fields<'_>) -> Callbacks {
        let mut take = |key: &str| {
            fields
                .take(key)
                .and_then(|node| self.name(node, "the name of a callback"))
        };
        Callbacks {
            ok: take("callback"),
            error: take("error_callback"),
        }
    }

    /// The expression that a step is about.
    fn operand(&mut self, key: &Spanned<String>, value: Option<&Node>, what: &str) -> Option<Expr> {
        match value {
            Some(node) => self.expr(node, what),
            None => {
                self.report(
                    Diagnostic::new(key.span, format!("`{}` of what?", key.value))
                        .help(format!("it needs {what}")),
                );
                None
            }
        }
    }

    /// `func(i, 2)`.
    fn task_call(&mut self, key: &Spanned<String>, value: Option<&Node>) -> Option<TaskCall> {
        let Some(node) = value else {
            self.report(
                Diagnostic::new(key.span, format!("`{}` of what?", key.value))
                    .help(format!("write `{}: func(1)`", key.value)),
            );
            return None;
        };
        self.called(node)
    }

    fn called(&mut self, node: &Node) -> Option<TaskCall> {
        let scalar = self.scalar(node, "a call of a task")?;
        let (task, args) = self.accept(expr::call(&scalar.text, scalar.at))?;
        Some(TaskCall { task, args })
    }

    /// `map: func` with `over` and `chunksize`.
    fn map_call(
        &mut self,
        key: &Spanned<String>,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<MapCall> {
        let over = fields.take("over").map(|node| self.expr(node, "`over`"));
        let chunksize = fields
            .take("chunksize")
            .and_then(|node| self.expr(node, "`chunksize`"));
        let TaskCall { task, args } = self.task_call(key, value)?;
        if let Some(arg) = args.first() {
            self.report(
                Diagnostic::new(arg.span, format!("`{}` names the task alone", key.value))
                    .help("the arguments come from `over`"),
            );
            return None;
        }
        let Some(over) = over else {
            self.report(
                Diagnostic::new(key.span, format!("`{}` over what?", key.value))
                    .help("say it beside the step: `over: range(6)`"),
            );
            return None;
        };
        Some(MapCall {
            task,
            over: over?,
            chunksize,
        })
    }

    /// `for: i in range(10)` with `do`.
    fn for_each(
        &mut self,
        key: &Spanned<String>,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<Action> {
        let body = self.branch(key, fields, "do");
        let Some(node) = value else {
            self.report(
                Diagnostic::new(key.span, "`for` of what?").help("write `for: i in range(10)`"),
            );
            return None;
        };
        let scalar = self.scalar(node, "a loop")?;
        let parsed = expr::for_each(&scalar.text, scalar.at);
        let (var, over) = self.accept(parsed.map_err(|error| advised(error, &scalar.text)))?;
        Some(Action::For {
            var: var.value,
            over,
            body: body?,
        })
    }

    /// `if: x > 0` with `then` and `else`.
    fn condition(
        &mut self,
        key: &Spanned<String>,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<Action> {
        let then = self.branch(key, fields, "then");
        let otherwise = fields.take("else").map(|node| self.steps(node, "`else`"));
        let condition = self.operand(key, value, "a condition")?;
        Some(Action::If(condition, then?, otherwise.unwrap_or_default()))
    }

    /// The steps under `do` or `then`, which must be there.
    fn branch(
        &mut self,
        key: &Spanned<String>,
        fields: &mut Fields<'_>,
        name: &str,
    ) -> Option<Vec<Step>> {
        match fields.take(name) {
            Some(node) => Some(self.steps(node, &format!("`{name}`"))),
            None => {
                self.report(
                    Diagnostic::new(key.span, format!("this `{}` has no `{name}`", key.value))
                        .help(format!("write its steps as a list under `{name}:`")),
                );
                None
            }
        }
    }
}

/// A part that may be left out. One that is there and wrong was reported: what is made without it would be
/// another thing.
#[expect(
    clippy::option_option,
    reason = "the outer one says whether it is there"
)]
fn whole<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    part.map_or(Some(None), |part| part.map(Some))
}
