//! Task functions and the operations of their bodies.

use super::Lower;
use super::fields::Fields;
use super::scalar::{across, is_name};
use crate::case::ast::{Op, OpKind, Spanned, TaskDef};
use crate::case::diagnostic::Diagnostic;
use crate::case::expr::{self, Template};
use crate::case::language::{self, BRANCHES, OPERATIONS, RAISE, Word};
use crate::case::suggest::did_you_mean;
use crate::case::yaml::{Kind, Node};

impl Lower {
    /// `tasks:`, a mapping of signatures to bodies.
    pub(super) fn tasks(&mut self, node: &Node) -> Vec<TaskDef> {
        let Some(mut fields) = self.fields(node, "`tasks`") else {
            return Vec::new();
        };
        let mut tasks: Vec<TaskDef> = Vec::new();
        for (key, body) in fields.take_all() {
            let Some((name, params)) = self.signature(&key) else {
                continue;
            };
            if let Some(first) = tasks.iter().find(|task| task.name.value == name.value) {
                self.report(
                    Diagnostic::new(
                        name.span,
                        format!("the task `{}` is there twice", name.value),
                    )
                    .label("again here")
                    .also(first.name.span, "first here"),
                );
                continue;
            }
            // A task without operations still begins and ends.
            let body = if body.is_null() {
                Vec::new()
            } else {
                self.ops(body, "the body of a task")
            };
            tasks.push(TaskDef { name, params, body });
        }
        tasks
    }

    /// `func(i, j)`: the name of a task and of its parameters.
    fn signature(&mut self, key: &Spanned<String>) -> Option<(Spanned<String>, Vec<String>)> {
        let (name, args) = self.accept(expr::call(&key.value, key.span))?;
        let mut params: Vec<String> = Vec::new();
        for arg in args {
            let Some(param) = arg.as_name() else {
                self.report(
                    Diagnostic::new(arg.span, "this is no parameter")
                        .help("name the parameters: `func(i)`"),
                );
                return None;
            };
            if params.iter().any(|other| other == param) {
                self.report(Diagnostic::new(
                    arg.span,
                    format!("the parameter `{param}` is there twice"),
                ));
                return None;
            }
            params.push(param.to_owned());
        }
        Some((name, params))
    }

    fn ops(&mut self, node: &Node, what: &str) -> Vec<Op> {
        let Some(items) = self.list(node, what) else {
            return Vec::new();
        };
        items.iter().flat_map(|item| self.op(item)).collect()
    }

    /// One item of a body; `set` with several variables is several operations.
    fn op(&mut self, node: &Node) -> Vec<Op> {
        if let Kind::Scalar(scalar) = &node.kind
            && !node.is_null()
        {
            let what = match scalar.text.as_str() {
                "return_unsendable" => OpKind::ReturnUnsendable,
                "raise_unsendable" => OpKind::RaiseUnsendable,
                "kill_self" => OpKind::KillSelf,
                "stop_self" => OpKind::StopSelf,
                "ignore_sigterm" => OpKind::IgnoreSigterm,
                "close_fds" => OpKind::CloseFds,
                "spawn_child" => OpKind::SpawnChild,
                word => {
                    self.unknown_operation(&Spanned {
                        value: word.to_owned(),
                        span: node.span,
                    });
                    return Vec::new();
                }
            };
            return vec![Op {
                span: node.span,
                what,
            }];
        }
        let Some(mut fields) = self.fields(node, "an operation") else {
            return Vec::new();
        };
        let key = fields.keys().find(|key| is_operation(&key.value)).cloned();
        let Some(key) = key else {
            match fields.keys().next().cloned() {
                Some(first) => self.unknown_operation(&first),
                None => self.report(Diagnostic::new(node.span, "an operation is missing")),
            }
            return Vec::new();
        };
        let Some(value) = fields.take(&key.value) else {
            return Vec::new();
        };
        let span = if value.scalar().is_some() {
            across(key.span, value.span)
        } else {
            key.span
        };
        let kinds = self.operation(&key.value, value, &mut fields);
        let known: &[Word] = if key.value == "if" { BRANCHES } else { &[] };
        if known.is_empty() && fields.keys().next().is_some() {
            let other = fields.take_all().swap_remove(0).0;
            self.report(
                Diagnostic::new(
                    other.span,
                    format!("`{}` does not go with `{}`", other.value, key.value),
                )
                .help("each operation is an item of its own: begin it with `- `"),
            );
        } else {
            self.finish(fields, known);
        }
        kinds.into_iter().map(|what| Op { span, what }).collect()
    }

    fn unknown_operation(&mut self, word: &Spanned<String>) {
        let operations = language::names(OPERATIONS);
        let known = is_operation(&word.value);
        let problem = if known {
            Diagnostic::new(word.span, format!("`{}` of what?", word.value))
                .help(format!("write `- {}: ...`", word.value))
        } else {
            Diagnostic::new(word.span, format!("unknown operation `{}`", word.value))
                .help(format!("a body has: {}", operations.join(", ")))
                .maybe_help(did_you_mean(&word.value, operations))
        };
        self.report(problem);
    }

