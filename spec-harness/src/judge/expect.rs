//! Judges what a case expects to be seen, part by part; each mismatch gives expected beside seen.

use std::collections::{BTreeMap, BTreeSet};

use super::Reason;
use super::facts::{Facts, label};
use super::lanes::replace_word;
use crate::case::ast::{
    Case, Edge, Expect, Fate, Kind, Line, Order, Spanned, TaskSet, Time, Which, Workers,
};
use crate::case::expr::Value;
use crate::history::{Ending, FIRST_PARENT_THREAD, History, Key, TaskInfo, What};

/// Everything that the case expects on this kind of worker and that is not so.
pub(super) fn mismatches(case: &Case, kind: Kind, history: &History) -> Vec<Reason> {
    let expect = merged(case, kind);
    let facts = Facts::of(history);
    let seen = Seen::of(history, &facts);
    let mut found = Vec::new();
    if let Some(expected) = &expect.timeline {
        found.extend(timeline(expected, &seen));
    }
    if let Some(expected) = &expect.output {
        found.extend(output(expected, &seen));
    }
    found.extend(
        expect
            .elapsed
            .as_ref()
            .and_then(|expected| elapsed(expected, history)),
    );
    for (set, fate) in &expect.tasks {
        found.extend(fates(set, *fate, history));
    }
    if let Some(expected) = &expect.workers {
        found.extend(workers(expected, history, &facts));
    }
    found.extend(
        expect
            .order
            .iter()
            .filter_map(|expected| order(expected, history, &facts)),
    );
    found
}

/// What is expected on one kind of worker: the parts that `on:` names replace the case's own.
pub(crate) fn merged(case: &Case, kind: Kind) -> Expect {
    let mut expect = case.expect.clone();
    for (_, on) in case.on.iter().filter(|(on, _)| on.value == kind) {
        replace(&mut expect, on);
    }
    expect
}

/// Replaces the parts that `by` names. Timeline and output tell of the same lines, so that either replaces both.
pub(crate) fn replace(expect: &mut Expect, by: &Expect) {
    if by.timeline.is_some() || by.output.is_some() {
        expect.timeline.clone_from(&by.timeline);
        expect.output.clone_from(&by.output);
    }
    if by.elapsed.is_some() {
        expect.elapsed.clone_from(&by.elapsed);
    }
    if !by.tasks.is_empty() {
        expect.tasks.clone_from(&by.tasks);
    }
    if by.workers.is_some() {
        expect.workers.clone_from(&by.workers);
    }
    if !by.order.is_empty() {
        expect.order.clone_from(&by.order);
    }
    if by.schedules.is_some() {
        expect.schedules.clone_from(&by.schedules);
    }
}

/// The printed lines with their instants; `{worker}` stands for the names of workers.
pub(crate) fn told(history: &History) -> Vec<(Time, String)> {
    let seen = Seen::of(history, &Facts::of(history));
    let lines = seen.0.into_iter();
    lines
        .map(|printed| (printed.at, printed.anonymous))
        .collect()
}

/// How many workers ran tasks.
pub(crate) fn distinct(history: &History) -> usize {
    workers_of(&Facts::of(history)).len()
}

/// When everything has ended.
pub(crate) fn end(history: &History) -> Time {
    history.events.last().map_or(Time(0), |event| event.at)
}

/// A line that was printed.
struct Printed {
    at: Time,
    text: String,
    /// The same with `{worker}` for the name of any worker.
    anonymous: String,
}

/// Every line that was printed, in order.
struct Seen(Vec<Printed>);

impl Seen {
    fn of(history: &History, facts: &Facts<'_>) -> Seen {
        let workers: BTreeSet<usize> = facts.lives.values().map(|life| life.worker).collect();
        let printed = history.events.iter().filter_map(|event| match &event.what {
            What::Print(text) => {
                // Looking for every worker's name costs time, and most lines name none.
                let mut pairs = text.as_bytes().windows(2);
                let may_name = |pair: &[u8]| pair[0] == b'w' && pair[1].is_ascii_digit();
                let workers = pairs.any(may_name).then_some(&workers);
                let anonymous = workers
                    .into_iter()
                    .flatten()
                    .fold(text.clone(), |text, worker| {
                        replace_word(&text, &format!("w{worker}"), "{worker}")
                    });
                Some(Printed {
                    at: event.at,
                    text: text.clone(),
                    anonymous,
                })
            }
            _ => None,
        });
        Seen(printed.collect())
    }
}

