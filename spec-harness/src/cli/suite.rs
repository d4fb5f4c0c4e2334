//! What a suite keeps of a case: where its file lies in `cases` beside `transcripts` and `recorded`, `accept` brings
//! these up to date as well.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use spec_harness::case::ast::{Case, Kind};
use spec_harness::judge::Verdict;
use spec_harness::judge::report::{self, Source};
use spec_harness::record::{Recalled, Record};
use spec_harness::replay::Runner;
use spec_harness::target::{self, Records, Tried};
use spec_harness::update;

use super::Refusal;

/// The folder of a suite.
#[derive(Debug)]
pub(super) struct Suite(PathBuf);

/// A file that becomes another.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) path: PathBuf,
    /// What stands there; nothing, where there is no such file.
    pub(super) old: Option<String>,
    /// What is to stand there; nothing, where it is to go.
    pub(super) new: Option<String>,
}

/// What is to become of what a suite keeps of a case.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) changes: Vec<Change>,
    /// What is still to be done by hand, each with how.
    pub(super) left: Vec<String>,
}

impl Suite {
    /// The suite that a case file is part of.
    pub(super) fn of(file: &Path) -> Option<Suite> {
        let whole = std::path::absolute(file).ok()?;
        let mut folders = whole.ancestors().skip(1);
        let cases =
            folders.find(|folder| folder.file_name().is_some_and(|name| name == "cases"))?;
        let root = cases.parent()?;
        // Shown as short as it can be.
        let here = std::env::current_dir().ok();
        let near = here.and_then(|here| root.strip_prefix(here).ok());
        let root = near.unwrap_or(root);
        root.join("transcripts")
            .is_dir()
            .then(|| Suite(root.to_owned()))
    }

    /// What has to become of a case's transcripts, and of CPython's runs of it where they are kept; without a `runner`
    /// nothing is run. `text` is the case's.
    pub(super) fn kept(
        &self,
        case: &Case,
        text: &str,
        file: &str,
        runner: Option<&Runner>,
    ) -> Result<Kept, Refusal> {
        let mut kept = Kept::default();
        self.transcripts(case, &mut kept)?;
        if self.0.join("recorded/cpython").is_dir() {
            let mut otherwise = Vec::new();
            for kind in [Kind::Thread, Kind::Process] {
                let Some(tried) = self.record(case, kind, runner, &mut kept)? else {
                    continue;
                };
                match &tried.verdict {
                    Verdict::Fail(reasons) => {
                        let told = report::brief(reasons, Source { file, text }, None, None);
                        kept.left.push(format!(
                            "CPython's {kind} workers do otherwise:\n{}",
                            told.trim_end()
                        ));
                        otherwise.push((kind, version(&tried)));
                    }
                    Verdict::NotHere(why) => kept.left.push(format!(
                        "CPython's {kind} workers are not on record, for they are not here ({why}): do the same where there is a \
                         python3"
                    )),
                    Verdict::Unknown(why) => kept.left.push(format!("CPython's {kind} workers: {why}")),
                    _ => {}
                }
            }
            kept.left.extend(entry(case, &otherwise));
        }
        Ok(kept)
    }

    fn transcripts(&self, case: &Case, kept: &mut Kept) -> Result<(), Refusal> {
        let files = match update::transcripts(case, &update::predicted(case)) {
            Ok(files) => files,
            Err(why) => {
                kept.left.push(why);
                return Ok(());
            }
        };
        let path = |name: &str| self.0.join("transcripts").join(format!("{name}.snap"));
        for (name, text) in &files {
            kept.become_of(path(name), Some(text.clone()))?;
        }
        // Where threads and processes no longer differ, or do from now on.
        let name = &case.name;
        for other in [
            name.clone(),
            format!("{name}.thread"),
            format!("{name}.process"),
        ] {
            if !files.iter().any(|(known, _)| *known == other) {
                kept.become_of(path(&other), None)?;
            }
        }
        Ok(())
    }

    fn record(
        &self,
        case: &Case,
        kind: Kind,
        runner: Option<&Runner>,
        kept: &mut Kept,
    ) -> Result<Option<Tried>, Refusal> {
        let folder = self.0.join("recorded/cpython").join(kind.to_string());
        let path = folder.join(format!("{}.jsonl", case.name));
        if case.only.as_ref().is_some_and(|only| only.value != kind) {
            kept.become_of(path, None)?;
            return Ok(None);
        }
        let mut column = target::cpython(kind)?;
        let old = read(&path)?.and_then(|text| Record::parse(&text).ok());
        if let Some(record) = old
            && !matches!(record.recall(case), Recalled::Stale(_))
        {
            return Ok(Some(column.try_record(case, record)));
        }
        let Some(runner) = runner else {
            kept.left.push(format!(
                "CPython's {kind} workers are not on record, for with --model nothing is run"
            ));
            return Ok(None);
        };
        column.records = Records::None;
        let mut tried = column.try_case(runner, case, None);
        if let (Verdict::NotApplicable(why), None) = (&tried.verdict, &tried.record) {
            tried.record = cannot(kind, why);
        }
        if let Some(record) = &tried.record {
            kept.become_of(path, Some(record.to_text()))?;
        }
        Ok(Some(tried))
    }
}

impl Kept {
    fn become_of(&mut self, path: PathBuf, new: Option<String>) -> Result<(), Refusal> {
        let old = read(&path)?;
        if old != new {
            self.changes.push(Change { path, old, new });
        }
        Ok(())
    }
}

/// That CPython's pools cannot run a case, told as they are named in those that they have run.
fn cannot(kind: Kind, why: &str) -> Option<Record> {
    let folder = format!("cpython/{kind}/");
    let mut others = spec_cases::RECORDS.iter();
    let (_, other) = others.find(|(name, _)| name.starts_with(&folder))?;
    Some(Record::parse(other).ok()?.of_another(why))
}

/// The line of versions that a run was of: `3.11` of 3.11.7.
fn version(tried: &Tried) -> String {
    let hello = tried.run.as_ref().and_then(|run| run.hello.as_ref());
    let version = hello.map_or("", |hello| hello.version.as_str());
    let parts: Vec<&str> = version.splitn(3, '.').take(2).collect();
    parts.join(".")
}

/// What the list of expected failures of CPython needs for a case that its pools do otherwise.
fn entry(case: &Case, otherwise: &[(Kind, String)]) -> Option<String> {
    let (_, version) = otherwise.first()?;
    let kinds: Vec<String> = otherwise.iter().map(|(kind, _)| kind.to_string()).collect();
    let rows: Vec<&str> = case.covers.iter().map(|row| row.value.as_str()).collect();
    Some(format!(
        "if that is how CPython is, name the case in an entry of spec-harness/adapters/cpython.expected-failures.yaml, or in a new one:\n\
         - id: what-is-different\n  rows: [{}]\n  cases: [{}]\n  kinds: [{}]\n  versions: [\"{version}\"]\n  \
         why: what CPython does\n  here: what our pools do instead",
        rows.join(", "),
        case.name,
        kinds.join(", "),
    ))
}

fn read(path: &Path) -> Result<Option<String>, Refusal> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// What is not on record of a built-in case, and the one command that puts it there.
pub(super) fn lacking(case: &Case) -> Option<String> {
    let lacking = update::lacking(case);
    let name = &case.name;
    (!lacking.is_empty()).then(|| {
        format!(
            "{name}.yaml: {}: `spec-harness accept {name}` writes what is missing",
            lacking.join(", ")
        )
    })
}
