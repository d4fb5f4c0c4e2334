//! Errors by their portable names, with nothing in their texts that changes from run to run.

use std::borrow::Borrow;

use pool_core::{PoolError, StartError, TaskError, TimedOut, TrySubmitError};
use serde_json::Value;

use crate::protocol::{CANNOT_TRAVEL, ErrorReply};

/// The outcome of a call, of a task or of a job: a value, or an error by its portable name.
pub type Answer = Result<Value, ErrorReply>;

/// An error by its portable name; the text has nothing in it that changes from run to run.
pub(super) fn named<E: Borrow<ErrorReply>>(task_error: &TaskError<E>) -> ErrorReply {
    let kind = match task_error {
        TaskError::Raised { error, .. } => return error.borrow().clone(),
        TaskError::Panicked(panic) => return error("Panicked", &panic.message),
        TaskError::WorkerLost(lost) => {
            let attempts = match lost.attempts {
                0 | 1 => String::new(),
                attempts => format!(", which has cost {attempts} workers"),
            };
            return error("WorkerLost", &format!("{}{attempts}", lost.cause));
        }
        TaskError::DeadlineExceeded(exceeded) => {
            let what = if exceeded.expired {
                "expiry"
            } else {
                "deadline"
            };
            let runs_on = if exceeded.running {
                "; its function still runs"
            } else {
                ""
            };
            let limit = exceeded.limit.as_secs_f64();
            return error(
                "DeadlineExceeded",
                &format!("{what} of {limit} exceeded{runs_on}"),
            );
        }
        TaskError::Cancelled => "Cancelled",
        TaskError::Pool(refusal) => return refused(*refusal),
        TaskError::Encode(_) => return error("Encode", CANNOT_TRAVEL),
        TaskError::Decode(_) => "Decode",
        TaskError::Terminated => "Terminated",
        _ => "TaskError",
    };
    error(
        kind,
        &task_error
            .as_ref()
            .map(|raised| raised.borrow().text.clone())
            .to_string(),
    )
}

/// A wait whose time was over.
pub(super) fn timed_out(timed_out: TimedOut) -> ErrorReply {
    error("TimedOut", &timed_out.to_string())
}

/// A submission that was not let in, and its argument.
pub(super) fn not_submitted<A>(refusal: TrySubmitError<A>) -> (ErrorReply, A) {
    match refusal {
        TrySubmitError::Refused(why, argument) => (refused(why), argument),
        full => (error("QueueFull", &full.to_string()), full.into_argument()),
    }
}

/// A refused call.
pub(super) fn refused(refusal: PoolError) -> ErrorReply {
    let kind = match refusal {
        PoolError::NotRunning => "NotRunning",
        PoolError::StillRunning => "StillRunning",
        PoolError::NotReady => "NotReady",
        PoolError::Taken => "Taken",
        PoolError::WouldDeadlock => "WouldDeadlock",
        PoolError::Cancelled => "Cancelled",
        PoolError::RetriesOfChunks => "RetriesOfChunks",
        PoolError::ZeroChunksize => "InvalidChunksize",
        PoolError::ZeroReadAhead => "InvalidReadAhead",
        _ => "PoolError",
    };
    error(kind, &refusal.to_string())
}

/// A pool that could not be made.
pub(super) fn not_started(start: &StartError) -> ErrorReply {
    let kind = match start {
        StartError::NoWorkers => "InvalidSize",
        StartError::NoQueue => "InvalidQueue",
        _ => "StartFailed",
    };
    error(kind, &start.to_string())
}

/// A request that makes no sense here.
pub(super) fn bad(text: String) -> ErrorReply {
    ErrorReply {
        kind: "Protocol".into(),
        text,
    }
}

/// A name that was never given.
pub(super) fn unknown(what: &str, name: &str) -> ErrorReply {
    bad(format!("there is no {what} {name:?}"))
}

/// An error by its name.
pub(super) fn error(kind: &str, text: &str) -> ErrorReply {
    ErrorReply {
        kind: kind.into(),
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use pool_core::{Cause, PoolError, StartError, TaskError, WorkerLost};

    use super::{ErrorReply, named, not_started};

    fn kind(error: TaskError<ErrorReply>) -> String {
        named(&error).kind
    }

    #[test]
    fn errors_have_their_portable_names() {
        let raised = ErrorReply {
            kind: "ValueError".into(),
            text: "bad".into(),
        };
        assert_eq!(named(&TaskError::raised(raised.clone())), raised);
        assert_eq!(kind(TaskError::Terminated), "Terminated");
        assert_eq!(kind(TaskError::Pool(PoolError::NotRunning)), "NotRunning");
        assert_eq!(
            kind(TaskError::Pool(PoolError::ZeroChunksize)),
            "InvalidChunksize"
        );
        assert_eq!(not_started(&StartError::NoWorkers).kind, "InvalidSize");
    }

    #[test]
    fn an_error_is_told_without_what_changes_from_run_to_run() {
        let panic = pool_core::backend::catch(|| panic!("oh")).expect_err("it panics");
        assert_eq!(
            named::<ErrorReply>(&TaskError::Panicked(Box::new(panic))).text,
            "oh"
        );
        let lost = WorkerLost::new(4711, Cause::Exit(3), "task 1");
        let lost = named::<ErrorReply>(&TaskError::WorkerLost(Box::new(lost)));
        assert_eq!(
            (lost.kind.as_str(), lost.text.contains("4711")),
            ("WorkerLost", false)
        );
    }
}
