//! The program's own file, started again.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::child::{Child, Parent};
use crate::hook::{ROLE, Role};
use crate::link::Link;
use crate::sys;

use super::Newborn;

/// Starts a worker.
pub(super) fn start_worker() -> io::Result<Newborn> {
    let (ours, theirs) = Link::pair()?;
    let child = start(Role::Worker, theirs)?;
    Ok(Newborn { child, link: ours })
}

/// Starts this program in a role, with a socket as its standard input.
///
/// Always by `/proc/self/exe`, which is the running program even where its file was replaced or removed.
pub(super) fn start(role: Role, socket: Link) -> io::Result<Child> {
    let mut arguments = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // `spawn` gives it an empty signal mask, and this its own process group: Ctrl-C is for the parent.
    command
        .args(arguments)
        .env(ROLE, role.name())
        .stdin(Stdio::from(socket.into_fd()))
        .process_group(0);
    let mut child = command.spawn()?;
    let pidfd = sys::pidfd_open(child.id()).inspect_err(|_| {
        // Nobody could watch over it.
        let _ = child.kill().and_then(|()| child.wait());
    })?;
    Ok(Child::new(child.id(), pidfd, Parent::Us))
}
