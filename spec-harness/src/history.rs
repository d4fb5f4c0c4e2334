//! What happened in one run: every event with its virtual instant, and nothing about why.

use std::fmt;

use crate::case::ast::{Fate, Span, Time};
use crate::case::expr::Value;
use crate::case::language;
use crate::protocol::{Call, ErrorReply};

/// Number of a task in a run: main's submissions counted from 0, a callback included.
pub type Key = u64;

/// A worker as first seen: `w0`, `w1`, in order of first appearance.
pub type WorkerId = usize;

/// Threads of the parent that run callbacks are counted apart from the workers that run tasks, from here on.
/// A callback whose worker is below was not run in the parent.
pub const FIRST_PARENT_THREAD: WorkerId = 1 << 32;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// The main program.
    Main,
    /// A second thread of it, by its name in the case.
    Thread(String),
    /// A task or a callback.
    Puppet(Key),
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, in virtual time.
    pub at: Time,
    /// To whom.
    pub who: Who,
    /// What.
    pub what: What,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a run has few events, and many are calls"
)]
pub enum What {
    /// A line was printed.
    Print(String),
    /// A step's call to the implementation began; `text` shows it (`apply_async func(3)`).
    Call {
        /// The step.
        span: Span,
        /// The call, for people.
        text: String,
        /// The call, as the implementation got it.
        command: Call,
    },
    /// The call returned: with a value, or with a named error.
    Return {
        /// The step.
        span: Span,
        /// What came back.
        result: Result<Value, Raised>,
    },
    /// The call had not returned when everything else had stopped: it never will.
    Blocked {
        /// The step.
        span: Span,
    },
    /// A step's `check` was false, or its `takes`/`raises`/`blocks` did not hold: the message says which.
    Unmet {
        /// The step.
        span: Span,
        /// Expected and seen, for people.
        text: String,
    },
    /// The worker that ran this task was sent SIGKILL by the program.
    KillsWorker {
        /// The task.
        of: Key,
    },
    /// A task was handed to a pool (logged for each item of a map, in order).
    Submit {
        /// The task.
        key: Key,
    },
    /// The body began, on this worker.
    Begin {
        /// Who runs it.
        worker: WorkerId,
    },
    /// The body ended.
    End {
        /// How.
        fate: Fate,
    },
    /// The kernel still knows workers of a pool of which a call to join has just returned: which.
    Left(String),
    /// The process of the main program ended with this code, or by this signal (negative).
    Exit {
        /// As `waitpid` tells it.
        code: i32,
    },
}

/// An error by name, as main saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    /// `ValueError`, `NotRunning`, `TimedOut`...
    pub kind: String,
    /// Its message.
    pub text: String,
}

impl Raised {
    /// Whether a pool itself raises it: its text is each pool's own, and means nothing in a case.
    pub fn is_the_pools_own(&self) -> bool {
        language::all(language::ERRORS).any(|known| known == self.kind)
    }

    /// The error as a callback is given it: its message, or its name where the message is the pool's own. A panic's
    /// message is the task's.
    pub fn shown(&self) -> &str {
        if self.is_the_pools_own() && self.kind != "Panicked" {
            &self.kind
        } else {
            &self.text
        }
    }
}

impl From<ErrorReply> for Raised {
    fn from(error: ErrorReply) -> Raised {
        let ErrorReply { kind, text } = error;
        Raised { kind, text }
    }
}

impl From<Raised> for ErrorReply {
    fn from(raised: Raised) -> ErrorReply {
        let Raised { kind, text } = raised;
        ErrorReply { kind, text }
    }
}

impl fmt::Display for Raised {
    /// As a traceback's last line: `ValueError: bad`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.as_str() {
            "" => f.write_str(&self.kind),
            text => write!(f, "{}: {text}", self.kind),
        }
    }
}

/// What a task was, for judging and for pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskInfo {
    /// Its number.
    pub key: Key,
    /// Its function's name.
    pub task: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// The pool it was handed to (`None`: a bare Process).
    pub pool: Option<String>,
    /// The job (one per submission) it belongs to.
    pub job: u64,
    /// Its chunk within the job; `None` where only the pool knows, because its size is the default one.
    pub chunk: Option<u64>,
    /// True for a callback.
    pub callback: bool,
    /// True for what a worker runs before its first task: nobody has handed it to the pool.
    pub initializer: bool,
    /// How it ended; a task that never began is `Never`.
    pub fate: Fate,
    /// What it was told to return, if it came to that.
    pub value: Option<Value>,
}

impl fmt::Display for TaskInfo {
    /// As people call it: `func(3, 'a')`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<String> = self.args.iter().map(Value::repr).collect();
        write!(f, "{}({})", self.task, args.join(", "))
    }
}

/// What a pool was asked to be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PoolInfo {
    /// Its name in the case.
    pub name: String,
    /// Its size as asked for; `None` is the default size.
    pub size: Option<u64>,
    /// Tasks that may wait for a worker; `None` is no bound.
    pub queue: Option<u64>,
}

/// How a run as a whole came to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The program ended and nothing of it is left.
    Finished,
    /// Everything was asleep with main still in a call: who waits for what.
    Deadlock(String),
    /// The adapter died, hung, broke the protocol or could not be started: why.
    Broken(String),
    /// Processes were left behind (and have been killed): which.
    Leaked(String),
    /// The machine gave no clear picture: why. Never a pass.
    Unknown(String),
}

/// The code of a process of which nobody can say how it ended: somebody else has waited for it.
pub(crate) const NOT_KNOWN: i32 = i32::MIN;

/// How a process ended, in words: its exit code, or the signal (negative).
pub(crate) fn ended(code: i32) -> String {
    match code {
        0.. => format!("with exit code {code}"),
        NOT_KNOWN => "in a way that somebody else was told".to_owned(),
        _ => match nix::sys::signal::Signal::try_from(-code) {
            Ok(signal) => format!("by {signal}"),
            Err(_) => format!("by signal {}", -code),
        },
    }
}

/// One run of one case on one implementation.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// All events, in the order in which they happened.
    pub events: Vec<Event>,
    /// Every task and callback, by key.
    pub tasks: Vec<TaskInfo>,
    /// Every pool.
    pub pools: Vec<PoolInfo>,
    /// How it ended.
    pub ending: Ending,
}
