//! Brings what a case file expects up to what was seen.

use std::collections::BTreeMap;

use super::edit;
use super::seen::Seen;
use super::write::{Yaml, scalar};
use crate::case::ast::{Case, Expect, Kind, Line};
use crate::case::yaml;
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
    fn all(case: &Case, runs: &[(Kind, History)]) -> Vec<Run> {
        let runs = runs.iter();
        runs.map(|(kind, history)| Run::of(case, *kind, history))
            .collect()
    }

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

/// What is to be written: parts of what is expected on every kind of worker, and of what is on one.
type Parts = BTreeMap<Option<Kind>, Vec<(String, Yaml)>>;

/// The text of a case with its expectation as its runs were, one on each kind of worker that it is for. A part that
/// does not hold is written anew; the parts that hold stay, and what is not there is not added. Of orders, claims
/// and schedules nothing is changed: they are what the author says.
///
/// Where kinds of workers differ, what a case expects on all is what holds on one of them (processes, if on none), and
/// the other gets a part under `on:`.
pub fn update(case: &Case, text: &str, runs: &[(Kind, History)]) -> String {
    let runs = Run::all(case, runs);
    let own = |kind: Kind| {
        let found = case.on.iter().find(|(on, _)| on.value == kind);
        found.map(|(_, expect)| expect)
    };
    let mut parts = Parts::new();
    for group in GROUPS {
        let said = |run: &&Run| own(run.kind).is_some_and(|own| !says(own, group).is_empty());
        let (own_say, base_say): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(said);
        let mut add = |on: Option<Kind>, expect: &Expect, run: &Run, only_missed: bool| {
            let mut keys = says(expect, group);
            keys.retain(|key| !only_missed || run.missed.contains(key));
            let new = keys.iter().filter_map(|key| part(key, expect, &run.seen));
            parts.entry(on).or_default().extend(new);
        };
        for run in own_say.into_iter().filter(|run| run.misses(group)) {
            if let Some(own) = own(run.kind) {
                add(Some(run.kind), own, run, true);
            }
        }
        let missed: Vec<&Run> = base_say
            .iter()
            .copied()
            .filter(|run| run.misses(group))
            .collect();
        let all = missed.len() == base_say.len();
        let taken = missed.last().copied().filter(|_| all);
        if let Some(run) = taken {
            add(None, &case.expect, run, true);
        }
        for run in missed {
            if !taken.is_some_and(|taken| taken.kind == run.kind || taken.agrees(run, group)) {
                add(Some(run.kind), &case.expect, run, false);
            }
        }
    }
    written(text, parts)
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
    let runs = Run::all(case, runs);
    let Some((main, others)) = runs.split_last() else {
        return text.to_owned();
    };
    let mut parts = Parts::new();
    let groups = GROUPS.iter();
    let all = groups.filter_map(|group| to_fill(main, group, workers));
    parts.insert(None, all.collect());
    for run in others {
        let groups = GROUPS.iter().filter(|group| !main.agrees(run, group));
        let other = groups.filter_map(|group| to_fill(run, group, workers));
        parts.insert(Some(run.kind), other.collect());
    }
    let new = written(text, parts);
    if remark {
        new.replacen("\nexpect:\n", &format!("\nexpect: {REMARK}\n"), 1)
    } else {
        new
    }
}

/// The text with these parts in their places.
fn written(text: &str, mut parts: Parts) -> String {
    parts.retain(|_, parts| !parts.is_empty());
    let Ok(tree) = yaml::parse(text) else {
        return text.to_owned();
    };
    let expect = |parts| ("expect".to_owned(), Yaml::Into(parts));
    let mut new = Vec::new();
    new.extend(parts.remove(&None).map(expect));
    let kinds: Vec<(String, Yaml)> = parts
        .into_iter()
        .filter_map(|(kind, parts)| Some((kind?.to_string(), Yaml::Into(vec![expect(parts)]))))
        .collect();
    if !kinds.is_empty() {
        new.push(("on".to_owned(), Yaml::Into(kinds)));
    }
    edit::with(text, &tree, &new)
}

