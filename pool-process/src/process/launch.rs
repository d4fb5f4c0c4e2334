//! How a process is started: by the way that all of them share.

use std::io;
use std::sync::{Mutex, PoisonError};

use pool_core::PerProcess;

use crate::identity::Identity;
use crate::lifeline;
use crate::setup::{Purpose, Setup};
use crate::start::{Newborn, StartMethod, Starter};
use crate::surroundings::Surroundings;
use crate::wire::{self, HEAD, MAX_PAYLOAD};

use super::ProcessError;

/// Starts a process and tells it everything.
pub(super) fn launch(name: &str, task: &[u8]) -> Result<Newborn, ProcessError> {
    let surroundings =
        Surroundings::here().map_err(|error| ProcessError::Impossible(error.to_string()))?;
    if let Some(reason) = surroundings.identity.obstacle() {
        return Err(ProcessError::Impossible(reason.to_owned()));
    }
    begin(name, task, &surroundings).map_err(ProcessError::Start)
}

fn begin(name: &str, task: &[u8], surroundings: &Surroundings) -> io::Result<Newborn> {
    let setup = Setup {
        name: name.to_owned(),
        short_name: name.replace('\0', ""),
        purpose: Purpose::Alone,
        max_payload: MAX_PAYLOAD,
        panic_hook: false,
        initializer: None,
    };
    wire::fits("the process's argument", task.len() - HEAD, MAX_PAYLOAD)
        .map_err(io::Error::other)?;
    let first = setup.frame(surroundings)?;
    let (ours, theirs) = lifeline::ends()?;
    let mut newborn = start(&surroundings.identity)?;
    newborn.child.tie(ours);
    // Name and surroundings, then function and argument.
    let link = &newborn.link;
    let told = link
        .send_with(&first, &surroundings.fds(&theirs))
        .and_then(|sent| link.write_all(&first[sent..]))
        .and_then(|()| link.write_all(task));
    if let Err(error) = told {
        // It has ended already, or cannot be spoken to: either way there is no such process.
        newborn.child.kill_and_bury();
        return Err(error);
    }
    Ok(newborn)
}

/// Starts a process that knows nothing yet, of a thread with this identity.
fn start(identity: &Identity) -> io::Result<Newborn> {
    /// That of the last thread that has started one.
    static STARTER: PerProcess<Mutex<Option<Starter>>> = PerProcess::new();
    let mut shared = STARTER.get().lock().unwrap_or_else(PoisonError::into_inner);
    if shared
        .as_ref()
        .is_some_and(|starter| !starter.is_for(identity))
    {
        *shared = None;
    }
    let method = StartMethod::default();
    let starter = shared.get_or_insert_with(|| Starter::new(method, None, identity));
    starter.start(1)
}
