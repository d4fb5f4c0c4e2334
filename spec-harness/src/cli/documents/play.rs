//! A document's own program on CPython's own pools, and what its case says: event by event the same.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use spec_harness::case::ast::{Case, Fate, Kind, Time};
use spec_harness::history::{FIRST_PARENT_THREAD, History, Key, What, Who, WorkerId};
use spec_harness::judge::report::beside;
use spec_harness::model::{self, Prediction};

use super::sources::{Example, Workers};
use crate::cli::Refusal;

/// The player: a stage with a virtual clock for the program and its workers.
const PLAYER: &str = include_str!("../../../documents/play.py");

/// What the player is told.
#[derive(Debug, Serialize)]
struct Play<'a> {
    name: &'a str,
    program: &'a str,
    busy: Option<u64>,
}

/// What the player tells.
#[derive(Debug, Deserialize)]
struct Told {
    python: String,
    /// The exit code of the program.
    code: i32,
    /// Instant, who (`main`, `task`), what.
    events: Vec<(f64, String, String)>,
    /// Kind and size of each pool.
    made: Vec<(Workers, Option<u32>)>,
    tasks: u32,
    raised: Option<String>,
    trace: Option<String>,
}

/// A program that was played.
#[derive(Debug)]
pub(super) struct Played {
    /// The version of Python.
    pub(super) python: String,
    /// What happened.
    pub(super) events: Events,
    facts: Facts,
    trace: Option<String>,
}

/// What is known of a program besides what it does.
#[derive(Debug, PartialEq)]
struct Facts {
    pools: Vec<(Workers, Option<u32>)>,
    tasks: u32,
    raised: Option<String>,
}

