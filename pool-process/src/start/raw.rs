//! A fork of this very process, with everything it holds.
//!
//! # Safety
//!
//! The child has one thread and a copy of all memory: locks that other threads held at the fork stay locked for
//! ever in it. Whoever chose this way has promised that no task, nor what this crate does around one, needs a
//! lock, or anything else, that another thread of the program may hold at that moment.
#![expect(unsafe_code, reason = "fork, in a process that may have more threads")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Pid, dup2_stdin, fork, setpgid};

use crate::child::{Child, Parent};
use crate::link::Link;
use crate::{lifeline, sys, worker};

use super::{Newborn, server};

/// Forks a worker.
pub(super) fn start_worker() -> io::Result<Newborn> {
    let (ours, theirs) = Link::pair()?;
    // SAFETY: the builder's promise, see the module.
    match unsafe { fork() }? {
        ForkResult::Child => become_worker(&theirs),
        ForkResult::Parent { child } => {
            // The child does the same: whoever is first.
            let _ = setpgid(child, child);
            let pid = child.as_raw().unsigned_abs();
            // Without a pidfd nobody could watch over it: its socket closes here, and it leaves.
            let pidfd = sys::pidfd_open(pid)?;
            Ok(Newborn {
                child: Child::new(pid, pidfd, Parent::Us),
                link: ours,
            })
        }
    }
}

/// In the child: lets go of what is the parent's.
fn become_worker(link: &Link) -> ! {
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    for signal in Signal::iterator() {
        let action = if signal == Signal::SIGPIPE {
            SigHandler::SigIgn
        } else {
            SigHandler::SigDfl
        };
        let action = SigAction::new(action, SaFlags::empty(), SigSet::empty());
        // SAFETY: neither calls a handler. SIGKILL and SIGSTOP refuse, as they should.
        let _ = unsafe { sigaction(signal, &action) };
    }
    // What owns a descriptor and may be dropped later has to go before its number is somebody else's.
    lifeline::let_go();
    server::let_go();
    sys::close_all_but(std::os::fd::AsFd::as_fd(link).as_raw_fd());
    if let Ok(null) = File::open("/dev/null") {
        let _ = dup2_stdin(null);
    }
    worker::serve(link)
}
