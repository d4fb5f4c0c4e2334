//! How a worker ends.

use std::io::{self, Write};

use crate::{at_exit, sys};

use super::contexts;

/// What runs when a worker ends normally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Whatever was registered for the exit of the process.
    Handlers,
    /// Nothing: it was forked from the program itself, whose handlers are not its own.
    Bare,
}

/// Flushes what tasks have printed. This happens before a task is reported done.
pub(super) fn flush() {
    // A stream without a reader is no failure of the task.
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    sys::flush_c_streams();
}

/// Ends as a program does. `join` waits for a worker that hangs here, and `terminate` kills it.
pub(super) fn exit(code: i32, exit: Exit) -> ! {
    contexts::forget_all();
    match exit {
        Exit::Handlers => std::process::exit(code),
        Exit::Bare => exit_now(code),
    }
}

/// Exits without exit handlers. It waits for the processes that its tasks have started.
pub(super) fn exit_now(code: i32) -> ! {
    at_exit::end_processes();
    flush();
    sys::exit_now(code)
}
