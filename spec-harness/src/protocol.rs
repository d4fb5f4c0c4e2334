//! The adapter protocol `spec/1`: what harness, adapter and puppets say to each other, one JSON object per line.
//!
//! ```text
//! harness ── stdin ──▶ adapter     {"id":1,"by":"main","cmd":"apply_async","pool":"p0","key":7,"handle":"h0"}
//! harness ◀─ stdout ── adapter     {"id":1,"ok":null}   {"id":2,"error":{"kind":"NotRunning","text":".."}}
//!                                  {"timer":3,"after":0.5}   {"cancel":3}
//! harness ◀─ socket ── puppet      {"begin":7,"pid":4711,"tid":4712,"name":"worker-0","args":1}
//! harness ── socket ─▶ puppet      {"return":49}   {"raise":{"kind":"ValueError","text":"bad"}}
//! ```
//!
//! A reply is sent when the call *returns*: that is how the harness sees what blocks. Replies carry the id of
//! their request and come in any order. A body that runs in the pool under test (a task, or a callback in the
//! parent) is a *puppet*: it opens a connection of its own to the harness's socket, says that it began, and
//! does what its orders say; the last order ends the connection.
//!
//! Reading is strict on both sides: an unknown command, a missing or an unknown field, a line that is too long
//! or is no JSON object is an error that names the thing.

mod lines;
mod request;
mod submission;

pub use crate::case::call::{Call, ImapOptions, Limits, MapAsyncOptions, MapOptions, PoolOptions};
#[cfg(feature = "suite")]
pub use crate::case::language::{abilities, errors};
#[cfg(feature = "suite")]
use crate::case::suggest::did_you_mean;
pub use lines::{LineBuffer, LineError, MAX_LINE, read_line};
pub use request::{Command, Control, Request};
pub use submission::{Job, Later, Stream, Tasks};

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the protocol that this program speaks.
pub const VERSION: u32 = 1;

/// Environment variable that tells adapter, workers and puppets where the harness's socket is.
pub const SOCKET_VARIABLE: &str = "SPEC_SOCKET";

/// Environment variable that is unique for each run; whatever carries it belongs to that run.
pub const RUN_VARIABLE: &str = "SPEC_RUN";

/// Environment variable that is there where tasks or callbacks of the case call pools: main then does not hold them alone.
pub const SHARED_VARIABLE: &str = "SPEC_SHARED";

/// What a peer sent and could not be understood.
#[derive(Debug, thiserror::Error)]
#[error("{reason}{}{line}", if line.is_empty() { "" } else { ": " })]
pub struct Breach {
    /// What is wrong with it.
    pub reason: String,
    /// The line, shortened.
    pub line: String,
}

impl Breach {
    fn new(reason: impl Into<String>, line: &str) -> Breach {
        const SHOWN: usize = 200;
        let mut shown: String = line.chars().take(SHOWN).collect();
        if shown.len() < line.len() {
            shown.push_str("...");
        }
        Breach {
            reason: reason.into(),
            line: shown,
        }
    }
}

/// The kind of worker that an adapter is asked to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerKind {
    /// Threads of the adapter.
    Thread,
    /// Processes of their own.
    Process,
}

impl WorkerKind {
    /// What only bodies on workers of this kind can do: a task that runs in a process of its own does not reach the
    /// pool; on a thread, it would end the program.
    pub(crate) fn alone_can(self) -> &'static [&'static str] {
        match self {
            WorkerKind::Thread => &["call_from_task", "cancelled"],
            WorkerKind::Process => &[
                "return_unsendable",
                "raise_unsendable",
                "exit_self",
                "kill_self",
                "stop_self",
                "ignore_sigterm",
                "close_fds",
            ],
        }
    }
}

impl From<crate::case::ast::Kind> for WorkerKind {
    fn from(kind: crate::case::ast::Kind) -> WorkerKind {
        match kind {
            crate::case::ast::Kind::Thread => WorkerKind::Thread,
            crate::case::ast::Kind::Process => WorkerKind::Process,
        }
    }
}

impl fmt::Display for WorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WorkerKind::Thread => "thread",
            WorkerKind::Process => "process",
        })
    }
}

/// The text of the error `Encode`: what else an implementation says of it is its own.
pub const CANNOT_TRAVEL: &str = "the outcome cannot travel to the program";

/// An error by its portable name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorReply {
    /// `NotRunning`, `TimedOut`, or the name that a task raised.
    pub kind: String,
    /// For people.
    pub text: String,
}

