//! The lifeline: a pipe for each worker, on which nothing is ever said, whose only reader is the process that owns the
//! pools.
//!
//! The worker holds the other end and has asked the kernel to kill the worker's process group when the last reader is
//! gone. So the end of the owner, however it comes, ends busy and stopped workers and what they have started,
//! without any process of ours having to notice. Whom to signal is kept with the pipe's end, so no two workers can share one;
//! and an end that is handed over is held also by one who might not open it, having another user.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::listed::{self, Listed};
use super::{about, above_standard};

/// The owner's end, to be kept until the worker has ended. Children that the owner forks do not have it.
#[derive(Debug)]
pub(crate) struct Owned {
    // In this order: a number that is closed is in no list.
    _listed: Listed,
    _reader: OwnedFd,
}

/// A new one: the owner's end and the worker's.
pub(crate) fn ends() -> io::Result<(Owned, OwnedFd)> {
    let refused = about("a pipe for the worker cannot be made");
    let alone = listed::hold_off_forks();
    // Whoever writes into it is not held up.
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(refused)?;
    let reader = above_standard(reader)?;
    let owned = Owned {
        _listed: listed::unshare(reader.as_fd(), &alone),
        _reader: reader,
    };
    Ok((owned, above_standard(writer)?))
}
