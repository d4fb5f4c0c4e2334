//! What the YAML crate refuses, told in the words of those who write cases.

use serde_saphyr::budget::BudgetBreach;

use super::{MAX_DEPTH, place};
use crate::case::diagnostic::Diagnostic;
use crate::case::span::Span;

/// The anchor that belongs to what stands at this place: it stands before it.
fn anchor(text: &str, span: Span) -> Span {
    let found = text[..span.start]
        .rfind('&')
        .filter(|_| !text[span.start..].starts_with(['&', '*']));
    let name = |at: usize| text[at..].find(char::is_whitespace).map(|len| at + len);
    match found.and_then(|at| Some((at, name(at)?))) {
        // An anchor glued to what it names has no name of its own that could be shown.
        Some((start, end))
            if text
                .get(end..span.start)
                .is_some_and(|between| between.trim_start_matches([' ', '\n', '-']).is_empty()) =>
        {
            Span { start, end }
        }
        _ => span,
    }
}

/// What the YAML crate found, in our words where we have better ones.
pub(super) fn diagnostic(text: &str, error: &serde_saphyr::Error) -> Diagnostic {
    let span = error
        .location()
        .map_or(Span::default(), |location| place(text, &location));
    let (message, help) = match error.without_snippet() {
        serde_saphyr::Error::Budget {
            breach: BudgetBreach::Anchors { .. },
            ..
        } => {
            let message = "a case file has no YAML anchors or aliases";
            return Diagnostic::new(anchor(text, span), message).help(NO_ANCHORS);
        }
        serde_saphyr::Error::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => (
                format!("the file is nested deeper than {MAX_DEPTH} levels"),
                None,
            ),
            BudgetBreach::Aliases { .. } => (
                "a case file has no YAML anchors or aliases".to_owned(),
                Some(NO_ANCHORS),
            ),
            BudgetBreach::Documents { .. } => (
                "the file holds more than one document".to_owned(),
                Some(ONE_CASE),
            ),
            _ => (
                "the file holds more values than a case may have".to_owned(),
                None,
            ),
        },
        serde_saphyr::Error::MultipleDocuments { .. } => (
            "the file holds more than one document".to_owned(),
            Some(ONE_CASE),
        ),
        serde_saphyr::Error::UnknownAnchor { .. } => (
            "a case file has no YAML anchors or aliases".to_owned(),
            Some(NO_ANCHORS),
        ),
        other => {
            let said = other.to_string();
            let message = said
                .rsplit_once(" at line ")
                .map_or(said.as_str(), |(message, _)| message);
            if let Some(better) =
                indentation(message, text, span).or_else(|| in_line(message, text, span))
            {
                return better;
            }
            let help = advice(message, text, span);
            let help = help.map(str::to_owned).or_else(|| half_quoted(text, span));
            let message = format!("this is no YAML: {message}");
            return Diagnostic::new(span, message).maybe_help(help);
        }
    };
    Diagnostic::new(span, message).maybe_help(help.map(str::to_owned))
}

const NO_ANCHORS: &str =
    "say it again where it is meant; text that begins with `*` or `&` stands in quotes";

const ONE_CASE: &str = "one file is one case";

/// Advice for the slips that text in YAML invites.
fn advice(message: &str, text: &str, span: Span) -> Option<&'static str> {
    let here = text[span.start..].chars().next();
    if message.contains("mapping values are not allowed") {
        Some("put quotes around text that contains `: `")
    } else if message.contains("alias") || message.contains("anchor") {
        Some(NO_ANCHORS)
    } else if matches!(here, Some('%' | '@' | '`' | '*' | '&' | '!')) {
        Some("put quotes around text that begins with a special character")
    } else if message.contains("simple key expected ':'") {
        Some("a key ends with a colon, as in `tasks:`")
    } else if message.contains("escape character") || message.contains("hexadecimal number") {
        Some("write `\\\\` for a backslash, or use single quotes, in which it stands for itself")
    } else {
        None
    }
}

/// Advice for `print: {i} is done` and `print: "a" and b`: YAML takes the beginning for the whole.
fn half_quoted(text: &str, span: Span) -> Option<String> {
    let start = text[..span.start]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next()?;
    let item = line.trim_start().trim_start_matches("- ");
    let value = item
        .split_once(": ")
        .map_or(item, |(_, value)| value)
        .trim();
    let close = match value.chars().next()? {
        '{' => '}',
        '[' => ']',
        quote @ ('"' | '\'') => quote,
        _ => return None,
    };
    let (_, rest) = value[1..].split_once(close)?;
    if rest.trim().is_empty() {
        return None;
    }
    let quote = if value.contains('"') { '\'' } else { '"' };
    let whole = !value.contains(quote);
    whole.then(|| format!("put quotes around the whole text: `{quote}{value}{quote}`"))
}

/// A column in which something that is still open began: items of a list, or keys.
#[derive(Debug, Clone, Copy)]
struct Open {
    column: usize,
    item: bool,
}

