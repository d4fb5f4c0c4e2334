//! The arena of a worker: memory that a pool shares with this worker alone, for what is too long for a slot of its ring. It lies behind the
//! ring, in the same file.
//!
//! The pool writes the argument of a task there while the worker has no other, and the worker writes answers there, behind those that
//! the pool has not read. Both sides read and write by system calls, and map nothing. So each looks at a copy of its own, no access
//! fails by a signal where memory is short, and a limit of the address space is no obstacle. Pages that were written once stay until
//! [`empty`](Arena::empty), since new ones cost several times what the copy costs.
//!
//! # Safety
//!
//! A [`Number`] has no byte that says nothing, and each sequence of as many bytes is one. So a list of them can be read as bytes, and
//! the room behind it takes any.
#![expect(unsafe_code, reason = "lists of numbers as bytes")]

use std::any::TypeId;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc;
use nix::sys::uio::pwrite;

use crate::sys::memory_file::{MemoryFile, may_reach};

/// A plain number.
///
/// # Safety
///
/// It has no padding, and all bytes are a value.
pub(crate) unsafe trait Number: Copy + 'static {}

macro_rules! numbers {
    ($($number:ty)+) => {$(
        // SAFETY: a primitive number.
        unsafe impl Number for $number {}
    )+};
}

numbers!(u8 i8 u16 i16 u32 i32 u64 i64 usize isize f32 f64);

/// The bytes of numbers, as this machine has them.
pub(crate) fn bytes_of<T: Number>(numbers: &[T]) -> &[u8] {
    // SAFETY: the very memory of the slice, which has no padding.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// Bytes as numbers; `None` where they do not begin as one, or the last one is cut off.
pub(crate) fn numbers_of<T: Number>(bytes: &[u8]) -> Option<&[T]> {
    // SAFETY: any bytes are numbers.
    let (before, numbers, behind) = unsafe { bytes.align_to() };
    (before.is_empty() && behind.is_empty()).then_some(numbers)
}

/// The bytes of items that are such numbers; `None` where they are others.
pub(crate) fn bytes_of_items<T: 'static, N: Number>(items: &[T]) -> Option<&[u8]> {
    (TypeId::of::<T>() == TypeId::of::<N>()).then(|| {
        // SAFETY: the two types are one.
        bytes_of(unsafe { std::slice::from_raw_parts(items.as_ptr().cast::<N>(), items.len()) })
    })
}

/// Appends numbers, given as their bytes; false where the last one is cut off.
pub(crate) fn append<T: Number>(bytes: &[u8], list: &mut Vec<T>) -> bool {
    let count = bytes.len() / size_of::<T>();
    list.reserve(count);
    // SAFETY: room for so many numbers was reserved, which any bytes are.
    unsafe {
        let room = list.as_mut_ptr().add(list.len()).cast::<u8>();
        room.copy_from_nonoverlapping(bytes.as_ptr(), count * size_of::<T>());
        list.set_len(list.len() + count);
    }
    count * size_of::<T>() == bytes.len()
}

/// Where bytes lie in an arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: u64,
    pub(crate) length: u64,
}

/// Memory that a pool shares with one worker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arena {
    file: Arc<MemoryFile>,
    /// Where it begins in the file.
    base: u64,
}

impl Arena {
    /// What lies behind the beginning of a file. `None` where that is nothing, or the system does not let it be used.
    pub(crate) fn behind(base: u64, file: &Arc<MemoryFile>) -> Option<Arena> {
        let is_there = file.length() > base && file.may_be_used();
        is_there.then(|| Arena {
            file: file.clone(),
            base,
        })
    }

    /// Whether these bytes lie in it.
    pub(crate) fn has(&self, span: Span) -> bool {
        let end = span.at.checked_add(span.length);
        end.is_some_and(|end| end <= self.file.length() - self.base)
    }

    /// Whether it can be used: a task may have closed its descriptor, and opened another file.
    pub(crate) fn is_intact(&self) -> bool {
        self.file.is_intact()
    }

