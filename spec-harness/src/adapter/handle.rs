//! Handles and callbacks of one call or of a map, behind one face.

use std::time::Duration;

use pool_core::{AsyncResult, Failure, Misuse, Terms};
use serde_json::Value;

use super::named::{Answer, named};
use super::puppet;
use crate::protocol::ErrorReply;

/// A handle of one call or of a map.
pub(super) enum Handle {
    One(AsyncResult<Value, ErrorReply>),
    Many(AsyncResult<Vec<Value>, ErrorReply>),
}

impl Handle {
    pub(super) fn ready(&self) -> bool {
        match self {
            Handle::One(result) => result.ready(),
            Handle::Many(result) => result.ready(),
        }
    }

    pub(super) fn successful(&self) -> Result<bool, Misuse> {
        match self {
            Handle::One(result) => result.successful(),
            Handle::Many(result) => result.successful(),
        }
    }

    /// Waits; true when it is ready.
    pub(super) fn wait(&self, limit: Option<Duration>) -> bool {
        fn wait<T>(result: &AsyncResult<T, ErrorReply>, limit: Option<Duration>) -> bool {
            match limit {
                None => {
                    result.wait();
                    true
                }
                Some(limit) => result.wait_timeout(limit),
            }
        }
        match self {
            Handle::One(result) => wait(result, limit),
            Handle::Many(result) => wait(result, limit),
        }
    }

    /// The value, which stays: a program may look at it again, and from another thread.
    pub(super) fn get(&self, limit: Option<Duration>) -> Answer {
        if limit.is_some() && !self.wait(limit) {
            return Err(named::<ErrorReply>(&Failure::TimedOut));
        }
        match self {
            Handle::One(result) => result.get_ref().cloned().map_err(|e| named(&e)),
            Handle::Many(result) => result
                .get_ref()
                .map(|list| Value::from(list.clone()))
                .map_err(|e| named(&e)),
        }
    }
}

/// Keys of the puppets that a job calls back.
#[derive(Default)]
pub(super) struct Callbacks {
    pub(super) ok: Option<u64>,
    pub(super) error: Option<u64>,
}

impl Callbacks {
    /// The callbacks as the pool takes them; `show` makes a value of the job's own.
    #[track_caller]
    pub(super) fn terms<T: 'static>(self, show: fn(&T) -> Value) -> Terms<T, ErrorReply> {
        let mut terms = Terms::here();
        if let Some(key) = self.ok {
            terms = terms.callback(move |value| puppet::callback(key, Ok(show(value))));
        }
        if let Some(key) = self.error {
            terms = terms.error_callback(move |failure| puppet::callback(key, Err(named(failure))));
        }
        terms
    }
}
