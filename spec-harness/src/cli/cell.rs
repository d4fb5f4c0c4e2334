//! One cell of the matrix: all runs of a case on an implementation, and what they come to.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::builder::styling::Style;
use serde::{Deserialize, Serialize};
use spec_harness::interp::Deviations;
use spec_harness::judge::{Declines, ExpectedFailure, Reason, Verdict};
use spec_harness::record::Record;
use spec_harness::target::{Recorded, Run, Tried};

use super::output::{BAD, FAINT, GOOD, ODD};

/// All runs of one case on one implementation.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// How often it was tried, with or without a run to tell of.
    tried: usize,
    pub(super) times: Vec<Duration>,
    pub(super) transcripts: BTreeSet<String>,
    /// The first run, whatever came of it.
    pub(super) first: Option<Run>,
    /// What each kind of verdict was first given for.
    pub(super) failed: Option<Failed>,
    pub(super) failures: usize,
    pub(super) unknown: Option<(String, Deviations)>,
    pub(super) unknowns: usize,
    pub(super) expected_failure: Option<ExpectedFailure>,
    /// Rows that it passes without.
    pub(super) without: Declines,
    /// What they excuse.
    pub(super) excused: Option<Vec<Reason>>,
    pub(super) absent: Option<Absent>,
    /// What was judged is a record.
    pub(super) recorded: Option<Recorded>,
    pub(super) drift: Option<String>,
    /// The case says of nothing what it must be.
    pub(super) expects_nothing: bool,
    /// The last run as it can be kept.
    pub(super) record: Option<Record>,
}

/// A run that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) reasons: Vec<Reason>,
    pub(super) run: Option<Run>,
    /// The order of same-instant events by which it failed.
    pub(super) order: Deviations,
}

impl Failed {
    /// Whether there is nothing more to say of the other.
    pub(super) fn is_like(&self, other: &Failed) -> bool {
        let seen = |failed: &Failed| failed.run.as_ref().map(|run| run.transcript.clone());
        self.reasons == other.reasons && self.order == other.order && seen(self) == seen(other)
    }
}

#[derive(Debug)]
pub(super) enum Absent {
    NotApplicable(String),
    NotHere(String),
}

/// A cell in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    Pass,
    /// But for rows that are declined.
    #[serde(rename = "pass_without")]
    Without,
    Fail,
    Unknown,
    /// It ran, and there is nothing by which it could be wrong.
    ExpectsNothing,
    ExpectedFailure,
    NotApplicable,
    NotHere,
    /// The run was given up before its turn came.
    #[serde(rename = "not_run")]
    Open,
}

impl Word {
    /// All of them, in the order of a legend.
    pub(super) const ALL: [Word; 9] = [
        Word::Pass,
        Word::Without,
        Word::Fail,
        Word::Unknown,
        Word::ExpectsNothing,
        Word::ExpectedFailure,
        Word::NotApplicable,
        Word::NotHere,
        Word::Open,
    ];

    /// Whether it says that the pool was tried and something is amiss.
    pub(super) fn is_wrong(self) -> bool {
        matches!(
            self,
            Word::Fail | Word::Unknown | Word::Open | Word::ExpectsNothing
        )
    }

    pub(super) fn shown(self) -> (&'static str, Style) {
        match self {
            Word::Pass => ("pass", GOOD),
            Word::Without => ("pass without", GOOD),
            Word::Fail => ("FAIL", BAD),
            Word::Unknown => ("unknown", ODD),
            Word::ExpectsNothing => ("expects nothing", ODD),
            Word::ExpectedFailure => ("expected failure", ODD),
            Word::NotApplicable => ("n/a", FAINT),
            Word::NotHere => ("not here", FAINT),
            Word::Open => ("not run", FAINT),
        }
    }
}

