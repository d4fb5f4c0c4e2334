//! A run told instant by instant: what happens, who waits for what, and why the clock then moves.

mod waits;

use std::collections::BTreeMap;
use std::iter::Peekable;

use crate::case::ast::{Fate, Time};
use crate::case::expr::Value;
use crate::history::{Ending, Event, History, Key, What, Who};
use crate::judge::facts::{Called, Facts};
use crate::judge::lanes::Lanes;
use crate::judge::transcript::outcome;
use crate::protocol::{Call, PoolOptions};

/// One instant of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// When.
    pub at: Time,
    /// What happens, in this order.
    pub happens: Vec<String>,
    /// Who rests when all that has happened, and until when or for what.
    pub waits: Vec<String>,
    /// Why the clock moves on, or why it does not.
    pub then: String,
}

/// Tells a run, real or predicted.
///
/// # Examples
/// ```
/// use spec_harness::case::ast::{Case, Kind};
/// use spec_harness::model::predict;
/// use spec_harness::story;
///
/// let text = "spec: 1\ntitle: a nap\nmain:\n  - sleep: 2\n  - print: awake\n";
/// let case = Case::parse("nap", text).expect("it is in order");
/// let history = predict(&case, Kind::Thread).ran().expect("it needs nothing");
/// let chapters = story::of(&history);
/// assert_eq!(chapters.len(), 1);
/// assert_eq!(chapters[0].at.to_string(), "2");
/// ```
pub fn of(history: &History) -> Vec<Chapter> {
    let teller = Teller {
        facts: Facts::of(history),
        lanes: Lanes::of(history),
    };
    let mut chapters = Vec::new();
    let mut moment = 0;
    while let Some(event) = history.events.get(moment) {
        let at = event.at;
        let end = history.events[moment..]
            .iter()
            .position(|event| event.at != at);
        let end = end.map_or(history.events.len(), |length| moment + length);
        chapters.push(Chapter {
            at,
            happens: teller.happens(moment..end),
            waits: teller.waits(end),
            then: teller.then(end),
        });
        moment = end;
    }
    chapters
}

/// A history with what is needed to tell it.
struct Teller<'h> {
    facts: Facts<'h>,
    lanes: Lanes,
}

impl<'h> Teller<'h> {
    fn happens(&self, moments: std::ops::Range<usize>) -> Vec<String> {
        let events = self.facts.events()[moments.clone()].iter();
        let mut events = moments.zip(events).peekable();
        let mut told = Vec::new();
        while let Some((moment, event)) = events.next() {
            let who = self.who(&event.who);
            match &event.what {
                What::Call { .. } => told.extend(self.call(moment, &mut events)),
                // Told with the call.
                What::Submit { .. } => {}
                What::Return { result, .. } => {
                    let call = self.call_returning(moment);
                    let (text, since) =
                        call.map_or(("", event.at), |call| (call.text, self.facts.at(call.at)));
                    let came = outcome(result);
                    let came = if came.is_empty() { " returns" } else { &came };
                    let after = match event.at.0 - since.0 {
                        0 => String::new(),
                        took => format!(", after {}", Time(took)),
                    };
                    told.push(format!("{who}: `{text}`{came}{after}"));
                }
                What::Blocked { .. } => {}
                What::Unmet { text, .. } => {
                    told.push(format!("not as the case says: {who}: {text}"))
                }
                What::Print(text) => {
                    let text = match &event.who {
                        Who::Puppet(key) => self.lanes.line(*key, text),
                        _ => text.clone(),
                    };
                    told.push(format!("{who} prints {}", Value::Str(text).repr()));
                }
                What::Begin { .. } => told.push(self.begins(moment, event)),
                What::End { fate } => {
                    let ends = match fate {
                        Fate::Done => "ends",
                        Fate::Raised => "raises an error",
                        Fate::Killed => "is killed",
                        Fate::Lost => "dies, and its worker with it",
                        Fate::Never => "never began",
                    };
                    let skipped = match event.who {
                        Who::Puppet(key) => self.skips(key),
                        _ => Vec::new(),
                    };
                    told.push(match skipped.as_slice() {
                        [] => format!("{who} {ends}"),
                        keys => format!(
                            "{who} {ends}: of its chunk, {} will not run",
                            self.names(keys)
                        ),
                    });
                }
                What::KillsWorker { of } => told.push(format!(
                    "{} kills the worker that ran {}",
                    self.who(&event.who),
                    self.facts.name(*of)
                )),
                What::Left(worker) => told.push(format!("{worker} is still there after join")),
                What::Exit { code: 0 } => told.push("the program ends".to_owned()),
                What::Exit { code } => told.push(format!("the program ends with code {code}")),
            }
        }
        told
    }

