//! What a case file says, with the place of each thing that an error may have to name.

use std::fmt;

use super::expr::{Expr, Template};

/// A stretch of a case file: byte offsets into its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A value and where it stands in the case file.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

/// Virtual time since main began, in microseconds; a case's unit (`sleep: 1`) is one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// A time given in units (seconds), if it is a finite, non-negative number that fits.
    pub fn from_units(units: f64) -> Option<Time> {
        let micros = (units * 1e6).round();
        (micros >= 0.0 && micros < u64::MAX as f64).then_some(Time(micros as u64))
    }
}

impl std::ops::Add for Time {
    type Output = Time;
    fn add(self, rhs: Time) -> Time {
        Time(self.0.saturating_add(rhs.0))
    }
}

impl fmt::Display for Time {
    /// The shortest decimal number of units: `0`, `1`, `1.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{rest:06}").trim_end_matches('0'))
    }
}

/// One case file: a program that uses pools, and what must be seen when it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Topic and file name without its ending: `close/join-waits`.
    pub name: String,
    /// One line that says what the case shows.
    pub title: String,
    /// The document and example it is taken from, as `004#S004-1`; `None` for a case of our own.
    pub source: Option<Spanned<String>>,
    /// Rows of the contract that it shows.
    pub covers: Vec<Spanned<String>>,
    /// Free words to select by.
    pub tags: Vec<String>,
    /// Abilities the implementation must have beyond those its steps imply.
    pub needs: Vec<Spanned<String>>,
    /// The one kind of worker the case is for, when it is not for both.
    pub only: Option<Spanned<Kind>>,
    /// The task functions, in the file's order.
    pub tasks: Vec<TaskDef>,
    /// The main program.
    pub main: Vec<Step>,
    /// What must be seen.
    pub expect: Expect,
    /// What must be seen instead on one kind of worker, by its nature; replaces the parts it names.
    pub on: Vec<(Spanned<Kind>, Expect)>,
}

/// The kind of worker a pool has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Workers are threads of the program.
    Thread,
    /// Workers are processes.
    Process,
}

impl fmt::Display for Kind {
    /// As case files write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Thread => "thread",
            Kind::Process => "process",
        })
    }
}

/// A task function: its name, parameters and body.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDef {
    /// As it is called in steps.
    pub name: Spanned<String>,
    /// Names of its parameters.
    pub params: Vec<String>,
    /// What it does, in order.
    pub body: Vec<Op>,
}

/// One operation of a task's (or callback's) body.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    /// Where it stands.
    pub span: Span,
    /// What it does.
    pub what: OpKind,
}

/// The operations of a body.
#[derive(Debug, Clone, PartialEq)]
pub enum OpKind {
    /// Appends a line to the transcript.
    Print(Template),
    /// Waits in virtual time; `work` is the same for a busy CPU.
    Sleep(Expr),
    /// Ends the task with a value; without it a task returns `None`.
    Return(Expr),
    /// Returns a value that cannot travel to the program.
    ReturnUnsendable,
    /// Fails politely with an error that cannot travel to the program.
    RaiseUnsendable,
    /// Fails politely: Python's raised exception, `Err` through the `try_` forms.
    Raise {
        /// Name of the exception: `ValueError`.
        kind: String,
        /// Its message.
        text: Template,
    },
    /// Panics with a message (CPython's adapter raises).
    Panic(Template),
    /// Binds a local variable.
    Set(String, Expr),
    /// Runs one of two lists of operations.
    If(Expr, Vec<Op>, Vec<Op>),
    /// Leaves the worker by `exit(n)`.
    Exit(Expr),
    /// Kills the worker with SIGKILL.
    KillSelf,
    /// Stops the worker with SIGSTOP: it rests until somebody ends it.
    StopSelf,
    /// Has the worker ignore SIGTERM from now on.
    IgnoreSigterm,
    /// Closes every file descriptor of the worker.
    CloseFds,
    /// Starts a child process that sleeps and outlives the task.
    SpawnChild,
    /// Allocates and touches this many MiB.
    Allocate(Expr),
    /// Makes a call from inside the body, as main does in a step: `call: {apply_async: func(1), as: r}`. Without a
    /// pool's name it means the body's own pool; main's variables stand behind the body's own.
    Call(Box<Step>),
}

