//! The functions an expression can call.

use super::eval;
use super::value::{MAX_WEIGHT, Value};

/// A built-in function of Python's that expressions have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `abs(x)`.
    Abs,
    /// `bool(x)`.
    Bool,
    /// `float(x)`.
    Float,
    /// `int(x)`.
    Int,
    /// `len(x)`.
    Len,
    /// `list(x)`.
    List,
    /// `max(list)` or `max(a, b, ...)`.
    Max,
    /// `min(list)` or `min(a, b, ...)`.
    Min,
    /// `range(stop)`, `range(start, stop)`, `range(start, stop, step)`, as a list.
    Range,
    /// `repr(x)`.
    Repr,
    /// `sorted(list)`.
    Sorted,
    /// `str(x)`.
    Str,
    /// `sum(list)`.
    Sum,
    /// `tuple(x)`.
    Tuple,
}

/// Name, function, least and most arguments.
const TABLE: [(&str, Function, usize, usize); 14] = [
    ("abs", Function::Abs, 1, 1),
    ("bool", Function::Bool, 1, 1),
    ("float", Function::Float, 1, 1),
    ("int", Function::Int, 1, 1),
    ("len", Function::Len, 1, 1),
    ("list", Function::List, 1, 1),
    ("max", Function::Max, 1, usize::MAX),
    ("min", Function::Min, 1, usize::MAX),
    ("range", Function::Range, 1, 3),
    ("repr", Function::Repr, 1, 1),
    ("sorted", Function::Sorted, 1, 1),
    ("str", Function::Str, 1, 1),
    ("sum", Function::Sum, 1, 1),
    ("tuple", Function::Tuple, 1, 1),
];

impl Function {
    /// The function of this name.
    pub fn named(name: &str) -> Option<Function> {
        TABLE.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    /// The names of all functions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.0)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The least and the most arguments it takes.
    pub(super) fn arity(self) -> (usize, usize) {
        (self.row().2, self.row().3)
    }

    /// How many arguments it takes, in words.
    pub(super) fn takes(self) -> String {
        match self.arity() {
            (1, 1) => "1 argument".to_owned(),
            (least, usize::MAX) => format!("at least {least} argument"),
            (least, most) => format!("{least} to {most} arguments"),
        }
    }

    fn row(self) -> &'static (&'static str, Function, usize, usize) {
        // The table has a row for each variant, in the order of the variants: a test goes over it.
        &TABLE[self as usize]
    }

