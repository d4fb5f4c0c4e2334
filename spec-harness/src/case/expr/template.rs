//! The text of a `print`, with expressions in braces.

use super::format::Spec;
use super::parse;
use super::{Env, EvalError, Expr, SyntaxError, place};
use crate::case::span::Span;

/// A text such as `{i}------>{clock}`: `{x}` is the value as Python's `str` shows it, `{x:.2f}` formatted; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Where it stands in the case file.
    pub span: Span,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Value { expr: Expr, format: Option<Spec> },
}

impl Template {
    /// Parses a text that stands at `at` in the case file (see [`Expr::parse`] about places).
    ///
    /// # Errors
    /// A brace without its partner, or a bad expression in braces.
    pub fn parse(text: &str, at: Span) -> Result<Template, SyntaxError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut pos = 0;
        while let Some(offset) = text[pos..].find(['{', '}']) {
            let brace = pos + offset;
            plain.push_str(&text[pos..brace]);
            let rest = &text[brace..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                plain.push_str(&rest[..1]);
                pos = brace + 2;
                continue;
            }
            let here = place(text, at, brace, brace + 1);
            if rest.starts_with('}') {
                return Err(SyntaxError::new(here, "`}` closes nothing")
                    .help("write `}}` for a brace in the text".to_owned()));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let (part, end) = value(text, at, brace, here)?;
            parts.push(part);
            pos = end;
        }
        plain.push_str(&text[pos..]);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { span: at, parts })
    }

    /// The text itself, without any expression.
    pub fn plain(text: impl Into<String>, span: Span) -> Template {
        Template {
            span,
            parts: vec![Part::Text(text.into())],
        }
    }

    /// The text with the values of its expressions.
    ///
    /// # Errors
    /// An expression without a value, or a text that grows beyond the bounds of a value.
    pub fn render(&self, env: &Env) -> Result<String, EvalError> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value { expr, format } => {
                    let value = expr.eval(env)?;
                    let text = match format {
                        None => value.to_string(),
                        Some(spec) => spec.show(&value).map_err(|message| EvalError {
                            span: expr.span,
                            message,
                        })?,
                    };
                    out.push_str(&text);
                }
            }
            if out.len() > super::MAX_WEIGHT {
                let message = "the text is too large".to_owned();
                return Err(EvalError {
                    span: self.span,
                    message,
                });
            }
        }
        Ok(out)
    }

    /// Every variable it mentions, with its place, from left to right.
    pub fn names(&self) -> Vec<(&str, Span)> {
        self.parts
            .iter()
            .flat_map(|part| match part {
                Part::Text(_) => Vec::new(),
                Part::Value { expr, .. } => expr.names(),
            })
            .collect()
    }
}

/// The `{...}` part that begins at byte `brace`, and the byte behind it.
fn value(text: &str, at: Span, brace: usize, here: Span) -> Result<(Part, usize), SyntaxError> {
    let (expr, mut end) = parse::part(text, at, brace + 1)?;
    let mut format = None;
    if let Some(spec) = text[end..].strip_prefix(':') {
        let spec = &spec[..spec.find('}').unwrap_or(spec.len())];
        let start = end + 1;
        end = start + spec.len();
        let parsed = Spec::parse(spec)
            .map_err(|message| SyntaxError::new(place(text, at, start, end), message))?;
        format = Some(parsed);
    }
    match text[end..].chars().next() {
        Some('}') => Ok((Part::Value { expr, format }, end + 1)),
        Some(c) => {
            let span = place(text, at, end, end + c.len_utf8());
            Err(SyntaxError::new(
                span,
                format!("expected `}}`, found `{c}`"),
            ))
        }
        None => Err(SyntaxError::new(here, "`{` is not closed")
            .help("write `{{` for a brace in the text".to_owned())),
    }
}
