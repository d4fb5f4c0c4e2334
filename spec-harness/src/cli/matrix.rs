//! The matrix of cases and implementations: collected run by run, shown with times, failures and a summary.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use spec_harness::judge::report::width;
use spec_harness::target::{Column, Recorded, Tried};

use super::cell::{Absent, Cell, Word, median_and_p99, millis};
use super::failures::explain;
use super::output::{BAD, Output, STRONG, paint};
use super::rows::{self, first_of};
use super::select::Chosen;
use super::{ExitStatus, RunArgs};

/// Rows of a long table, about, after which a new topic begins with the names of the columns again.
const SCREEN: usize = 20;

/// The results of all runs, case by case.
#[derive(Debug)]
pub(super) struct Matrix {
    columns: usize,
    cells: Vec<Cell>,
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

    /// Takes note of the cases by which nothing can be wrong.
    pub(super) fn know_the_silent(&mut self, cases: &[Chosen], columns: &[Column]) {
        for (index, cell) in self.cells.iter_mut().enumerate() {
            let (chosen, column) = (&cases[index / self.columns], &columns[index % self.columns]);
            cell.expects_nothing =
                chosen.case.expects_nothing() && chosen.record(column.target.kind).is_none();
        }
    }

    /// All runs of a case on a column.
    pub(super) fn cell(&self, case: usize, column: usize) -> &Cell {
        &self.cells[case * self.columns + column]
    }

