//! One transcript per case, the same on every implementation, and the same as the one on record. CPython's part is its
//! recorded runs; with `CPYTHON=live` it is CPython itself.
//!
//! `spec-harness accept FILE` puts the transcript of a case on record. This is the only place that calls insta: by
//! `INSTA_UPDATE=always cargo test` all of them are written, as after a change that many cases see. The files are part of
//! `spec-cases`, which embeds them for everybody else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use spec_harness::case::ast::{Case, Kind};
use spec_harness::judge::report::{self, Source, beside};
use spec_harness::judge::{Verdict, transcript};
use spec_harness::model::{Prediction, predict};
use spec_harness::replay::Runner;
use spec_harness::target::{Column, Run, Tried, cpython, cpython_recorded, ours};
use spec_harness::update::lacking;

fn main() -> ExitCode {
    let program = Path::new(env!("CARGO_BIN_EXE_spec-harness"));
    let mut columns = vec![ours(program, Kind::Process), ours(program, Kind::Thread)];
    let live = std::env::var("CPYTHON").is_ok_and(|cpython| cpython == "live");
    let of_python = if live { cpython } else { cpython_recorded };
    columns.extend(
        [Kind::Process, Kind::Thread]
            .into_iter()
            .filter_map(|kind| of_python(kind).ok()),
    );
    let columns: Arc<[Column]> = columns.into();
    let trials = spec_cases::CASES.iter().map(|(name, text)| {
        let columns = Arc::clone(&columns);
        Trial::test(*name, move || one_transcript(name, text, &columns))
    });
    let mut trials: Vec<Trial> = trials.collect();
    trials.push(Trial::test(
        "every_record_belongs_to_a_case",
        every_record_belongs_to_a_case,
    ));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What an implementation showed.
struct Shown {
    target: String,
    transcript: String,
}

fn one_transcript(name: &str, text: &str, columns: &[Column]) -> Result<(), Failed> {
    let case = Case::parse(name, text)
        .map_err(|_| "the case is not in order: see `spec-harness check`")?;
    let lacking = lacking(&case);
    let updates = std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
    if !lacking.is_empty() && !updates {
        let lacking = lacking.join(", ");
        return Err(
            format!("{lacking}: write it by\ncargo run -p spec-harness -- accept {name}").into(),
        );
    }
    let mut records: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
    for column in columns {
        // What is known to differ has no say in what is right, and one that is not here has none at all.
        let Tried { verdict, run, .. } = column.try_case(&Runner::default(), &case, None);
        let (Some(Run { transcript, .. }), false) =
            (run, matches!(verdict, Verdict::ExpectedFailure(_)))
        else {
            continue;
        };
        let target = column.target.name.clone();
        match verdict {
            Verdict::Unknown(why) => return Err(format!("{target}: unknown: {why}").into()),
            Verdict::Fail(reasons) => {
                let file = format!("{name}.yaml");
                let told = report::failure(&reasons, Source { file: &file, text });
                return Err(format!("{target}: {told}").into());
            }
            _ => {}
        }
        let record = transcript::record_name(&case, column.target.kind);
        let shown = Shown { target, transcript };
        records.entry(record).or_default().push(shown);
    }
    for kind in [Kind::Process, Kind::Thread] {
        if let Prediction::Ran(history) = predict(&case, kind) {
            let record = transcript::record_name(&case, kind);
            let shown = Shown {
                target: "the model".to_owned(),
                transcript: transcript::of(&history),
            };
            records.entry(record).or_default().push(shown);
        }
    }
    if records.is_empty() {
        return Err("no implementation runs this case".into());
    }
    for (record, shown) in &records {
        all_the_same(shown)?;
        if let Some(first) = shown.first() {
            is_on_record(record, &case.title, &first.transcript);
        }
    }
    Ok(())
}

fn all_the_same(shown: &[Shown]) -> Result<(), Failed> {
    let Some((first, rest)) = shown.split_first() else {
        return Ok(());
    };
    let different = |other: &&Shown| other.transcript != first.transcript;
    let Some(other) = rest.iter().find(different) else {
        return Ok(());
    };
    let lines =
        |shown: &Shown| -> Vec<String> { shown.transcript.lines().map(str::to_owned).collect() };
    let (left, right) = (lines(first), lines(other));
    let differ = beside((&first.target, &left), (&other.target, &right));
    Err(format!("{} and {} differ\n{differ}", first.target, other.target).into())
}

fn is_on_record(record: &str, title: &str, transcript: &str) {
    let (topic, name) = record.rsplit_once('/').unwrap_or(("", record));
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(records().join(topic));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(title);
    settings.bind(|| insta::assert_snapshot!(name, transcript));
}

/// Where the transcripts on record lie.
fn records() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec-cases/transcripts")
}

fn every_record_belongs_to_a_case() -> Result<(), Failed> {
    let mut known = Vec::new();
    for (name, text) in spec_cases::CASES {
        if let Ok(case) = Case::parse(name, text) {
            known.extend(
                [Kind::Process, Kind::Thread].map(|kind| transcript::record_name(&case, kind)),
            );
        }
    }
    for (record, _) in spec_cases::TRANSCRIPTS {
        if !known.iter().any(|name| name == record) {
            return Err(format!("{record} is no longer the transcript of a case").into());
        }
    }
    Ok(())
}
