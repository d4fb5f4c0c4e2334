//! The columns of the matrix: which implementations are meant by `--on thread,process,cpython,./adapter`.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::case::ast::{Case, Kind};
use crate::contract::Contract;
use crate::history::{Ending, History};
use crate::interp::Deviations;
use crate::judge::{
    Declines, Judged, Known, Verdict, declined, held_against, judge, report, transcript,
};
use crate::model::{self, Dialect};
use crate::protocol::Hello;
use crate::record::{Recalled, Record};
use crate::replay::{self, Outcome, Ran, Runner, Target};

/// The adapter of CPython's pools.
const CPYTHON: &str = include_str!("../adapters/cpython.py");

/// What CPython's pools do otherwise than the contract says.
const CPYTHON_KNOWN: &str = include_str!("../adapters/cpython.known.yaml");

/// The kinds, in the order of the columns.
const KINDS: [Kind; 2] = [Kind::Thread, Kind::Process];

/// An implementation with what is known of it.
#[derive(Debug, Clone)]
pub struct Column {
    /// How it is started.
    pub target: Target,
    /// Its divergences on record.
    pub known: Known,
    /// Whether it is somebody else's, an adapter by its path.
    pub foreign: bool,
    /// How such an adapter introduced itself, if it came to that.
    pub hello: Option<Hello>,
    /// Runs of it that are on record.
    pub records: Records,
    /// The model that says what it does with a program that no case is about.
    pub dialect: Dialect,
}

/// What the records of an implementation are for; they are called as the folder that holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Records {
    /// There are none.
    #[default]
    None,
    /// They are judged instead of it.
    Instead(&'static str),
    /// They are judged where it is not on this machine, and held against it where it is.
    WhereAbsent(&'static str),
}

/// What came of one case on an implementation.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// What is to be said of it.
    pub verdict: Verdict,
    /// The run; `None` when there was none, or nothing is to be told of it.
    pub run: Option<Run>,
    /// It was no run but a record, of this version.
    pub recorded: Option<String>,
    /// How it differs from the record of the same version.
    pub drift: Option<String>,
    /// The run as it can be kept.
    pub record: Option<Record>,
    /// The order of same-instant events, where it was not the rule's.
    pub order: Deviations,
}

/// A run that took place.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What happened, in its canonical form.
    pub transcript: String,
    /// What happened.
    pub history: History,
    /// Real time that it took.
    pub took: Duration,
    /// How the implementation introduced itself, if it came to that.
    pub hello: Option<Hello>,
    /// The last of what the adapter and its workers wrote to stderr.
    pub stderr: String,
}

impl Column {
    /// An implementation of which no divergence is on record.
    pub fn of(name: impl Into<String>, command: Vec<OsString>, kind: Kind) -> Column {
        Column {
            target: Target {
                name: name.into(),
                command,
                kind,
            },
            known: Known::default(),
            foreign: false,
            hello: None,
            records: Records::None,
            dialect: Dialect::Contract,
        }
    }

