//! The connection to a worker: its process, its socket, its state, and the frames that are still to be written.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::eventfd::EventFd;
use pool_core::backend::{Armed, Claim, Share};
use pool_core::{CodecError, Worker, WorkerEnd};

use crate::child::Child;
use crate::ring::parent::ParentRing;
use crate::start::Spawned;
use crate::wire::socket::{NonBlocking, Socket};
use crate::wire::{self, Breach, Frame, KEEP, Kind, Reader};

use super::outgoing::Outgoing;
use super::output::WorkerOutput;
use super::remote_job::RemoteJob;
use super::sent_contexts::SentContexts;
use super::stats::worker;

/// The longest payload that a worker may send at least, whatever the pool's limit is: its errors must fit.
const REPORT: u64 = 64 * 1024;

/// A unit that was sent to a worker.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) claim: Claim<dyn RemoteJob>,
    pub(crate) request: u64,
    /// The worker has sent `Started`.
    pub(crate) started: bool,
    /// When that came.
    pub(crate) since: Option<Instant>,
}

/// What a worker is doing.
#[derive(Debug)]
pub(crate) enum WorkerState {
    /// It was started and has not yet sent `Ready`.
    Starting,
    /// It has no task.
    Idle,
    /// It has this task.
    Busy(Assignment),
    /// It has a ring: the feed knows what it does.
    Fed,
    /// It was sent `Leave`, or a signal that ends it.
    Leaving,
}

/// What the last check of a worker has found.
#[derive(Debug, Default)]
pub(crate) struct LastCheck {
    /// The request that it worked on; none when it was idle.
    pub(crate) request: Option<u64>,
    /// Its first thread had ended.
    pub(crate) first_thread_ended: bool,
}

/// One live worker, as its pool sees it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) child: Child,
    /// The number of this worker among all that the pool has started.
    pub(crate) serial: u32,
    /// It has said that it is ready.
    pub(crate) is_ready: bool,
    /// Why it leaves, if it does.
    pub(crate) end: WorkerEnd,
    pub(crate) socket: Arc<Socket>,
    /// Its ring and its bell, until it is ready.
    pub(crate) ring: Option<(ParentRing, EventFd)>,
    pub(crate) state: WorkerState,
    /// Why the pool kills it.
    pub(crate) kill_reason: Option<String>,
    /// The pool stops it, since what it runs was cancelled, or its deadline has passed. Without a grace there is no timer.
    pub(crate) stopping: Option<Option<Armed>>,
    /// Nothing is read from its socket any more.
    pub(crate) closed: bool,
    /// Epoll is to report when its socket takes more.
    pub(crate) awaits_writable: bool,
    pub(crate) last_check: LastCheck,
    /// What its tasks print, where the pool reads that.
    pub(crate) output: Option<WorkerOutput>,
    /// How many tasks it was sent, by its socket.
    pub(crate) tasks: usize,
    /// After how much it is replaced.
    pub(crate) share: Share,
    /// The timer of its age.
    pub(crate) age: Option<Armed>,
    /// While it has nothing to do: how many tasks it had ended, and the timer after which it leaves.
    pub(crate) idle: Option<(usize, Armed)>,
    /// It is one too many, and leaves after its task.
    pub(crate) is_surplus: bool,
    /// So many tasks had ended when its memory was looked at last.
    pub(crate) measured: usize,
    /// Its seat in the queue still names what it ran last.
    pub(crate) seated: bool,
    reader: Reader,
    outbox: Outgoing,
    written: usize,
    sent_contexts: SentContexts,
}

/// A frame of a worker, if there is one, with what it changes.
pub(crate) type NextFrame<'a> = (
    Result<Option<Frame<'a>>, Breach>,
    &'a mut WorkerState,
    &'a mut Option<WorkerOutput>,
);

impl Connection {
    pub(crate) fn new(
        spawned: Spawned,
        serial: u32,
        ring: Option<(ParentRing, EventFd)>,
        max_payload: u64,
        share: Share,
    ) -> Connection {
        let Spawned { child, socket } = spawned;
        Connection {
            child,
            serial,
            is_ready: false,
            end: WorkerEnd::Left,
            socket: Arc::new(socket),
            ring,
            state: WorkerState::Starting,
            kill_reason: None,
            stopping: None,
            closed: false,
            awaits_writable: false,
            last_check: LastCheck::default(),
            output: None,
            tasks: 0,
            share,
            age: None,
            idle: None,
            is_surplus: false,
            measured: 0,
            seated: false,
            reader: Reader::new(max_payload.max(REPORT)),
            outbox: Outgoing::default(),
            written: 0,
            sent_contexts: SentContexts::default(),
        }
    }

    /// The buffer into which frames for the worker are written; [`Connection::flush`] sends them.
    pub(crate) fn outbox(&mut self) -> &mut Outgoing {
        if self.written == self.outbox.bytes.len() {
            self.outbox.bytes.clear();
            self.written = 0;
        }
        &mut self.outbox
    }

    /// Writes a unit into the outbox, and before it its context, if the worker has not got that.
    pub(crate) fn write_task(
        &mut self,
        request: u64,
        claim: &Claim<dyn RemoteJob>,
        max: u64,
    ) -> Result<(), CodecError> {
        let context = claim.job.context(&claim.unit);
        self.outbox();
        self.sent_contexts
            .write_missing(context, &mut self.outbox, max, &mut 0)?;
        wire::write(&mut self.outbox.bytes, Kind::Task, request, |out| {
            let start = out.len();
            let last = claim.job.encode(&claim.unit, out)?;
            wire::fits("the task's argument", out.len() - start + last.len(), max)?;
            out.extend_from_slice(last);
            Ok(())
        })
    }

    /// Appends frames to the outbox.
    pub(crate) fn send(&mut self, frames: Outgoing) {
        self.outbox().append(frames);
    }

    /// Sends the first frame, with descriptors.
    pub(crate) fn send_setup(&mut self, setup: Vec<u8>, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.written = self.socket.send_with(&setup, fds)?;
        self.outbox = setup.into();
        Ok(())
    }

    /// Writes what the socket takes; true when nothing is left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        self.written = self.outbox.write(&self.socket, self.written)?;
        if self.written < self.outbox.bytes.len() {
            return Ok(false);
        }
        self.outbox().bytes.shrink_to(KEEP);
        Ok(true)
    }

    /// Reads what the worker wrote; 0 is the end.
    pub(crate) fn read(&mut self) -> io::Result<usize> {
        self.reader.fill(&mut NonBlocking(&self.socket))
    }

    /// The next of the worker's frames, the worker's state, and what its tasks print.
    pub(crate) fn next_frame(&mut self) -> NextFrame<'_> {
        (self.reader.next(), &mut self.state, &mut self.output)
    }

    /// The worker, in this slot.
    pub(crate) fn worker(&self, index: usize) -> Worker {
        worker(index, self.serial, self.child.pid())
    }

    /// Why it leaves when it has run its share.
    pub(crate) fn end_of_share(&self) -> WorkerEnd {
        match self.is_surplus {
            true => WorkerEnd::Left,
            false => WorkerEnd::Replaced,
        }
    }

    /// Writes `Leave` into the outbox: the worker ends normally, and why.
    pub(crate) fn retire(&mut self, end: WorkerEnd) {
        self.end = end;
        self.state = WorkerState::Leaving;
        let nothing = |_: &mut Vec<u8>| Ok::<(), Infallible>(());
        match wire::write(&mut self.outbox().bytes, Kind::Leave, 0, nothing) {
            Ok(()) => {}
        }
    }
}