    /// Writes bytes, one part after the other.
    pub(crate) fn write(&self, mut at: u64, parts: [&[u8]; 2]) -> io::Result<Span> {
        let length = parts.iter().map(|part| part.len() as u64).sum();
        let span = Span { at, length };
        if !self.has(span) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        at += self.base;
        may_reach(at + length)?;
        for mut part in parts {
            while !part.is_empty() {
                match pwrite(&self.file, part, at as i64) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        part = &part[written..];
                        at += written as u64;
                    }
                    Err(Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(span)
    }

    /// Appends the numbers whose bytes lie there.
    pub(crate) fn read<T: Number>(&self, span: Span, list: &mut Vec<T>) -> io::Result<()> {
        let length = usize::try_from(span.length).map_err(io::Error::other)?;
        let count = length / size_of::<T>();
        if !self.has(span) || count * size_of::<T>() != length {
            return Err(io::ErrorKind::InvalidData.into());
        }
        list.try_reserve(count).map_err(io::Error::other)?;
        let mut read = 0;
        while read < length {
            let at = (self.base + span.at + read as u64) as i64;
            // SAFETY: within the room for `count` numbers that was reserved, which the kernel writes from its beginning on.
            let got = unsafe {
                let room = list.as_mut_ptr().add(list.len()).cast::<u8>().add(read);
                libc::pread(
                    self.file.as_fd().as_raw_fd(),
                    room.cast(),
                    length - read,
                    at,
                )
            };
            match Errno::result(got) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(more) => read += more as usize,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // SAFETY: so many numbers were written behind the last one, and any bytes are numbers.
        unsafe { list.set_len(list.len() + count) };
        Ok(())
    }

    /// Gives its memory back to the system.
    pub(crate) fn empty(&self) -> io::Result<()> {
        self.file.empty(self.base)
    }
}

/// An arena as its worker has it: answers are written one behind the other, until the pool has read all of them.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) arena: Arc<Arena>,
    next: u64,
}

/// Where answers begin.
const PAGE: u64 = 4096;

impl Outlet {
    pub(crate) fn new(arena: Arena) -> Outlet {
        Outlet {
            arena: Arc::new(arena),
            next: 0,
        }
    }

    /// Whether something was written since it was cleared.
    pub(crate) fn is_used(&self) -> bool {
        self.next > 0
    }

    /// The pool has read all that was written, or will not.
    pub(crate) fn clear(&mut self) {
        self.next = 0;
    }

    /// Writes bytes, if there is room and the system has the memory.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Option<Span> {
        if !self.arena.is_intact() {
            return None;
        }
        let span = self.arena.write(self.next, [bytes, &[]]).ok()?;
        self.next = (span.at + span.length).next_multiple_of(PAGE);
        Some(span)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{Arena, Outlet, Span, append, bytes_of};
    use crate::sys::listed;
    use crate::sys::memory_file::MemoryFile;

    const BASE: u64 = 4_096;

    fn arena(length: u64) -> Arena {
        let alone = listed::hold_off_forks();
        let file = MemoryFile::make(c"test", BASE + length, BASE, &alone).expect("memory");
        Arena::behind(BASE, &Arc::new(file)).expect("an arena")
    }

    #[test]
    fn what_is_written_is_read_until_the_memory_is_given_back() {
        let arena = arena(1 << 20);
        let numbers: Vec<u64> = (0..1_000).collect();
        let parts = [&7_u64.to_ne_bytes(), bytes_of(&numbers)];
        let span = arena.write(8, parts).expect("room");
        let mut read = vec![9_u64];
        arena.read(span, &mut read).expect("bytes");
        assert_eq!(read[..2], [9, 7]);
        assert_eq!(read[2..], numbers);
        arena.empty().expect("a hole");
        let mut read = Vec::<u8>::new();
        arena.read(span, &mut read).expect("zeros");
        assert!(read.len() == 8_008 && read.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn nothing_lies_beyond_its_end() {
        let arena = arena(10_000);
        assert!(arena.write(9_999, [&[1, 2], &[]]).is_err());
        for (at, length) in [(9_999, 2), (u64::MAX, 2), (0, 10_001), (0, 7)] {
            let read = arena.read(Span { at, length }, &mut Vec::<u16>::new());
            assert!(read.is_err(), "{at} {length}");
        }
        for length in [0, 1 << 20] {
            let cut = nix::unistd::ftruncate(&*arena.file, length);
            assert!(cut.is_err(), "the size is sealed");
        }
        assert_eq!(Arena::behind(arena.file.length(), &arena.file), None);
    }

    #[test]
    fn answers_lie_behind_those_that_were_not_read() {
        let mut outlet = Outlet::new(arena(10_000));
        let mut at = || outlet.write(&[1; 3_000]).map(|span| span.at);
        assert_eq!([at(), at(), at()], [Some(0), Some(4_096), None]);
        outlet.clear();
        assert_eq!(outlet.write(&[1]).map(|span| span.at), Some(0));
    }

    proptest! {
        #[test]
        fn bytes_are_numbers_where_none_is_cut_off(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut list = vec![1_u32];
            prop_assert_eq!(append(&bytes, &mut list), bytes.len().is_multiple_of(4));
            prop_assert_eq!(bytes_of(&list[1..]), &bytes[..bytes.len() / 4 * 4]);
        }
    }
}