    /// Shows everything; whether all is well.
    pub(super) fn show(
        &self,
        cases: &[Chosen],
        columns: &[Column],
        args: &RunArgs,
        out: &mut Output,
    ) -> ExitStatus {
        let repeat = args.repeat;
        rows::tell_common_reasons(self, cases, columns, out);
        if !args.full && rows::say_more(self, cases, columns) {
            rows::show(self, cases, columns, out);
        } else {
            self.table(cases, columns, repeat, out);
            for (row, case) in self.cells.chunks(self.columns.max(1)).zip(cases) {
                explain(row, case, columns, repeat, out);
            }
            self.notes(cases, columns, out);
            self.excuses(cases, columns, out);
        }
        rows::hold_after_all(self, cases, columns, out);
        let mut status = self.summary(columns, repeat, out);
        if self.shows_nothing(cases, columns, out) {
            status = ExitStatus::Failure;
        }
        if args.replaying.named() && self.missing(columns, out) {
            return ExitStatus::Failure;
        }
        status
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
        let mut since_head = usize::MAX;
        for (row, case) in cases.iter().enumerate() {
            let name = &case.case.name;
            let topic = |case: &Chosen| case.case.name.split('/').next().map(str::to_owned);
            let begins = row > 0 && topic(case) != topic(&cases[row - 1]);
            if since_head >= SCREEN && (begins || row == 0) {
                out.line("");
                out.line(paint(STRONG, head.trim_end()));
                since_head = 0;
            } else if begins && cases.len() > SCREEN {
                out.line("");
            }
            since_head += 1;
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

    /// Why columns or cells are empty, what is known and what is declined; each reason once.
    fn notes(&self, cases: &[Chosen], columns: &[Column], out: &mut Output) {
        // Each note once, with everybody whom it concerns.
        let mut said: Vec<(&str, String, Vec<&str>)> = Vec::new();
        // What an implementation cannot, in one line.
        let mut lacks: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        let mut say = |word: &'static str, name, note: String| match said
            .iter_mut()
            .find(|(of, known, _)| (*of, known) == (word, &note))
        {
            Some((_, _, names)) if names.contains(&name) => {}
            Some((_, _, names)) => names.push(name),
            None => said.push((word, note, vec![name])),
        };
        for (index, cell) in self.cells.iter().enumerate() {
            let name = columns[index % self.columns].target.name.as_str();
            match &cell.absent {
                Some(Absent::NotHere(why)) => say("not here", name, why.clone()),
                Some(Absent::NotApplicable(why)) => match why.split_once(" cannot ") {
                    Some((who, need)) => {
                        lacks.entry((name, who)).or_default().insert(need);
                    }
                    None => say("n/a", name, why.clone()),
                },
                None => {}
            }
            if let Some(failure) = &cell.expected_failure {
                let newer = if failure.newer {
                    " (this version is newer than listed)"
                } else {
                    ""
                };
                say(
                    "expected failure",
                    name,
                    format!("{}: {}{newer}", failure.id, failure.why),
                );
            }
            if let Some(Recorded { version, why }) = &cell.recorded {
                let judged = format!("judged as recorded with {version}");
                let note = why.as_ref().map_or(judged.clone(), |why| {
                    format!("not run here, but {judged}: {why}")
                });
                say("recorded", name, note);
            }
            for (row, why) in &cell.without {
                say("declined", name, format!("{row}: {why}"));
            }
        }
        for (chosen, row) in cases.iter().zip(self.cells.chunks(self.columns.max(1))) {
            if row.iter().any(|cell| cell.word() == Word::ExpectsNothing) {
                let file = &chosen.file;
                out.line(format_args!(
                    "expects nothing: {file}: `spec-harness new {file}` fills in what the model predicts"
                ));
            }
        }
        for ((name, who), needs) in lacks {
            let needs: Vec<&str> = needs.into_iter().collect();
            say("n/a", name, format!("{who} cannot {}", needs.join(", ")));
        }
        for (word, note, names) in &said {
            out.line(format_args!("{word}: {}: {note}", names.join(", ")));
        }
        if !said.is_empty() {
            out.line("");
        }
    }

    /// What the declined rows excuse, case by case.
    fn excuses(&self, cases: &[Chosen], columns: &[Column], out: &mut Output) {
        let mut any = false;
        for (index, cell) in self.cells.iter().enumerate() {
            let Some(reasons) = cell
                .excused
                .as_ref()
                .filter(|_| cell.word() == Word::Without)
            else {
                continue;
            };
            let (case, column) = (&cases[index / self.columns], index % self.columns);
            let rows: Vec<&str> = cell.without.keys().map(String::as_str).collect();
            let first = first_of(reasons, case);
            let first = first.lines().next().unwrap_or_default();
            out.line(format_args!(
                "without {}: {} on {}: {first}",
                rows.join(", "),
                case.case.name,
                columns[column].target.name
            ));
            any = true;
        }
        if any {
            out.line("");
        }
    }

    /// Says of which implementations not one case passes although nothing is wrong: what is not applicable, declined or known shows
    /// nothing. One that is named by its path has to pass by itself, the others together.
    fn shows_nothing(&self, cases: &[Chosen], columns: &[Column], out: &mut Output) -> bool {
        let words = |at: usize| {
            let kind = columns[at].target.kind;
            let concern = cases.iter().enumerate().filter(move |(_, chosen)| {
                let only = chosen.case.only.as_ref();
                only.is_none_or(|only| only.value == kind)
            });
            concern.map(move |(case, _)| self.cell(case, at).word())
        };
        let passes = |at: usize| words(at).any(|word| word == Word::Pass);
        let wrong = |at: usize| words(at).any(|word| word.is_wrong() || word == Word::NotHere);
        let all = 0..columns.len();
        let none = !all.clone().any(passes) && !all.clone().any(wrong);
        let silent = all.filter(|at| {
            let alone = columns[*at].foreign && words(*at).next().is_some();
            !passes(*at) && !wrong(*at) && (none || alone)
        });
        let silent: Vec<&str> = silent.map(|at| columns[at].target.name.as_str()).collect();
        if !silent.is_empty() {
            let mark = paint(BAD, "no pass");
            out.line(format_args!(
                "{mark}: {}: not one case passes, which shows nothing",
                silent.join(", ")
            ));
        }
        !silent.is_empty()
    }

    /// Says of which columns nothing could be judged because they are not here.
    fn missing(&self, columns: &[Column], out: &mut Output) -> bool {
        let mut any = false;
        for (at, column) in columns.iter().enumerate() {
            let mut cells = self.cells.iter().skip(at).step_by(self.columns);
            if cells.all(|cell| cell.word() == Word::NotHere) {
                let name = &column.target.name;
                out.line(format_args!(
                    "{name} was asked for, and nothing was run on it"
                ));
                any = true;
            }
        }
        any
    }

    fn summary(&self, columns: &[Column], repeat: u32, out: &mut Output) -> ExitStatus {
        let mut status = ExitStatus::Success;
        for (column, target) in columns.iter().enumerate() {
            let cells: Vec<&Cell> = self
                .cells
                .iter()
                .skip(column)
                .step_by(self.columns)
                .collect();
            let mut counts = Vec::new();
            for word in Word::ALL {
                let count = cells.iter().filter(|cell| cell.word() == word).count();
                if count > 0 {
                    let (name, style) = word.shown();
                    let several = word == Word::ExpectedFailure && count > 1;
                    let plural = if several { "s" } else { "" };
                    counts.push(paint(style, format!("{count} {name}{plural}")));
                }
                if count > 0 && word.is_wrong() {
                    status = ExitStatus::Failure;
                }
            }
            let drifts = cells.iter().filter(|cell| cell.drift.is_some()).count();
            if drifts > 0 {
                counts.push(paint(BAD, format!("{drifts} not as recorded")));
                status = ExitStatus::Failure;
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
        status
    }
}