    /// Runs a case once and judges it, also by the transcript on record; where there is none, by the one that the
    /// model predicts.
    pub fn try_case(&self, runner: &Runner, case: &Case, recorded: Option<&str>) -> Tried {
        if let Err(why) = replay::concerns(case, self.target.kind) {
            return Tried::without_run(Verdict::NotApplicable(why));
        }
        let outcome = match self.records {
            Records::Instead(_) => Outcome::NotHere("no run of it is on record".to_owned()),
            _ => runner.run(case, &self.target),
        };
        let record = self.record_of(case);
        match (outcome, record) {
            (Outcome::Ran(ran), record) => {
                let mut tried = self.judged(case, recorded, *ran);
                tried.drift = record.and_then(|record| self.drift(case, &tried, record));
                tried
            }
            (Outcome::NotApplicable(why), _) => Tried::without_run(Verdict::NotApplicable(why)),
            (Outcome::NotHere(why), None) => Tried::without_run(Verdict::NotHere(why)),
            (Outcome::NotHere(_), Some(record)) => self.recalled(case, recorded, record),
        }
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
            record: None,
        };
        let mut tried = self.judged(case, recorded, ran);
        tried.recorded = Some(record.version().to_owned());
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
    fn judged(&self, case: &Case, recorded: Option<&str>, ran: Ran) -> Tried {
        let kind = self.target.kind;
        let Judged {
            verdict,
            transcript,
        } = judge(case, kind, &ran.history, recorded);
        let verdict = match (verdict, recorded) {
            (Verdict::Pass, None) => predicted(case, kind, &ran.history),
            (verdict, _) => verdict,
        };
        let verdict = self.excused(verdict, case, &ran);
        Tried {
            run: Some(Run {
                transcript,
                history: ran.history,
                took: ran.took,
                hello: ran.hello,
                stderr: ran.stderr,
            }),
            record: ran.record,
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
        let verdict =
            declined::excused(
                verdict,
                case,
                &ran.history,
                declines,
                || match model::predict(case, self.target.kind) {
                    model::Prediction::Ran(due) => Some(*due),
                    model::Prediction::NotApplicable(_) => None,
                },
            );
        self.known
            .applied(verdict, &case.name, self.target.kind, version)
    }
}

impl Column {
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
        let outcome = match self.records {
            Records::Instead(_) => Outcome::NotHere("no run of it is on record".to_owned()),
            _ => runner.run_by(order, case, &self.target),
        };
        let ran = match outcome {
            Outcome::Ran(ran) => ran,
            Outcome::NotApplicable(why) => return without_run(Verdict::NotApplicable(why)),
            Outcome::NotHere(why) => return without_run(Verdict::NotHere(why)),
        };
        let verdict = match held_against(predicted, &ran.history) {
            verdict @ (Verdict::Pass | Verdict::Unknown(_)) => return without_run(verdict),
            verdict => verdict,
        };
        let verdict = self.excused(verdict, case, &ran);
        Tried {
            run: Some(Run {
                transcript: transcript::of(&ran.history),
                history: ran.history,
                took: ran.took,
                hello: ran.hello,
                stderr: ran.stderr,
            }),
            ..without_run(verdict)
        }
    }
}

impl Tried {
    /// A verdict without a run to tell of.
    pub fn without_run(verdict: Verdict) -> Tried {
        Tried {
            verdict,
            run: None,
            recorded: None,
            drift: None,
            record: None,
            order: Deviations::default(),
        }
    }
}

/// A run that is in order, held against the model.
fn predicted(case: &Case, kind: Kind, seen: &History) -> Verdict {
    match model::predict(case, kind) {
        model::Prediction::Ran(history) => held_against(&history, seen),
        model::Prediction::NotApplicable(_) => Verdict::Pass,
    }
}

/// The columns that a name stands for; `program` is the harness's own executable, which is also its adapters.
///
/// # Errors
/// The name is neither an implementation that is built in nor the path of a program, or its list of known
/// divergences cannot be read.
pub fn columns(name: &str, program: &Path, runner: &Runner) -> Result<Vec<Column>, String> {
    match name {
        "thread" => Ok(vec![ours(program, Kind::Thread)]),
        "process" => Ok(vec![ours(program, Kind::Process)]),
        "cpython" => Ok(vec![cpython(Kind::Process)?, cpython(Kind::Thread)?]),
        "cpython:process" => Ok(vec![cpython(Kind::Process)?]),
        "cpython:thread" => Ok(vec![cpython(Kind::Thread)?]),
        "cpython@recorded" => Ok(vec![
            cpython_recorded(Kind::Process)?,
            cpython_recorded(Kind::Thread)?,
        ]),
        "cpython:process@recorded" => Ok(vec![cpython_recorded(Kind::Process)?]),
        "cpython:thread@recorded" => Ok(vec![cpython_recorded(Kind::Thread)?]),
        path => adapter(path, runner),
    }
}

/// One of this project's own pools.
pub fn ours(program: &Path, kind: Kind) -> Column {
    let command = vec![program.into(), "adapter".into(), kind.to_string().into()];
    Column::of(kind.to_string(), command, kind)
}

/// One of CPython's pools.
///
/// # Errors
/// Its list of known divergences is not in order.
pub fn cpython(kind: Kind) -> Result<Column, String> {
    // Neither the user's settings nor installed packages have a part in it.
    let command = ["python3", "-IS", "-c", CPYTHON].map(OsString::from).into();
    let known = Known::parse(CPYTHON_KNOWN).map_err(|e| format!("cpython.known.yaml: {e}"))?;
    Ok(Column {
        known,
        records: Records::WhereAbsent("cpython"),
        dialect: Dialect::CPython,
        ..Column::of(format!("cpython:{kind}"), command, kind)
    })
}

