//! What was wrong, case by case, and the command that shows it again.

use spec_harness::judge::Reason;
use spec_harness::judge::report::{self, Source};
use spec_harness::target::Column;

use super::cell::Cell;
use super::output::{BAD, ODD, Output, paint};
use super::select::Chosen;

/// Shows what was wrong with a case, each wrong once for all implementations that share it, and how to see it
/// again.
pub(super) fn explain(
    row: &[Cell],
    chosen: &Chosen,
    columns: &[Column],
    repeat: u32,
    out: &mut Output,
) {
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
            let compared = reasons.iter().any(|reason| {
                matches!(
                    reason,
                    Reason::Transcript { .. } | Reason::Prediction { .. }
                )
            });
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
