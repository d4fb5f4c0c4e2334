//! `matrix --contract`: the rows of the contract on each implementation, with the cases and tests that show them.

use std::collections::BTreeSet;

use clap::builder::styling::Style;
use spec_harness::case::ast::Case;
use spec_harness::contract::{Contract, Row, Shown};
use spec_harness::judge::report::width;
use spec_harness::target::Column;

use super::cell::Word;
use super::matrix::Matrix;
use super::output::{BAD, FAINT, GOOD, Output, STRONG, paint};
use super::{ExitStatus, Refusal, Replaying, Selection, check, run, select};

/// A promise longer than this is cut in the table; it stands in full below.
const PROMISE: usize = 58;

pub(super) fn show(replaying: &Replaying, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let contract = Contract::ours()?;
    let cases = match select::select(&Selection::all())? {
        Ok(cases) => cases,
        Err(bad) => return Ok(check::show(&bad, out)),
    };
    let (matrix, columns) = run::each_once(replaying, &cases, out)?;
    // A row of which some cases were run shows nothing.
    if run::was_interrupted(out) {
        return Ok(ExitStatus::Failure);
    }
    let cases: Vec<Case> = cases.into_iter().map(|chosen| chosen.case).collect();
    let table = Table {
        contract: &contract,
        cases: &cases,
        columns: &columns,
        matrix: &matrix,
    };
    Ok(table.show(out))
}

/// Everything that a cell is made of.
pub(super) struct Table<'t> {
    pub(super) contract: &'t Contract,
    pub(super) cases: &'t [Case],
    pub(super) columns: &'t [Column],
    pub(super) matrix: &'t Matrix,
}

/// A cell: a row of the contract on an implementation.
pub(super) struct Cell {
    pub(super) text: String,
    style: Style,
    /// Why it is empty, where it is.
    pub(super) why: Option<String>,
    good: bool,
}

impl Cell {
    fn new(style: Style, text: impl Into<String>) -> Cell {
        Cell {
            text: text.into(),
            style,
            why: None,
            good: true,
        }
    }
}

