//! The system calls that `nix` lacks, each with a safe face.
//!
//! # Safety
//!
//! Every call here hands the kernel plain numbers, descriptors that are borrowed for the time of the call, or
//! pointers to locals that outlive it; nothing the kernel writes is read before it said that it wrote it.
#![expect(unsafe_code, reason = "system calls without a safe wrapper elsewhere")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::libc;
use nix::sys::signal::Signal;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Status {
    /// It left with this code.
    Exited(i32),
    /// This signal ended it.
    Killed {
        /// The signal's number.
        signal: i32,
        /// Whether a core was dumped.
        core_dumped: bool,
    },
    /// Somebody else took its status.
    Unknown,
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// A descriptor that stands for a process: readable once it has ended, and never another process's.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the descriptor is new and nobody else's.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0);
        // Descriptors fit into a c_int.
        check(fd as libc::c_int).map(|fd| OwnedFd::from_raw_fd(fd))
    }
}

/// Sends a signal to the process behind a descriptor; one that has ended already is no error.
pub(crate) fn pidfd_signal(process: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    // SAFETY: a borrowed descriptor, a number, and no information to go with it.
    let sent = unsafe {
        let none = ptr::null::<libc::siginfo_t>();
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal as i32,
            none,
            0,
        )
    };
    match check(sent as libc::c_int) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other.map(drop),
    }
}

/// Takes the status of the child behind a descriptor; `None` while it runs.
///
/// It says [`Status::Unknown`] where the status went elsewhere: to a `waitpid(-1)` in the same process, or
/// nowhere because SIGCHLD is ignored.
pub(crate) fn take_status(process: BorrowedFd<'_>) -> io::Result<Option<Status>> {
    loop {
        // SAFETY: an all-zero siginfo_t is valid, and the kernel fills it or leaves it as it is.
        let (result, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let fd = process.as_raw_fd() as libc::id_t;
            let options = libc::WEXITED | libc::WNOHANG;
            (
                libc::waitid(libc::P_PIDFD, fd, &raw mut info, options),
                info,
            )
        };
        match check(result) {
            // SAFETY: waitid fills the fields of a SIGCHLD, or leaves the zeros.
            Ok(_) => return Ok(unsafe { status(&info) }),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::ECHILD) => return Ok(Some(Status::Unknown)),
                _ => return Err(error),
            },
        }
    }
}

/// # Safety
///
/// The information must be that of a SIGCHLD, or all zero.
unsafe fn status(info: &libc::siginfo_t) -> Option<Status> {
    // SAFETY: the caller's promise.
    let (pid, value) = unsafe { (info.si_pid(), info.si_status()) };
    match info.si_code {
        _ if pid == 0 => None,
        libc::CLD_EXITED => Some(Status::Exited(value)),
        code => Some(Status::Killed {
            signal: value,
            core_dumped: code == libc::CLD_DUMPED,
        }),
    }
}

/// Closes every descriptor that was inherited through `exec`, except the three standard ones.
///
/// What constructors of this program opened is spared where it is marked to be closed on `exec`: it cannot
/// have been inherited. To be called before anything of this crate has opened one.
pub(crate) fn close_inherited() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open = open
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let inherited: Vec<RawFd> = open.filter(|fd| *fd > 2 && survives_exec(*fd)).collect();
    for fd in inherited {
        // SAFETY: whoever opened it did so in another program; nothing in this one knows of it.
        unsafe { libc::close(fd) };
    }
}

fn survives_exec(fd: RawFd) -> bool {
    // SAFETY: a number, which need not be open.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

/// Takes over a descriptor that a message just brought.
pub(crate) fn received(fd: RawFd) -> OwnedFd {
    // SAFETY: called by `Link::recv_with` alone, once for each descriptor that the kernel has made for it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Has the kernel kill the caller's whole process group when the last writer of this pipe is gone.
pub(crate) fn die_with(lifeline: BorrowedFd<'_>) -> io::Result<()> {
    let fd = lifeline.as_raw_fd();
    // SAFETY: plain numbers on a borrowed descriptor.
    unsafe {
        check(libc::fcntl(fd, libc::F_SETOWN, -libc::getpid()))?;
        check(libc::fcntl(fd, F_SETSIG, libc::SIGKILL))?;
        let flags = check(libc::fcntl(fd, libc::F_GETFL))?;
        check(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_ASYNC))?;
    }
    Ok(())
}

/// `F_SETSIG` of `<fcntl.h>`, which the libc crate does not name.
const F_SETSIG: libc::c_int = 10;

/// Ends the process at once: no destructors, no `atexit`, no flush.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Writes out what C's `stdio` holds back.
pub(crate) fn flush_c_streams() {
    // SAFETY: a null pointer means every stream.
    unsafe { libc::fflush(ptr::null_mut()) };
}

/// Has a function called when the process ends normally, by `exit` or by a return from `main`.
pub(crate) fn at_exit(handler: extern "C" fn()) {
    // SAFETY: a function that lives as long as the process. There is room for 32, and where there is no more
    // memory the handler is not called, which is what happens to a process that is killed.
    unsafe { libc::atexit(handler) };
}

/// Waits until the process behind this descriptor has ended. A number that is no such descriptor is left alone.
pub(crate) fn wait_for_numbered(pidfd: RawFd) {
    let mut ended = libc::pollfd {
        fd: pidfd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one record, on this stack.
    while unsafe { libc::poll(&raw mut ended, 1, -1) } < 0
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
}

/// Kills the process behind this descriptor. A number that is no such descriptor is left alone.
pub(crate) fn kill_numbered(pidfd: RawFd) {
    // SAFETY: plain numbers, and no information to go with them.
    unsafe {
        let none = ptr::null::<libc::siginfo_t>();
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, none, 0)
    };
}
