//! Reads a case with the model: what it expects must be what happens, whoever goes first in an instant, on any machine.

use super::schedules::{Orders, instants, orders};
use super::{Choices, Prediction, by_the_rule, not_applicable, predict};
use crate::case::Diagnostic;
use crate::case::ast::{Action, Case, Expect, Kind, Op, OpKind, Span, Step};
use crate::case::call::Call;
use crate::case::language;
use crate::history::{Ending, History, What};
use crate::judge::moments::{self, Moment};
use crate::judge::report::beside;
use crate::judge::{self, Reason, Verdict, transcript};

/// Everything by which a case contradicts the model; empty where it is in order.
pub fn review(case: &Case) -> Vec<Diagnostic> {
    let kinds: Vec<Kind> = [Kind::Thread, Kind::Process]
        .into_iter()
        .filter(|kind| not_applicable(case, *kind).is_none())
        .collect();
    let mut found: Vec<(Diagnostic, Vec<Kind>)> = Vec::new();
    let mut schedules = SchedulesSeen::default();
    for kind in &kinds {
        for problem in on_kind(case, *kind, &mut schedules) {
            match found.iter_mut().find(|(known, _)| *known == problem) {
                Some((_, on)) => on.push(*kind),
                None => found.push((problem, vec![*kind])),
            }
        }
    }
    let mut problems: Vec<Diagnostic> = found
        .into_iter()
        .map(|(problem, on)| said_of(problem, &on, &kinds))
        .collect();
    if problems.is_empty() {
        problems.extend(schedules.needless(case));
    }
    for problem in &mut problems {
        problem.file = format!("{}.yaml", case.name);
    }
    problems.sort_by_key(|problem| problem.span.start);
    problems
}

/// Names the kind of worker that a problem is about, where it is not about all.
fn said_of(mut problem: Diagnostic, on: &[Kind], all: &[Kind]) -> Diagnostic {
    if let ([kind], [_, _]) = (on, all) {
        problem.message = format!("on {kind} workers: {}", problem.message);
    }
    problem
}

fn on_kind(case: &Case, kind: Kind, schedules: &mut SchedulesSeen) -> Vec<Diagnostic> {
    let Prediction::Ran(history) = predict(case, kind) else {
        return Vec::new();
    };
    let problems = contradictions(case, kind, &history);
    if !problems.is_empty() {
        return problems;
    }
    let mut problems = Vec::new();
    problems.extend(depends_on_the_machine(case, kind, &history));
    problems.extend(depends_on_the_worker(case, kind));
    problems.extend(depends_on_the_order(case, kind, schedules));
    problems
}

/// What a case says that the model does not.
fn contradictions(case: &Case, kind: Kind, history: &History) -> Vec<Diagnostic> {
    let Verdict::Fail(reasons) = judge::judge(case, kind, history, None).verdict else {
        return Vec::new();
    };
    // What is wrong with a body is said at its place; that its caller is told so, too, is an echo.
    let echo = |reason: &&Reason| matches!(reason, Reason::Step { text, .. } if text.starts_with("uncaught error: CaseError"));
    let first_hand = reasons.iter().filter(|reason| !echo(reason));
    let problems: Vec<Diagnostic> = first_hand
        .map(|reason| contradiction(case, history, reason))
        .collect();
    if problems.is_empty() {
        let all = reasons.iter();
        return all
            .map(|reason| contradiction(case, history, reason))
            .collect();
    }
    problems
}

fn contradiction(case: &Case, history: &History, reason: &Reason) -> Diagnostic {
    match reason {
        Reason::Ending(why) => match &history.ending {
            Ending::Deadlock(who) => {
                let blocked = last_span(history, |what| matches!(what, What::Blocked { .. }));
                let place = blocked.unwrap_or(beginning(case));
                Diagnostic::new(place, format!("the program never ends: {who}"))
                    .help("if that is what the case shows, say `blocks: forever` here")
            }
            _ => {
                let called = last_span(history, |what| matches!(what, What::Call { .. }));
                let place = called.unwrap_or(beginning(case));
                Diagnostic::new(place, format!("no program can do this: {why}"))
            }
        },
        Reason::Exit(how) => Diagnostic::new(beginning(case), how),
        Reason::Step { span, at, text } => Diagnostic::new(*span, text)
            .label(format!("at {at}"))
            .maybe_help(uncaught(case, history, *span)),
        Reason::Mismatch {
            what,
            span,
            expected,
            seen,
        } => {
            let table = beside(("expected", expected), ("predicted", seen));
            Diagnostic::new(
                span.unwrap_or(beginning(case)),
                format!("`{what}` is not what happens"),
            )
            .help(format!("line by line:\n{}", table.trim_end()))
        }
        Reason::Broken { rule, at, text } => {
            let message = format!("at {at}, {text}: {} is broken, {}", rule.row, rule.says);
            Diagnostic::new(beginning(case), message)
        }
        Reason::Transcript { .. } | Reason::Prediction { .. } | Reason::NoLongerDiverges(_) => {
            Diagnostic::new(beginning(case), "the prediction differs from a record")
        }
    }
}

