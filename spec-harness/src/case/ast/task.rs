//! The task functions, and what they do.

use super::{Span, Spanned, Step};
use crate::case::expr::{Expr, Template};

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

impl Op {
    /// Shows these operations, and those inside of them.
    pub(crate) fn each<'o>(ops: &'o [Op], see: &mut impl FnMut(&'o Op)) {
        for op in ops {
            see(op);
            if let OpKind::If(_, then, otherwise) = &op.what {
                Op::each(then, see);
                Op::each(otherwise, see);
            }
        }
    }

    /// Whether a call in it says what it must come to.
    pub(super) fn expects(&self) -> bool {
        match &self.what {
            OpKind::Call(step) => step.expects(),
            OpKind::If(_, then, otherwise) => then.iter().chain(otherwise).any(Op::expects),
            _ => false,
        }
    }
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