impl Cell {
    pub(super) fn word(&self) -> Word {
        match &self.absent {
            Some(Absent::NotApplicable(_)) => return Word::NotApplicable,
            Some(Absent::NotHere(_)) => return Word::NotHere,
            None => {}
        }
        if self.failures > 0 {
            Word::Fail
        } else if self.unknowns > 0 {
            Word::Unknown
        } else if self.expected_failure.is_some() {
            Word::ExpectedFailure
        } else if self.tried == 0 {
            Word::Open
        } else if self.expects_nothing {
            Word::ExpectsNothing
        } else if !self.without.is_empty() {
            Word::Without
        } else {
            Word::Pass
        }
    }

    /// The order of same-instant events in the run that the verdict tells of.
    pub(super) fn order(&self) -> Option<&Deviations> {
        let failed = self.failed.as_ref().map(|failed| &failed.order);
        failed.or(self.unknown.as_ref().map(|(_, order)| order))
    }

    pub(super) fn note(&mut self, tried: Tried) {
        self.tried += 1;
        let run = tried.run;
        if tried.recorded.is_none() {
            self.times.extend(run.as_ref().map(|run| run.took));
        }
        let transcript = run.as_ref().map(|run| run.transcript.clone());
        if self.first.is_none() {
            self.first.clone_from(&run);
        }
        self.recorded = tried.recorded.or(self.recorded.take());
        self.drift = self.drift.take().or(tried.drift);
        self.record = tried.record.or(self.record.take());
        match tried.verdict {
            Verdict::Unknown(why) => {
                self.unknowns += 1;
                if first(self.unknown.as_ref().map(|(_, order)| order), &tried.order) {
                    self.unknown = Some((why, tried.order));
                }
                // It broke off somewhere: its transcript is not one of the case.
                return;
            }
            Verdict::Fail(reasons) => {
                self.failures += 1;
                if first(
                    self.failed.as_ref().map(|failed| &failed.order),
                    &tried.order,
                ) {
                    let order = tried.order;
                    self.failed = Some(Failed {
                        reasons,
                        run,
                        order,
                    });
                }
            }
            Verdict::Without { declined, excused } => {
                self.without.extend(declined);
                self.excused.get_or_insert(excused);
            }
            Verdict::ExpectedFailure(failure) => self.expected_failure = Some(failure),
            Verdict::NotApplicable(why) => self.absent = Some(Absent::NotApplicable(why)),
            Verdict::NotHere(why) => self.absent = Some(Absent::NotHere(why)),
            Verdict::Pass => {}
        }
        self.transcripts.extend(transcript);
    }

    /// `pass 5.8/9.1`, and with several runs the number of different transcripts.
    pub(super) fn text(&self, repeat: u32) -> String {
        let word = self.word();
        let mut text = word.shown().0.to_owned();
        for row in self.without.keys().filter(|_| word == Word::Without) {
            text += &format!(" {row}");
        }
        if let Some(Recorded { version, .. }) = &self.recorded {
            text += &format!(" @{version}");
        }
        if let Some((median, p99)) = median_and_p99(&self.times) {
            text += &match repeat {
                1 => format!(" {}", millis(median)),
                _ => format!(
                    " {}/{} {}",
                    millis(median),
                    millis(p99),
                    self.transcripts.len()
                ),
            };
        }
        text
    }
}

/// Whether what came by this order is told instead of what is known: the rule's own order goes before all others, so
/// that what is told does not depend on which run ended first.
fn first(known: Option<&Deviations>, order: &Deviations) -> bool {
    known.is_none_or(|known| order < known)
}

/// Median and 99th percentile.
pub(super) fn median_and_p99(times: &[Duration]) -> Option<(Duration, Duration)> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |hundredths: usize| {
        sorted
            .get((sorted.len() * hundredths).div_ceil(100).saturating_sub(1))
            .copied()
    };
    Some((at(50)?, at(99)?))
}

/// Milliseconds with as many digits as matter.
pub(super) fn millis(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 100.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let times: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let (median, p99) = median_and_p99(&times).expect("there are times");
        assert_eq!((median.as_millis(), p99.as_millis()), (50, 99));
        assert_eq!(median_and_p99(&[]), None);
    }
}
