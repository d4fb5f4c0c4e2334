//! Checks that what must be seen can be seen: known tasks, no contradictions.

use super::{Check, count};
use crate::case::ast::{Expect, Spanned, TaskSet, Which};
use crate::case::diagnostic::Diagnostic;
use crate::case::expr::Value;

impl Check<'_> {
    pub(super) fn expect(&mut self, expect: &Expect) {
        for also in expect
            .schedules
            .iter()
            .flat_map(|schedules| &schedules.also)
        {
            self.expect(also);
        }
        for (set, _) in &expect.tasks {
            self.task_set(set);
        }
        for order in &expect.order {
            for (_, set) in [&order.before, &order.after] {
                self.task_set(set);
            }
            if order.before == order.after {
                self.problems.push(Diagnostic::new(
                    order.text.span,
                    "an event cannot come before itself",
                ));
            }
        }
        for (i, (set, fate)) in expect.tasks.iter().enumerate() {
            let clash = expect.tasks[..i]
                .iter()
                .find(|(other, theirs)| theirs != fate && overlap(other, set));
            if let Some((other, _)) = clash {
                self.problems.push(
                    Diagnostic::new(set.text.span, "two fates for the same task")
                        .label(format!("also matches tasks of `{}`", other.text.value))
                        .also(other.text.span, "first here"),
                );
            }
        }
    }

    fn task_set(&mut self, set: &TaskSet) {
        // The name is the beginning of the text, which may have an escape before its end.
        let mut span = set.text.span;
        if span.end - span.start == set.text.value.len() {
            span.end = span.start + set.task.len();
        }
        let Some(task) = self.defined(&Spanned {
            value: set.task.clone(),
            span,
        }) else {
            return;
        };
        if task.params.is_empty() && set.which != Which::All {
            let takes = count(0, "argument");
            self.problems.push(
                Diagnostic::new(set.text.span, format!("`{}` takes {takes}", set.task))
                    .also(task.name.span, "defined here"),
            );
        }
    }
}

/// Whether one task can belong to both sets.
fn overlap(a: &TaskSet, b: &TaskSet) -> bool {
    if a.task != b.task {
        return false;
    }
    match (&a.which, &b.which) {
        (Which::All, _) | (_, Which::All) => true,
        (Which::Range(first, last), Which::Range(from, to)) => first < to && from < last,
        (Which::Range(first, last), Which::Is(value))
        | (Which::Is(value), Which::Range(first, last)) => match value {
            Value::Int(n) => (first..last).contains(&n),
            _ => false,
        },
        (Which::Is(value), Which::Is(other)) => value == other,
    }
}
