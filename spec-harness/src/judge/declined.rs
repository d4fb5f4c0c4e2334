//! A run of an implementation that says openly which rows of the contract it does not follow.
//!
//! Such a run is judged like any other first. Only where something is wrong is it asked whether that is what was
//! declared: the case has to depend on a declined row, and nothing else may be broken. A case depends on a row when
//! it says that it shows the row (`covers:`), or when the run itself broke a rule of that row.
//!
//! A row excuses what can follow from it. That nothing answers, only a row that promises answers; that something is left, only a
//! row about what is left; and where all rows that are touched are about when tasks run, every call has the same answer as ever, as long as the
//! program itself does not depend on time. That the program ended otherwise than with exit code 0, and that somebody was given what no task
//! returned ([`ALWAYS`](super::ALWAYS)), no row excuses.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reason, Verdict, invariants};
use crate::case::ast::{Case, Fate};
use crate::case::expr::Value;
use crate::history::{Ending, History, What, Who};
use crate::protocol::Call;

/// Rows of the contract by their names, each with the reason why an implementation does not follow it.
pub type Declines = BTreeMap<String, String>;

/// Rows that promise that something returns or is answered at all: without them, and only then, a program may hang.
const ANSWERS: [&str; 17] = [
    "C5", "L3", "L4", "L6", "L7", "L8", "L9", "O9", "O10", "O11", "O12", "R6", "R7", "R9", "R10",
    "R11", "R13",
];

/// Rows that promise that nothing is left: without them, and only then, something may be.
const NOTHING_LEFT: [&str; 4] = ["L4", "L9", "L10", "P2"];

/// Rows that say when tasks and callbacks run, in which order and how many at a time: without them the same comes of each.
const WHEN: [&str; 8] = ["C1", "O2", "O4", "O5", "O10", "R1", "R5", "W2"];

/// The verdict on a case with what its implementation declines taken into account; `due` is the run that keeps every row.
pub fn excused(
    verdict: Verdict,
    case: &Case,
    history: &History,
    declines: &Declines,
    due: impl FnOnce() -> Option<History>,
) -> Verdict {
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
        reason if reason.is_never_excused() => true,
        Reason::Ending(_) => !may_hang,
        Reason::Broken { rule, .. } => {
            !(declines.contains_key(rule.row) || leaked && may_leave && rule.row == "L4")
        }
        // What a case expects beside the rules is what its row makes of it.
        Reason::Step { .. }
        | Reason::Mismatch { .. }
        | Reason::Transcript { .. }
        | Reason::Prediction { .. } => leaked && !may_leave,
        Reason::Exit(_) | Reason::NoLongerDiverges(_) => true,
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
    let only_when = touched.iter().all(|row| WHEN.contains(row));
    if fails || only_when && due().is_some_and(|due| answers_otherwise(&due, history)) {
        return Verdict::Fail(reasons);
    }
    let why = |row: &&str| Some(((*row).to_owned(), declines.get(*row)?.clone()));
    Verdict::Without {
        declined: touched.iter().filter_map(why).collect(),
        excused: reasons,
    }
}

/// Whether a call of the program came to something else than it must whenever tasks run, or a task to another end. Nothing is
/// said of a program that itself depends on time: that looks or waits for a while, ends things, calls from several places, or
/// has tasks that fail, die or return what the clock says.
fn answers_otherwise(due: &History, seen: &History) -> bool {
    let done = |history: &History| history.tasks.iter().all(|task| task.fate == Fate::Done);
    let told = |history: &History| -> Vec<Option<Value>> {
        let tasks = history.tasks.iter();
        tasks.map(|task| task.value.clone()).collect()
    };
    let depends = due.ending != Ending::Finished
        || !done(due)
        || due.events.iter().any(|event| match &event.what {
            What::Call { command, .. } => event.who != Who::Main || asks_for_the_time(command),
            _ => false,
        })
        || done(seen) && told(due) != told(seen);
    !depends && (!done(seen) || answers(due) != answers(seen))
}

/// Whether what comes of a call depends on when it is made.
fn asks_for_the_time(command: &Call) -> bool {
    command.limit().is_some()
        || matches!(
            command,
            Call::Terminate { .. }
                | Call::Drop { .. }
                | Call::Kill { .. }
                | Call::TerminateProcess { .. }
                | Call::Ready { .. }
                | Call::Successful { .. }
                | Call::IsAlive { .. }
                | Call::Exitcode { .. }
                | Call::ImapUnordered { .. }
        )
}

