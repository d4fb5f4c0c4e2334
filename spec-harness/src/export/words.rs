//! Expressions and texts in Python's words.

use std::collections::BTreeSet;

use crate::case::ast::Case;
use crate::case::expr::{Expr, Function, Piece, Template, Value};

/// Names that a program has a use of its own for.
const TAKEN: [&str; 51] = [
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
    "False",
    "None",
    "True",
    "multiprocessing",
    "os",
    "signal",
    "sys",
    "time",
    "contextlib",
    "threading",
    "print",
    "sleep",
    "worker",
    "raises",
    "numbers",
    "Pool",
    "Process",
    "UNIT",
    "after",
];

/// What everything is called in the program.
#[derive(Debug)]
pub(super) struct Words {
    tasks: BTreeSet<String>,
    variables: BTreeSet<String>,
    pools: BTreeSet<String>,
}

impl Words {
    /// The words for a case with these variables and pools.
    pub(super) fn of<'p>(
        case: &Case,
        variables: BTreeSet<String>,
        pools: impl Iterator<Item = &'p &'p str>,
    ) -> Words {
        Words {
            pools: pools.map(|name| (*name).to_owned()).collect(),
            tasks: case
                .tasks
                .iter()
                .map(|task| task.name.value.clone())
                .collect(),
            variables,
        }
    }

    pub(super) fn task(&self, name: &str) -> String {
        free(name)
    }

    /// A variable: it may have the name of a function in a case.
    pub(super) fn variable(&self, name: &str) -> String {
        if self.tasks.contains(name) {
            format!("{name}_")
        } else {
            free(name)
        }
    }

    /// A pool: it may have the name of a function or of a variable in a case.
    pub(super) fn pool(&self, name: &str) -> String {
        if self.tasks.contains(name) || self.variables.contains(name) {
            format!("{name}_pool")
        } else {
            free(name)
        }
    }

    /// A second thread: it may have the name of anything else.
    pub(super) fn thread(&self, name: &str) -> String {
        let sets = [&self.tasks, &self.variables, &self.pools];
        if sets.iter().any(|names| names.contains(name)) {
            format!("{name}_thread")
        } else {
            free(name)
        }
    }

    /// An expression.
    pub(super) fn expr(&self, expr: &Expr) -> String {
        self.translated(&expr.to_string())
    }

    /// What is iterated over, where a range need not be a list.
    pub(super) fn items(&self, expr: &Expr) -> String {
        let text = self.expr(expr);
        let inner = text
            .strip_prefix("numbers(")
            .and_then(|rest| rest.strip_suffix(')'));
        match inner.filter(|inner| !inner.contains([')', '('])) {
            Some(inner) => format!("range({inner})"),
            None => text,
        }
    }

    /// An expression as an operand of `*`.
    pub(super) fn factor(&self, expr: &Expr) -> String {
        let text = self.expr(expr);
        let atomic = text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        if atomic { text } else { format!("({text})") }
    }

    /// The words of an expression, one by one; what stands in quotes stays.
    fn translated(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' || c == '"' {
                out.push(c);
                while let Some(inner) = chars.next() {
                    out.push(inner);
                    if inner == '\\' {
                        out.extend(chars.next());
                    } else if inner == c {
                        break;
                    }
                }
            } else if c.is_alphabetic() || c == '_' {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(next);
                }
                out += &self.word(&word);
            } else if c.is_ascii_digit() {
                // The letters of a number are no words.
                out.push(c);
                while let Some(next) =
                    chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
                {
                    out.push(next);
                }
            } else {
                out.push(c);
            }
        }
        out
    }

    fn word(&self, word: &str) -> String {
        match word {
            "clock" | "worker" => format!("{word}()"),
            "worker_name" => "worker()".to_owned(),
            // A list in a case, and shown as one.
            "range" => "numbers".to_owned(),
            "and" | "or" | "not" | "in" | "is" | "True" | "False" | "None" => word.to_owned(),
            _ if Function::named(word).is_some() => word.to_owned(),
            _ => self.variable(word),
        }
    }

    /// A text with expressions, as one expression.
    pub(super) fn template(&self, text: &Template) -> String {
        let pieces: Vec<Piece<'_>> = text.pieces().collect();
        match pieces[..] {
            [] => return "\"\"".to_owned(),
            [Piece::Text(text)] => return string(text),
            _ => {}
        }
        let mut out = String::from("f\"");
        for piece in pieces {
            match piece {
                Piece::Text(text) => out += &escaped(text).replace('{', "{{").replace('}', "}}"),
                Piece::Value { expr, repr, format } => {
                    let Some(value) = self.in_braces(expr, repr, format) else {
                        return self.concatenated(text);
                    };
                    out += &format!("{{{value}}}");
                }
            }
        }
        out + "\""
    }

    /// What can stand in the braces of an f-string of any version of Python.
    fn in_braces(&self, expr: &Expr, repr: bool, format: &str) -> Option<String> {
        let value = self.formatted(expr, repr, format)?;
        let odd = value.contains(['"', '\\', '{', '}', '#', '!']) || value.starts_with('{');
        (!odd).then(|| if repr { format!("{value}!r") } else { value })
    }

    /// A value in a format that Python's f-strings read as a case does: where it is a number of decimals.
    fn formatted(&self, expr: &Expr, repr: bool, format: &str) -> Option<String> {
        let value = self.expr(expr);
        let decimals = format
            .strip_prefix('.')
            .and_then(|rest| rest.strip_suffix(['f', 'e']));
        match decimals {
            _ if format.is_empty() => Some(value),
            Some(digits) if !repr && digits.chars().all(|c| c.is_ascii_digit()) => {
                Some(format!("{value}:{format}"))
            }
            _ => None,
        }
    }

    fn concatenated(&self, text: &Template) -> String {
        let pieces = text.pieces().map(|piece| match piece {
            Piece::Text(text) => string(text),
            Piece::Value { expr, repr, format } => {
                let value = self.expr(expr);
                let value = if repr {
                    format!("repr({value})")
                } else {
                    value
                };
                // As `%` formats: `<` is its `-`, and `>` what it does anyway.
                let format = format.replace('<', "-").replace('>', "");
                match format.chars().last() {
                    None => format!("str({value})"),
                    Some(kind) if kind.is_alphabetic() => format!("'%{format}' % ({value},)"),
                    Some(_) => format!("'%{format}s' % ({value},)"),
                }
            }
        });
        pieces.collect::<Vec<_>>().join(" + ")
    }
}

/// A name that is not taken.
fn free(name: &str) -> String {
    let taken = TAKEN.contains(&name)
        || matches!(name, "START" | "clock" | "handled")
        || Function::named(name).is_some();
    if taken {
        format!("{name}_")
    } else {
        name.to_owned()
    }
}

/// A text as Python writes it.
pub(super) fn string(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// The inside of a text in double quotes.
fn escaped(text: &str) -> String {
    let repr = Value::Str(format!("'\"{text}")).repr();
    // Both quotes are in it, so that it stands in single quotes, which are escaped.
    let inner = repr
        .strip_prefix("'\\'\"")
        .and_then(|rest| rest.strip_suffix('\''));
    inner
        .unwrap_or_default()
        .replace("\\'", "'")
        .replace('"', "\\\"")
}
