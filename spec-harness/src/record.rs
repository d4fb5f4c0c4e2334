//! Runs that are kept: what an implementation did, move by move, so that it can be judged where it is not.
//!
//! A record is the talk of one run: each line has what the program asked and what followed. To judge it, the case
//! as it is today is performed once more, and the record answers in the implementation's place. It therefore
//! fits as long as the program asks the very same, whatever the case expects of it, what it is called, and how the
//! harness judges; as soon as the program asks something else the record is stale, and says where.
//!
//! ```text
//! {"record":1,"name":"multiprocessing.pool.ThreadPool","version":"3.11.7","timers":false,"late":[]}
//! [{"main":{"cmd":"pool","pool":"p0","size":1}},{"ok":["main",null]}]
//! [{"main":{"cmd":"apply","pool":"p0","key":0}},{"began":{"key":0,"on":[0,1],"args":1}}]
//! [{"0":{"return":49}},{"gone":0},{"ok":["main",49]}]
//! ["exit"]
//! {"exit":0}
//! ```

mod talk;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::case::ast::Case;
use crate::history::{Ending, History};
use crate::interp::{Move, Options, Stage};
use crate::protocol::Hello;
pub(crate) use talk::Talk;
use talk::{Seen, Turn, asked, observed, portable};

/// The version of this format.
const VERSION: u32 = 1;

/// How a replay knows that nobody will ever move again.
pub(crate) const ALL_ASLEEP: &str = "; every thread sleeps and no timer is left";

/// A run that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    head: Head,
    talk: Talk,
    end: End,
}

/// Whose run it is, and what the player knew of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    record: u32,
    name: String,
    version: String,
    timers: bool,
    late: BTreeSet<u64>,
}

/// How a run ended; a deadlock follows from the talk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Exit(i32),
    Stuck,
    Leaked(String),
    Broken(String),
    Unknown(String),
    /// It was not run: why.
    NotApplicable(String),
}

/// What came of judging a record by today's case.
#[derive(Debug, Clone, PartialEq)]
pub enum Recalled {
    /// What happened.
    Ran(History),
    /// The implementation could not run it: why.
    NotApplicable(String),
    /// The program is not the one of the record any more: where they part.
    Stale(String),
}

impl Record {
    /// The record of a run.
    pub(crate) fn of_run(
        hello: &Hello,
        options: &Options,
        talk: Talk,
        ending: &Ending,
        exit: Option<i32>,
    ) -> Record {
        let end = match ending {
            Ending::Finished => exit.map_or(End::Stuck, End::Exit),
            Ending::Deadlock(_) => End::Stuck,
            Ending::Leaked(what) => End::Leaked(portable(what)),
            Ending::Broken(why) => End::Broken(portable(why)),
            Ending::Unknown(why) => End::Unknown(portable(why)),
        };
        Record {
            head: Head::of(hello, options),
            talk: talk.in_order(),
            end,
        }
    }

    /// The record of another case, which the same implementation cannot run.
    #[must_use]
    pub fn of_another(&self, why: &str) -> Record {
        let late = BTreeSet::new();
        Record {
            head: Head {
                late,
                ..self.head.clone()
            },
            talk: Talk::default(),
            end: End::NotApplicable(why.to_owned()),
        }
    }

    /// How the implementation called itself.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.head.version
    }

    /// What happens when the case, as it is now, meets what was recorded.
    pub fn recall(&self, case: &Case) -> Recalled {
        if let End::NotApplicable(why) = &self.end {
            return Recalled::NotApplicable(why.clone());
        }
        let options = Options {
            timers: self.head.timers,
            late: self.head.late.clone(),
            ..Options::default()
        };
        let mut stage = Stage::new(case, options);
        for (number, turn) in self.talk.0.iter().enumerate() {
            let made = stage.next_move();
            let now = asked(&stage, &made);
            if now != turn.asked {
                let was = &turn.asked;
                return Recalled::Stale(format!(
                    "its move {} is {was}, and the case now asks {now}",
                    number + 1
                ));
            }
            for seen in &turn.seen {
                let observed = observed(&stage, seen);
                if let Err(why) = observed.and_then(|observed| stage.observe(observed)) {
                    return Recalled::Stale(format!("after its move {}: {why}", number + 1));
                }
            }
        }
        let ending = match &self.end {
            End::Exit(code) => stage.over(*code),
            End::Stuck => {
                // Everything slept: whoever still asks for something is not the program of the record.
                let made = stage.next_move();
                if made != Move::Stuck {
                    let now = asked(&stage, &made);
                    return Recalled::Stale(format!("it ends where the case now asks {now}"));
                }
                stage.stuck(ALL_ASLEEP)
            }
            End::Leaked(what) => Ending::Leaked(what.clone()),
            End::Broken(why) => Ending::Broken(why.clone()),
            End::Unknown(why) | End::NotApplicable(why) => Ending::Unknown(why.clone()),
        };
        Recalled::Ran(stage.finish(ending))
    }

    /// As text, a line for each move.
    pub fn to_text(&self) -> String {
        let mut lines = vec![json_line(&self.head)];
        lines.extend(self.talk.0.iter().map(|Turn { asked, seen }| {
            let seen = seen
                .iter()
                .map(|seen| serde_json::to_value(seen).unwrap_or_default());
            let line: Vec<Json> = std::iter::once(asked.clone()).chain(seen).collect();
            json_line(&line)
        }));
        lines.push(json_line(&self.end));
        lines.concat()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// The line that is none of a record, and why.
    pub fn parse(text: &str) -> Result<Record, String> {
        fn read<'t, T: Deserialize<'t>>((number, line): (usize, &'t str)) -> Result<T, String> {
            serde_json::from_str(line).map_err(|e| format!("line {}: {e}", number + 1))
        }
        let mut lines: Vec<(usize, &str)> = text.lines().enumerate().collect();
        let (Some(end), false) = (lines.pop(), lines.is_empty()) else {
            return Err("a record has at least two lines".to_owned());
        };
        let head: Head = read(lines.remove(0))?;
        if head.record != VERSION {
            return Err(format!("line 1: a record of version {}", head.record));
        }
        let mut talk = Talk::default();
        for line in lines {
            let mut turn: Vec<Json> = read(line)?;
            if turn.is_empty() {
                return Err(format!("line {}: nothing was asked", line.0 + 1));
            }
            let asked = turn.remove(0);
            let seen = turn.into_iter().map(serde_json::from_value);
            let seen: Result<Vec<Seen>, _> = seen.collect();
            let seen = seen.map_err(|e| format!("line {}: {e}", line.0 + 1))?;
            talk.0.push(Turn { asked, seen });
        }
        Ok(Record {
            head,
            talk,
            end: read(end)?,
        })
    }
}

impl Head {
    fn of(hello: &Hello, options: &Options) -> Head {
        Head {
            record: VERSION,
            name: hello.name.clone(),
            version: hello.version.clone(),
            timers: options.timers,
            late: options.late.clone(),
        }
    }
}

fn json_line(line: &impl Serialize) -> String {
    crate::protocol::line(line)
}