/// What the calls of main came to, in their order.
fn answers(history: &History) -> Vec<Result<&Value, &str>> {
    let returns = history.events.iter().filter_map(|event| match &event.what {
        What::Return { result, .. } if event.who == Who::Main => Some(result),
        _ => None,
    });
    let shown = returns.map(|result| result.as_ref().map_err(|raised| raised.shown()));
    shown.collect()
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
    use crate::case::ast::Kind;
    use crate::history::Event;
    use crate::judge::{ALWAYS, RULES, Rule};
    use crate::model::{Prediction, predict};

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
            || None,
        );
        match rows {
            None => assert_eq!(verdict, failed),
            Some(rows) => {
                let Verdict::Without { declined, excused } = verdict else {
                    panic!("{verdict:?}");
                };
                assert!(declined.keys().eq(rows), "{declined:?}");
                assert!(!excused.is_empty());
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

    /// A program with a map, and its run as the model has it but for what is changed.
    #[track_caller]
    fn check_map(steps: &str, change: impl FnOnce(&mut History), declined: &str, passes: bool) {
        let text = format!(
            "spec: 1\ntitle: t\ncovers: [{declined}]\ntasks:\n  func(i):\n    - return: i * 2\nmain:\n  \
             - pool: 1\n  - map_async: func\n    over: range(2)\n    as: job\n{steps}  - get: job\n  - close\n  - join\n"
        );
        let case = Case::parse("t", &text).expect("it is in order");
        let Prediction::Ran(mut history) = predict(&case, Kind::Thread) else {
            panic!("it can be played");
        };
        let due = history.clone();
        change(&mut history);
        // Of the rules, those about values: what is made up here keeps no other.
        let of_values = |reason: &Reason| matches!(reason, Reason::Broken { rule, .. } if rule.row == "O6" || ALWAYS.contains(rule));
        let mut reasons = invariants::broken(&history);
        reasons.retain(of_values);
        reasons.push(differs());
        let failed = Verdict::Fail(reasons);
        let verdict = excused(failed, &case, &history, &declining(declined), || Some(*due));
        let without = matches!(verdict, Verdict::Without { .. });
        assert_eq!(without, passes, "{verdict:?}");
    }

    /// Answers like the map, but with its results the wrong way round.
    fn swap_results(history: &mut History) {
        for event in &mut history.events {
            if let What::Return { result, .. } = &mut event.what
                && let Ok(Value::List(items)) = result
            {
                items.reverse();
            }
        }
    }

    fn lose_a_task(history: &mut History) {
        history.tasks[1].fate = Fate::Never;
    }

    #[test]
    fn a_row_about_when_tasks_run_excuses_another_order_and_no_other_answer() {
        let tasks_last = |history: &mut History| {
            let gets = |event: &Event| {
                matches!(
                    &event.what,
                    What::Return {
                        result: Ok(Value::List(_)),
                        ..
                    }
                )
            };
            let got = history
                .events
                .iter()
                .position(gets)
                .expect("it gets the list");
            let (before, after) = history.events.split_at(got);
            let main = |event: &&Event| event.who == Who::Main;
            let (first, last): (Vec<&Event>, Vec<&Event>) = before.iter().partition(main);
            history.events = first
                .into_iter()
                .chain(last)
                .chain(after)
                .cloned()
                .collect();
        };
        check_map("", tasks_last, "O5", true);
        check_map("", swap_results, "O5", false);
        check_map("", lose_a_task, "O5", false);
        // A row about the order of what is answered may change that.
        check_map("", swap_results, "O6", true);
    }

    const WAITS: &str = "  - wait: job\n    timeout: 1\n";

    #[test]
    fn a_program_that_depends_on_time_may_be_answered_otherwise() {
        let no_answer = |history: &mut History| {
            for event in &mut history.events {
                if let What::Return { result, .. } = &mut event.what
                    && let Ok(Value::List(_)) = result
                {
                    *result = Err(crate::history::Raised {
                        kind: "TimedOut".into(),
                        text: String::new(),
                    });
                }
            }
        };
        check_map(WAITS, no_answer, "O5", true);
        check_map("  - terminate\n", lose_a_task, "O5", true);
    }

    #[test]
    fn no_row_excuses_a_value_that_no_task_returned() {
        let invent = |history: &mut History| {
            for event in &mut history.events {
                if let What::Return { result, .. } = &mut event.what
                    && let Ok(Value::List(items)) = result
                {
                    items[0] = Value::Int(43);
                }
            }
        };
        for row in ["O5", "O6", "R3", "L9"] {
            check_map(WAITS, invent, row, false);
        }
        check_map(WAITS, swap_results, "O5", false);
    }

    #[test]
    fn no_row_excuses_how_the_program_ended() {
        let crashed = || {
            vec![
                Reason::Exit("the program ended by SIGSEGV".into()),
                differs(),
            ]
        };
        for row in ["O5", "L4", "L9", "L10"] {
            check(crashed(), row, Ending::Finished, row, None);
        }
    }

    #[test]
    fn a_broken_protocol_is_never_excused() {
        let reasons = vec![Reason::Ending("the line is not JSON".into())];
        check(reasons, "R10", Ending::Broken("so".into()), "R10", None);
    }
}
