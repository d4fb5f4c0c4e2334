//! Lists of descriptors that are read where no lock may be taken: by a handler at the program's exit, while other threads may be
//! anywhere, and in a child that the program has just forked. Nothing in a list is ever freed, and places are used again.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Once, OnceLock};

use crate::sys;

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

/// Has children that the program forks close their copies of a descriptor whose end others wait for: so the end of the program is
/// still seen. The descriptor must stay open until what this returns is dropped.
pub(crate) fn unshare(fd: BorrowedFd<'_>) -> Listed {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| sys::in_forked_children(let_go));
    UNSHARED.add(fd, false)
}

/// In a child: its copies go. Their numbers stay in use, since what owns them may be dropped yet.
extern "C" fn let_go() {
    UNSHARED.marked(false).for_each(sys::empty_numbered);
}
