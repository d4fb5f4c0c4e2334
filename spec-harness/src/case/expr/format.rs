//! Python's `%` formatting, and the same formats after the colon of a `{x:.2f}`.

use super::value::{Value, float_to_int};

/// Most decimals that a format may ask for.
const MAX_DECIMALS: usize = 1000;

/// How one value is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spec {
    /// `s`: as `str` shows it.
    Text,
    /// `d`: as a whole number.
    Whole,
    /// `.2f`: with so many decimals.
    Decimals(usize),
}

impl Spec {
    /// The format at the beginning of `text`, and what follows it.
    fn read(text: &str) -> Result<(Spec, &str), String> {
        let digits = text.strip_prefix('.').unwrap_or(text);
        let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
        let (number, has_point) = (&digits[..digits.len() - rest.len()], text.starts_with('.'));
        let kind = rest.chars().next();
        let spec = match (has_point, number, kind) {
            (false, "", Some('s')) => Spec::Text,
            (false, "", Some('d')) => Spec::Whole,
            (false, "", Some('f')) => Spec::Decimals(6),
            (true, "", Some('f')) => Spec::Decimals(0),
            (true, number, Some('f')) => match number.parse() {
                Ok(decimals) if decimals <= MAX_DECIMALS => Spec::Decimals(decimals),
                _ => return Err(format!("{number} decimals are more than {MAX_DECIMALS}")),
            },
            (_, _, None) => return Err(format!("the format `{text}` has no end: s, d or f")),
            (_, _, Some(kind)) => {
                let end = text.len() - rest.len() + kind.len_utf8();
                return Err(format!(
                    "unknown format `{}`: there are s, d, f and .2f",
                    &text[..end]
                ));
            }
        };
        Ok((spec, &rest[1..]))
    }

    /// The format that is the whole of `text`: what follows the colon in `{x:.2f}`.
    pub(super) fn parse(text: &str) -> Result<Spec, String> {
        match Spec::read(text)? {
            (spec, "") => Ok(spec),
            _ => Err(format!(
                "unknown format `{text}`: there are s, d, f and .2f"
            )),
        }
    }

    /// The value in this format.
    pub(super) fn show(self, value: &Value) -> Result<String, String> {
        let wrong = |kind| format!("`%{kind}` cannot take {}", value.type_name());
        Ok(match self {
            Spec::Text => value.to_string(),
            Spec::Whole => {
                let whole = match value {
                    Value::Float(x) => float_to_int(x.trunc()),
                    _ => value.as_int(),
                };
                whole.ok_or_else(|| wrong('d'))?.to_string()
            }
            Spec::Decimals(decimals) => {
                let x = value.as_f64().ok_or_else(|| wrong('f'))?;
                match x.is_finite() {
                    true => format!("{x:.decimals$}"),
                    false => Value::Float(x).to_string(),
                }
            }
        })
    }
}

/// `pattern % values`.
pub(super) fn percent(pattern: &str, values: &Value) -> Result<Value, String> {
    let args = match values {
        Value::Tuple(items) => &items[..],
        single => std::slice::from_ref(single),
    };
    let mut args = args.iter();
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        if after.is_empty() {
            return Err("the format ends after its `%`: write `%%` for a percent sign".to_owned());
        }
        let (spec, after) = Spec::read(after)?;
        let value = args.next().ok_or("not enough values for the format")?;
        out.push_str(&spec.show(value)?);
        if out.len() > super::MAX_WEIGHT {
            return Err("the formatted text is too large".to_owned());
        }
        rest = after;
    }
    out.push_str(rest);
    match args.next() {
        Some(_) => Err("not all values are used by the format".to_owned()),
        None => Ok(Value::Str(out)),
    }
}
