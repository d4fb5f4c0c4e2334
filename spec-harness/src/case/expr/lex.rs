//! Cuts the text of an expression into tokens.

use super::SyntaxError;
use crate::case::span::Span;

/// A token and where it stands in the text (relative to the text's beginning).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The kinds of tokens.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Name(String),
    Int(i64),
    Float(f64),
    Str(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    End,
}

/// The operators and brackets; the longer ones first, so that `**` is not two `*`.
const SYMBOLS: [&str; 21] = [
    "//", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", "=",
    ".", ":", "!",
];

/// Whether an expression ends at the text's end only, or also where a `{...}` part of a template ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The end of the text.
    TextEnd,
    /// The first `}`, or `:` or `!` outside brackets.
    PartEnd,
}

/// The tokens of the expression at the beginning of `text`, with [`Kind::End`] where it ends.
pub(super) fn tokens(text: &str, until: Until) -> Result<Vec<Token>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut brackets = 0_usize;
    loop {
        at += text[at..].len() - text[at..].trim_start_matches([' ', '\t', '\n']).len();
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            break;
        };
        if until == Until::PartEnd
            && (first == '}'
                || brackets == 0 && (first == ':' || first == '!' && !rest.starts_with("!=")))
        {
            break;
        }
        let (kind, len) = match first {
            '\'' | '"' => string(text, at)?,
            '0'..='9' => number(text, at)?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(text, at)?,
            c if c.is_alphabetic() || c == '_' => {
                let len = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let name = &rest[..len.unwrap_or(rest.len())];
                (Kind::Name(name.to_owned()), name.len())
            }
            _ => match SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
                Some(symbol) => (Kind::Symbol(symbol), symbol.len()),
                None => {
                    let span = Span {
                        start: at,
                        end: at + first.len_utf8(),
                    };
                    return Err(SyntaxError::new(
                        span,
                        format!("unexpected character `{first}`"),
                    ));
                }
            },
        };
        match kind {
            Kind::Symbol("(" | "[") => brackets += 1,
            Kind::Symbol(")" | "]") => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token {
            kind,
            start: at,
            end: at + len,
        });
        at += len;
    }
    tokens.push(Token {
        kind: Kind::End,
        start: at,
        end: at,
    });
    Ok(tokens)
}

/// The number that begins at `at`, and its length.
fn number(text: &str, at: usize) -> Result<(Kind, usize), SyntaxError> {
    let rest = &text.as_bytes()[at..];
    let digits = |from: usize| {
        rest[from..]
            .iter()
            .take_while(|c| c.is_ascii_digit() || **c == b'_')
            .count()
    };
    let mut len = digits(0);
    let mut float = false;
    if rest.get(len) == Some(&b'.') && rest.get(len + 1) != Some(&b'.') {
        float = true;
        len += 1 + digits(len + 1);
    }
    if matches!(rest.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
        if rest.get(len + 1 + sign).is_some_and(u8::is_ascii_digit) {
            float = true;
            len += 1 + sign + digits(len + 1 + sign);
        }
    }
    let written = &text[at..at + len];
    let plain = written.replace('_', "");
    let fault = |message: &str| {
        SyntaxError::new(
            Span {
                start: at,
                end: at + len,
            },
            format!("`{written}` {message}"),
        )
    };
    let kind = if float {
        let value: f64 = plain.parse().map_err(|_| fault("is no number"))?;
        Kind::Float(if value.is_finite() {
            value
        } else {
            return Err(fault("is too large"));
        })
    } else {
        Kind::Int(
            plain
                .parse()
                .map_err(|_| fault("does not fit into 64 bits"))?,
        )
    };
    if text[at + len..].starts_with(|c: char| c.is_alphabetic()) {
        return Err(fault("is followed by a letter"));
    }
    Ok((kind, len))
}

/// The quoted text that begins at `at`, without its quotes and escapes, and its length.
fn string(text: &str, at: usize) -> Result<(Kind, usize), SyntaxError> {
    let rest = &text[at..];
    let quote = rest.as_bytes()[0] as char;
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        if c == quote {
            return Ok((Kind::Str(value), i + 1));
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        let Some((j, escaped)) = chars.next() else {
            break;
        };
        let digits = match escaped {
            '\\' | '\'' | '"' => {
                value.push(escaped);
                continue;
            }
            'n' | 't' | 'r' | '0' => {
                value.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    _ => '\0',
                });
                continue;
            }
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let span = Span {
            start: at + i,
            end: at + j + escaped.len_utf8(),
        };
        let hex = rest
            .get(j + 1..j + 1 + digits)
            .filter(|hex| !hex.is_empty() && hex.bytes().all(|c| c.is_ascii_hexdigit()));
        let code = hex
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32);
        let Some(code) = code else {
            return Err(
                SyntaxError::new(span, format!("unknown escape `\\{escaped}`"))
                    .help("write `\\\\` for a backslash".to_owned()),
            );
        };
        value.push(code);
        for _ in 0..digits {
            chars.next();
        }
    }
    let span = Span {
        start: at,
        end: text.len(),
    };
    Err(SyntaxError::new(
        span,
        format!("the text is not closed by {quote}"),
    ))
}
