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

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::case::ast::{Case, Time};
use crate::case::expr::Value;
use crate::history::{Ending, History, Who};
use crate::interp::{Beginning, Caller, Move, Observed, Options, Stage};
use crate::protocol::{ErrorReply, Hello};

/// The version of this format.
const VERSION: u32 = 1;

/// Bytes of a move that is kept as it is; of a longer one its length and a number that stands for it.
const LONGEST: usize = 4096;

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

/// Everything that was asked, each with what was seen before the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Talk(Vec<Turn>);

#[derive(Debug, Clone, PartialEq)]
struct Turn {
    asked: Json,
    seen: Vec<Seen>,
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

/// As [`Observed`], in the words of the protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Seen {
    Ok(String, Json),
    Error(String, ErrorReply),
    Began {
        key: u64,
        /// Process and thread, counted from 0 in the order in which they appear.
        on: (i32, i32),
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        in_parent: bool,
        args: u32,
        /// In a list, for it may be null.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        given: Vec<Json>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initializer: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    Done(u64),
    Gone(u64),
    Timer(u64, u64),
    Cancelled(u64),
    Left(String),
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

impl Talk {
    /// The next move is this.
    pub(crate) fn asks(&mut self, stage: &Stage<'_>, made: &Move) {
        let asked = asked(stage, made);
        let seen = Vec::new();
        self.0.push(Turn { asked, seen });
    }

    /// This was seen.
    pub(crate) fn sees(&mut self, stage: &Stage<'_>, observed: &Observed) {
        let seen = seen(stage, observed);
        if let Some(turn) = self.0.last_mut() {
            turn.seen.push(seen);
        }
    }

    /// The same with what chance has had a hand in put in order: what is seen between two moves, and the numbers
    /// of processes and threads.
    fn in_order(mut self) -> Talk {
        let mut numbers: [BTreeMap<i32, i32>; 2] = Default::default();
        let mut count = |which: usize, number: i32| {
            let next = i32::try_from(numbers[which].len()).unwrap_or(i32::MAX);
            *numbers[which].entry(number).or_insert(next)
        };
        for turn in &mut self.0 {
            // Timers are armed and cancelled in an order of their own.
            turn.seen.sort_by_key(|seen| match seen {
                Seen::Timer(..) | Seen::Cancelled(_) => (0, 0, String::new()),
                Seen::Began { key, .. } => (2, *key, String::new()),
                Seen::Gone(key) | Seen::Done(key) => (1, *key, String::new()),
                Seen::Ok(who, _) | Seen::Error(who, _) => (3, 0, who.clone()),
                Seen::Left(who) => (4, 0, who.clone()),
            });
            for seen in &mut turn.seen {
                if let Seen::Began { on, .. } = seen {
                    *on = (count(0, on.0), count(1, on.1));
                }
            }
        }
        self
    }
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

/// What is told of a machine says nothing on another: numbers of processes, and what went to stderr.
fn portable(text: &str) -> String {
    let text = text.split("\nstderr: ").next().unwrap_or_default();
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out += if digits.len() > 2 { "N" } else { &digits };
        digits.clear();
        out.push(c);
    }
    out.trim_end().to_owned()
}

/// A caller by name: a thread of the program by its own, a body by its number.
fn name(stage: &Stage<'_>, caller: Caller) -> String {
    match stage.who(caller) {
        Who::Main => "main".to_owned(),
        Who::Thread(name) => name,
        Who::Puppet(key) => key.to_string(),
    }
}

fn caller(stage: &Stage<'_>, by: &str) -> Result<Caller, String> {
    if let Ok(key) = by.parse() {
        return Ok(Caller::Body(key));
    }
    let mut callers = stage.callers();
    let found = callers.find(|caller| name(stage, *caller) == by);
    found.ok_or_else(|| format!("{by} is in no call"))
}

/// What a move asks, as the protocol has it; what is not given is left out.
fn asked(stage: &Stage<'_>, made: &Move) -> Json {
    let whole = in_full(stage, made);
    let text = whole.to_string();
    if text.len() <= LONGEST {
        return whole;
    }
    // By FNV-1a: it is only to be told from others.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    json!({ "long": format!("{hash:016x}"), "bytes": text.len() })
}

fn in_full(stage: &Stage<'_>, made: &Move) -> Json {
    match made {
        Move::Call { caller, command } => {
            let mut command = serde_json::to_value(command).unwrap_or_default();
            if let Json::Object(fields) = &mut command {
                fields.retain(|_, value| *value != Json::Null && *value != Json::Bool(false));
            }
            json!({ name(stage, *caller): command })
        }
        Move::Order { key, order, .. } => json!({ key.to_string(): order }),
        Move::Kill(key) => json!({ "kill": key }),
        Move::Fire(timer) => json!({ "fire": timer }),
        Move::Exit => json!("exit"),
        Move::Late(number) => json!({ "late": number }),
        Move::Stuck => json!("stuck"),
    }
}

fn seen(stage: &Stage<'_>, observed: &Observed) -> Seen {
    match observed {
        Observed::Returned(caller, Ok(value)) => Seen::Ok(name(stage, *caller), value.to_json()),
        Observed::Returned(caller, Err(raised)) => {
            Seen::Error(name(stage, *caller), raised.clone().into())
        }
        Observed::Began(Beginning {
            key,
            on,
            in_parent,
            args,
            given,
            initializer,
            name,
        }) => Seen::Began {
            key: *key,
            on: *on,
            in_parent: *in_parent,
            args: *args,
            given: given.iter().map(Value::to_json).collect(),
            initializer: *initializer,
            name: name.clone(),
        },
        Observed::Done(key) => Seen::Done(*key),
        Observed::Gone(key) => Seen::Gone(*key),
        Observed::Timer(timer, after) => Seen::Timer(*timer, after.0),
        Observed::Cancelled(timer) => Seen::Cancelled(*timer),
        Observed::Left(who) => Seen::Left(portable(who)),
    }
}

fn observed(stage: &Stage<'_>, seen: &Seen) -> Result<Observed, String> {
    Ok(match seen {
        Seen::Ok(by, value) => Observed::Returned(caller(stage, by)?, Ok(Value::from_json(value)?)),
        Seen::Error(by, error) => Observed::Returned(caller(stage, by)?, Err(error.clone().into())),
        Seen::Began {
            key,
            on,
            in_parent,
            args,
            given,
            initializer,
            name,
        } => Observed::Began(Beginning {
            key: *key,
            on: *on,
            in_parent: *in_parent,
            args: *args,
            given: given.first().map(Value::from_json).transpose()?,
            initializer: *initializer,
            name: name.clone(),
        }),
        Seen::Done(key) => Observed::Done(*key),
        Seen::Gone(key) => Observed::Gone(*key),
        Seen::Timer(timer, after) => Observed::Timer(*timer, Time(*after)),
        Seen::Cancelled(timer) => Observed::Cancelled(*timer),
        Seen::Left(who) => Observed::Left(who.clone()),
    })
}
