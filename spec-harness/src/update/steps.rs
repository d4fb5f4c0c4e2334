//! Brings what stands on steps (`takes`, `raises`, `blocks`) up to what the model sees.

use std::collections::BTreeMap;

use super::edit::{self, Edits};
use super::predicted;
use crate::case::ast::{Action, Case, Kind, Op, OpKind, Span, Spanned, Step, Time};
use crate::case::yaml::{self, Node};
use crate::history::{History, What, Who};

/// How a step ended: after so long, with an error or without; `None` where it never did.
type Outcome = Option<(Time, Option<String>)>;

/// The case with what stands on its steps as the model sees it. Only what was said is changed, and only where a step
/// ends the same way each time and on each kind of worker: a step that says nothing goes on saying nothing.
pub(super) fn update(case: &Case) -> Case {
    let mut updated = case.clone();
    let mut rounds = 0;
    each(&mut updated, &mut |step| {
        rounds += said(step)
            .iter()
            .filter(|(_, value)| value.is_some())
            .count();
    });
    // What one step does decides what is seen of those behind it. Each round mends one at least, for good.
    for _ in 0..=rounds {
        let outcomes = outcomes(&predicted(&updated));
        let mut changed = false;
        each(&mut updated, &mut |step| {
            if let Some(same) = outcomes.get(&step.span.start).and_then(|all| same(all)) {
                changed |= mend(step, same);
            }
        });
        if !changed {
            break;
        }
    }
    updated
}

/// The text of a case with what stands on its steps as in `updated`, which is the same case otherwise.
pub(super) fn written(case: &Case, text: &str, updated: &Case) -> String {
    let Ok(tree) = yaml::parse(text) else {
        return text.to_owned();
    };
    let mut new: BTreeMap<usize, Step> = BTreeMap::new();
    each(&mut updated.clone(), &mut |step| {
        new.insert(step.span.start, step.clone());
    });
    let mut edits = Edits::default();
    each(&mut case.clone(), &mut |old| {
        let (Some(new), Some(node)) = (new.get(&old.span.start), at(&tree, old.span)) else {
            return;
        };
        for ((name, was), (_, is)) in said(old).into_iter().zip(said(new)) {
            let Some((key, value)) = edit::entry(node, name).filter(|_| was != is) else {
                continue;
            };
            match (is, &new.raises) {
                (Some(is), _) => edits.replace(value.span.start..value.span.end, is),
                (None, Some(raises)) if old.raises.is_none() => edits.replace(
                    key.span.start..value.span.end,
                    format!("raises: {}", raises.value),
                ),
                (None, _) => edit::remove(text, node, name, &mut edits),
            }
        }
    });
    edits.apply(text)
}

/// What stands on a step, by its keys.
fn said(step: &Step) -> [(&'static str, Option<String>); 3] {
    let takes = step.takes.as_ref().map(|takes| takes.value.to_string());
    let raises = step.raises.as_ref().map(|raises| raises.value.clone());
    let blocks = step.blocks.then(|| "forever".to_owned());
    [("takes", takes), ("raises", raises), ("blocks", blocks)]
}

/// How each step ended, each time, by its place.
fn outcomes(runs: &[(Kind, History)]) -> BTreeMap<usize, Vec<Outcome>> {
    let mut all: BTreeMap<usize, Vec<Outcome>> = BTreeMap::new();
    for (_, history) in runs {
        let mut open: BTreeMap<&Who, Time> = BTreeMap::new();
        for event in &history.events {
            let (span, outcome) = match &event.what {
                What::Call { .. } => {
                    open.insert(&event.who, event.at);
                    continue;
                }
                What::Blocked { span } => (span, None),
                What::Return { span, result } => {
                    let since = open.remove(&event.who).unwrap_or(event.at);
                    let took = Time(event.at.0.saturating_sub(since.0));
                    let error = result.as_ref().err().map(|raised| raised.kind.clone());
                    (span, Some((took, error)))
                }
                _ => continue,
            };
            all.entry(span.start).or_default().push(outcome);
        }
    }
    all
}

/// What is the same each time.
#[derive(Debug, Clone, PartialEq)]
struct Same {
    took: Option<Time>,
    /// The error by which it ends, or that it ends by none.
    error: Option<Option<String>>,
}

/// What all of these have in common; nothing can be said of a step that does not end.
fn same(outcomes: &[Outcome]) -> Option<Same> {
    let all: Vec<&(Time, Option<String>)> =
        outcomes.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let (took, error) = all.first()?;
    Some(Same {
        took: all.iter().all(|(other, _)| other == took).then_some(*took),
        error: all
            .iter()
            .all(|(_, other)| other == error)
            .then(|| error.clone()),
    })
}

/// Changes what a step says to what it does; whether that is something else.
fn mend(step: &mut Step, same: Same) -> bool {
    let mut changed = false;
    if let (Some(takes), Some(took)) = (&mut step.takes, same.took) {
        changed |= takes.value != took;
        takes.value = took;
    }
    let Some(error) = same.error else {
        return changed;
    };
    if step.blocks {
        step.blocks = false;
        step.raises = error.map(|value| Spanned {
            value,
            span: step.span,
        });
        return true;
    }
    if let Some(raises) = &mut step.raises
        && error.as_ref() != Some(&raises.value)
    {
        match error {
            Some(error) => raises.value = error,
            None => step.raises = None,
        }
        changed = true;
    }
    changed
}

/// Every step of main, and every call of a body.
fn each(case: &mut Case, see: &mut impl FnMut(&mut Step)) {
    for task in &mut case.tasks {
        each_call(&mut task.body, see);
    }
    each_step(&mut case.main, see);
}

fn each_step(steps: &mut [Step], see: &mut impl FnMut(&mut Step)) {
    for step in steps {
        see(step);
        match &mut step.action {
            Action::For { body, .. } => each_step(body, see),
            Action::If(_, then, otherwise) => {
                each_step(then, see);
                each_step(otherwise, see);
            }
            _ => {}
        }
    }
}

fn each_call(ops: &mut [Op], see: &mut impl FnMut(&mut Step)) {
    for op in ops {
        match &mut op.what {
            OpKind::Call(step) => see(step),
            OpKind::If(_, then, otherwise) => {
                each_call(then, see);
                each_call(otherwise, see);
            }
            _ => {}
        }
    }
}

/// The mapping of a step, by the place of its action.
fn at(node: &Node, step: Span) -> Option<&Node> {
    match &node.kind {
        yaml::Kind::Scalar(_) => None,
        yaml::Kind::List(items) => items.iter().find_map(|item| at(item, step)),
        yaml::Kind::Mapping(entries) => {
            let here = entries
                .iter()
                .any(|(key, _)| key.span.start == step.start && key.scalar().is_some());
            // A call inside of a body begins where its own mapping does.
            let inner = entries.iter().find_map(|(_, value)| at(value, step));
            inner.or(here.then_some(node))
        }
    }
}