    /// Calls it. The number of arguments has been checked by the parser.
    pub(super) fn call(self, args: &[Value]) -> Result<Value, String> {
        let first = args.first().unwrap_or(&Value::None);
        let wrong = || {
            Err(format!(
                "`{}` cannot take {}",
                self.name(),
                first.type_name()
            ))
        };
        match self {
            Function::Abs => match first {
                Value::Float(x) => Ok(Value::Float(x.abs())),
                _ => match first.as_int().map(i64::checked_abs) {
                    Some(Some(n)) => Ok(Value::Int(n)),
                    Some(None) => Err(eval::OVERFLOW.to_owned()),
                    None => wrong(),
                },
            },
            Function::Bool => Ok(Value::Bool(first.truthy())),
            Function::Float => match first {
                Value::Str(s) => match s.trim().parse() {
                    Ok(x) => Ok(Value::Float(x)),
                    Err(_) => Err(format!("{} is no number", first.repr())),
                },
                _ => first.as_f64().map_or_else(wrong, |x| Ok(Value::Float(x))),
            },
            Function::Int => match first {
                Value::Str(s) => match s.trim().parse() {
                    Ok(n) => Ok(Value::Int(n)),
                    Err(_) => Err(format!("{} is no whole number", first.repr())),
                },
                Value::Float(x) => eval::float_to_int(x.trunc())
                    .map_or_else(|| Err(eval::OVERFLOW.to_owned()), |n| Ok(Value::Int(n))),
                _ => first.as_int().map_or_else(wrong, |n| Ok(Value::Int(n))),
            },
            Function::Len => match first {
                Value::Str(s) => Ok(Value::Int(count(s.chars().count()))),
                _ => first
                    .items()
                    .map_or_else(wrong, |items| Ok(Value::Int(count(items.len())))),
            },
            Function::List => elements(first).map_or_else(wrong, |v| Value::List(v).bounded()),
            Function::Tuple => elements(first).map_or_else(wrong, |v| Value::Tuple(v).bounded()),
            Function::Max => extreme(self.name(), args, std::cmp::Ordering::Greater),
            Function::Min => extreme(self.name(), args, std::cmp::Ordering::Less),
            Function::Range => range(args),
            Function::Repr => Value::Str(first.repr()).bounded(),
            Function::Sorted => match elements(first) {
                Some(items) => sorted(items).map(Value::List),
                None => wrong(),
            },
            Function::Str => Value::Str(first.to_string()).bounded(),
            Function::Sum => {
                let Some(items) = first.items() else {
                    return wrong();
                };
                items
                    .iter()
                    .try_fold(Value::Int(0), |sum, item| eval::add(&sum, item))
            }
        }
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// What iterating over a value yields.
fn elements(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Str(s) => Some(s.chars().map(|c| Value::Str(c.into())).collect()),
        _ => value.items().map(<[Value]>::to_vec),
    }
}

fn range(args: &[Value]) -> Result<Value, String> {
    let mut numbers = Vec::with_capacity(args.len());
    for arg in args {
        let number = arg.as_int();
        numbers.push(number.ok_or_else(|| format!("`range` cannot take {}", arg.type_name()))?);
    }
    let (start, stop, step) = match numbers[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, step] => (start, stop, step),
        _ => return Err("`range` takes 1 to 3 arguments".to_owned()),
    };
    if step == 0 {
        return Err("`range` cannot have a step of 0".to_owned());
    }
    let (start, stop, step) = (i128::from(start), i128::from(stop), i128::from(step));
    let distance = if step > 0 { stop - start } else { start - stop };
    let len = (distance.max(0) + step.abs() - 1) / step.abs();
    if len >= MAX_WEIGHT as i128 {
        return Err(format!(
            "the range has {len} elements, more than {MAX_WEIGHT}"
        ));
    }
    let numbers = (0..len)
        .map(|i| start + i * step)
        .filter_map(|n| i64::try_from(n).ok());
    Ok(Value::List(numbers.map(Value::Int).collect()))
}

fn extreme(name: &str, args: &[Value], wanted: std::cmp::Ordering) -> Result<Value, String> {
    let candidates = match args {
        [only] => elements(only)
            .ok_or_else(|| format!("`{name}` cannot take {} alone", only.type_name()))?,
        _ => args.to_vec(),
    };
    let mut candidates = candidates.into_iter();
    let mut best = candidates
        .next()
        .ok_or_else(|| format!("`{name}` of an empty list"))?;
    for candidate in candidates {
        if eval::order(&candidate, &best)? == Some(wanted) {
            best = candidate;
        }
    }
    Ok(best)
}

/// A stable merge sort that can fail: the standard one wants an order in which nothing can go wrong.
fn sorted(mut items: Vec<Value>) -> Result<Vec<Value>, String> {
    if items.len() < 2 {
        return Ok(items);
    }
    let mut right = sorted(items.split_off(items.len() / 2))?
        .into_iter()
        .peekable();
    let mut left = sorted(items)?.into_iter().peekable();
    let mut merged = Vec::with_capacity(left.len() + right.len());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let right_first = eval::order(b, a)? == Some(std::cmp::Ordering::Less);
        merged.extend(if right_first {
            right.next()
        } else {
            left.next()
        });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_function_at_its_place() {
        for (i, row) in TABLE.iter().enumerate() {
            assert_eq!(row.1 as usize, i, "{}", row.0);
            assert_eq!(Function::named(row.0), Some(row.1));
        }
    }
}
