//! `run`: every case on every implementation, several runs at a time; then the matrix and what was wrong.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use spec_harness::replay::{self, Limits, Runner};
use spec_harness::target::{self, Column};

use super::matrix::Matrix;
use super::output::Output;
use super::select::{self, Chosen};
use super::{Came, Refusal, RunArgs, check, doctor};

pub(super) fn run(args: &RunArgs, out: &mut Output) -> Result<Came, Refusal> {
    let cases = match select::select(&args.selection)? {
        Ok(cases) => cases,
        Err(bad) => return Ok(check::show(&bad, out)),
    };
    let runner = Runner {
        limits: Limits {
            silence: args.patience,
            ..Limits::default()
        },
    };
    let program = program()?;
    let mut columns: Vec<Column> = Vec::new();
    for name in &args.on {
        for column in target::columns(name, &program, &runner)? {
            if !columns.iter().any(|known| known.target == column.target) {
                columns.push(column);
            }
        }
    }
    replay::catch_signals().map_err(|error| format!("signals cannot be caught: {error}"))?;
    out.line(doctor::evidence(replay::level()));
    let matrix = replay_all(args, &runner, &cases, &columns, out);
    let came = matrix.show(&cases, &columns, args.repeat, out);
    if replay::interrupted() {
        out.line("interrupted: what is missing was not run to its end");
        return Ok(Came::Wrong);
    }
    Ok(came)
}

fn program() -> Result<PathBuf, Refusal> {
    std::env::current_exe().map_err(|error| format!("where this program lies: {error}"))
}

fn replay_all(
    args: &RunArgs,
    runner: &Runner,
    cases: &[Chosen],
    columns: &[Column],
    out: &Output,
) -> Matrix {
    let per_round = cases.len() * columns.len();
    let total = per_round * args.repeat as usize;
    let jobs = args.jobs.map_or_else(cpus, usize::from).min(total.max(1));
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (results, received) = mpsc::channel();
    let mut matrix = Matrix::new(cases.len(), columns.len());
    let progress = progress(total);
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (results, next, stop) = (results.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && !replay::interrupted() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return;
                    }
                    let (case, column) =
                        (number % per_round / columns.len(), number % columns.len());
                    let tried = columns[column].try_case(
                        runner,
                        &cases[case].case,
                        cases[case].record(columns[column].target.kind),
                    );
                    if results.send((case, column, tried)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        for (case, column, tried) in received {
            progress.set_message(format!(
                "{} on {}",
                cases[case].case.name, columns[column].target.name
            ));
            progress.inc(1);
            // What a signal cut short says nothing about the case.
            if !replay::interrupted() {
                matrix.note(case, column, tried);
            }
            if out.closed() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    progress.finish_and_clear();
    matrix
}

fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A bar on stderr, where that is a terminal and the work takes long enough to be waited for.
fn progress(total: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}");
    let bar = ProgressBar::new(total as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