/// One step of the main program.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it stands.
    pub span: Span,
    /// The thread that does it (`in: t1`); `None` is main. A thread lives from its first step on and
    /// does its steps in order; main goes on at once.
    pub thread: Option<String>,
    /// Virtual time the step must take; zero says "does not block".
    pub takes: Option<Spanned<Time>>,
    /// Name of the error it must end with (`ValueError`, `NotRunning`, `TimedOut`).
    pub raises: Option<Spanned<String>>,
    /// True where the step must never return (`blocks: forever`).
    pub blocks: bool,
    /// The variable that gets its result (`as: r`).
    pub bind: Option<String>,
    /// The list variable that its result is appended to (`into: results`), made when absent.
    pub into: Option<String>,
    /// What it does.
    pub action: Action,
}

/// A call of a task function in a step: `func(i, 2)`.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskCall {
    /// The task's name.
    pub task: Spanned<String>,
    /// Arguments.
    pub args: Vec<Expr>,
}

/// What is done with many items: `map: func` with `over: range(6)`.
#[derive(Debug, Clone, PartialEq)]
pub struct MapCall {
    /// The task's name.
    pub task: Spanned<String>,
    /// The items: an expression whose value is a list (of tuples for `starmap`).
    pub over: Expr,
    /// Items per chunk; `None` is the pool's own choice.
    pub chunksize: Option<Expr>,
}

/// The task functions that run in the parent when a job is done; each takes one parameter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Callbacks {
    /// Gets the value.
    pub ok: Option<Spanned<String>>,
    /// Gets the error.
    pub error: Option<Spanned<String>>,
}

/// What a step does. A pool is named by `on:`; without it the last one made is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Makes a pool: `pool: 2`, `pool: { size: 2, name: p }`; no size is the default size.
    Pool {
        /// Its name (`pool` unless given).
        name: String,
        /// Number of workers.
        size: Option<Expr>,
        /// Tasks after which a worker leaves and is replaced; `None` is no bound.
        maxtasksperchild: Option<Expr>,
        /// What each worker runs before its first task.
        initializer: Option<TaskCall>,
        /// Tasks that may wait for a worker; `None` is no bound.
        queue: Option<Expr>,
    },
    /// `apply`: the call's value is the step's result.
    Apply(Option<Spanned<String>>, TaskCall),
    /// `apply_async`, with an optional timeout in units for a place in the queue: the step's result is a handle.
    ApplyAsync(Option<Spanned<String>>, TaskCall, Callbacks, Option<Expr>),
    /// `map`, or `starmap` where `star` is true.
    Map {
        /// The pool.
        pool: Option<Spanned<String>>,
        /// The work.
        call: MapCall,
        /// Unpacks each item's tuple.
        star: bool,
    },
    /// `map_async`, or `starmap_async` where `star` is true; the step's result is a handle.
    MapAsync {
        /// The pool.
        pool: Option<Spanned<String>>,
        /// The work.
        call: MapCall,
        /// Unpacks each item's tuple.
        star: bool,
        /// Callbacks of the whole job.
        callbacks: Callbacks,
        /// How long it waits for a place in the queue.
        timeout: Option<Expr>,
    },
    /// `imap`, or `imap_unordered` where `unordered` is true; the step's result is an iterator.
    Imap {
        /// The pool.
        pool: Option<Spanned<String>>,
        /// The work.
        call: MapCall,
        /// Chunks that may be in the pool, or done and not yet taken; `None` is the pool's own choice.
        read_ahead: Option<Expr>,
        /// Results come in the order of completion.
        unordered: bool,
        /// The input does not end with the items: who reads further waits for ever.
        endless: bool,
    },
    /// `next` of an iterator, with an optional timeout in units: the step's result is the next value.
    Next(Expr, Option<Expr>),
    /// `get` of a handle, with an optional timeout in units.
    Get(Expr, Option<Expr>),
    /// `wait` for a handle, with an optional timeout in units.
    Wait(Expr, Option<Expr>),
    /// `ready` of a handle: the step's result is a bool.
    Ready(Expr),
    /// `successful` of a handle: the step's result is a bool.
    Successful(Expr),
    /// `close` of a pool.
    Close(Option<Spanned<String>>),
    /// `terminate` of a pool.
    Terminate(Option<Spanned<String>>),
    /// `join` of a pool, with an optional timeout in units.
    Join(Option<Spanned<String>>, Option<Expr>),
    /// Lets go of a pool, as leaving its scope does.
    Drop(Option<Spanned<String>>),
    /// Makes a bare `Process` (on threads its thread twin): `process: func(1)`, `as: p`.
    Process {
        /// What it runs.
        call: TaskCall,
        /// `daemon: true`.
        daemon: bool,
    },
    /// `start` of a Process.
    Start(Expr),
    /// `join` of a Process (`join_process`), with an optional timeout in units.
    JoinProcess(Expr, Option<Expr>),
    /// `is_alive` of a Process.
    IsAlive(Expr),
    /// `exitcode` of a Process.
    ExitCode(Expr),
    /// `terminate` (SIGTERM) or `kill` (SIGKILL) of a Process.
    Signal {
        /// The process.
        process: Expr,
        /// True for `kill`.
        kill: bool,
    },
    /// Kills the worker that ran the task of a handle, as a program does that knows its number.
    KillWorker(Expr),
    /// Appends a line to the transcript.
    Print(Template),
    /// Waits in virtual time.
    Sleep(Expr),
    /// Binds a variable: `let: { results: [] }`.
    Let(Vec<(String, Expr)>),
    /// Fails the case unless the expression is true.
    Check(Expr),
    /// Runs its steps once per element: `for: i in range(10)`.
    For {
        /// The variable.
        var: String,
        /// A list.
        over: Expr,
        /// The steps.
        body: Vec<Step>,
    },
    /// Runs one of two lists of steps.
    If(Expr, Vec<Step>, Vec<Step>),
}

