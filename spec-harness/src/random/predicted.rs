//! A draft becomes a case: the model says which of its calls fail, and which never return.
//!
//! A step has to say how it ends where it does not end well, and what comes after it depends on that. So the
//! model plays the draft, the first call that fails is noted on its step, and the model plays it again. A step that
//! ends in several ways, in the rounds of a loop or in a body that runs more than once, is left out; a pool of
//! default size that shows how large it is gets a size.

use std::fmt;

use super::draft::{Draft, Line, Step, TOKEN};
use crate::case::Diagnostic;
use crate::case::ast::{self, Action, Case, Kind, Op, OpKind, Span};
use crate::history::{Ending, Event, History, What};
use crate::model;

/// A program on one kind of worker: every step says how it ends, by the model.
#[derive(Debug, Clone)]
pub struct Predicted {
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
    /// It uses what is not there yet, or ends by something else than a step that never returns.
    Inconsistent,
    /// It asks for what has no answer, such as a pool that was dropped.
    Senseless,
    /// It is not for this kind of workers.
    OtherKind,
    /// The case file is not in order: a mistake of the generator.
    Malformed(String),
}

impl fmt::Display for Rejected {
    /// Which programs were rejected: "that ask for..".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Inconsistent => f.write_str("that use what is not there yet"),
            Rejected::Senseless => f.write_str("that ask for what has no answer"),
            Rejected::OtherKind => f.write_str("for other kinds of workers"),
            Rejected::Malformed(why) => write!(f, "that are not in order: {why}"),
        }
    }
}

/// What is known of a step.
#[derive(Debug, Clone, Default)]
struct Note {
    raises: Option<String>,
    blocks: bool,
    /// It ends in several ways.
    left_out: bool,
    /// How large the pool is shows.
    sized: bool,
}

/// A text, and the numbers of its steps in the order of the file.
#[derive(Default)]
struct Written {
    text: String,
    calls: Vec<usize>,
}

/// Most notes that a program may need.
const MOST_ROUNDS: usize = 150;

/// Notes on every step how it ends. `predict` is the model.
pub(super) fn predicted(
    draft: &Draft,
    kind: Kind,
    predict: impl Fn(&Case) -> Result<History, Rejected>,
) -> Result<Predicted, Rejected> {
    let mut notes = vec![Note::default(); draft.count];
    for _ in 0..MOST_ROUNDS {
        let written = write(draft, &notes);
        let case = Case::parse("random", &written.text)
            .map_err(|problems| malformed(&problems, &written.text))?;
        let spans = calls(&case);
        let history = predict(&case)?;
        let called = |span: &Span| {
            let place = spans.iter().position(|known| known == span)?;
            written.calls.get(place).copied()
        };
        if take_note(&history, called, &mut notes) {
            continue;
        }
        match model::shows_its_size(&case, kind, &history).and_then(|pool| called(&pool)) {
            Some(pool) if !notes[pool].sized => notes[pool].sized = true,
            _ => return finished(kind, written.text, case, history),
        }
    }
    Err(Rejected::Inconsistent)
}

/// Takes over the first thing that is not noted yet; false where there is none.
fn take_note(
    history: &History,
    called: impl Fn(&Span) -> Option<usize>,
    notes: &mut [Note],
) -> bool {
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
            What::Unmet { span, .. } => {
                let call = called(span);
                return call
                    .is_some_and(|call| !std::mem::replace(&mut notes[call].left_out, true));
            }
            _ => {}
        }
    }
    let blocked = history.events.iter().filter_map(|event| match &event.what {
        What::Blocked { span } => called(span),
        _ => None,
    });
    let mut noted = false;
    for call in blocked {
        let note = &mut notes[call];
        let said = match note.raises {
            Some(_) => &mut note.left_out,
            None => &mut note.blocks,
        };
        noted |= !std::mem::replace(said, true);
    }
    noted
}

fn finished(kind: Kind, text: String, case: Case, history: History) -> Result<Predicted, Rejected> {
    let unmet = |event: &Event| matches!(event.what, What::Unmet { .. });
    match &history.ending {
        Ending::Broken(_) | Ending::Leaked(_) | Ending::Unknown(_) => {
            return Err(Rejected::Senseless);
        }
        Ending::Finished if !history.events.iter().any(unmet) => {}
        _ => return Err(Rejected::Inconsistent),
    }
    Ok(Predicted {
        kind,
        text,
        case,
        history,
    })
}

fn malformed(problems: &[Diagnostic], text: &str) -> Rejected {
    let shown = problems.iter().map(|problem| problem.render(text, false));
    Rejected::Malformed(shown.collect())
}

/// The places of all steps, in the order in which [`write`] has them.
fn calls(case: &Case) -> Vec<Span> {
    let mut spans = Vec::new();
    for task in &case.tasks {
        inner(&task.body, &mut spans);
    }
    main(&case.main, &mut spans);
    spans
}

fn inner(ops: &[Op], spans: &mut Vec<Span>) {
    for op in ops {
        match &op.what {
            OpKind::Call(step) => spans.push(step.span),
            OpKind::If(_, then, otherwise) => {
                inner(then, spans);
                inner(otherwise, spans);
            }
            _ => {}
        }
    }
}

fn main(steps: &[ast::Step], spans: &mut Vec<Span>) {
    for step in steps {
        spans.push(step.span);
        match &step.action {
            Action::For { body, .. } => main(body, spans),
            Action::If(_, then, otherwise) => {
                main(then, spans);
                main(otherwise, spans);
            }
            _ => {}
        }
    }
}

