//! What CPython's pools would make of a program: whether it ends, and where it departs from what it says.

use crate::case::Diagnostic;
use crate::case::ast::{Case, Kind, Span};
use crate::history::{Ending, Event, History, What, Who};
use crate::model::{self, Dialect, Prediction};
use crate::protocol::Command;

/// What CPython's pools make of a case, as far as that can be foreseen.
pub(super) fn history(case: &Case, kind: Kind) -> Option<Box<History>> {
    let of = |case: &Case, kind| match model::predict_in(Dialect::CPython, case, kind) {
        Prediction::Ran(history) if !matches!(history.ending, Ending::Unknown(_)) => Some(history),
        _ => None,
    };
    // Where a thread of a pool of processes spins, a pool of threads tells what follows.
    of(case, kind).or_else(|| {
        let anywhere = Case {
            only: None,
            ..case.clone()
        };
        of(&anywhere, Kind::Thread)
    })
}

/// Whether a step ends with the error that it says. A step that is not seen to end does.
pub(super) fn raises(history: &History, step: Span, error: &str) -> bool {
    history.events.iter().all(|event| match &event.what {
        What::Return { span, result } if *span == step => {
            matches!(result, Err(raised) if raised.kind == error)
        }
        _ => true,
    })
}

/// Whether a step does otherwise than it says.
pub(super) fn is_unmet(history: &History, step: Span) -> bool {
    let mut events = history.events.iter();
    events.any(|event| matches!(event.what, What::Unmet { span, .. } if span == step))
}

/// The place from which CPython's pools would never come back, and why.
pub(super) fn endless(case: &Case, history: &History) -> Option<Diagnostic> {
    let Ending::Deadlock(who) = &history.ending else {
        return None;
    };
    let blocked: Vec<(&Event, Span)> = history
        .events
        .iter()
        .filter_map(|event| match event.what {
            What::Blocked { span } => Some((event, span)),
            _ => None,
        })
        .collect();
    // Who waits for a pool from inside of it is the cause; the others wait for what follows.
    let inside = blocked
        .iter()
        .find_map(|(event, span)| Some((is_callback(history, &event.who)?, *span)));
    Some(match (inside, blocked.first()) {
        (Some((true, span)), _) => Diagnostic::new(
            span,
            "the thread that runs callbacks is the one that brings results, so that a callback of CPython's pools \
             waits here for ever",
        ),
        (Some((false, span)), _) if joins(history, span) => Diagnostic::new(
            span,
            "a task that joins its own pool waits for its own end, with CPython's pools for ever",
        ),
        (Some((false, span)), _) => Diagnostic::new(
            span,
            "a task keeps its worker while it waits, so that CPython's pool has none left and waits here for ever",
        ),
        (None, Some((_, span))) => {
            Diagnostic::new(*span, format!("CPython's pools wait here for ever: {who}"))
        }
        (None, None) => {
            let span = case.main.first().map_or(Span::default(), |step| step.span);
            Diagnostic::new(span, format!("with CPython's pools, {who}"))
        }
    })
}

/// Whether the call of a step is a join.
fn joins(history: &History, step: Span) -> bool {
    history.events.iter().any(|event| {
        matches!(&event.what, What::Call { span, command: Command::Join { .. }, .. } if *span == step)
    })
}

/// Whether somebody inside of a pool is a callback.
fn is_callback(history: &History, who: &Who) -> Option<bool> {
    let Who::Puppet(key) = who else { return None };
    let task = history.tasks.get(usize::try_from(*key).ok()?)?;
    Some(task.callback)
}
