//! What a run has shown, part by part, as far as a case can expect it.

use std::collections::BTreeMap;

use crate::case::ast::{Case, Fate, Time};
use crate::case::expr::Value;
use crate::history::{History, TaskInfo};
use crate::judge::expect;

/// What can be expected of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The printed lines in their order.
    pub lines: Vec<(Time, String)>,
    /// When everything had ended.
    pub elapsed: Time,
    /// Sets of tasks, as `expect` names them, with their fates.
    pub fates: Vec<(String, Fate)>,
    /// How many workers ran tasks; `None` where the machine decides.
    pub distinct: Option<u64>,
}

impl Seen {
    /// What this run of the case has shown.
    pub fn of(case: &Case, history: &History) -> Seen {
        let sized = history.pools.iter().all(|pool| pool.size.is_some());
        let ran = expect::distinct(history);
        Seen {
            lines: expect::told(history),
            elapsed: expect::end(history),
            fates: fates(case, history),
            distinct: sized.then_some(ran as u64),
        }
    }

    /// The lines by their instants, in the order of their printing.
    pub(super) fn timeline(&self) -> BTreeMap<Time, Vec<&str>> {
        let mut timeline: BTreeMap<Time, Vec<&str>> = BTreeMap::new();
        for (at, line) in &self.lines {
            timeline.entry(*at).or_default().push(line);
        }
        timeline
    }
}

/// The fates of all tasks, in as few sets as tell them; functions that were not used, and those of whose tasks a set
/// cannot tell one from the other, are left out.
fn fates(case: &Case, history: &History) -> Vec<(String, Fate)> {
    let mut all = Vec::new();
    for def in &case.tasks {
        let name = def.name.value.as_str();
        // A callback that was not called for has no fate.
        let tasks: Vec<&TaskInfo> = history
            .tasks
            .iter()
            .filter(|task| task.task == name && !(task.callback && task.fate == Fate::Never))
            .collect();
        let Some(first) = tasks.first() else { continue };
        if tasks.iter().all(|task| task.fate == first.fate) {
            all.push((name.to_owned(), first.fate));
        } else {
            all.extend(by_argument(name, &tasks).unwrap_or_default());
        }
    }
    all
}

/// The fates of one function's tasks by their first arguments.
fn by_argument(name: &str, tasks: &[&TaskInfo]) -> Option<Vec<(String, Fate)>> {
    let mut fates: Vec<(&Value, Fate)> = Vec::new();
    for task in tasks {
        let argument = task.args.first()?;
        match fates.iter().find(|(known, _)| *known == argument) {
            Some((_, fate)) if *fate != task.fate => return None,
            Some(_) => {}
            None => fates.push((argument, task.fate)),
        }
    }
    let numbers: Option<BTreeMap<i64, Fate>> = fates
        .iter()
        .map(|(argument, fate)| match argument {
            Value::Int(n) => Some((*n, *fate)),
            _ => None,
        })
        .collect();
    let Some(numbers) = numbers else {
        let each = fates.iter();
        return Some(
            each.map(|(argument, fate)| (format!("{name}({})", argument.repr()), *fate))
                .collect(),
        );
    };
    let mut runs: Vec<(i64, i64, Fate)> = Vec::new();
    for (n, fate) in numbers {
        match runs.last_mut() {
            Some((_, last, same)) if *same == fate => *last = n,
            _ => runs.push((n, n, fate)),
        }
    }
    let sets = runs.into_iter().map(|(first, last, fate)| {
        let which = if first == last {
            first.to_string()
        } else {
            format!("{first}..{}", last.saturating_add(1))
        };
        (format!("{name}({which})"), fate)
    });
    Some(sets.collect())
}
