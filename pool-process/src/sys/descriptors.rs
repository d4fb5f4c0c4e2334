//! Descriptors of this crate's own: never 0, 1 or 2, whatever the program has closed. What has one of these numbers
//! is taken for a standard stream by everybody who prints, and is replaced in a child.
//!
//! # Safety
//!
//! As in the module above.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};

use super::about;

/// The number of the last standard stream.
const LAST: RawFd = libc::STDERR_FILENO;

/// The same descriptor, with a number that is no standard stream's. Everything that this crate opens and keeps goes
/// through here.
pub(crate) fn above_standard(fd: impl Into<OwnedFd>) -> io::Result<OwnedFd> {
    let fd = fd.into();
    if fd.as_raw_fd() > LAST {
        return Ok(fd);
    }
    // The copy is made above them, and this one closed.
    fd.try_clone()
}

/// A counter to wake somebody by.
pub(crate) fn eventfd(flags: EfdFlags) -> io::Result<EventFd> {
    let made = EventFd::from_flags(flags | EfdFlags::EFD_CLOEXEC);
    let made = above_standard(made.map_err(about("an event descriptor cannot be made"))?)?;
    // SAFETY: a copy of what was made as one.
    Ok(unsafe { EventFd::from_owned_fd(made) })
}

/// A set of descriptors to sleep on.
pub(crate) fn epoll() -> io::Result<Epoll> {
    let made = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
    let Epoll(made) = made.map_err(about("an epoll descriptor cannot be made"))?;
    Ok(Epoll(above_standard(made)?))
}

/// A clock that rings.
pub(crate) fn timer() -> io::Result<TimerFd> {
    let made = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC);
    let made = above_standard(made.map_err(about("a timer descriptor cannot be made"))?)?;
    // SAFETY: a copy of what was made as one.
    Ok(unsafe { TimerFd::from_owned_fd(made) })
}

/// Signals that are read.
pub(crate) fn signals(set: &SigSet) -> io::Result<SignalFd> {
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let made = SignalFd::with_flags(set, flags);
    let made = above_standard(made.map_err(about("a signal descriptor cannot be made"))?)?;
    // SAFETY: a copy of what was made as one.
    Ok(unsafe { SignalFd::from_owned_fd(made) })
}

/// Takes over a descriptor that a message just brought.
pub(crate) fn received(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: called by `Socket::recv_with` alone, once for each descriptor that the kernel has made for it.
    above_standard(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What is always empty and takes everything.
pub(crate) fn null() -> io::Result<OwnedFd> {
    let null = File::options().read(true).write(true).open("/dev/null");
    above_standard(null.map_err(about("/dev/null cannot be opened"))?)
}

/// A copy of a standard stream as a new program would get it. Where the program has closed it, or something that is not
/// meant for other programs has its number, there is none.
pub(crate) fn inherited(stream: impl AsFd) -> io::Result<Option<OwnedFd>> {
    if is_inherited(&stream)? {
        Ok(Some(stream.as_fd().try_clone_to_owned()?))
    } else {
        Ok(None)
    }
}

/// Whether a new program would get it.
pub(crate) fn is_inherited(stream: impl AsFd) -> io::Result<bool> {
    match fcntl(&stream, FcntlArg::F_GETFD) {
        Ok(flags) => Ok(flags & FdFlag::FD_CLOEXEC.bits() == 0),
        Err(Errno::EBADF) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Puts /dev/null where this process has no standard stream.
pub(crate) fn fill_standard() -> io::Result<()> {
    for fd in 0..=LAST {
        // SAFETY: a number, which need not be open.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            let null = null()?;
            // SAFETY: plain numbers; what has the second was looked up, and is nothing.
            super::check(unsafe { libc::dup2(null.as_raw_fd(), fd) })?;
        }
    }
    Ok(())
}
