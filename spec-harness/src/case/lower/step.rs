//! The steps of the main program.

use super::Lower;
use super::fields::Fields;
use super::scalar::across;
use crate::case::ast::{Action, Callbacks, MapCall, Spanned, Step, TaskCall};
use crate::case::diagnostic::Diagnostic;
use crate::case::expr::{self, Expr};
use crate::case::suggest::did_you_mean;
use crate::case::yaml::{Kind, Node};

/// One kind of step: what may stand beside its key.
struct Form {
    name: &'static str,
    /// Keys of its own.
    keys: &'static [&'static str],
    /// Whether it calls the implementation: then it may say `takes`, `raises` and `blocks`.
    calls: bool,
    /// Whether it has a result that `as` and `into` can keep.
    yields: bool,
    /// Whether it may be one word without a value.
    bare: bool,
}

const fn form(name: &'static str, keys: &'static [&'static str], traits: &str) -> Form {
    let (mut calls, mut yields, mut bare) = (false, false, false);
    let mut i = 0;
    while i < traits.len() {
        match traits.as_bytes()[i] {
            b'c' => calls = true,
            b'y' => yields = true,
            _ => bare = true,
        }
        i += 1;
    }
    Form {
        name,
        keys,
        calls,
        yields,
        bare,
    }
}

/// Every kind of step. The letters say: calls the implementation, yields a result, may be bare.
const FORMS: [Form; 28] = [
    form("pool", &[], "cb"),
    form("apply", &["on"], "cy"),
    form("apply_async", &["on", "callback", "error_callback"], "cy"),
    form("map", &["over", "chunksize", "on"], "cy"),
    form(
        "map_async",
        &["over", "chunksize", "on", "callback", "error_callback"],
        "cy",
    ),
    form("starmap", &["over", "chunksize", "on"], "cy"),
    form(
        "starmap_async",
        &["over", "chunksize", "on", "callback", "error_callback"],
        "cy",
    ),
    form("get", &["timeout"], "cy"),
    form("wait", &["timeout"], "c"),
    form("ready", &[], "cy"),
    form("successful", &[], "cy"),
    form("close", &["on"], "cb"),
    form("terminate", &["on"], "cb"),
    form("join", &["on", "timeout"], "cb"),
    form("drop", &["on"], "cb"),
    form("process", &["daemon"], "cy"),
    form("start", &[], "c"),
    form("join_process", &["timeout"], "c"),
    form("is_alive", &[], "cy"),
    form("exitcode", &[], "cy"),
    form("terminate_process", &[], "c"),
    form("kill", &[], "c"),
    form("print", &[], ""),
    form("sleep", &[], ""),
    form("let", &[], ""),
    form("check", &[], ""),
    form("for", &["do"], ""),
    form("if", &["then", "else"], ""),
];

impl Form {
    fn named(name: &str) -> Option<&'static Form> {
        FORMS.iter().find(|form| form.name == name)
    }

    /// Whether another thread of the program can do it (`in: t1`).
    fn threaded(&self) -> bool {
        self.calls || matches!(self.name, "print" | "sleep")
    }

    /// Every key that may stand in such a step.
    fn known(&self) -> Vec<&'static str> {
        let mut known = vec![self.name];
        known.extend(self.keys);
        if self.yields {
            known.extend(["as", "into"]);
        }
        if self.calls {
            known.extend(["takes", "raises", "blocks"]);
        }
        if self.threaded() {
            known.push("in");
        }
        known
    }
}

/// Keys that stand beside a step's own key.
const MODIFIERS: [&str; 16] = [
    "as",
    "into",
    "takes",
    "raises",
    "blocks",
    "in",
    "on",
    "over",
    "chunksize",
    "callback",
    "error_callback",
    "timeout",
    "daemon",
    "do",
    "then",
    "else",
];

