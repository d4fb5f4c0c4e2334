//! `random`: programs drawn from a seed, each on every implementation, held against the model; a difference is made
//! small and written down as a case.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use spec_harness::judge::report::{self, Source};
use spec_harness::judge::{Verdict, judge};
use spec_harness::random::{Census, Predicted, Program, Rejected, draw};
use spec_harness::replay::{self, Runner};
use spec_harness::target::Column;

use super::output::{BAD, GOOD, Output, paint};
use super::run::{jobs_at_a_time, prepare, progress, start, was_interrupted};
use super::{ExitStatus, RandomArgs, Refusal, Replaying};

/// On what programs are run: our pools, unless somebody says otherwise.
///
/// # Errors
/// CPython is meant.
fn replaying(args: &RandomArgs) -> Result<Replaying, Refusal> {
    let mut replaying = args.replaying.clone();
    if !replaying.named() {
        replaying.on = vec!["thread".to_owned(), "process".to_owned()];
    }
    match replaying.on.iter().find(|name| name.starts_with("cpython")) {
        Some(name) => Err(format!(
            "{name} departs from the contract, and the contract's model is all that random programs are held against"
        )),
        None => Ok(replaying),
    }
}

/// CPU time after which whoever computes is spinning.
const SPINNING: Duration = Duration::from_secs(1);

pub(super) fn random(args: &RandomArgs, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let (mut runner, columns) = prepare(&replaying(args)?, out)?;
    // Nothing in a program computes.
    runner.limits.busy = SPINNING;
    let end = args.first.saturating_add(args.programs);
    let (next, stop) = (AtomicU64::new(args.first), AtomicBool::new(false));
    let (results, received) = mpsc::channel();
    let progress = progress(usize::try_from(args.programs).unwrap_or(usize::MAX));
    let mut told = Told::default();
    thread::scope(|scope| {
        let (next, stop) = (&next, &stop);
        let (runner, columns) = (&runner, &columns);
        start(scope, jobs_at_a_time(&args.replaying), move || {
            while !stop.load(Ordering::Relaxed) && !replay::interrupted() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return;
                }
                let tried = try_program(args, number, runner, columns);
                if results.send(tried).is_err() {
                    return;
                }
            }
        })?;
        for tried in received {
            progress.inc(1);
            told.note(tried, args, out);
            if out.closed() || told.differences.len() >= args.most {
                stop.store(true, Ordering::Relaxed);
            }
        }
        Ok::<(), Refusal>(())
    })?;
    progress.finish_and_clear();
    told.show(out);
    if was_interrupted(out) {
        return Ok(ExitStatus::Failure);
    }
    let well = told.differences.is_empty() && told.unknown.is_empty();
    let well = well && !(args.replaying.named() && told.missing(&columns, out));
    Ok(if well {
        ExitStatus::Success
    } else {
        ExitStatus::Failure
    })
}

/// The result of one program.
struct Tried {
    number: u64,
    program: Program,
    predicted: Result<Vec<Predicted>, Rejected>,
    seen: Seen,
    difference: Option<Difference>,
}

/// The result of running it.
#[derive(Default)]
struct Seen {
    /// How many, by column.
    runs: BTreeMap<String, usize>,
    unknown: Option<String>,
    /// Columns that it was not put to, and why.
    without: Vec<(String, String)>,
}

/// A program that does something else than the model says.
struct Difference {
    /// Where.
    on: String,
    /// In what, for people.
    told: String,
    /// The case file.
    text: String,
}

/// Everything that was seen.
#[derive(Default)]
struct Told {
    census: Census,
    /// How many, by column.
    runs: BTreeMap<String, usize>,
    differences: Vec<(u64, PathBuf)>,
    unknown: BTreeSet<(u64, String)>,
    /// How many programs were not put to a column, by the reason.
    without: BTreeMap<(String, String), usize>,
}

fn try_program(args: &RandomArgs, number: u64, runner: &Runner, columns: &[Column]) -> Tried {
    let drawn = draw(args.seed, number);
    let program = drawn.program();
    let mut tried = Tried {
        number,
        predicted: predicted(&program),
        program,
        seen: Seen::default(),
        difference: None,
    };
    let Ok(all) = &tried.predicted else {
        return tried;
    };
    let Some(of) = first_difference(all, runner, columns, &mut tried.seen) else {
        return tried;
    };
    // It is made small where it was found.
    let found = std::slice::from_ref(&columns[of.0]);
    let again = |all: &[Predicted]| first_difference(all, runner, found, &mut Seen::default());
    let smallest = drawn.smallest(args.tries, |smaller| {
        let Ok(all) = predicted(smaller) else {
            return false;
        };
        !replay::interrupted() && again(&all).is_some()
    });
    let mut all = predicted(&smallest).unwrap_or_default();
    let told = again(&all).map_or(of.1, |of| of.1);
    let on = &columns[of.0].target;
    all.sort_by_key(|predicted| predicted.kind != on.kind);
    let title = format!(
        "a random program, {number} of seed {}, on {}",
        args.seed, on.name
    );
    tried.difference = Some(Difference {
        on: on.name.clone(),
        told,
        text: smallest.file(&title, &all),
    });
    tried
}

