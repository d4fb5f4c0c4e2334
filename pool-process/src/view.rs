//! Memory that many processes read, and none can write: a context that is a slice of numbers, or a text.
//!
//! # Safety
//!
//! A [`View`] is a whole mapping of a file whose size and content are sealed: nobody writes it, and nobody cuts it off, so it can be a
//! slice. It lives as long as the mapping.
#![expect(unsafe_code, reason = "a mapping is a slice")]

use std::io;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::arena::{Number, numbers_of};
use crate::sys::about;
use crate::sys::memory_file::MemoryFile;

/// Bytes that many processes read.
#[derive(Debug)]
pub(crate) struct View {
    at: NonNull<u8>,
    length: NonZeroUsize,
}

// SAFETY: it is a slice of bytes that nobody writes.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    /// Maps a file that its pool has sent.
    pub(crate) fn open(fd: OwnedFd) -> io::Result<View> {
        let file = MemoryFile::open(fd)?;
        if !file.is_constant() {
            return Err(io::Error::other("the content of this memory is not sealed"));
        }
        let length = usize::try_from(file.length()).map_err(io::Error::other)?;
        let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidData)?;
        let flags = MapFlags::MAP_SHARED;
        // SAFETY: a new mapping, of memory whose size is sealed: it takes the place of nothing.
        let at = unsafe { mmap(None, length, ProtFlags::PROT_READ, flags, file.as_fd(), 0) };
        let at = at.map_err(about("a shared context cannot be mapped"))?;
        Ok(View {
            at: at.cast(),
            length,
        })
    }
}

impl Deref for View {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the whole mapping, which lives as long as this, and which nobody writes.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.length.get()) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more. It cannot fail for a whole mapping.
        let _ = unsafe { munmap(self.at.cast(), self.length.get()) };
    }
}

/// Numbers that many processes read.
#[derive(Debug)]
pub(crate) struct Numbers<T>(View, PhantomData<T>);

impl<T: Number> Numbers<T> {
    /// `None` where the last one is cut off.
    pub(crate) fn of(view: View) -> Option<Numbers<T>> {
        numbers_of::<T>(&view)?;
        Some(Numbers(view, PhantomData))
    }
}

impl<T: Number> Deref for Numbers<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // They were there when this was made.
        numbers_of(&self.0).unwrap_or_default()
    }
}

/// A text that many processes read.
#[derive(Debug)]
pub(crate) struct Text(View);

impl Text {
    /// `None` where the bytes are no text.
    pub(crate) fn of(view: View) -> Option<Text> {
        std::str::from_utf8(&view).ok()?;
        Some(Text(view))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        // SAFETY: it was one when this was made, and nobody writes it.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::{Numbers, Text, View};
    use crate::sys::listed;
    use crate::sys::memory_file::MemoryFile;

    fn view(bytes: &[u8]) -> View {
        let file = MemoryFile::of_bytes(c"test", bytes).expect("memory");
        let fd = file.as_fd().try_clone_to_owned().expect("a copy");
        assert!(
            nix::sys::uio::pwrite(&fd, &[1], 0).is_err(),
            "the content is sealed"
        );
        View::open(fd).expect("a view")
    }

    #[test]
    fn numbers_and_texts_are_what_was_written() {
        let numbers = Numbers::<u16>::of(view(&[1, 0, 2, 0])).expect("whole numbers");
        assert_eq!(*numbers, [1_u16, 2].map(u16::to_le).map(u16::from_le));
        assert!(Numbers::<u16>::of(view(&[1, 0, 2])).is_none());
        assert_eq!(&*Text::of(view(b"text")).expect("a text"), "text");
        assert!(Text::of(view(&[0xff])).is_none());
    }

    #[test]
    fn memory_that_somebody_can_write_is_refused() {
        let file = MemoryFile::make(c"test", 4_096, 4_096, &listed::hold_off_forks());
        let fd = file.expect("memory").as_fd().try_clone_to_owned();
        let refused = View::open(fd.expect("a copy")).expect_err("it can be written");
        assert!(refused.to_string().contains("sealed"), "{refused}");
    }
}
