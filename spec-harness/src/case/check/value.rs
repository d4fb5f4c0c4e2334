//! Checks expressions: their variables, and their values where these need no variable.

use super::Check;
use super::names::Names;
use crate::case::ast::{Span, Time};
use crate::case::diagnostic::Diagnostic;
use crate::case::expr::{Env, Expr, Template, Value};
use crate::case::suggest::did_you_mean;

impl Check<'_> {
    /// A time that something may take.
    pub(super) fn limit(&mut self, expr: &Expr, name: &str, variables: &Names) {
        self.time(expr, variables);
        let zero = |value: Value| value.as_f64() == Some(0.0);
        if expr.names().is_empty() && expr.eval(&Env::new()).is_ok_and(zero) {
            let message = format!("`{name}: 0` is over before it begins");
            let help = "give it some time, or leave the step out";
            self.problems
                .push(Diagnostic::new(expr.span, message).help(help));
        }
    }

    pub(super) fn template(&mut self, text: &Template, variables: &Names) {
        self.names(text.names(), variables);
    }

    pub(super) fn expr(&mut self, expr: &Expr, variables: &Names) {
        self.value(expr, variables);
    }

    /// Checks what a step is about.
    pub(super) fn object(&mut self, expr: &Expr, variables: &Names) {
        self.object = true;
        self.expr(expr, variables);
        self.object = false;
    }

    /// Checks the variables of an expression; its value, where it needs none.
    pub(super) fn value(&mut self, expr: &Expr, variables: &Names) -> Option<Value> {
        let names = expr.names();
        if !names.is_empty() {
            self.names(names, variables);
            return None;
        }
        match expr.eval(&Env::new()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems
                    .push(Diagnostic::new(error.span, error.message));
                None
            }
        }
    }

    pub(super) fn names(&mut self, names: Vec<(&str, Span)>, variables: &Names) {
        for (name, span) in names {
            if variables.has(name) {
                continue;
            }
            let problem = Diagnostic::new(span, format!("there is no variable `{name}` here"));
            let problem = if self.pools.has(name) {
                problem.help(format!(
                    "`{name}` is a pool, which is no value: a step names it by `on: {name}`"
                ))
            } else {
                let near = did_you_mean(name, variables.all());
                let help = match self.object {
                    true => "name it where it is made: `as: NAME` beside the step".to_owned(),
                    false => format!(
                        "text in an expression has quotes of its own, inside of YAML's: `\"'{name}'\"`"
                    ),
                };
                problem.help(help).maybe_help(near)
            };
            self.problems.push(problem);
        }
    }

    pub(super) fn time(&mut self, expr: &Expr, variables: &Names) {
        if let Some(value) = self.value(expr, variables)
            && (matches!(value, Value::Bool(_))
                || value.as_f64().and_then(Time::from_units).is_none())
        {
            let message = format!("{} is no time", value.repr());
            let most = u64::MAX / 1_000_000;
            let help = format!("a time is a number of units between 0 and {most}");
            self.problems
                .push(Diagnostic::new(expr.span, message).help(help));
        }
    }

    pub(super) fn whole_number(&mut self, expr: &Expr, variables: &Names) {
        if let Some(value) = self.value(expr, variables)
            && value.as_int().is_none()
        {
            self.problems.push(Diagnostic::new(
                expr.span,
                format!("{} is no whole number", value.repr()),
            ));
        }
    }

    /// How many there are of something.
    pub(super) fn count(&mut self, expr: &Option<Expr>, what: &str, variables: &Names) {
        let Some(expr) = expr else { return };
        if let Some(value) = self.value(expr, variables)
            && (matches!(value, Value::Bool(_)) || value.as_int().is_none_or(|count| count < 0))
        {
            let message = format!("{} is no number of {what}", value.repr());
            self.problems
                .push(Diagnostic::new(expr.span, message).help("write a whole number, 0 or more"));
        }
    }

    /// What is iterated over.
    pub(super) fn list(&mut self, expr: &Expr, variables: &Names) -> Option<Value> {
        let value = self.value(expr, variables)?;
        if value.items().is_none() {
            self.problems.push(
                Diagnostic::new(expr.span, format!("{} is no list", value.repr()))
                    .help("write `range(10)` or `[1, 2]`"),
            );
        }
        Some(value)
    }
}