/// The part of a group that a new expectation has, where there is something to expect.
fn to_fill(run: &Run, group: &[&str], workers: bool) -> Option<(String, Yaml)> {
    let nothing = match group[0] {
        "timeline" => run.seen.lines.is_empty(),
        "tasks" => run.seen.fates.is_empty(),
        "workers" => !workers || run.seen.distinct.is_none_or(|ran| ran == 0),
        _ => false,
    };
    if nothing {
        return None;
    }
    part(group[0], &Expect::default(), &run.seen)
}

/// The parts of a group that an expectation has.
fn says<'k>(expect: &Expect, group: &[&'k str]) -> Vec<&'k str> {
    let has = |key: &str| match key {
        "timeline" => expect.timeline.is_some(),
        "output" => expect.output.is_some(),
        "elapsed" => expect.elapsed.is_some(),
        "tasks" => !expect.tasks.is_empty(),
        _ => expect.workers.is_some(),
    };
    group.iter().copied().filter(|key| has(key)).collect()
}

/// A part as it was seen, and of it as much as the old one says.
fn part(key: &str, old: &Expect, seen: &Seen) -> Option<(String, Yaml)> {
    let value = match key {
        "timeline" => {
            let instants = seen.timeline().into_iter();
            Yaml::Block(
                instants
                    .map(|(at, lines)| (at.to_string(), Yaml::texts(lines)))
                    .collect(),
            )
        }
        "output" => output(old.output.as_deref().unwrap_or_default(), seen),
        "elapsed" => Yaml::Plain(seen.elapsed.to_string()),
        "tasks" => {
            let spoken = |set: &str| {
                let function = set.split('(').next().unwrap_or_default();
                old.tasks.is_empty() || old.tasks.iter().any(|(old, _)| old.task == function)
            };
            let fates = seen.fates.iter().filter(|(set, _)| spoken(set));
            Yaml::Mapping(
                fates
                    .map(|(set, fate)| (scalar(set, true), Yaml::Plain(fate.to_string())))
                    .collect(),
            )
        }
        "workers" => {
            let old = old.workers.as_ref();
            let mut entries = Vec::new();
            if old.is_none_or(|old| old.distinct.is_some()) {
                let distinct = Yaml::Plain(seen.distinct?.to_string());
                entries.push(("distinct".to_owned(), distinct));
            }
            if let Some(reaped) = old.map_or(Some(true), |old| old.reaped) {
                entries.push(("reaped".to_owned(), Yaml::Plain(reaped.to_string())));
            }
            Yaml::Mapping(entries)
        }
        _ => return None,
    };
    Some((key.to_owned(), value))
}

/// The lines in their order, in the groups of the old ones where there are as many.
fn output(old: &[Line], seen: &Seen) -> Yaml {
    let count = |line: &Line| match line {
        Line::Text(_) => 1,
        Line::Any(lines) => lines.len(),
    };
    let mut lines = seen.lines.iter().map(|(_, line)| line.as_str());
    if old.iter().map(count).sum::<usize>() != seen.lines.len() {
        return Yaml::texts(lines);
    }
    let item = |line: &Line| match line {
        Line::Text(_) => Yaml::Text(lines.next().unwrap_or_default().to_owned()),
        Line::Any(group) => {
            let group = Yaml::texts(lines.by_ref().take(group.len()));
            Yaml::Mapping(vec![("any".to_owned(), group)])
        }
    };
    Yaml::List(old.iter().map(item).collect())
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

/// Whether a case expects nothing at all, but perhaps that schedules differ.
pub fn expects_nothing(case: &Case) -> bool {
    let expect = Expect {
        schedules: None,
        ..case.expect.clone()
    };
    expect == Expect::default() && case.on.is_empty()
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}
