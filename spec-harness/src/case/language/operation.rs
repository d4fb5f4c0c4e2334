//! What the body of a task can do.

use super::Shape as S;
use super::{Word, word};

/// The operations, in the order in which a list of them is shown.
pub(in crate::case) const OPERATIONS: &[Word] = &[
    word(
        "print",
        S::Template,
        "prints a line",
        "- print: \"{i} at {clock}\"",
    ),
    word(
        "sleep",
        S::Expr,
        "waits so many units of virtual time",
        "- sleep: 0.5",
    ),
    word(
        "work",
        S::Expr,
        "keeps a CPU busy so many units of virtual time; no clock can tell it from `sleep`",
        "- work: 2",
    ),
    word(
        "return",
        S::Expr,
        "ends the task with a value; without it a task returns `None`",
        "- return: i * i",
    ),
    word(
        "raise",
        S::Raise,
        "ends the task with an error: in Python an exception, in Rust an `Err`",
        "- raise: \"ValueError: {i} is odd\"",
    ),
    word(
        "panic",
        S::Template,
        "ends the task with a panic (in Python, an exception that is called `Panicked`)",
        "- panic: out of luck",
    ),
    word(
        "set",
        S::Bindings,
        "gives variables of the body their values",
        "- set: { twice: 2 * i }",
    ),
    word(
        "if",
        S::Expr,
        "does one of two lists of operations; `else` may be left out",
        "- if: i > 2\n  then:\n    - return: i\n  else:\n    - return: \"'little'\"",
    ),
    word(
        "call",
        S::InnerStep,
        "makes a call to the pool from inside: a step, as main makes it; without `on` the body's own pool is meant",
        "- call:\n    apply: func(i - 1)\n    as: less",
    ),
    word(
        "exit",
        S::Expr,
        "ends the worker as `exit` does, with this code",
        "- exit: 3",
    ),
    word(
        "allocate",
        S::Expr,
        "takes so many MiB of memory, and keeps them",
        "- allocate: 8",
    ),
    word(
        "return_unsendable",
        S::Nothing,
        "returns a value that cannot travel to the program: the task has the error `Encode`",
        "- return_unsendable",
    ),
    word(
        "raise_unsendable",
        S::Nothing,
        "fails with an error that cannot travel to the program: the task has the error `Encode`",
        "- raise_unsendable",
    ),
    word(
        "kill_self",
        S::Nothing,
        "ends the worker by SIGKILL",
        "- kill_self",
    ),
    word(
        "stop_self",
        S::Nothing,
        "stops the worker by SIGSTOP: it rests until somebody ends it",
        "- stop_self",
    ),
    word(
        "ignore_sigterm",
        S::Nothing,
        "has the worker ignore SIGTERM from now on",
        "- ignore_sigterm",
    ),
    word(
        "close_fds",
        S::Nothing,
        "closes every file descriptor of the worker",
        "- close_fds",
    ),
    word(
        "spawn_child",
        S::Nothing,
        "starts a child process that sleeps and outlives the task",
        "- spawn_child",
    ),
];

/// The keys beside `if` in a body.
pub(in crate::case) const BRANCHES: &[Word] = &[
    word(
        "then",
        S::Ops,
        "what is done where the condition holds",
        "- if: i > 2\n  then:\n    - return: 1",
    ),
    word(
        "else",
        S::Ops,
        "what is done where it does not hold",
        "- if: i > 2\n  then:\n    - return: 1\n  else:\n    - return: 2",
    ),
];
