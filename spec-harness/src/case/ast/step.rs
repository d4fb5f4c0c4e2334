//! The steps of the main program.

use super::{Span, Spanned, Time};
use crate::case::call::{Call, Values};
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
    /// Shows these steps, and those inside of them.
    pub(crate) fn each<'s>(steps: &'s [Step], see: &mut impl FnMut(&'s Step)) {
        for step in steps {
            see(step);
            match &step.action {
                Action::For { body, .. } => Step::each(body, see),
                Action::If(_, then, otherwise) => {
                    Step::each(then, see);
                    Step::each(otherwise, see);
                }
                _ => {}
            }
        }
    }

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

/// A task for each of many items: `map: func` with `over: range(6)`.
#[derive(Debug, Clone, PartialEq)]
pub struct MapCall {
    /// The task's name.
    pub task: Spanned<String>,
    /// The items: an expression whose value is a list (of tuples for `starmap`).
    pub over: Expr,
}

/// What calls hold in a case file: expressions and names, each with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written;

impl Values for Written {
    /// Without a name the last one made is meant.
    type Pool = Option<Spanned<String>>;
    type NewPool = String;
    type Task = TaskCall;
    type Tasks = MapCall;
    type Callback = Spanned<String>;
    type Handle = Expr;
    type Iterator = Expr;
    type Process = Expr;
    type Made = ();
    type Work = Expr;
    type Name = Spanned<String>;
    type Number = Expr;
    type Time = Expr;
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most steps are calls, and a case has few"
)]
pub enum Action {
    /// Calls the implementation.
    Call(Call<Written>),
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
