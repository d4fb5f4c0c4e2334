//! Edits of a YAML text: where its nodes begin and end, and what is put in their place.

use std::ops::Range;

use super::write::{Part, block_list, flow_list, scalar};
use crate::case::yaml::{Kind, Node, Plain};

/// Texts that replace stretches of another.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub(super) fn replace(&mut self, place: Range<usize>, by: impl Into<String>) {
        self.0.push((place, by.into()));
    }

    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// The text with all of them made. They do not overlap; of insertions at one place the first comes first.
    pub(super) fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(place, _)| (place.start, place.end));
        let mut new = String::with_capacity(text.len());
        let mut done = 0;
        for (place, by) in self.0 {
            new.push_str(&text[done..place.start]);
            new.push_str(&by);
            done = place.end;
        }
        new.push_str(&text[done..]);
        new
    }
}

/// The value of a key, with its key.
pub(super) fn entry<'n>(node: &'n Node, name: &str) -> Option<(&'n Node, &'n Node)> {
    let Kind::Mapping(entries) = &node.kind else {
        return None;
    };
    let found = entries
        .iter()
        .find(|(key, _)| key.scalar().is_some_and(|scalar| scalar.text == name));
    found.map(|(key, value)| (key, value))
}

/// Whether a list or mapping is written in brackets.
fn in_brackets(text: &str, node: &Node) -> bool {
    node.scalar().is_none() && text[node.span.start..].starts_with(['[', '{'])
}

/// The whole of a node, closing bracket included.
fn extent(text: &str, node: &Node) -> Range<usize> {
    let start = node.span.start;
    let last = match &node.kind {
        Kind::Scalar(_) => None,
        Kind::List(items) => items.last(),
        Kind::Mapping(entries) => entries.last().map(|(_, value)| value),
    };
    let mut end = last.map_or(node.span.end, |last| extent(text, last).end);
    if in_brackets(text, node) {
        if last.is_none() {
            end = start + 1;
        }
        end = closing(text, end);
    }
    // The end of a block of text, and the place of a value that is not there, lie behind the last word.
    start..start + text[start..end.max(start)].trim_end().len()
}

/// One past the bracket that closes what ends here: only commas, blanks and comments lie between.
fn closing(text: &str, from: usize) -> usize {
    let mut comment = false;
    for (at, c) in text[from..].char_indices() {
        match c {
            '\n' => comment = false,
            _ if comment => {}
            '#' => comment = true,
            ']' | '}' => return from + at + 1,
            _ => {}
        }
    }
    from
}

/// How far a place is from the beginning of its line.
pub(super) fn column(text: &str, at: usize) -> usize {
    at - line_start(text, at)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The end of the line of a place, before its newline.
fn line_end(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline)
}

/// Puts an entry behind the last one of a mapping. `below` is the entry for a mapping whose keys stand in a column of
/// their own, `inline` for one in brackets.
pub(super) fn add_entry(
    text: &str,
    mapping: &Node,
    below: impl FnOnce(usize) -> String,
    inline: &str,
    edits: &mut Edits,
) {
    let Kind::Mapping(entries) = &mapping.kind else {
        return;
    };
    match entries.last() {
        Some((_, last)) if in_brackets(text, mapping) => {
            edits.insert(
                extent(text, last).end.max(last.span.start),
                format!(", {inline}"),
            );
        }
        Some((key, last)) => {
            let indent = column(text, key.span.start);
            let end = extent(text, last).end.max(key.span.end);
            edits.insert(line_end(text, end), format!("\n{}", below(indent)));
        }
        None => edits.replace(extent(text, mapping), format!("{{ {inline} }}")),
    }
}

/// Takes an entry out of a mapping that has others: with its line, where it has one of its own.
pub(super) fn remove_entry(text: &str, mapping: &Node, name: &str, edits: &mut Edits) {
    let Kind::Mapping(entries) = &mapping.kind else {
        return;
    };
    let is = |(key, _): &(Node, Node)| key.scalar().is_some_and(|scalar| scalar.text == name);
    let Some(index) = entries.iter().position(is) else {
        return;
    };
    let (key, value) = &entries[index];
    let end = extent(text, value).end.max(key.span.end);
    let before = index.checked_sub(1).and_then(|index| entries.get(index));
    let next = entries.get(index + 1);
    let start = line_start(text, key.span.start);
    let own_line = text[start..key.span.start].trim().is_empty();
    match (before, next) {
        _ if own_line && !in_brackets(text, mapping) => {
            edits.replace(start..(line_end(text, end) + 1).min(text.len()), "");
        }
        // It is the first one, behind a dash or a bracket: the next one comes there.
        (None, Some((next, _))) => edits.replace(key.span.start..next.span.start, ""),
        (Some((key, value)), _) => {
            edits.replace(extent(text, value).end.max(key.span.end)..end, "");
        }
        (None, None) => {}
    }
}

/// Puts a part of an expectation in the place of what stands there, and leaves what is so already.
pub(super) fn part(text: &str, key: &Node, old: &Node, new: &Part<'_>, edits: &mut Edits) {
    match (new, &old.kind) {
        (Part::Elapsed(at), _) => edits.replace(extent(text, old), at.to_string()),
        (Part::Distinct(workers), _) => {
            if let Some((_, value)) = entry(old, "distinct") {
                edits.replace(extent(text, value), workers.to_string());
            }
        }
        (Part::Timeline(instants), Kind::Mapping(entries))
            if !in_brackets(text, old) && !entries.is_empty() && !instants.is_empty() =>
        {
            timeline(text, entries, instants, edits);
        }
        (Part::Output(lines), Kind::List(nodes)) => output(text, key, old, nodes, lines, edits),
        (Part::Tasks(fates), Kind::Mapping(entries)) if same_sets(fates, entries) => {
            for ((_, value), (_, fate)) in entries.iter().zip(*fates) {
                let fate = fate.to_string();
                if value.scalar().is_none_or(|scalar| scalar.text != fate) {
                    edits.replace(extent(text, value), fate);
                }
            }
        }
        _ => whole(text, key, old, new, edits),
    }
}