/// One line of an adapter.
#[derive(Debug, Clone, PartialEq)]
pub enum FromAdapter {
    /// A call returned.
    Reply {
        /// Of this request.
        id: u64,
        /// With a value or an error.
        result: Result<Value, ErrorReply>,
    },
    /// A timer was armed.
    Timer {
        /// Its number, never used twice.
        timer: u64,
        /// Seconds from now.
        after: f64,
    },
    /// A timer is no longer wanted.
    Cancel {
        /// Its number.
        timer: u64,
    },
}

impl FromAdapter {
    /// The message as a line, its newline included.
    pub fn to_line(&self) -> String {
        line(&match self {
            FromAdapter::Reply {
                id,
                result: Ok(value),
            } => serde_json::json!({"id": id, "ok": value}),
            FromAdapter::Reply {
                id,
                result: Err(error),
            } => serde_json::json!({"id": id, "error": error}),
            FromAdapter::Timer { timer, after } => {
                serde_json::json!({"timer": timer, "after": after})
            }
            FromAdapter::Cancel { timer } => serde_json::json!({"cancel": timer}),
        })
    }

    /// Reads a line of an adapter.
    ///
    /// # Errors
    /// A [`Breach`] when it is none of the messages above.
    pub fn parse(text: &str) -> Result<FromAdapter, Breach> {
        let mut object = object(text)?;
        let message = if object.contains_key("timer") {
            let timer = take_number(&mut object, "timer", text)?;
            let after = object
                .remove("after")
                .and_then(|v| v.as_f64())
                .filter(|after| after.is_finite() && *after >= 0.0);
            let after =
                after.ok_or_else(|| Breach::new("a timer has no `after` in seconds", text))?;
            FromAdapter::Timer { timer, after }
        } else if object.contains_key("cancel") {
            FromAdapter::Cancel {
                timer: take_number(&mut object, "cancel", text)?,
            }
        } else {
            let id = take_number(&mut object, "id", text)?;
            let result = take_result(&mut object, text)?;
            FromAdapter::Reply { id, result }
        };
        refuse_rest(&object, text)?;
        Ok(message)
    }
}

/// An adapter's answer to `hello`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The implementation's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The kinds of worker that it has.
    pub kinds: Vec<WorkerKind>,
    /// What it can do, in the words of the abilities of `PROTOCOL.md`.
    pub can: Vec<String>,
    /// Rows of the contract that it does not follow, each with the reason.
    #[serde(default)]
    pub declines: BTreeMap<String, String>,
    /// The period at which it polls (`50ms`), where it waits that way.
    #[serde(default)]
    pub polls: Option<String>,
}

impl Hello {
    /// Says which word of `can` is no ability, where there is one: a case that needs what was meant would be taken to be not applicable.
    ///
    /// # Errors
    /// The word, and what may be meant.
    #[cfg(feature = "suite")]
    pub fn check_abilities(&self) -> Result<(), String> {
        let names = || abilities().map(|(name, _)| name);
        let known =
            |word: &str| names().any(|name| name == word) || ["exit", "fire"].contains(&word);
        let Some(word) = self.can.iter().find(|word| !known(word)) else {
            return Ok(());
        };
        let help = did_you_mean(word, names()).map_or(String::new(), |help| format!("; {help}"));
        Err(format!("`can` has `{word}`, which is no ability{help}"))
    }

    /// The period at which it polls, if it says one.
    ///
    /// # Errors
    /// The text, when it is not a whole number of `ms` or `s`.
    pub fn polling_period(&self) -> Result<Option<Duration>, String> {
        let Some(text) = self.polls.as_deref() else {
            return Ok(None);
        };
        let parsed = match text.strip_suffix("ms") {
            Some(number) => number.trim().parse().ok().map(Duration::from_millis),
            None => text
                .strip_suffix('s')
                .and_then(|n| n.trim().parse().ok())
                .map(Duration::from_secs),
        };
        parsed
            .map(Some)
            .ok_or_else(|| format!("`polls` is not a time such as \"50ms\": {text:?}"))
    }
}

/// The first line of a puppet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// Which puppet.
    pub begin: u64,
    /// The process it runs in.
    pub pid: i32,
    /// The thread it runs on.
    pub tid: i32,
    /// The worker's own name for itself.
    #[serde(default)]
    pub name: String,
    /// Number of arguments that the function was called with.
    #[serde(default = "one")]
    pub args: u32,
    /// True for a callback.
    #[serde(default)]
    pub callback: bool,
    /// True for a pool's initializer, of which `begin` is the number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub initializer: bool,
    /// The value that a callback was called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The error that an error callback was called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReply>,
}

fn one() -> u32 {
    1
}

