//! Edits of a YAML text: entries of mappings that are written anew, put in, or taken out.

use std::ops::Range;

use super::write::{self, Yaml};
use crate::case::yaml::{Kind, Node, Plain};

/// Texts that replace stretches of another.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub(super) fn replace(&mut self, place: Range<usize>, by: impl Into<String>) {
        self.0.push((place, by.into()));
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
    let found = entries(node).iter().find(|(key, _)| is(key, name));
    found.map(|(key, value)| (key, value))
}

fn entries(node: &Node) -> &[(Node, Node)] {
    match &node.kind {
        Kind::Mapping(entries) => entries,
        _ => &[],
    }
}

fn is(key: &Node, name: &str) -> bool {
    key.scalar().is_some_and(|scalar| scalar.text == name)
}

/// Whether a mapping has its entries on lines of their own, and not in braces.
fn is_block(text: &str, node: &Node) -> bool {
    !entries(node).is_empty() && !text[node.span.start..].starts_with('{')
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// A text with entries written into its mapping: over those of the same keys, else behind the last one. What stands in
/// braces gets lines.
pub(super) fn with(text: &str, tree: &Node, new: &[(String, Yaml)]) -> String {
    if new.is_empty() {
        return text.to_owned();
    }
    if !is_block(text, tree) {
        let mut lines = comments(text, tree, 0..text.len());
        let all = write::block(&merged(tree, new), 0);
        lines.push(&all);
        return lines.join("\n") + "\n";
    }
    let mut edits = Edits::default();
    put(text, tree, text.len(), new, &mut edits);
    edits.apply(text)
}

/// Writes entries into a mapping whose entries have lines of their own, and which ends before `end`.
fn put(text: &str, mapping: &Node, end: usize, new: &[(String, Yaml)], edits: &mut Edits) {
    let old = entries(mapping);
    let Some((first, _)) = old.first() else {
        return;
    };
    let column = first.span.start - line_start(text, first.span.start);
    let pad = " ".repeat(column);
    let ends = |index: usize| {
        let next = old
            .get(index + 1)
            .map(|(key, _)| line_start(text, key.span.start));
        entry_end(text, &old[index], next.unwrap_or(end), column)
    };
    for (name, value) in new {
        let Some(index) = old.iter().position(|(key, _)| is(key, name)) else {
            let entry = write::entry(name, value, column);
            let at = ends(old.len() - 1);
            edits.replace(at..at, format!("\n{entry}"));
            continue;
        };
        let (key, there) = &old[index];
        let anew = match value {
            Yaml::Into(inner) if is_block(text, there) => {
                put(text, there, ends(index), inner, edits);
                continue;
            }
            Yaml::Into(inner) => write::entry(name, &Yaml::Block(merged(there, inner)), column),
            _ => write::entry(name, value, column),
        };
        let place = key.span.start..ends(index);
        let mut lines = String::new();
        for comment in comments(text, there, key.span.end..place.end) {
            lines += &format!("{comment}\n{pad}");
        }
        edits.replace(place, lines + anew.trim_start());
    }
}

/// Where the last line of an entry ends, before its newline; `end` is where the next one begins. Comments behind it
/// belong to it where they stand deeper.
fn entry_end(text: &str, (key, value): &(Node, Node), mut end: usize, column: usize) -> usize {
    let least = value.span.start.max(key.span.end);
    loop {
        end = text[..end].trim_end().len();
        let start = line_start(text, end);
        let line = text[start..end].trim_start();
        let deeper = end - line.len() - start > column;
        if start <= least || !(line == "..." || line.starts_with('#') && !deeper) {
            return end;
        }
        end = start;
    }
}

/// The comments in a place around a node.
fn comments<'t>(text: &'t str, node: &Node, place: Range<usize>) -> Vec<&'t str> {
    fn scalars(node: &Node, places: &mut Vec<Range<usize>>) {
        match &node.kind {
            Kind::Scalar(_) => places.push(node.span.start..node.span.end),
            Kind::List(items) => items.iter().for_each(|item| scalars(item, places)),
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    scalars(key, places);
                    scalars(value, places);
                }
            }
        }
    }
    let Range {
        start: mut from,
        end,
    } = place;
    let mut places = Vec::new();
    scalars(node, &mut places);
    places.push(end..end);
    let mut found = Vec::new();
    for place in places {
        let between = &text[from..place.start.clamp(from, end)];
        let lines = between.lines();
        found.extend(lines.filter_map(|line| Some(line[line.find('#')?..].trim_end())));
        from = place.end.clamp(from, end);
    }
    found
}

/// What a mapping in braces becomes with entries written into it.
fn merged(old: &Node, new: &[(String, Yaml)]) -> Vec<(String, Yaml)> {
    let mut all = match kept(old) {
        Yaml::Mapping(entries) => entries,
        _ => Vec::new(),
    };
    for (name, value) in new {
        let there = entry(old, name).map(|(_, there)| there);
        let value = match (value, there) {
            (Yaml::Into(inner), Some(there)) => Yaml::Block(merged(there, inner)),
            _ => value.clone(),
        };
        match all.iter_mut().find(|(key, _)| key == name) {
            Some((_, there)) => *there = value,
            None => all.push((name.clone(), value)),
        }
    }
    all
}

/// A node as it is.
fn kept(node: &Node) -> Yaml {
    match &node.kind {
        Kind::Scalar(scalar) if scalar.value == Plain::Text => Yaml::Text(scalar.text.clone()),
        Kind::Scalar(_) if node.is_null() => Yaml::Plain("~".to_owned()),
        Kind::Scalar(scalar) => Yaml::Plain(scalar.text.clone()),
        Kind::List(items) => Yaml::List(items.iter().map(kept).collect()),
        Kind::Mapping(entries) => {
            let entries = entries.iter().filter_map(|(key, value)| {
                let name = match kept(key) {
                    Yaml::Text(name) => write::scalar(&name, true),
                    Yaml::Plain(name) => name,
                    _ => return None,
                };
                Some((name, kept(value)))
            });
            Yaml::Mapping(entries.collect())
        }
    }
}

/// Takes an entry with a plain value out of a mapping that has others: with its line, where it has one of its own.
pub(super) fn remove(text: &str, mapping: &Node, name: &str, edits: &mut Edits) {
    let old = entries(mapping);
    let Some(index) = old.iter().position(|(key, _)| is(key, name)) else {
        return;
    };
    let (key, value) = &old[index];
    let start = line_start(text, key.span.start);
    let own_line = text[start..key.span.start].trim().is_empty();
    if own_line && is_block(text, mapping) {
        let newline = text[value.span.end..].find('\n');
        let end = newline.map_or(text.len(), |newline| value.span.end + newline + 1);
        edits.replace(start..end, "");
    } else if let Some((next, _)) = old.get(index + 1) {
        edits.replace(key.span.start..next.span.start, "");
    } else {
        let comma = text[..key.span.start].trim_end().trim_end_matches(',');
        edits.replace(comma.len()..value.span.end, "");
    }
}
