//! One case on one implementation: it is run, or its record read, and what came of it is judged.

use std::time::Duration;

use super::{Column, Recorded, Records, Run, Tried};
use crate::case::ast::{Case, Kind};
use crate::history::{Ending, History};
use crate::interp::Deviations;
use crate::judge::{
    Declines, Judged, Reason, Verdict, declined, held_against, judge, report, transcript,
};
use crate::model;
use crate::protocol::Hello;
use crate::record::{Recalled, Record};
use crate::replay::{self, Outcome, Ran, Runner};

impl Column {
    /// Runs a case once and judges it, also by the transcript on record; where there is none, by the one that the
    /// model predicts.
    pub fn try_case(&self, runner: &Runner, case: &Case, recorded: Option<&str>) -> Tried {
        if let Err(why) = replay::concerns(case, self.target.kind) {
            return Tried::without_run(Verdict::NotApplicable(why));
        }
        let outcome = self.outcome(runner, case, &Deviations::default());
        let record = self.record_of(case);
        match (outcome, record) {
            (Outcome::Ran(ran), record) => {
                let mut tried = self.judged(case, recorded, *ran);
                // Of what the machine does not let be known there is nothing to compare.
                if !matches!(tried.verdict, Verdict::Unknown(_)) {
                    tried.drift = record.and_then(|record| self.drift(case, &tried, record));
                }
                tried
            }
            (Outcome::NotApplicable(why), _) => Tried::without_run(Verdict::NotApplicable(why)),
            (Outcome::NotHere(why), None) => Tried::without_run(Verdict::NotHere(why)),
            (Outcome::NotHere(why), Some(record)) => {
                let mut tried = self.recalled(case, recorded, record);
                if let Some(recorded) = &mut tried.recorded {
                    recorded.why = matches!(self.records, Records::WhereAbsent(_)).then_some(why);
                }
                tried
            }
        }
    }

    /// Runs a case, unless its records stand for the implementation. One that is on record and does not come as far as
    /// hello is as good as not here: a python3 that is too old for its adapter, say.
    fn outcome(&self, runner: &Runner, case: &Case, order: &Deviations) -> Outcome {
        let run = || runner.run_by(order, case, &self.target);
        match self.records {
            Records::Instead(_) => Outcome::NotHere("no run of it is on record".to_owned()),
            Records::None => run(),
            Records::WhereAbsent(_) => match run() {
                Outcome::Ran(ran) if ran.hello.is_none() => self.of_no_use(ran),
                outcome => outcome,
            },
        }
    }

    /// What is to be said of a run that broke off before hello.
    fn of_no_use(&self, ran: Box<Ran>) -> Outcome {
        let Ending::Broken(why) = &ran.history.ending else {
            return Outcome::Ran(ran);
        };
        let program = self.target.command.first();
        let program = program.map_or_else(String::new, |name| name.display().to_string());
        let first = why.lines().next().unwrap_or_default();
        let last = ran.stderr.lines().last().map(str::trim);
        let last = last.map_or_else(String::new, |line| format!(" ({line})"));
        Outcome::NotHere(format!("{program} is of no use: {first}{last}"))
    }

    /// Judges what was kept of a run as if it were the run, with the transcript that the model predicts.
    pub fn try_record(&self, case: &Case, record: Record) -> Tried {
        self.recalled(case, None, Ok(record))
    }

    /// The record of a case, if there is one.
    fn record_of(&self, case: &Case) -> Option<Result<Record, String>> {
        let (Records::Instead(folder) | Records::WhereAbsent(folder)) = self.records else {
            return None;
        };
        let name = format!("{folder}/{}/{}", self.target.kind, case.name);
        let records = spec_cases::RECORDS;
        let at = records.binary_search_by(|(known, _)| (*known).cmp(name.as_str()));
        at.ok().map(|at| Record::parse(records[at].1))
    }

    /// Judges a record as if it were a run.
    fn recalled(
        &self,
        case: &Case,
        recorded: Option<&str>,
        record: Result<Record, String>,
    ) -> Tried {
        let without = Tried::without_run;
        let record = match record {
            Ok(record) => record,
            Err(why) => {
                return without(Verdict::Unknown(format!(
                    "its record cannot be read: {why}"
                )));
            }
        };
        let history = match record.recall(case) {
            Recalled::Ran(history) => history,
            Recalled::NotApplicable(why) => return without(Verdict::NotApplicable(why)),
            Recalled::Stale(why) => {
                return without(Verdict::Unknown(format!("its record is stale: {why}")));
            }
        };
        let ran = Ran {
            history,
            hello: Some(Hello {
                name: record.name().to_owned(),
                version: record.version().to_owned(),
                kinds: vec![self.target.kind.into()],
                can: vec![],
                declines: Declines::new(),
                polls: None,
            }),
            took: Duration::ZERO,
            stderr: String::new(),
            dialogue: Vec::new(),
            connections: 0,
            oversleeps: None,
            record: None,
        };
        let mut tried = self.judged(case, recorded, ran);
        tried.recorded = Some(Recorded {
            version: record.version().to_owned(),
            why: None,
        });
        tried
    }

