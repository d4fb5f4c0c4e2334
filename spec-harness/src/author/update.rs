//! Brings what a case file expects up to what was seen.

use super::edit::{self, Edits, add_entry, entry};
use super::seen::Seen;
use super::write::Part;
use crate::case::ast::{Case, Expect, Kind};
use crate::case::yaml::{self, Node};
use crate::history::History;
use crate::judge::{Reason, Verdict, judge};

/// What stands behind an expectation that nobody has read yet.
pub const REMARK: &str =
    "# predicted by the model: read it, and strike out this remark if it is what you mean";

/// Parts that tell of the same: what `on:` says of one of a group replaces the whole group.
const GROUPS: [&[&str]; 4] = [
    &["timeline", "output"],
    &["elapsed"],
    &["tasks"],
    &["workers"],
];

/// A run on one kind of worker, and which parts of the expectation it does not meet.
struct Run {
    kind: Kind,
    seen: Seen,
    missed: Vec<&'static str>,
}

impl Run {
    fn of(case: &Case, kind: Kind, history: &History) -> Run {
        let reasons = match judge(case, kind, history, None).verdict {
            Verdict::Fail(reasons) => reasons,
            _ => Vec::new(),
        };
        let missed = reasons.iter().filter_map(|reason| match reason {
            Reason::Mismatch { what, .. } => Some(*what),
            _ => None,
        });
        Run {
            kind,
            seen: Seen::of(case, history),
            missed: missed.collect(),
        }
    }

    fn misses(&self, group: &[&str]) -> bool {
        self.missed.iter().any(|part| group.contains(part))
    }

    /// Whether both have shown the same of a group.
    fn agrees(&self, other: &Run, group: &[&str]) -> bool {
        let (left, right) = (&self.seen, &other.seen);
        match group[0] {
            "elapsed" => left.elapsed == right.elapsed,
            "tasks" => left.fates == right.fates,
            "workers" => left.distinct == right.distinct,
            _ => {
                let sorted = |seen: &Seen| {
                    let mut lines = seen.lines.clone();
                    lines.sort();
                    lines
                };
                sorted(left) == sorted(right)
            }
        }
    }
}