/// A program on each kind of worker that it is for, by the contract.
fn predicted(program: &Program) -> Result<Vec<Predicted>, Rejected> {
    let kinds = program.kinds().iter();
    kinds.map(|kind| program.predicted(*kind)).collect()
}

/// The first of the columns on which the program is not what the model says, and what it is.
fn first_difference(
    all: &[Predicted],
    runner: &Runner,
    columns: &[Column],
    seen: &mut Seen,
) -> Option<(usize, String)> {
    for (place, column) in columns.iter().enumerate() {
        let (name, kind) = (&column.target.name, column.target.kind);
        let Some(predicted) = all.iter().find(|one| one.kind == kind) else {
            continue;
        };
        match by_the_contract(predicted, runner, column) {
            Ok(Verdict::Fail(reasons)) => {
                let told = report::failure(&reasons, source(&predicted.text));
                return Some((place, told));
            }
            Err(told) => return Some((place, told)),
            Ok(Verdict::Unknown(why)) => seen.unknown = Some(format!("{name}: {why}")),
            Ok(Verdict::NotHere(why) | Verdict::NotApplicable(why)) => {
                seen.without.push((name.clone(), format!("because {why}")));
            }
            Ok(Verdict::Pass | Verdict::ExpectedFailure(_) | Verdict::Without { .. }) => {
                *seen.runs.entry(name.clone()).or_default() += 1;
            }
        }
    }
    None
}

fn source(text: &str) -> Source<'_> {
    let file = "random.yaml";
    Source { file, text }
}

/// A pool that is to keep the contract: by its rules, and by the model. An error is where the model itself does not.
fn by_the_contract(
    predicted: &Predicted,
    runner: &Runner,
    column: &Column,
) -> Result<Verdict, String> {
    let own = judge(&predicted.case, predicted.kind, &predicted.history, None);
    if let Verdict::Fail(reasons) = own.verdict {
        let told = report::failure(&reasons, source(&predicted.text));
        return Err(format!("the model itself:\n{told}"));
    }
    Ok(column.try_case(runner, &predicted.case, None).verdict)
}

impl Told {
    fn note(&mut self, tried: Tried, args: &RandomArgs, out: &mut Output) {
        for (name, runs) in tried.seen.runs {
            *self.runs.entry(name).or_default() += runs;
        }
        for without in tried.seen.without {
            *self.without.entry(without).or_default() += 1;
        }
        match tried.predicted {
            Ok(predicted) => self.census.note(&tried.program, &predicted),
            Err(why) => self.census.reject(why),
        }
        if replay::interrupted() {
            return;
        }
        if let Some(why) = tried.seen.unknown {
            self.unknown.insert((tried.number, why));
        }
        let Some(difference) = tried.difference else {
            return;
        };
        let file = args
            .into
            .join(format!("random-{}-{}.yaml", args.seed, tried.number));
        let written = std::fs::create_dir_all(&args.into)
            .and_then(|()| std::fs::write(&file, &difference.text));
        let (number, on) = (tried.number, &difference.on);
        out.line(format_args!(
            "{} program {number} of seed {} on {on}",
            paint(BAD, "DIFFERS"),
            args.seed
        ));
        out.block("  ", &difference.told);
        match written {
            Ok(()) => out.line(format_args!(
                "  again: spec-harness random --seed {} --first {number} --programs 1 --on {on}; as a case: {}",
                args.seed,
                file.display()
            )),
            Err(error) => {
                out.line(format_args!(
                    "  {} cannot be written: {error}",
                    file.display()
                ));
                out.block("  ", &difference.text);
            }
        }
        self.differences.push((number, file));
    }

    fn show(&self, out: &mut Output) {
        out.block("", &self.census.to_string());
        for (number, why) in &self.unknown {
            out.line(format_args!("unknown: program {number} on {why}"));
        }
        for ((name, why), count) in &self.without {
            out.line(format_args!("not on {name}: {count} {why}"));
        }
        let runs: usize = self.runs.values().sum();
        let verdict = match self.differences.len() {
            0 if runs == 0 => "nothing was compared".to_owned(),
            0 => paint(GOOD, "no difference"),
            1 => paint(BAD, "1 difference"),
            more => paint(BAD, format!("{more} differences")),
        };
        let noun = if runs == 1 { "run" } else { "runs" };
        out.line(format_args!("{runs} {noun}, {verdict}"));
    }

    /// Says on which columns nothing was compared.
    fn missing(&self, columns: &[Column], out: &mut Output) -> bool {
        let mut any = false;
        for name in columns.iter().map(|column| &column.target.name) {
            let put_aside = || self.without.keys().any(|(of, _)| of == name);
            if !self.runs.contains_key(name) && put_aside() {
                out.line(format_args!(
                    "{name} was asked for, and nothing was run on it"
                ));
                any = true;
            }
        }
        any
    }
}
