//! What a step does: the value of its own key, and the keys that belong to it.

use std::convert::Infallible;

use super::Lower;
use super::fields::Fields;
use super::scalar::advised;
use crate::case::ast::{Action, MapCall, Spanned, Step, TaskCall, Written};
use crate::case::call::{Blank, Call, Convert, Makes};
use crate::case::diagnostic::Diagnostic;
use crate::case::expr::{self, Expr, Value};
use crate::case::language::{Form, POOL, Shape};
use crate::case::yaml::{Kind, Node};

impl Lower {
    pub(super) fn action(
        &mut self,
        form: &'static Form,
        key: &Spanned<String>,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<Action> {
        if let Some(call) = &form.call {
            return self.call(form, call, key, value, fields);
        }
        Some(match form.name() {
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

    /// A call of the implementation, field by field.
    fn call(
        &mut self,
        form: &'static Form,
        call: &Call<Blank>,
        key: &Spanned<String>,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<Action> {
        // Options of a pool stand in braces: `pool: {size: 2, name: p}`.
        if let (Shape::NewPool, Some(node)) = (form.word.shape, value)
            && matches!(node.kind, Kind::Mapping(_))
        {
            let mut options = self.fields(node, "a pool")?;
            let made = self.read(form, call, key, None, &mut options);
            self.finish(options, POOL);
            return made;
        }
        if let (Shape::Nothing, Some(node)) = (form.word.shape, value) {
            let message = format!("`{}` has no value", key.value);
            self.report(Diagnostic::new(node.span, message).help("it stands alone"));
            return None;
        }
        self.read(form, call, key, value, fields)
    }

    fn read(
        &mut self,
        form: &'static Form,
        call: &Call<Blank>,
        key: &Spanned<String>,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<Action> {
        let mut reader = Reader {
            lower: self,
            form,
            key,
            value,
            fields,
            lacks: false,
        };
        let Ok(call) = call.convert(&mut reader);
        (!reader.lacks).then_some(Action::Call(call))
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

    /// `map: func` with `over`.
    fn map_call(
        &mut self,
        key: &Spanned<String>,
        value: Option<&Node>,
        fields: &mut Fields<'_>,
    ) -> Option<MapCall> {
        let over = fields.take("over").map(|node| self.expr(node, "`over`"));
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
        Some(MapCall { task, over: over? })
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

/// Reads the fields of a call. What is wrong is reported where it stands; a placeholder keeps the place of what a call cannot be
/// without, so that all its fields are read.
struct Reader<'r, 'n> {
    lower: &'r mut Lower,
    form: &'static Form,
    key: &'r Spanned<String>,
    value: Option<&'r Node>,
    fields: &'r mut Fields<'n>,
    /// Something is missing that the call cannot be without.
    lacks: bool,
}

impl Reader<'_, '_> {
    fn needed<T>(&mut self, read: Option<T>, placeholder: impl FnOnce(&Self) -> T) -> T {
        match read {
            Some(read) => read,
            None => {
                self.lacks = true;
                placeholder(self)
            }
        }
    }

    fn operand(&mut self, what: &str) -> Expr {
        let read = self.lower.operand(self.key, self.value, what);
        self.needed(read, |reader| Expr::literal(Value::None, reader.key.span))
    }

    fn no_task(&self) -> TaskCall {
        TaskCall {
            task: self.key.clone(),
            args: Vec::new(),
        }
    }

    fn expr(&mut self, name: &str) -> Option<Expr> {
        let node = self.fields.take(name)?;
        self.lower.expr(node, &format!("`{name}`"))
    }
}

impl Convert<Blank, Written> for Reader<'_, '_> {
    type Error = Infallible;

    /// `on: p`; or the value of a step that is about a pool alone.
    fn pool(&mut self, (): &()) -> Result<Option<Spanned<String>>, Infallible> {
        Ok(match self.form.word.shape {
            Shape::PoolName => self.lower.named_pool(self.value, self.fields),
            _ => self.lower.on_pool(self.fields),
        })
    }

    fn new_pool(&mut self, (): &()) -> Result<String, Infallible> {
        let node = self.fields.take("name");
        let name = node.and_then(|node| self.lower.name(node, "the name of a pool"));
        Ok(name.map_or("pool".to_owned(), |name| name.value))
    }

    fn task(&mut self, (): &()) -> Result<TaskCall, Infallible> {
        let read = self.lower.task_call(self.key, self.value);
        Ok(self.needed(read, Self::no_task))
    }

    fn tasks(&mut self, (): &()) -> Result<MapCall, Infallible> {
        let read = self.lower.map_call(self.key, self.value, self.fields);
        Ok(self.needed(read, |reader| MapCall {
            task: reader.key.clone(),
            over: Expr::literal(Value::None, reader.key.span),
        }))
    }

    fn initializer(&mut self, _: &Option<()>) -> Result<Option<TaskCall>, Infallible> {
        let node = self.fields.take("initializer");
        Ok(node.and_then(|node| self.lower.called(node)))
    }

    fn callback(
        &mut self,
        name: &'static str,
        _: &Option<()>,
    ) -> Result<Option<Spanned<String>>, Infallible> {
        let node = self.fields.take(name);
        Ok(node.and_then(|node| self.lower.name(node, "the name of a callback")))
    }

    fn handle(&mut self, (): &()) -> Result<Expr, Infallible> {
        Ok(self.operand("a handle"))
    }

    fn iterator(&mut self, (): &()) -> Result<Expr, Infallible> {
        Ok(self.operand("an iterator"))
    }

    fn process(&mut self, (): &()) -> Result<Expr, Infallible> {
        Ok(self.operand("a process"))
    }

    fn made(&mut self, _: Makes, (): &()) -> Result<(), Infallible> {
        Ok(())
    }

    /// The size of a pool may be its value.
    fn number(&mut self, name: &'static str, _: &Option<()>) -> Result<Option<Expr>, Infallible> {
        let node = match name {
            "size" => self.value.or_else(|| self.fields.take(name)),
            _ => return Ok(self.expr(name)),
        };
        Ok(node.and_then(|node| self.lower.expr(node, "the size of a pool")))
    }

    fn work(&mut self, (): &()) -> Result<Expr, Infallible> {
        Ok(self.operand("a handle or an iterator"))
    }

    fn token(&mut self, (): &()) -> Result<Spanned<String>, Infallible> {
        let read = match self.value {
            Some(node) => self.lower.name(node, "the name of a token"),
            None => {
                let problem =
                    Diagnostic::new(self.key.span, format!("`{}` of what?", self.key.value));
                let help = "it needs the name that stands behind a `cancel_on`";
                self.lower.report(problem.help(help));
                None
            }
        };
        Ok(self.needed(read, |reader| reader.key.clone()))
    }

    fn name(
        &mut self,
        what: &'static str,
        _: &Option<()>,
    ) -> Result<Option<Spanned<String>>, Infallible> {
        let node = self.fields.take(what);
        let of = match what {
            "retry_if" => "the name of an error",
            _ => "the name of a token",
        };
        Ok(node.and_then(|node| self.lower.name(node, of)))
    }

    fn time(&mut self, name: &'static str, _: &Option<()>) -> Result<Option<Expr>, Infallible> {
        Ok(self.expr(name))
    }

    fn flag(&mut self, name: &'static str, is: bool) -> Result<bool, Infallible> {
        let node = self.fields.take(name);
        let read = node.and_then(|node| self.lower.boolean(node, &format!("`{name}`")));
        Ok(read.unwrap_or(is))
    }
}
