//! Broken pools and random programs: what is drawn must be able to find what can be broken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libtest_mimic::{Failed, Trial};
use spec_harness::case::ast::Kind;
use spec_harness::judge::Verdict;
use spec_harness::random::{Predicted, draw};
use spec_harness::replay::Runner;

use crate::flaws::MUTANTS;
use crate::flaws::Mutant;
use crate::manner::Manner;
use crate::{Hunt, Table, column, note};

/// Most programs that are tried on a broken pool.
const MOST: usize = 500;

/// The seed of them.
const SEED: u64 = 6;

/// A test for each broken pool.
pub(crate) fn trials(table: &Arc<Table>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (number, mutant) in MUTANTS.iter().enumerate() {
        for kind in mutant.kinds {
            let (name, table) = (mutant.name(), Arc::clone(table));
            let trial = Trial::test(format!("at_random::{kind}::{name}"), move || {
                note(&table, (number, *kind), hunt(mutant, *kind)?)
            });
            trials.push(trial.with_ignored_flag(true));
        }
    }
    trials
}

/// Tries random programs on a broken pool until one fails.
fn hunt(mutant: &Mutant, kind: Kind) -> Result<Hunt, Failed> {
    let (on, runner) = (
        column(kind, Some(mutant), Manner::Prompt),
        Runner::default(),
    );
    let mut hunt = Hunt {
        killers: Vec::new(),
        tried: 0,
        unknown: Vec::new(),
    };
    for number in 0..MOST {
        let Some(predicted) = program(kind, number) else {
            continue;
        };
        let verdict = on.try_case(&runner, &predicted.case, None).verdict;
        hunt.tried += usize::from(!matches!(verdict, Verdict::NotApplicable(_)));
        match verdict {
            Verdict::Fail(_) => {
                hunt.killers.push(format!("random program {number}"));
                break;
            }
            Verdict::Unknown(why) => hunt.unknown.push(format!("program {number}: {why}")),
            _ => {}
        }
    }
    Ok(hunt)
}

/// A program on workers of this kind, unless it is for the other one; all hunts share them.
fn program(kind: Kind, number: usize) -> Option<Arc<Predicted>> {
    type Programs = Mutex<BTreeMap<(Kind, usize), Option<Arc<Predicted>>>>;
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(Mutex::default);
    let known = |programs: &Programs| {
        let programs = programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.get(&(kind, number)).cloned()
    };
    known(programs).unwrap_or_else(|| {
        let program = draw(SEED, number as u64).program();
        let predicted = program
            .kinds()
            .contains(&kind)
            .then(|| program.predicted(kind));
        let predicted = predicted.and_then(Result::ok).map(Arc::new);
        let mut programs = programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.insert((kind, number), predicted.clone());
        predicted
    })
}
