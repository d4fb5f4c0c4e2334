//! A run apart from the order of what happens in one instant: two runs that agree here differ in nothing that
//! a clock could show.

use std::collections::BTreeMap;

use super::facts::{label, task};
use super::lanes::replace_word;
use super::transcript::{ends, outcome};
use crate::case::ast::{Span, Time};
use crate::history::{FIRST_PARENT_THREAD, History, Key, What, Who};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Time,
    /// What, as a transcript has it.
    pub text: String,
    /// The step, where it is the return of a call.
    pub step: Option<Span>,
    /// The body, where it is a body's.
    pub body: Option<Key>,
}

/// Everything that happened, sorted by instant and text. Which worker runs a task is left out, and which call came
/// first: only its return is told.
pub fn of(history: &History) -> Vec<Moment> {
    let mut open: BTreeMap<&Who, &str> = BTreeMap::new();
    let mut workers: BTreeMap<Key, usize> = BTreeMap::new();
    let mut moments = Vec::new();
    for event in &history.events {
        let who = &event.who;
        let (actor, body) = match who {
            Who::Main => ("main".to_owned(), None),
            Who::Thread(name) => (name.clone(), None),
            Who::Puppet(key) => (task(history, *key).map_or(String::new(), label), Some(*key)),
        };
        let (text, step) = match &event.what {
            What::Print(line) => {
                let worker = body.and_then(|key| workers.get(&key));
                let anonymous =
                    |worker: &usize| replace_word(line, &format!("w{worker}"), "{worker}");
                (
                    format!("prints {}", worker.map_or(line.clone(), anonymous)),
                    None,
                )
            }
            What::Call { text, .. } => {
                open.insert(who, text);
                continue;
            }
            What::KillsWorker { of } => {
                let task = task(history, *of).map(label).unwrap_or_default();
                (format!("kills the worker of {task}"), None)
            }
            What::Submit { .. } | What::Left(_) => continue,
            What::Return { result, span } => {
                let (call, came) = (open.remove(who).unwrap_or_default(), outcome(result));
                let came = if came.is_empty() {
                    " returns".to_owned()
                } else {
                    came
                };
                (format!("{call}:{came}"), Some(*span))
            }
            What::Blocked { span } => (
                format!("{}: never returns", open.remove(who).unwrap_or_default()),
                Some(*span),
            ),
            What::Unmet { text, span } => (format!("! {text}"), Some(*span)),
            What::Begin { worker } => {
                if *worker < FIRST_PARENT_THREAD {
                    body.map(|key| workers.insert(key, *worker));
                }
                ("begins".to_owned(), None)
            }
            What::End { fate } => (ends(*fate).trim_end_matches(" in").to_owned(), None),
            What::Exit { code } => (format!("the program ends with code {code}"), None),
        };
        moments.push(Moment {
            at: event.at,
            text: format!("{actor} {text}"),
            step,
            body,
        });
    }
    moments.sort_by(|a, b| (a.at, &a.text).cmp(&(b.at, &b.text)));
    moments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::sample::Sample;

    fn told(run: &Sample) -> Vec<String> {
        of(&run.history)
            .into_iter()
            .map(|moment| format!("{}: {}", moment.at, moment.text))
            .collect()
    }

    #[test]
    fn the_order_inside_an_instant_is_not_told() {
        let mut first = Sample::pool(2);
        first
            .apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .begin(1, 1)
            .clock(1)
            .print(0, "a")
            .end(0)
            .end(1)
            .exit();
        let mut second = Sample::pool(2);
        second
            .apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .begin(1, 1)
            .clock(1)
            .end(1)
            .print(0, "a")
            .end(0)
            .exit();
        assert_eq!(told(&first), told(&second));
        assert!(
            told(&first).contains(&"1: f(0) prints a".to_owned()),
            "{:?}",
            told(&first)
        );
    }

    #[test]
    fn the_instant_is_told() {
        let run = |at: u64| {
            let mut run = Sample::pool(1);
            run.apply_async(0).begin(0, 0).clock(at).end(0).exit();
            told(&run)
        };
        assert_ne!(run(1), run(2));
    }
}
