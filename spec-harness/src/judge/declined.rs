//! A run of an implementation that says openly which rows of the contract it does not follow.
//!
//! Such a run is judged like any other first. Only where something is wrong is it asked whether that is what was
//! declared: the case has to depend on a declined row, and nothing else may be broken. A case depends on a row when
//! it says that it shows the row (`covers:`), or when the run itself broke a rule of that row.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reason, Verdict, invariants};
use crate::case::ast::Case;
use crate::history::{Ending, History};

/// Rows of the contract by their names, each with the reason why an implementation does not follow it.
pub type Declines = BTreeMap<String, String>;

/// Rows that promise that something returns or is answered at all: without them, and only then, a program may hang.
const ANSWERS: [&str; 17] = [
    "C5", "L3", "L4", "L6", "L7", "L8", "L9", "O9", "O10", "O11", "O12", "R6", "R7", "R9", "R10",
    "R11", "R13",
];

/// Rows that promise that nothing is left: without them, and only then, something may be.
const NOTHING_LEFT: [&str; 4] = ["L4", "L9", "L10", "P2"];

/// The verdict on a case with what its implementation declines taken into account.
pub fn excused(verdict: Verdict, case: &Case, history: &History, declines: &Declines) -> Verdict {
    let Verdict::Fail(reasons) = verdict else {
        return verdict;
    };
    let ending = &history.ending;
    let broken = reasons.iter().filter_map(|reason| match reason {
        Reason::Broken { rule, .. } => Some(rule.row),
        _ => None,
    });
    let covers = case.covers.iter().map(|row| row.value.as_str());
    let touched: BTreeSet<&str> = broken
        .chain(covers)
        .filter(|row| declines.contains_key(*row))
        .collect();
    // What an adapter says that does not speak the protocol is no property of its pool.
    if touched.is_empty() || matches!(ending, Ending::Broken(_)) {
        return Verdict::Fail(reasons);
    }
    let one_of = |rows: &[&str]| rows.iter().any(|row| touched.contains(row));
    let (may_hang, may_leave) = (one_of(&ANSWERS), one_of(&NOTHING_LEFT));
    let leaked = matches!(ending, Ending::Leaked(_));
    let stands = |reason: &Reason| match reason {
        Reason::Ending(_) => !may_hang,
        Reason::Broken { rule, .. } => {
            !(declines.contains_key(rule.row) || leaked && may_leave && rule.row == "L4")
        }
        // What a case expects beside the rules is what its row makes of it.
        Reason::Step { .. }
        | Reason::Mismatch { .. }
        | Reason::Transcript { .. }
        | Reason::Prediction { .. } => leaked && !may_leave,
        Reason::NoLongerDiverges(_) => true,
    };
    let standing = |reasons: &[Reason]| reasons.iter().any(stands);
    let recut = recut(history, &touched).map(|history| invariants::broken(&history));
    let fails = match recut {
        // What the rules say of chunks that are none says nothing.
        Some(broken) => {
            let is_rule = |reason: &&Reason| matches!(reason, Reason::Broken { .. });
            let mut others = reasons.iter().filter(|reason| !is_rule(reason));
            standing(&broken) || others.any(stands)
        }
        None => standing(&reasons),
    };
    if fails {
        return Verdict::Fail(reasons);
    }
    let why = |row: &&str| Some(((*row).to_owned(), declines.get(*row)?.clone()));
    Verdict::Without(touched.iter().filter_map(why).collect())
}

/// The same run of a pool that cuts its maps in another way: into single items where it declines that a chunk is
/// one task (O4), and in a way that only itself knows where it declines the default size (O2).
fn recut(history: &History, touched: &BTreeSet<&str>) -> Option<History> {
    let single = touched.contains("O4");
    if !single && !touched.contains("O2") {
        return None;
    }
    let mut history = history.clone();
    for task in &mut history.tasks {
        task.chunk = single.then_some(task.key);
    }
    Some(history)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{RULES, Rule};

    fn case(covers: &str) -> Case {
        let text = format!("spec: 1\ntitle: t\ncovers: [{covers}]\nmain:\n  - print: x\n");
        Case::parse("t", &text).expect("it is in order")
    }

    fn rule(row: &str) -> &'static Rule {
        RULES
            .iter()
            .find(|rule| rule.row == row)
            .expect("there is such a rule")
    }

    fn broken(row: &str) -> Reason {
        Reason::Broken {
            rule: rule(row),
            at: crate::case::ast::Time(0),
            text: "so".into(),
        }
    }

    fn differs() -> Reason {
        Reason::Transcript {
            recorded: vec![],
            seen: vec![],
        }
    }

    fn declining(row: &str) -> Declines {
        BTreeMap::from([(row.to_owned(), "work stealing".to_owned())])
    }

    #[track_caller]
    fn check(
        reasons: Vec<Reason>,
        covers: &str,
        ending: Ending,
        declined: &str,
        rows: Option<&[&str]>,
    ) {
        let failed = Verdict::Fail(reasons);
        let history = History {
            events: vec![],
            tasks: vec![],
            pools: vec![],
            ending,
        };
        let verdict = excused(
            failed.clone(),
            &case(covers),
            &history,
            &declining(declined),
        );
        match rows {
            None => assert_eq!(verdict, failed),
            Some(rows) => {
                let Verdict::Without(seen) = verdict else {
                    panic!("{verdict:?}");
                };
                assert!(seen.keys().eq(rows), "{seen:?}");
            }
        }
    }

    #[test]
    fn what_breaks_a_declined_row_alone_passes_without_it() {
        let reasons = vec![broken("O5"), differs()];
        check(reasons, "O6", Ending::Finished, "O5", Some(&["O5"]));
    }

    #[test]
    fn a_case_that_shows_a_declined_row_may_look_different() {
        check(vec![differs()], "O5", Ending::Finished, "O5", Some(&["O5"]));
    }

    #[test]
    fn a_case_that_has_nothing_to_do_with_it_fails_as_ever() {
        check(vec![differs()], "O6", Ending::Finished, "O5", None);
    }

    #[test]
    fn another_broken_rule_is_no_part_of_the_declaration() {
        let reasons = vec![broken("O5"), broken("O6")];
        check(reasons, "O5", Ending::Finished, "O5", None);
    }

    #[test]
    fn only_a_row_that_promises_an_answer_explains_that_there_is_none() {
        let hung = || vec![Reason::Ending("deadlock: main waits".into())];
        let ending = || Ending::Deadlock("main waits".into());
        check(hung(), "O5", ending(), "O5", None);
        check(hung(), "R10", ending(), "R10", Some(&["R10"]));
    }

    #[test]
    fn only_a_row_about_what_is_left_explains_what_is_left() {
        let left = || vec![broken("L4"), differs()];
        let ending = || Ending::Leaked("left sleep".into());
        check(left(), "L10", ending(), "L10", Some(&["L10"]));
        check(left(), "O5", ending(), "O5", None);
    }

    #[test]
    fn a_broken_protocol_is_never_excused() {
        let reasons = vec![Reason::Ending("the line is not JSON".into())];
        check(reasons, "R10", Ending::Broken("so".into()), "R10", None);
    }
}
