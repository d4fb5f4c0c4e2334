//! Handles and callbacks of one call or of a map, behind one face.

use std::time::Duration;

use pool_core::{AsyncResult, PoolError};
use serde_json::Value;

use super::named::{Answer, named, timed_out};
use super::parcel::Parcel;
use crate::protocol::ErrorReply;

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

    pub(super) fn successful(&self) -> Result<bool, PoolError> {
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
            let outcome = match limit {
                None => result.get_ref(),
                Some(limit) => result.get_ref_timeout(limit).map_err(timed_out)?,
            };
            outcome.map_err(|error| named(&error))
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

/// Submits a call or a map, with its callbacks; `$show` makes a value of the job's own. Where it may wait for a time
/// only, what is not let in must come back.
macro_rules! submit {
    ($builder:expr, $later:expr, $argument:expr, $show:expr) => {{
        let (mut builder, later) = ($builder, $later);
        if let Some(key) = later.callback {
            builder = builder.callback(move |value| puppet::callback(key, Ok($show(value))));
        }
        if let Some(key) = later.error_callback {
            builder = builder.error_callback(move |error| puppet::callback(key, Err(named(error))));
        }
        match later.timeout.map(seconds) {
            None => builder.submit().map_err(refused),
            Some(limit) => builder.submit_timeout(limit).map_err(|refusal| {
                let (error, argument) = not_submitted(refusal);
                match argument == $argument {
                    true => error,
                    false => bad("a refused submission gives another argument back".into()),
                }
            }),
        }?
    }};
}
pub(super) use submit;
