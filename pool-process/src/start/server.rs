//! The fork servers of this process: one for all pools, and one for each way to preload.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use crate::channel::{Channel, Respondent};
use crate::hook::Role;
use crate::link::Link;

use super::{Preload, again};

/// How long a server may take to end when nobody wants it any more.
const END: Duration = Duration::from_secs(5);

/// A fork server, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    /// The owner's own way to ask it.
    channel: Channel,
    process: Arc<Respondent>,
    /// The process that has started it: one that was forked from that has no business with it.
    owner: u32,
    preload: Option<Preload>,
    /// What came of the preload.
    prepared: OnceLock<Result<(), String>>,
}

/// The servers in use. The one without a preload stays: the next pool will want it.
static SERVERS: Mutex<Servers> = Mutex::new(Servers {
    plain: None,
    preloaded: Vec::new(),
});

#[derive(Debug)]
struct Servers {
    plain: Option<Arc<Server>>,
    preloaded: Vec<Weak<Server>>,
}

impl Server {
    /// The server for pools with this preload; started if there is none.
    pub(super) fn get(preload: Option<Preload>) -> io::Result<Arc<Server>> {
        let mut servers = lock(&SERVERS);
        let Servers { plain, preloaded } = &mut *servers;
        let fits = |server: &Arc<Server>| {
            server.process.fault().is_none()
                && server.owner == std::process::id()
                && same(server.preload, preload)
        };
        preloaded.retain(|server| server.strong_count() > 0);
        let running = preloaded
            .iter()
            .filter_map(Weak::upgrade)
            .chain(plain.clone())
            .find(fits);
        if let Some(server) = running {
            return Ok(server);
        }
        let server = Arc::new(Server::start(preload)?);
        match preload {
            None => *plain = Some(server.clone()),
            Some(_) => preloaded.push(Arc::downgrade(&server)),
        }
        Ok(server)
    }

    fn start(preload: Option<Preload>) -> io::Result<Server> {
        let (ours, theirs) = Link::message_pair()?;
        let process = Arc::new(Respondent::new(again::start(Role::Server, theirs)?));
        Ok(Server {
            channel: Channel::new(ours, process.clone()),
            process,
            owner: std::process::id(),
            preload,
            prepared: OnceLock::new(),
        })
    }

    /// A new way to ask it. The first who wants one waits for the preload, as do those who come meanwhile; pools
    /// with another preload do not.
    pub(super) fn channel(&self) -> io::Result<Channel> {
        if let Some(preload) = self.preload {
            let run = || {
                self.channel
                    .preload(preload)
                    .map_err(|error| error.to_string())
            };
            let prepared = self.prepared.get_or_init(run);
            prepared.clone().map_err(io::Error::other)?;
        }
        self.channel.open()
    }

    pub(super) fn has_answered(&self) -> bool {
        self.process.has_answered()
    }

    /// Nobody is to ask it any more; why, where nobody has said so before.
    pub(super) fn give_up(&self, why: &str) {
        self.process.give_up(why);
    }

    /// Why nobody is to ask it any more.
    pub(super) fn fault(&self) -> &str {
        self.process.fault().unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            // At the end of its first channel it takes everything down; killed, it leaves that to others.
            self.channel.close();
            if !self.process.child.ends_within(Some(END)) {
                self.give_up("does not end");
            }
            self.process.child.await_and_bury();
        }
    }
}

/// In a process that was forked: the servers are the parent's.
pub(super) fn let_go() {
    // Where another thread held the lock at the fork, they are lost with it.
    if let Ok(mut servers) = SERVERS.try_lock() {
        *servers = Servers {
            plain: None,
            preloaded: Vec::new(),
        };
    }
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
