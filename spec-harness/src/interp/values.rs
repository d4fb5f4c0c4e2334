//! What a step or an operation takes a value for: a time, a number, a list.

use crate::case::ast::Time;
use crate::case::expr::{Env, EvalError, Expr, Value};

/// The instant as a case sees it: a whole number where it is one.
pub(super) fn clock(now: Time) -> Value {
    match i64::try_from(now.0) {
        Ok(micros) if micros % 1_000_000 == 0 => Value::Int(micros / 1_000_000),
        _ => Value::Float(now.0 as f64 / 1e6),
    }
}

/// The value of an expression as a span of time.
pub(super) fn duration(expr: &Expr, env: &Env) -> Result<Time, EvalError> {
    let value = expr.eval(env)?;
    let time = value.as_f64().and_then(Time::from_units);
    time.ok_or_else(|| EvalError {
        span: expr.span,
        message: format!("{} is no span of time", value.repr()),
    })
}

/// The value of an expression as a whole number that fits.
pub(super) fn whole<N: TryFrom<i64>>(expr: &Expr, env: &Env) -> Result<N, EvalError> {
    let value = expr.eval(env)?;
    let number = value.as_int().and_then(|n| N::try_from(n).ok());
    number.ok_or_else(|| EvalError {
        span: expr.span,
        message: format!("{} is no whole number that fits here", value.repr()),
    })
}

/// The elements of a list, or an error that names what came instead.
pub(super) fn items(expr: &Expr, env: &Env) -> Result<Vec<Value>, EvalError> {
    let value = expr.eval(env)?;
    match value.items() {
        Some(items) => Ok(items.to_vec()),
        None => Err(EvalError {
            span: expr.span,
            message: match value {
                Value::Iterator(_) => {
                    "the values of an iterator come one by one: take them by `next`".to_owned()
                }
                Value::Handle(_) => "this is a handle: its value is had by `get`".to_owned(),
                _ => format!("{} is no list but {}", value.repr(), value.type_name()),
            },
        }),
    }
}
