//! Judges a run: what the case expects, what the contract demands of every run, and the recorded transcript.
//!
//! ```text
//! History ─┬─ expect      what this case says must be seen, on this kind of worker
//!          ├─ invariants  what holds in every run of every pool, row by row of the contract
//!          ├─ transcript  one text for all implementations, compared with the recorded one
//!          ├─ declined    what an implementation says that it does not follow
//!          └─ expected_failures  what an implementation does differently, version by version
//!                 ▼
//!              Verdict
//! ```

pub mod declined;
pub(crate) mod expect;
pub mod expected_failures;
pub(crate) mod facts;
mod invariants;
pub(crate) mod lanes;
pub mod moments;
mod predicted;
pub mod report;
#[cfg(test)]
mod sample;
pub mod transcript;

use crate::case::ast::{Case, Expect, Kind, Span, Time};
use crate::history::{Ending, History, What, ended};

pub use declined::Declines;
pub use expected_failures::{Entry, ExpectedFailure, ExpectedFailures};
pub use invariants::{ALWAYS, RULES, Rule};
pub use predicted::held_against;

/// What is to be said of one case on one implementation.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Everything was as it must be.
    Pass,
    /// Something was not: everything that was found, what explains most first. Never empty.
    Fail(Vec<Reason>),
    /// Everything was as it must be but for rows of the contract that the implementation declines.
    Without {
        /// Which, and why.
        declined: Declines,
        /// What was not as it must be, and is excused by them. Never empty.
        excused: Vec<Reason>,
    },
    /// It differs in a way that is on record.
    ExpectedFailure(ExpectedFailure),
    /// The case does not concern this implementation: why.
    NotApplicable(String),
    /// The implementation is not on this machine: why.
    NotHere(String),
    /// The machine gave no clear picture: why. Never a pass.
    Unknown(String),
}

/// One thing that is wrong with a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// The program's process ended otherwise than with exit code 0: how. Nothing excuses it.
    Exit(String),
    /// The run did not come to a proper end.
    Ending(String),
    /// A step did not do what stands on it.
    Step {
        /// The step.
        span: Span,
        /// When.
        at: Time,
        /// Expected and seen.
        text: String,
    },
    /// The contract was broken.
    Broken {
        /// The rule.
        rule: &'static Rule,
        /// When.
        at: Time,
        /// How.
        text: String,
    },
    /// A part of `expect` does not hold.
    Mismatch {
        /// Which part.
        what: &'static str,
        /// Where it stands.
        span: Option<Span>,
        /// Line by line.
        expected: Vec<String>,
        /// Line by line.
        seen: Vec<String>,
    },
    /// The run differs from what was recorded.
    Transcript {
        /// The record's lines.
        recorded: Vec<String>,
        /// This run's lines.
        seen: Vec<String>,
    },
    /// The run differs from what the model predicts.
    Prediction {
        /// The prediction's lines.
        predicted: Vec<String>,
        /// This run's lines.
        seen: Vec<String>,
    },
    /// An expected failure did not happen: its id.
    NoLongerDiverges(String),
}

impl Reason {
    /// Whether no declined row makes it anything but a failure.
    fn is_never_excused(&self) -> bool {
        match self {
            Reason::Exit(_) => true,
            Reason::Broken { rule, .. } => ALWAYS.contains(rule),
            _ => false,
        }
    }
}

/// What came of judging one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// The run in its canonical form.
    pub transcript: String,
}

/// What is expected on one kind of worker, and instead of it by other orders of same-instant events: the parts
/// that `on:` and `schedules:` name replace the case's own.
pub fn expected(case: &Case, kind: Kind) -> (Expect, Vec<Expect>) {
    let expected = expect::merged(case, kind);
    let also = expected
        .schedules
        .iter()
        .flat_map(|schedules| &schedules.also)
        .map(|also| {
            let mut expected = expected.clone();
            expect::replace(&mut expected, also);
            expected
        });
    let also = also.collect();
    (expected, also)
}

/// Judges one run of a case on workers of this kind.
///
/// `recorded` is the transcript on record, if there is one. What an implementation does differently
/// is the matter of [`ExpectedFailures::applied`].
pub fn judge(case: &Case, kind: Kind, history: &History, recorded: Option<&str>) -> Judged {
    let transcript = transcript::of(history);
    let verdict = match &history.ending {
        Ending::Unknown(why) => Verdict::Unknown(why.clone()),
        Ending::Broken(why) => Verdict::Fail(vec![Reason::Ending(why.clone())]),
        ending => {
            let reasons = reasons(case, kind, history, ending, recorded, &transcript);
            if reasons.is_empty() {
                Verdict::Pass
            } else {
                Verdict::Fail(reasons)
            }
        }
    };
    Judged {
        verdict,
        transcript,
    }
}

fn reasons(
    case: &Case,
    kind: Kind,
    history: &History,
    ending: &Ending,
    recorded: Option<&str>,
    transcript: &str,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    reasons.extend(history.events.iter().filter_map(|event| match event.what {
        What::Exit { code } if code != 0 => Some(Reason::Exit(format!(
            "the program ended {} after its main had returned; it has to end with 0",
            ended(code)
        ))),
        _ => None,
    }));
    if let Ending::Deadlock(why) = ending {
        reasons.push(Reason::Ending(format!("deadlock: {why}")));
    }
    reasons.extend(history.events.iter().filter_map(|event| match &event.what {
        What::Unmet { span, text } => Some(Reason::Step {
            span: *span,
            at: event.at,
            text: text.clone(),
        }),
        _ => None,
    }));
    reasons.extend(invariants::broken(history));
    // What a program that hangs would have shown is not in question.
    if !matches!(ending, Ending::Deadlock(_)) {
        reasons.extend(expect::mismatches(case, kind, history));
    }
    // A transcript that differs says nothing new where something is wrong already.
    if let (true, Some(recorded)) = (reasons.is_empty(), recorded)
        && recorded != transcript
    {
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        reasons.push(Reason::Transcript {
            recorded: lines(recorded),
            seen: lines(transcript),
        });
    }
    reasons
}
