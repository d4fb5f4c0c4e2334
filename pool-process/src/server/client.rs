//! The client of a fork server, which the parent uses.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::child::Child;
use crate::sys::{self, Status};
use crate::task;
use crate::wire::socket::{self, Socket};

use super::protocol::{self, Reply, Request};

/// How long a server may take to reply. It never waits for anything and needs a fraction of a millisecond, so this allows for a
/// busy machine. The time is the system's, not the pool's: it is a bound on what another process does.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may take to its first reply: constructors of linked libraries run before that.
const FIRST_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a server that does not reply is sent SIGCONT, in case something has stopped it.
const RESUME_EVERY: Duration = Duration::from_secs(1);

/// A fork server's process, shared by all its clients.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    pub(crate) child: Child,
    has_answered: AtomicBool,
    /// Why it was given up.
    fault: OnceLock<String>,
}

impl ServerProcess {
    pub(crate) fn new(child: Child) -> ServerProcess {
        ServerProcess {
            child,
            has_answered: AtomicBool::new(false),
            fault: OnceLock::new(),
        }
    }

    /// Kills it, and keeps the first reason that is given. Workers that it has forked go on.
    pub(crate) fn give_up(&self, fault: &str) {
        self.fault.get_or_init(|| fault.to_owned());
        // Unlike at the end of its first connection, it kills no worker then. The signal fails only where the process has ended, or
        // has another user; then it is left alone.
        let _ = self.child.signal_alone(Signal::SIGKILL);
    }

    /// Why it was given up, if it was.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    /// Waits until there is a reply, or for this long; true when there is one. A request continues a server that is stopped. One
    /// that is stopped before the request arrives, or while it works on the reply, is continued from here.
    fn answers_within(&self, socket: &Socket, limit: Option<Duration>) -> io::Result<bool> {
        let limit = limit.unwrap_or(Duration::MAX);
        let mut waited = Duration::ZERO;
        while waited < limit {
            let step = RESUME_EVERY.min(limit - waited);
            if sys::readable_within(socket.as_fd(), Some(step))? {
                return Ok(true);
            }
            waited += step;
            self.child.resume();
        }
        Ok(false)
    }

    fn timeout(&self) -> Duration {
        if self.has_answered() {
            TIMEOUT
        } else {
            FIRST_TIMEOUT
        }
    }
}

/// A connection to a fork server. The server kills what was started by it when it is closed.
#[derive(Debug)]
pub(crate) struct Client {
    open: Mutex<Open>,
    server: Arc<ServerProcess>,
}

/// The state of a connection.
#[derive(Debug)]
struct Open {
    /// None once it was closed, or a request was left without a reply.
    socket: Option<Socket>,
    /// The two ends of the sockets of workers whose requests have no reply yet, in the order of the requests.
    requested: VecDeque<(Socket, Socket)>,
    /// Replies that nobody has taken yet. They are older than those of `requested`.
    replied: VecDeque<Result<Forked, NotForked>>,
}

/// A worker that was forked, with its pidfd and our end of its socket.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) socket: Socket,
}

type Answer = (Reply, Vec<OwnedFd>);

/// So many workers are requested before a reply is read. The queue of a socket holds more.
const AT_ONCE: usize = 8;

/// Why a fork server did not fork.
#[derive(Debug)]
pub(crate) enum NotForked {
    /// The server has so many threads.
    Threads(u64),
    /// The server has gone.
    Gone,
    /// A system call failed.
    Refused(io::Error),
}

impl Client {
    pub(crate) fn new(socket: Socket, server: Arc<ServerProcess>) -> Client {
        Client {
            open: Mutex::new(Open {
                socket: Some(socket),
                requested: VecDeque::new(),
                replied: VecDeque::new(),
            }),
            server,
        }
    }

