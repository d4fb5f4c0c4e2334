//! What Python calls the errors of a case.

use crate::case::ast::Kind;
use crate::case::language;

/// Exceptions that every Python program has.
const BUILT_IN: [&str; 25] = [
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BufferError",
    "EOFError",
    "Exception",
    "FloatingPointError",
    "ImportError",
    "IndexError",
    "KeyError",
    "LookupError",
    "MemoryError",
    "NameError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PermissionError",
    "RecursionError",
    "RuntimeError",
    "StopIteration",
    "TimeoutError",
    "TypeError",
    "UnicodeError",
    "ValueError",
    "ZeroDivisionError",
];

/// An exception in Python.
pub(super) enum Class {
    /// It has this one.
    Known(&'static str),
    /// The program has to define it, by the name that it has in the case.
    Own,
}

/// The exception that stands for an error of a task.
pub(super) fn of_task(name: &str) -> Class {
    match BUILT_IN.iter().find(|known| **known == name) {
        Some(known) => Class::Known(known),
        None => Class::Own,
    }
}

/// The exception that ends a step.
///
/// # Errors
/// CPython has none: why.
pub(super) fn of_step(name: &str, kind: Kind) -> Result<Class, String> {
    Ok(Class::Known(match (name, kind) {
        ("NotRunning" | "StillRunning" | "NotReady" | "InvalidSize" | "InvalidChunksize", _) => {
            "ValueError"
        }
        ("TimedOut", _) => "multiprocessing.TimeoutError",
        ("StopIteration", _) => "StopIteration",
        ("AlreadyStarted" | "NotStarted", Kind::Process) => "AssertionError",
        ("AlreadyStarted" | "NotStarted", Kind::Thread) => "RuntimeError",
        ("Encode", _) => "multiprocessing.pool.MaybeEncodingError",
        ("Panicked", _) => return Ok(Class::Own),
        ("Terminated" | "WorkerLost" | "WouldDeadlock", _) => {
            return Err(format!(
                "CPython waits for ever where a pool should say `{name}`"
            ));
        }
        (name, _) if language::all(language::ERRORS).any(|known| known == name) => {
            return Err(format!("CPython has no error such as `{name}`"));
        }
        (name, _) => return Ok(of_task(name)),
    }))
}
