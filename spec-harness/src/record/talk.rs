//! The talk of a run: what was asked and what was seen, in the words of the protocol.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::Who;
use crate::interp::{Beginning, Caller, Move, Observed, Stage};
use crate::protocol::ErrorReply;

/// Bytes of a move that is kept as it is; of a longer one its length and a number that stands for it.
const LONGEST: usize = 4096;

/// Everything that was asked, each with what was seen before the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Talk(pub(super) Vec<Turn>);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    pub(super) asked: Json,
    pub(super) seen: Vec<Seen>,
}

/// As [`Observed`], in the words of the protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Seen {
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
    pub(super) fn in_order(mut self) -> Talk {
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

/// What is told of a machine says nothing on another: numbers of processes, and what went to stderr.
pub(super) fn portable(text: &str) -> String {
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
pub(super) fn asked(stage: &Stage<'_>, made: &Move) -> Json {
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

pub(super) fn observed(stage: &Stage<'_>, seen: &Seen) -> Result<Observed, String> {
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
