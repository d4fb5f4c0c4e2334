//! `check`: whether case files are in order, and what is wrong with those that are not.

use std::path::PathBuf;

use super::output::{GOOD, Output, paint};
use super::select::{self, Bad};
use super::{Came, Refusal, Selection};

pub(super) fn check(files: &[PathBuf], out: &mut Output) -> Result<Came, Refusal> {
    let mut bad = Vec::new();
    let mut good = 0;
    if files.is_empty() {
        let all = Selection {
            filters: vec![],
            exact: false,
            tag: vec![],
            source: vec![],
        };
        match select::select(&all)? {
            Ok(chosen) => good = chosen.len(),
            Err(found) => bad = found,
        }
    }
    for file in files {
        match select::from_file(file)? {
            Ok(_) => good += 1,
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
    Ok(Came::Well)
}

/// Shows what is wrong with case files.
pub(super) fn show(bad: &[Bad], out: &mut Output) -> Came {
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
    Came::Unusable
}
