//! Who waits for whom, and when that begins.

use std::collections::BTreeSet;

use crate::case::ast::{Fate, Time};
use crate::history::{History, Key, Who};
use crate::judge::facts::{Called, Facts, stream};
use crate::judge::lanes::Lanes;
use crate::protocol::Call;

/// Whether a call hands work in and does not wait for its value.
fn is_async(command: &Call) -> bool {
    command.job().is_some_and(|job| job.later.is_some())
}

/// What begins to wait at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// When.
    pub at: Time,
    /// Who waits for what when all that happens then has happened, a line each; what waited so before is not repeated.
    pub lines: Vec<String>,
}

/// Who waits for whom in a run, real or predicted, instant by instant.
///
/// # Examples
/// ```
/// use spec_harness::case::ast::{Case, Kind};
/// use spec_harness::model::predict;
/// use spec_harness::picture;
///
/// let text = "spec: 1\ntitle: t\ntasks:\n  nap(i):\n    - sleep: 1\nmain:\n  - pool: 1\n  - apply: nap(1)\n";
/// let case = Case::parse("nap", text).expect("it is in order");
/// let history = predict(&case, Kind::Thread).ran().expect("it needs nothing");
/// let waits = picture::waits(&history);
/// assert_eq!(waits[0].lines, ["main waits in `apply nap(1)` for nap(1) on w0"]);
/// ```
pub fn waits(history: &History) -> Vec<Waits> {
    let waiting = Waiting {
        facts: Facts::of(history),
        lanes: Lanes::of(history),
    };
    let (mut all, mut before) = (Vec::new(), Vec::new());
    let mut moment = 0;
    while let Some(event) = history.events.get(moment) {
        let at = event.at;
        let instant = history.events[moment..].iter();
        moment += instant.take_while(|event| event.at == at).count();
        let lines = waiting.at(moment);
        let new = lines.iter().filter(|line| !before.contains(*line));
        let new: Vec<String> = new.cloned().collect();
        if !new.is_empty() {
            all.push(Waits { at, lines: new });
        }
        before = lines;
    }
    all
}

/// A history with what is needed to say who waits.
struct Waiting<'h> {
    facts: Facts<'h>,
    lanes: Lanes,
}

impl<'h> Waiting<'h> {
    /// Everybody who waits before the event of this moment.
    fn at(&self, moment: usize) -> Vec<String> {
        let events = self.facts.events();
        let mut told = Vec::new();
        let mut actors: Vec<&Who> = Vec::new();
        for event in &events[..moment] {
            if !matches!(event.who, Who::Puppet(_)) && !actors.contains(&&event.who) {
                actors.push(&event.who);
            }
        }
        let bodies: Vec<Who> = self.running(moment).into_iter().map(Who::Puppet).collect();
        for who in actors.into_iter().chain(&bodies) {
            if let Some(call) = self.open_call(who, moment) {
                told.push(self.waits_in(who, call, moment));
            }
        }
        let (streamed, queued): (Vec<Key>, Vec<Key>) = self
            .queued(moment)
            .into_iter()
            .partition(|key| self.is_streamed(*key));
        for (keys, what) in [
            (queued, "for a free worker"),
            (streamed, "to be read from the input, or for a free worker"),
        ] {
            match keys.as_slice() {
                [] => {}
                [_] => told.push(format!("{} waits {what}", self.names(&keys))),
                _ => told.push(format!("{} wait {what}", self.names(&keys))),
            }
        }
        told
    }

    fn waits_in(&self, who: &Who, call: &Called<'_>, moment: usize) -> String {
        let until = match call.command.limit() {
            Some(limit) => format!(", until {} at the latest", self.facts.at(call.at) + limit),
            None => String::new(),
        };
        let what = self.awaited(call, moment);
        format!(
            "{} waits in `{}` for {what}{until}",
            self.who(who),
            call.text
        )
    }

