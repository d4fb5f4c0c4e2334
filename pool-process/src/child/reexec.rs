//! Starts the program's own file again, in a role.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::libc;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::geteuid;

use crate::environment::variables;
use crate::identity::Identity;
use crate::sys;
use crate::wire::role::{ROLE, Role};
use crate::wire::socket::Socket;

use super::{Child, Parent};

/// The running program, also where its file was replaced or removed.
const PROGRAM: &str = "/proc/self/exe";

/// Starts this program in a role, with a socket as its standard input. It gets the identity of the calling thread, which is
/// this, and is in a session of its own from its very beginning.
pub(crate) fn start(role: Role, socket: &Socket, identity: &Identity) -> io::Result<Child> {
    let arguments: Vec<CString> = std::env::args_os().map(text).collect::<io::Result<_>>()?;
    let mut streams = PosixSpawnFileActions::init()?;
    streams.add_dup2(socket.as_fd().as_raw_fd(), libc::STDIN_FILENO)?;
    // What runs there before us, as constructors of its libraries, must not get a number that is a stream's.
    let null = sys::null()?;
    for stream in [io::stdout().as_fd(), io::stderr().as_fd()] {
        if !sys::is_inherited(stream)? {
            streams.add_dup2(null.as_raw_fd(), stream.as_raw_fd())?;
        }
    }
    let mut manner = PosixSpawnAttr::init()?;
    manner.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
            | PosixSpawnFlags::from_bits_retain(libc::POSIX_SPAWN_SETSID.into()),
    )?;
    manner.set_sigmask(&SigSet::empty())?;
    let pid = identity.hand_down(|exact| {
        let mut environment = vec![text(format!("{ROLE}={}", role.to_variable(exact)).into())?];
        for (name, value) in variables::here() {
            let mut variable = name;
            variable.push("=");
            variable.push(value);
            environment.push(text(variable)?);
        }
        posix_spawn(PROGRAM, &streams, &manner, &arguments, &environment).map_err(refused)
    })?;
    let number = pid.as_raw().unsigned_abs();
    let pidfd = sys::pidfd_open(number).map_err(|error| {
        // Nobody could watch over it. It is our child, so neither is refused.
        let _ = kill(pid, Signal::SIGKILL).and_then(|()| waitpid(pid, None));
        sys::no_pidfd(error)
    })?;
    Ok(Child::new(number, pidfd, Parent::Us))
}

/// A string for the system.
fn text(text: OsString) -> io::Result<CString> {
    Ok(CString::new(text.into_vec())?)
}

/// The error where the program cannot be started.
fn refused(error: Errno) -> io::Error {
    let program = std::fs::read_link(PROGRAM).unwrap_or_else(|_| PROGRAM.into());
    let hint = match error {
        Errno::EACCES => format!(": user {} may not execute it", geteuid()),
        Errno::ENOENT => ": it, or the loader that it asks for, is not there".to_owned(),
        _ => String::new(),
    };
    let program = program.display();
    let text = format!("this program ({program}) cannot be started again: {error}{hint}");
    io::Error::new(io::Error::from(error).kind(), text)
}
