//! `run --record`: runs are kept as files, a folder for each kind of worker.

use std::fs;
use std::path::{Path, PathBuf};

use spec_harness::record::Record;
use spec_harness::target::Column;

use super::Refusal;
use super::cell::{Absent, Cell};
use super::matrix::Matrix;
use super::output::Output;
use super::select::Chosen;

/// Says whether there is one folder for each of these.
pub(super) fn fits(columns: &[Column]) -> Result<(), Refusal> {
    for (at, Column { target, .. }) in columns.iter().enumerate() {
        let same = |other: &Column| other.target.kind == target.kind;
        if columns[..at].iter().any(same) {
            let name = &target.name;
            return Err(format!(
                "--record takes one implementation of each kind, and {name} is one more"
            ));
        }
    }
    Ok(())
}

/// Writes what each cell holds to `KIND/CASE.jsonl` below the folder, and says how much that was.
pub(super) fn keep(
    folder: &Path,
    matrix: &Matrix,
    cases: &[Chosen],
    columns: &[Column],
    out: &mut Output,
) -> Result<(), Refusal> {
    for (at, column) in columns.iter().enumerate() {
        let kind = column.target.kind;
        // Who cannot run a case is named as in those that it has run.
        let cells = || (0..cases.len()).map(|case| matrix.cell(case, at));
        let any = cells().find_map(|cell| cell.record.as_ref());
        let (mut count, mut bytes) = (0, 0);
        for (cell, chosen) in cells().zip(cases) {
            let Some(record) = any.and_then(|any| record(cell, any)) else {
                continue;
            };
            let path = folder.join(kind.to_string()).join(&chosen.case.name);
            let text = record.to_text();
            write(path.with_extension("jsonl"), &text)?;
            count += 1;
            bytes += text.len();
        }
        let name = &column.target.name;
        out.line(format_args!(
            "recorded: {name}: {count} runs, {} KB",
            bytes / 1000
        ));
    }
    Ok(())
}

/// What is kept of a cell; where the case itself is not for this kind of worker there is nothing to keep.
fn record(cell: &Cell, any: &Record) -> Option<Record> {
    match &cell.absent {
        Some(Absent::NotApplicable(why)) if why.contains(" cannot ") => Some(any.of_another(why)),
        Some(_) => None,
        None => cell.record.clone(),
    }
}

fn write(path: PathBuf, text: &str) -> Result<(), Refusal> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = made.and_then(|()| fs::write(&path, text));
    written.map_err(|error| format!("{}: {error}", path.display()))
}