/// Runs a program with python3; `None` when that is not here.
///
/// # Errors
/// Its run cannot be told: why.
pub(super) fn play(name: &str, program: &str, busy: Option<u64>) -> Result<Option<Played>, String> {
    let request = serde_json::to_vec(&Play {
        name,
        program,
        busy,
    })
    .map_err(|error| error.to_string())?;
    // Neither the user's settings nor installed packages have a part in it.
    let player = Command::new("python3")
        .args(["-ISc", PLAYER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut player = match player {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        player => player.map_err(|error| format!("python3: {error}"))?,
    };
    if let Some(mut stdin) = player.stdin.take() {
        // A player that has gone says why on stderr.
        let _ = stdin.write_all(&request);
    }
    let output = player
        .wait_with_output()
        .map_err(|error| format!("python3: {error}"))?;
    let told: Told = match serde_json::from_slice(&output.stdout) {
        Ok(told) if output.status.success() => told,
        _ => {
            return Err(String::from_utf8_lossy(&output.stderr)
                .trim_end()
                .to_owned());
        }
    };
    let (code, raised) = (told.code, told.raised);
    if code != i32::from(raised.is_some()) {
        return Err(format!("the program ends with code {code}"));
    }
    let events = told.events.into_iter().map(|(at, who, what)| {
        let at = Time::from_units(at).ok_or_else(|| format!("{at} is no instant"))?;
        Ok(Event {
            at,
            main: who == "main",
            what,
        })
    });
    Ok(Some(Played {
        python: told.python,
        events: Events(events.collect::<Result<_, String>>()?),
        facts: Facts {
            pools: told.made,
            tasks: told.tasks,
            raised,
        },
        trace: told.trace,
    }))
}

impl Played {
    /// In what the program differs from what is known of it and from its case.
    pub(super) fn differs(&self, example: &Example, expected: &Events) -> Option<String> {
        let known = Facts {
            pools: example
                .sizes
                .iter()
                .map(|size| (example.kind, *size))
                .collect(),
            tasks: example.tasks,
            raised: example.raises.clone(),
        };
        let kind = |raised: &str| raised.split(':').next().unwrap_or_default().to_owned();
        let seen = Facts {
            pools: self.facts.pools.clone(),
            tasks: self.facts.tasks,
            raised: self.facts.raised.as_deref().map(kind),
        };
        if seen != known {
            let trace = self.trace.as_deref().unwrap_or_default();
            return Some(format!("known of it: {known:?}\nseen: {seen:?}\n{trace}"));
        }
        let (mut expected, mut seen) = (expected.clone(), self.events.clone());
        if example.sizes.contains(&None) {
            expected = expected.without_chance();
            seen = seen.without_chance();
        }
        (expected != seen).then(|| {
            beside(
                ("the case", &expected.lines()),
                ("the document", &seen.lines()),
            )
        })
    }
}

/// What a program does: what is printed, and how tasks begin and end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Events(Vec<Event>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: Time,
    /// Whether main does it, and not a task.
    main: bool,
    what: String,
}

impl Events {
    /// What a case does on workers of a kind, by the model. Every pool is held to that, and the record of the case.
    ///
    /// # Errors
    /// The case is not for such workers.
    pub(super) fn of_case(case: &Case, workers: Workers) -> Result<Events, Refusal> {
        let kind = match workers {
            Workers::Process => Kind::Process,
            Workers::Thread => Kind::Thread,
        };
        match model::predict(case, kind) {
            Prediction::Ran(history) => Ok(Events(events(&history))),
            Prediction::NotApplicable(why) => Err(format!("{}: {why}", case.name)),
        }
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The digest of their text.
    pub(super) fn digest(&self) -> String {
        hex(self.clone().without_chance().lines().join("\n").as_bytes())
    }

    /// In a pool of default size the machine decides which tasks run side by side: the order of what is printed
    /// remains.
    fn without_chance(self) -> Events {
        let (prints, mut others): (Vec<_>, Vec<_>) = self
            .0
            .into_iter()
            .partition(|event| event.what.starts_with("prints"));
        others.sort();
        Events([prints, others].concat())
    }

    fn lines(&self) -> Vec<String> {
        let line = |event: &Event| {
            let who = if event.main { "main" } else { "task" };
            format!("{} {who} {}", event.at, event.what)
        };
        self.0.iter().map(line).collect()
    }
}

fn events(history: &History) -> Vec<Event> {
    let mut workers: Vec<(Key, WorkerId)> = Vec::new();
    let mut events = Vec::new();
    for event in &history.events {
        let what = match (&event.what, &event.who) {
            (What::Print(text), Who::Puppet(key)) => {
                let worker = workers
                    .iter()
                    .rfind(|(known, _)| known == key)
                    .map(|(_, worker)| *worker);
                format!("prints {}", anonymous(text, worker))
            }
            (What::Print(text), _) => format!("prints {text}"),
            (What::Begin { worker }, Who::Puppet(key)) => {
                workers.push((*key, *worker));
                format!("begins {}", called(history, *key))
            }
            (What::End { fate }, Who::Puppet(key)) => {
                let ends = match fate {
                    Fate::Done => "ends",
                    Fate::Raised => "raises in",
                    Fate::Killed | Fate::Lost | Fate::Never => "is killed in",
                };
                format!("{ends} {}", called(history, *key))
            }
            _ => continue,
        };
        events.push(Event {
            at: event.at,
            main: event.who == Who::Main,
            what,
        });
    }
    events
}

/// `func(1, 'a')`.
fn called(history: &History, key: Key) -> String {
    let task = history.tasks.iter().find(|task| task.key == key);
    task.map_or_else(String::new, |task| {
        let args: Vec<String> = task.args.iter().map(|arg| arg.repr()).collect();
        format!("{}({})", task.task, args.join(", "))
    })
}

/// A text without the name of the worker that printed it.
fn anonymous(text: &str, worker: Option<WorkerId>) -> String {
    match worker {
        Some(worker) if worker < FIRST_PARENT_THREAD => {
            text.replace(&format!("w{worker}"), "{worker}")
        }
        _ => text.to_owned(),
    }
}

/// A digest in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tasks on two workers that meet at one instant, a callback, and a program that ends under a third task.
    const PROGRAM: &str = r#"
from multiprocessing import Pool, current_process
import time

def task(i):
    time.sleep(i / 2)
    print(i, current_process().name, time.ctime())
    for var in range(1000): pass
    return i * i

def seen(value):
    print('seen', value)

if __name__ == '__main__':
    pool = Pool(2)
    first = pool.apply_async(task, (1,), callback=seen)
    second = pool.apply_async(func=task, args=(2,))
    print(second.get(), first.get())
    pool.apply_async(task, ('none',))
    time.sleep(1)
"#;

    #[test]
    fn a_program_is_played_by_the_clock_and_the_order_of_cases() {
        let played = play("test", PROGRAM, Some(500))
            .expect("it runs")
            .expect("python3 is here");
        let seen = [
            "0 task begins task(1)",
            "0 task begins task(2)",
            "0.5 task prints 1 {worker} 0.5",
            "1 task prints 2 {worker} 1",
            "2.5 task ends task(1)",
            "2.5 task begins seen(1)",
            "2.5 task prints seen 1",
            "2.5 task ends seen(1)",
            "3 task ends task(2)",
            "3 main prints 4 1",
            "3 task begins task('none')",
            "3 task raises in task('none')",
        ];
        assert_eq!(played.events.lines(), seen, "{:?}", played.trace);
        let facts = Facts {
            pools: vec![(Workers::Process, Some(2))],
            tasks: 3,
            raised: None,
        };
        assert_eq!(played.facts, facts);
    }

    #[test]
    fn a_program_that_fails_says_how() {
        let played = play("test", "print(1)\nprint(1 / 0)\n", None)
            .expect("it runs")
            .expect("python3 is here");
        assert_eq!(played.events.lines(), ["0 main prints 1"]);
        assert_eq!(
            played.facts.raised.as_deref(),
            Some("ZeroDivisionError: division by zero")
        );
        let program = "import os\nprint(2)\n";
        let played = play("test", program, None)
            .expect("it runs")
            .expect("python3 is here");
        assert_eq!(
            played.facts.raised.as_deref(),
            Some("ImportError: the stage has no os")
        );
    }

    #[test]
    fn a_worker_has_no_name() {
        assert_eq!(anonymous("w1 7", Some(1)), "{worker} 7");
        assert_eq!(anonymous("w1 7", Some(FIRST_PARENT_THREAD)), "w1 7");
    }
}