/// What a step says that may end by the error by which this one ends.
fn uncaught(case: &Case, history: &History, step: Span) -> Option<String> {
    let error = history.events.iter().find_map(|event| match &event.what {
        What::Return { span, result } if *span == step => result.as_ref().err(),
        _ => None,
    })?;
    let kind = &error.kind;
    let is_known = language::all(language::ERRORS).any(|known| known == kind);
    let is_raised = || case.tasks.iter().any(|task| raises(&task.body, kind));
    (is_known || is_raised())
        .then(|| format!("if that is what the case shows, say `raises: {kind}` here"))
}

/// Whether a body raises an error of this kind.
fn raises(ops: &[Op], wanted: &str) -> bool {
    ops.iter().any(|op| match &op.what {
        OpKind::Raise { kind, .. } => kind == wanted,
        OpKind::If(_, then, otherwise) => raises(then, wanted) || raises(otherwise, wanted),
        _ => false,
    })
}

/// The step of the last of these events.
fn last_span(history: &History, is: fn(&What) -> bool) -> Option<Span> {
    let mut events = history.events.iter().rev();
    match events.find(|event| is(&event.what))?.what {
        What::Call { span, .. } | What::Blocked { span } => Some(span),
        _ => None,
    }
}

/// A place for what concerns the program as a whole.
fn beginning(case: &Case) -> Span {
    case.main.first().map_or(Span::default(), |step| step.span)
}

/// Of several idle workers, nobody promises which one takes a task.
fn depends_on_the_worker(case: &Case, kind: Kind) -> Option<Diagnostic> {
    let spread = by_the_rule(
        case,
        kind,
        Choices {
            spread: true,
            ..Choices::default()
        },
    );
    let problem = contradictions(case, kind, &spread).into_iter().next()?;
    Some(Diagnostic {
        message: "this depends on which of several idle workers takes a task".to_owned(),
        help: Some("nobody promises that: leave it out".to_owned()),
        ..problem
    })
}

/// A pool of default size is as large as the machine.
fn depends_on_the_machine(case: &Case, kind: Kind, history: &History) -> Option<Diagnostic> {
    let made = history
        .pools
        .iter()
        .any(|pool| pool.size.is_none())
        .then(|| default_pool(&case.main))??;
    let usual = transcript::of(history);
    for default_size in [1, 2, 64] {
        let other = by_the_rule(
            case,
            kind,
            Choices {
                default_size,
                ..Choices::default()
            },
        );
        let other = transcript::of(&other);
        if other != usual {
            let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
            let (left, right) = (
                differing(&lines(&usual), &lines(&other)),
                format!("with {default_size}"),
            );
            let table = beside(("with 4 CPUs", &left.0), (&right, &left.1));
            let problem = Diagnostic::new(
                made,
                "what is seen depends on how many CPUs the machine has",
            );
            return Some(problem.help(format!(
                "give the pool a size: `pool: 2`\n{}",
                table.trim_end()
            )));
        }
    }
    None
}

/// The step that makes a pool without a size, where what is seen depends on how large it is.
#[cfg(feature = "random")]
pub(crate) fn shows_its_size(case: &Case, kind: Kind, history: &History) -> Option<Span> {
    depends_on_the_machine(case, kind, history).map(|problem| problem.span)
}

/// The step that makes a pool without a size.
fn default_pool(steps: &[Step]) -> Option<Span> {
    steps.iter().find_map(|step| match &step.action {
        Action::Call(Call::Pool(options)) if options.size.is_none() => Some(step.span),
        Action::For { body, .. } => default_pool(body),
        Action::If(_, then, otherwise) => default_pool(then).or_else(|| default_pool(otherwise)),
        _ => None,
    })
}

/// What other orders of same-instant events give must be the same, unless the case says what else may be seen.
fn depends_on_the_order(
    case: &Case,
    kind: Kind,
    schedules: &mut SchedulesSeen,
) -> Option<Diagnostic> {
    let (expected, also) = judge::expected(case, kind);
    let orders = orders(case, kind);
    let mut runs = orders.runs.iter().map(|run| &run.history);
    let rule = runs.next()?;
    schedules.note(case, kind, &orders, &expected, &also);
    let usual = instants(rule);
    for other in runs {
        let holds =
            |expect: &Expect| contradictions(&expecting(case, expect), kind, other).is_empty();
        let Some(said) = &expected.schedules else {
            if instants(other) != usual {
                return Some(race(case, rule, other, &orders));
            }
            if let Some(problem) = contradictions(case, kind, other).into_iter().next() {
                let help = "inside one instant the order is nobody's promise: use `timeline:`, or `any:` in `output:`";
                let message = "this depends on who goes first in an instant".to_owned();
                return Some(Diagnostic {
                    message,
                    help: Some(help.to_owned()),
                    ..problem
                });
            }
            continue;
        };
        if !also.is_empty() && !holds(&expected) && !also.iter().any(holds) {
            let (left, right) = differing(&told(rule), &told(other));
            let table = beside(("by the rule", &left), ("by another order", &right));
            let problem = Diagnostic::new(
                said.span,
                "another order of same-instant events gives something else",
            );
            return Some(problem.help(format!(
                "add it to the list; what differs:\n{}",
                table.trim_end()
            )));
        }
    }
    None
}