impl Lower {
    /// A list of steps.
    pub(super) fn steps(&mut self, node: &Node, what: &str) -> Vec<Step> {
        let Some(items) = self.list(node, what) else {
            return Vec::new();
        };
        items.iter().filter_map(|item| self.step(item)).collect()
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        if let Kind::Scalar(scalar) = &node.kind {
            let word = self.scalar(node, "a step").map(|_| &scalar.text)?;
            let key = Spanned {
                value: word.clone(),
                span: node.span,
            };
            let form = self.form(&key)?;
            if !form.bare {
                self.report(
                    Diagnostic::new(node.span, format!("`{word}` of what?"))
                        .help(format!("write `- {word}: ...`")),
                );
                return None;
            }
            let mut nothing = Fields::none(node.span);
            let action = self.action(form, &key, None, &mut nothing)?;
            return Some(step(node.span, action));
        }
        let mut fields = self.fields(node, "a step")?;
        let key = self.action_key(&fields)?;
        let form = self.form(&key)?;
        let value = fields.take(&key.value)?;
        let span = if value.scalar().is_some() {
            across(key.span, value.span)
        } else {
            key.span
        };
        let value = (!value.is_null()).then_some(value);

        let action = self.action(form, &key, value, &mut fields);
        let modified = self.modifiers(form, &mut fields);
        self.leftovers(form, fields);
        let mut step = step(span, action?);
        modified(&mut step);
        self.contradictions(&step);
        Some(step)
    }

    /// The key that says what a step does.
    fn action_key(&mut self, fields: &Fields<'_>) -> Option<Spanned<String>> {
        let mut actions = fields
            .keys()
            .filter(|key| Form::named(&key.value).is_some());
        if let Some(first) = actions.next() {
            if let Some(second) = actions.next() {
                let message = format!(
                    "one step does both `{}` and `{}`",
                    first.value, second.value
                );
                self.report(
                    Diagnostic::new(second.span, message)
                        .also(first.span, "it already does this")
                        .help("each step is an item of its own: begin it with `- `"),
                );
            }
            return Some(first.clone());
        }
        let unknown = fields
            .keys()
            .find(|key| !MODIFIERS.contains(&key.value.as_str()));
        match unknown.or_else(|| fields.keys().next()) {
            Some(key) => self.form(key).map(|_| key.clone()),
            None => {
                self.report(Diagnostic::new(fields.span(), "a step is missing"));
                None
            }
        }
    }

