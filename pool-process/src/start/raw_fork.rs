//! A fork of this very process, with everything it holds.
//!
//! # Safety
//!
//! The child has one thread and a copy of all memory: locks that other threads held at the fork stay locked for
//! ever in it. Whoever chose this way has promised that no task, nor what this crate does around one, needs a
//! lock, or anything else, that another thread of the program may hold at that moment.
#![expect(unsafe_code, reason = "fork, in a process that may have more threads")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, dup2_stdin, fork, setsid};

use crate::child::{Child, Parent};
use crate::sys;
use crate::wire::socket::Socket;
use crate::worker::{self, Exit};

use super::Spawned;

/// Forks a worker, from a thread of its own: so it has a stack for tasks, and nothing that a thread has made once for
/// itself, as the seeds of its hash maps.
pub(super) fn start_worker() -> io::Result<Spawned> {
    let thread = thread::Builder::new()
        .stack_size(sys::first_stack())
        .spawn(fork_worker)?;
    // It has no code of the user's that could panic.
    let ended = thread.join();
    ended.unwrap_or_else(|_| Err(io::Error::other("the thread that forks has panicked")))
}

fn fork_worker() -> io::Result<Spawned> {
    let (ours, theirs) = Socket::pair()?;
    let theirs = theirs.shared();
    // SAFETY: the builder's promise, see the module.
    match unsafe { fork() }? {
        ForkResult::Child => become_worker(&theirs),
        ForkResult::Parent { child } => {
            let pid = child.as_raw().unsigned_abs();
            // Without a pidfd nobody could watch over it: its socket closes here, and it leaves.
            let pidfd = sys::pidfd_open(pid).map_err(sys::no_pidfd)?;
            Ok(Spawned {
                child: Child::new(pid, pidfd, Parent::Us),
                socket: ours,
            })
        }
    }
}

/// In the child: lets go of what is the parent's.
fn become_worker(socket: &Socket) -> ! {
    // A process that was just forked leads no group, which is all that could be refused.
    let _ = setsid();
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
    sys::close_all_but(socket.as_fd().as_raw_fd());
    let input = sys::fill_standard()
        .and_then(|()| sys::null())
        .and_then(|null| Ok(dup2_stdin(null)?));
    match input {
        Ok(()) => worker::serve(socket, Exit::Bare),
        Err(error) => worker::refuse(socket, &error.to_string()),
    }
}