/// The case file, without the steps that are left out or need what an earlier one has failed to make.
fn write(draft: &Draft, notes: &[Note]) -> Written {
    let token = TOKEN.to_owned();
    let mut dead = Vec::new();
    unmade(&draft.steps, notes, false, &mut dead);
    let written = write_without(draft, notes, &dead);
    if written.text.contains("cancel_on:") {
        return written;
    }
    // Nothing is left that it could cancel.
    dead.push(&token);
    write_without(draft, notes, &dead)
}

fn write_without(draft: &Draft, notes: &[Note], dead: &[&String]) -> Written {
    let mut written = Written {
        text: "spec: 1\ntitle: a random program\n".to_owned(),
        calls: Vec::new(),
    };
    if !draft.functions.is_empty() {
        written.text += "tasks:\n";
    }
    for function in &draft.functions {
        written.text += &format!("  {}:\n", function.signature);
        let mut fails = dead.to_vec();
        let before = written.text.len();
        for op in &function.ops {
            match op {
                Line::Text(op) => written.text += &format!("    - {op}\n"),
                Line::Only(item, op) => {
                    let then = format!("    - if: i == {item}\n      then:\n        - {op}\n");
                    written.text += &then;
                }
                Line::Call(step) => {
                    let note = &notes[step.number];
                    if is_out(step, note, &fails) {
                        fails.extend(&step.makes);
                        continue;
                    }
                    let beside = said(step, note);
                    let beside = beside
                        .iter()
                        .map(|(key, value)| format!(", {key}: {value}"));
                    let (head, beside) = (&step.head, beside.collect::<String>());
                    written.text += &format!("    - call: {{{head}{beside}}}\n");
                    fails.extend(step.makes.as_ref().filter(|_| note.raises.is_some()));
                    written.calls.push(step.number);
                }
            }
        }
        if written.text.len() == before {
            written.text.truncate(before - 1);
            written.text += " []\n";
        }
    }
    written.text += "main:\n";
    write_steps(&draft.steps, notes, dead, 2, &mut written);
    written
}

/// The names that steps fail to make: all of main's first, so that bodies know what is not there.
fn unmade<'d>(steps: &'d [Step], notes: &[Note], all: bool, dead: &mut Vec<&'d String>) {
    for step in steps {
        let note = &notes[step.number];
        let out = all || is_out(step, note, dead);
        if out || note.raises.is_some() {
            dead.extend(&step.makes);
            dead.extend(&step.adds_to);
        }
        for (_, inside) in &step.inside {
            unmade(inside, notes, out, dead);
        }
        if !out && is_hollow(step, notes, dead) {
            for (_, inside) in &step.inside {
                unmade(inside, notes, true, dead);
            }
        }
    }
}

/// Whether nothing is left of what a loop or a condition is for: it is left out, with what is done otherwise.
fn is_hollow(step: &Step, notes: &[Note], dead: &[&String]) -> bool {
    let stays = |inside: &Step| {
        !is_out(inside, &notes[inside.number], dead) && !is_hollow(inside, notes, dead)
    };
    let mut bodies = step.inside.iter().filter(|(key, _)| *key != "else");
    !step.inside.is_empty() && !bodies.any(|(_, body)| body.iter().any(stays))
}

fn is_out(step: &Step, note: &Note, dead: &[&String]) -> bool {
    let absent = |name: &String| dead.contains(&name);
    note.left_out || step.uses.as_ref().is_some_and(absent)
}

fn write_steps(
    steps: &[Step],
    notes: &[Note],
    dead: &[&String],
    indent: usize,
    written: &mut Written,
) {
    let mark = format!("{:indent$}- ", "");
    for step in steps {
        let note = &notes[step.number];
        if is_out(step, note, dead) || is_hollow(step, notes, dead) {
            continue;
        }
        let body = |(key, inside): &(&'static str, Vec<Step>)| {
            let mut body = Written::default();
            write_steps(inside, notes, dead, indent + 4, &mut body);
            (*key, body)
        };
        let inside: Vec<(&str, Written)> = step.inside.iter().map(body).collect();
        let inside: Vec<_> = inside
            .iter()
            .filter(|(_, body)| !body.text.is_empty())
            .collect();
        let head = match &step.sized {
            Some(sized) if note.sized => sized,
            _ => &step.head,
        };
        written.text += &format!("{mark}{head}\n");
        written.calls.push(step.number);
        for (key, value) in said(step, note) {
            written.text += &format!("{:indent$}  {key}: {value}\n", "");
        }
        for (key, body) in inside {
            written.text += &format!("{:indent$}  {key}:\n{}", "", body.text);
            written.calls.extend(&body.calls);
        }
    }
}

/// What stands beside a step with this note.
fn said(step: &Step, note: &Note) -> Vec<(&'static str, String)> {
    let mut beside = step.beside.clone();
    match &note.raises {
        Some(kind) => beside.push(("raises", kind.clone())),
        None => {
            let made = step.makes.iter().filter(|_| !step.names_in_its_head());
            beside.extend(made.map(|name| ("as", name.clone())));
            beside.extend(step.adds_to.iter().map(|name| ("into", name.clone())));
        }
    }
    if note.blocks {
        beside.push(("blocks", "forever".to_owned()));
    }
    beside
}