    fn operation(&mut self, name: &str, value: &Node, fields: &mut Fields<'_>) -> Vec<OpKind> {
        let what = format!("the value of `{name}`");
        let one = match name {
            "print" => self.template(value, "what is printed").map(OpKind::Print),
            "panic" => self.template(value, "the message").map(OpKind::Panic),
            "sleep" | "work" => self.expr(value, &what).map(OpKind::Sleep),
            "return" => self.expr(value, &what).map(OpKind::Return),
            "exit" => self.expr(value, &what).map(OpKind::Exit),
            "allocate" => self.expr(value, &what).map(OpKind::Allocate),
            "raise" => self.raise(value),
            "call" => self
                .inner_step(value)
                .map(|step| OpKind::Call(Box::new(step))),
            "set" => {
                let set = self.bindings(value, "`set`");
                return set
                    .into_iter()
                    .map(|(name, expr)| OpKind::Set(name, expr))
                    .collect();
            }
            "if" => {
                let condition = self.expr(value, "a condition");
                let then = fields.take("then").map(|node| self.ops(node, "`then`"));
                let otherwise = fields.take("else").map(|node| self.ops(node, "`else`"));
                if then.is_none() {
                    self.report(
                        Diagnostic::new(value.span, "this `if` has no `then`")
                            .help("write what is done as a list under `then:`"),
                    );
                }
                condition.zip(then).map(|(condition, then)| {
                    OpKind::If(condition, then, otherwise.unwrap_or_default())
                })
            }
            bare => {
                self.report(
                    Diagnostic::new(value.span, format!("`{bare}` takes no value"))
                        .help(format!("write `- {bare}`")),
                );
                None
            }
        };
        one.into_iter().collect()
    }

    /// `raise: {kind: ValueError, text: bad}`, `raise: "ValueError: bad"` or `raise: ValueError`.
    fn raise(&mut self, value: &Node) -> Option<OpKind> {
        let (kind, text) = if let Kind::Mapping(_) = value.kind {
            let mut fields = self.fields(value, "`raise`")?;
            let head = fields.head();
            let kind = fields
                .take("kind")
                .and_then(|node| self.text(node, "the kind of an error"));
            let text = fields
                .take("text")
                .map(|node| self.template(node, "the message"));
            self.finish(fields, RAISE);
            let Some(kind) = kind else {
                self.report(
                    Diagnostic::new(head, "`raise` needs the kind of the error")
                        .help("write `raise: \"ValueError: the message\"`"),
                );
                return None;
            };
            let text = match text {
                Some(text) => text?,
                None => Template::plain("", kind.span),
            };
            (kind, text)
        } else {
            let scalar = self.scalar(value, "an error")?;
            match scalar.text.split_once(": ") {
                Some((kind, _)) => {
                    let span = scalar.place(0..kind.len());
                    let at = scalar.place(kind.len() + 2..scalar.text.len());
                    let text = self.accept(Template::parse(&scalar.text[kind.len() + 2..], at))?;
                    (
                        Spanned {
                            value: kind.to_owned(),
                            span,
                        },
                        text,
                    )
                }
                None => {
                    let kind = Spanned {
                        value: scalar.text.clone(),
                        span: scalar.at,
                    };
                    (kind, Template::plain("", scalar.at))
                }
            }
        };
        if !is_name(&kind.value) {
            let meant = called_exception(&kind.value)
                .unwrap_or_else(|| "ValueError: the message".to_owned());
            self.report(
                Diagnostic::new(kind.span, format!("`{}` is no kind of error", kind.value))
                    .help(format!("write `raise: \"{meant}\"`")),
            );
            return None;
        }
        Some(OpKind::Raise {
            kind: kind.value,
            text,
        })
    }

    /// Variables and their values: `set: {x: 1}`, `let: {results: []}`.
    pub(super) fn bindings(
        &mut self,
        node: &Node,
        what: &'static str,
    ) -> Vec<(String, expr::Expr)> {
        let Some(mut fields) = self.fields(node, what) else {
            return Vec::new();
        };
        let mut bindings = Vec::new();
        for (key, value) in fields.take_all() {
            if !is_name(&key.value) {
                self.report(Diagnostic::new(
                    key.span,
                    format!("`{}` is no name", key.value),
                ));
                continue;
            }
            if let Some(expr) = self.expr(value, "the value of a variable") {
                bindings.push((key.value, expr));
            }
        }
        bindings
    }
}

fn is_operation(word: &str) -> bool {
    OPERATIONS.iter().any(|operation| operation.name == word)
}

/// `ValueError("bad")`, as Python makes one, in the words of a case.
fn called_exception(text: &str) -> Option<String> {
    let (kind, rest) = text.split_once('(')?;
    let message = rest.strip_suffix(')')?.trim_matches(['"', '\'']);
    let plain = is_name(kind) && !message.contains(['"', '\'', '\\']);
    match (plain, message) {
        (false, _) => None,
        (true, "") => Some(kind.to_owned()),
        (true, message) => Some(format!("{kind}: {message}")),
    }
}