/// What is on record of one of CPython's pools, whether Python is here or not.
///
/// # Errors
/// Its list of known divergences is not in order.
pub fn cpython_recorded(kind: Kind) -> Result<Column, String> {
    let mut column = cpython(kind)?;
    column.target.name += "@recorded";
    column.records = Records::Instead("cpython");
    Ok(column)
}

/// An adapter by its path, `KIND:PATH` or `PATH` for each kind that it says it has. What it is known to do
/// differently stands beside it: `adapter.known.yaml` for `adapter.py`.
///
/// # Errors
/// There is no such file, its list of known divergences cannot be read, or it declines what is no row of the contract.
pub fn adapter(name: &str, runner: &Runner) -> Result<Vec<Column>, String> {
    let (wanted, path) = match name.split_once(':') {
        Some(("thread", path)) => (Some(Kind::Thread), path),
        Some(("process", path)) => (Some(Kind::Process), path),
        _ => (None, name),
    };
    let file = Path::new(path);
    if !file.is_file() {
        return Err(format!(
            "there is no implementation `{name}`: write thread, process, cpython or the path of an adapter"
        ));
    }
    // A path without a slash would be looked for among the system's programs.
    let program = std::path::absolute(file).map_err(|e| format!("{path}: {e}"))?;
    let list = file.with_extension("known.yaml");
    let known = match std::fs::read_to_string(&list) {
        Ok(text) => Known::parse(&text).map_err(|e| format!("{}: {e}", list.display()))?,
        Err(e) if e.kind() == ErrorKind::NotFound => Known::default(),
        Err(e) => return Err(format!("{}: {e}", list.display())),
    };
    let mut columns = Vec::new();
    for kind in wanted.map_or(KINDS.to_vec(), |kind| vec![kind]) {
        let mut column = Column::of(format!("{kind}:{path}"), vec![program.clone().into()], kind);
        column.known = known.clone();
        column.foreign = true;
        column.hello = introduced(&column.target, runner);
        columns.push(column);
    }
    // One that does not introduce itself gets a column all the same: its cells say what is wrong with it.
    let has_its_kind = |column: &Column| {
        let hello = column.hello.as_ref();
        hello.is_some_and(|hello| hello.kinds.contains(&column.target.kind.into()))
    };
    match columns.iter().any(has_its_kind) {
        true => columns.retain(has_its_kind),
        false => columns.truncate(1),
    }
    let contract = Contract::ours()?;
    for hello in columns.iter().filter_map(|column| column.hello.as_ref()) {
        let known = |row: &&String| !contract.rows().iter().any(|known| known.name == **row);
        if let Some(row) = hello.declines.keys().find(known) {
            return Err(format!(
                "{path} declines `{row}`, which is no row of the contract"
            ));
        }
    }
    Ok(columns)
}

/// How an adapter, asked for this kind of worker, introduces itself.
fn introduced(target: &Target, runner: &Runner) -> Option<Hello> {
    match runner.run(&greeting(), target) {
        Outcome::Ran(ran) => ran.hello,
        Outcome::NotApplicable(_) | Outcome::NotHere(_) => None,
    }
}

/// A program that does nothing.
pub fn greeting() -> Case {
    let text = "spec: 1\ntitle: hello\nmain:\n  - print: hello\n";
    // Its text is fixed and in order; a test says so.
    Case::parse("hello", text).unwrap_or_else(|problems| unreachable!("{problems:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_cpython_names_cases_that_exist() {
        let known = Known::parse(CPYTHON_KNOWN).expect("the list is in order");
        for entry in known.entries() {
            for case in &entry.cases {
                let exists = spec_cases::CASES.iter().any(|(name, _)| name == case);
                assert!(exists, "{}: {case}", entry.id);
            }
        }
    }

    #[test]
    fn the_greeting_is_a_case() {
        assert_eq!(greeting().main.len(), 1);
    }

    #[test]
    fn cpython_is_two_columns() {
        let columns =
            columns("cpython", Path::new("x"), &Runner::default()).expect("it is built in");
        let names: Vec<_> = columns
            .iter()
            .map(|column| column.target.name.as_str())
            .collect();
        assert_eq!(names, ["cpython:process", "cpython:thread"]);
    }

    #[test]
    fn an_unknown_implementation_is_refused() {
        let error =
            columns("cpyhton", Path::new("x"), &Runner::default()).expect_err("no such thing");
        assert!(error.contains("`cpyhton`"), "{error}");
    }
}
