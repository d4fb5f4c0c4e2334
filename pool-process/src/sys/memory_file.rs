//! Files in memory whose size nobody can change.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{FileStat, fstat};
use nix::sys::uio::{pread, pwrite};
use nix::unistd::ftruncate;

use super::listed::{self, Listed, NoFork};
use super::{about, above_standard};

/// A file in memory, which children that the program forks do not have. Its size is sealed.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    // In this order: a number that is closed is in no list.
    _listed: Listed,
    fd: OwnedFd,
    length: u64,
    /// The file, whatever its descriptor names later.
    identity: (u64, u64),
}

/// What no process may do to such a file: cut it off, let it grow, and allow either again.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

impl MemoryFile {
    /// A file of zeros. The memory of its first bytes is there from the beginning, so that no access to them can fail later; each page
    /// behind them comes with its first write.
    pub(crate) fn make(
        name: &CStr,
        length: u64,
        first: u64,
        alone: &NoFork,
    ) -> io::Result<MemoryFile> {
        may_reach(length)?;
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let made = memfd_create(name, flags);
        let made = above_standard(made.map_err(about("shared memory cannot be made"))?)?;
        let (length, first) = (offset(length)?, offset(first)?);
        again(|| ftruncate(&made, length))
            .and_then(|()| again(|| fallocate(&made, FallocateFlags::empty(), 0, first)))
            .map_err(about("shared memory cannot be had"))?;
        fcntl(&made, FcntlArg::F_ADD_SEALS(seals()))
            .map_err(about("shared memory cannot be sealed"))?;
        MemoryFile::of(made, alone)
    }

    /// A file of these bytes, which nobody can write any more.
    pub(crate) fn of_bytes(name: &CStr, bytes: &[u8]) -> io::Result<MemoryFile> {
        may_reach(bytes.len() as u64)?;
        let alone = listed::hold_off_forks();
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let made = above_standard(memfd_create(name, flags)?)?;
        let listed = listed::unshare(made.as_fd(), &alone);
        // A copy takes its time, in which others may fork.
        drop(alone);
        let mut written = 0;
        while written < bytes.len() {
            match again(|| pwrite(&made, &bytes[written..], written as i64))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                more => written += more,
            }
        }
        fcntl(
            &made,
            FcntlArg::F_ADD_SEALS(seals() | SealFlag::F_SEAL_WRITE),
        )?;
        MemoryFile::listed(made, listed)
    }

    /// A copy of all its bytes.
    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.length as usize];
        let mut read = 0;
        while read < bytes.len() {
            match again(|| pread(&self.fd, &mut bytes[read..], read as i64))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        Ok(bytes)
    }

    /// Whether nobody can write it any more.
    pub(crate) fn is_constant(&self) -> bool {
        fcntl(&self.fd, FcntlArg::F_GET_SEALS)
            .is_ok_and(|has| SealFlag::from_bits_retain(has).contains(SealFlag::F_SEAL_WRITE))
    }

    /// A file that another process has made.
    pub(crate) fn open(fd: OwnedFd) -> io::Result<MemoryFile> {
        let has = SealFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GET_SEALS)?);
        if !has.contains(seals()) {
            return Err(io::Error::other("the size of this memory is not sealed"));
        }
        MemoryFile::of(fd, &listed::hold_off_forks())
    }

    fn of(fd: OwnedFd, alone: &NoFork) -> io::Result<MemoryFile> {
        let listed = listed::unshare(fd.as_fd(), alone);
        MemoryFile::listed(fd, listed)
    }

    fn listed(fd: OwnedFd, listed: Listed) -> io::Result<MemoryFile> {
        let stat = fstat(&fd)?;
        Ok(MemoryFile {
            _listed: listed,
            fd,
            length: u64::try_from(stat.st_size).map_err(io::Error::other)?,
            identity: identity(&stat),
        })
    }

    /// Its size.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether its descriptor still names it. The program may have closed that, and opened another file.
    pub(crate) fn is_intact(&self) -> bool {
        fstat(&self.fd).is_ok_and(|stat| identity(&stat) == self.identity)
    }

    /// Whether the system lets this thread read and write anywhere. A filter of system calls may forbid it.
    pub(crate) fn may_be_used(&self) -> bool {
        pwrite(&self.fd, &[], 0).is_ok() && pread(&self.fd, &mut [], 0).is_ok()
    }

    /// Gives the memory from here on back; it reads as zeros then.
    pub(crate) fn empty(&self, from: u64) -> io::Result<()> {
        let (from, length) = (offset(from)?, offset(self.length.saturating_sub(from))?);
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        Ok(again(|| fallocate(&self.fd, flags, from, length))?)
    }
}

impl AsFd for MemoryFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl PartialEq for MemoryFile {
    fn eq(&self, other: &MemoryFile) -> bool {
        self.identity == other.identity
    }
}

impl Eq for MemoryFile {}

/// Whether a file may be so long. To write beyond the limit is not refused, but answered by a signal that ends the program.
pub(crate) fn may_reach(length: u64) -> io::Result<()> {
    let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
    if length > limit {
        let refused = format!("files may have {limit} bytes, and {length} are wanted");
        return Err(io::Error::other(refused));
    }
    Ok(())
}

fn identity(stat: &FileStat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn offset(length: u64) -> io::Result<i64> {
    i64::try_from(length).map_err(io::Error::other)
}

fn again<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