/// The text of a case with its expectation as its runs were, one on each kind of worker that it is for. Comments, order
/// and style of the rest stay; so do the parts that hold, and what is not there is not added. Of orders, claims
/// and ties nothing is changed: they are what the author says.
///
/// Where kinds of workers differ, what a case expects on all is what holds on one of them (processes, if on none), and
/// the other gets a part under `on:`.
pub fn update(case: &Case, text: &str, runs: &[(Kind, History)]) -> String {
    let Ok(tree) = yaml::parse(text) else {
        return text.to_owned();
    };
    let runs: Vec<Run> = runs
        .iter()
        .map(|(kind, history)| Run::of(case, *kind, history))
        .collect();
    let base = entry(&tree, "expect").map(|(_, base)| base);
    let own = |kind: Kind| {
        let (_, on) = entry(&tree, "on")?;
        let (_, part) = entry(on, &kind.to_string())?;
        entry(part, "expect").map(|(_, expect)| expect)
    };
    let names = |expect: Option<&Node>, group: &[&str]| {
        expect.is_some_and(|expect| group.iter().any(|key| entry(expect, key).is_some()))
    };
    let mut edits = Edits::default();
    let mut others: Vec<(Kind, Vec<(&str, Part<'_>)>)> = Vec::new();
    for group in GROUPS {
        let (own_say, base_say): (Vec<&Run>, Vec<&Run>) =
            runs.iter().partition(|run| names(own(run.kind), group));
        for run in own_say.into_iter().filter(|run| run.misses(group)) {
            replace(text, own(run.kind), group, run, &mut edits);
        }
        let missed: Vec<&Run> = base_say
            .iter()
            .copied()
            .filter(|run| run.misses(group))
            .collect();
        let taken = if missed.len() == base_say.len() {
            missed.last().copied()
        } else {
            None
        };
        if let Some(run) = taken {
            replace(text, base, group, run, &mut edits);
        }
        for run in missed {
            if taken.is_some_and(|taken| taken.kind == run.kind || taken.agrees(run, group)) {
                continue;
            }
            let keys = group
                .iter()
                .filter(|key| base.is_some_and(|base| entry(base, key).is_some()));
            let parts = keys.filter_map(|key| Some((*key, Part::of(key, &run.seen)?)));
            match others.iter_mut().find(|(kind, _)| *kind == run.kind) {
                Some((_, known)) => known.extend(parts),
                None => others.push((run.kind, parts.collect())),
            }
        }
    }
    let mut end = String::new();
    for (kind, parts) in &others {
        if let Some(expect) = own(*kind) {
            for (key, part) in parts {
                let below = |column: usize| entries(&[(*key, part)], column);
                add_entry(
                    text,
                    expect,
                    below,
                    &format!("{key}: {}", part.flow()),
                    &mut edits,
                );
            }
        } else if let Some((_, on)) = entry(&tree, "on") {
            let inline: Vec<String> = parts
                .iter()
                .map(|(key, part)| format!("{key}: {}", part.flow()))
                .collect();
            let inline = format!("{kind}: {{ expect: {{ {} }} }}", inline.join(", "));
            add_entry(
                text,
                on,
                |column| for_kind(*kind, parts, column),
                &inline,
                &mut edits,
            );
        } else {
            end += &format!("on:\n{}\n", for_kind(*kind, parts, 2));
        }
    }
    let mut new = edits.apply(text);
    if !end.is_empty() {
        end_line(&mut new);
        new += &end;
    }
    new
}

/// The text of a case that expects nothing yet, with an expectation as its runs were; `remark` says that nobody has
/// read it. Without `workers`, the number of workers is left out: nobody promises it where some are idle.
pub fn fill(
    case: &Case,
    text: &str,
    runs: &[(Kind, History)],
    remark: bool,
    workers: bool,
) -> String {
    let runs: Vec<Run> = runs
        .iter()
        .map(|(kind, history)| Run::of(case, *kind, history))
        .collect();
    let Some(main) = runs.last() else {
        return text.to_owned();
    };
    let all: Vec<_> = GROUPS
        .iter()
        .filter_map(|group| to_fill(main, group, workers))
        .collect();
    let remark = if remark {
        format!(" {REMARK}")
    } else {
        String::new()
    };
    let tree = yaml::parse(text);
    let mut new = match tree.as_ref().ok().and_then(|tree| entry(tree, "expect")) {
        // It says that there are ties.
        Some((key, expect)) => {
            let mut edits = Edits::default();
            let inline = all
                .iter()
                .map(|(key, part)| format!("{key}: {}", part.flow()));
            let inline = inline.collect::<Vec<_>>().join(", ");
            edit::add_entry(
                text,
                expect,
                |column| entries(&all, column),
                &inline,
                &mut edits,
            );
            if text[key.span.end..].starts_with(":\n") {
                edits.insert(key.span.end + 1, remark);
            }
            edits.apply(text)
        }
        None => {
            let mut new = text.to_owned();
            end_line(&mut new);
            new + &format!("expect:{remark}\n{}", entries(&all, 2))
        }
    };
    end_line(&mut new);
    let mut on = String::new();
    for run in &runs[..runs.len() - 1] {
        let other = GROUPS.iter().filter(|group| !main.agrees(run, group));
        let other: Vec<_> = other
            .filter_map(|group| to_fill(run, group, workers))
            .collect();
        if !other.is_empty() {
            on += &format!("{}\n", for_kind(run.kind, &other, 2));
        }
    }
    if !on.is_empty() {
        new += &format!("on:\n{on}");
    }
    new
}

/// The part of a group that a new expectation has, where there is something to expect.
fn to_fill<'r>(
    run: &'r Run,
    group: &[&'static str],
    workers: bool,
) -> Option<(&'static str, Part<'r>)> {
    let key = group[0];
    let nothing = match key {
        "timeline" => run.seen.lines.is_empty(),
        "tasks" => run.seen.fates.is_empty(),
        "workers" => !workers,
        _ => false,
    };
    if nothing {
        return None;
    }
    Some((key, Part::of(key, &run.seen)?))
}

/// The text without the remark that its expectation has not been read.
pub fn read(text: &str) -> String {
    text.replace(&format!(" {REMARK}"), "")
}

/// The functions and the program of a case's text, with their comments: all from `tasks` or `main` on, whichever comes
/// first, but for what it expects.
pub fn program(text: &str) -> String {
    let mut kept = String::new();
    let mut keep = false;
    for line in text.split_inclusive('\n') {
        let key = line.split(':').next().unwrap_or_default();
        if line.starts_with(char::is_alphabetic) {
            keep = matches!(key, "tasks" | "main");
        }
        if keep {
            kept += line;
        }
    }
    end_line(&mut kept);
    kept
}

/// Whether a case expects nothing at all, but perhaps that there are ties.
pub fn expects_nothing(case: &Case) -> bool {
    let expect = Expect {
        ties: None,
        ..case.expect.clone()
    };
    expect == Expect::default() && case.on.is_empty()
}

/// Puts the parts of a group in their places, where they are named.
fn replace(text: &str, expect: Option<&Node>, group: &[&str], run: &Run, edits: &mut Edits) {
    let missed = run.missed.iter().filter(|part| group.contains(part));
    for key in missed {
        let found = expect.and_then(|expect| entry(expect, key));
        let Some((at, old)) = found else { continue };
        if *key == "tasks" {
            let fates = of_the_same(old, &run.seen);
            edit::part(text, at, old, &Part::Tasks(&fates), edits);
        } else if let Some(part) = Part::of(key, &run.seen) {
            edit::part(text, at, old, &part, edits);
        }
    }
}

/// The fates of the functions that are spoken of already.
fn of_the_same(old: &Node, seen: &Seen) -> Vec<(String, crate::case::ast::Fate)> {
    let function = |set: &str| set.split('(').next().unwrap_or_default().trim().to_owned();
    let yaml::Kind::Mapping(entries) = &old.kind else {
        return seen.fates.clone();
    };
    let keys = entries.iter().filter_map(|(key, _)| key.scalar());
    let spoken: Vec<String> = keys.map(|key| function(&key.text)).collect();
    let fates = seen
        .fates
        .iter()
        .filter(|(set, _)| spoken.contains(&function(set)));
    fates.cloned().collect()
}

/// Entries of an `expect` in this column.
fn entries<'p, 's: 'p>(
    parts: &'p [(&'p str, impl std::borrow::Borrow<Part<'s>>)],
    column: usize,
) -> String {
    let pad = " ".repeat(column);
    let entries = parts
        .iter()
        .map(|(key, part)| format!("{pad}{key}:{}", part.borrow().value(key, column)));
    entries.collect::<Vec<_>>().join("\n")
}

/// What is expected on one kind of worker, as an entry of `on` in this column.
fn for_kind(kind: Kind, parts: &[(&str, Part<'_>)], column: usize) -> String {
    let (pad, inner) = (" ".repeat(column), " ".repeat(column + 2));
    format!(
        "{pad}{kind}:\n{inner}expect:\n{}",
        entries(parts, column + 4)
    )
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}
