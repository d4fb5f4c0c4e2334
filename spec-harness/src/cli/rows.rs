//! A first look at somebody else's implementation: one line per row of the contract instead of a wall of failures.

use std::collections::BTreeMap;

use spec_harness::contract::{Contract, Row};
use spec_harness::judge::Reason;
use spec_harness::judge::report::{self, Source, width};
use spec_harness::target::Column;

use super::again;
use super::cell::{Cell, Word};
use super::contract::shortened;
use super::matrix::Matrix;
use super::output::{BAD, FAINT, GOOD, ODD, Output, STRONG, paint};
use super::select::Chosen;

/// Up to so many failures of one implementation are shown case by case.
const FEW: usize = 8;

/// A promise longer than this is cut.
const PROMISE: usize = 58;

/// Whether somebody else's implementation fails so often that rows say more than cases.
pub(super) fn say_more(matrix: &Matrix, cases: &[Chosen], columns: &[Column]) -> bool {
    let foreign = columns.iter().enumerate().filter(|(_, on)| on.foreign);
    foreign
        .map(|(column, _)| failures(matrix, cases, column).count())
        .any(|failures| failures > FEW)
}

/// Shows the rows, and how to see more.
pub(super) fn show(matrix: &Matrix, cases: &[Chosen], columns: &[Column], out: &mut Output) {
    let by_row = (0..columns.len()).filter(|column| {
        let common = common_reason(matrix, cases, *column);
        common.is_none_or(|common| common.cases < common.ran)
    });
    let by_row: Vec<usize> = by_row.collect();
    if let Ok(contract) = Contract::ours()
        && !by_row.is_empty()
    {
        grid(&contract, matrix, cases, columns, &by_row, out);
    }
    for (column, on) in columns.iter().enumerate() {
        if let Some((case, cell)) = failures(matrix, cases, column).next() {
            let command = again::command(case, &[&on.target.name], cell.order(), 1);
            out.line(format_args!("one in full: {command}"));
        }
    }
    out.line("every case and every failure: the same command with --full");
    out.line("");
}

/// Says which declined rows hold in every case that shows them, where there is one.
pub(super) fn hold_after_all(
    matrix: &Matrix,
    cases: &[Chosen],
    columns: &[Column],
    out: &mut Output,
) {
    for (column, on) in columns.iter().enumerate() {
        let declines = on.hello.iter().flat_map(|hello| &hello.declines);
        for (row, why) in declines {
            let cells = || (0..cases.len()).map(|case| matrix.cell(case, column));
            let used = cells().any(|cell| cell.without.contains_key(row));
            let shown = (cases.iter().zip(cells()))
                .filter(|(case, _)| case.case.covers.iter().any(|covers| covers.value == *row));
            let mut words = shown.map(|(_, cell)| cell.word()).peekable();
            let ran = |word: &Word| !matches!(word, Word::NotApplicable | Word::NotHere);
            if !used
                && words.peek().is_some()
                && words.clone().any(|word| ran(&word))
                && words.filter(ran).all(|word| word == Word::Pass)
            {
                out.line(format_args!(
                    "{}: {} declines {row} ({why}), and holds it in every case here that shows it",
                    paint(ODD, "note"),
                    on.target.name
                ));
            }
        }
    }
}

fn failures<'m>(
    matrix: &'m Matrix,
    cases: &'m [Chosen],
    column: usize,
) -> impl Iterator<Item = (&'m Chosen, &'m Cell)> {
    let cells = cases.iter().enumerate();
    let cells = cells.map(move |(index, case)| (case, matrix.cell(index, column)));
    cells.filter(|(_, cell)| matches!(cell.word(), Word::Fail | Word::Unknown))
}

/// A reason for which several cases fail on one implementation.
struct Common {
    reason: String,
    /// How many fail for it.
    cases: usize,
    /// How many ran.
    ran: usize,
}

/// Says for which one reason the cases fail that do, where it is one for several.
pub(super) fn tell_common_reasons(
    matrix: &Matrix,
    cases: &[Chosen],
    columns: &[Column],
    out: &mut Output,
) {
    for (column, on) in columns.iter().enumerate() {
        let Some(Common { reason, cases, ran }) = common_reason(matrix, cases, column) else {
            continue;
        };
        let which = match cases == ran {
            true => "every case that runs fails".to_owned(),
            false => format!("{cases} of {ran} cases that run fail"),
        };
        out.line(format_args!(
            "{} {}: {which} for one reason: {reason}",
            paint(BAD, "FAIL"),
            on.target.name
        ));
    }
}