impl Table<'_> {
    fn show(&self, out: &mut Output) -> ExitStatus {
        let rows: Vec<(&Row, Vec<Cell>)> = self
            .contract
            .rows()
            .iter()
            .map(|row| {
                (
                    row,
                    self.columns.iter().map(|on| self.cell(row, on)).collect(),
                )
            })
            .collect();
        self.grid(&rows, out);
        self.details(out);
        self.reasons(&rows, out);
        let wrong: usize = rows
            .iter()
            .map(|(_, cells)| cells.iter().filter(|cell| !cell.good).count())
            .sum();
        let cells = rows.len() * self.columns.len();
        out.line(match wrong {
            0 => format!("{}: {} rows, {cells} cells", paint(GOOD, "ok"), rows.len()),
            n => format!("{}: {n} of {cells} cells", paint(BAD, "wrong")),
        });
        if wrong == 0 {
            ExitStatus::Success
        } else {
            ExitStatus::Failure
        }
    }

    /// The verdict on a row for an implementation: the worst of its cases, and how many there are.
    pub(super) fn cell(&self, row: &Row, column: &Column) -> Cell {
        let ours = matches!(column.target.name.as_str(), "thread" | "process");
        let kind = column.target.kind;
        let (cases, tests) = match row.shown(kind, self.cases) {
            // Rust tests say nothing of anybody else's pool.
            Shown::By(cases, tests) => (cases, if ours { tests } else { vec![] }),
            Shown::Apart(why) => {
                let why = format!("{} is not of {kind} workers: {why}", row.name);
                return Cell {
                    why: Some(why),
                    ..Cell::new(FAINT, "apart")
                };
            }
            Shown::Hole => {
                return Cell {
                    why: Some(format!("{} on {kind} workers: nothing shows it", row.name)),
                    good: false,
                    ..Cell::new(BAD, "HOLE")
                };
            }
        };
        let mut words: Vec<Word> = cases
            .iter()
            .filter_map(|case| self.word(case, column))
            .collect();
        let severity = [
            Word::Fail,
            Word::Unknown,
            Word::Open,
            Word::ExpectsNothing,
            Word::ExpectedFailure,
            Word::Without,
            Word::Pass,
            Word::NotHere,
            Word::NotApplicable,
        ];
        words.sort_by_key(|word| severity.iter().position(|other| other == word));
        let also = match tests.len() {
            0 => String::new(),
            n => format!("+{n}"),
        };
        let Some(worst) = words.first() else {
            return match tests.len() {
                0 => Cell {
                    why: Some(format!(
                        "{} is shown by Rust tests, which say nothing of {}",
                        row.name, column.target.name
                    )),
                    ..Cell::new(FAINT, "-")
                },
                n => Cell::new(GOOD, format!("tests {n}")),
            };
        };
        let (word, style) = worst.shown();
        let good = !worst.is_wrong();
        Cell {
            good,
            ..Cell::new(style, format!("{word} {}{also}", words.len()))
        }
    }

    fn word(&self, case: &Case, column: &Column) -> Option<Word> {
        let case = self
            .cases
            .iter()
            .position(|other| other.name == case.name)?;
        let mut columns = self.columns.iter();
        let column = columns.position(|other| other.target == column.target)?;
        Some(self.matrix.cell(case, column).word())
    }

    fn grid(&self, rows: &[(&Row, Vec<Cell>)], out: &mut Output) {
        let wide = |column: usize| {
            let cells = rows.iter().map(|(_, cells)| width(&cells[column].text));
            let name = width(&self.columns[column].target.name);
            cells.max().unwrap_or(0).max(name)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(wide).collect();
        let mut head = format!("row  {:<PROMISE$}", "promise");
        for (column, wide) in self.columns.iter().zip(&widths) {
            head += &format!("  {:<wide$}", column.target.name);
        }
        out.line("");
        out.line(paint(STRONG, head.trim_end()));
        for (row, cells) in rows {
            let mut line = format!("{:<3}  {:<PROMISE$}", row.name, shortened(&row.says));
            for (cell, wide) in cells.iter().zip(&widths) {
                let pad = " ".repeat(wide - width(&cell.text));
                line += &format!("  {}{pad}", paint(cell.style, &cell.text));
            }
            out.line(line.trim_end());
        }
        out.line("");
        out.line("expected failure: CPython does something else, as its list says; +2: and two Rust tests");
        out.line("");
    }

    /// What shows each row.
    fn details(&self, out: &mut Output) {
        for row in self.contract.rows() {
            let cases = self.cases.iter().filter(|case| row.is_covered_by(case));
            let cases: Vec<&str> = cases.map(|case| case.name.as_str()).collect();
            out.line(format_args!(
                "{} {} ({})",
                paint(STRONG, &row.name),
                row.says,
                row.python
            ));
            if !cases.is_empty() {
                out.line(format_args!("    cases: {}", cases.join(", ")));
            }
            for test in &row.tests {
                out.line(format_args!("    test:  {test}"));
            }
        }
        out.line("");
    }

    /// Why cells are empty; each reason once.
    fn reasons(&self, rows: &[(&Row, Vec<Cell>)], out: &mut Output) {
        let mut said = BTreeSet::new();
        for why in rows
            .iter()
            .flat_map(|(_, cells)| cells)
            .filter_map(|cell| cell.why.as_deref())
        {
            if said.insert(why) {
                out.line(why);
            }
        }
        out.line("");
    }
}

/// A promise that fits into its column.
pub(super) fn shortened(says: &str) -> String {
    if width(says) <= PROMISE {
        return says.to_owned();
    }
    let kept: String = says.chars().take(PROMISE - 1).collect();
    let words = kept
        .rsplit_once(' ')
        .map_or(kept.as_str(), |(words, _)| words);
    format!("{}…", words.trim_end_matches([',', ';']))
}
