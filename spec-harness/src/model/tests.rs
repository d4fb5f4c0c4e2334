//! The model against the cases: their expectations, the rules of every run, the records.

use super::{predict, review};
use crate::case::Diagnostic;
use crate::case::ast::{Case, Kind};
use crate::history::History;
use crate::judge::{Verdict, judge, transcript};

const KINDS: [Kind; 2] = [Kind::Thread, Kind::Process];

/// Every case that comes with the program, with its text.
fn cases() -> impl Iterator<Item = (Case, &'static str)> {
    spec_cases::CASES.iter().map(|(name, text)| {
        let case = Case::parse(name, text);
        (
            case.unwrap_or_else(|problems| panic!("{}", shown(&problems, text))),
            *text,
        )
    })
}

fn shown(problems: &[Diagnostic], text: &str) -> String {
    problems
        .iter()
        .map(|problem| problem.render(text, false) + "\n")
        .collect()
}

fn history(case: &Case, kind: Kind) -> Option<History> {
    predict(case, kind).ran()
}

#[test]
fn the_model_agrees_with_every_case() {
    let mut wrong = String::new();
    for (case, text) in cases() {
        wrong += &shown(&review(&case), text);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_model_agrees_with_every_record() {
    let mut compared = 0;
    for (case, _) in cases() {
        for kind in KINDS {
            let (Some(history), Some(recorded)) =
                (history(&case, kind), transcript::recorded(&case, kind))
            else {
                continue;
            };
            let judged = judge(&case, kind, &history, None);
            assert_eq!(judged.verdict, Verdict::Pass, "{} {kind}", case.name);
            assert_eq!(judged.transcript, recorded, "{} {kind}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared} records");
}
