//! The matrix of cases and implementations: collected run by run, shown with times, failures and a summary.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::builder::styling::Style;
use spec_harness::judge::report::{self, Source, width};
use spec_harness::judge::{Quirk, Reason, Verdict};
use spec_harness::target::{Column, Tried};

use super::Came;
use super::output::{BAD, FAINT, GOOD, ODD, Output, STRONG, paint};
use super::select::Chosen;

/// What all runs came to, case by case.
#[derive(Debug)]
pub(super) struct Matrix {
    columns: usize,
    cells: Vec<Cell>,
}

/// All runs of one case on one implementation.
#[derive(Debug, Default)]
struct Cell {
    times: Vec<Duration>,
    transcripts: BTreeSet<String>,
    /// What each kind of verdict was first given for.
    failed: Option<(Vec<Reason>, String)>,
    failures: usize,
    unknown: Option<String>,
    unknowns: usize,
    known: Option<Quirk>,
    absent: Option<Absent>,
}

#[derive(Debug)]
enum Absent {
    NotApplicable(String),
    NotHere(String),
}

/// A cell in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Pass,
    Fail,
    Unknown,
    Known,
    NotApplicable,
    NotHere,
    /// The run was given up before its turn came.
    Open,
}

impl Word {
    fn shown(self) -> (&'static str, Style) {
        match self {
            Word::Pass => ("pass", GOOD),
            Word::Fail => ("FAIL", BAD),
            Word::Unknown => ("unknown", ODD),
            Word::Known => ("known", ODD),
            Word::NotApplicable => ("n/a", FAINT),
            Word::NotHere => ("not here", FAINT),
            Word::Open => ("-", FAINT),
        }
    }
}

impl Cell {
    fn word(&self) -> Word {
        match &self.absent {
            Some(Absent::NotApplicable(_)) => return Word::NotApplicable,
            Some(Absent::NotHere(_)) => return Word::NotHere,
            None => {}
        }
        if self.failures > 0 {
            Word::Fail
        } else if self.unknowns > 0 {
            Word::Unknown
        } else if self.known.is_some() {
            Word::Known
        } else if self.times.is_empty() {
            Word::Open
        } else {
            Word::Pass
        }
    }

    fn note(&mut self, tried: Tried) {
        let transcript = tried.run.map(|(transcript, took)| {
            self.times.push(took);
            transcript
        });
        match tried.verdict {
            Verdict::Unknown(why) => {
                self.unknowns += 1;
                self.unknown.get_or_insert(why);
                // It broke off somewhere: its transcript is not one of the case.
                return;
            }
            Verdict::Fail(reasons) => {
                self.failures += 1;
                let transcript = transcript.clone().unwrap_or_default();
                self.failed.get_or_insert((reasons, transcript));
            }
            Verdict::Known(quirk) => self.known = Some(quirk),
            Verdict::NotApplicable(why) => self.absent = Some(Absent::NotApplicable(why)),
            Verdict::NotHere(why) => self.absent = Some(Absent::NotHere(why)),
            Verdict::Pass => {}
        }
        self.transcripts.extend(transcript);
    }