    /// Tells a call, and with it the ones of the same kind that follow at once and its return where nothing lies
    /// between.
    fn call<'e>(
        &self,
        moment: usize,
        rest: &mut Peekable<impl Iterator<Item = (usize, &'e Event)>>,
    ) -> Option<String> {
        let call = self.facts.calls.iter().find(|call| call.at == moment)?;
        let who = self.who(call.who);
        let mut handed = call.submits.clone();
        let mut result = None;
        let mut last = call;
        loop {
            while rest
                .next_if(|(_, event)| {
                    event.who == *call.who && matches!(event.what, What::Submit { .. })
                })
                .is_some()
            {}
            let returned = rest.next_if(|(_, event)| {
                event.who == *call.who && matches!(event.what, What::Return { .. })
            });
            if let Some((_, event)) = returned
                && let What::Return { result: came, .. } = &event.what
            {
                result = Some(outcome(came));
            }
            // Tasks that are handed in one after the other, and nobody begins one in between.
            let hands_in = |call: &Called<'_>| {
                matches!(
                    call.command,
                    Call::ApplyAsync {
                        callback: None,
                        error_callback: None,
                        ..
                    }
                )
            };
            let plain = result.as_ref().is_some_and(String::is_empty);
            let Some((next, _)) = rest.peek() else { break };
            let following = self.facts.calls.iter().find(|call| call.at == *next);
            match following {
                Some(next)
                    if plain
                        && hands_in(call)
                        && hands_in(next)
                        && next.who == call.who
                        && matches!(next.returned, Some((_, Ok(_)))) =>
                {
                    handed.extend(&next.submits);
                    (last, result) = (next, None);
                    rest.next();
                }
                _ => break,
            }
        }
        let did = if std::ptr::eq(last, call) {
            self.did(call)
        } else {
            format!("hands in {}", self.names(&handed))
        };
        Some(match result {
            Some(came) if came.is_empty() => format!("{who} {did}"),
            Some(came) => format!("{who} {did}:{came}"),
            None => match call.returned {
                Some((moment, _)) if self.facts.at(moment) == self.facts.at(call.at) => {
                    format!("{who} {did}")
                }
                Some(_) => format!("{who} {did}, and waits"),
                None => format!("{who} {did}, and never comes back"),
            },
        })
    }

    /// A call in words.
    fn did(&self, call: &Called<'_>) -> String {
        let submits = || self.names(&call.submits);
        match call.command {
            Call::Pool(PoolOptions {
                pool, size, queue, ..
            }) => {
                let named = match self.facts.history.pools.len() {
                    0 | 1 => "a pool".to_owned(),
                    _ => format!("the pool {pool}"),
                };
                let workers = match size {
                    Some(1) => "1 worker".to_owned(),
                    Some(n) => format!("{n} workers"),
                    None => "as many workers as there are CPUs".to_owned(),
                };
                let places = match queue {
                    Some(1) => " and a queue of 1 place".to_owned(),
                    Some(n) => format!(" and a queue of {n} places"),
                    None => String::new(),
                };
                format!("makes {named} of {workers}{places}")
            }
            Call::ApplyAsync {
                callback,
                error_callback,
                ..
            } => {
                let called = match (callback, error_callback) {
                    (None, None) => "",
                    (Some(_), None) => ", with a callback",
                    (None, Some(_)) => ", with an error callback",
                    (Some(_), Some(_)) => ", with both callbacks",
                };
                format!("hands in {}{called}", submits())
            }
            Call::Close { pool } => {
                let open = self.unfinished(pool, call.at).len();
                match open {
                    0 => format!("closes {pool}: it takes nothing more"),
                    1 => format!("closes {pool}: it takes nothing more, and its 1 task still runs"),
                    n => {
                        format!("closes {pool}: it takes nothing more, and its {n} tasks still run")
                    }
                }
            }
            Call::Terminate { pool } => {
                let queued = self.unfinished(pool, call.at).into_iter();
                let queued: Vec<Key> = queued
                    .filter(|key| !self.facts.began_by(*key, call.at))
                    .collect();
                match queued.as_slice() {
                    [] => format!("terminates {pool}"),
                    keys => format!("terminates {pool}: {} will never run", self.names(keys)),
                }
            }
            _ => format!("calls `{}`", call.text),
        }
    }

    fn begins(&self, moment: usize, event: &Event) -> String {
        let Who::Puppet(key) = event.who else {
            return String::new();
        };
        let name = self.facts.name(key);
        let Some(task) = self.facts.task(key) else {
            return format!("{name} begins");
        };
        if task.callback {
            return format!("{name} is called back in the parent");
        }
        if task.initializer {
            return format!("{} starts, and begins {name}", self.lanes.get(key));
        }
        let submit = |event: &&Event| matches!(event.what, What::Submit { key: submitted } if submitted == key);
        let since = self.facts.events()[..moment]
            .iter()
            .find(submit)
            .map(|event| event.at);
        let waited = match since {
            Some(since) if since < event.at && task.pool.is_some() => {
                format!(", which has waited since {since}")
            }
            _ => String::new(),
        };
        format!("{} begins {name}{waited}", self.lanes.get(key))
    }

    /// Why the clock moves on after this moment.
    fn then(&self, end: usize) -> String {
        let history = self.facts.history;
        let Some(next) = history.events.get(end) else {
            return match &history.ending {
                Ending::Finished if self.blocked(end) => {
                    "nobody will ever move again, as the case expects".to_owned()
                }
                Ending::Finished => "it is over, and nothing is left of it".to_owned(),
                Ending::Deadlock(_) => "nobody will ever move again: a deadlock".to_owned(),
                Ending::Broken(why) => format!("the run broke off: {why}"),
                Ending::Leaked(why) => format!("it is over, but something is left of it: {why}"),
                Ending::Unknown(why) => format!("what happened then is not known: {why}"),
            };
        };
        let at = next.at;
        let instant = history.events[end..]
            .iter()
            .take_while(|event| event.at == at);
        let mut first: BTreeMap<&Who, &Event> = BTreeMap::new();
        for event in instant {
            first.entry(&event.who).or_insert(event);
        }
        let wakes = |who: &Who, event: &Event| {
            let rests = self.open_call(who, end).is_none();
            let began = match who {
                Who::Puppet(key) => self.facts.began_by(*key, end),
                _ => !matches!(event.what, What::Exit { .. }),
            };
            let stopped = matches!(event.what, What::End { fate: Fate::Killed });
            rests && began && !stopped
        };
        let woken = first.iter().filter(|(who, event)| wakes(who, event));
        let woken: Vec<String> = woken.map(|(who, _)| self.who(who)).collect();
        let late = first.values().filter_map(|event| {
            let call = self.open_call(&event.who, end)?;
            call.command
                .limit()
                .is_some_and(|limit| self.facts.at(call.at) + limit == at)
                .then(|| {
                    format!(
                        "the time that {} gives `{}` is over",
                        self.who(&event.who),
                        call.text
                    )
                })
        });
        let mut why: Vec<String> = late.collect();
        if !woken.is_empty() {
            let verb = if woken.len() == 1 { "goes" } else { "go" };
            why.insert(0, format!("{} {verb} on", listed(&woken, "others")));
        }
        if why.is_empty() {
            why.push("a time limit of the pool's own is over".to_owned());
        }
        format!(
            "nobody can move before {at}: the clock goes there, and {}",
            why.join("; ")
        )
    }

    fn blocked(&self, end: usize) -> bool {
        let events = self.facts.events()[..end].iter();
        events
            .rev()
            .any(|event| matches!(event.what, What::Blocked { .. }))
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

    fn call_returning(&self, moment: usize) -> Option<&Called<'h>> {
        let mut calls = self.facts.calls.iter();
        calls.find(|call| call.returned.is_some_and(|(at, _)| at == moment))
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
