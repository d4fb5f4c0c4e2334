//! The steps of the main program.

use super::{Span, Spanned, Time};
use crate::case::expr::{Expr, Template};

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

impl Step {
    /// Whether it, or a step inside, says what it must come to.
    pub(super) fn expects(&self) -> bool {
        let inside = match &self.action {
            Action::Check(_) => true,
            Action::For { body, .. } => body.iter().any(Step::expects),
            Action::If(_, then, otherwise) => then.iter().chain(otherwise).any(Step::expects),
            _ => false,
        };
        inside || self.takes.is_some() || self.raises.is_some() || self.blocks
    }
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
