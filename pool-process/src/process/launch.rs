//! How a process is started: by the way that all of them share.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::link::Link;
use crate::setup::{Purpose, Setup};
use crate::start::{Newborn, StartMethod, Starter};
use crate::surroundings::Surroundings;
use crate::wire::{self, HEAD, MAX_PAYLOAD};

/// Starts a process and tells it everything.
pub(super) fn launch(name: &str, task: &[u8]) -> io::Result<Newborn> {
    let surroundings = Surroundings::here()?;
    let setup = Setup {
        name: name.to_owned(),
        short_name: name.replace('\0', ""),
        purpose: Purpose::Alone,
        max_payload: MAX_PAYLOAD,
        panic_hook: false,
        initializer: None,
    };
    let newborn = start()?;
    let told = tell(&newborn.link, &setup, &surroundings, task);
    if let Err(error) = told {
        // It has ended already, or cannot be spoken to: either way there is no such process.
        newborn.child.kill_and_bury();
        return Err(error);
    }
    Ok(newborn)
}

/// Starts a process that knows nothing yet.
fn start() -> io::Result<Newborn> {
    /// With the process that it is of: one that was forked from that needs its own.
    static STARTER: Mutex<Option<(u32, Starter)>> = Mutex::new(None);
    let mut shared = STARTER.lock().unwrap_or_else(PoisonError::into_inner);
    let owner = std::process::id();
    let (_, starter) = match shared.take() {
        Some((of, starter)) if of == owner => shared.insert((of, starter)),
        theirs => {
            // Its descriptors are not ours to close: in a forked worker they are closed already.
            std::mem::forget(theirs);
            shared.insert((owner, Starter::new(StartMethod::default(), None)))
        }
    };
    starter.start(1)
}

/// Name and surroundings, then function and argument.
fn tell(link: &Link, setup: &Setup, surroundings: &Surroundings, task: &[u8]) -> io::Result<()> {
    wire::fits("the process's argument", task.len() - HEAD, MAX_PAYLOAD)
        .map_err(io::Error::other)?;
    let first = setup.frame(surroundings)?;
    let sent = link.send_with(&first, &surroundings.fds())?;
    link.write_all(&first[sent..])?;
    link.write_all(task)
}
