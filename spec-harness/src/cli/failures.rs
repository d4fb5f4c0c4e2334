//! What was wrong, case by case, and the command that shows it again.

use spec_harness::history::Ending;
use spec_harness::interp::Deviations;
use spec_harness::judge::report::{self, Source};
use spec_harness::picture::Picture;
use spec_harness::picture::text::Look;
use spec_harness::target::Column;

use super::again;
use super::cell::{Cell, Failed};
use super::output::{BAD, ODD, Output, paint};
use super::picture;
use super::select::Chosen;

/// Lines of a picture's lanes, and of the calls and the output below them.
const LANES: usize = 8;

/// Lines of what was written to stderr.
const WORDS: usize = 12;

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
    let mut told: Vec<&Failed> = Vec::new();
    for (cell, column) in row.iter().zip(columns) {
        let target = &column.target;
        if let Some(failed) = &cell.failed {
            if told.iter().any(|known| known.is_like(failed)) {
                continue;
            }
            told.push(failed);
            let same = row.iter().zip(columns).filter(|(other, _)| {
                let other = other.failed.as_ref();
                other.is_some_and(|other| other.is_like(failed))
            });
            let names: Vec<&str> = same.map(|(_, other)| other.target.name.as_str()).collect();
            let (mark, on) = (paint(BAD, "FAIL"), names.join(", "));
            out.line(format_args!("{mark} {name} on {on}{}", of(cell.failures)));
            show(failed, chosen, chosen.record(target.kind), out);
            again(chosen, &names, Some(&failed.order), repeat, out);
        } else if let Some(drift) = &cell.drift {
            let (mark, on) = (paint(BAD, "not as recorded"), &target.name);
            out.line(format_args!("{mark} {name} on {on}"));
            out.block("  ", drift);
            again(chosen, &[on], None, repeat, out);
        } else if let Some((why, order)) = &cell.unknown {
            let (mark, on) = (paint(ODD, "unknown"), &target.name);
            out.line(format_args!(
                "{mark} {name} on {on}{}: {why}",
                of(cell.unknowns)
            ));
            again(chosen, &[on], Some(order), repeat, out);
        }
    }
}

/// Expected beside seen, the first rule that was broken, and the picture of the run.
fn show(failed: &Failed, chosen: &Chosen, recorded: Option<&str>, out: &mut Output) {
    let source = Source {
        file: &chosen.file,
        text: &chosen.text,
    };
    let run = failed.run.as_ref();
    // By another order the record has no say.
    // Nor has it where nothing was done.
    let any = run.is_some_and(|run| !run.history.events.is_empty());
    let recorded = recorded.filter(|_| any && failed.order.is_empty());
    let seen = run.map(|run| run.transcript.as_str());
    out.block(
        "  ",
        &report::brief(&failed.reasons, source, recorded, seen),
    );
    let Some(run) = run else { return };
    // Who does not go on may have said why; of one that broke off it stands above.
    let stays = matches!(run.history.ending, Ending::Deadlock(_) | Ending::Leaked(_));
    if stays && !run.stderr.is_empty() {
        out.line("");
        out.line("  on stderr:");
        let lines: Vec<&str> = run.stderr.lines().collect();
        let last = &lines[lines.len().saturating_sub(WORDS)..];
        out.block("    ", &last.join("\n"));
    }
    if run.history.events.is_empty() {
        return;
    }
    out.line("");
    let mut drawn = Picture::of(&run.history);
    // Told above.
    drawn.ending = None;
    let look = picture::look(None, false);
    let look = Look {
        columns: look.columns.min(120),
        most: Some(LANES),
        ..look
    };
    picture::show(&drawn, look, "  ", out);
}

fn again(chosen: &Chosen, on: &[&str], order: Option<&Deviations>, repeat: u32, out: &mut Output) {
    let command = again::command(chosen, on, order, repeat);
    out.line("");
    out.line(format_args!("  again: {command}"));
    out.line("");
}
