//! Computes the value of an expression, with Python's rules and without its unbounded numbers.

use std::cmp::Ordering;

use super::value::{MAX_WEIGHT, Value};
use super::{Binary, Comparison, Env, EvalError, Expr, Node, Unary, format};

/// What is said when a whole number leaves 64 bits, or a float its range.
pub(super) const OVERFLOW: &str = "the number is too large";

impl Binary {
    /// As it is written.
    fn symbol(self) -> &'static str {
        match self {
            Binary::Add => "+",
            Binary::Sub => "-",
            Binary::Mul => "*",
            Binary::Div => "/",
            Binary::FloorDiv => "//",
            Binary::Mod => "%",
        }
    }
}

/// The value of `expr` in `env`.
pub(super) fn eval(expr: &Expr, env: &Env) -> Result<Value, EvalError> {
    let here = |result: Result<Value, String>| {
        result.map_err(|message| EvalError {
            span: expr.span,
            message,
        })
    };
    match &expr.node {
        Node::Literal(value) => Ok(value.clone()),
        Node::Name(name) => here(
            env.get(name)
                .cloned()
                .ok_or_else(|| format!("`{name}` has no value here")),
        ),
        Node::List(items) => here(Value::List(eval_all(expr, items, env)?).bounded()),
        Node::Tuple(items) => here(Value::Tuple(eval_all(expr, items, env)?).bounded()),
        Node::Unary(op, a) => here(unary(*op, &eval(a, env)?)),
        Node::Binary(op, a, b) => here(binary(*op, &eval(a, env)?, &eval(b, env)?)),
        Node::Compare(first, rest) => {
            let mut left = eval(first, env)?;
            for (op, right) in rest {
                let right = eval(right, env)?;
                let holds = compare(*op, &left, &right).map_err(|message| EvalError {
                    span: expr.span,
                    message,
                })?;
                if !holds {
                    return Ok(Value::Bool(false));
                }
                left = right;
            }
            Ok(Value::Bool(true))
        }
        Node::And(a, b) => match eval(a, env)? {
            a if a.truthy() => eval(b, env),
            a => Ok(a),
        },
        Node::Or(a, b) => match eval(a, env)? {
            a if a.truthy() => Ok(a),
            _ => eval(b, env),
        },
        Node::Index(list, at) => here(index(&eval(list, env)?, &eval(at, env)?)),
        Node::Call(function, args) => here(function.call(&eval_all(expr, args, env)?)),
    }
}

/// The values of all items, which together stay within the bounds of one value.
fn eval_all(whole: &Expr, items: &[Expr], env: &Env) -> Result<Vec<Value>, EvalError> {
    let mut values = Vec::with_capacity(items.len());
    let mut weight = 0;
    for item in items {
        let value = eval(item, env)?;
        weight += value.weight();
        if weight > MAX_WEIGHT {
            let message = format!("the values are too large (more than {MAX_WEIGHT} in all)");
            return Err(EvalError {
                span: whole.span,
                message,
            });
        }
        values.push(value);
    }
    Ok(values)
}

fn unary(op: Unary, value: &Value) -> Result<Value, String> {
    let (sign, symbol) = match op {
        Unary::Not => return Ok(Value::Bool(!value.truthy())),
        Unary::Neg => (-1, '-'),
        Unary::Pos => (1, '+'),
    };
    match value {
        Value::Float(x) => Ok(Value::Float(f64::from(sign) * x)),
        _ => match value.as_int() {
            Some(n) => whole(n.checked_mul(i64::from(sign))),
            None => Err(format!("`{symbol}` cannot take {}", value.type_name())),
        },
    }
}

fn binary(op: Binary, a: &Value, b: &Value) -> Result<Value, String> {
    match (op, a, b) {
        (Binary::Mod, Value::Str(pattern), _) => format::percent(pattern, b)?.bounded(),
        (Binary::Add, ..) => add(a, b),
        (Binary::Mul, _, _) if a.as_f64().is_none() || b.as_f64().is_none() => repeat(a, b),
        _ => numeric(op, a, b),
    }
}

/// `a + b`.
pub(super) fn add(a: &Value, b: &Value) -> Result<Value, String> {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => Value::Str(format!("{a}{b}")).bounded(),
        (Value::List(a), Value::List(b)) => Value::List([&a[..], b].concat()).bounded(),
        (Value::Tuple(a), Value::Tuple(b)) => Value::Tuple([&a[..], b].concat()).bounded(),
        _ => numeric(Binary::Add, a, b),
    }
}

/// Text or a list several times over.
fn repeat(a: &Value, b: &Value) -> Result<Value, String> {
    let (what, times) = match (a.as_int(), b.as_int()) {
        (None, Some(times)) => (a, times),
        (Some(times), None) => (b, times),
        _ => return Err(mismatch("*", a, b)),
    };
    let times = usize::try_from(times).unwrap_or(0);
    if what
        .weight()
        .checked_mul(times)
        .is_none_or(|weight| weight > MAX_WEIGHT)
    {
        return Err(format!(
            "the value is too large (more than {MAX_WEIGHT} bytes or elements)"
        ));
    }
    match what {
        Value::Str(s) => Ok(Value::Str(s.repeat(times))),
        Value::List(items) => Ok(Value::List(cycled(items, times))),
        Value::Tuple(items) => Ok(Value::Tuple(cycled(items, times))),
        _ => Err(mismatch("*", a, b)),
    }
}

