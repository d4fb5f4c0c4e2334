//! From the results of a run to the report's data and pictures.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spec_harness::case::ast::Case;
use spec_harness::judge::Reason;
use spec_harness::judge::report::{self as words, Source};
use spec_harness::picture::Picture;
use spec_harness::replay;
use spec_harness::target::{Column, Run};

use super::RunResults;
use super::data::{
    CaseReport, DocumentReport, Implementation, Machine, ReasonKind, ReasonReport, Report, RowCell,
    RowReport, RunReport, VERSION,
};
use crate::cli::again::{self, quoted};
use crate::cli::cell::{Absent, Cell, Word, median_and_p99};
use crate::cli::select::Chosen;
use crate::cli::{Refusal, claims, contract, doctor};

/// A picture, and by the number of each run that has it: the runs of one case on the implementations.
pub(super) type Drawn = (Picture, Vec<usize>);

/// The report, and for each case its distinct pictures.
pub(super) fn gather(results: RunResults<'_>) -> Result<(Report, Vec<Vec<Drawn>>), Refusal> {
    let mut cases = Vec::new();
    let mut pictures = Vec::new();
    for (number, chosen) in results.cases.iter().enumerate() {
        let (case, drawn) = case(chosen, number, results);
        cases.push(case);
        pictures.push(drawn);
    }
    let report = Report {
        format: "spec-harness/report".to_owned(),
        version: VERSION,
        harness: env!("CARGO_PKG_VERSION").to_owned(),
        command: command(),
        began: rfc3339(results.began),
        seconds: (results.took.as_secs_f64() * 1e3).round() / 1e3,
        machine: machine(),
        implementations: (0..results.columns.len())
            .map(|column| implementation(column, results))
            .collect(),
        cases,
        contract: rows(results)?,
        documents: documents(results)?,
    };
    Ok((report, pictures))
}

/// What was typed, without where the program lies.
fn command() -> String {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| quoted(&argument.to_string_lossy()));
    format!("spec-harness {}", arguments.collect::<Vec<_>>().join(" "))
}

fn machine() -> Machine {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let level = replay::level();
    let (evidence, says) = doctor::level_in_words(level);
    Machine {
        os: std::env::consts::OS.to_owned(),
        kernel: kernel.trim().to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        evidence: evidence.to_owned(),
        evidence_says: says.to_owned(),
        evidence_remedy: level.remedy().map(str::to_owned),
    }
}

fn implementation(column: usize, results: RunResults<'_>) -> Implementation {
    let target = &results.columns[column].target;
    let cells = || (0..results.cases.len()).map(|case| results.matrix.cell(case, column));
    let mut counts = BTreeMap::new();
    for cell in cells() {
        *counts.entry(cell.word()).or_default() += 1;
    }
    let times: Vec<Duration> = cells()
        .flat_map(|cell| cell.times.iter().copied())
        .collect();
    let times = median_and_p99(&times);
    let hello = cells().find_map(|cell| cell.first.as_ref()?.hello.as_ref());
    Implementation {
        name: target.name.clone(),
        kind: target.kind.to_string(),
        introduces_itself: hello.map(|hello| format!("{} {}", hello.name, hello.version)),
        counts,
        median_ms: times.map(|(median, _)| millis(median)),
        p99_ms: times.map(|(_, p99)| millis(p99)),
    }
}

/// Milliseconds, to the microsecond.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn case(chosen: &Chosen, number: usize, results: RunResults<'_>) -> (CaseReport, Vec<Drawn>) {
    let case = &chosen.case;
    let mut transcripts: Vec<String> = Vec::new();
    let mut pictures: Vec<Drawn> = Vec::new();
    let mut runs = Vec::new();
    for (index, column) in results.columns.iter().enumerate() {
        let cell = results.matrix.cell(number, index);
        let told = told(cell);
        let transcript = told.map(|run| {
            let known = transcripts
                .iter()
                .position(|known| *known == run.transcript);
            known.unwrap_or_else(|| {
                transcripts.push(run.transcript.clone());
                transcripts.len() - 1
            })
        });
        if let Some(run) = told.filter(|run| !run.history.events.is_empty()) {
            let picture = Picture::of(&run.history);
            match pictures.iter_mut().find(|(known, _)| *known == picture) {
                Some((_, runs)) => runs.push(index),
                None => pictures.push((picture, vec![index])),
            }
        }
        runs.push(run(chosen, column, cell, transcript));
    }
    let report = CaseReport {
        name: case.name.clone(),
        title: case.title.clone(),
        source: case.source.as_ref().map(|source| source.value.clone()),
        covers: case.covers.iter().map(|row| row.value.clone()).collect(),
        tags: case.tags.clone(),
        runs,
        transcripts,
    };
    (report, pictures)
}

/// The run that the verdict tells of.
fn told(cell: &Cell) -> Option<&Run> {
    let failed = cell.failed.as_ref().and_then(|failed| failed.run.as_ref());
    failed.or(cell.first.as_ref())
}

