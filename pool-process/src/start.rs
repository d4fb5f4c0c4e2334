//! How workers are started: three methods, which differ in their cost and in what they ask of the program.

// Each module uses only those above it.

// What a new worker is sent first.
mod first_frame;

// A fork of this process.
mod raw_fork;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use nix::sys::signal::Signal;

use crate::child::{Child, Parent, Supervisor, reexec};
use crate::identity::Identity;
use crate::server::client::{Client, Forked, NotForked};
use crate::server::registry::{Preload, Server};
use crate::sys::{self, Status, about};
use crate::wire::role::{ROLE, Role};
use crate::wire::socket::{self, Socket};
use crate::{hook, image};

/// How the workers of a pool are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StartMethod {
    /// By a small process that was started from the program's file once and forks a worker whenever one is
    /// wanted: the default.
    #[default]
    ForkServer,
    /// By starting the program's file again for each worker.
    Reexec,
    /// By forking this very process, with whatever it holds: see
    /// [`Builder::raw_fork`](crate::Builder::raw_fork).
    RawFork,
}

impl fmt::Display for StartMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StartMethod::ForkServer => "fork server",
            StartMethod::Reexec => "re-exec",
            StartMethod::RawFork => "raw fork",
        })
    }
}

/// A process that was just started and has not been sent its setup.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) child: Child,
    pub(crate) socket: Socket,
}

/// Starts the workers of one pool.
#[derive(Debug)]
pub(crate) struct Starter {
    method: Method,
    /// Why this method.
    pub(crate) reason: String,
    preload: Option<Preload>,
    /// The identity of its workers.
    identity: Identity,
}

#[derive(Debug)]
enum Method {
    Server(Arc<ServerHandle>),
    Reexec,
    RawFork,
}

/// A connection to a fork server, and a share of it. A server lives as long as one of these.
#[derive(Debug)]
struct ServerHandle {
    client: Client,
    // Behind the client, so that this ends first.
    process: Arc<Server>,
}

impl ServerHandle {
    fn spawned(self: &Arc<Self>, forked: Forked) -> Spawned {
        let Forked { pid, pidfd, socket } = forked;
        let child = Child::new(pid, pidfd, Parent::Server(self.clone()));
        Spawned { child, socket }
    }
}

impl Supervisor for ServerHandle {
    fn signal(&self, pid: u32, signal: Signal) -> io::Result<()> {
        self.client.signal(pid, signal)
    }

    fn reap(&self, pid: u32) -> Option<Status> {
        self.client.reap(pid)
    }
}

impl Starter {
    /// For workers with this identity, which is that of the calling thread.
    pub(crate) fn new(
        method: StartMethod,
        preload: Option<Preload>,
        identity: &Identity,
    ) -> Starter {
        let starter = |method, reason: &str| Starter {
            method,
            reason: reason.to_owned(),
            preload,
            identity: identity.clone(),
        };
        match method {
            StartMethod::Reexec => starter(Method::Reexec, "it was asked for"),
            StartMethod::RawFork => starter(Method::RawFork, "it was asked for"),
            StartMethod::ForkServer => match connect(preload, identity) {
                Ok(method) => starter(method, "it is the default"),
                Err(error) => {
                    let mut starter = starter(Method::Reexec, "");
                    starter.fall_back(&format!("the fork server cannot be started: {error}"));
                    starter
                }
            },
        }
    }

    pub(crate) fn method(&self) -> StartMethod {
        match &self.method {
            Method::Server(_) => StartMethod::ForkServer,
            Method::Reexec => StartMethod::Reexec,
            Method::RawFork => StartMethod::RawFork,
        }
    }

    /// Whether its workers have this identity.
    pub(crate) fn is_for(&self, identity: &Identity) -> bool {
        self.identity == *identity
    }

    /// Starts a worker, the first of so many that are needed now.
    pub(crate) fn start(&mut self, wanted: usize) -> io::Result<Spawned> {
        // A server that has died is replaced; one that dies again at once is not tried for ever.
        for _ in 0..2 {
            let Method::Server(server) = &self.method else {
                break;
            };
            match server.client.fork(wanted) {
                Ok(forked) => return Ok(server.spawned(forked)),
                Err(NotForked::Refused(error)) => return Err(error),
                Err(NotForked::Threads(threads)) => self.fall_back(&format!(
                    "the fork server has {threads} threads before `main`, which a constructor of a linked \
                     library has started, so it must not fork"
                )),
                Err(NotForked::Gone) if !server.process.has_answered() => {
                    server.process.give_up("does not begin");
                    self.fall_back("the fork server cannot be started: it does not begin");
                }
                Err(NotForked::Gone) => {
                    server.process.give_up("has died");
                    let fault = format!("a fork server before this one {}", server.process.fault());
                    self.verify()?;
                    match connect(self.preload, &self.identity) {
                        Ok(method) => (self.method, self.reason) = (method, fault),
                        Err(error) => self.fall_back(&format!(
                            "{fault}, and another one cannot be started: {error}"
                        )),
                    }
                }
            }
        }
        self.verify()?;
        match &self.method {
            Method::Server(_) => {
                self.fall_back("the fork server dies whenever it is started");
                start_from_file(&self.identity)
            }
            Method::Reexec => start_from_file(&self.identity),
            Method::RawFork => raw_fork::start_worker(),
        }
    }

