//! The main loop of a worker that has a ring: it takes tasks from there, and answers there; of what is too long for a slot the rest lies in
//! its arena. Its socket brings what has no room there either, contexts, the order to leave, and what wakes it.
//!
//! What a task needs of the socket is received before the task is taken: who dies meanwhile has not started it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;
use nix::sys::timer::Expiration;
use nix::sys::timerfd::TimerSetTimeFlags;
use nix::unistd::write;
use pool_core::backend::spin_until;

use crate::arena::Arena;
use crate::ring::worker::{CAPACITY, Head, RingAndBell, WorkerRing};
use crate::sys;
use crate::wire::socket::{Blocking, Socket};
use crate::wire::{self, HEAD, KEEP, Kind, Payload, Reader, Reply};

use super::exit::{exit_now, flush};
use super::task::{call, send};
use super::{contexts, spare};

/// How long a worker that has answered, and has nothing else to do, waits for the pool to read that, before it wakes it: who waits for
/// the answer mostly looks for it already.
const PATIENCE: Duration = Duration::from_micros(10);

/// How long an answer waits for the pool to read it while the worker runs other tasks, before the worker wakes the pool: tasks are short
/// where several lie in the ring, and mostly somebody reads who submits, or who waits.
const UNREAD: Duration = Duration::from_micros(20);

/// After a task that took longer a worker looks whether it still has its descriptors: to close them takes longer.
const BRIEF: Duration = Duration::from_micros(1);

/// How long it keeps memory for the next argument while there is none.
const REST: Duration = Duration::from_secs(1);

/// Runs tasks until the pool has no more.
pub(super) fn work(
    (ring, bell): RingAndBell,
    mut reader: Reader,
    mut stream: Blocking<'_>,
    max_payload: u64,
    spin: Duration,
) {
    let mut worker = RingWorker {
        ring,
        bell,
        socket: stream.socket,
        max_payload,
        spin,
        reply: Vec::new(),
        argument: Vec::new(),
        frames: 0,
        taken: None,
        since: None,
        unread: None,
        was_woken: true,
    };
    loop {
        match worker.taken.or_else(|| worker.ring.next()) {
            Some(head) if head.frames <= worker.frames => {
                worker.take_and_run();
                continue;
            }
            // It waits for what precedes its task.
            Some(_) => {}
            None if worker.must_sleep() => {}
            None => continue,
        }
        let is_over = worker.receive(&mut reader, &mut stream);
        worker.ring.wake_up();
        worker.since = None;
        if is_over {
            return;
        }
    }
}

struct RingWorker<'a> {
    ring: WorkerRing,
    bell: OwnedFd,
    socket: &'a Socket,
    max_payload: u64,
    spin: Duration,
    reply: Vec<u8>,
    argument: Vec<u8>,
    /// Frames that it has received and that count.
    frames: u64,
    /// A task that it has taken, and that must wait for frames.
    taken: Option<Head>,
    /// When the task before ended, where nothing was waited for since.
    since: Option<Instant>,
    /// Since when there is an answer of which the worker has not seen to it that somebody reads it.
    unread: Option<Instant>,
    /// It has slept since its last answer.
    was_woken: bool,
}

