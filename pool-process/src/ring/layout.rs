//! What lies where in a ring.
//!
//! # Safety
//!
//! [`Layout`] and all that it consists of are atomic numbers.
#![expect(unsafe_code, reason = "it says of a type that it is atomic")]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::arena::Span;

use super::memory::Atomic;

/// How many tasks a ring holds.
pub(crate) const SLOTS: usize = 256;

/// How many bytes a ring has.
pub(super) const BYTES: u64 = size_of::<Layout>() as u64;

/// The longest payload that a slot takes, in bytes.
pub(crate) const CAPACITY: usize = 8 * WORDS;

const WORDS: usize = 58;

/// What the first word says: that this is a ring, and in which version.
const STAMP: u64 = 0x0002_676e_6972_7070;

/// One line of a processor's cache, and the one that it fetches along with it.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Line<T>(pub(super) T);

/// A ring, as it lies in memory.
#[derive(Debug)]
#[repr(C, align(4096))]
pub(super) struct Layout {
    stamp: Line<AtomicU64>,
    /// The worker sleeps, or is about to; whoever wakes it takes that back.
    pub(super) worker_sleeps: Line<AtomicU32>,
    /// The pool's dispatcher sleeps, or is about to; whoever wakes it takes that back.
    pub(super) parent_sleeps: Line<AtomicU32>,
    /// What the parent tells the worker.
    pub(super) told: Line<Told>,
    pub(super) slots: [Slot; SLOTS],
}

#[derive(Debug)]
#[repr(C)]
pub(super) struct Told {
    /// Answers before this position were read.
    pub(super) read: AtomicU64,
    /// Whether the worker may look for a while before it sleeps: one idle worker of a pool may.
    pub(super) hot: AtomicU32,
}

/// The place of a task, and of its answer.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Slot {
    /// The position that it is used for, and whose turn it is.
    pub(super) state: AtomicU64,
    pub(super) request: AtomicU64,
    /// How many frames the worker must have received before it takes the task.
    pub(super) frames: AtomicU64,
    /// What [`Meta`] says.
    pub(super) meta: AtomicU64,
    /// Where the bytes behind the payload lie in the arena, and how many they are; none where that is 0.
    pub(super) tail: [AtomicU64; 2],
    pub(super) payload: Payload,
}

/// Bytes, as numbers.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Payload([AtomicU64; WORDS]);

// SAFETY: atomic numbers, and nothing else.
unsafe impl Atomic for Layout {}

/// Whose turn it is in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Turn {
    /// The parent's: there is nothing, or nothing any more.
    Free = 0,
    /// The worker's: it may take the task. The parent may take it back.
    Ready = 1,
    /// The worker has started the task.
    Taken = 2,
    /// The parent's: there is the answer.
    Done = 3,
}

impl Turn {
    /// The word of a slot that says so for a position.
    pub(super) fn at(self, position: u64) -> u64 {
        position << 2 | self as u64
    }
}

/// What is said of a payload, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) kind: u8,
    pub(super) length: u16,
    /// Of an answer, how long the task ran, in nanoseconds, as its worker says; of a task, whether the pool is to be woken when it
    /// starts.
    pub(super) nanos: u32,
}

impl Meta {
    pub(super) fn to_word(self) -> u64 {
        u64::from(self.nanos) << 32 | u64::from(self.length) << 8 | u64::from(self.kind)
    }

    pub(super) fn from_word(word: u64) -> Meta {
        Meta {
            kind: word as u8,
            length: (word >> 8) as u16,
            nanos: (word >> 32) as u32,
        }
    }
}

impl Layout {
    /// Says that this is a ring.
    pub(super) fn stamp(&self) {
        self.stamp.0.store(STAMP, Ordering::Release);
    }

    /// Says that it is none.
    #[cfg(test)]
    pub(super) fn forget_stamp(&self) {
        self.stamp.0.store(0, Ordering::Release);
    }

    /// Whether this is a ring as this program knows it.
    pub(super) fn is_stamped(&self) -> bool {
        self.stamp.0.load(Ordering::Acquire) == STAMP
    }

    /// The slot of a position.
    pub(super) fn slot(&self, position: u64) -> &Slot {
        &self.slots[(position % SLOTS as u64) as usize]
    }
}

impl Slot {
    /// Says where the rest of a payload lies.
    pub(super) fn set_tail(&self, tail: Option<Span>) {
        let Span { at, length } = tail.unwrap_or(Span { at: 0, length: 0 });
        self.tail[0].store(at, Ordering::Relaxed);
        self.tail[1].store(length, Ordering::Relaxed);
    }

    /// Where the rest of the payload lies.
    pub(super) fn tail(&self) -> Option<Span> {
        let [at, length] = &self.tail;
        let (at, length) = (at.load(Ordering::Relaxed), length.load(Ordering::Relaxed));
        (length > 0).then_some(Span { at, length })
    }
}

impl Payload {
    /// Writes bytes; what does not fit is left out.
    pub(super) fn write(&self, bytes: &[u8]) {
        for (word, bytes) in self.0.iter().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
        }
    }

    /// Appends so many bytes, or all where there are fewer.
    pub(super) fn read(&self, length: usize, out: &mut Vec<u8>) {
        let mut left = length.min(CAPACITY);
        for word in &self.0[..left.div_ceil(8)] {
            let bytes = word.load(Ordering::Relaxed).to_le_bytes();
            let count = left.min(8);
            out.extend_from_slice(&bytes[..count]);
            left -= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use proptest::prelude::*;

    use super::{CAPACITY, Layout, Meta, Payload, SLOTS, Slot, WORDS};

    #[test]
    fn a_slot_is_as_long_as_it_looks() {
        assert_eq!(size_of::<Slot>(), 512);
        assert_eq!(size_of::<Layout>(), 4096 + SLOTS * 512);
        assert!(CAPACITY <= usize::from(u16::MAX));
    }

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(bytes in proptest::collection::vec(any::<u8>(), 0..=CAPACITY)) {
            let payload = Payload([const { AtomicU64::new(u64::MAX) }; WORDS]);
            payload.write(&bytes);
            let mut out = vec![1];
            payload.read(bytes.len(), &mut out);
            prop_assert_eq!(&out[1..], &bytes[..]);
        }

        #[test]
        fn what_is_said_of_a_payload_is_one_word(kind in any::<u8>(), length in any::<u16>(), nanos in any::<u32>()) {
            let meta = Meta { kind, length, nanos };
            prop_assert_eq!(Meta::from_word(meta.to_word()), meta);
        }
    }
}
