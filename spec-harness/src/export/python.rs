//! A case as a Python program, with `multiprocessing`'s pools and real sleeps.

mod body;
mod calls;
mod foreseen;
mod plan;
mod steps;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use super::errors::{self, Class};
use super::words::Words;
use crate::case::Diagnostic;
use crate::case::ast::{Case, Kind, Span, TaskDef};
use crate::case::expr::Template;
use crate::history::History;
use crate::model::{self, Prediction};
use plan::{Plan, Pool};

/// The program that does what a case does, on workers of this kind.
///
/// # Errors
/// Everything in the case that cannot be said in Python, or that CPython's pools would never come back from.
pub fn python(case: &Case, kind: Kind) -> Result<String, Vec<Diagnostic>> {
    if let Some(only) = case.only.as_ref().filter(|only| only.value != kind) {
        let why = format!("the case is for {} workers only", only.value);
        return Err(vec![Diagnostic::new(only.span, why)]);
    }
    let plan = Plan::of(case);
    let mut export = Export {
        kind,
        words: Words::of(case, plan.variables.clone(), plan.pools.keys()),
        plan,
        tasks: case
            .tasks
            .iter()
            .map(|task| (task.name.value.as_str(), task))
            .collect(),
        foreseen: foreseen::history(case, kind),
        pool: Pool::None,
        loops: Vec::new(),
        lines: Vec::new(),
        indent: 0,
        classes: BTreeSet::new(),
        uses: Uses::default(),
        problems: Vec::new(),
    };
    for task in &case.tasks {
        export.task(task);
    }
    let tasks = std::mem::take(&mut export.lines);
    export.main(case);
    if export.problems.is_empty() {
        export.problems.extend(not_there(case, kind));
    }
    if let (true, Some(history)) = (export.problems.is_empty(), &export.foreseen) {
        export.problems.extend(foreseen::endless(case, history));
    }
    if !export.problems.is_empty() {
        return Err(export.problems);
    }
    Ok(export.program(case, &tasks))
}

/// What no pool of this kind has.
fn not_there(case: &Case, kind: Kind) -> Option<Diagnostic> {
    let Prediction::NotApplicable(why) = model::predict(case, kind) else {
        return None;
    };
    let span = case.main.first().map_or(Span::default(), |step| step.span);
    Some(Diagnostic::new(span, why))
}

/// Parts of the head of a program that not every program needs.
#[derive(Debug, Default)]
struct Uses {
    raises: bool,
    worker: bool,
    numbers: bool,
    os: bool,
    signal: bool,
    threading: bool,
    after: bool,
}

struct Export<'c> {
    kind: Kind,
    words: Words,
    plan: Plan<'c>,
    tasks: BTreeMap<&'c str, &'c TaskDef>,
    /// What CPython's pools make of it, where that can be foreseen.
    foreseen: Option<Box<History>>,
    /// The pool that is meant where none is named.
    pool: Pool,
    /// Variables of the loops that are open.
    loops: Vec<String>,
    lines: Vec<String>,
    indent: usize,
    /// Exceptions that have to be defined.
    classes: BTreeSet<String>,
    uses: Uses,
    problems: Vec<Diagnostic>,
}

impl Export<'_> {
    fn line(&mut self, text: impl Into<String>) {
        let text = text.into();
        let uses = &mut self.uses;
        uses.worker |= text.contains("worker()");
        uses.numbers |= text.contains("numbers(");
        uses.os |= text.contains("os.");
        uses.signal |= text.contains("signal.");
        uses.raises |= text.contains("with raises(");
        self.lines
            .push(format!("{}{text}", "    ".repeat(self.indent)));
    }

    fn refuse(&mut self, span: Span, why: impl Into<String>) {
        self.problems.push(Diagnostic::new(span, why));
    }

    fn print(&mut self, text: &Template) {
        let text = self.words.template(text);
        self.line(format!("print({text})"));
    }

    /// An exception by its name in the program, which defines it where Python does not.
    fn class(&mut self, class: Class, name: &str) -> String {
        match class {
            Class::Known(class) => class.to_owned(),
            Class::Own => {
                self.classes.insert(name.to_owned());
                name.to_owned()
            }
        }
    }
}
