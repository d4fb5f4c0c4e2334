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
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};
use nix::sys::stat::fstat;

use crate::sys::{self, about};

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

/// What no process may do to the memory: cut it off, let it grow, and allow either again.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

impl<T: Atomic> Shared<T> {
    /// Makes memory, all zero, and the descriptor by which another process maps it.
    pub(super) fn create() -> io::Result<(Shared<T>, OwnedFd)> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let made = memfd_create(c"pool-ring", flags);
        let made = sys::above_standard(made.map_err(about("shared memory cannot be made"))?)?;
        // All of it is there from the beginning: where memory is short, this fails, and no access does later.
        let length = i64::try_from(size_of::<T>()).map_err(io::Error::other)?;
        let all = again(|| fallocate(&made, FallocateFlags::empty(), 0, length));
        all.map_err(about("shared memory cannot be had"))?;
        fcntl(&made, FcntlArg::F_ADD_SEALS(seals()))
            .map_err(about("shared memory cannot be sealed"))?;
        Ok((Shared::map(&made)?, made))
    }

    /// Maps memory that another process has made.
    pub(super) fn open(fd: &OwnedFd) -> io::Result<Shared<T>> {
        let has = fcntl(fd, FcntlArg::F_GET_SEALS)?;
        let length = usize::try_from(fstat(fd)?.st_size).unwrap_or(0);
        if !SealFlag::from_bits_retain(has).contains(seals()) || length < size_of::<T>() {
            return Err(io::Error::other("this is no memory of a ring"));
        }
        Shared::map(fd)
    }

    fn map(fd: &OwnedFd) -> io::Result<Shared<T>> {
        let length = NonZeroUsize::new(size_of::<T>())
            .ok_or_else(|| io::Error::other("memory without a size"))?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, of memory whose size is sealed: it takes the place of nothing.
        let at = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, fd.as_fd(), 0) };
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

fn again<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
