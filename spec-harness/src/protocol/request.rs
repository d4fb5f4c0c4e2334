//! What the harness asks of an adapter.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Breach, WorkerKind, line, object, take_number};

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

/// What the harness asks for. Times are in seconds, keys are the numbers of puppets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// First of all; the reply is a [`Hello`](super::Hello).
    Hello {
        /// Version that the harness speaks.
        protocol: u32,
        /// Where puppets connect.
        socket: String,
        /// The kind of worker wanted.
        kind: WorkerKind,
    },
    /// Makes a pool.
    Pool {
        /// Its name from now on.
        pool: String,
        /// Number of workers; `None` is the default size.
        size: Option<u64>,
        /// Tasks (chunks) after which a worker leaves and is replaced; `None` is no bound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maxtasksperchild: Option<u64>,
        /// The number of what each worker runs before its first task; initializers are counted by themselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initializer: Option<u64>,
        /// Tasks (chunks) that may wait for a worker; `None` is no bound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue: Option<u64>,
    },
    /// Runs one puppet and waits for its value.
    Apply {
        /// The pool.
        pool: String,
        /// The puppet.
        key: u64,
    },
    /// Submits one puppet.
    ApplyAsync {
        /// The pool.
        pool: String,
        /// The puppet.
        key: u64,
        /// Name of the handle from now on.
        handle: String,
        /// The puppet that is the callback.
        callback: Option<u64>,
        /// The puppet that is the error callback.
        error_callback: Option<u64>,
        /// How long to wait for a place in the queue; `None` is until there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<f64>,
    },
    /// Runs one puppet per key and waits for the list of values.
    Map(Map),
    /// As `map`; each item is a tuple of two, the key first, and is unpacked.
    Starmap(Map),
    /// Submits one puppet per key as one job.
    MapAsync(MapAsync),
    /// As `map_async`; each item is a tuple of two, the key first, and is unpacked.
    StarmapAsync(MapAsync),
    /// Runs one puppet per key; results are taken one by one, in the order of the input. The input is read as
    /// they are taken.
    Imap(Imap),
    /// As `imap`; results are taken in the order of completion.
    ImapUnordered(Imap),
    /// The next value of an iterator, waited for; the error of an item that failed; `StopIteration` at the end.
    Next {
        /// The iterator.
        iterator: String,
        /// The longest wait.
        timeout: Option<f64>,
    },
    /// The handle's value, waited for.
    Get {
        /// The handle.
        handle: String,
        /// The longest wait.
        timeout: Option<f64>,
    },
    /// Waits until the handle is ready; never fails.
    Wait {
        /// The handle.
        handle: String,
        /// The longest wait.
        timeout: Option<f64>,
    },
    /// Whether the handle's job is finished.
    Ready {
        /// The handle.
        handle: String,
    },
    /// Whether the handle's job ended with a value.
    Successful {
        /// The handle.
        handle: String,
    },
    /// Refuses further work.
    Close {
        /// The pool.
        pool: String,
    },
    /// Lets go of a handle that no variable of the program keeps.
    DropHandle {
        /// The handle.
        handle: String,
    },
    /// Stops the pool.
    Terminate {
        /// The pool.
        pool: String,
    },
    /// Waits until the pool's workers have gone.
    Join {
        /// The pool.
        pool: String,
        /// The longest wait.
        timeout: Option<f64>,
    },
    /// Lets go of the pool.
    Drop {
        /// The pool.
        pool: String,
    },
    /// Makes a bare process (or its thread twin) that will run one puppet.
    Process {
        /// Its name from now on.
        process: String,
        /// The puppet.
        key: u64,
        /// Whether it ends with the program instead of being waited for.
        daemon: bool,
    },
    /// Starts a bare process.
    Start {
        /// The process.
        process: String,
    },
    /// Waits until a bare process has ended.
    JoinProcess {
        /// The process.
        process: String,
        /// The longest wait.
        timeout: Option<f64>,
    },
    /// Whether a bare process runs.
    IsAlive {
        /// The process.
        process: String,
    },
    /// The exit code of a bare process: null, the code, or the negative signal.
    Exitcode {
        /// The process.
        process: String,
    },
    /// The operating system's number of a bare process.
    Pid {
        /// The process.
        process: String,
    },
    /// SIGKILL to a bare process.
    Kill {
        /// The process.
        process: String,
    },
    /// SIGTERM to a bare process.
    TerminateProcess {
        /// The process.
        process: String,
    },
    /// The time of a timer has come.
    Fire {
        /// The number that the adapter gave it.
        timer: u64,
    },
    /// Main returns: the program ends as its language ends it. No reply is needed.
    Exit {},
}

/// What `map` and `starmap` are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// The pool.
    pub pool: String,
    /// The items, in order.
    pub keys: Vec<u64>,
    /// Items per chunk; `None` is the pool's own choice.
    pub chunksize: Option<u64>,
}

/// What `map_async` and `starmap_async` are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapAsync {
    /// The pool.
    pub pool: String,
    /// The items, in order.
    pub keys: Vec<u64>,
    /// Items per chunk; `None` is the pool's own choice.
    pub chunksize: Option<u64>,
    /// Name of the handle from now on.
    pub handle: String,
    /// The puppet that is the callback.
    pub callback: Option<u64>,
    /// The puppet that is the error callback.
    pub error_callback: Option<u64>,
    /// How long to wait for a place in the queue, in seconds; `None` is until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
}

/// What `imap` and `imap_unordered` are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imap {
    /// The pool.
    pub pool: String,
    /// The items, in order.
    pub keys: Vec<u64>,
    /// Items per chunk; `None` is the pool's own choice.
    pub chunksize: Option<u64>,
    /// Chunks that may be in the pool, or done and not yet taken; `None` is the pool's own choice. A pool that has no
    /// such bound ignores it.
    pub read_ahead: Option<u64>,
    /// The input does not end with the keys: who reads further waits for ever.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub endless: bool,
    /// Name of the iterator from now on.
    pub iterator: String,
}

impl Command {
    /// The name it has on the wire, which is also the ability (`can`) it needs.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Hello { .. } => "hello",
            Command::Pool { .. } => "pool",
            Command::Apply { .. } => "apply",
            Command::ApplyAsync { .. } => "apply_async",
            Command::Map { .. } => "map",
            Command::Starmap { .. } => "starmap",
            Command::MapAsync { .. } => "map_async",
            Command::StarmapAsync { .. } => "starmap_async",
            Command::Imap { .. } => "imap",
            Command::ImapUnordered { .. } => "imap_unordered",
            Command::Next { .. } => "next",
            Command::Get { .. } => "get",
            Command::Wait { .. } => "wait",
            Command::Ready { .. } => "ready",
            Command::Successful { .. } => "successful",
            Command::DropHandle { .. } => "drop_handle",
            Command::Close { .. } => "close",
            Command::Terminate { .. } => "terminate",
            Command::Join { .. } => "join",
            Command::Drop { .. } => "drop",
            Command::Process { .. } => "process",
            Command::Start { .. } => "start",
            Command::JoinProcess { .. } => "join_process",
            Command::IsAlive { .. } => "is_alive",
            Command::Exitcode { .. } => "exitcode",
            Command::Pid { .. } => "pid",
            Command::Kill { .. } => "kill",
            Command::TerminateProcess { .. } => "terminate_process",
            Command::Fire { .. } => "fire",
            Command::Exit {} => "exit",
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
        let command = serde_json::from_value(Value::Object(object))
            .map_err(|e| Breach::new(e.to_string(), text))?;
        Ok(Request { id, by, command })
    }
}
