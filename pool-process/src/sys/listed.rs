//! Lists of descriptors that are read where no lock may be taken: by a handler at the program's exit, while other threads may be
//! anywhere, and in a child that the program has just forked. Nothing in a list is ever freed, and places are used again.

use std::cell::Cell;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::{at_forks, empty_numbered};

/// A list of descriptors, each with a mark.
#[derive(Debug)]
pub(crate) struct List(Place);

/// A place for one descriptor.
#[derive(Debug)]
struct Place {
    taken: AtomicBool,
    /// The descriptor, or none.
    fd: AtomicI32,
    mark: AtomicBool,
    next: OnceLock<Box<Place>>,
}

const NONE: i32 = -1;

impl Place {
    const fn empty() -> Place {
        Place {
            taken: AtomicBool::new(false),
            fd: AtomicI32::new(NONE),
            mark: AtomicBool::new(false),
            next: OnceLock::new(),
        }
    }
}

impl List {
    pub(crate) const fn new() -> List {
        List(Place::empty())
    }

    /// The descriptors with this mark.
    pub(crate) fn marked(&self, mark: bool) -> impl Iterator<Item = i32> {
        let places =
            std::iter::successors(Some(&self.0), |place| place.next.get().map(|next| &**next));
        places
            .filter(move |place| place.mark.load(Ordering::Acquire) == mark)
            .map(|place| place.fd.load(Ordering::Acquire))
            .filter(|fd| *fd != NONE)
    }

    /// Lists a descriptor, which must stay open until what this returns is dropped.
    pub(crate) fn add(&'static self, fd: BorrowedFd<'_>, mark: bool) -> Listed {
        let mut place = &self.0;
        while place.taken.swap(true, Ordering::AcqRel) {
            place = place.next.get_or_init(|| Box::new(Place::empty()));
        }
        place.mark.store(mark, Ordering::Release);
        place.fd.store(fd.as_raw_fd(), Ordering::Release);
        Listed(place)
    }
}

/// A descriptor is in a list, until this is dropped.
#[derive(Debug)]
pub(crate) struct Listed(&'static Place);

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.fd.store(NONE, Ordering::Release);
        self.0.taken.store(false, Ordering::Release);
    }
}

static UNSHARED: List = List::new();

/// No fork of this program begins while this is there.
pub(crate) type NoFork = MutexGuard<'static, ()>;

/// Keeps other threads from forking until what this returns is dropped, so that no child gets a descriptor between its making and its
/// listing. To be held for a few system calls only.
pub(crate) fn hold_off_forks() -> NoFork {
    // Not a `Once`: a child that is forked in the middle of one would wait for ever.
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if !WATCHED.swap(true, Ordering::AcqRel) {
        at_forks(before_fork, after_fork, in_child);
    }
    lock()
}

/// Has children that the program forks close their copies of a descriptor whose end others wait for: so the end of the program is
/// still seen. It was made under the same hold, and must stay open until what this returns is dropped.
pub(crate) fn unshare(fd: BorrowedFd<'_>, _since_it_was_made: &NoFork) -> Listed {
    UNSHARED.add(fd, false)
}

static FORKING: Mutex<()> = Mutex::new(());

thread_local! {
    /// Of the thread that is forking, in the child as well.
    static HELD: Cell<Option<NoFork>> = const { Cell::new(None) };
}

fn lock() -> NoFork {
    FORKING.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn before_fork() {
    // A thread whose locals have gone forks without it.
    let _ = HELD.try_with(|held| held.set(Some(lock())));
}

extern "C" fn after_fork() {
    // As above: then there is nothing to let go of.
    let _ = HELD.try_with(Cell::take);
}

/// In a child: its copies go. Their numbers stay in use, since what owns them may be dropped yet.
extern "C" fn in_child() {
    UNSHARED.marked(false).for_each(empty_numbered);
    after_fork();
}
