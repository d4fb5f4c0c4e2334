//! The fork server: a small process with one thread that forks workers when its pools ask for one.
//!
//! It is the program itself, started again and held before `main`, so a fork copies little and finds no lock held. It ends when the
//! process that it serves ends, and kills what it has forked and what those processes have left behind: it is the subreaper of them
//! all.
//!
//! ```text
//!   owner ──connection 0──▶ server ──fork──▶ workers, each with a socket to its pool
//!    pool ──connection n──▶  │ ▲
//!                            │ └── signalfd (children), pidfd (owner)
//!         ◀──pidfd───────────┘
//! ```
//!
//! Each pool has a connection of its own, with one reply to each request but the one that opens it: see [`protocol`]. When a connection is
//! closed, the server kills the workers that were requested by it. When the first one is closed, the server ends. The server alone
//! reaps workers, so it alone knows when a process id is free again: signals to process groups go through it. It waits for nothing
//! but the next event. If something stops it, the next request continues it. A server that hangs all the same is given up after some
//! seconds, and replaced.
//!
//! Workers do not depend on the server. If it dies, they go on, and their pools use another one for later workers. Before Linux 6.15
//! the kernel may not tell how such an orphan ended. All workers end with the owner, by what the kernel does: see
//! [`lifeline`](crate::sys::lifeline).
//!
//! # Safety
//!
//! `fork` is only called while this process has one thread, which is looked up each time.
#![expect(unsafe_code, reason = "fork, in a process that has one thread")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{
    ForkResult, Pid, chdir, dup2_stderr, dup2_stdout, fork, getppid, gettid, setsid,
};

use crate::sys::{self, Status};
use crate::wire::socket::{self, Socket};
use crate::wire::token::{TOKEN, Token};
use crate::wire::{self, Kind};
use crate::worker::{self, Exit};

use super::protocol::{self, Reply, Request};

/// A process that was forked here.
#[derive(Debug)]
struct Worker {
    /// The number of the connection that requested it; none once that is closed.
    connection: Option<u64>,
    /// Its status once it has ended, until it is requested.
    status: Option<Status>,
}

/// What a fork server waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    /// A child has ended.
    Ends,
    /// The owner has ended.
    Owner,
    /// A request has come, or the connection was closed.
    Connection(u64),
}

struct Server {
    /// The process that is served, as a descriptor.
    owner: Option<OwnedFd>,
    /// The signalfd of SIGCHLD; none in a child.
    ends: Option<SignalFd>,
    /// Connections, by number; the first is the owner's own.
    connections: Vec<(u64, Socket)>,
    opened: u64,
    /// No `HashMap`: every worker would inherit the seeds that are made here.
    workers: BTreeMap<i32, Worker>,
    /// The owner's output is closed here.
    detached: bool,
}

/// A fork server's whole life.
pub(crate) fn serve(socket: Socket) -> ! {
    let code = match Server::new(socket) {
        Ok(mut server) => {
            server.run();
            server.kill_all();
            0
        }
        // The owner sees the connection end, and starts workers by re-exec.
        Err(error) => {
            // Not `eprintln`, which panics where nobody reads stderr.
            let _ = writeln!(
                io::stderr(),
                "pool-process: a fork server cannot start: {error}"
            );
            1
        }
    };
    sys::exit_now(code)
}

impl Server {
    fn new(socket: Socket) -> io::Result<Server> {
        let _ = prctl::set_name(c"pool-server");
        prctl::set_child_subreaper(true)?;
        // It keeps no directory in use; workers go where their pool was. Only one that nobody may enter they have from here.
        if chdir(".").is_ok() {
            chdir("/")?;
        }
        continue_on_input(&socket);
        let ends: SigSet = [Signal::SIGCHLD].into_iter().collect();
        ends.thread_block()?;
        let owner = u32::try_from(getppid().as_raw())
            .ok()
            .and_then(|owner| sys::pidfd_open(owner).ok());
        Ok(Server {
            owner,
            ends: Some(sys::signals(&ends)?),
            connections: vec![(0, socket)],
            opened: 0,
            workers: BTreeMap::new(),
            detached: false,
        })
    }

