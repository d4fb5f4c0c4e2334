//! The functions that an expression can call.

use super::value::{MAX_WEIGHT, Value};

/// A built-in function of Python's that expressions have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `len(x)`.
    Len,
    /// `list(x)`.
    List,
    /// `range(stop)`, `range(start, stop)`, `range(start, stop, step)`, as a list.
    Range,
    /// `str(x)`.
    Str,
}

impl Function {
    const ALL: [Function; 4] = [
        Function::Len,
        Function::List,
        Function::Range,
        Function::Str,
    ];

    /// The function of this name.
    pub fn named(name: &str) -> Option<Function> {
        Function::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The names of all functions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Function::ALL.into_iter().map(Function::name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Function::Len => "len",
            Function::List => "list",
            Function::Range => "range",
            Function::Str => "str",
        }
    }

    /// The least and the most arguments it takes.
    pub(super) fn arity(self) -> (usize, usize) {
        match self {
            Function::Len | Function::List | Function::Str => (1, 1),
            Function::Range => (1, 3),
        }
    }

    /// How many arguments it takes, in words.
    pub(super) fn takes(self) -> String {
        match self.arity() {
            (1, 1) => "1 argument".to_owned(),
            (least, most) => format!("{least} to {most} arguments"),
        }
    }

    /// Calls it. The number of arguments has been checked by the parser.
    pub(super) fn call(self, args: &[Value]) -> Result<Value, String> {
        let first = args.first().unwrap_or(&Value::None);
        let wrong = || format!("`{}` cannot take {}", self.name(), first.type_name());
        match (self, first) {
            (Function::Range, _) => range(args),
            (Function::Str, _) => Value::Str(first.to_string()).bounded(),
            (Function::Len, Value::Str(text)) => Ok(Value::Int(count(text.chars().count()))),
            (Function::Len, _) => {
                let items = first.items().ok_or_else(wrong)?;
                Ok(Value::Int(count(items.len())))
            }
            (Function::List, Value::Str(text)) => {
                let letters = text.chars().map(|c| Value::Str(c.into()));
                Value::List(letters.collect()).bounded()
            }
            (Function::List, _) => {
                let items = first.items().ok_or_else(wrong)?;
                Value::List(items.to_vec()).bounded()
            }
        }
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
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
