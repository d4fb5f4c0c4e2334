//! A report for continuous integration: one suite for each implementation, one test for each case.

use std::time::Duration;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};
use spec_harness::judge::report::beside;

use super::data::{CaseReport, ReasonKind, Report, RunReport};
use crate::cli::cell::Word;

pub(super) fn xml(report: &Report) -> Result<String, SerializeError> {
    let mut suites = quick_junit::Report::new("spec-harness");
    suites.set_time(Duration::from_secs_f64(report.seconds.max(0.0)));
    for (column, implementation) in report.implementations.iter().enumerate() {
        let mut suite = TestSuite::new(implementation.name.as_str());
        if let Some(version) = &implementation.introduces_itself {
            suite.add_property(("implementation", version.as_str()));
        }
        suite.add_property(("evidence", report.machine.evidence.as_str()));
        let runs = report
            .cases
            .iter()
            .filter_map(|case| Some((case, case.runs.get(column)?)));
        suite.add_test_cases(runs.map(|(case, run)| test(case, run)));
        suites.add_test_suite(suite);
    }
    suites.to_string()
}

fn test(case: &CaseReport, run: &RunReport) -> TestCase {
    let mut test = TestCase::new(case.name.as_str(), status(run));
    test.set_classname(run.on.as_str());
    let time: f64 = run.times_ms.iter().sum();
    test.set_time(Duration::from_secs_f64(time.max(0.0) / 1e3));
    let failed = matches!(run.verdict, Word::Fail | Word::Unknown);
    let seen = run
        .transcript
        .and_then(|number| case.transcripts.get(number));
    if let (true, Some(seen)) = (failed, seen) {
        test.set_system_out(seen.as_str());
    }
    test
}

fn status(run: &RunReport) -> TestCaseStatus {
    let why = run.why.clone().unwrap_or_default();
    let skipped = |word: &str| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(format!("{word}: {why}"));
        status
    };
    if let Some(drift) = &run.drift {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message("not as recorded");
        status.set_type("drift");
        status.set_description(format!("{drift}\nagain: {}", run.again));
        return status;
    }
    match run.verdict {
        Word::Pass | Word::Without => TestCaseStatus::success(),
        Word::Fail => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let first = run
                .reasons
                .first()
                .map_or("", |reason| reason.text.as_str());
            status.set_message(first.lines().next().unwrap_or_default());
            if let Some(reason) = run.reasons.first() {
                status.set_type(kind(reason.kind));
            }
            status.set_description(told(run));
            status
        }
        Word::Unknown => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(why);
            status.set_type("unknown");
            status.set_description(format!("again: {}", run.again));
            status
        }
        Word::ExpectsNothing => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message("the case expects nothing");
            status.set_type("expects_nothing");
            status
        }
        Word::ExpectedFailure => skipped("expected failure"),
        Word::NotApplicable => skipped("not applicable"),
        Word::NotHere => skipped("not here"),
        Word::Open => skipped("not run"),
    }
}

/// Everything that was wrong, and how to see it again.
fn told(run: &RunReport) -> String {
    let reasons = run.reasons.iter().map(|reason| {
        let compared = !reason.expected.is_empty() || !reason.seen.is_empty();
        let columns = match compared {
            true => beside(("expected", &reason.expected), ("seen", &reason.seen)),
            false => String::new(),
        };
        format!("{}\n{columns}", reason.text)
    });
    let reasons: Vec<String> = reasons.collect();
    format!("{}\nagain: {}", reasons.join("\n"), run.again)
}

fn kind(kind: ReasonKind) -> &'static str {
    match kind {
        ReasonKind::Exit => "exit",
        ReasonKind::Ending => "ending",
        ReasonKind::Step => "step",
        ReasonKind::Broken => "broken",
        ReasonKind::Mismatch => "mismatch",
        ReasonKind::Transcript => "transcript",
        ReasonKind::Prediction => "prediction",
        ReasonKind::NoLongerDiverges => "no_longer_diverges",
    }
}
