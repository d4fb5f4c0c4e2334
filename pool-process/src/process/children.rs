//! The processes of this program that have not ended.

use std::sync::{Arc, Mutex, PoisonError};

use pool_core::backend::PerProcess;

use super::life::{Life, State};

/// One of the processes that [`active_children`] found alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveChild {
    /// Its name.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Whether the program's end kills it.
    pub daemon: bool,
}

/// A process that was started.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) daemon: bool,
    pub(super) life: Arc<Life>,
}

/// Processes that were started, also those whose handle was dropped; the ended ones are taken out when somebody
/// looks, or starts another.
static CHILDREN: PerProcess<Mutex<Vec<Entry>>> = PerProcess::new();

/// Lists a process that was just started.
pub(super) fn add(entry: Entry) {
    active_children();
    let children = CHILDREN.get().lock();
    children.unwrap_or_else(PoisonError::into_inner).push(entry);
}

/// The processes of this program that were started and have not ended.
///
/// Source: `multiprocessing.active_children` in CPython's documentation.
pub fn active_children() -> Vec<ActiveChild> {
    let mut alive = Vec::new();
    let mut children = CHILDREN
        .get()
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    children.retain(|child| {
        let Ok(state) = child.life.look() else {
            return false;
        };
        let State::Running(running) = &*state else {
            return false;
        };
        alive.push(ActiveChild {
            name: child.name.clone(),
            pid: running.pid,
            daemon: child.daemon,
        });
        true
    });
    alive
}