impl Printed {
    fn is(&self, expected: &str) -> bool {
        self.text == expected || (expected.contains("{worker}") && self.anonymous == expected)
    }
}

fn timeline(expected: &[(Spanned<Time>, Vec<Line>)], seen: &Seen) -> Option<Reason> {
    let mut by_instant: BTreeMap<Time, (Vec<&str>, Vec<&Printed>)> = BTreeMap::new();
    for (at, lines) in expected {
        let (wanted, _) = by_instant.entry(at.value).or_default();
        for line in lines {
            match line {
                Line::Text(text) => wanted.push(&text.value),
                Line::Any(group) => wanted.extend(group.iter().map(|text| text.value.as_str())),
            }
        }
    }
    for printed in &seen.0 {
        by_instant.entry(printed.at).or_default().1.push(printed);
    }
    let (mut left, mut right, mut same) = (Vec::new(), Vec::new(), true);
    for (at, (wanted, mut printed)) in by_instant {
        // Order inside one instant is free: what was seen is put in the order of what is expected.
        let mut rest = Vec::new();
        for line in wanted {
            left.push(format!("{at}: {line}"));
            match printed.iter().position(|printed| printed.is(line)) {
                // Shown as expected: a worker's name is not what is in question.
                Some(index) => {
                    printed.remove(index);
                    right.push(format!("{at}: {line}"));
                }
                None => rest.push(line),
            }
        }
        same &= rest.is_empty() && printed.is_empty();
        right.extend(
            printed
                .iter()
                .map(|printed| format!("{at}: {}", printed.text)),
        );
    }
    let span = expected.first().map(|(at, _)| at.span);
    (!same).then_some(Reason::Mismatch {
        what: "timeline",
        span,
        expected: left,
        seen: right,
    })
}

fn output(expected: &[Line], seen: &Seen) -> Option<Reason> {
    let (mut left, mut right, mut same, mut span) = (Vec::new(), Vec::new(), true, None);
    let mut printed = seen.0.iter();
    for line in expected {
        let (group, any) = match line {
            Line::Text(text) => (std::slice::from_ref(text), false),
            Line::Any(group) => (group.as_slice(), true),
        };
        let mut here: Vec<&Printed> = printed.by_ref().take(group.len()).collect();
        let mut missing = Vec::new();
        for text in group {
            let shown = if any {
                format!("any: {}", text.value)
            } else {
                text.value.clone()
            };
            left.push(shown.clone());
            match here.iter().position(|printed| printed.is(&text.value)) {
                Some(index) => {
                    here.remove(index);
                    right.push(shown);
                }
                None => {
                    span = span.or(Some(text.span));
                    missing.push(text);
                }
            }
        }
        same &= missing.is_empty();
        right.extend(here.iter().map(|printed| printed.text.clone()));
    }
    let more: Vec<String> = printed.map(|printed| printed.text.clone()).collect();
    same &= more.is_empty();
    right.extend(more);
    (!same).then_some(Reason::Mismatch {
        what: "output",
        span,
        expected: left,
        seen: right,
    })
}

fn elapsed(expected: &Spanned<Time>, history: &History) -> Option<Reason> {
    let seen = end(history);
    (seen != expected.value).then(|| Reason::Mismatch {
        what: "elapsed",
        span: Some(expected.span),
        expected: vec![expected.value.to_string()],
        seen: vec![seen.to_string()],
    })
}

