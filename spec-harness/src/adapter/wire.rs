//! The adapter's own streams: requests in, replies out, and nothing of the pool's in between.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::ORPHANED;
use crate::protocol::{ErrorReply, FromAdapter};

/// Moves the harness's two streams away from where tasks and workers could touch them.
///
/// What is left is an empty stdin, and a stdout that goes to stderr. The moved streams are not inherited:
/// a worker that kept them would hide the adapter's end from the harness.
pub(super) fn take_standard_streams() -> io::Result<(File, File)> {
    let requests = io::stdin().as_fd().try_clone_to_owned()?;
    let replies = io::stdout().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    nix::unistd::dup2_stdout(io::stderr())?;
    Ok((requests.into(), replies.into()))
}

/// The way to the harness; lines of several threads do not mix.
#[derive(Debug)]
pub(super) struct Replies(Mutex<File>);

impl Replies {
    pub(super) fn new(stream: File) -> Replies {
        Replies(Mutex::new(stream))
    }

    /// Answers a request.
    pub(super) fn reply(&self, id: u64, result: Result<Value, ErrorReply>) {
        self.send(&FromAdapter::Reply { id, result });
    }

    /// Says something; without a harness to hear it, the program ends.
    pub(super) fn send(&self, message: &FromAdapter) {
        let line = message.to_line();
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stream.write_all(line.as_bytes()).is_err() {
            std::process::exit(ORPHANED.into());
        }
    }
}
