//! Values as Python has them, and how Python prints them.

use std::fmt;

/// Most bytes and elements that one value may hold; larger ones are an error of the case.
pub const MAX_WEIGHT: usize = 1 << 20;

/// Deepest nesting of lists in one value.
pub const MAX_DEPTH: usize = 32;

/// A value of the expression language.
///
/// Equality is Python's: `1 == 1.0 == True`. A list never equals a tuple.
#[derive(Debug, Clone)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number; overflow is an error, never a wrap.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// The handle of an asynchronous job, by the interpreter's number for it.
    Handle(u64),
    /// A bare process, by the interpreter's number for it.
    Process(u64),
    /// The results of an `imap`, one by one, by the interpreter's number for it.
    Iterator(u64),
}

impl Value {
    /// Python's name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "str",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Handle(_) => "AsyncResult",
            Value::Process(_) => "Process",
            Value::Iterator(_) => "IMapIterator",
        }
    }

    /// Whether `if` takes it for true: zero, the empty and `None` are false.
    pub fn truthy(&self) -> bool {
        match self {
            Value::None => false,
            Value::Bool(b) => *b,
            Value::Int(n) => *n != 0,
            Value::Float(x) => *x != 0.0,
            Value::Str(s) => !s.is_empty(),
            Value::List(items) | Value::Tuple(items) => !items.is_empty(),
            Value::Handle(_) | Value::Process(_) | Value::Iterator(_) => true,
        }
    }

    /// As Python's `repr` shows it; `Display` is Python's `str`.
    pub fn repr(&self) -> String {
        match self {
            Value::Str(s) => repr_str(s),
            other => other.to_string(),
        }
    }

    /// The elements of a list or tuple.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The number as a float, where it is one (a bool counts as 0 or 1).
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            Value::Int(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            _ => None,
        }
    }

    /// The whole number, where it is one (a bool counts as 0 or 1, a float never).
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Bool(b) => Some(i64::from(*b)),
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// As JSON, for the adapter protocol. Tuples become arrays; numbers that JSON lacks
    /// (`inf`, `nan`) and handles become their text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::None => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(n) => (*n).into(),
            Value::Float(x) if x.is_finite() => (*x).into(),
            Value::Str(s) => s.as_str().into(),
            Value::List(items) | Value::Tuple(items) => items.iter().map(Value::to_json).collect(),
            Value::Float(_) | Value::Handle(_) | Value::Process(_) | Value::Iterator(_) => {
                self.to_string().into()
            }
        }
    }

    /// From JSON, as an adapter sends it.
    ///
    /// # Errors
    /// Objects, whole numbers beyond 64 bits and values that are too large have no counterpart.
    pub fn from_json(json: &serde_json::Value) -> Result<Value, String> {
        match json {
            serde_json::Value::Null => Ok(Value::None),
            serde_json::Value::Bool(b) => Ok(Value::Bool(*b)),
            serde_json::Value::Number(n) => match (n.as_i64(), n.is_f64(), n.as_f64()) {
                (Some(int), _, _) => Ok(Value::Int(int)),
                (None, true, Some(float)) => Ok(Value::Float(float)),
                _ => Err(format!("{n} does not fit into 64 bits")),
            },
            serde_json::Value::String(s) => Ok(Value::Str(s.clone())),
            serde_json::Value::Array(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(Value::from_json).collect();
                Value::List(items?).bounded()
            }
            serde_json::Value::Object(_) => Err("an object is no value of a case".to_owned()),
        }
    }

    /// The value itself, unless it is larger or nested deeper than a case may need.
    ///
    /// # Errors
    /// Says which bound it breaks.
    pub fn bounded(self) -> Result<Value, String> {
        let (weight, depth) = self.measure();
        if weight > MAX_WEIGHT {
            return Err(format!(
                "the value is too large (more than {MAX_WEIGHT} bytes or elements)"
            ));
        }
        if depth > MAX_DEPTH {
            return Err(format!(
                "the value is nested too deeply (more than {MAX_DEPTH} lists)"
            ));
        }
        Ok(self)
    }

    /// Bytes and elements it holds.
    pub(super) fn weight(&self) -> usize {
        self.measure().0
    }

    /// Bytes and elements it holds, and its depth.
    fn measure(&self) -> (usize, usize) {
        match self {
            Value::Str(s) => (1 + s.len(), 0),
            Value::List(items) | Value::Tuple(items) => items
                .iter()
                .map(Value::measure)
                .fold((1, 1), |(weight, depth), (w, d)| {
                    (weight + w, depth.max(d + 1))
                }),
            _ => (1, 0),
        }
    }
}

