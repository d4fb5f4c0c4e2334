//! The end of the program: processes that are no daemons are waited for, daemons are killed.
//!
//! The list is read by an `atexit` handler, while other threads may be anywhere: it is never locked, nothing in
//! it is ever freed, and the handler makes system calls only. Places are used again.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use crate::sys;

/// A place for one live process.
#[derive(Debug)]
pub(crate) struct Place {
    taken: AtomicBool,
    /// The descriptor of the process, or none.
    pidfd: AtomicI32,
    daemon: AtomicBool,
    next: OnceLock<Box<Place>>,
}

const NONE: i32 = -1;

static FIRST: Place = Place::empty();

/// The process that the handler is for: one that was forked from it has other children.
static OWNER: AtomicU32 = AtomicU32::new(0);

impl Place {
    const fn empty() -> Place {
        Place {
            taken: AtomicBool::new(false),
            pidfd: AtomicI32::new(NONE),
            daemon: AtomicBool::new(false),
            next: OnceLock::new(),
        }
    }

    fn all() -> impl Iterator<Item = &'static Place> {
        std::iter::successors(Some(&FIRST), |place| place.next.get().map(|next| &**next))
    }

    fn take() -> &'static Place {
        let mut place = &FIRST;
        while place.taken.swap(true, Ordering::AcqRel) {
            place = place.next.get_or_init(|| Box::new(Place::empty()));
        }
        place
    }
}

/// A live process that the end of the program has to see to, until this is dropped.
#[derive(Debug)]
pub(crate) struct Listed(&'static Place);

impl Listed {
    /// Lists a process. The descriptor must stay open until this is dropped.
    pub(crate) fn new(pidfd: BorrowedFd<'_>, daemon: bool) -> Listed {
        if OWNER.swap(std::process::id(), Ordering::AcqRel) != std::process::id() {
            sys::at_exit(handler);
        }
        let place = Place::take();
        place.daemon.store(daemon, Ordering::Release);
        place.pidfd.store(pidfd.as_raw_fd(), Ordering::Release);
        Listed(place)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.pidfd.store(NONE, Ordering::Release);
        self.0.taken.store(false, Ordering::Release);
    }
}

extern "C" fn handler() {
    see_them_off();
}

/// Kills this process's daemons and waits for its other processes.
pub(crate) fn see_them_off() {
    if OWNER.load(Ordering::Acquire) != std::process::id() {
        return;
    }
    let pidfds = |daemons: bool| {
        let places =
            Place::all().filter(move |place| place.daemon.load(Ordering::Acquire) == daemons);
        places
            .map(|place| place.pidfd.load(Ordering::Acquire))
            .filter(|fd| *fd != NONE)
    };
    // As Python does: daemons first, so that nobody waits for what waits for a daemon.
    pidfds(true).for_each(sys::kill_numbered);
    pidfds(false).for_each(sys::wait_for_numbered);
}
