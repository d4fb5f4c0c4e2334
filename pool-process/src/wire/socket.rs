//! A socket between two processes: made as a pair, never raising SIGPIPE, able to carry descriptors.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, SockFlag, SockType,
    recv, recvmsg, send, sendmsg, shutdown, socketpair,
};

use crate::sys::listed::{self, Listed};
use crate::sys::{self, about};

/// Most descriptors that one message carries.
pub(crate) const MAX_FDS: usize = 8;

/// How long one waits who could not send because the system is short of memory: nothing tells when it no longer is.
pub(crate) const SHORTAGE: Duration = Duration::from_millis(10);

/// Whether a send was refused because the system is short of memory: it may be tried again.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    let of = [Errno::ENOBUFS, Errno::ENOMEM].map(|errno| errno as i32);
    error
        .raw_os_error()
        .is_some_and(|errno| of.contains(&errno))
}

/// Whether a send was refused because nobody is there any more to receive it.
pub(crate) fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}

/// One end of a socket pair.
#[derive(Debug)]
pub(crate) struct Socket {
    // In this order: a number that is closed is in no list.
    _listed: Option<Listed>,
    fd: OwnedFd,
}

impl Socket {
    /// A connected pair of byte streams; neither end survives an `exec`, and children that the program forks have neither.
    pub(crate) fn pair() -> io::Result<(Socket, Socket)> {
        Socket::pair_of(SockType::Stream)
    }

    /// A connected pair that keeps messages apart.
    pub(crate) fn message_pair() -> io::Result<(Socket, Socket)> {
        Socket::pair_of(SockType::SeqPacket)
    }

    fn pair_of(kind: SockType) -> io::Result<(Socket, Socket)> {
        let alone = listed::hold_off_forks();
        let made = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC);
        let (one, other) = made.map_err(about("a pair of sockets cannot be made"))?;
        let unshared = |fd: OwnedFd| {
            let fd = sys::above_standard(fd)?;
            Ok::<_, io::Error>(Socket {
                _listed: Some(listed::unshare(fd.as_fd(), &alone)),
                fd,
            })
        };
        Ok((unshared(one)?, unshared(other)?))
    }

    /// The same socket, which a child that is forked has as well.
    pub(crate) fn shared(self) -> Socket {
        Socket::from_fd(self.fd)
    }

    /// Takes over a descriptor that is known to be such a socket.
    pub(crate) fn from_fd(fd: OwnedFd) -> Socket {
        Socket { _listed: None, fd }
    }

    /// Writes what fits without waiting; 0 when nothing does.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes, MsgFlags::MSG_DONTWAIT)
            .or_else(|error| match error.kind() {
                io::ErrorKind::WouldBlock => Ok(0),
                _ => Err(error),
            })
    }

    /// Writes everything, waiting as long as it takes, also for a system that is short of memory.
    pub(crate) fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.send(bytes, MsgFlags::empty()) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if is_shortage(&error) => thread::sleep(SHORTAGE),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that nothing more will be written: the other side sees the end.
    pub(crate) fn finish(&self) {
        // It fails only where the other side has gone already.
        let _ = shutdown(self.fd.as_raw_fd(), Shutdown::Write);
    }

    fn send(&self, bytes: &[u8], flags: MsgFlags) -> io::Result<usize> {
        again(|| send(self.fd.as_raw_fd(), bytes, flags | MsgFlags::MSG_NOSIGNAL))
    }

    /// Sends bytes, at least one, and descriptors with the first of them, without waiting. Returns how many bytes went.
    pub(crate) fn send_with(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let fds: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let carried = [ControlMessage::ScmRights(&fds)];
        let carried = if fds.is_empty() {
            &carried[..0]
        } else {
            &carried[..]
        };
        let bytes = [IoSlice::new(bytes)];
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        again(|| sendmsg::<()>(self.fd.as_raw_fd(), &bytes, carried, flags, None))
    }

    /// Receives bytes and descriptors; waits until there is something, 0 is the end.
    pub(crate) fn recv_with(
        &self,
        bytes: &mut [u8],
        fds: &mut impl Extend<OwnedFd>,
    ) -> io::Result<usize> {
        let mut room = nix::cmsg_space!([RawFd; MAX_FDS]);
        let mut bytes = [IoSliceMut::new(bytes)];
        loop {
            let received = recvmsg::<()>(
                self.fd.as_raw_fd(),
                &mut bytes,
                Some(&mut room),
                MsgFlags::MSG_CMSG_CLOEXEC,
            );
            match received {
                Ok(message) => {
                    for carried in message.cmsgs()? {
                        if let ControlMessageOwned::ScmRights(raw) = carried {
                            // Each is taken over, also behind one that is refused.
                            let taken: Vec<_> = raw.into_iter().map(sys::received).collect();
                            for fd in taken {
                                fds.extend([fd?]);
                            }
                        }
                    }
                    return Ok(message.bytes);
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads without waiting: a [`Socket`] as the pool sees it.
#[derive(Debug)]
pub(crate) struct NonBlocking<'a>(pub(crate) &'a Socket);

impl Read for NonBlocking<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        again(|| recv(self.0.fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT))
    }
}

/// Reads and waits, and keeps the descriptors that come along: a [`Socket`] as a worker sees it.
#[derive(Debug)]
pub(crate) struct Blocking<'a> {
    pub(crate) socket: &'a Socket,
    pub(crate) fds: VecDeque<OwnedFd>,
}

impl Read for Blocking<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.recv_with(bytes, &mut self.fds)
    }
}

fn again<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}