    /// What a call waits for.
    fn awaited(&self, call: &Called<'_>, moment: usize) -> String {
        match call.command {
            Call::Join { pool, .. } | Call::Drop { pool } => {
                let open = self.unfinished(pool, moment);
                if open.is_empty() {
                    return "the workers to leave".to_owned();
                }
                self.states(&open, moment)
            }
            Call::Get { handle, .. } | Call::Wait { handle, .. } => {
                let Some(job) = self.facts.job(handle) else {
                    return "a result".to_owned();
                };
                let open: Vec<Key> = self.open(job.keys, moment);
                if open.is_empty() {
                    return "the callback to return".to_owned();
                }
                self.states(&open, moment)
            }
            Call::Next { iterator, .. } => self.next_item(iterator, moment),
            Call::JoinProcess { process, .. } => {
                let made = self.facts.calls.iter().find_map(|call| match call.command {
                    Call::Process {
                        process: made, key, ..
                    } if made == process => Some(*key),
                    _ => None,
                });
                made.map_or("a process".to_owned(), |key| self.states(&[key], moment))
            }
            command if is_async(command) => "a place in the queue".to_owned(),
            _ => {
                let open = self.open(&call.submits, moment);
                if open.is_empty() {
                    return "the pool".to_owned();
                }
                self.states(&open, moment)
            }
        }
    }

    /// The item that an iterator gives next.
    fn next_item(&self, iterator: &str, moment: usize) -> String {
        let streams = self.facts.calls.iter().filter_map(stream);
        let Some(stream) = streams
            .into_iter()
            .find(|stream| stream.iterator == iterator)
        else {
            return "the next result".to_owned();
        };
        if stream.unordered {
            let open = self.open(stream.keys, moment);
            let open: Vec<Key> = open
                .into_iter()
                .filter(|key| self.facts.began_by(*key, moment))
                .collect();
            return format!("the first of {} to end", self.names(&open));
        }
        let taken = self.facts.calls.iter().filter(|call| {
            matches!(call.command, Call::Next { iterator: of, .. } if of == iterator)
                && call.returned.is_some_and(|(at, result)| {
                    let kind = result.as_ref().err().map(|raised| raised.kind.as_str());
                    at < moment && !matches!(kind, Some("TimedOut" | "StopIteration"))
                })
        });
        match stream.keys.get(taken.count()) {
            Some(key) => self.states(&[*key], moment),
            None => "the end".to_owned(),
        }
    }

    /// Tasks with where they are.
    fn states(&self, keys: &[Key], moment: usize) -> String {
        let (running, waiting): (Vec<Key>, Vec<Key>) = keys
            .iter()
            .partition(|key| self.facts.began_by(**key, moment));
        let mut parts: Vec<String> = Vec::new();
        let name = |key: &Key| match self.lanes.get(*key) {
            "parent" => self.facts.name(*key),
            lane => format!("{} on {lane}", self.facts.name(*key)),
        };
        match running.as_slice() {
            [first, .., last] if running.len() > 3 => {
                parts.push(format!(
                    "{} … {} ({})",
                    name(first),
                    name(last),
                    tasks(running.len())
                ));
            }
            keys => parts.extend(keys.iter().map(name)),
        }
        if !waiting.is_empty() {
            let begin = waiting.iter().any(|key| self.facts.lives.contains_key(key));
            let when = if begin {
                "not begun yet"
            } else {
                "which will never begin"
            };
            parts.push(match self.names(&waiting) {
                names if names.ends_with(')') && waiting.len() > 3 => {
                    format!("{}, {when})", names.trim_end_matches(')'))
                }
                names => format!("{names} ({when})"),
            });
        }
        listed(&parts, "others")
    }

    /// Tasks that a failure in their chunk keeps from running.
    fn skips(&self, failed: Key) -> Vec<Key> {
        let chunk = |key: Key| {
            let (_, unit) = self.facts.unit(key)?;
            (!self.facts.is_streamed(unit)).then_some(unit)
        };
        let Some(of) = chunk(failed) else {
            return Vec::new();
        };
        let failed = self.facts.task(failed);
        if !failed.is_some_and(|task| matches!(task.fate, Fate::Raised | Fate::Lost)) {
            return Vec::new();
        }
        let tasks = self.facts.history.tasks.iter().map(|task| task.key);
        tasks
            .filter(|key| chunk(*key) == Some(of) && !self.facts.lives.contains_key(key))
            .collect()
    }

    /// Whether a failure in its chunk has kept a task from running.
    fn is_skipped(&self, key: Key, moment: usize) -> bool {
        let ended = |key: &Key| self.facts.ended_by(*key, moment);
        let fails = |key: &Key| {
            self.facts
                .task(*key)
                .is_some_and(|task| task.fate != Fate::Done)
        };
        let failed = self.facts.lives.keys().copied();
        !self.facts.lives.contains_key(&key)
            && failed
                .filter(fails)
                .filter(ended)
                .any(|failed| self.skips(failed).contains(&key))
    }

