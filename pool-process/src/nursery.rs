//! Where workers come from: the program's own file, started again.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::hook::{self, ROLE, Role};
use crate::image::Image;
use crate::link::Link;
use crate::sys::{self, Status};

/// A process that was just started and has been told nothing yet.
#[derive(Debug)]
pub(crate) struct Newborn {
    pub(crate) pid: u32,
    /// Readable once it has ended.
    pub(crate) pidfd: OwnedFd,
    pub(crate) link: Link,
}

/// Why no worker can be started in this program at all, if that is so.
pub(crate) fn impossible() -> Option<String> {
    hook::link();
    if !Image::own().is_program {
        return Some(
            "this code is a shared library in another program, which would be started again in its place; \
             use threads, or a program of your own"
                .to_owned(),
        );
    }
    if std::env::var_os(ROLE).is_some() {
        return Some(
            "this process was started as a worker and has run `main`: call `pool_process::init()` first thing there, \
             or leave the feature `hook` on"
                .to_owned(),
        );
    }
    None
}

/// Starts this program again, as a worker.
///
/// Always by `/proc/self/exe`, which is the running program even where its file was replaced or removed.
pub(crate) fn start_again(role: Role) -> io::Result<Newborn> {
    let (ours, theirs) = Link::pair()?;
    let mut arguments = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // `spawn` gives the child an empty signal mask, and its own process group: Ctrl-C is for the parent.
    let mut child = command
        .args(arguments)
        .env(ROLE, role.name())
        .stdin(Stdio::from(theirs.into_fd()))
        .process_group(0)
        .spawn()?;
    let pid = child.id();
    let pidfd = sys::pidfd_open(pid).inspect_err(|_| {
        // Nobody could watch over it.
        let _ = child.kill().and_then(|()| child.wait());
    })?;
    Ok(Newborn {
        pid,
        pidfd,
        link: ours,
    })
}

/// Takes the status of a worker that has ended, and ends whatever it left behind in its process group.
pub(crate) fn bury(pid: u32, pidfd: &OwnedFd) -> Status {
    // Before the status is taken, the number cannot be anybody else's.
    kill_group(pid, Signal::SIGKILL);
    // A pidfd that is readable has a status, or never will.
    sys::take_status(pidfd.as_fd())
        .ok()
        .flatten()
        .unwrap_or(Status::Unknown)
}

/// Ends a worker that nobody is going to watch.
pub(crate) fn kill_and_bury(pid: u32, pidfd: &OwnedFd) {
    kill_group(pid, Signal::SIGKILL);
    // Killed, it ends soon: there is nothing to wait for but the kernel.
    let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    while poll(&mut ended, PollTimeout::NONE) == Err(Errno::EINTR) {}
    bury(pid, pidfd);
}

/// Whether a process is on its way out: it closes its descriptors before it can be waited for.
pub(crate) fn is_ending(pid: u32) -> bool {
    /// `PF_EXITING` of the kernel's `<linux/sched.h>`, in the flags of `/proc/<pid>/stat`.
    const EXITING: u64 = 0x4;
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    // The name, in parentheses, may hold anything; the flags are the seventh field after it.
    let flags = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_none_or(|flags| flags & EXITING != 0)
}

/// Signals a worker's whole process group. One that is gone already is what was wanted.
pub(crate) fn kill_group(pid: u32, signal: Signal) {
    if let Ok(group) = i32::try_from(pid) {
        let _ = killpg(Pid::from_raw(group), signal);
    }
}