/// What a puppet is to do next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "most are calls, and few are there at a time"
)]
pub enum Order {
    /// Return this value; the body ends.
    Return(Value),
    /// Raise this error; the body ends.
    Raise(ErrorReply),
    /// Return a value that cannot travel to the program; the body ends, and its task has the error `Encode`.
    ReturnUnsendable(bool),
    /// Raise an error that cannot travel to the program; the body ends, and its task has the error `Encode`.
    RaiseUnsendable(bool),
    /// Panic with this text; the body ends.
    Panic(String),
    /// Leave the process with this code.
    Exit(i32),
    /// Send this signal (`KILL`, `STOP`, `SEGV`...) to the own process. `STOP` leaves the connection open; a body
    /// that goes on after it returns null.
    Signal(String),
    /// Have the own process ignore SIGTERM from now on, say [`Done`], read the next order.
    IgnoreSigterm(bool),
    /// Close every file descriptor, this connection included, then return null.
    CloseFds(bool),
    /// Start a child that outlives the task, say [`Done`], read the next order.
    SpawnChild(bool),
    /// Allocate and touch this many MiB, say [`Done`], read the next order.
    Allocate(u64),
    /// Make this call on the own thread, say what it returned as `{"ok":..}` or `{"error":..}`, read the next
    /// order.
    Call(Call),
}

/// A puppet's answer to an order after which it reads another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// Always true.
    pub done: bool,
}

/// One line of a puppet.
#[derive(Debug, Clone, PartialEq)]
pub enum FromPuppet {
    /// It began.
    Begin(Begin),
    /// It did what it was told and reads the next order.
    Done,
    /// The call that it was told to make has returned.
    Returned(Result<Value, ErrorReply>),
}

impl FromPuppet {
    /// Reads a line of a puppet.
    ///
    /// # Errors
    /// A [`Breach`] when it is none of the messages above.
    pub fn parse(text: &str) -> Result<FromPuppet, Breach> {
        let mut fields = object(text)?;
        if !fields.contains_key("begin") && !fields.contains_key("done") {
            let result = take_result(&mut fields, text)?;
            refuse_rest(&fields, text)?;
            return Ok(FromPuppet::Returned(result));
        }
        let object = Value::Object(fields);
        let breach = |e: serde_json::Error| Breach::new(e.to_string(), text);
        if object.get("done").is_some() {
            return serde_json::from_value::<Done>(object)
                .map(|_| FromPuppet::Done)
                .map_err(breach);
        }
        let mut begin: Begin = serde_json::from_value(object.clone()).map_err(breach)?;
        // A callback may get a null: that is a value, not the absence of one.
        if begin.value.is_none() && object.get("value").is_some() {
            begin.value = Some(Value::Null);
        }
        Ok(FromPuppet::Begin(begin))
    }
}

/// A message as one line, its newline included.
///
/// Fails only for what JSON cannot say, which no message of this module holds; the peer then sees an empty line.
pub fn line(message: &impl Serialize) -> String {
    let mut text = serde_json::to_string(message).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads one order.
///
/// # Errors
/// A [`Breach`] when the line is no order.
pub fn parse_order(text: &str) -> Result<Order, Breach> {
    serde_json::from_str(text).map_err(|e| Breach::new(e.to_string(), text))
}

fn object(text: &str) -> Result<serde_json::Map<String, Value>, Breach> {
    if text.trim().is_empty() {
        let reason = "the line is empty; there is nothing but messages, one on each line";
        return Err(Breach::new(reason, ""));
    }
    if text.ends_with('\r') {
        let reason = "the line ends with CR LF; it has to end with LF alone";
        return Err(Breach::new(reason, text.trim_end()));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Breach::new("the line is not a JSON object", text)),
        Err(_) => Err(Breach::new("the line is not JSON", text)),
    }
}

fn take_number(
    object: &mut serde_json::Map<String, Value>,
    key: &str,
    text: &str,
) -> Result<u64, Breach> {
    let number = object.remove(key).as_ref().and_then(Value::as_u64);
    number.ok_or_else(|| Breach::new(format!("the message has no number `{key}`"), text))
}

fn take_result(
    object: &mut serde_json::Map<String, Value>,
    text: &str,
) -> Result<Result<Value, ErrorReply>, Breach> {
    match (object.remove("ok"), object.remove("error")) {
        (Some(value), None) => Ok(Ok(value)),
        (None, Some(error)) => match serde_json::from_value(error) {
            Ok(error) => Ok(Err(error)),
            Err(e) => Err(Breach::new(e.to_string(), text)),
        },
        _ => Err(Breach::new("a reply has either `ok` or `error`", text)),
    }
}

fn refuse_rest(object: &serde_json::Map<String, Value>, text: &str) -> Result<(), Breach> {
    match object.keys().next() {
        Some(key) => Err(Breach::new(
            format!("the message has an unknown field `{key}`"),
            text,
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