    fn is_streamed(&self, key: Key) -> bool {
        self.facts
            .unit(key)
            .is_some_and(|(_, unit)| self.facts.is_streamed(unit))
    }

    /// Those of these tasks that have not ended, and will.
    fn open(&self, keys: &[Key], moment: usize) -> Vec<Key> {
        keys.iter()
            .copied()
            .filter(|key| !self.facts.ended_by(*key, moment))
            .filter(|key| !self.is_skipped(*key, moment))
            .collect()
    }

    /// Tasks of a pool that were handed in, have not ended, and will.
    fn unfinished(&self, pool: &str, moment: usize) -> Vec<Key> {
        let stopped = self.facts.stopped(pool).is_some_and(|at| at < moment);
        let of = |key: &Key| {
            let task = self.facts.task(*key);
            let began = self.facts.began_by(*key, moment);
            task.is_some_and(|task| task.pool.as_deref() == Some(pool)) && (began || !stopped)
        };
        let submitted = self.submitted(moment);
        let called = self.running(moment);
        let all: BTreeSet<Key> = submitted.into_iter().chain(called).collect();
        all.into_iter()
            .filter(of)
            .filter(|key| !self.facts.ended_by(*key, moment))
            .filter(|key| !self.is_skipped(*key, moment))
            .collect()
    }

    /// Bodies that have begun and not ended.
    fn running(&self, moment: usize) -> Vec<Key> {
        let lives = self.facts.lives.iter();
        let runs = lives.filter(|(_, life)| {
            life.began < moment && life.ended.is_none_or(|ended| ended >= moment)
        });
        runs.map(|(key, _)| *key).collect()
    }

    /// Tasks that were handed to a pool, and taken.
    fn submitted(&self, moment: usize) -> Vec<Key> {
        let outside = |call: &&Called<'_>| {
            is_async(call.command) && call.returned.is_none_or(|(at, _)| at >= moment)
        };
        let calls = self.facts.calls.iter().filter(|call| call.at < moment);
        let calls = calls.filter(|call| !outside(call));
        let taken = calls.filter(|call| {
            let refused =
                |kind: &str| matches!(kind, "NotRunning" | "InvalidChunksize" | "QueueFull");
            !matches!(call.returned, Some((_, Err(raised))) if refused(&raised.kind))
        });
        taken
            .flat_map(|call| call.submits.iter().copied())
            .collect()
    }

    /// Tasks that wait for a worker.
    fn queued(&self, moment: usize) -> Vec<Key> {
        let waits = |key: &Key| {
            let task = self.facts.task(*key).filter(|task| !task.callback);
            let Some(pool) = task.and_then(|task| task.pool.as_deref()) else {
                return false;
            };
            let stopped = self.facts.stopped(pool).is_some_and(|at| at < moment);
            !stopped && !self.is_skipped(*key, moment)
        };
        let submitted = self.submitted(moment).into_iter();
        submitted
            .filter(|key| !self.facts.began_by(*key, moment))
            .filter(waits)
            .collect()
    }

    fn who(&self, who: &Who) -> String {
        match who {
            Who::Main => "main".to_owned(),
            Who::Thread(name) => name.clone(),
            Who::Puppet(key) => self.facts.name(*key),
        }
    }

    /// The call of theirs that is open at this moment.
    fn open_call(&self, who: &Who, moment: usize) -> Option<&Called<'h>> {
        let mut calls = self.facts.calls.iter().rev();
        calls.find(|call| {
            call.who == who && call.at < moment && call.returned.is_none_or(|(at, _)| at >= moment)
        })
    }

    fn names(&self, keys: &[Key]) -> String {
        let name = |key: &Key| self.facts.name(*key);
        match keys {
            [first, .., last] if keys.len() > 3 => {
                format!("{} … {} ({})", name(first), name(last), tasks(keys.len()))
            }
            keys => listed(&keys.iter().map(name).collect::<Vec<_>>(), "tasks"),
        }
    }
}

fn tasks(count: usize) -> String {
    match count {
        1 => "1 task".to_owned(),
        n => format!("{n} tasks"),
    }
}

/// `a, b and c`; of more than four, two and how many more.
fn listed(names: &[String], things: &str) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first, second, rest @ ..] if rest.len() > 2 => {
            format!("{first}, {second} and {} {things}", rest.len())
        }
        [firsts @ .., last] => format!("{} and {last}", firsts.join(", ")),
    }
}
