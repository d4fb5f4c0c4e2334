//! Lines in and bytes out, without ever blocking the harness.

use std::io::{self, ErrorKind, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use nix::sys::socket::sockopt::PassCred;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt};

use crate::protocol::{LineBuffer, LineError};

/// At most so many reads at a time: a peer that writes without end leaves the harness time for everything else.
const READS: usize = 4;

/// Reads what is there, or a good part of it; true if anything was.
fn read(stream: &mut impl Read, ended: &mut bool, mut take: impl FnMut(&[u8])) -> bool {
    let mut some = false;
    let mut buffer = [0; 16 * 1024];
    for _ in 0..READS {
        if *ended {
            break;
        }
        match stream.read(&mut buffer) {
            Ok(0) => *ended = true,
            Ok(n) => {
                take(&buffer[..n]);
                some = true;
                if n < buffer.len() {
                    break;
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            // A peer that was killed resets the connection: that is its end.
            Err(_) => *ended = true,
        }
    }
    some
}

/// The reading side of a stream.
#[derive(Debug, Default)]
pub(super) struct Inlet {
    lines: LineBuffer,
    /// Lines that were given out.
    count: u64,
    ended: bool,
}

impl Inlet {
    /// Reads what is there, or a good part of it; true if anything was, the end included.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> bool {
        let before = self.ended;
        let some = read(stream, &mut self.ended, |bytes| self.lines.push(bytes));
        some || self.ended != before
    }

    /// The next whole line.
    pub(super) fn line(&mut self) -> Result<Option<String>, LineError> {
        let line = self.lines.next_line();
        self.count += u64::from(!matches!(line, Ok(None)));
        line
    }

    /// The number of the line that was given out last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.count
    }

    /// Whether nothing more will come.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }
}

/// What the adapter says on stdout: a socket, by which the kernel tells who writes.
#[derive(Debug)]
pub(super) struct Voice {
    socket: UnixStream,
    /// The process that wrote first.
    pub(super) speaker: Option<i32>,
    /// Another one that wrote as well.
    pub(super) another: Option<i32>,
}

impl Voice {
    /// One to listen to, and the adapter's end.
    pub(super) fn pair() -> io::Result<(Voice, Stdio)> {
        let (socket, other) = UnixStream::pair()?;
        // Before anybody writes: what is written earlier has no name.
        setsockopt(&socket, PassCred, &true)?;
        let voice = Voice {
            socket,
            speaker: None,
            another: None,
        };
        Ok((voice, OwnedFd::from(other).into()))
    }
}

impl Read for Voice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut names = nix::cmsg_space!(UnixCredentials);
        let mut into = [IoSliceMut::new(buffer)];
        // Descriptors that somebody sends along have no place in the answer: the kernel closes them.
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let fd = self.socket.as_raw_fd();
        let message = recvmsg::<()>(fd, &mut into, Some(&mut names), flags)?;
        for name in message.cmsgs()? {
            if let ControlMessageOwned::ScmCredentials(of) = name {
                // In a namespace that is not seen from here it has no number.
                let pid = Some(of.pid()).filter(|pid| *pid > 0 && message.bytes > 0);
                self.speaker = self.speaker.or(pid);
                self.another = pid.filter(|_| pid != self.speaker).or(self.another);
            }
        }
        Ok(message.bytes)
    }
}

impl AsFd for Voice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The writing side of a stream.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    bytes: Vec<u8>,
    written: usize,
}

impl Outlet {
    /// Takes bytes to be written.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes as much as goes now. A peer that reads no more loses the rest: its end is seen elsewhere.
    pub(super) fn flush(&mut self, stream: &mut impl Write) {
        while self.written < self.bytes.len() {
            match stream.write(&self.bytes[self.written..]) {
                Ok(n) if n > 0 => self.written += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                _ => break,
            }
        }
        self.bytes.clear();
        self.written = 0;
    }

    /// Whether bytes are waiting.
    pub(super) fn pending(&self) -> bool {
        self.written < self.bytes.len()
    }
}

/// The last part of a stream of text, for diagnosis.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    cut: bool,
    ended: bool,
}

impl Tail {
    const KEPT: usize = 8 * 1024;

    /// Reads what is there, or a good part of it; true if anything was.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> bool {
        let Tail { bytes, cut, ended } = self;
        read(stream, ended, |read| {
            bytes.extend_from_slice(read);
            if bytes.len() > 2 * Tail::KEPT {
                bytes.drain(..bytes.len() - Tail::KEPT);
                *cut = true;
            }
        })
    }

    /// Whether nothing more will come.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The text, its beginning left out where it was long.
    pub(super) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let text = text.trim_end();
        if self.cut {
            format!("...{text}")
        } else {
            text.to_owned()
        }
    }
}

/// Makes reads and writes return at once.
pub(super) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
