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
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use super::listed::{self, Listed};
use super::{about, above_standard, die_with};

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

/// Ties the caller's process group to the owner. To be called once, by the group's leader.
pub(crate) fn hold(end: OwnedFd) -> io::Result<()> {
    die_with(end.as_fd()).map_err(about("the worker cannot be tied to its pool's process"))?;
    let mut gone = [PollFd::new(end.as_fd(), PollFlags::empty())];
    if poll(&mut gone, PollTimeout::ZERO)? > 0 {
        return Err(io::Error::other("the pool's process has gone"));
    }
    // Held until this process ends.
    std::mem::forget(end);
    Ok(())
}