/// A line that is indented as nothing above it is, or that is no item where items stand.
fn indentation(message: &str, text: &str, span: Span) -> Option<Diagnostic> {
    let about_lines = [
        "did not find expected key",
        "did not find expected '-' indicator",
        "mapping values are not allowed",
        "simple key expected",
        "could not find expected ':'",
    ];
    if !about_lines.iter().any(|about| message.contains(about)) {
        return None;
    }
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next()?;
    let (column, said) = indented(line)?;
    let place = Span {
        start: start + column,
        end: start + column + said.len(),
    };
    let item = is_item(said);
    let open = open(&text[..start]);
    if open
        .iter()
        .any(|open| (open.column, open.item) == (column, item))
    {
        return None;
    }
    let beside = open.iter().filter(|open| open.item == item);
    let beside = beside.min_by_key(|open| open.column.abs_diff(column));
    let what = if item { "item" } else { "key" };
    if !open.iter().any(|open| open.column == column) {
        if let Some(key) = keyless(&text[..start], column) {
            let problem = Diagnostic::new(key, "a key without its `:`");
            return Some(problem.help("end it with `:` to let it hold what stands below it"));
        }
        let message = format!("this line is indented by {column}, and nothing above it is");
        let help = beside.map(|open| {
            let by = open.column;
            format!("to stand beside the {what} above it, it is indented by {by}")
        });
        return Some(Diagnostic::new(place, message).maybe_help(help));
    }
    if item {
        let help = "begin what stands above it with `- ` as well, or indent this line further";
        return Some(Diagnostic::new(place, "an item of a list stands among keys").help(help));
    }
    if said.starts_with('-') {
        let problem = Diagnostic::new(place, "an item begins with `-` and a blank");
        return Some(problem.help("put a blank behind the `-`"));
    }
    let deeper = open
        .iter()
        .filter(|open| !open.item && open.column > column);
    let help = match deeper.min_by_key(|open| open.column) {
        Some(open) if said.contains(':') => {
            let by = open.column;
            format!("begin it with `- `, or indent it by {by} to let it belong to the item above")
        }
        _ => "begin it with `- `".to_owned(),
    };
    Some(
        Diagnostic::new(
            place,
            "this line stands among the items of a list, and is none",
        )
        .help(help),
    )
}

/// The last line of a text, where it is no item, has no `:`, and what follows it is indented further.
fn keyless(text: &str, column: usize) -> Option<Span> {
    let line = text.lines().next_back()?;
    let (above, said) = indented(line)?;
    let start = text.trim_end_matches(['\n', '\r']).len() - line.trim_end().len() + above;
    let holds = column > above && !is_item(said) && !said.contains(':');
    let end = start + said.len();
    (holds && text.get(start..end) == Some(said)).then_some(Span { start, end })
}

/// The columns of what is open at the end of a text, the innermost first.
fn open(text: &str) -> Vec<Open> {
    let mut open = Vec::new();
    let mut within = usize::MAX;
    for (column, said) in text.lines().rev().filter_map(indented) {
        let item = is_item(said);
        // Items may stand in the very column of the key that they belong to.
        let last_is_item = open.last().is_some_and(|open: &Open| open.item);
        if column > within || (column == within && (item || !last_is_item)) {
            continue;
        }
        if item {
            let inner = said[1..].trim_start();
            if inner.contains(": ") || inner.ends_with(':') {
                let column = column + (said.len() - inner.len());
                open.push(Open {
                    column,
                    item: false,
                });
            }
        }
        open.push(Open { column, item });
        within = column;
        if column == 0 && !item {
            break;
        }
    }
    open
}

/// How far a line is indented, and what it says; nothing, where it says nothing.
fn indented(line: &str) -> Option<(usize, &str)> {
    let said = line.trim();
    let says = !said.is_empty() && !said.starts_with('#');
    says.then(|| (line.len() - line.trim_start().len(), said))
}

fn is_item(said: &str) -> bool {
    said == "-" || said.starts_with("- ")
}

/// A tab that indents, and a quote that is not closed.
fn in_line(message: &str, text: &str, span: Span) -> Option<Diagnostic> {
    if message.contains("tab") {
        let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let at = text[start..].find('\t').map_or(span.start, |at| start + at);
        let place = Span {
            start: at,
            end: at + 1,
        };
        return Some(Diagnostic::new(place, "a tab indents this line").help("indent with spaces"));
    }
    if !message.contains("quoted scalar") || message.contains("escape") {
        return None;
    }
    // It runs on through the lines that follow the one where it begins.
    let end = text[span.start..].find('\n');
    let end = end.map_or(text.len(), |newline| span.start + newline);
    let mut lines = Vec::new();
    let mut at = 0;
    for line in text[..end].split_inclusive('\n') {
        lines.push((at, line));
        at += line.len();
    }
    for (start, line) in lines.into_iter().rev() {
        let item = line.trim_start().trim_start_matches("- ");
        let value = item
            .split_once(": ")
            .map_or(item, |(_, value)| value)
            .trim();
        if let Some(quote @ ('"' | '\'')) = value.chars().next()
            && !value[1..].contains(quote)
        {
            let at = start + line.find(value)?;
            let place = Span {
                start: at,
                end: at + value.len(),
            };
            let message = format!("the quote `{quote}` is not closed");
            return Some(Diagnostic::new(place, message).help("close it on the same line"));
        }
    }
    None
}
