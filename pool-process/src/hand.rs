//! One hand of a pool: a worker as its pool sees it: the process, the socket, what it is doing, what is still to be written to it.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;

use pool_core::{Claim, CodecError};

use crate::child::Child;
use crate::link::{Hasty, Link};
use crate::loans::Loans;
use crate::start::Newborn;
use crate::travel::Travel;
use crate::wire::{self, Breach, Frame, Kind, Reader};

/// What an outbox keeps of its room when it had to grow.
const KEEP: usize = 1024 * 1024;

/// What a worker may say at least, whatever the pool's limit is: that something was too long.
const REPORT: u64 = 64 * 1024;

/// A unit that a worker was given.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) claim: Claim<dyn Travel>,
    pub(crate) request: u64,
    /// The worker said that it has begun.
    pub(crate) started: bool,
}

/// What a worker is doing.
#[derive(Debug)]
pub(crate) enum Duty {
    /// It was started and has not yet said that it can be given work.
    Starting,
    /// Nothing.
    Idle,
    /// This.
    Busy(Assignment),
    /// It was told to leave, or is being stopped.
    Leaving,
}

/// What the last look at a worker has found.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The number of what it was doing; none when it was idle.
    pub(crate) at: Option<u64>,
    /// Its first thread had ended.
    pub(crate) alone: bool,
}

/// One live worker.
#[derive(Debug)]
pub(crate) struct Hand {
    pub(crate) child: Child,
    /// Number of this worker among all of the pool, replacements included: it tells events apart.
    pub(crate) serial: u32,
    pub(crate) link: Link,
    pub(crate) duty: Duty,
    /// Why it is being stopped, where its status will not say.
    pub(crate) verdict: Option<String>,
    /// Its end of the socket is closed.
    pub(crate) silent: bool,
    /// The dispatcher wants to know when it can be written to.
    pub(crate) awaited: bool,
    pub(crate) seen: Seen,
    /// How many tasks it was given.
    pub(crate) tasks: usize,
    /// Its seat in the feed still names what it ran last.
    pub(crate) seated: bool,
    reader: Reader,
    outbox: Vec<u8>,
    written: usize,
    loans: Loans,
}

impl Hand {
    pub(crate) fn new(newborn: Newborn, serial: u32, max_payload: u64) -> Hand {
        let Newborn { child, link } = newborn;
        Hand {
            child,
            serial,
            link,
            duty: Duty::Starting,
            verdict: None,
            silent: false,
            awaited: false,
            seen: Seen::default(),
            tasks: 0,
            seated: false,
            reader: Reader::new(max_payload.max(REPORT)),
            outbox: Vec::new(),
            written: 0,
            loans: Loans::default(),
        }
    }

    /// The room into which frames for the worker are written; [`Hand::flush`] sends them.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        if self.written == self.outbox.len() {
            self.outbox.clear();
            self.written = 0;
        }
        &mut self.outbox
    }

    /// Writes a unit into the outbox, and before it the context that it is lent, if the worker has not got it.
    pub(crate) fn put(
        &mut self,
        request: u64,
        claim: &Claim<dyn Travel>,
        max: u64,
    ) -> Result<(), CodecError> {
        let lending = claim.job.context(&claim.unit);
        self.outbox();
        self.loans.bring(lending, &mut self.outbox, max)?;
        wire::write(self.outbox(), Kind::Task, request, |out| {
            let start = out.len();
            claim.job.encode(&claim.unit, out)?;
            wire::fits("the task's argument", out.len() - start, max)
        })
    }

    /// Sends the first frame, with descriptors.
    pub(crate) fn introduce(&mut self, setup: Vec<u8>, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.written = self.link.send_with(&setup, fds)?;
        self.outbox = setup;
        Ok(())
    }

    /// Writes what the socket takes; true when nothing is left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        while self.written < self.outbox.len() {
            match self.link.try_write(&self.outbox[self.written..])? {
                0 => return Ok(false),
                more => self.written += more,
            }
        }
        self.outbox.clear();
        self.written = 0;
        if self.outbox.capacity() > KEEP {
            self.outbox = Vec::new();
        }
        Ok(true)
    }

    /// Reads what the worker wrote; 0 is the end.
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        self.reader.fill(&mut Hasty(&self.link))
    }

    /// The next of the worker's frames, and what it is doing.
    pub(crate) fn next(&mut self) -> (Result<Option<Frame<'_>>, Breach>, &mut Duty) {
        (self.reader.next(), &mut self.duty)
    }

    /// Writes into the outbox that the worker is to leave, in good order.
    pub(crate) fn dismiss(&mut self) {
        self.duty = Duty::Leaving;
        let nothing = |_: &mut Vec<u8>| Ok::<(), Infallible>(());
        match wire::write(self.outbox(), Kind::Leave, 0, nothing) {
            Ok(()) => {}
        }
    }
}