/// The case with one expectation in place of all.
fn expecting(case: &Case, expect: &Expect) -> Case {
    Case {
        expect: expect.clone(),
        on: Vec::new(),
        ..case.clone()
    }
}

/// Two results of one case, shown where they part.
fn race(case: &Case, rule: &History, other: &History, orders: &Orders) -> Diagnostic {
    let (left, right) = differing(&told(rule), &told(other));
    let table = beside(
        ("by the rule of order", &left),
        ("by another order", &right),
    );
    let place = first_difference(case, rule, other).unwrap_or(beginning(case));
    let all = if orders.complete { "all" } else { "not all" };
    Diagnostic::new(place, "what is seen depends on who goes first in an instant")
        .label("here the results part")
        .help(format!(
            "move one of the two in time, or say `schedules: rule` under `expect:`; what differs by one of {} orders ({all}):\n{}",
            orders.tried,
            table.trim_end()
        ))
}

fn told(history: &History) -> Vec<String> {
    instants(history)
        .into_iter()
        .map(|(at, text)| format!("{at}: {text}"))
        .collect()
}

/// Where in the file something happens by one order and not by the other, as far as it has a place.
fn first_difference(case: &Case, rule: &History, other: &History) -> Option<Span> {
    let (left, right) = (moments::of(rule), moments::of(other));
    let only = |of: &[Moment], among: &[Moment], history: &History| {
        let is = |a: &Moment, b: &Moment| (a.at, &a.text) == (b.at, &b.text);
        let mut different = of.iter().filter(|a| !among.iter().any(|b| is(a, b)));
        different.find_map(|moment| Some((moment.at, place(case, history, moment)?)))
    };
    let found = [only(&left, &right, rule), only(&right, &left, other)];
    let first = found.into_iter().flatten().min_by_key(|(at, _)| *at);
    first.map(|(_, span)| span)
}

/// The step, or the task function, that something was done by.
fn place(case: &Case, history: &History, moment: &Moment) -> Option<Span> {
    let named = || {
        let key = usize::try_from(moment.body?).ok()?;
        let name = &history.tasks.get(key)?.task;
        let def = case.tasks.iter().find(|def| def.name.value == *name)?;
        Some(def.name.span)
    };
    moment.step.or_else(named)
}

/// The lines in which two lists differ, with at most a few of each.
fn differing(left: &[String], right: &[String]) -> (Vec<String>, Vec<String>) {
    const SHOWN: usize = 6;
    let only = |of: &[String], other: &[String]| -> Vec<String> {
        of.iter()
            .filter(|line| !other.contains(line))
            .take(SHOWN)
            .cloned()
            .collect()
    };
    (only(left, right), only(right, left))
}

/// What `schedules:` says, against what was found on all kinds of workers.
#[derive(Debug, Default)]
struct SchedulesSeen {
    depends: bool,
    open: bool,
    /// Which of the alternatives were seen.
    seen: Vec<bool>,
}

impl SchedulesSeen {
    fn note(
        &mut self,
        case: &Case,
        kind: Kind,
        orders: &Orders,
        expected: &Expect,
        also: &[Expect],
    ) {
        self.open |= !orders.complete;
        self.depends |= orders.runs.len() > 1;
        self.seen.resize(self.seen.len().max(also.len()), false);
        let holds = |expect: &Expect, run: &History| {
            contradictions(&expecting(case, expect), kind, run).is_empty()
        };
        let runs = orders.runs.iter().map(|run| &run.history);
        for run in runs.filter(|run| !holds(expected, run)) {
            for (seen, also) in self.seen.iter_mut().zip(also) {
                *seen |= holds(also, run);
            }
        }
    }

    /// A `schedules:` that says more than is so. Where not all orders were tried, nobody can know.
    fn needless(&self, case: &Case) -> Option<Diagnostic> {
        let said = case.expect.schedules.as_ref().filter(|_| !self.open)?;
        if !self.depends {
            let message =
                "nothing depends on who goes first in an instant: `schedules` says nothing here";
            return Some(Diagnostic::new(said.span, message).help("leave it out"));
        }
        let never = self.seen.iter().position(|seen| !seen)?;
        let message = format!(
            "no order of same-instant events gives the {} of these",
            ordinal(never)
        );
        Some(Diagnostic::new(said.span, message).help("leave it out"))
    }
}

fn ordinal(index: usize) -> String {
    match index {
        0 => "first".to_owned(),
        1 => "second".to_owned(),
        2 => "third".to_owned(),
        more => format!("{}th", more + 1),
    }
}
