//! The model against the cases: their expectations, the rules of every run, the records.

use super::{Dialect, Prediction, predict, predict_in, review};
use crate::case::Diagnostic;
use crate::case::ast::{Case, Kind};
use crate::history::History;
use crate::judge::{Verdict, held_against, judge, transcript};
use crate::record::{Recalled, Record};

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

/// What CPython did, on record, is what the model of its pools predicts.
#[test]
fn the_model_of_cpython_agrees_with_every_record() {
    let (mut compared, mut wrong) = (0, String::new());
    for (case, _) in cases() {
        for kind in KINDS {
            let name = format!("cpython/{kind}/{}", case.name);
            let records = spec_cases::RECORDS;
            let Ok(at) = records.binary_search_by(|(known, _)| (*known).cmp(name.as_str())) else {
                continue;
            };
            let record = Record::parse(records[at].1).unwrap_or_else(|why| panic!("{name}: {why}"));
            let Recalled::Ran(seen) = record.recall(&case) else {
                continue;
            };
            let Prediction::Ran(predicted) = predict_in(Dialect::CPython, &case, kind) else {
                panic!("{name}: it ran");
            };
            compared += 1;
            let verdict = held_against(&predicted, &seen);
            if verdict != Verdict::Pass {
                wrong += &format!("{name}: {verdict:#?}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 200, "{compared} records");
}
