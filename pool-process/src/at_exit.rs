//! The end of the program: processes that are no daemons are waited for, daemons are killed.
//!
//! The handler runs while other threads may be anywhere: it takes no lock and makes system calls only.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys;
use crate::sys::listed::{List, Listed};

/// The live processes, by their pidfds; daemons are marked.
static PROCESSES: List = List::new();

/// The process that the handler is for: one that was forked from it has other children.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Lists a process for the exit handler. The descriptor must stay open until what this returns is dropped.
pub(crate) fn list(pidfd: BorrowedFd<'_>, daemon: bool) -> Listed {
    if OWNER.swap(std::process::id(), Ordering::AcqRel) != std::process::id() {
        sys::at_exit(handler);
    }
    PROCESSES.add(pidfd, daemon)
}

extern "C" fn handler() {
    end_processes();
}

/// Kills this process's daemons and waits for its other processes.
pub(crate) fn end_processes() {
    if OWNER.load(Ordering::Acquire) != std::process::id() {
        return;
    }
    // As Python does: daemons first, so that nobody waits for what waits for a daemon.
    PROCESSES.marked(true).for_each(sys::kill_numbered);
    PROCESSES.marked(false).for_each(sys::wait_for_numbered);
}