impl fmt::Display for Value {
    /// As Python's `str` shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, items: &[Value]| {
            for (i, item) in items.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { ", " })?;
                f.write_str(&item.repr())?;
            }
            Ok(())
        };
        match self {
            Value::None => f.write_str("None"),
            Value::Bool(true) => f.write_str("True"),
            Value::Bool(false) => f.write_str("False"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(x) => f.write_str(&repr_float(*x)),
            Value::Str(s) => f.write_str(s),
            Value::List(items) => {
                f.write_str("[")?;
                list(f, items)?;
                f.write_str("]")
            }
            Value::Tuple(items) => {
                f.write_str("(")?;
                list(f, items)?;
                f.write_str(if items.len() == 1 { ",)" } else { ")" })
            }
            Value::Handle(id) => write!(f, "<AsyncResult {id}>"),
            Value::Process(id) => write!(f, "<Process {id}>"),
            Value::Iterator(id) => write!(f, "<IMapIterator {id}>"),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::None, Value::None) => true,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => a == b,
            (Value::Handle(a), Value::Handle(b))
            | (Value::Process(a), Value::Process(b))
            | (Value::Iterator(a), Value::Iterator(b)) => a == b,
            _ => match (self.as_int(), other.as_int()) {
                (Some(a), Some(b)) => a == b,
                _ => match (self.as_f64(), other.as_f64()) {
                    (Some(a), Some(b)) => a == b,
                    _ => false,
                },
            },
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Value {
                Value::$variant(value.into())
            }
        }
    )*};
}
from!(bool => Bool, i64 => Int, f64 => Float, &str => Str, String => Str, Vec<Value> => List);

/// The whole number that a float is, if it is one that fits.
pub(super) fn float_to_int(x: f64) -> Option<i64> {
    // `i64::MAX as f64` rounds up to 2^63, which itself does not fit.
    (x.fract() == 0.0 && x >= i64::MIN as f64 && x < i64::MAX as f64).then_some(x as i64)
}

/// The shortest digits that read back as the same number, in Python's notation.
fn repr_float(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let shortest = format!("{x:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    // Of two equally short and equally near texts Python takes the even one, as exact rounding does.
    let decimals = digits
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    let even = format!("{x:.decimals$e}");
    let (digits, exponent) = match even.split_once('e') {
        Some(even_parts) if even.parse() == Ok(x) => even_parts,
        _ => (digits, exponent),
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if x == 0.0 || (-4..16).contains(&exponent) {
        let decimals = usize::try_from(decimals as i32 - exponent)
            .unwrap_or(0)
            .max(1);
        return format!("{x:.decimals$}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Text in Python's quotes: single ones unless only double ones save an escape.
fn repr_str(s: &str) -> String {
    let quote = if s.contains('\'') && !s.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::with_capacity(s.len() + 2);
    out.push(quote);
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if printable(c) => out.push(c),
            c => out.push_str(&match c as u32 {
                n @ 0..=0xff => format!("\\x{n:02x}"),
                n @ 0x100..=0xffff => format!("\\u{n:04x}"),
                n => format!("\\U{n:08x}"),
            }),
        }
    }
    out.push(quote);
    out
}

/// Whether Python's `repr` shows a character as itself.
fn printable(c: char) -> bool {
    // A letter goes first because `escape_debug` also escapes a combining mark at the start.
    let escaped: String = format!("a{c}").escape_debug().collect();
    !escaped.starts_with("a\\u") && c != '\0'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        for (x, text) in [
            (3.6, "3.6"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1234567890123456.0, "1234567890123456.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e100, "1e+100"),
            (2.5e300, "2.5e+300"),
            (1e15 + 0.25, "1000000000000000.2"),
            (123456.0, "123456.0"),
            (100.5, "100.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(Value::Float(x).to_string(), text);
        }
    }

    #[test]
    fn text_inside_a_list_is_quoted_as_in_python() {
        let list = Value::List(vec![
            "a".into(),
            "it's".into(),
            "both ' and \"".into(),
            "\n\u{a0}\u{0}\u{200b}".into(),
            "堵塞 e\u{301} 🙂".into(),
            Value::Tuple(vec![Value::Int(1)]),
            Value::Tuple(vec![]),
            Value::None,
            Value::Bool(true),
            Value::Float(0.9),
        ]);
        assert_eq!(
            list.to_string(),
            "['a', \"it's\", 'both \\' and \"', '\\n\\xa0\\x00\\u200b', '堵塞 e\u{301} 🙂', (1,), (), None, True, 0.9]"
        );
    }

    #[test]
    fn equality_is_pythons() {
        assert_eq!(Value::Int(1), Value::Float(1.0));
        assert_eq!(Value::Bool(true), Value::Int(1));
        assert_ne!(Value::List(vec![]), Value::Tuple(vec![]));
        assert_ne!(Value::Str("1".into()), Value::Int(1));
        assert_ne!(Value::Int(i64::MAX), Value::Int(i64::MAX - 1));
    }

    #[test]
    fn json_there_and_back_keeps_ints_and_floats_apart() {
        let value = Value::List(vec![
            Value::Int(3),
            Value::Float(3.0),
            Value::None,
            "x".into(),
        ]);
        let text = value.to_json().to_string();
        assert_eq!(text, r#"[3,3.0,null,"x"]"#);
        let back = Value::from_json(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(back.repr(), value.repr());
        assert!(Value::from_json(&serde_json::json!({"a": 1})).is_err());
        assert!(Value::from_json(&serde_json::json!(u64::MAX)).is_err());
    }

    #[test]
    fn a_value_too_deep_or_too_large_is_refused() {
        let mut deep = Value::None;
        for _ in 0..MAX_DEPTH {
            deep = Value::List(vec![deep]).bounded().unwrap();
        }
        assert!(Value::List(vec![deep]).bounded().is_err());
        assert!(Value::Str("x".repeat(MAX_WEIGHT + 1)).bounded().is_err());
    }
}
