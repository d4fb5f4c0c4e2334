//! Writes parts of an expectation as YAML, in the styles that authors use.

use std::fmt::Display;

use super::seen::Seen;
use crate::case::ast::{Fate, Time};

/// Longest line that is written where there is a choice.
const WIDTH: usize = 100;

/// The value of a part of `expect`.
pub(super) enum Part<'s> {
    Timeline(Vec<(Time, Vec<&'s str>)>),
    Output(Vec<&'s str>),
    Elapsed(Time),
    Tasks(&'s [(String, Fate)]),
    Distinct(u64),
}

impl<'s> Part<'s> {
    /// The part of this key, as it was seen.
    pub(super) fn of(key: &str, seen: &'s Seen) -> Option<Part<'s>> {
        Some(match key {
            "timeline" => Part::Timeline(seen.timeline().into_iter().collect()),
            "output" => {
                let lines = seen.lines.iter();
                Part::Output(lines.map(|(_, line)| line.as_str()).collect())
            }
            "elapsed" => Part::Elapsed(seen.elapsed),
            "tasks" => Part::Tasks(&seen.fates),
            "workers" => Part::Distinct(seen.distinct?),
            _ => return None,
        })
    }

    /// On one line.
    pub(super) fn flow(&self) -> String {
        match self {
            Part::Timeline(instants) => {
                let entry = |(at, lines): &(Time, Vec<&str>)| format!("{at}: {}", flow_list(lines));
                flow_mapping(instants.iter().map(entry))
            }
            Part::Output(lines) => flow_list(lines),
            Part::Elapsed(at) => at.to_string(),
            Part::Tasks(fates) => {
                let entry = |(set, fate): &(String, Fate)| format!("{}: {fate}", scalar(set, true));
                flow_mapping(fates.iter().map(entry))
            }
            Part::Distinct(workers) => format!("{{ distinct: {workers}, reaped: true }}"),
        }
    }

    /// As the value of a key that stands in this column: on the key's line where it fits, else below.
    pub(super) fn value(&self, key: &str, column: usize) -> String {
        let flow = self.flow();
        let fits = column + key.len() + 2 + flow.len() <= WIDTH;
        let in_a_column = matches!(self, Part::Timeline(instants) if !instants.is_empty());
        if fits && !in_a_column {
            format!(" {flow}")
        } else {
            format!("\n{}", self.block(column + 2))
        }
    }

    /// Line by line, from this column on.
    pub(super) fn block(&self, column: usize) -> String {
        let pad = " ".repeat(column);
        let lines: Vec<String> = match self {
            Part::Timeline(instants) => instants
                .iter()
                .map(|(at, lines)| {
                    let key = at.to_string();
                    format!("{pad}{key}:{}", list_value(lines, column, key.len()))
                })
                .collect(),
            Part::Output(lines) if !lines.is_empty() => vec![block_list(lines, column)],
            Part::Tasks(fates) => fates
                .iter()
                .map(|(set, fate)| format!("{pad}{}: {fate}", scalar(set, false)))
                .collect(),
            Part::Output(_) | Part::Elapsed(_) | Part::Distinct(_) => Vec::new(),
        };
        if lines.is_empty() {
            return format!("{pad}{}", self.flow());
        }
        lines.join("\n")
    }
}

/// A list of lines behind a key in this column: on its line where it fits, else below.
fn list_value(lines: &[&str], column: usize, key: usize) -> String {
    let flow = flow_list(lines);
    if column + key + 2 + flow.len() <= WIDTH {
        format!(" {flow}")
    } else {
        format!("\n{}", block_list(lines, column + 2))
    }
}

/// Items below each other, from this column on.
pub(super) fn block_list(lines: &[&str], column: usize) -> String {
    let pad = " ".repeat(column);
    let lines = lines
        .iter()
        .map(|line| format!("{pad}- {}", scalar(line, false)));
    lines.collect::<Vec<_>>().join("\n")
}

/// `[a, b]`.
pub(super) fn flow_list(lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| scalar(line, true)).collect();
    format!("[{}]", lines.join(", "))
}

fn flow_mapping(entries: impl Iterator<Item = impl Display>) -> String {
    let entries: Vec<String> = entries.map(|entry| entry.to_string()).collect();
    if entries.is_empty() {
        return "{}".to_owned();
    }
    format!("{{ {} }}", entries.join(", "))
}

/// A text as a YAML scalar, without quotes where it cannot be taken for anything else.
pub(super) fn scalar(text: &str, in_flow: bool) -> String {
    if is_plain(text, in_flow) {
        return text.to_owned();
    }
    let control = text.contains(|c: char| c.is_control() || c == '\u{feff}');
    if !control && !text.contains(['"', '\\']) {
        return format!("\"{text}\"");
    }
    if !control && !text.contains('\'') {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || c == '\u{feff}' => {
                quoted.push_str(&format!("\\U{:08X}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn is_plain(text: &str, in_flow: bool) -> bool {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let begins = text
        .chars()
        .next()
        .is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '(');
    begins
        && text.trim() == text
        && !text.ends_with(':')
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains(char::is_control)
        && !(in_flow && text.contains([',', '[', ']', '{', '}']))
        && !words.contains(&text.to_lowercase().as_str())
        // A number is a line as well, but nobody should have to think about that.
        && text.parse::<f64>().is_err()
        && !text.starts_with("0x")
        && !text.starts_with("0o")
}