    /// `pass 5.8/9.1`, and with several runs the number of different transcripts.
    fn text(&self, repeat: u32) -> String {
        let (word, _) = self.word().shown();
        let mut text = word.to_owned();
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

impl Matrix {
    pub(super) fn new(cases: usize, columns: usize) -> Matrix {
        Matrix {
            columns,
            cells: (0..cases * columns).map(|_| Cell::default()).collect(),
        }
    }

    pub(super) fn note(&mut self, case: usize, column: usize, tried: Tried) {
        self.cells[case * self.columns + column].note(tried);
    }

    /// Shows everything and says how it came out.
    pub(super) fn show(
        &self,
        cases: &[Chosen],
        columns: &[Column],
        repeat: u32,
        out: &mut Output,
    ) -> Came {
        self.table(cases, columns, repeat, out);
        for (row, case) in self.cells.chunks(self.columns.max(1)).zip(cases) {
            explain(row, case, columns, repeat, out);
        }
        self.notes(columns, out);
        self.summary(columns, repeat, out)
    }

    fn table(&self, cases: &[Chosen], columns: &[Column], repeat: u32, out: &mut Output) {
        let legend = match repeat {
            1 => "ms".to_owned(),
            n => format!("{n} runs: median/p99 ms, transcripts"),
        };
        let first = cases
            .iter()
            .map(|case| width(&case.case.name))
            .max()
            .unwrap_or(0)
            .max(width(&legend));
        let texts: Vec<String> = self.cells.iter().map(|cell| cell.text(repeat)).collect();
        let wide = |column: usize| {
            let cells = texts
                .iter()
                .skip(column)
                .step_by(self.columns)
                .map(|text| width(text));
            cells
                .max()
                .unwrap_or(0)
                .max(width(&columns[column].target.name))
        };
        let widths: Vec<usize> = (0..columns.len()).map(wide).collect();
        let mut head = format!("{legend}{}", " ".repeat(first - width(&legend)));
        for (column, wide) in columns.iter().zip(&widths) {
            head += &format!("  {:<wide$}", column.target.name);
        }
        out.line("");
        out.line(paint(STRONG, head.trim_end()));
        for (row, case) in cases.iter().enumerate() {
            let name = &case.case.name;
            let mut line = format!("{name}{}", " ".repeat(first - width(name)));
            for (column, wide) in widths.iter().enumerate() {
                let index = row * self.columns + column;
                let (text, (_, style)) = (&texts[index], self.cells[index].word().shown());
                let pad = if column + 1 == widths.len() {
                    0
                } else {
                    wide - width(text)
                };
                line += &format!("  {}{}", paint(style, text), " ".repeat(pad));
            }
            out.line(line);
        }
        out.line("");
    }

    /// Why columns or cells are empty, and what is known; each reason once.
    fn notes(&self, columns: &[Column], out: &mut Output) {
        let mut said = BTreeSet::new();
        for (index, cell) in self.cells.iter().enumerate() {
            let name = &columns[index % self.columns].target.name;
            let note = match (&cell.absent, &cell.known) {
                (Some(Absent::NotHere(why)), _) => format!("not here: {name}: {why}"),
                (Some(Absent::NotApplicable(why)), _) => format!("n/a: {name}: {why}"),
                (None, Some(quirk)) => {
                    let newer = if quirk.newer {
                        " (this version is newer than known)"
                    } else {
                        ""
                    };
                    format!("known: {name}: {}: {}{newer}", quirk.id, quirk.why)
                }
                (None, None) => continue,
            };
            if said.insert(note.clone()) {
                out.line(note);
            }
        }
        if !said.is_empty() {
            out.line("");
        }
    }

    fn summary(&self, columns: &[Column], repeat: u32, out: &mut Output) -> Came {
        let mut came = Came::Well;
        for (column, target) in columns.iter().enumerate() {
            let cells: Vec<&Cell> = self
                .cells
                .iter()
                .skip(column)
                .step_by(self.columns)
                .collect();
            let words = [
                Word::Pass,
                Word::Fail,
                Word::Unknown,
                Word::Known,
                Word::NotApplicable,
                Word::NotHere,
                Word::Open,
            ];
            let mut counts = Vec::new();
            for word in words {
                let count = cells.iter().filter(|cell| cell.word() == word).count();
                if count > 0 {
                    let (name, style) = word.shown();
                    counts.push(paint(style, format!("{count} {name}")));
                }
                if count > 0 && matches!(word, Word::Fail | Word::Unknown | Word::Open) {
                    came = Came::Wrong;
                }
            }
            let mut line = format!("{}: {}", target.target.name, counts.join(", "));
            let times: Vec<Duration> = cells
                .iter()
                .flat_map(|cell| cell.times.iter().copied())
                .collect();
            if let Some((median, p99)) = median_and_p99(&times) {
                line += &format!("; median {} ms, p99 {} ms", millis(median), millis(p99));
            }
            if repeat > 1 && !times.is_empty() {
                let most = cells
                    .iter()
                    .map(|cell| cell.transcripts.len())
                    .max()
                    .unwrap_or(0);
                let unknowns: usize = cells.iter().map(|cell| cell.unknowns).sum();
                let transcripts = if most == 1 {
                    "1 transcript per case".to_owned()
                } else {
                    format!("up to {most} transcripts per case")
                };
                line += &format!("; {} runs, {transcripts}, {unknowns} unknown", times.len());
            }
            out.line(line);
        }
        came
    }
}

/// Shows what was wrong with a case, each wrong once for all implementations that share it, and how to see it
/// again.
fn explain(row: &[Cell], chosen: &Chosen, columns: &[Column], repeat: u32, out: &mut Output) {
    let name = &chosen.case.name;
    let of = |count: usize| {
        if repeat > 1 {
            format!(" ({count} of {repeat} runs)")
        } else {
            String::new()
        }
    };
    let again = |on: &str, out: &mut Output| {
        let times = if repeat > 1 {
            format!(" --repeat {repeat}")
        } else {
            String::new()
        };
        out.line(format_args!(
            "  again: spec-harness run {} --on {on}{times}",
            chosen.argument
        ));
        out.line("");
    };
    let mut told: Vec<&(Vec<Reason>, String)> = Vec::new();
    for (cell, column) in row.iter().zip(columns) {
        let target = &column.target;
        if let Some(failed) = &cell.failed {
            if told.contains(&failed) {
                continue;
            }
            told.push(failed);
            let same = row
                .iter()
                .zip(columns)
                .filter(|(other, _)| other.failed.as_ref() == Some(failed));
            let names: Vec<&str> = same.map(|(_, other)| other.target.name.as_str()).collect();
            let on = names.join(", ");
            out.line(format_args!(
                "{} {name} on {on}{}",
                paint(BAD, "FAIL"),
                of(cell.failures)
            ));
            let (reasons, seen) = failed;
            let source = Source {
                file: &chosen.file,
                text: &chosen.text,
            };
            out.block("  ", &report::failure(reasons, source));
            let compared = reasons
                .iter()
                .any(|reason| matches!(reason, Reason::Transcript { .. }));
            if !compared && !seen.is_empty() {
                out.block("  ", &report::run(chosen.record(target.kind), seen));
            }
            again(&names.join(","), out);
        } else if let Some(why) = &cell.unknown {
            let (mark, on) = (paint(ODD, "unknown"), &target.name);
            out.line(format_args!(
                "{mark} {name} on {on}{}: {why}",
                of(cell.unknowns)
            ));
            again(on, out);
        }
    }
}

/// Median and 99th percentile.
fn median_and_p99(times: &[Duration]) -> Option<(Duration, Duration)> {
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
fn millis(time: Duration) -> String {
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
