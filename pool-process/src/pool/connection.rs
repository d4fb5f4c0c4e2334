//! One connection of a pool: a worker as its pool sees it: the process, the socket, what it is doing, what is still to be written to it.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;

use pool_core::{Claim, CodecError};

use crate::child::Child;
use crate::start::Spawned;
use crate::wire::socket::{NonBlocking, Socket};
use crate::wire::{self, Breach, Frame, Kind, Reader};

use super::remote_job::RemoteJob;
use super::sent_contexts::SentContexts;

/// What an outbox keeps of its room when it had to grow.
const KEEP: usize = 1024 * 1024;

/// What a worker may say at least, whatever the pool's limit is: that something was too long.
const REPORT: u64 = 64 * 1024;

/// A unit that a worker was given.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) claim: Claim<dyn RemoteJob>,
    pub(crate) request: u64,
    /// The worker said that it has begun.
    pub(crate) started: bool,
}

/// What a worker is doing.
#[derive(Debug)]
pub(crate) enum WorkerState {
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
pub(crate) struct LastCheck {
    /// The number of what it was doing; none when it was idle.
    pub(crate) at: Option<u64>,
    /// Its first thread had ended.
    pub(crate) alone: bool,
}

/// One live worker.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) child: Child,
    /// Number of this worker among all of the pool, replacements included: it tells events apart.
    pub(crate) serial: u32,
    pub(crate) socket: Socket,
    pub(crate) state: WorkerState,
    /// Why it is being stopped, where its status will not say.
    pub(crate) kill_reason: Option<String>,
    /// Its end of the socket is closed.
    pub(crate) closed: bool,
    /// The dispatcher wants to know when it can be written to.
    pub(crate) awaits_writable: bool,
    pub(crate) last_check: LastCheck,
    /// How many tasks it was given.
    pub(crate) tasks: usize,
    /// Its seat in the feed still names what it ran last.
    pub(crate) seated: bool,
    reader: Reader,
    outbox: Vec<u8>,
    written: usize,
    sent_contexts: SentContexts,
}

impl Connection {
    pub(crate) fn new(spawned: Spawned, serial: u32, max_payload: u64) -> Connection {
        let Spawned { child, socket } = spawned;
        Connection {
            child,
            serial,
            socket,
            state: WorkerState::Starting,
            kill_reason: None,
            closed: false,
            awaits_writable: false,
            last_check: LastCheck::default(),
            tasks: 0,
            seated: false,
            reader: Reader::new(max_payload.max(REPORT)),
            outbox: Vec::new(),
            written: 0,
            sent_contexts: SentContexts::default(),
        }
    }

    /// The room into which frames for the worker are written; [`Connection::flush`] sends them.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        if self.written == self.outbox.len() {
            self.outbox.clear();
            self.written = 0;
        }
        &mut self.outbox
    }

    /// Writes a unit into the outbox, and before it the context that it is lent, if the worker has not got it.
    pub(crate) fn write_task(
        &mut self,
        request: u64,
        claim: &Claim<dyn RemoteJob>,
        max: u64,
    ) -> Result<(), CodecError> {
        let job_context = claim.job.context(&claim.unit);
        self.outbox();
        self.sent_contexts
            .write_missing(job_context, &mut self.outbox, max)?;
        wire::write(self.outbox(), Kind::Task, request, |out| {
            let start = out.len();
            claim.job.encode(&claim.unit, out)?;
            wire::fits("the task's argument", out.len() - start, max)
        })
    }

    /// Sends the first frame, with descriptors.
    pub(crate) fn send_setup(&mut self, setup: Vec<u8>, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.written = self.socket.send_with(&setup, fds)?;
        self.outbox = setup;
        Ok(())
    }

    /// Writes what the socket takes; true when nothing is left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        while self.written < self.outbox.len() {
            match self.socket.try_write(&self.outbox[self.written..])? {
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
    pub(crate) fn read(&mut self) -> io::Result<usize> {
        self.reader.fill(&mut NonBlocking(&self.socket))
    }

    /// The next of the worker's frames, and what it is doing.
    pub(crate) fn next_frame(&mut self) -> (Result<Option<Frame<'_>>, Breach>, &mut WorkerState) {
        (self.reader.next(), &mut self.state)
    }

    /// Writes into the outbox that the worker is to leave, in good order.
    pub(crate) fn retire(&mut self) {
        self.state = WorkerState::Leaving;
        let nothing = |_: &mut Vec<u8>| Ok::<(), Infallible>(());
        match wire::write(self.outbox(), Kind::Leave, 0, nothing) {
            Ok(()) => {}
        }
    }
}
