//! `random`: programs drawn from a seed, each on every implementation, held against the model; a difference is made
//! small and written down as a case.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use spec_harness::judge::report::{self, Source};
use spec_harness::judge::{Verdict, judge};
use spec_harness::random::{Census, Program, Rejected, Settled, draw};
use spec_harness::replay::{self, Runner};
use spec_harness::target::Column;

use super::output::{BAD, GOOD, Output, paint};
use super::run::{jobs_at_a_time, prepare, progress};
use super::{Came, RandomArgs, Refusal};

pub(super) fn random(args: &RandomArgs, out: &mut Output) -> Result<Came, Refusal> {
    let (runner, columns) = prepare(&args.replaying, out)?;
    let end = args.first.saturating_add(args.programs);
    let (next, stop) = (AtomicU64::new(args.first), AtomicBool::new(false));
    let (results, received) = mpsc::channel();
    let progress = progress(usize::try_from(args.programs).unwrap_or(usize::MAX));
    let mut told = Told::default();
    thread::scope(|scope| {
        for _ in 0..jobs_at_a_time(&args.replaying) {
            let (results, next, stop) = (results.clone(), &next, &stop);
            let (runner, columns) = (&runner, &columns);
            scope.spawn(move || {
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
            });
        }
        drop(results);
        for tried in received {
            progress.inc(1);
            told.note(tried, args, out);
            if out.closed() || told.differences.len() >= args.most {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    progress.finish_and_clear();
    told.show(out);
    if replay::interrupted() {
        out.line("interrupted: what is missing was not run to its end");
        return Ok(Came::Wrong);
    }
    let well = told.differences.is_empty() && told.unknown.is_empty();
    Ok(if well { Came::Well } else { Came::Wrong })
}

/// What came of one program.
struct Tried {
    number: u64,
    program: Program,
    settled: Result<Vec<Settled>, Rejected>,
    runs: usize,
    difference: Option<Difference>,
    unknown: Option<String>,
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
    runs: usize,
    differences: Vec<(u64, PathBuf)>,
    unknown: BTreeSet<(u64, String)>,
}

fn try_program(args: &RandomArgs, number: u64, runner: &Runner, columns: &[Column]) -> Tried {
    let drawn = draw(args.seed, number);
    let program = drawn.program();
    let mut tried = Tried {
        number,
        settled: settled(&program),
        program,
        runs: 0,
        difference: None,
        unknown: None,
    };
    let Ok(all) = &tried.settled else {
        return tried;
    };
    let Some(of) = first_difference(all, runner, columns, &mut tried.runs, &mut tried.unknown)
    else {
        return tried;
    };
    // It is made small where it was found.
    let found = std::slice::from_ref(&columns[of.0]);
    let smallest = drawn.smallest(args.tries, |smaller| {
        let Ok(all) = settled(smaller) else {
            return false;
        };
        !replay::interrupted() && first_difference(&all, runner, found, &mut 0, &mut None).is_some()
    });
    let mut all = settled(&smallest).unwrap_or_default();
    let told = first_difference(&all, runner, found, &mut 0, &mut None).map_or(of.1, |of| of.1);
    let on = &columns[of.0].target;
    all.sort_by_key(|settled| settled.kind != on.kind);
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

/// A program on each kind of worker that it is for.
fn settled(program: &Program) -> Result<Vec<Settled>, Rejected> {
    let kinds = program.kinds().iter();
    kinds.map(|kind| program.settled(*kind)).collect()
}

/// The first of the columns on which the program is not what the model says, and what it is.
fn first_difference(
    all: &[Settled],
    runner: &Runner,
    columns: &[Column],
    runs: &mut usize,
    unknown: &mut Option<String>,
) -> Option<(usize, String)> {
    for (place, column) in columns.iter().enumerate() {
        let Some(settled) = all.iter().find(|one| one.kind == column.target.kind) else {
            continue;
        };
        let source = Source {
            file: "random.yaml",
            text: &settled.text,
        };
        // The model keeps the contract, too.
        let own = judge(&settled.case, settled.kind, &settled.history, None);
        if let Verdict::Fail(reasons) = own.verdict {
            let told = format!("the model itself:\n{}", report::failure(&reasons, source));
            return Some((place, told));
        }
        let tried = column.try_case(runner, &settled.case, None);
        match tried.verdict {
            Verdict::Fail(reasons) => return Some((place, report::failure(&reasons, source))),
            Verdict::Unknown(why) => *unknown = Some(format!("{}: {why}", column.target.name)),
            Verdict::NotHere(why) => *unknown = Some(format!("{}: {why}", column.target.name)),
            Verdict::Pass | Verdict::Known(_) | Verdict::Without { .. } => *runs += 1,
            Verdict::NotApplicable(_) => {}
        }
    }
    None
}

impl Told {
    fn note(&mut self, tried: Tried, args: &RandomArgs, out: &mut Output) {
        self.runs += tried.runs;
        match tried.settled {
            Ok(settled) => self.census.note(&tried.program, &settled),
            Err(why) => self.census.reject(why),
        }
        if replay::interrupted() {
            return;
        }
        if let Some(why) = tried.unknown {
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
                "  again: spec-harness run {} --on {on}",
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
        let verdict = match self.differences.len() {
            0 => paint(GOOD, "no difference"),
            1 => paint(BAD, "1 difference"),
            more => paint(BAD, format!("{more} differences")),
        };
        out.line(format_args!("{} runs, {verdict}", self.runs));
    }
}
