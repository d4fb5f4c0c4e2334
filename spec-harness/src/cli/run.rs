//! `run`: every case on every implementation, several runs at a time; then the matrix and what was wrong.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, Scope};
use std::time::{Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use spec_harness::judge::Verdict;
use spec_harness::model::Ordered;
use spec_harness::replay::{self, Limits, Runner};
use spec_harness::target::{self, Column, Tried};

use super::keep;
use super::matrix::Matrix;
use super::output::Output;
use super::report;
use super::schedules::Explored;
use super::select::{self, Chosen};
use super::{ExitStatus, Refusal, Replaying, RunArgs, Schedules, check, doctor};

pub(super) fn run(args: &RunArgs, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let cases = match select::select(&args.selection)? {
        Ok(cases) => cases,
        Err(bad) => return Ok(check::show(&bad, out)),
    };
    let (runner, columns) = prepare(&args.replaying, out)?;
    if args.record.is_some() {
        keep::fits(&columns)?;
    }
    report::fits(&args.report)?;
    let explored = match (&args.order, args.schedules) {
        (Some(order), _) => Explored::only(order, &cases, &columns)?,
        (None, Schedules::Rule) => Explored::default(),
        (None, Schedules::All) => {
            let explored = Explored::explore(&cases, &columns);
            explored.tell(&cases, out);
            explored
        }
    };
    let jobs = jobs(args.repeat, &cases, &columns, &explored);
    let (began, clock) = (SystemTime::now(), Instant::now());
    let mut matrix = replay_all(&args.replaying, &runner, &jobs, &cases, &columns, out)?;
    matrix.know_the_silent(&cases, &columns);
    let took = clock.elapsed();
    let status = matrix.show(&cases, &columns, args, out);
    let reported = report::RunResults {
        cases: &cases,
        columns: &columns,
        matrix: &matrix,
        began,
        took,
    };
    report::write(&args.report, reported, out)?;
    if was_interrupted(out) {
        return Ok(ExitStatus::Failure);
    }
    if let Some(folder) = &args.record {
        keep::keep(folder, &matrix, &cases, &columns, out)?;
    }
    Ok(status)
}

/// Every case once on every column.
pub(super) fn each_once(
    replaying: &Replaying,
    cases: &[Chosen],
    out: &mut Output,
) -> Result<(Matrix, Vec<Column>), Refusal> {
    let (runner, columns) = prepare(replaying, out)?;
    let explored = Explored::default();
    let jobs = jobs(1, cases, &columns, &explored);
    let matrix = replay_all(replaying, &runner, &jobs, cases, &columns, out)?;
    Ok((matrix, columns))
}

/// Whether a signal cut the runs short, which is then said.
pub(super) fn was_interrupted(out: &mut Output) -> bool {
    let interrupted = replay::interrupted();
    if interrupted {
        out.line("interrupted: what is missing was not run to its end");
    }
    interrupted
}

/// The columns that are asked for, and what runs cases on them; from here on, signals end the runs.
pub(super) fn prepare(
    replaying: &Replaying,
    out: &mut Output,
) -> Result<(Runner, Vec<Column>), Refusal> {
    let runner = Runner {
        limits: Limits {
            silence: replaying.patience,
            ..Limits::default()
        },
    };
    replay::get_ready()?;
    let program = program()?;
    let mut columns: Vec<Column> = Vec::new();
    for name in replaying.names() {
        for column in target::columns(name, &program, &runner)? {
            if !columns.iter().any(|known| known.target == column.target) {
                columns.push(column);
            }
        }
    }
    out.line(doctor::evidence(replay::level()));
    Ok((runner, columns))
}

/// The harness's own executable.
pub(super) fn program() -> Result<PathBuf, Refusal> {
    std::env::current_exe().map_err(|error| format!("where this program lies: {error}"))
}

/// One run that is to be made.
struct Job<'e> {
    case: usize,
    column: usize,
    by: By<'e>,
}

/// By which order of same-instant events a run goes.
#[derive(Clone, Copy)]
enum By<'e> {
    Rule,
    Order(&'e Ordered),
    /// By none: the case does not have the order that was asked for.
    None(&'e str),
}

/// Every run: round by round, and then by the other orders.
fn jobs<'e>(
    repeat: u32,
    cases: &[Chosen],
    columns: &[Column],
    explored: &'e Explored,
) -> Vec<Job<'e>> {
    let all =
        || (0..cases.len()).flat_map(|case| (0..columns.len()).map(move |column| (case, column)));
    let rule = |(case, column)| Job {
        case,
        column,
        by: By::Rule,
    };
    let rounds = || 0..repeat;
    let mut jobs: Vec<Job<'_>> = Vec::new();
    if !explored.is_only() {
        jobs.extend(rounds().flat_map(|_| all().map(rule)));
    }
    // Another order is tried once, unless it is the only one.
    let rounds = if explored.is_only() { rounds() } else { 0..1 };
    for (case, column) in rounds.flat_map(|_| all()) {
        let kind = columns[column].target.kind;
        let others = explored.others(case, kind);
        jobs.extend(others.iter().map(|by| Job {
            case,
            column,
            by: By::Order(by),
        }));
        jobs.extend(explored.without(case, kind).map(|why| Job {
            case,
            column,
            by: By::None(why),
        }));
    }
    jobs
}

fn replay_all(
    replaying: &Replaying,
    runner: &Runner,
    todo: &[Job<'_>],
    cases: &[Chosen],
    columns: &[Column],
    out: &Output,
) -> Result<Matrix, Refusal> {
    let total = todo.len();
    let jobs = jobs_at_a_time(replaying).min(total.max(1));
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (results, received) = mpsc::channel();
    let mut matrix = Matrix::new(cases.len(), columns.len());
    let progress = progress(total);
    thread::scope(|scope| {
        let (next, stop) = (&next, &stop);
        start(scope, jobs, move || {
            while !stop.load(Ordering::Relaxed) && !replay::interrupted() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(Job { case, column, by }) = todo.get(number) else {
                    return;
                };
                let (case, column) = (*case, *column);
                let (chosen, on) = (&cases[case], &columns[column]);
                let tried = match by {
                    By::Order(by) => on.try_order(runner, &chosen.case, &by.order, &by.history),
                    By::None(why) => Tried::without_run(Verdict::NotApplicable((*why).to_owned())),
                    By::Rule => on.try_case(runner, &chosen.case, chosen.record(on.target.kind)),
                };
                if results.send((case, column, tried)).is_err() {
                    return;
                }
            }
        })?;
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
        Ok::<(), Refusal>(())
    })?;
    progress.finish_and_clear();
    Ok(matrix)
}

/// Has this many threads do the work, or as many of them as the system allows.
///
/// # Errors
/// It allows none.
pub(super) fn start<'s>(
    scope: &'s Scope<'s, '_>,
    threads: usize,
    work: impl Fn() + Clone + Send + 's,
) -> Result<(), Refusal> {
    for number in 0..threads {
        match thread::Builder::new().spawn_scoped(scope, work.clone()) {
            Ok(_) => {}
            Err(error) if number == 0 => return Err(format!("no thread can be started: {error}")),
            Err(_) => break,
        }
    }
    Ok(())
}

/// How many runs are made at a time.
pub(super) fn jobs_at_a_time(replaying: &Replaying) -> usize {
    let cpus = || thread::available_parallelism().map_or(1, usize::from);
    replaying.jobs.map_or_else(cpus, usize::from)
}

/// A bar on stderr, where that is a terminal and the work takes long enough to be waited for.
pub(super) fn progress(total: usize) -> ProgressBar {
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
