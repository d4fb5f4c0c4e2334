//! Python's `%` formatting, and the same formats after the colon of a `{x:.2f}`.

use super::value::Value;

/// Widest field and most decimals that a format may ask for.
const MAX_WIDTH: usize = 1000;

/// How one value is to be shown: `-05.2f`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
    /// `s`, `r`, `d`, `f`, `e`, `x`; nothing is `s`.
    kind: Option<char>,
}

impl Spec {
    /// The format at the beginning of `text`, up to its kind, and its length.
    fn read(text: &str) -> Result<(Spec, usize), String> {
        let mut spec = Spec::default();
        let mut rest = text.trim_start_matches(|c| match c {
            '-' | '<' => {
                spec.left = true;
                true
            }
            '0' => {
                spec.zero = true;
                true
            }
            '+' => {
                spec.plus = true;
                true
            }
            '>' | ' ' => true,
            _ => false,
        });
        let mut number = || {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, after) = rest.split_at(digits);
            rest = after;
            match number.parse() {
                _ if number.is_empty() => Ok(None),
                Ok(n) if n <= MAX_WIDTH => Ok(Some(n)),
                _ => Err(format!("a width of {number} is more than {MAX_WIDTH}")),
            }
        };
        spec.width = number()?.unwrap_or(0);
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, after) = rest.split_at(digits);
            rest = after;
            spec.precision = match number.parse() {
                Ok(n) if n <= MAX_WIDTH => Some(n),
                Err(_) if number.is_empty() => Some(0),
                _ => return Err(format!("{number} decimals are more than {MAX_WIDTH}")),
            };
        }
        spec.kind = rest.chars().next();
        let kind = spec.kind.map_or(0, char::len_utf8);
        Ok((spec, text.len() - rest.len() + kind))
    }

    /// The format that is the whole of `text`: what follows the colon in `{x:.2f}`.
    pub(super) fn parse(text: &str) -> Result<Spec, String> {
        let (spec, len) = Spec::read(text)?;
        if len != text.len() || !matches!(spec.kind, None | Some('s' | 'd' | 'f' | 'e' | 'x')) {
            return Err(format!("unknown format `{text}`"));
        }
        Ok(spec)
    }

    /// The value in this format.
    pub(super) fn show(&self, value: &Value) -> Result<String, String> {
        let kind = self.kind.unwrap_or('s');
        let wrong = || format!("`%{kind}` cannot take {}", value.type_name());
        let text = match kind {
            's' | 'r' => {
                let text = if kind == 'r' {
                    value.repr()
                } else {
                    value.to_string()
                };
                match self.precision {
                    Some(most) => text.chars().take(most).collect(),
                    None => text,
                }
            }
            'd' | 'i' | 'x' => {
                let n = match value {
                    Value::Float(x) if kind != 'x' => super::eval::float_to_int(x.trunc()),
                    _ => value.as_int(),
                };
                let n = n.ok_or_else(wrong)?;
                let digits = match kind {
                    'x' => format!("{:x}", n.unsigned_abs()),
                    _ => n.unsigned_abs().to_string(),
                };
                format!("{}{digits}", if n < 0 { "-" } else { "" })
            }
            'f' | 'F' | 'e' => {
                let x = value.as_f64().ok_or_else(wrong)?;
                let decimals = self.precision.unwrap_or(6);
                match kind {
                    _ if !x.is_finite() => Value::Float(x).to_string(),
                    'e' => scientific(x, decimals),
                    _ => format!("{x:.decimals$}"),
                }
            }
            other => return Err(format!("unknown format `%{other}`")),
        };
        let numeric = !matches!(kind, 's' | 'r');
        let sign = if numeric && self.plus && !text.starts_with('-') {
            "+"
        } else {
            ""
        };
        Ok(self.padded(&format!("{sign}{text}"), numeric))
    }

    fn padded(&self, text: &str, numeric: bool) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.left {
            return format!("{text}{}", " ".repeat(missing));
        }
        if self.zero && numeric {
            let digits = text.trim_start_matches(['-', '+']);
            let sign = &text[..text.len() - digits.len()];
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        format!("{}{text}", " ".repeat(missing))
    }
}

/// Rust's exponent is `e5`, Python's `e+05`.
fn scientific(x: f64, decimals: usize) -> String {
    let text = format!("{x:.decimals$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
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
        let (spec, len) = Spec::read(after)?;
        if spec.kind.is_none() {
            return Err("the format ends after its `%`: write `%%` for a percent sign".to_owned());
        }
        let value = args.next().ok_or("not enough values for the format")?;
        out.push_str(&spec.show(value)?);
        if out.len() > super::MAX_WEIGHT {
            return Err("the formatted text is too large".to_owned());
        }
        rest = &after[len..];
    }
    out.push_str(rest);
    match args.next() {
        Some(_) => Err("not all values are used by the format".to_owned()),
        None => Ok(Value::Str(out)),
    }
}
