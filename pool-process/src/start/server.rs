//! The fork servers of this process: one for all pools, and one for each way to preload.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::channel::Channel;
use crate::child::Child;
use crate::hook::Role;
use crate::link::Link;

use super::{Preload, again};

/// A fork server, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    channel: Mutex<Option<Channel>>,
    child: Child,
    /// The process that has started it: one that was forked from that has no business with it.
    owner: u32,
    preload: Option<Preload>,
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
            server.is_open() && server.owner == std::process::id() && same(server.preload, preload)
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
        let child = again::start(Role::Server, theirs)?;
        let channel = Channel::new(ours);
        let server = Server {
            channel: Mutex::new(Some(channel)),
            child,
            owner: std::process::id(),
            preload,
        };
        if let Some(preload) = preload
            && let Some(channel) = &*lock(&server.channel)
        {
            channel.preload(preload)?;
        }
        Ok(server)
    }

    /// A new way to ask it.
    pub(super) fn channel(&self) -> io::Result<Channel> {
        match &*lock(&self.channel) {
            Some(channel) => channel.open(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn is_open(&self) -> bool {
        lock(&self.channel).is_some()
    }

    /// It does not answer: nobody is to ask it any more.
    pub(super) fn give_up(&self) {
        *lock(&self.channel) = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            // At the end of its first channel it takes everything down; killed, it leaves that to others.
            self.give_up();
            self.child.await_and_bury();
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