    /// Closes the connection.
    pub(crate) fn close(&self) {
        self.lock().socket = None;
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens another connection to the same server. It may be used before the server has begun.
    pub(crate) fn open(&self) -> io::Result<Client> {
        let (ours, theirs) = Socket::message_pair()?;
        put(&self.lock().socket, Request::Open, Some(&theirs))?;
        Ok(Client::new(ours, self.server.clone()))
    }

    /// Has a function run in the server, and waits until it has.
    pub(crate) fn preload(&self, function: fn()) -> io::Result<()> {
        let token = task::preload(function)
            .map_err(io::Error::other)?
            .to_bytes();
        // It takes as long as it takes.
        match self.ask_within(Request::Preload { token }, None)? {
            (Reply::Done, _) => Ok(()),
            (Reply::Refused(number), _) => Err(io::Error::from_raw_os_error(number)),
            _ => Err(io::Error::other("the function to preload has panicked")),
        }
    }

    /// Has a worker forked, the first of so many that are wanted. All are requested at once, so that the server forks the others
    /// while the caller sets up the first.
    pub(crate) fn fork(&self, wanted: usize) -> Result<Forked, NotForked> {
        let mut open = self.lock();
        if let Some(reply) = open.replied.pop_front() {
            return reply;
        }
        if open.requested.is_empty() {
            for _ in 0..wanted.clamp(1, AT_ONCE) {
                match Client::put_fork(&open.socket) {
                    Ok(pair) => open.requested.push_back(pair),
                    Err(error) if open.requested.is_empty() => return Err(error),
                    // Whoever wants more requests it again, and is told.
                    Err(_) => break,
                }
            }
        }
        self.take_fork(&mut open).unwrap_or(Err(NotForked::Gone))
    }

    /// The workers that were forked by requests and that nobody has taken. No request is without a reply then.
    pub(crate) fn untaken(&self) -> Vec<Forked> {
        let mut open = self.lock();
        self.take_forks(&mut open);
        open.replied.drain(..).filter_map(Result::ok).collect()
    }

    /// Requests one worker; both ends of its socket.
    fn put_fork(socket: &Option<Socket>) -> Result<(Socket, Socket), NotForked> {
        let (ours, theirs) = Socket::pair().map_err(NotForked::Refused)?;
        match put(socket, Request::Fork, Some(&theirs)) {
            Ok(()) => Ok((ours, theirs)),
            Err(error) if socket::is_end(&error) => Err(NotForked::Gone),
            Err(error) => Err(NotForked::Refused(error)),
        }
    }

    /// Waits for the replies to all requests for workers.
    fn take_forks(&self, open: &mut Open) {
        while let Some(reply) = self.take_fork(open) {
            open.replied.push_back(reply);
        }
    }

    /// Waits for the reply to the oldest request for a worker; none where there is no such request.
    fn take_fork(&self, open: &mut Open) -> Option<Result<Forked, NotForked>> {
        let (socket, theirs) = open.requested.pop_front()?;
        // Closed only now, it has kept a place for the descriptor that the reply brings.
        drop(theirs);
        Some(match self.take(open, Some(self.server.timeout())) {
            Ok((Reply::Forked { pid }, fds)) => match fds.into_iter().next() {
                Some(pidfd) => Ok(Forked {
                    pid: pid.unsigned_abs(),
                    pidfd,
                    socket,
                }),
                // Another thread was quicker to take the place that was kept. The worker sees its socket close, and
                // leaves.
                None => Err(NotForked::Refused(Errno::EMFILE.into())),
            },
            Ok((Reply::Threads(threads), _)) => Err(NotForked::Threads(threads)),
            Ok((Reply::Refused(number), _)) => {
                let error = io::Error::from_raw_os_error(number);
                Err(NotForked::Refused(sys::no_pidfd(error)))
            }
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                // So a message is reported whose descriptor there was no room for.
                Err(NotForked::Refused(Errno::EMFILE.into()))
            }
            Ok(_) | Err(_) => Err(NotForked::Gone),
        })
    }

    /// One question, one answer.
    fn ask(&self, request: Request) -> io::Result<Answer> {
        self.ask_within(request, Some(self.server.timeout()))
    }

    fn ask_within(&self, request: Request, limit: Option<Duration>) -> io::Result<Answer> {
        let mut open = self.lock();
        // The server replies in the order of the requests.
        self.take_forks(&mut open);
        put(&open.socket, request, None)?;
        self.take(&mut open, limit)
    }

    /// The next answer. A server that gives none within this time is given up: it hangs, or is stopped in a way that
    /// it does not come out of by itself.
    fn take(&self, open: &mut Open, limit: Option<Duration>) -> io::Result<Answer> {
        let socket = open.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        if !self.server.answers_within(socket, limit)? {
            // An answer that comes yet would be taken for that to another question.
            open.socket = None;
            let seconds = limit.unwrap_or_default().as_secs();
            self.server
                .give_up(&format!("did not answer for {seconds} s"));
            return Err(io::ErrorKind::TimedOut.into());
        }
        let answer = protocol::receive(socket)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.server.has_answered.store(true, Ordering::Relaxed);
        Ok(answer)
    }

    /// Signals the group of a worker that was forked by this connection.
    pub(crate) fn signal(&self, pid: u32, signal: Signal) -> io::Result<()> {
        let request = Request::Signal {
            pid: pid.cast_signed(),
            signal: signal as i32,
        };
        self.ask(request).map(drop)
    }

    /// How a worker ended that was forked by this connection, if that is known.
    pub(crate) fn reap(&self, pid: u32) -> Option<Status> {
        let request = Request::Reap {
            pid: pid.cast_signed(),
        };
        match self.ask(request) {
            Ok((Reply::Ended(status), _)) => Some(status),
            _ => None,
        }
    }
}

/// Puts a question.
fn put(socket: &Option<Socket>, request: Request, carried: Option<&Socket>) -> io::Result<()> {
    let socket = socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
    let fds: Vec<_> = carried.map(Socket::as_fd).into_iter().collect();
    protocol::send(socket, &request, &fds)
}