    /// How a run differs from the record of the same version, if it does.
    fn drift(&self, case: &Case, live: &Tried, record: Result<Record, String>) -> Option<String> {
        let here = live.run.as_ref()?;
        let version = here.hello.as_ref().map(|hello| hello.version.as_str());
        let same = |record: &Record| Some(record.version()) == version;
        if !record.as_ref().map_or(true, same) {
            return None;
        }
        let kept = self.recalled(case, None, record);
        let Some(kept) = kept.run else {
            return Some(match kept.verdict {
                Verdict::Unknown(why) => why,
                _ => "by its record, the same version cannot run it".to_owned(),
            });
        };
        // What stalls does so at one moment or another.
        let clear =
            |run: &Run| !matches!(run.history.ending, Ending::Unknown(_) | Ending::Broken(_));
        if !clear(here) || !clear(&kept) {
            let one = clear(here) != clear(&kept);
            return one.then(|| "its record, of the same version, ended otherwise".to_owned());
        }
        let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
        let (here, kept) = (&here.transcript, &kept.transcript);
        (here != kept).then(|| {
            let differ = report::beside(("on record", &lines(kept)), ("here", &lines(here)));
            format!("the record of the same version has another transcript\n{differ}")
        })
    }

    /// Judges a run.
    fn judged(&self, case: &Case, recorded: Option<&str>, mut ran: Ran) -> Tried {
        let kind = self.target.kind;
        let Judged {
            verdict,
            transcript,
        } = judge(case, kind, &ran.history, recorded);
        let verdict = match (verdict, recorded) {
            (Verdict::Pass, None) => predicted(case, kind, &ran.history),
            (verdict, _) => verdict,
        };
        let mut verdict = self.excused(verdict, case, &ran);
        if let (Verdict::Fail(reasons), Some(why)) = (&mut verdict, ran.oversleeps.take()) {
            reasons.insert(0, Reason::Ending(why));
        }
        Tried {
            record: ran.record.take(),
            run: Some(Run::of(ran, transcript)),
            ..Tried::without_run(verdict)
        }
    }

    /// The verdict with what the implementation declares, and what is on record of it, taken into account.
    fn excused(&self, verdict: Verdict, case: &Case, ran: &Ran) -> Verdict {
        let none = Declines::new();
        let (version, declines) = match &ran.hello {
            Some(hello) => (hello.version.as_str(), &hello.declines),
            None => ("", &none),
        };
        let due = || model::predict(case, self.target.kind).ran();
        let verdict = declined::excused(verdict, case, &ran.history, declines, due);
        self.expected_failures
            .applied(verdict, &case.name, self.target.kind, version)
    }

    /// Runs a case once by an order of same-instant events, and holds it against a model's run by the same order.
    pub fn try_order(
        &self,
        runner: &Runner,
        case: &Case,
        order: &Deviations,
        predicted: &History,
    ) -> Tried {
        let without_run = |verdict| Tried {
            order: order.clone(),
            ..Tried::without_run(verdict)
        };
        let ran = match self.outcome(runner, case, order) {
            Outcome::Ran(ran) => ran,
            Outcome::NotApplicable(why) => return without_run(Verdict::NotApplicable(why)),
            Outcome::NotHere(why) => return without_run(Verdict::NotHere(why)),
        };
        let verdict = match held_against(predicted, &ran.history) {
            verdict @ (Verdict::Pass | Verdict::Unknown(_)) => return without_run(verdict),
            verdict => verdict,
        };
        let verdict = self.excused(verdict, case, &ran);
        let transcript = transcript::of(&ran.history);
        Tried {
            run: Some(Run::of(*ran, transcript)),
            ..without_run(verdict)
        }
    }
}

/// A run that is in order, held against the model.
fn predicted(case: &Case, kind: Kind, seen: &History) -> Verdict {
    match model::predict(case, kind).ran() {
        Some(history) => held_against(&history, seen),
        None => Verdict::Pass,
    }
}
