//! Single values: words, numbers, expressions, printed text.

use super::Lower;
use crate::case::ast::{Span, Spanned, Time};
use crate::case::diagnostic::Diagnostic;
use crate::case::expr::{Expr, SyntaxError, Template, Value};
use crate::case::yaml::{Kind, Node, Plain, Scalar};

/// Longest time that a case may speak of: about eleven days of virtual time.
const MAX_UNITS: f64 = 1e6;

impl From<SyntaxError> for Diagnostic {
    fn from(error: SyntaxError) -> Diagnostic {
        Diagnostic::new(error.span, error.message).maybe_help(error.help)
    }
}

impl Lower {
    /// A scalar as it is written; `what` says what it is for.
    pub(super) fn scalar<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Scalar> {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.value == Plain::Null => {
                self.report(
                    Diagnostic::new(node.span, format!("{what} is missing"))
                        .label("nothing stands here")
                        .help("empty text is written `\"\"`"),
                );
                None
            }
            Kind::Scalar(scalar) => Some(scalar),
            _ => {
                let message = format!("{what} is text, but YAML reads {} here", node.describe());
                self.report(
                    Diagnostic::new(node.span, message)
                        .help("put quotes around text with `: `, or that begins with `{` or `[`"),
                );
                None
            }
        }
    }

    /// Text; a number or a truth value is taken as it is written.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        let scalar = self.scalar(node, what)?;
        Some(Spanned {
            value: scalar.text.clone(),
            span: node.span,
        })
    }

    /// A list of words, or nothing.
    pub(super) fn words(
        &mut self,
        node: Option<&Node>,
        what: &str,
        item: &str,
    ) -> Vec<Spanned<String>> {
        let Some(items) = node.and_then(|node| self.list(node, what)) else {
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|node| self.text(node, item))
            .collect()
    }

    /// The items of a list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::List(items) => Some(items),
            _ => {
                self.report(
                    Diagnostic::new(
                        node.span,
                        format!("{what} is a list, not {}", node.describe()),
                    )
                    .help("begin each item with `- `, or write `[a, b]`"),
                );
                None
            }
        }
    }

    /// A name: of a variable, a pool, a thread.
    pub(super) fn name(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        let name = self.text(node, what)?;
        if is_name(&name.value) {
            return Some(name);
        }
        self.report(
            Diagnostic::new(name.span, format!("`{}` is no name", name.value))
                .help("a name has letters, digits and `_`, and begins with a letter"),
        );
        None
    }

    /// An expression: YAML's numbers, truth values and lists are expressions too.
    pub(super) fn expr(&mut self, node: &Node, what: &str) -> Option<Expr> {
        match &node.kind {
            Kind::List(items) => {
                let items: Option<Vec<_>> = items
                    .iter()
                    .map(|item| self.expr(item, "an element"))
                    .collect();
                self.accept(Expr::list(items?, node.span))
            }
            Kind::Mapping(_) => {
                let message = format!("{what} is an expression, but YAML reads a mapping here");
                self.report(
                    Diagnostic::new(node.span, message).help("put quotes around the expression"),
                );
                None
            }
            Kind::Scalar(scalar) => match scalar.value {
                Plain::Null => self.scalar(node, what).and(None),
                Plain::Bool(value) => Some(Expr::literal(Value::Bool(value), node.span)),
                Plain::Int(value) => Some(Expr::literal(Value::Int(value), node.span)),
                Plain::Float(value) => Some(Expr::literal(Value::Float(value), node.span)),
                Plain::Text => {
                    let parsed = Expr::parse(&scalar.text, scalar.at);
                    self.accept(parsed.map_err(|error| advised(error, &scalar.text)))
                }
            },
        }
    }

    /// A printed text with expressions in braces.
    pub(super) fn template(&mut self, node: &Node, what: &str) -> Option<Template> {
        if let Kind::Mapping(entries) = &node.kind
            && let [(key, value)] = &entries[..]
            && value.is_null()
            && let Some(name) = key.scalar()
        {
            // `print: {i}`: the braces are YAML's.
            self.report(
                Diagnostic::new(
                    node.span,
                    format!("{what} is text, but YAML reads a mapping here"),
                )
                .help(format!("put quotes around it: `\"{{{}}}\"`", name.text)),
            );
            return None;
        }
        let scalar = self.scalar(node, what)?;
        // `print: f"{i}"`: in YAML, all of it is text.
        let quoted = ['"', '\''].iter().find_map(|quote| {
            scalar
                .text
                .strip_prefix('f')?
                .strip_prefix(*quote)?
                .strip_suffix(*quote)
        });
        if let Some(text) = quoted {
            let help = format!("braces are expressions in all that is printed: write `\"{text}\"`");
            self.report(Diagnostic::new(node.span, "there are no f-strings").help(help));
            return None;
        }
        self.accept(Template::parse(&scalar.text, scalar.at))
    }

    /// A point or stretch of virtual time, as a number.
    pub(super) fn time(&mut self, node: &Node, what: &str) -> Option<Spanned<Time>> {
        let units = match node.scalar().map(|scalar| scalar.value) {
            Some(Plain::Int(n)) => n as f64,
            Some(Plain::Float(x)) => x,
            _ => {
                self.wrong(node, what, "a number of units of time");
                return None;
            }
        };
        match Time::from_units(units) {
            Some(value) if units <= MAX_UNITS => Some(Spanned {
                value,
                span: node.span,
            }),
            _ => {
                self.report(Diagnostic::new(
                    node.span,
                    format!("{what} is a time between 0 and {MAX_UNITS}"),
                ));
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.scalar().map(|scalar| scalar.value) {
            Some(Plain::Bool(value)) => Some(value),
            _ => {
                self.wrong(node, what, "`true` or `false`");
                None
            }
        }
    }

    /// What an expression parser gave, or its error reported.
    pub(super) fn accept<T>(&mut self, result: Result<T, SyntaxError>) -> Option<T> {
        result.map_err(|error| self.report(error.into())).ok()
    }
}

/// An error of an expression with advice for who has meant something else than an expression.
pub(super) fn advised(mut error: SyntaxError, text: &str) -> SyntaxError {
    if error.help.is_some() {
        return error;
    }
    let quoted = text.contains(['\'', '"']);
    error.help = if let Some(help) = pythons(text) {
        Some(help.to_owned())
    } else if let Some((first, last)) = numbers_of_range(text) {
        Some(format!(
            "write `range({first}, {last})`: its end does not belong to it"
        ))
    } else if let Some(put_together) = formatted(text).filter(|_| !quoted) {
        Some(format!(
            "braces are for what is printed; here write `{put_together}`"
        ))
    } else if !quoted && text.contains(' ') && text.chars().any(char::is_alphabetic) {
        Some(format!(
            "if this is text, it has quotes of its own, inside of YAML's: `\"'{text}'\"`"
        ))
    } else {
        None
    };
    error
}

/// Advice for what Python has and this language has not.
fn pythons(text: &str) -> Option<&'static str> {
    let words: Vec<&str> = text.split([' ', '[', ']', '(', ')']).collect();
    let has = |word: &str| words.contains(&word);
    let is_number_with_unit = |word: &str| {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        unit.len() < word.len() && ["s", "ms", "sec", "min"].contains(&unit)
    };
    if has("for") && has("in") {
        Some("there are no comprehensions: a step `for` with `into` collects values")
    } else if has("if") && has("else") {
        Some("there is no `... if ... else ...`: a step `if` has `then` and `else`")
    } else if text.starts_with("f'") || text.starts_with("f\"") {
        Some("there are no f-strings: write `\"'%s' % name\"`, or braces in what is printed")
    } else if words.iter().any(|word| is_number_with_unit(word)) {
        Some("a time is a number of units, without a letter: write `1` or `0.5`")
    } else {
        None
    }
}

/// `hello {name}` as an expression, where it has one value in braces.
fn formatted(text: &str) -> Option<String> {
    let (before, rest) = text.split_once('{')?;
    let (value, after) = rest.split_once('}')?;
    let simple = is_name(value) && !after.contains('{');
    simple.then(|| format!("\"'{before}%s{after}' % {value}\""))
}

/// The numbers around `..`.
fn numbers_of_range(text: &str) -> Option<(i64, i64)> {
    let (before, after) = text.split_once("..")?;
    let first = before.split([' ', '(', '[']).next_back()?;
    let last = after
        .trim_start_matches('=')
        .split([' ', ')', ']'])
        .next()?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Whether a text can be a name.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// From the beginning of one place to the end of another.
pub(super) fn across(from: Span, to: Span) -> Span {
    Span {
        start: from.start,
        end: to.end,
    }
}