/// Whether all tasks of a set ended like this. A callback that never began was not called for, which is no
/// fate of a task; whether it was called for rightly is the contract's matter.
fn fates(set: &TaskSet, fate: Fate, history: &History) -> Option<Reason> {
    let counts =
        |task: &&TaskInfo| fate == Fate::Never || !task.callback || task.fate != Fate::Never;
    let members: Vec<&TaskInfo> = members(set, history).filter(counts).collect();
    let mut expected = Vec::new();
    let mut seen = Vec::new();
    if members.is_empty() && fate != Fate::Never {
        expected.push(format!("{}: {fate}", set.text.value));
        seen.push("no such task".to_owned());
    }
    for task in members.iter().filter(|task| task.fate != fate) {
        expected.push(format!("{}: {fate}", label(task)));
        seen.push(format!("{}: {}", label(task), task.fate));
    }
    (!seen.is_empty()).then_some(Reason::Mismatch {
        what: "tasks",
        span: Some(set.text.span),
        expected,
        seen,
    })
}

fn members<'h>(set: &'h TaskSet, history: &'h History) -> impl Iterator<Item = &'h TaskInfo> {
    history.tasks.iter().filter(|task| {
        task.task == set.task
            && match (&set.which, task.args.first()) {
                (Which::All, _) => true,
                (Which::Range(from, to), Some(Value::Int(n))) => (*from..*to).contains(n),
                (Which::Is(value), Some(arg)) => value == arg,
                _ => false,
            }
    })
}

fn workers(expected: &Workers, history: &History, facts: &Facts<'_>) -> Vec<Reason> {
    let mut found = Vec::new();
    let mismatch = |span, expected: String, seen: String| Reason::Mismatch {
        what: "workers",
        span,
        expected: vec![expected],
        seen: vec![seen],
    };
    let distinct = workers_of(facts);
    if let Some(wanted) = &expected.distinct
        && wanted.value != distinct.len() as u64
    {
        let seen = format!("distinct: {}", distinct.len());
        found.push(mismatch(
            Some(wanted.span),
            format!("distinct: {}", wanted.value),
            seen,
        ));
    }
    if let (Some(true), Ending::Leaked(left)) = (expected.reaped, &history.ending) {
        found.push(mismatch(None, "reaped: true".to_owned(), left.clone()));
    }
    found
}

/// The workers that ran tasks.
fn workers_of(facts: &Facts<'_>) -> BTreeSet<usize> {
    let ran = facts.lives.iter().filter(|(key, life)| {
        life.worker < FIRST_PARENT_THREAD
            && facts
                .task(**key)
                .is_some_and(|task| !task.callback && !task.initializer)
    });
    ran.map(|(_, life)| life.worker).collect()
}

fn order(expected: &Order, history: &History, facts: &Facts<'_>) -> Option<Reason> {
    let moments = |edge: Edge, set: &TaskSet| -> Vec<(Key, Option<usize>)> {
        let moment = |key: Key| {
            let life = facts.lives.get(&key)?;
            match edge {
                Edge::Start => Some(life.began),
                Edge::End => life.ended,
            }
        };
        members(set, history)
            .map(|task| (task.key, moment(task.key)))
            .collect()
    };
    let says = |edge: Edge, key: Key, moment: Option<usize>| {
        let (edge, name) = (
            if edge == Edge::Start { "start" } else { "end" },
            facts.name(key),
        );
        match moment {
            Some(moment) => format!("{edge} {name} at {}", facts.at(moment)),
            None => format!("{edge} {name} never came"),
        }
    };
    let (before, after) = (&expected.before, &expected.after);
    let (firsts, seconds) = (moments(before.0, &before.1), moments(after.0, &after.1));
    let mut seen = Vec::new();
    for (first, first_at) in &firsts {
        for (second, second_at) in &seconds {
            if first_at.is_some() && first_at < second_at {
                continue;
            }
            seen.push(says(after.0, *second, *second_at));
            seen.push(says(before.0, *first, *first_at));
        }
    }
    if firsts.is_empty() || seconds.is_empty() {
        seen.push("no such task".to_owned());
    }
    seen.truncate(2);
    (!seen.is_empty()).then(|| Reason::Mismatch {
        what: "order",
        span: Some(expected.text.span),
        expected: vec![expected.text.value.clone()],
        seen,
    })
}

#[cfg(test)]
mod tests;
