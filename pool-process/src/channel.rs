//! The pool's side of the conversation with a fork server.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::errand;
use crate::link::Link;
use crate::sys::Status;
use crate::talk::{self, Reply, Request};

/// A way to ask a fork server; what was started by it ends with it.
#[derive(Debug)]
pub(crate) struct Channel(Mutex<Link>);

/// Why a fork server did not fork.
#[derive(Debug)]
pub(crate) enum NotForked {
    /// It has so many threads.
    Threads(u64),
    /// It is no longer there.
    Gone,
    /// The system refused it.
    Refused(io::Error),
}

impl Channel {
    pub(crate) fn new(link: Link) -> Channel {
        Channel(Mutex::new(link))
    }

    /// Opens another way to ask the same server.
    pub(crate) fn open(&self) -> io::Result<Channel> {
        let (ours, theirs) = Link::message_pair()?;
        self.ask(Request::Open, Some(&theirs))
            .map(|_| Channel::new(ours))
    }

    /// Has a function run in the server, and waits until it has.
    pub(crate) fn preload(&self, function: fn()) -> io::Result<()> {
        let token = errand::preload(function)
            .map_err(io::Error::other)?
            .to_bytes();
        match self.ask(Request::Preload { token }, None)? {
            (Reply::Done, _) => Ok(()),
            _ => Err(io::Error::other("the function to preload has panicked")),
        }
    }

    /// Has a worker forked: its process id, its pidfd, and our end of its socket.
    pub(crate) fn fork(&self) -> Result<(u32, OwnedFd, Link), NotForked> {
        let (ours, theirs) = Link::pair().map_err(NotForked::Refused)?;
        match self.ask(Request::Fork, Some(&theirs)) {
            Ok((Reply::Forked { pid }, fds)) => match fds.into_iter().next() {
                Some(pidfd) => Ok((pid.unsigned_abs(), pidfd, ours)),
                // There was no room for it here. The worker sees its socket close, and leaves.
                None => Err(NotForked::Refused(Errno::EMFILE.into())),
            },
            Ok((Reply::Threads(threads), _)) => Err(NotForked::Threads(threads)),
            Ok((Reply::Refused(number), _)) => {
                Err(NotForked::Refused(io::Error::from_raw_os_error(number)))
            }
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                // So a message is reported whose descriptor there was no room for.
                Err(NotForked::Refused(Errno::EMFILE.into()))
            }
            Ok(_) | Err(_) => Err(NotForked::Gone),
        }
    }

    /// Signals the group of a worker that was forked by this channel.
    pub(crate) fn signal(&self, pid: u32, signal: Signal) -> io::Result<()> {
        let request = Request::Signal {
            pid: pid.cast_signed(),
            signal: signal as i32,
        };
        self.ask(request, None).map(drop)
    }

    /// Takes the status of a worker that was forked by this channel and has ended.
    pub(crate) fn bury(&self, pid: u32) -> Option<Status> {
        match self.ask(
            Request::Bury {
                pid: pid.cast_signed(),
            },
            None,
        ) {
            Ok((Reply::Ended(status), _)) => Some(status),
            _ => None,
        }
    }

    /// One question, one answer. The server never waits for anything, so neither does this for long.
    fn ask(&self, request: Request, socket: Option<&Link>) -> io::Result<(Reply, Vec<OwnedFd>)> {
        let link = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let socket: Vec<_> = socket.iter().map(|socket| socket.as_fd()).collect();
        talk::say(&link, &request, &socket)?;
        talk::hear(&link)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