/// The first thing that is wrong in most of the cases that fail, if it is the same in at least two of them. Numbers, such as those of
/// processes, differ from run to run.
fn common_reason(matrix: &Matrix, cases: &[Chosen], column: usize) -> Option<Common> {
    let words = (0..cases.len()).map(|case| matrix.cell(case, column).word());
    let ran = words.filter(|word| !matches!(word, Word::NotApplicable | Word::NotHere));
    let ran = ran.count();
    let mut reasons: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut failed = 0;
    for (case, cell) in failures(matrix, cases, column) {
        failed += 1;
        let first = cell
            .failed
            .as_ref()
            .and_then(|failed| failed.reasons.first());
        // What differs, or which rule is broken, is told case by case.
        if !matches!(first, None | Some(Reason::Exit(_) | Reason::Ending(_))) {
            continue;
        }
        let reason = in_one_line(&first_reason(case, cell));
        let key = reason.chars().filter(|c| !c.is_ascii_digit()).collect();
        reasons.entry(key).or_insert((0, reason)).0 += 1;
    }
    let (cases, reason) = reasons.into_values().max_by_key(|(cases, _)| *cases)?;
    let most = cases > 1 && 2 * cases > failed;
    most.then_some(Common { reason, cases, ran })
}

/// A reason without what was compared; of what went to stderr, the last line.
fn in_one_line(reason: &str) -> String {
    let first = reason.lines().next().unwrap_or_default();
    match reason.split_once("\nstderr: ") {
        Some((_, text)) => {
            let last = text.lines().last().unwrap_or_default().trim();
            format!("{first} (stderr: {last})")
        }
        None => first.to_owned(),
    }
}

/// The first of these reasons, in words.
pub(super) fn first_of(reasons: &[Reason], case: &Chosen) -> String {
    let source = Source {
        file: &case.file,
        text: &case.text,
    };
    let first = report::failure(&reasons[..reasons.len().min(1)], source);
    first.trim_end().to_owned()
}

fn first_reason(case: &Chosen, cell: &Cell) -> String {
    match (&cell.failed, &cell.unknown) {
        (Some(failed), _) => first_of(&failed.reasons, case),
        (None, Some((why, _))) => why.clone(),
        (None, None) => String::new(),
    }
}

fn grid(
    contract: &Contract,
    matrix: &Matrix,
    cases: &[Chosen],
    columns: &[Column],
    shown: &[usize],
    out: &mut Output,
) {
    let shows = |row: &Row| -> Vec<usize> {
        let cases = cases.iter().enumerate();
        let covered = cases.filter(|(_, case)| row.is_covered_by(&case.case));
        covered.map(|(index, _)| index).collect()
    };
    let rows = contract.rows().iter().map(|row| (row, shows(row)));
    let rows: Vec<(&Row, Vec<usize>)> = rows.filter(|(_, cases)| !cases.is_empty()).collect();
    let text = |(_, cases): &(&Row, Vec<usize>), column: usize| {
        let words = cases.iter().map(|case| matrix.cell(*case, column).word());
        summed(&words.collect::<Vec<_>>())
    };
    let wide = |column: usize| {
        let cells = rows.iter().map(|row| width(&text(row, column).0)).max();
        cells.unwrap_or(0).max(width(&columns[column].target.name))
    };
    let widths: Vec<usize> = shown.iter().map(|column| wide(*column)).collect();
    let mut head = format!("row  {:<PROMISE$}", "promise");
    for (column, wide) in shown.iter().zip(&widths) {
        head += &format!("  {:<wide$}", columns[*column].target.name);
    }
    out.line(paint(STRONG, head.trim_end()));
    for row in &rows {
        let mut line = format!("{:<3}  {:<PROMISE$}", row.0.name, shortened(&row.0.says));
        for (column, wide) in shown.iter().zip(&widths) {
            let (text, style) = text(row, *column);
            let pad = " ".repeat(wide - width(&text));
            line += &format!("  {}{pad}", paint(style, text));
        }
        out.line(line.trim_end());
    }
    out.line("");
}

/// Several cells as one: the worst of them and how many are so.
fn summed(words: &[Word]) -> (String, clap::builder::styling::Style) {
    let count = |of: Word| words.iter().filter(|word| **word == of).count();
    let ran = words.len() - count(Word::NotApplicable) - count(Word::NotHere);
    let worst = [
        Word::Fail,
        Word::Unknown,
        Word::Open,
        Word::ExpectedFailure,
        Word::Without,
    ];
    match worst.into_iter().find(|word| count(*word) > 0) {
        Some(worst) => {
            let (word, style) = worst.shown();
            (format!("{word} {} of {ran}", count(worst)), style)
        }
        None if ran == 0 => ("n/a".to_owned(), FAINT),
        None => (format!("pass {ran}"), GOOD),
    }
}
