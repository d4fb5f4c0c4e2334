//! Updates what case files expect: what was seen becomes what is expected, and the rest of the file stays as its
//! author wrote it.

mod edit;
mod expect;
mod seen;
mod steps;
mod suite;
#[cfg(test)]
mod tests;
mod write;

pub use expect::{REMARK, expects_nothing, fill, program, read, update};
pub use seen::Seen;
pub use suite::{lacking, transcripts};

use crate::case::Diagnostic;
use crate::case::ast::{Case, Expect, Kind};
use crate::history::History;
use crate::model;

/// A text as a YAML scalar, in quotes where it needs them.
pub fn scalar(text: &str) -> String {
    write::scalar(text, false)
}

/// The model's run on each kind of worker that a case is for.
pub fn predicted(case: &Case) -> Vec<(Kind, History)> {
    let kinds = [Kind::Thread, Kind::Process].into_iter();
    let runs = kinds.filter_map(|kind| Some((kind, model::predict(case, kind).ran()?)));
    runs.collect()
}

/// The case with `takes`, `raises` and `blocks` on its steps as the model sees them, and its text with these changes.
/// What a step does not say is not added; what comes out otherwise from one time to the next stays.
pub fn update_steps(case: &Case, text: &str) -> (Case, String) {
    let updated = steps::update(case);
    let text = steps::written(case, text, &updated);
    (updated, text)
}

/// The case without what it expects, apart from what stands on its steps.
#[must_use]
pub fn without_expectation(case: &Case) -> Case {
    Case {
        expect: Expect {
            schedules: case.expect.schedules.clone(),
            ..Expect::default()
        },
        on: Vec::new(),
        ..case.clone()
    }
}

/// The text of a case that expects nothing, with what the model predicts; `remark` says that nobody has read it.
///
/// # Errors
/// What is wrong with the case, or with any expectation of it: the text that was tried, and everything that was found.
pub fn prefilled(
    case: &Case,
    text: &str,
    remark: bool,
) -> Result<String, (String, Vec<Diagnostic>)> {
    let runs = predicted(case);
    let mut first = None;
    // How many workers run tasks is promised only where none is idle.
    for workers in [true, false] {
        let new = fill(case, text, &runs, remark, workers);
        match reviewed(&case.name, &new) {
            problems if problems.is_empty() => return Ok(new),
            problems => first = first.or(Some((new, problems))),
        }
    }
    // What is wrong without any expectation is told alone.
    match model::review(case) {
        bare if bare.is_empty() => Err(first.unwrap_or_default()),
        bare => Err((text.to_owned(), bare)),
    }
}

/// Everything that is wrong with the text of a case.
pub fn reviewed(name: &str, text: &str) -> Vec<Diagnostic> {
    Case::parse(name, text).map_or_else(|problems| problems, |case| model::review(&case))
}