fn cycled(items: &[Value], times: usize) -> Vec<Value> {
    items
        .iter()
        .cycle()
        .take(items.len() * times)
        .cloned()
        .collect()
}

fn mismatch(symbol: &str, a: &Value, b: &Value) -> String {
    format!(
        "`{symbol}` cannot take {} and {}",
        a.type_name(),
        b.type_name()
    )
}

fn numeric(op: Binary, a: &Value, b: &Value) -> Result<Value, String> {
    if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
        match op {
            Binary::Add => return whole(x.checked_add(y)),
            Binary::Sub => return whole(x.checked_sub(y)),
            Binary::Mul => return whole(x.checked_mul(y)),
            Binary::FloorDiv if y != 0 => return whole(floor_div(x, y)),
            Binary::Mod if y != 0 => return whole(floor_mod(x, y)),
            _ => {}
        }
    }
    let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else {
        return Err(mismatch(op.symbol(), a, b));
    };
    if y == 0.0 && matches!(op, Binary::Div | Binary::FloorDiv | Binary::Mod) {
        return Err("division by zero".to_owned());
    }
    Ok(Value::Float(match op {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::FloorDiv => float_div_mod(x, y).0,
        Binary::Mod => float_div_mod(x, y).1,
    }))
}

fn whole(n: Option<i64>) -> Result<Value, String> {
    n.map(Value::Int).ok_or_else(|| OVERFLOW.to_owned())
}

/// Division that rounds down; `b` is not zero.
fn floor_div(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) {
        quotient - 1
    } else {
        quotient
    })
}

/// The rest of the division that rounds down: it has the sign of `b`, which is not zero.
fn floor_mod(a: i64, b: i64) -> Option<i64> {
    // `MIN % -1` has no quotient but the rest 0.
    let rest = a.checked_rem(b).unwrap_or(0);
    Some(if rest != 0 && (rest < 0) != (b < 0) {
        rest + b
    } else {
        rest
    })
}

/// Both for floats, as CPython computes them; `b` is not zero.
fn float_div_mod(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest == 0.0 {
        rest = 0.0_f64.copysign(b);
    } else if (rest < 0.0) != (b < 0.0) {
        rest += b;
        quotient -= 1.0;
    }
    let floor = quotient.floor();
    let floor = if quotient - floor > 0.5 {
        floor + 1.0
    } else {
        floor
    };
    (
        if quotient == 0.0 {
            0.0_f64.copysign(a / b)
        } else {
            floor
        },
        rest,
    )
}

fn compare(op: Comparison, a: &Value, b: &Value) -> Result<bool, String> {
    Ok(match op {
        Comparison::Eq => a == b,
        Comparison::Ne => a != b,
        Comparison::Lt => order(a, b)? == Some(Ordering::Less),
        Comparison::Le => matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Gt => order(a, b)? == Some(Ordering::Greater),
        Comparison::Ge => matches!(order(a, b)?, Some(Ordering::Greater | Ordering::Equal)),
        Comparison::In => contains(b, a)?,
        Comparison::NotIn => !contains(b, a)?,
        Comparison::Is => same(a, b),
        Comparison::IsNot => !same(a, b),
    })
}

/// `is`: equal and of one type. Values have no identity here.
fn same(a: &Value, b: &Value) -> bool {
    a.type_name() == b.type_name() && a == b
}

fn contains(container: &Value, item: &Value) -> Result<bool, String> {
    match (container, item) {
        (Value::Str(text), Value::Str(part)) => Ok(text.contains(part.as_str())),
        (Value::Str(_), _) => Err(mismatch("in", item, container)),
        _ => match container.items() {
            Some(items) => Ok(items.contains(item)),
            None => Err(mismatch("in", item, container)),
        },
    }
}

/// Which of two values is less; nothing where a `nan` is in the way.
pub(super) fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => Ok(Some(a.cmp(b))),
        (Value::List(x), Value::List(y)) | (Value::Tuple(x), Value::Tuple(y)) => {
            match x.iter().zip(y).find(|(x, y)| x != y) {
                Some((x, y)) => order(x, y),
                None => Ok(Some(x.len().cmp(&y.len()))),
            }
        }
        _ => match (a.as_int(), b.as_int()) {
            (Some(x), Some(y)) => Ok(Some(x.cmp(&y))),
            _ => match (a.as_f64(), b.as_f64()) {
                (Some(x), Some(y)) => Ok(x.partial_cmp(&y)),
                _ => Err(mismatch("<", a, b)),
            },
        },
    }
}

fn index(list: &Value, at: &Value) -> Result<Value, String> {
    let Some(at) = at.as_int() else {
        return Err(format!(
            "an index is a whole number, not {}",
            at.type_name()
        ));
    };
    let position = |len: usize| {
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let from_start = if at < 0 {
            at.checked_add(len)
        } else {
            Some(at)
        };
        from_start
            .and_then(|i| usize::try_from(i).ok())
            .filter(|i| i64::try_from(*i).is_ok_and(|i| i < len))
            .ok_or_else(|| format!("there is no index {at}: the length is {len}"))
    };
    match list {
        Value::Str(text) => {
            let at = position(text.chars().count())?;
            Ok(Value::Str(text.chars().skip(at).take(1).collect()))
        }
        _ => match list.items() {
            Some(items) => Ok(items[position(items.len())?].clone()),
            None => Err(format!("{} has no index", list.type_name())),
        },
    }
}
