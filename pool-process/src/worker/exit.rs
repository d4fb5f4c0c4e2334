//! How a worker ends.

use std::io::{self, Write};

use crate::{at_exit, sys};

use super::contexts;

/// What runs at the end of a worker that leaves in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Whatever was registered for the exit of the process.
    Handlers,
    /// Nothing: it was forked from the program itself, whose handlers are not its own.
    Bare,
}

/// What tasks have printed is written before they are reported done. A stream that nobody reads any more is
/// no failure of theirs.
pub(super) fn flush() {
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    sys::flush_c_streams();
}

/// Ends as a program does. What hangs here is waited for by `join`, and stopped with the pool.
pub(super) fn exit(code: i32, exit: Exit) -> ! {
    contexts::forget_all();
    match exit {
        Exit::Handlers => std::process::exit(code),
        Exit::Bare => exit_now(code),
    }
}

/// Ends at once, but for the processes that its tasks have started, which are waited for.
pub(super) fn exit_now(code: i32) -> ! {
    at_exit::see_them_off();
    flush();
    sys::exit_now(code)
}
