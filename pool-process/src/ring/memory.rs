//! Memory that two processes share: made by one, sent as a descriptor, mapped by both.
//!
//! # Safety
//!
//! A [`Shared`] points to a whole mapping of at least the size of its type, which lives as long as it does: the size of the memory is
//! sealed before it is mapped, so that nobody can cut it off. What lies in it consists of atomic numbers (the type says so, by
//! [`Atomic`]), for which all bytes are valid, and which may be written by others while they are read. Neither process has the mapping
//! in children that it forks.
#![expect(unsafe_code, reason = "memory that another process writes")]

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};

use crate::sys::about;
use crate::sys::memory_file::MemoryFile;

/// A type of which every byte pattern is a value, and that others may change at any moment.
///
/// # Safety
///
/// It consists of atomic numbers alone.
pub(super) unsafe trait Atomic: Sync {}

/// A value in shared memory.
pub(super) struct Shared<T: Atomic> {
    at: NonNull<T>,
    content: PhantomData<T>,
}

// SAFETY: it is a reference to atomic numbers, which any thread may have.
unsafe impl<T: Atomic> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Atomic> Sync for Shared<T> {}

impl<T: Atomic> Shared<T> {
    /// Maps the beginning of a file.
    pub(super) fn map(file: &MemoryFile) -> io::Result<Shared<T>> {
        if file.length() < size_of::<T>() as u64 {
            return Err(io::Error::other("this is no memory of a ring"));
        }
        let length = NonZeroUsize::new(size_of::<T>())
            .ok_or_else(|| io::Error::other("memory without a size"))?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, of memory whose size is sealed: it takes the place of nothing.
        let at = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, file.as_fd(), 0) };
        let at = at.map_err(about("shared memory cannot be mapped"))?;
        let shared = Shared {
            at: at.cast(),
            content: PhantomData,
        };
        // SAFETY: the whole mapping; children do not get it, and this process keeps it.
        unsafe { madvise(at, length.get(), MmapAdvise::MADV_DONTFORK) }
            .map_err(about("shared memory cannot be kept from children"))?;
        Ok(shared)
    }
}

impl<T: Atomic> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mapping is as large as the type, at the beginning of a page, and lives as long as this; the type is atomic.
        unsafe { self.at.as_ref() }
    }
}

impl<T: Atomic> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more. It cannot fail for a whole mapping.
        let _ = unsafe { munmap(self.at.cast(), size_of::<T>()) };
    }
}

impl<T: Atomic> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
