//! A draft becomes a case: the model says which of its calls fail, and which never return.
//!
//! A step has to say how it ends where it does not end well, and what comes after it depends on that. So the
//! model plays the draft, the first call that fails is noted on its step, and the model plays it again.

use super::draft::{Draft, Line, Step};
use crate::case::Diagnostic;
use crate::case::ast::{Action, Case, Kind, Op, OpKind, Span};
use crate::history::{Ending, History, What};

/// A program on one kind of worker: every step says how it ends, by the model.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The kind.
    pub kind: Kind,
    /// The case as a file, without expectations.
    pub text: String,
    /// The same, read.
    pub case: Case,
    /// What happens.
    pub history: History,
}

/// Why a draft is no program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejected {
    /// A call from inside does not end the same way each time, or uses what is not there yet.
    Inconsistent,
    /// It asks for what has no answer, such as a pool that was dropped.
    Senseless,
    /// It is not for this kind of workers.
    OtherKind,
    /// The case file is not in order: a mistake of the generator.
    Malformed(String),
}

/// What is known of a call.
#[derive(Debug, Clone, Default)]
struct Note {
    raises: Option<String>,
    blocks: bool,
}

/// A text, and which calls its steps are, in the order of the file.
struct Written {
    text: String,
    calls: Vec<usize>,
}

/// Most calls of a program that may fail.
const MOST_ROUNDS: usize = 100;

/// Notes on every step how it ends. `predict` is the model.
pub(super) fn settle(
    draft: &Draft,
    kind: Kind,
    predict: impl Fn(&Case) -> Result<History, Rejected>,
) -> Result<Settled, Rejected> {
    let inner = draft.functions.iter().flat_map(|function| &function.ops);
    let inner = inner.filter(|line| matches!(line, Line::Call(_))).count();
    let mut notes = vec![Note::default(); draft.steps.len() + inner];
    for _ in 0..MOST_ROUNDS {
        let written = write(draft, &notes);
        let case = Case::parse("random", &written.text)
            .map_err(|problems| malformed(&problems, &written.text))?;
        let spans: Vec<Span> = calls(&case).collect();
        let history = predict(&case)?;
        let called = |span: &Span| {
            let place = spans.iter().position(|known| known == span)?;
            written.calls.get(place).copied()
        };
        if !note(&history, called, &mut notes) {
            return finished(kind, written.text, case, history);
        }
    }
    Err(Rejected::Inconsistent)
}

/// Takes over the first thing that is not noted yet; false where there is none.
fn note(history: &History, called: impl Fn(&Span) -> Option<usize>, notes: &mut [Note]) -> bool {
    for event in &history.events {
        match &event.what {
            What::Return {
                span,
                result: Err(raised),
            } => {
                // It asked for what is not there: no pool answers that.
                if raised.kind == "Protocol" {
                    return false;
                }
                if let Some(call) = called(span)
                    && notes[call].raises.is_none()
                {
                    notes[call].raises = Some(raised.kind.clone());
                    return true;
                }
            }
            What::Unmet { .. } => return false,
            _ => {}
        }
    }
    let blocked = history.events.iter().filter_map(|event| match &event.what {
        What::Blocked { span } => called(span),
        _ => None,
    });
    let mut noted = false;
    for call in blocked {
        noted |= !std::mem::replace(&mut notes[call].blocks, true);
    }
    noted
}

fn finished(kind: Kind, text: String, case: Case, history: History) -> Result<Settled, Rejected> {
    let unmet = |what: &What| matches!(what, What::Unmet { .. });
    match &history.ending {
        Ending::Broken(_) | Ending::Leaked(_) | Ending::Unknown(_) => Err(Rejected::Senseless),
        _ if history.events.iter().any(|event| unmet(&event.what)) => Err(Rejected::Inconsistent),
        Ending::Finished => Ok(Settled {
            kind,
            text,
            case,
            history,
        }),
        Ending::Deadlock(_) => Err(Rejected::Inconsistent),
    }
}

fn malformed(problems: &[Diagnostic], text: &str) -> Rejected {
    let shown = problems.iter().map(|problem| problem.render(text, false));
    Rejected::Malformed(shown.collect())
}

/// The places of all calls and steps, in the order in which [`write`] has them.
fn calls(case: &Case) -> impl Iterator<Item = Span> + '_ {
    let inner = case.tasks.iter().flat_map(|task| inner(&task.body));
    let main = case.main.iter();
    inner.chain(
        main.inspect(|step| {
            debug_assert!(!matches!(step.action, Action::For { .. } | Action::If(..)));
        })
        .map(|step| step.span),
    )
}

fn inner(ops: &[Op]) -> impl Iterator<Item = Span> + '_ {
    ops.iter().filter_map(|op| match &op.what {
        OpKind::Call(step) => Some(step.span),
        _ => None,
    })
}

/// The case file, without the steps that need what an earlier one has failed to make.
fn write(draft: &Draft, notes: &[Note]) -> Written {
    let mut notes = notes.iter().enumerate();
    let mut dead: Vec<&String> = Vec::new();
    // Main's notes come first, so that bodies know what is not there.
    let main: Vec<(&Step, usize, &Note)> = draft
        .steps
        .iter()
        .zip(&mut notes)
        .map(|(step, (number, note))| (step, number, note))
        .collect();
    for (step, _, note) in &main {
        dead.extend(step.makes.as_ref().filter(|_| note.raises.is_some()));
    }
    let mut calls = Vec::new();
    let mut text = "spec: 1\ntitle: a random program\n".to_owned();
    if !draft.functions.is_empty() {
        text += "tasks:\n";
    }
    for function in &draft.functions {
        text += &format!("  {}:\n", function.signature);
        let mut fails: Vec<&String> = Vec::new();
        let mut lines = 0;
        for op in &function.ops {
            match op {
                Line::Text(op) => text += &format!("    - {op}\n"),
                Line::Only(item, op) => {
                    text += &format!("    - if: i == {item}\n      then:\n        - {op}\n");
                }
                Line::Call(step) => {
                    let Some((number, note)) = notes.next() else {
                        continue;
                    };
                    let absent = |name: &String| dead.contains(&name) || fails.contains(&name);
                    if step.uses.as_ref().is_some_and(absent) {
                        continue;
                    }
                    let (head, beside) = said(step, note);
                    let beside = beside
                        .iter()
                        .map(|(key, value)| format!(", {key}: {value}"));
                    text += &format!("    - call: {{{head}{}}}\n", beside.collect::<String>());
                    fails.extend(step.makes.as_ref().filter(|_| note.raises.is_some()));
                    calls.push(number);
                }
            }
            lines += 1;
        }
        if lines == 0 {
            text.truncate(text.len() - 1);
            text += " []\n";
        }
    }
    text += "main:\n";
    for (step, number, note) in main {
        if step.uses.as_ref().is_some_and(|name| dead.contains(&name)) {
            continue;
        }
        let (head, beside) = said(step, note);
        text += &format!("  - {head}\n");
        for (key, value) in beside {
            text += &format!("    {key}: {value}\n");
        }
        calls.push(number);
    }
    Written { text, calls }
}

/// A step with its note.
fn said(step: &Step, note: &Note) -> (String, Vec<(&'static str, String)>) {
    let mut beside = step.beside.clone();
    match (&note.raises, &step.makes) {
        (Some(kind), _) => beside.push(("raises", kind.clone())),
        (None, Some(name)) => beside.push(("as", name.clone())),
        (None, None) => {}
    }
    if note.blocks {
        beside.push(("blocks", "forever".to_owned()));
    }
    (step.head.clone(), beside)
}
