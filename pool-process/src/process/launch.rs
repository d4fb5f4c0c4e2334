//! How a process is started: by the way that all of them share.

use std::io;
use std::sync::{Mutex, PoisonError};

use pool_core::backend::PerProcess;

use crate::environment::{Environment, Overrides};
use crate::identity::Identity;
use crate::start::{Spawned, StartMethod, Starter};
use crate::sys::lifeline;
use crate::wire::setup::{Purpose, Setup};
use crate::wire::{self, HEAD, MAX_PAYLOAD};

use super::ProcessError;

/// Starts a process and tells it everything.
pub(super) fn launch(name: &str, task: &[u8]) -> Result<Spawned, ProcessError> {
    let environment = Environment::here(&Overrides::default())
        .map_err(|error| ProcessError::Impossible(error.to_string()))?;
    if let Some(reason) = environment.identity.obstacle() {
        return Err(ProcessError::Impossible(reason.to_owned()));
    }
    begin(name, task, &environment).map_err(ProcessError::Start)
}

fn begin(name: &str, task: &[u8], environment: &Environment) -> io::Result<Spawned> {
    let setup = Setup {
        name: name.to_owned(),
        short_name: name.replace('\0', ""),
        purpose: Purpose::Alone,
        max_payload: MAX_PAYLOAD,
        panic_hook: false,
        initializer: None,
        worker_exit: None,
        ring: None,
    };
    wire::fits("the process's argument", task.len() - HEAD, MAX_PAYLOAD)
        .map_err(io::Error::other)?;
    let first = setup.frame(environment)?;
    let (ours, theirs) = lifeline::ends()?;
    let mut spawned = start(&environment.identity)?;
    spawned.child.attach_lifeline(ours);
    // Name and environment, then function and argument.
    let socket = &spawned.socket;
    let told = socket
        .send_with(&first, &environment.fds(&theirs, None))
        .and_then(|sent| socket.write_all(&first[sent..]))
        .and_then(|()| socket.write_all(task));
    if let Err(error) = told {
        // It has ended already, or cannot be spoken to: either way there is no such process.
        spawned.child.kill_and_reap();
        return Err(error);
    }
    Ok(spawned)
}

/// Starts a process that knows nothing yet, of a thread with this identity.
fn start(identity: &Identity) -> io::Result<Spawned> {
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
