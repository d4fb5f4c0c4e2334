//! `check`: whether case files are in order and say what the model says, and what is wrong with the others.

use spec_harness::model;
use spec_harness::update;

use super::output::{GOOD, Output, paint};
use super::select::{self, Bad, Chosen};
use super::suite;
use super::{CheckArgs, ExitStatus, Refusal, Selection};

pub(super) fn check(args: &CheckArgs, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let files = &args.files;
    let mut bad = Vec::new();
    let mut good = 0;
    let mut silent = Vec::new();
    let mut lacking = Vec::new();
    if files.is_empty() {
        match select::select(&Selection::all())? {
            Ok(chosen) => {
                for chosen in chosen {
                    lacking.extend(suite::lacking(&chosen.case));
                    review(chosen, &mut good, &mut bad);
                }
            }
            Err(found) => bad = found,
        }
    }
    let mut named = Vec::new();
    for path in files {
        named.extend(select::files_of(path)?);
    }
    for file in &named {
        match select::from_file(file)? {
            Ok(chosen) => {
                if update::expects_nothing(&chosen.case) {
                    silent.push(chosen.file.clone());
                }
                review(chosen, &mut good, &mut bad);
            }
            Err(found) => bad.push(found),
        }
    }
    if !bad.is_empty() {
        return Ok(show(&bad, out));
    }
    let cases = if good == 1 { "case is" } else { "cases are" };
    out.line(format_args!(
        "{}: {good} {cases} in order",
        paint(GOOD, "ok")
    ));
    for lacking in lacking {
        out.line(lacking);
    }
    for file in silent {
        out.line(format_args!(
            "{file} expects nothing yet: `spec-harness new {file}` fills in what the model predicts"
        ));
    }
    Ok(ExitStatus::Success)
}

/// Reads a case with the model: what it expects must be what happens.
fn review(chosen: Chosen, good: &mut usize, bad: &mut Vec<Bad>) {
    let mut problems = model::review(&chosen.case);
    if problems.is_empty() {
        *good += 1;
        return;
    }
    for problem in &mut problems {
        problem.file.clone_from(&chosen.file);
    }
    bad.push(Bad {
        problems,
        text: chosen.text,
    });
}

/// Shows what is wrong with case files.
pub(super) fn show(bad: &[Bad], out: &mut Output) -> ExitStatus {
    let mut mistakes = 0;
    for Bad { problems, text } in bad {
        for problem in problems {
            out.line(problem.render(text, out.colour()));
            out.line("");
            mistakes += 1;
        }
    }
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    out.line(format_args!(
        "{} in {}",
        plural(mistakes, "mistake"),
        plural(bad.len(), "case file")
    ));
    ExitStatus::Unusable
}
