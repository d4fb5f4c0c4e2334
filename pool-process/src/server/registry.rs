//! The fork servers of this process: one for each pair of identity and preload that a live pool has.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use pool_core::backend::PerProcess;

use crate::child::reexec;
use crate::identity::Identity;
use crate::wire::role::Role;
use crate::wire::socket::Socket;

use super::client::{Client, ServerProcess};

/// What runs once in a fork server, before it forks.
pub(crate) type Preload = fn();

/// How long a server may take to end when no pool uses it any more.
const END: Duration = Duration::from_secs(5);

/// A fork server, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// The first connection. At its end the server ends.
    client: Client,
    process: Arc<ServerProcess>,
    preload: Option<Preload>,
    /// The identity of the thread that has started it.
    identity: Identity,
    /// The thread that has started it might look at it.
    in_reach: bool,
    /// The result of the preload.
    prepared: OnceLock<Result<(), String>>,
}

/// The servers in use. The last one without a preload is kept for the next pool.
static SERVERS: PerProcess<Mutex<Servers>> = PerProcess::new();

#[derive(Debug, Default)]
struct Servers {
    kept: Option<Arc<Server>>,
    all: Vec<Weak<Server>>,
}

impl Server {
    /// The server for pools with this preload, made by a thread with this identity, which is the calling one; started if
    /// there is none.
    pub(crate) fn get(preload: Option<Preload>, identity: &Identity) -> io::Result<Arc<Server>> {
        let mut servers = lock(SERVERS.get());
        servers.all.retain(|server| server.strong_count() > 0);
        let mut running: Vec<_> = servers.all.iter().filter_map(Weak::upgrade).collect();
        let fitting = running
            .iter()
            .position(|server| server.fits(preload, identity));
        let found = match fitting {
            Some(index) => Ok(running.swap_remove(index)),
            None => Server::start(preload, identity).map(|server| {
                let server = Arc::new(server);
                servers.all.push(Arc::downgrade(&server));
                server
            }),
        };
        let replaced = match (&found, preload) {
            (Ok(server), None) => servers.kept.replace(server.clone()),
            _ => None,
        };
        drop(servers);
        // Those of which these are the last uses end now, when others may look for one again.
        drop((running, replaced));
        found
    }

    fn fits(&self, preload: Option<Preload>, identity: &Identity) -> bool {
        self.process.fault().is_none()
            && same(self.preload, preload)
            && self.identity == *identity
            // What else confines this thread keeps it from looking at processes that are confined less.
            && (!self.in_reach || is_in_reach(self.process.child.pid()))
    }

    fn start(preload: Option<Preload>, identity: &Identity) -> io::Result<Server> {
        let (ours, theirs) = Socket::message_pair()?;
        let child = reexec::start(Role::Server, &theirs, identity)?;
        let in_reach = is_in_reach(child.pid());
        let process = Arc::new(ServerProcess::new(child));
        Ok(Server {
            client: Client::new(ours, process.clone()),
            process,
            preload,
            identity: identity.clone(),
            in_reach,
            prepared: OnceLock::new(),
        })
    }

    /// A new way to ask it. The first who wants one waits for the preload, as do those who come meanwhile; pools
    /// with another preload do not.
    pub(crate) fn client(&self) -> io::Result<Client> {
        if let Some(preload) = self.preload {
            let run = || {
                self.client
                    .preload(preload)
                    .map_err(|error| error.to_string())
            };
            let prepared = self.prepared.get_or_init(run);
            prepared.clone().map_err(io::Error::other)?;
        }
        self.client.open()
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.process.has_answered()
    }

    /// Nobody is to ask it any more; why, where nobody has said so before.
    pub(crate) fn give_up(&self, why: &str) {
        self.process.give_up(why);
    }

    /// Why nobody is to ask it any more.
    pub(crate) fn fault(&self) -> &str {
        self.process.fault().unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At the end of its first client it takes everything down; killed, it leaves that to others.
        self.client.close();
        if !self.process.child.ends_within(Some(END)) {
            self.give_up("does not end");
            // One that belongs to somebody else by now, nobody here may kill. It is not waited for for ever.
            if !self.process.child.ends_within(Some(END)) {
                return;
            }
        }
        self.process.child.wait_and_reap();
    }
}

/// Whether this thread may look at a process, as far as it can tell.
fn is_in_reach(pid: u32) -> bool {
    let looked = std::fs::read_link(format!("/proc/{pid}/ns/mnt"));
    !looked.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn same(one: Option<Preload>, other: Option<Preload>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::fn_addr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
