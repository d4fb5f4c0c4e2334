//! The lifeline: a pipe on which nothing is ever written, whose only writer is the process that owns the pools.
//!
//! Every worker holds the other end and has asked the kernel to kill the worker's process group when the last
//! writer is gone. So the end of the owner, however it comes, ends busy and stopped workers and what they
//! have started, without any process of ours having to notice.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Mutex;

use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::pipe2;

use crate::sys;

/// The pipe of this process: its reading end to hand out, its writing end to keep.
static PIPE: Mutex<Option<(u32, OwnedFd, OwnedFd)>> = Mutex::new(None);

/// A descriptor for a worker of this process.
pub(crate) fn end() -> io::Result<OwnedFd> {
    let mut pipe = PIPE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let owner = std::process::id();
    match &*pipe {
        Some((of, reader, _)) if *of == owner => reader.try_clone(),
        // None yet, or that of the process this one was forked from.
        _ => {
            let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
            let copy = reader.try_clone()?;
            *pipe = Some((owner, reader, writer));
            Ok(copy)
        }
    }
}

/// Ties the caller's process group to the owner. To be called once, by the group's leader.
pub(crate) fn hold(end: OwnedFd) -> io::Result<()> {
    // Whom to signal is kept per opening of the pipe, and the end that was sent is shared by all workers.
    let path = format!("/proc/self/fd/{}", end.as_raw_fd());
    let own = open(
        path.as_str(),
        OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK,
        Mode::empty(),
    )?;
    sys::die_with(own.as_fd())?;
    let mut gone = [PollFd::new(own.as_fd(), PollFlags::POLLIN)];
    if poll(&mut gone, PollTimeout::ZERO)? > 0 {
        return Err(io::Error::other("the pool's process has gone"));
    }
    // Held until this process ends.
    std::mem::forget(own);
    Ok(())
}

/// In a process that was forked: the pipe is the parent's.
pub(crate) fn let_go() {
    // Where another thread held the lock at the fork, the pipe is lost with it.
    if let Ok(mut pipe) = PIPE.try_lock() {
        *pipe = None;
    }
}