    /// The form of this name, or an error.
    fn form(&mut self, key: &Spanned<String>) -> Option<&'static Form> {
        let form = Form::named(&key.value);
        if form.is_none() {
            let names = FORMS.iter().map(|form| form.name);
            let problem = if MODIFIERS.contains(&key.value.as_str()) {
                Diagnostic::new(key.span, format!("`{}` alone is no step", key.value))
                    .help("it stands beside a step, without a `- ` of its own")
            } else {
                Diagnostic::new(key.span, format!("unknown step `{}`", key.value))
                    .help(format!(
                        "a step is one of: {}",
                        names.clone().collect::<Vec<_>>().join(", ")
                    ))
                    .maybe_help(did_you_mean(&key.value, names))
            };
            self.report(problem);
        }
        form
    }

    /// What all steps may say beside their action; gives back what to do to the step.
    fn modifiers(
        &mut self,
        form: &Form,
        fields: &mut Fields<'_>,
    ) -> impl FnOnce(&mut Step) + use<> {
        let mut take = |key: &str, allowed: bool| if allowed { fields.take(key) } else { None };
        let (thread, bind, into) = (
            take("in", form.threaded()),
            take("as", form.yields),
            take("into", form.yields),
        );
        let (takes, raises, blocks) = (
            take("takes", form.calls),
            take("raises", form.calls),
            take("blocks", form.calls),
        );
        let thread = thread.and_then(|node| self.name(node, "the name of a thread"));
        let bind = bind.and_then(|node| self.name(node, "the name of a variable"));
        let into = into.and_then(|node| self.name(node, "the name of a variable"));
        let takes = takes.and_then(|node| self.time(node, "`takes`"));
        let raises = raises.and_then(|node| self.name(node, "the name of an error"));
        let blocks = blocks.is_some_and(|node| {
            let forever = node.scalar().is_some_and(|scalar| scalar.text == "forever");
            if !forever {
                self.wrong(node, "`blocks`", "`forever`");
            }
            forever
        });
        move |step| {
            step.thread = thread.map(|name| name.value);
            step.bind = bind.map(|name| name.value);
            step.into = into.map(|name| name.value);
            step.takes = takes;
            step.raises = raises;
            step.blocks = blocks;
        }
    }

    /// Reports what nobody has taken.
    fn leftovers(&mut self, form: &Form, mut fields: Fields<'_>) {
        let known = form.known();
        for (key, _) in fields.take_all() {
            if Form::named(&key.value).is_some() && !known.contains(&key.value.as_str()) {
                continue; // Reported as a second action.
            }
            let what = if MODIFIERS.contains(&key.value.as_str()) {
                format!("`{}` does not go with `{}`", key.value, form.name)
            } else {
                format!("unknown key `{}` in a step `{}`", key.value, form.name)
            };
            let list = known[1..].join(", ");
            let help = if list.is_empty() {
                format!("`{}` stands alone", form.name)
            } else {
                format!("beside `{}` can stand: {list}", form.name)
            };
            self.report(
                Diagnostic::new(key.span, what)
                    .help(help)
                    .maybe_help(did_you_mean(&key.value, known.iter().copied())),
            );
        }
    }

    /// Modifiers that cannot hold together.
    fn contradictions(&mut self, step: &Step) {
        let clash = match (&step.raises, step.blocks, &step.takes) {
            (Some(raises), true, _) => Some((raises.span, "`raises`", "`blocks: forever`")),
            (_, true, Some(takes)) => Some((takes.span, "`takes`", "`blocks: forever`")),
            _ => None,
        };
        if let Some((span, one, other)) = clash {
            self.report(
                Diagnostic::new(span, format!("{one} contradicts {other}"))
                    .help("a step that never returns has no outcome"),
            );
        }
        if let Some(raises) = &step.raises
            && (step.bind.is_some() || step.into.is_some())
        {
            self.report(
                Diagnostic::new(raises.span, "a step that raises has no result to keep")
                    .help("leave out `as` or `into`"),
            );
        }
    }

    fn action(
        &mut self,
        form: &'static Form,
        key: &Spanned<String>,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<Action> {
        Some(match form.name {
            "pool" => return self.new_pool(value),
            "apply" => {
                let on = self.on_pool(fields);
                Action::Apply(on, self.task_call(key, value)?)
            }
            "apply_async" => {
                let (on, callbacks) = (self.on_pool(fields), self.callbacks(fields));
                Action::ApplyAsync(on, self.task_call(key, value)?, callbacks)
            }
            "map" | "starmap" => {
                let pool = self.on_pool(fields);
                let call = self.map_call(key, value, fields)?;
                Action::Map {
                    pool,
                    call,
                    star: form.name == "starmap",
                }
            }
            "map_async" | "starmap_async" => {
                let (pool, callbacks) = (self.on_pool(fields), self.callbacks(fields));
                let call = self.map_call(key, value, fields)?;
                Action::MapAsync {
                    pool,
                    call,
                    star: form.name == "starmap_async",
                    callbacks,
                }
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
                    kill: form.name == "kill",
                }
            }
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

    /// `pool`, `pool: 2`, `pool: {size: 2, name: p}`.
    fn new_pool(&mut self, value: Option<&Node>) -> Option<Action> {
        let default = || "pool".to_owned();
        let Some(node) = value else {
            return Some(Action::Pool {
                name: default(),
                size: None,
            });
        };
        if !matches!(node.kind, Kind::Mapping(_)) {
            let size = self.expr(node, "the size of a pool")?;
            return Some(Action::Pool {
                name: default(),
                size: Some(size),
            });
        }
        let mut fields = self.fields(node, "a pool")?;
        let size = fields
            .take("size")
            .map(|node| self.expr(node, "the size of a pool"));
        let name = fields
            .take("name")
            .map(|node| self.name(node, "the name of a pool"));
        self.finish(fields, &["size", "name"]);
        let size = match size {
            Some(size) => Some(size?),
            None => None,
        };
        let name = match name {
            Some(name) => name?.value,
            None => default(),
        };
        Some(Action::Pool { name, size })
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
        let (var, over) = self.accept(expr::for_each(&scalar.text, scalar.at))?;
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

/// A step that says nothing but what it does.
fn step(span: crate::case::ast::Span, action: Action) -> Step {
    Step {
        span,
        thread: None,
        takes: None,
        raises: None,
        blocks: false,
        bind: None,
        into: None,
        action,
    }
}