/// What must be seen when a case runs; every part that is there is judged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expect {
    /// Lines by the instant of their printing; order inside one instant is free unless `exact`.
    pub timeline: Option<Vec<(Spanned<Time>, Vec<Line>)>>,
    /// All lines in order, `any:` groups apart.
    pub output: Option<Vec<Line>>,
    /// Virtual time until the program and all its workers have ended.
    pub elapsed: Option<Spanned<Time>>,
    /// Fates of tasks, by function and argument: `func(0..2): done`.
    pub tasks: Vec<(TaskSet, Fate)>,
    /// The workers that ran tasks.
    pub workers: Option<Workers>,
    /// Orders that must hold: `end f(0) < start f(2)`.
    pub order: Vec<Order>,
    /// What the document claims, and whether it is so.
    pub claims: Vec<Claim>,
    /// That what is seen depends on who goes first in an instant.
    pub ties: Option<Ties>,
}

/// That the results of a case depend on the order of events of one instant. What is expected is what the rule of
/// that order gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Ties {
    /// Where it says so.
    pub span: Span,
    /// What another order may give; each replaces the parts that it names. Without any (`ties: rule`), nothing
    /// is said of other orders.
    pub also: Vec<Expect>,
}

/// One expected line, or a group whose order is free.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Exactly this text; `{worker}` inside stands for one worker's normalised name.
    Text(Spanned<String>),
    /// These lines in any order (`any: [..]`).
    Any(Vec<Spanned<String>>),
}

/// A set of tasks: every task of a function, or those whose first argument lies in a range or is a value.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSet {
    /// As written, with its place.
    pub text: Spanned<String>,
    /// The function.
    pub task: String,
    /// Which of its calls.
    pub which: Which,
}

/// Which calls of a function are meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// `func`: all.
    All,
    /// `func(0..4)`: first argument an integer in this half-open range.
    Range(i64, i64),
    /// `func(3)`, `func("x")`: first argument equal to this value.
    Is(super::expr::Value),
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It returned.
    Done,
    /// It raised or panicked, or what it gave could not travel.
    Raised,
    /// It was stopped from outside by terminate, or at the end of the program.
    Killed,
    /// Its worker died under it.
    Lost,
    /// It never started.
    Never,
}

impl fmt::Display for Fate {
    /// As case files write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::Done => "done",
            Fate::Raised => "raised",
            Fate::Killed => "killed",
            Fate::Lost => "lost",
            Fate::Never => "never",
        })
    }
}

/// What must hold of the workers that ran tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Workers {
    /// Exactly this many ran a task.
    pub distinct: Option<Spanned<u64>>,
    /// None is left at the end, nor any process of theirs.
    pub reaped: Option<bool>,
}

/// `end f(0) < start f(2)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// As written, with its place.
    pub text: Spanned<String>,
    /// The earlier event.
    pub before: (Edge, TaskSet),
    /// The later event.
    pub after: (Edge, TaskSet),
}

/// The beginning or the end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// `start`.
    Start,
    /// `end`.
    End,
}

/// A claim of the document in our words, and what the case shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What is claimed.
    pub says: String,
    /// Whether it is so.
    pub verdict: Truth,
    /// Why, in one sentence.
    pub why: Option<String>,
}

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Always.
    True,
    /// Not.
    False,
    /// Often, but nothing promises it.
    Usually,
}
