//! A worker applies the environment that it was sent.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, dup2_stderr, dup2_stdout, fchdir};

use crate::identity::LIMITS;
use crate::sys::{self, about};

use super::settings::Settings;
use super::variables;

impl Settings {
    /// Applies them to this process, a worker that has nothing yet. A limit that is refused is left alone: it is that
    /// of a process with the same identity, hard limits included.
    pub(crate) fn apply(&self, fds: Vec<OwnedFd>) -> io::Result<()> {
        let mut fds = fds.into_iter();
        let (Some(lifeline), Some(stdout), Some(stderr), directory) =
            (fds.next(), fds.next(), fds.next(), fds.next())
        else {
            return Err(io::Error::other(
                "the descriptors of the surroundings did not come along",
            ));
        };
        hold_lifeline(lifeline)?;
        if let Some(directory) = directory {
            fchdir(directory.as_fd()).map_err(about("the working directory cannot be entered"))?;
        }
        dup2_stdout(stdout.as_fd()).map_err(about("standard output cannot be set"))?;
        dup2_stderr(stderr.as_fd()).map_err(about("standard error cannot be set"))?;
        let wanted = self.variables.iter().map(|(name, value)| {
            (
                OsString::from_vec(name.clone()),
                OsString::from_vec(value.clone()),
            )
        });
        variables::replace(wanted.collect());
        umask(Mode::from_bits_truncate(self.umask));
        for (limit, (soft, hard)) in LIMITS.iter().zip(&self.limits) {
            if getrlimit(*limit).ok() != Some((*soft, *hard)) {
                let _ = setrlimit(*limit, *soft, *hard);
            }
        }
        let mut cpus = CpuSet::new();
        for cpu in &self.cpus {
            cpus.set(*cpu)?;
        }
        // The CPUs may have gone meanwhile; then any will do.
        let _ = sched_setaffinity(Pid::from_raw(0), &cpus);
        if let Some(nice) = self.nice {
            sys::set_nice(nice).map_err(about("the nice value cannot be set"))?;
        }
        sys::weigh_session();
        sys::set_dumpable(self.dumpable)
            .map_err(about("who may look at the process cannot be set"))?;
        sys::ignore(self.ignored);
        sys::block(self.blocked).map_err(about("signals cannot be blocked"))
    }
}

/// Has the kernel kill the caller's process group when the parent has gone: see [`lifeline`](crate::sys::lifeline). The caller leads
/// the group, and calls this once.
fn hold_lifeline(end: OwnedFd) -> io::Result<()> {
    sys::die_with(end.as_fd()).map_err(about("the worker cannot be tied to its pool's process"))?;
    let mut gone = [PollFd::new(end.as_fd(), PollFlags::empty())];
    if poll(&mut gone, PollTimeout::ZERO)? > 0 {
        return Err(io::Error::other("the pool's process has gone"));
    }
    // Held until this process ends.
    std::mem::forget(end);
    Ok(())
}
