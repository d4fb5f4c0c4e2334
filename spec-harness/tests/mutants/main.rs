//! Broken pools, each of which a case must find out: one that none does is a hole in the suite.
//!
//! A small pool (`pool`) keeps the contract and passes every case that it says it can, and breaks it in
//! one place where it is told to (`flaws`). This program is the test, the pool's adapter and its workers.
//!
//! `cargo test -p spec-harness --test mutants` tries, for each broken pool, the cases of the rows that it breaks
//! first, until one fails. `-- --ignored killed_by` tries every case on each and counts, `-- --ignored at_random` tries
//! random programs (`drawn`). What must hold also when the pool is slow, polls, or has no CPU of its own is in
//! `circumstances`.

mod circumstances;
mod drawn;
mod flaws;
mod imap;
mod manner;
mod pool;
mod program;
mod worker;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use spec_harness::case::ast::{Case, Kind};
use spec_harness::conformance;
use spec_harness::judge::{Verdict, transcript};
use spec_harness::replay::Runner;
use spec_harness::target::Column;

use flaws::{MUTANTS, Mutant};
use manner::Manner;
use pool::Nature;

const KINDS: [Kind; 2] = [Kind::Thread, Kind::Process];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker"] => {
            std::panic::set_hook(Box::new(|_| {}));
            worker::main();
            ExitCode::SUCCESS
        }
        ["adapter", kind, flaw, manner] => {
            std::panic::set_hook(Box::new(|_| {}));
            let kind = KINDS.into_iter().find(|known| known.to_string() == kind);
            let (Some(kind), Some(manner)) = (kind, Manner::named(manner)) else {
                return ExitCode::FAILURE;
            };
            program::main(Nature {
                kind,
                flaw: Mutant::named(flaw).map(|mutant| mutant.flaw),
                manner,
            })
        }
        _ => test(),
    }
}

fn test() -> ExitCode {
    let table = Arc::new(Mutex::new(BTreeMap::new()));
    let mut trials = Vec::new();
    for kind in KINDS {
        trials.extend(conformance::trials([column(kind, None, Manner::Prompt)]));
    }
    for (number, mutant) in MUTANTS.iter().enumerate() {
        for kind in mutant.kinds {
            let (some, all) = (Arc::clone(&table), Arc::clone(&table));
            let name = format!("{kind}::{}", mutant.name());
            let some = Trial::test(format!("killed::{name}"), move || {
                let found = kill(mutant, *kind, false)?;
                note(&some, (number, *kind), found)
            });
            let all = Trial::test(format!("killed_by::{name}"), move || {
                let found = kill(mutant, *kind, true)?;
                note(&all, (number, *kind), found)
            });
            trials.extend([some, all.with_ignored_flag(true)]);
        }
    }
    trials.extend(drawn::trials(&table));
    trials.extend(circumstances::trials());
    let arguments = Arguments::from_args();
    let conclusion = libtest_mimic::run(&arguments, trials);
    show(&table.lock().unwrap_or_else(PoisonError::into_inner));
    conclusion.exit_code()
}

/// The small pool, broken or not, as an implementation.
fn column(kind: Kind, mutant: Option<&Mutant>, manner: Manner) -> Column {
    let program = std::env::current_exe().unwrap_or_default();
    let flaw = mutant.map_or("None".to_owned(), Mutant::name);
    let arguments = ["adapter".to_owned(), kind.to_string(), flaw, manner.name()];
    let mut command = vec![program.into_os_string()];
    command.extend(arguments.map(OsString::from));
    Column::of(format!("small:{kind}"), command, kind)
}

/// Every built-in case.
fn cases() -> Result<&'static [Case], Failed> {
    static CASES: OnceLock<Result<Vec<Case>, String>> = OnceLock::new();
    let parse = |(name, text): &(&str, &str)| {
        Case::parse(name, text).map_err(|_| format!("{name} is not in order"))
    };
    let cases = CASES.get_or_init(|| spec_cases::CASES.iter().map(parse).collect());
    cases.as_deref().map_err(Failed::from)
}

/// What came of trying to kill a broken pool.
struct Hunt {
    /// Cases that failed on it, in the order in which they were tried.
    killers: Vec<String>,
    tried: usize,
    unknown: Vec<String>,
}

type Table = Mutex<BTreeMap<(usize, Kind), Hunt>>;

/// Tries cases on a broken pool, those of the rows that it breaks first, until one fails or all have been tried.
fn kill(mutant: &Mutant, kind: Kind, all: bool) -> Result<Hunt, Failed> {
    let on = column(kind, Some(mutant), Manner::Prompt);
    hunt(&on, mutant, &Runner::default(), all)
}

/// The same for one that goes about it in a manner of its own.
fn hunt(on: &Column, mutant: &Mutant, runner: &Runner, all: bool) -> Result<Hunt, Failed> {
    let kind = on.target.kind;
    let near = |case: &Case| {
        let rows = case.covers.iter().map(|row| row.value.as_str());
        let words = rows.chain(case.tags.iter().map(String::as_str));
        words.filter(|word| mutant.near.contains(word)).count()
    };
    let mut cases: Vec<&Case> = cases()?.iter().collect();
    cases.sort_by_key(|case| (Reverse(near(case)), case.main.len()));
    let mut hunt = Hunt {
        killers: Vec::new(),
        tried: 0,
        unknown: Vec::new(),
    };
    for case in cases {
        let name = case.name.as_str();
        let recorded = transcript::recorded(case, kind);
        let verdict = on.try_case(runner, case, recorded).verdict;
        hunt.tried += usize::from(!matches!(verdict, Verdict::NotApplicable(_)));
        match verdict {
            Verdict::Fail(_) => hunt.killers.push(name.to_owned()),
            Verdict::Unknown(why) => hunt.unknown.push(format!("{name}: {why}")),
            _ => {}
        }
        if !hunt.killers.is_empty() && !all {
            break;
        }
    }
    Ok(hunt)
}

fn note(table: &Table, mutant: (usize, Kind), hunt: Hunt) -> Result<(), Failed> {
    let says = MUTANTS[mutant.0].says;
    let survived = hunt.killers.is_empty();
    let unknown = hunt.unknown.join("\n");
    let tried = hunt.tried;
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    table.insert(mutant, hunt);
    if survived {
        return Err(format!(
            "a pool that is broken so passes all {tried} cases: {says}\n{unknown}"
        )
        .into());
    }
    Ok(())
}

/// Which case found out which broken pool.
fn show(table: &BTreeMap<(usize, Kind), Hunt>) {
    for ((number, kind), hunt) in table {
        let Mutant { says, near, .. } = &MUTANTS[*number];
        let kind = kind.to_string();
        let row = near.first().copied().unwrap_or_default();
        let (first, count) = (hunt.killers.first(), hunt.killers.len());
        let by = first.map_or("nobody".to_owned(), |first| match count {
            1 => format!("{first} (of {} tried)", hunt.tried),
            _ => format!("{count} of {}, {first} first", hunt.tried),
        });
        println!("{kind:<7}  {row:<3}  {says:<66}  {by}");
    }
}
