//! The protocol of the fork server: one reply to each request, each a message of a `SOCK_SEQPACKET` socket.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::sys::Status;
use crate::wire::codec;
use crate::wire::socket::Socket;
use crate::wire::token::TOKEN;

/// A request to a fork server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Serve the connection whose descriptor comes along. When that is closed, its workers are killed.
    Open,
    /// Run this function before anything is forked.
    Preload {
        /// The function.
        token: [u8; TOKEN],
    },
    /// Fork a worker, whose socket comes along.
    Fork,
    /// Signal the process group of a worker.
    Signal {
        /// The worker.
        pid: i32,
        /// The signal.
        signal: i32,
    },
    /// Reap this worker, which has ended, and kill its process group.
    Reap {
        /// The worker.
        pid: i32,
    },
}

/// A reply of a fork server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It was done.
    Done,
    /// A worker was forked; its pidfd comes along.
    Forked {
        /// The worker.
        pid: i32,
    },
    /// The worker ended with this status.
    Ended(Status),
    /// The server has so many threads, and must not fork.
    Threads(u64),
    /// The function panicked, or the token names none.
    Failed,
    /// A system call failed with this `errno`.
    Refused(i32),
}

/// No message is longer.
const ROOM: usize = 256;

/// Sends one message, with descriptors.
pub(crate) fn send<T: Serialize>(
    socket: &Socket,
    message: &T,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(ROOM);
    codec::encode(message, &mut bytes).map_err(io::Error::other)?;
    socket.send_with(&bytes, fds).map(|_| ())
}

/// Waits for one message, with descriptors; `None` is the end.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: &Socket,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let (mut bytes, mut fds) = ([0; ROOM], Vec::new());
    let length = socket.recv_with(&mut bytes, &mut fds)?;
    if length == 0 {
        return Ok(None);
    }
    let message = codec::decode(&bytes[..length]).map_err(io::Error::other)?;
    Ok(Some((message, fds)))
}
