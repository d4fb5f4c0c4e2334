//! Handles and callbacks of one call or of a map, behind one face.

use std::time::Duration;

use pool_core::{AsyncResult, Misuse, Submission};
use serde_json::Value;

use super::clock::seconds;
use super::named::{Answer, bad, misused, named};
use super::parcel::Parcel;
use super::puppet;
use crate::protocol::{ErrorReply, Later};

/// A handle of one call or of a map.
pub(super) enum Handle {
    One(AsyncResult<Parcel<Value>, Parcel<ErrorReply>>),
    Many(AsyncResult<Vec<Parcel<Value>>, Parcel<ErrorReply>>),
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

    /// Waits until it is ready, or the time is over.
    pub(super) fn wait(&self, limit: Option<Duration>) {
        fn wait<T, E>(result: &AsyncResult<T, E>, limit: Option<Duration>) {
            match limit {
                None => result.wait(),
                Some(limit) => drop(result.wait_timeout(limit)),
            }
        }
        match self {
            Handle::One(result) => wait(result, limit),
            Handle::Many(result) => wait(result, limit),
        }
    }

    /// The value, which stays: a program may look at it again, and from another thread.
    pub(super) fn get(&self, limit: Option<Duration>) -> Answer {
        fn get<T>(
            result: &AsyncResult<T, Parcel<ErrorReply>>,
            limit: Option<Duration>,
        ) -> Result<&T, ErrorReply> {
            match limit {
                None => result.get_ref(),
                Some(limit) => result.get_ref_timeout(limit),
            }
            .map_err(|e| named(&e))
        }
        match self {
            Handle::One(result) => get(result, limit).map(one),
            Handle::Many(result) => get(result, limit).map(list),
        }
    }
}

/// The value of a call.
pub(super) fn one(parcel: &Parcel<Value>) -> Value {
    parcel.content.clone()
}

/// The value of a map.
#[expect(clippy::ptr_arg, reason = "callbacks show the job's own type")]
pub(super) fn list(parcels: &Vec<Parcel<Value>>) -> Value {
    parcels.iter().map(one).collect()
}

/// Hands a submission over, with its callbacks; `show` makes a value of the job's own. Where it may wait for so long
/// alone, what is not let in must come back.
pub(super) fn enter<A: Clone + PartialEq, T: 'static, O>(
    later: &Later<'_>,
    argument: &A,
    mut submission: Submission<'_, A, T, Parcel<ErrorReply>, O>,
    show: fn(&T) -> Value,
) -> Result<AsyncResult<T, Parcel<ErrorReply>>, ErrorReply> {
    if let Some(key) = later.callback {
        submission = submission.callback(move |value| puppet::callback(key, Ok(show(value))));
    }
    if let Some(key) = later.error_callback {
        submission =
            submission.error_callback(move |failure| puppet::callback(key, Err(named(failure))));
    }
    let Some(limit) = later.timeout.map(seconds) else {
        return submission.submit().map_err(misused);
    };
    submission.submit_timeout(limit).map_err(|refused| {
        let misuse = refused.misuse();
        if refused.into_argument() == *argument {
            misused(misuse)
        } else {
            bad("a refused submission gives another argument back".into())
        }
    })
}