impl RingWorker<'_> {
    /// Takes the next task, if it is still there and none was taken.
    fn take(&mut self) {
        if self.taken.is_some() {
            return;
        }
        self.taken = self.ring.take();
        if self.taken.is_some_and(|head| head.tells_start) && self.ring.must_wake() {
            self.ring_bell();
        }
    }

    /// Takes the next task, if it is still there, and runs it, if all that it needs is here.
    fn take_and_run(&mut self) {
        let next = self.taken.or_else(|| self.ring.next());
        let is_there = |arena: Option<&Arc<Arena>>| arena.is_some_and(|arena| arena.is_intact());
        if next.is_some_and(|head| head.tail.is_some()) && !is_there(self.ring.arena()) {
            // A task has closed it. The one that needs it has not started.
            exit_now(1);
        }
        self.take();
        if self.taken.is_none_or(|head| head.frames > self.frames) {
            return;
        }
        let Some(head) = self.taken.take() else {
            return;
        };
        let mut argument = std::mem::take(&mut self.argument);
        argument.clear();
        self.ring.read(&mut argument);
        self.run(head, &argument);
        self.argument = argument;
    }

    /// Runs the task that was taken, and answers.
    fn run(&mut self, head: Head, argument: &[u8]) {
        let began = self.since.unwrap_or_else(Instant::now);
        // Who sleeps beside an answer must not wait for many others.
        if self.unread.is_some() && self.ring.is_read() {
            self.unread = None;
        }
        if self.unread.is_some_and(|since| began - since > UNREAD) {
            self.wake_parent();
        }
        // Where the argument has no tail, nobody needs the arena yet.
        let arena = head.tail.and_then(|_| self.ring.arena().cloned());
        let argument = Payload {
            head: argument,
            tail: arena.as_deref().zip(head.tail),
        };
        let outlet = self.ring.outlet().map(|outlet| (outlet, CAPACITY));
        let bytes = std::mem::take(&mut self.reply);
        let mut reply = Reply::new(bytes, HEAD, outlet, self.max_payload);
        let kind = call(argument, &mut reply);
        let (mut reply, tail) = (reply.bytes, reply.tail);
        flush();
        let now = Instant::now();
        if now - began > BRIEF && !self.is_connected() {
            // It could not be told what comes next: its last task is the one that has done this.
            exit_now(1);
        }
        if reply.len() - HEAD <= CAPACITY {
            let nanos = u32::try_from((now - began).as_nanos()).unwrap_or(u32::MAX);
            self.ring.answer(kind, nanos, &reply[HEAD..], tail);
            self.unread.get_or_insert(now);
        } else {
            // The frame says it all: the slot stays as it is.
            wire::seal(&mut reply, kind, head.request);
            send(self.socket, &reply);
            self.ring.pass();
        }
        if reply.capacity() <= KEEP {
            self.reply = reply;
        }
        self.since = Some(now);
    }

    /// Whether the task that has just ended has left it its descriptors.
    fn is_connected(&self) -> bool {
        fcntl(self.socket, FcntlArg::F_GETFD).is_ok()
            && fcntl(&self.bell, FcntlArg::F_GETFD).is_ok()
    }

    /// Wakes the pool, if it sleeps beside an answer.
    fn wake_parent(&mut self) {
        if self.unread.take().is_some() && self.ring.must_wake() {
            // That is no time of the next task's.
            self.since = None;
            self.ring_bell();
        }
    }

    fn ring_bell(&self) {
        match write(&self.bell, &1_u64.to_ne_bytes()) {
            // Somebody else has filled it: it is rung.
            Ok(_) | Err(Errno::EAGAIN) => {}
            // A task has closed it: at the end of this process the pool looks at the answer.
            Err(_) => exit_now(1),
        }
    }

    /// There is no task: looks for one for a while. True when there is still none, and all know that this worker sleeps.
    fn must_sleep(&mut self) -> bool {
        let spins = !self.spin.is_zero();
        if self.unread.is_some() {
            let is_awaited = !std::mem::take(&mut self.was_woken);
            if spins && is_awaited && self.comes(PATIENCE, |ring| ring.is_read()) {
                return false;
            }
            self.unread.take_if(|_| self.ring.is_read());
            self.wake_parent();
        }
        if spins && self.ring.is_hot() && self.comes(self.spin, |ring| !ring.is_hot()) {
            return false;
        }
        self.was_woken = true;
        self.ring.fall_asleep()
    }

    /// Looks for a task for so long, unless it need not; true when there is one.
    fn comes(&self, time: Duration, need_not: impl Fn(&WorkerRing) -> bool) -> bool {
        let is_there = || self.ring.next().is_some();
        spin_until(|| is_there() || need_not(&self.ring), time, false) && is_there()
    }

    /// Handles the next frame, or waits for more bytes; true when the worker is to leave.
    fn receive(&mut self, reader: &mut Reader, stream: &mut Blocking<'_>) -> bool {
        match reader.next() {
            Ok(Some(frame)) => {
                self.frames += 1;
                match frame.kind {
                    Kind::Context => contexts::keep(frame.request, frame.payload),
                    Kind::SharedContext => {
                        contexts::keep_shared(frame.request, stream.fds.pop_front());
                    }
                    Kind::Forget => contexts::forget(frame.request),
                    Kind::Leave => return true,
                    // It does not count.
                    Kind::Wake => self.frames -= 1,
                    Kind::Task => {
                        // One that was taken back is of no use any more.
                        let next = self.taken.or_else(|| self.ring.next());
                        if next.is_some_and(|head| head.request == frame.request) {
                            self.take();
                            if let Some(head) =
                                self.taken.take_if(|head| head.request == frame.request)
                            {
                                self.run(head, frame.payload);
                            }
                        }
                    }
                    // A pool keeps to the protocol, so this comes from something else.
                    _ => exit_now(1),
                }
            }
            Ok(None) => {
                self.rest();
                match reader.fill(stream) {
                    Ok(0) | Err(_) => exit_now(0),
                    Ok(_) => {}
                }
            }
            Err(_) => exit_now(1),
        }
        false
    }

    /// Before it sleeps for long, it gives back the memory that it has kept for the next argument.
    fn rest(&self) {
        if !spare::is_there() {
            return;
        }
        let once = Expiration::OneShot(TimeSpec::from_duration(REST));
        let timer = sys::timer();
        let timer = timer.ok().filter(|timer| {
            let set = timer.set(once, TimerSetTimeFlags::empty());
            set.is_ok()
        });
        let woken = timer.is_some_and(|timer| {
            let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut watched = [watch(self.socket.as_fd()), watch(timer.as_fd())];
            while poll(&mut watched, PollTimeout::NONE) == Err(Errno::EINTR) {}
            watched[0].any().unwrap_or(true)
        });
        if !woken {
            spare::clear();
        }
    }
}