    /// Serves until the owner is gone.
    fn run(&mut self) {
        loop {
            let Ok(ready) = self.sleep() else {
                return;
            };
            if ready.contains(&Ready::Owner) {
                return;
            }
            // Ends are looked at with every request; this is for those that nobody asks about.
            self.reap();
            for event in ready {
                if let Ready::Connection(number) = event
                    && !self.answer(number)
                {
                    if number == 0 {
                        return;
                    }
                    self.close(number);
                }
            }
        }
    }

    /// Sleeps until something happens.
    fn sleep(&self) -> nix::Result<Vec<Ready>> {
        let mut watched: Vec<(Ready, PollFd<'_>)> = Vec::with_capacity(self.connections.len() + 2);
        let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
        watched.extend(self.ends.iter().map(|fd| (Ready::Ends, watch(fd.as_fd()))));
        watched.extend(
            self.owner
                .iter()
                .map(|fd| (Ready::Owner, watch(fd.as_fd()))),
        );
        watched.extend(
            self.connections
                .iter()
                .map(|(number, socket)| (Ready::Connection(*number), watch(socket.as_fd()))),
        );
        let (events, mut fds): (Vec<Ready>, Vec<PollFd<'_>>) = watched.into_iter().unzip();
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        let ready = events
            .into_iter()
            .zip(&fds)
            .filter(|(_, fd)| fd.any() != Some(false));
        Ok(ready.map(|(event, _)| event).collect())
    }

    /// Handles one request; false when the connection has ended.
    fn answer(&mut self, number: u64) -> bool {
        let Some((_, socket)) = self.connections.iter().find(|(open, _)| *open == number) else {
            return true;
        };
        let Ok(Some((request, fds))) = protocol::receive(socket) else {
            return false;
        };
        let mut carried = None;
        let reply = match request {
            Request::Open => {
                self.open(fds);
                return true;
            }
            Request::Preload { token } => preload(token),
            Request::Fork => match self.fork(number, fds) {
                Ok((pid, pidfd)) => {
                    carried = Some(pidfd);
                    Reply::Forked { pid }
                }
                Err(refused) => refused,
            },
            Request::Signal { pid, signal } => self.signal(pid, signal),
            Request::Reap { pid } => Reply::Ended(self.take_status(pid)),
        };
        let Some((_, socket)) = self.connections.iter().find(|(open, _)| *open == number) else {
            return true;
        };
        let fds: Vec<_> = carried.iter().map(AsFd::as_fd).collect();
        match protocol::send(socket, &reply, &fds) {
            Ok(()) => true,
            // The system refuses to send a descriptor, such as while too many are under way: the worker cannot be handed
            // over. It sees its socket close, and leaves.
            Err(error) if !fds.is_empty() && !socket::is_end(&error) => {
                let refused = Reply::Refused(error.raw_os_error().unwrap_or(0));
                protocol::send(socket, &refused, &[]).is_ok()
            }
            Err(_) => false,
        }
    }

    fn open(&mut self, fds: Vec<OwnedFd>) {
        for fd in fds {
            self.opened += 1;
            let socket = Socket::from_fd(fd);
            continue_on_input(&socket);
            self.connections.push((self.opened, socket));
        }
    }

    fn fork(&mut self, number: u64, fds: Vec<OwnedFd>) -> Result<(i32, OwnedFd), Reply> {
        let Some(socket) = fds.into_iter().next() else {
            return Err(Reply::Refused(Errno::EBADF as i32));
        };
        self.detach_output();
        let threads = threads();
        if threads != 1 {
            return Err(Reply::Threads(threads));
        }
        // SAFETY: this process has one thread, so nothing is held by another that the child will not have.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => self.become_worker(&Socket::from_fd(socket)),
            Ok(ForkResult::Parent { child }) => {
                let pidfd = sys::pidfd_open(child.as_raw().unsigned_abs());
                // Without one nobody could watch over it: its socket closes here, and it leaves.
                let pidfd =
                    pidfd.map_err(|error| Reply::Refused(error.raw_os_error().unwrap_or(0)))?;
                self.workers.insert(
                    child.as_raw(),
                    Worker {
                        connection: Some(number),
                        status: None,
                    },
                );
                Ok((child.as_raw(), pidfd))
            }
            Err(error) => Err(Reply::Refused(error as i32)),
        }
    }

    /// Closes the owner's output here, so that its reader sees its end when the owner closes it. The preload has run by now, and
    /// workers write where their pool does.
    fn detach_output(&mut self) {
        if !std::mem::replace(&mut self.detached, true)
            && let Ok(null) = sys::null()
        {
            let _ = dup2_stdout(&null);
            let _ = dup2_stderr(&null);
        }
    }

    /// In the child: closes everything that is the server's, and runs the worker.
    fn become_worker(&mut self, socket: &Socket) -> ! {
        // A process that was just forked leads no group, which is all that could be refused.
        let _ = setsid();
        self.connections.clear();
        self.workers.clear();
        self.owner = None;
        // Its signal stays blocked until the worker learns its environment, the mask among them.
        self.ends = None;
        worker::serve(socket, Exit::Handlers)
    }

    fn signal(&mut self, pid: i32, signal: i32) -> Reply {
        self.reap();
        let alive = self
            .workers
            .get(&pid)
            .is_some_and(|worker| worker.status.is_none());
        match Signal::try_from(signal) {
            Ok(signal) if alive => {
                sys::signal_group(Pid::from_raw(pid), signal);
                // Stopped processes act on it only when they go on.
                sys::signal_group(Pid::from_raw(pid), Signal::SIGCONT);
                Reply::Done
            }
            Ok(_) => Reply::Done,
            Err(error) => Reply::Refused(error as i32),
        }
    }

    fn take_status(&mut self, pid: i32) -> Status {
        self.reap();
        self.workers
            .remove(&pid)
            .and_then(|worker| worker.status)
            .unwrap_or(Status::Unknown)
    }

    /// Takes the status of every child that has ended. A worker's process group ends with it.
    fn reap(&mut self) {
        if let Some(ends) = &self.ends {
            while let Ok(Some(_)) = ends.read_signal() {}
        }
        while let Some(pid) = sys::ended_child() {
            if self.workers.contains_key(&pid) {
                // Before its status is taken, the number cannot be anybody else's.
                sys::signal_group(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let status = sys::take_child_status(pid);
            match self.workers.get_mut(&pid) {
                Some(worker) if worker.connection.is_some() => worker.status = Some(status),
                Some(_) => drop(self.workers.remove(&pid)),
                None => {}
            }
        }
    }

    /// A connection was closed: its workers are killed.
    fn close(&mut self, number: u64) {
        self.connections.retain(|(open, _)| *open != number);
        self.reap();
        self.workers.retain(|pid, worker| {
            let theirs = worker.connection == Some(number);
            if theirs {
                worker.connection = None;
                sys::signal_group(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            !theirs || worker.status.is_none()
        });
    }

    /// Kills every process that was ever started here, and reaps it.
    fn kill_all(&mut self) {
        for (pid, worker) in &self.workers {
            if worker.status.is_none() {
                sys::signal_group(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        }
        // Those that have left their group come here when what started them ends.
        while sys::kill_children() && sys::await_child() {}
    }
}

/// Nobody who stops this process can make others wait for it: a question continues it, and so does the owner's end.
fn continue_on_input(socket: &Socket) {
    // Where that is refused, those who ask give it up after a time.
    let _ = sys::continue_on_input(socket.as_fd());
}

/// Runs a function once; what is forked later has what it made. It runs on a thread of its own: what a thread makes once
/// for itself, as the seeds of its hash maps, is not to be the same in all workers.
fn preload(token: [u8; TOKEN]) -> Reply {
    let run = move || {
        let mut nothing = wire::Reply::new(Vec::new(), 0, None, 0);
        let done = Token::from_bytes(token)
            .resolve()
            .map(|function| function.run([][..].into(), &mut nothing));
        let reply = match done {
            Ok(Kind::Done) => Reply::Done,
            _ => Reply::Failed,
        };
        (reply, gettid())
    };
    let thread = thread::Builder::new()
        .stack_size(sys::first_stack())
        .spawn(run);
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => return Reply::Refused(error.raw_os_error().unwrap_or(0)),
    };
    // What the function throws is caught where it runs.
    let Ok((reply, number)) = thread.join() else {
        return Reply::Failed;
    };
    // The kernel says that a thread has ended a moment before it counts it no more, and has no event for that.
    while fs::exists(format!("/proc/self/task/{number}")).is_ok_and(|there| there) {
        thread::yield_now();
    }
    reply
}

/// Number of threads of this process: each is a directory beside the two that every directory has.
fn threads() -> u64 {
    fs::metadata("/proc/self/task").map_or(0, |tasks| tasks.nlink().saturating_sub(2))
}
