//! A task in its worker: it is found, run and answered.

use std::io::{self, Write};

use pool_core::CodecError;

use crate::wire::socket::{self, Socket};
use crate::wire::token::{TOKEN, Token};
use crate::wire::{Kind, Payload, Reply};

use super::entry_points::report;
use super::exit::exit_now;

/// Finds the code that a task names and runs it; the answer is appended.
pub(crate) fn call(payload: Payload<'_>, reply: &mut Reply<'_>) -> Kind {
    let refused = match payload.head.split_first_chunk::<TOKEN>() {
        Some((token, head)) => match Token::from_bytes(*token).resolve() {
            Ok(callable) => return callable.run(Payload { head, ..payload }, reply),
            Err(refused) => refused.to_string(),
        },
        None => "it is too short to be one".to_owned(),
    };
    let error = CodecError::new("task", refused);
    report(Kind::BadArgument, &error, reply)
}

/// Sends a frame. Where the pool has gone, the worker exits. Where the system refuses to send, it exits with an error, and the pool
/// reports the task as lost.
pub(super) fn send(socket: &Socket, frame: &[u8]) {
    match socket.write_all(frame) {
        Ok(()) => {}
        Err(error) if socket::is_end(&error) => exit_now(0),
        Err(error) => {
            print_error(&format!("a worker cannot answer its pool: {error}"));
            exit_now(1)
        }
    }
}

/// Writes a line to stderr.
pub(super) fn print_error(line: &str) {
    // Not `eprintln`, which panics where stderr has no reader; there the line is lost.
    let _ = writeln!(io::stderr(), "{line}");
}
