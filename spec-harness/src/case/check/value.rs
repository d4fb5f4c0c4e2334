//! Checks expressions: their variables, and their values where these need no variable.

use super::names::Names;
use super::{Check, Scope};
use crate::case::ast::Span;
use crate::case::diagnostic::Diagnostic;
use crate::case::expr::{Env, Expr, Template, Value};
use crate::case::suggest::did_you_mean;

impl Check<'_> {
    pub(super) fn exprs(&mut self, expr: &Option<Expr>, variables: &Names) {
        if let Some(expr) = expr {
            self.expr(expr, variables);
        }
    }

    pub(super) fn timeout(&mut self, timeout: &Option<Expr>, scope: &Scope) {
        if let Some(timeout) = timeout {
            self.time(timeout, &scope.variables);
        }
    }

    pub(super) fn template(&mut self, text: &Template, variables: &Names) {
        self.names(text.names(), variables);
    }

    pub(super) fn expr(&mut self, expr: &Expr, variables: &Names) {
        self.value(expr, variables);
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
                problem
                    .help(format!(
                        "text in an expression has quotes of its own, inside of YAML's: `\"'{name}'\"`"
                    ))
                    .maybe_help(did_you_mean(name, variables.all()))
            };
            self.problems.push(problem);
        }
    }

    pub(super) fn time(&mut self, expr: &Expr, variables: &Names) {
        if let Some(value) = self.value(expr, variables)
            && !value
                .as_f64()
                .is_some_and(|units| units >= 0.0 && units.is_finite())
        {
            self.problems.push(Diagnostic::new(
                expr.span,
                format!("{} is no time", value.repr()),
            ));
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
