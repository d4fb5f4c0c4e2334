//! The worker's side of a ring.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::arena::{Arena, Outlet, Span};
use crate::sys::memory_file::MemoryFile;
use crate::wire::Kind;

use super::layout::{BYTES, Layout, Meta, Slot, Turn};
use super::memory::Shared;
use super::parent::FIRST;

pub(crate) use super::layout::CAPACITY;

/// A ring, as the worker has it.
#[derive(Debug)]
pub(crate) struct WorkerRing {
    shared: Shared<Layout>,
    /// The position of the next task.
    at: u64,
    /// Where what is too long for a slot lies.
    outlet: Option<Outlet>,
}

/// A ring, and the eventfd by which its worker wakes the pool.
pub(crate) type RingAndBell = (WorkerRing, OwnedFd);

/// What a slot says of its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) request: u64,
    /// How many frames come before it.
    pub(crate) frames: u64,
    /// The pool is to be woken when it starts.
    pub(crate) tells_start: bool,
    /// Where the rest of its payload lies in the arena.
    pub(crate) tail: Option<Span>,
}

impl WorkerRing {
    /// Maps the ring that the pool has sent, perhaps with an arena.
    pub(crate) fn open(fd: OwnedFd) -> io::Result<WorkerRing> {
        let file = Arc::new(MemoryFile::open(fd)?);
        let shared = Shared::<Layout>::map(&file)?;
        if !shared.is_stamped() {
            return Err(io::Error::other("a ring of another version"));
        }
        Ok(WorkerRing {
            shared,
            at: FIRST,
            outlet: Arena::behind(BYTES, &file).map(Outlet::new),
        })
    }

    fn slot(&self) -> &Slot {
        self.shared.slot(self.at)
    }

    /// The next task, if there is one. It may be taken back before it is taken.
    pub(crate) fn next(&self) -> Option<Head> {
        (self.slot().state.load(Ordering::Acquire) == Turn::Ready.at(self.at)).then(|| self.head())
    }

    fn head(&self) -> Head {
        let slot = self.slot();
        Head {
            request: slot.request.load(Ordering::Relaxed),
            frames: slot.frames.load(Ordering::Relaxed),
            tells_start: Meta::from_word(slot.meta.load(Ordering::Relaxed)).nanos != 0,
            tail: slot.tail(),
        }
    }

    /// Takes the next task, which has started then. `None` where the parent has taken it back.
    pub(crate) fn take(&mut self) -> Option<Head> {
        let (ready, taken) = (Turn::Ready.at(self.at), Turn::Taken.at(self.at));
        let word = &self.slot().state;
        word.compare_exchange(ready, taken, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        Some(self.head())
    }

    /// Appends the payload of the task that was taken.
    pub(crate) fn read(&self, out: &mut Vec<u8>) {
        let slot = self.slot();
        let meta = Meta::from_word(slot.meta.load(Ordering::Relaxed));
        slot.payload.read(usize::from(meta.length), out);
    }

    /// Its arena, for the answer to the task that was taken: where all answers before were read, from its beginning on.
    pub(crate) fn outlet(&mut self) -> Option<&mut Outlet> {
        if self.outlet.as_ref()?.is_used() && self.is_read() {
            self.outlet.as_mut()?.clear();
        }
        self.outlet.as_mut()
    }

    /// Its arena.
    pub(crate) fn arena(&self) -> Option<&Arc<Arena>> {
        self.outlet.as_ref().map(|outlet| &outlet.arena)
    }

    /// Answers the task that was taken. The payload must fit; the rest of it lies in the arena.
    pub(crate) fn answer(&mut self, kind: Kind, nanos: u32, payload: &[u8], tail: Option<Span>) {
        debug_assert!(payload.len() <= CAPACITY);
        let slot = self.slot();
        let meta = Meta {
            kind: kind as u8,
            length: payload.len().min(CAPACITY) as u16,
            nanos,
        };
        slot.meta.store(meta.to_word(), Ordering::Relaxed);
        slot.set_tail(tail);
        slot.payload.write(payload);
        slot.state.store(Turn::Done.at(self.at), Ordering::Release);
        self.at += 1;
    }

    /// The task that was taken is answered by another way.
    pub(crate) fn pass(&mut self) {
        self.at += 1;
    }

    /// Whether all answers were read.
    pub(crate) fn is_read(&self) -> bool {
        self.shared.told.0.read.load(Ordering::Acquire) >= self.at
    }

    /// Whether the parent is to be woken, since it sleeps: an answer was given that it has not read, or a task has started.
    pub(crate) fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        let word = &self.shared.parent_sleeps.0;
        word.load(Ordering::Relaxed) != 0 && word.swap(0, Ordering::AcqRel) != 0
    }

    /// Whether it may look for a while before it sleeps.
    pub(crate) fn is_hot(&self) -> bool {
        self.shared.told.0.hot.load(Ordering::Relaxed) != 0
    }

    /// Says that the worker sleeps from now on, unless there is a task: then it does not, and this is false.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.shared.worker_sleeps.0.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let sleeps = self.next().is_none();
        if !sleeps {
            self.wake_up();
        }
        sleeps
    }

    /// Says that the worker is awake.
    pub(crate) fn wake_up(&self) {
        self.shared.worker_sleeps.0.store(0, Ordering::Relaxed);
    }
}