/// Puts a value in the place of another, in the style of the old one.
fn whole(text: &str, key: &Node, old: &Node, new: &Part<'_>, edits: &mut Edits) {
    let place = extent(text, old);
    if in_brackets(text, old) || old.scalar().is_some() {
        // A key inside of brackets has no line of its own.
        let flow = new.flow();
        let own_line = text[line_start(text, key.span.start)..key.span.start]
            .trim()
            .is_empty();
        if own_line && column(text, place.start) + flow.len() > 120 {
            let value = new.value(
                &text[key.span.start..key.span.end],
                column(text, key.span.start),
            );
            let blank = text[..place.start].trim_end_matches(' ').len();
            edits.replace(blank..place.end, value);
        } else {
            edits.replace(place, flow);
        }
        return;
    }
    let indent = column(text, place.start);
    edits.replace(place, new.block(indent).trim_start().to_owned());
}

/// The instants of a timeline whose keys stand below each other.
fn timeline(
    text: &str,
    entries: &[(Node, Node)],
    instants: &[(crate::case::ast::Time, Vec<&str>)],
    edits: &mut Edits,
) {
    let indent = entries
        .first()
        .map_or(0, |(key, _)| column(text, key.span.start));
    let time = |key: &Node| -> Option<u64> {
        let units = match key.scalar()?.value {
            Plain::Int(n) => n as f64,
            Plain::Float(x) => x,
            _ => return None,
        };
        crate::case::ast::Time::from_units(units).map(|time| time.0)
    };
    for (key, value) in entries {
        let new = instants.iter().find(|(at, _)| Some(at.0) == time(key));
        let whole = line_start(text, key.span.start)..line_end(text, extent(text, value).end);
        match new {
            None => edits.replace(whole.start..(whole.end + 1).min(text.len()), ""),
            Some((_, lines)) if !same_lines(value, lines) => list(text, value, lines, edits),
            Some(_) => {}
        }
    }
    for (at, lines) in instants {
        if entries.iter().any(|(key, _)| time(key) == Some(at.0)) {
            continue;
        }
        let entry = Part::Timeline(vec![(*at, lines.clone())]).block(indent);
        let later = entries.iter().find(|(key, _)| time(key) > Some(at.0));
        match (later, entries.last()) {
            (Some((key, _)), _) => {
                edits.insert(line_start(text, key.span.start), format!("{entry}\n"));
            }
            (None, Some((_, last))) => {
                let end = line_end(text, extent(text, last).end);
                // Behind the newline, so that the last entry may go at the same time.
                if end < text.len() {
                    edits.insert(end + 1, format!("{entry}\n"));
                } else {
                    edits.insert(end, format!("\n{entry}"));
                }
            }
            (None, None) => {}
        }
    }
}

/// The lines of one instant, in the style in which they stand there.
fn list(text: &str, old: &Node, lines: &[&str], edits: &mut Edits) {
    let place = extent(text, old);
    let new = if in_brackets(text, old) || old.scalar().is_some() {
        flow_list(lines)
    } else {
        let indent = column(text, place.start);
        block_list(lines, indent).trim_start().to_owned()
    };
    edits.replace(place, new);
}

/// An `output`: item by item where it has as many lines as before.
fn output(text: &str, key: &Node, old: &Node, nodes: &[Node], lines: &[&str], edits: &mut Edits) {
    let group = |node: &'_ Node| entry(node, "any").map(|(_, lines)| lines.clone());
    let count = |node: &Node| match group(node).map(|lines| lines.kind) {
        Some(Kind::List(lines)) => lines.len(),
        _ => 1,
    };
    if nodes.iter().map(count).sum::<usize>() != lines.len() || nodes.is_empty() {
        whole(text, key, old, &Part::Output(lines.to_vec()), edits);
        return;
    }
    let mut rest = lines;
    for node in nodes {
        let (here, after) = rest.split_at(count(node));
        rest = after;
        match group(node) {
            Some(lines) if !same_lines(&lines, here) => list(text, &lines, here, edits),
            Some(_) => {}
            None => {
                let same = node.scalar().is_some_and(|scalar| scalar.text == here[0]);
                if !same {
                    let flow = in_brackets(text, old);
                    edits.replace(extent(text, node), scalar(here[0], flow));
                }
            }
        }
    }
}

/// Whether a list has these lines, in whatever order.
fn same_lines(node: &Node, lines: &[&str]) -> bool {
    let Kind::List(items) = &node.kind else {
        return false;
    };
    let mut left: Vec<&str> = lines.to_vec();
    let all = items.iter().all(|item| {
        let text = item.scalar().map(|scalar| scalar.text.as_str());
        let found = left.iter().position(|line| text == Some(*line));
        found.map(|at| left.remove(at)).is_some()
    });
    all && left.is_empty()
}

/// Whether these are the sets that stand there, in their order.
fn same_sets(fates: &[(String, crate::case::ast::Fate)], entries: &[(Node, Node)]) -> bool {
    fates.len() == entries.len()
        && fates
            .iter()
            .zip(entries)
            .all(|((set, _), (key, _))| key.scalar().is_some_and(|scalar| scalar.text == *set))
}
