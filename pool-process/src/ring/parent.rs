//! The parent's side of a ring. Positions are its own; whatever it reads is compared with them.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, fence};

use crate::wire::Kind;

use super::layout::{Layout, Meta, Turn};
use super::memory::Shared;

pub(crate) use super::layout::{CAPACITY, SLOTS};

/// A ring, as the parent has it.
#[derive(Debug)]
pub(crate) struct ParentRing {
    shared: Shared<Layout>,
    /// The position of the first task whose answer was not read.
    front: u64,
    /// The position at which the next task is put.
    end: u64,
}

/// The answer of a worker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) kind: Kind,
    /// How long the task ran, as the worker says: to be used for nothing but the worker's own share of the work.
    pub(crate) nanos: u32,
    /// Where its bytes lie in the buffer that was given.
    pub(crate) bytes: Range<usize>,
}

/// What a ring says that no worker of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    #[error("a slot of its ring says {word:#x} at position {position}")]
    State {
        /// What it says.
        word: u64,
        /// The position that it is used for.
        position: u64,
    },
    #[error("its ring answers request {said} where {asked} was asked")]
    Request {
        /// What it answers.
        said: u64,
        /// What was to be answered.
        asked: u64,
    },
    #[error("its ring holds an answer of unknown kind {0}")]
    Kind(u8),
    #[error("its ring holds an answer of {0} bytes, more than a slot has")]
    Length(u16),
}

impl ParentRing {
    /// A ring, and the descriptor that its worker gets.
    pub(crate) fn create() -> io::Result<(ParentRing, OwnedFd)> {
        let (shared, fd) = Shared::<Layout>::create()?;
        shared.stamp();
        let ring = ParentRing {
            shared,
            front: FIRST,
            end: FIRST,
        };
        ring.tell_read();
        Ok((ring, fd))
    }

    /// How many tasks are in the ring.
    pub(crate) fn len(&self) -> usize {
        (self.end - self.front) as usize
    }

    /// Puts a task into the ring, which must have room.
    pub(crate) fn put(&mut self, request: u64, frames: u64, payload: &[u8]) {
        debug_assert!(self.len() < SLOTS && payload.len() <= CAPACITY);
        let slot = self.shared.slot(self.end);
        let meta = Meta {
            kind: Kind::Task as u8,
            length: payload.len().min(CAPACITY) as u16,
            nanos: 0,
        };
        slot.request.store(request, Ordering::Relaxed);
        slot.frames.store(frames, Ordering::Relaxed);
        slot.meta.store(meta.to_word(), Ordering::Relaxed);
        slot.payload.write(payload);
        slot.state
            .store(Turn::Ready.at(self.end), Ordering::Release);
        self.end += 1;
    }

    /// Reads the answer to the first task, whose request this is; its bytes are appended. `None` while there is none.
    pub(crate) fn read(
        &mut self,
        request: u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<Answer>, Breach> {
        let position = self.front;
        if position == self.end {
            return Ok(None);
        }
        let slot = self.shared.slot(position);
        let word = slot.state.load(Ordering::Acquire);
        if word == Turn::Ready.at(position) || word == Turn::Taken.at(position) {
            return Ok(None);
        }
        if word != Turn::Done.at(position) {
            return Err(Breach::State { word, position });
        }
        let said = slot.request.load(Ordering::Relaxed);
        if said != request {
            return Err(Breach::Request {
                said,
                asked: request,
            });
        }
        let meta = Meta::from_word(slot.meta.load(Ordering::Relaxed));
        let kind = match Kind::of(meta.kind) {
            Some(kind) if kind.is_answer() => kind,
            _ => return Err(Breach::Kind(meta.kind)),
        };
        let length = usize::from(meta.length);
        if length > CAPACITY {
            return Err(Breach::Length(meta.length));
        }
        let start = out.len();
        slot.payload.read(length, out);
        self.front += 1;
        Ok(Some(Answer {
            kind,
            nanos: meta.nanos,
            bytes: start..out.len(),
        }))
    }

    /// The answer to the first task has come by another way.
    pub(crate) fn pass(&mut self) {
        debug_assert!(self.len() > 0);
        self.front += 1;
    }

    /// Says which answers were read.
    pub(crate) fn tell_read(&self) {
        self.shared.told.0.read.store(self.front, Ordering::Release);
    }

    /// Takes tasks back that have not started, the last one first, and leaves at least so many in the ring; how many it took.
    pub(crate) fn take_back(&mut self, keep: usize) -> usize {
        let mut count = 0;
        while self.len() > keep {
            let position = self.end - 1;
            let word = &self.shared.slot(position).state;
            let (ready, free) = (Turn::Ready.at(position), Turn::Free.at(position));
            if word
                .compare_exchange(ready, free, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
            {
                break;
            }
            self.end = position;
            count += 1;
        }
        count
    }

    /// Whether the worker is to be woken, since it sleeps. What was put before is there for it when it has been woken; one that does
    /// not sleep sees it before it does.
    pub(crate) fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        let word = &self.shared.worker_sleeps.0;
        word.load(Ordering::Relaxed) != 0 && word.swap(0, Ordering::AcqRel) != 0
    }

    /// Whether the worker says that it sleeps: a hint.
    pub(crate) fn is_asleep(&self) -> bool {
        self.shared.worker_sleeps.0.load(Ordering::Relaxed) != 0
    }

    /// Says that the dispatcher sleeps, or that it does not; whether it was said before.
    pub(crate) fn tell_sleeping(&self, sleeps: bool) -> bool {
        let word = &self.shared.parent_sleeps.0;
        word.swap(u32::from(sleeps), Ordering::AcqRel) != 0
    }

    /// Says whether the worker may look for a while before it sleeps.
    pub(crate) fn tell_hot(&self, hot: bool) {
        let word = &self.shared.told.0.hot;
        word.store(u32::from(hot), Ordering::Relaxed);
    }
}

/// The position of the first task. It is not 0, so that no slot says anything of it before it is used.
pub(super) const FIRST: u64 = SLOTS as u64;