    /// What is started by the calling thread gets the identity of that, which must still be the one that is wanted.
    fn verify(&self) -> io::Result<()> {
        match self.identity.difference(&Identity::here()?) {
            None => Ok(()),
            Some(what) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "the program has changed since its pool was made ({what}), so a worker would not be what the others are"
                ),
            )),
        }
    }

    /// From now on workers are started from the program's file. Said once in the log, and whenever it is asked.
    fn fall_back(&mut self, reason: &str) {
        static SAID: std::sync::Once = std::sync::Once::new();
        SAID.call_once(|| {
            // Not `eprintln`, which panics where nobody reads stderr.
            let said = "pool-process: workers are started by re-exec";
            let _ = writeln!(io::stderr(), "{said}: {reason}");
        });
        self.method = Method::Reexec;
        reason.clone_into(&mut self.reason);
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        let Method::Server(server) = &self.method else {
            return;
        };
        for forked in server.client.untaken() {
            let Spawned { child, socket } = server.spawned(forked);
            // At the end of its socket it leaves, also where nobody here may kill it any more.
            drop(socket);
            child.kill_and_reap();
        }
    }
}

/// Starts a worker from the program's file, with the identity of the calling thread, which is this.
fn start_from_file(identity: &Identity) -> io::Result<Spawned> {
    let (ours, theirs) = Socket::pair()?;
    let child = reexec::start(Role::Worker, &theirs, identity)?;
    Ok(Spawned {
        child,
        socket: ours,
    })
}

fn connect(preload: Option<Preload>, identity: &Identity) -> io::Result<Method> {
    loop {
        let server = Server::get(preload, identity)?;
        let is_new = !server.has_answered();
        match server.client() {
            Ok(client) => {
                return Ok(Method::Server(Arc::new(ServerHandle {
                    client,
                    process: server,
                })));
            }
            // The request was not sent: the system refused it, or has no descriptor left.
            Err(error) if !is_the_servers(&error) => return Err(error),
            Err(error) => {
                server.give_up("does not begin");
                if is_new {
                    return Err(about("it does not begin")(error));
                }
                // It has died since it was last used.
            }
        }
    }
}

/// Whether a request has failed because the server has gone, or does not reply.
fn is_the_servers(error: &io::Error) -> bool {
    let of = [io::ErrorKind::UnexpectedEof, io::ErrorKind::TimedOut];
    socket::is_end(error) || of.contains(&error.kind())
}

/// Why no worker can be started in this program at all, if that is so.
pub(crate) fn impossible() -> Option<String> {
    if std::env::var_os(ROLE).is_some() {
        return Some(
            "this process was started as a worker and has run `main`: call `pool_process::init()` first thing there, \
             or leave the feature `hook` on"
                .to_owned(),
        );
    }
    if !hook::is_there() {
        return Some(
            "the feature `hook` is off: call `pool_process::init()` first thing in `main`"
                .to_owned(),
        );
    }
    if sys::is_privileged() {
        return Some(
            "this program has more rights than who started it (set-user-id, capabilities), and must not be \
             started as a worker"
                .to_owned(),
        );
    }
    static ELSEWHERE: OnceLock<Option<String>> = OnceLock::new();
    if let Some(known) = ELSEWHERE.get() {
        return known.clone();
    }
    match std::fs::read_link("/proc/self/exe") {
        Ok(program) => ELSEWHERE.get_or_init(|| elsewhere(&program)).clone(),
        Err(error) => Some(format!(
            "/proc/self/exe, by which this program would be started again, cannot be read ({error}): /proc must be \
             mounted"
        )),
    }
}

/// What is wrong where this code is not part of the program that `/proc/self/exe` would start. A process neither
/// changes its program nor moves its code, so it is looked up once.
fn elsewhere(program: &Path) -> Option<String> {
    let here = image::file()?;
    (here != program).then(|| {
        format!(
            "this code is part of {}, but what would be started again is {}: use threads, or a program of your own",
            here.display(),
            program.display()
        )
    })
}