fn run(chosen: &Chosen, column: &Column, cell: &Cell, transcript: Option<usize>) -> RunReport {
    let why = match (&cell.absent, cell.word()) {
        (Some(Absent::NotApplicable(why) | Absent::NotHere(why)), _) => Some(why.clone()),
        (None, Word::Unknown) => cell.unknown.as_ref().map(|(why, _)| why.clone()),
        (None, Word::ExpectedFailure) => cell.expected_failure.as_ref().map(|failure| {
            let newer = if failure.newer {
                " (this version is newer than listed)"
            } else {
                ""
            };
            format!("{}: {}{newer}", failure.id, failure.why)
        }),
        (None, Word::Without) => {
            let declined = cell
                .without
                .iter()
                .map(|(row, why)| format!("{row}: {why}"));
            Some(declined.collect::<Vec<_>>().join("; "))
        }
        _ => None,
    };
    let reasons = match (&cell.failed, cell.word()) {
        (Some(failed), _) => failed.reasons.as_slice(),
        (None, Word::Without) => cell.excused.as_deref().unwrap_or_default(),
        (None, _) => &[],
    };
    RunReport {
        on: column.target.name.clone(),
        verdict: cell.word(),
        why,
        recorded: cell.recorded.as_ref().map(|of| of.version.clone()),
        drift: cell.drift.clone(),
        times_ms: cell.times.iter().copied().map(millis).collect(),
        reasons: reasons
            .iter()
            .map(|reason| reason_of(reason, chosen))
            .collect(),
        transcript,
        again: again::command(chosen, &[&column.target.name], cell.order(), 1),
    }
}

fn reason_of(reason: &Reason, chosen: &Chosen) -> ReasonReport {
    let source = Source {
        file: &chosen.file,
        text: &chosen.text,
    };
    let text = words::failure(std::slice::from_ref(reason), source);
    let plain = |kind| ReasonReport {
        kind,
        text: text.trim_end().to_owned(),
        row: None,
        at: None,
        expected: vec![],
        seen: vec![],
    };
    // What stands in two lists is not told twice.
    let compared = |kind, expected: &[String], seen: &[String]| ReasonReport {
        text: text.lines().next().unwrap_or_default().to_owned(),
        expected: expected.to_vec(),
        seen: seen.to_vec(),
        ..plain(kind)
    };
    match reason {
        Reason::Exit(_) => plain(ReasonKind::Exit),
        Reason::Ending(_) => plain(ReasonKind::Ending),
        Reason::NoLongerDiverges(_) => plain(ReasonKind::NoLongerDiverges),
        Reason::Step { at, .. } => ReasonReport {
            at: Some(at.to_string()),
            ..plain(ReasonKind::Step)
        },
        Reason::Broken { rule, at, .. } => ReasonReport {
            row: Some(rule.row.to_owned()),
            at: Some(at.to_string()),
            ..plain(ReasonKind::Broken)
        },
        Reason::Mismatch { expected, seen, .. } => compared(ReasonKind::Mismatch, expected, seen),
        Reason::Transcript { recorded, seen } => compared(ReasonKind::Transcript, recorded, seen),
        Reason::Prediction { predicted, seen } => compared(ReasonKind::Prediction, predicted, seen),
    }
}

/// The rows of the contract, where every built-in case had its turn: of a part they would say what is not so.
fn rows(results: RunResults<'_>) -> Result<Vec<RowReport>, Refusal> {
    let has = |name: &str| results.cases.iter().any(|chosen| chosen.case.name == name);
    if !spec_cases::CASES.iter().all(|(name, _)| has(name)) {
        return Ok(vec![]);
    }
    let cases: Vec<Case> = results
        .cases
        .iter()
        .map(|chosen| chosen.case.clone())
        .collect();
    let contract = spec_harness::contract::Contract::ours()?;
    let table = contract::Table {
        contract: &contract,
        cases: &cases,
        columns: results.columns,
        matrix: results.matrix,
    };
    let rows = contract.rows().iter().map(|row| RowReport {
        row: row.name.clone(),
        says: row.says.clone(),
        python: row.python.to_string(),
        cases: cases
            .iter()
            .filter(|case| row.is_covered_by(case))
            .map(|case| case.name.clone())
            .collect(),
        tests: row.tests.iter().map(ToString::to_string).collect(),
        cells: results
            .columns
            .iter()
            .map(|column| {
                let cell = table.cell(row, column);
                RowCell {
                    on: column.target.name.clone(),
                    shows: cell.text,
                    why: cell.why,
                }
            })
            .collect(),
    });
    Ok(rows.collect())
}

fn documents(results: RunResults<'_>) -> Result<Vec<DocumentReport>, Refusal> {
    let documents = claims::judged(results.cases)?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.claims.is_empty())
        .collect())
}

/// A moment as `2026-01-31T08:05:00Z`.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their leap day at the end; 400 of them have 146,097 days.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    let year = era * 400 + year + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds: u64| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_767_225_599), "2025-12-31T23:59:59Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
