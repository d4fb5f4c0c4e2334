//! What the harness asks of an adapter.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Breach, WorkerKind, line, object, take_number};
use crate::case::call::Call;

/// One request of the harness.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Number that the reply carries.
    pub id: u64,
    /// The thread of the program that calls: `main`, another name (made at first use), or `clock`.
    pub by: String,
    /// What is to be done.
    pub command: Command,
}

/// What the harness asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "most are calls, and few are there at a time"
)]
pub enum Command {
    /// What is about the run.
    Control(Control),
    /// A call of a pool, a handle, an iterator or a process. Times are in seconds, keys are the numbers of puppets.
    Call(Call),
}

/// What the harness asks for beside the calls of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// First of all; the reply is a [`Hello`](super::Hello).
    Hello {
        /// Version that the harness speaks.
        protocol: u32,
        /// Where puppets connect.
        socket: String,
        /// The kind of worker wanted.
        kind: WorkerKind,
    },
    /// The operating system's number of a bare process.
    Pid {
        /// The process.
        process: String,
    },
    /// Lets go of a handle that no variable of the program keeps.
    DropHandle {
        /// The handle.
        handle: String,
    },
    /// The time of a timer has come.
    Fire {
        /// The number that the adapter gave it.
        timer: u64,
    },
    /// Main returns: the program ends as its language ends it. No reply is needed.
    Exit {},
}

impl Control {
    /// Their names on the wire.
    pub const NAMES: [&str; 5] = ["hello", "pid", "drop_handle", "fire", "exit"];
}

impl From<Call> for Command {
    fn from(call: Call) -> Command {
        Command::Call(call)
    }
}

impl From<Control> for Command {
    fn from(control: Control) -> Command {
        Command::Control(control)
    }
}

impl Command {
    /// The name it has on the wire, which is also the ability (`can`) it needs.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Call(call) => call.name(),
            Command::Control(Control::Hello { .. }) => "hello",
            Command::Control(Control::Pid { .. }) => "pid",
            Command::Control(Control::DropHandle { .. }) => "drop_handle",
            Command::Control(Control::Fire { .. }) => "fire",
            Command::Control(Control::Exit {}) => "exit",
        }
    }

    fn parse(object: Value) -> Result<Command, serde_json::Error> {
        let is_control = |name: &str| Control::NAMES.contains(&name);
        match object["cmd"].as_str().is_some_and(is_control) {
            true => serde_json::from_value(object).map(Command::Control),
            false => serde_json::from_value(object).map(Command::Call),
        }
    }
}

impl Request {
    /// The request as a line, its newline included.
    pub fn to_line(&self) -> String {
        let mut object = match serde_json::to_value(&self.command) {
            Ok(Value::Object(object)) => object,
            // A command holds numbers, texts and lists of them: it is always an object.
            _ => serde_json::Map::new(),
        };
        object.insert("id".into(), self.id.into());
        object.insert("by".into(), self.by.as_str().into());
        line(&Value::Object(object))
    }

    /// Reads a request.
    ///
    /// # Errors
    /// A [`Breach`] when the line is not a request of this protocol.
    ///
    /// # Examples
    /// ```
    /// use spec_harness::protocol::{Command, Request};
    ///
    /// let line = r#"{"id":4,"by":"main","cmd":"get","handle":"h0","timeout":0.5}"#;
    /// let request = Request::parse(line)?;
    /// assert_eq!(request.command.name(), "get");
    /// assert_eq!(Request::parse(&request.to_line())?, request);
    /// # Ok::<(), spec_harness::protocol::Breach>(())
    /// ```
    pub fn parse(text: &str) -> Result<Request, Breach> {
        let mut object = object(text)?;
        let id = take_number(&mut object, "id", text)?;
        let by = match object.remove("by") {
            Some(Value::String(by)) => by,
            _ => return Err(Breach::new("the request has no `by`", text)),
        };
        let command =
            Command::parse(Value::Object(object)).map_err(|e| Breach::new(e.to_string(), text))?;
        Ok(Request { id, by, command })
    }
}
