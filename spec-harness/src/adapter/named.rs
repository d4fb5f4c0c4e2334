//! Errors by their portable names, with nothing in their texts that changes from run to run.

use std::borrow::Borrow;

use pool_core::{Failure, Misuse, StartError};
use serde_json::Value;

use crate::protocol::{CANNOT_TRAVEL, ErrorReply};

/// The outcome of a call, of a task or of a job: a value, or an error by its portable name.
pub type Answer = Result<Value, ErrorReply>;

/// A failure by its portable name; the text has nothing in it that changes from run to run.
pub(super) fn named<E: Borrow<ErrorReply>>(failure: &Failure<E>) -> ErrorReply {
    let kind = match failure {
        Failure::Raised(raised) => return raised.borrow().clone(),
        Failure::Panicked(panic) => return error("Panicked", &panic.message),
        Failure::WorkerLost(lost) => return error("WorkerLost", &lost.cause.to_string()),
        Failure::Misuse(misuse) => return misused(*misuse),
        Failure::Encode(_) => return error("Encode", CANNOT_TRAVEL),
        Failure::Decode(_) => "Decode",
        Failure::Terminated => "Terminated",
        Failure::TimedOut => "TimedOut",
        Failure::Cancelled => "Cancelled",
        _ => "Failure",
    };
    error(
        kind,
        &failure
            .as_ref()
            .map(|raised| raised.borrow().text.clone())
            .to_string(),
    )
}

/// A refused call.
pub(super) fn misused(misuse: Misuse) -> ErrorReply {
    let kind = match misuse {
        Misuse::NotRunning => "NotRunning",
        Misuse::StillRunning => "StillRunning",
        Misuse::NotReady => "NotReady",
        Misuse::Taken => "Taken",
        Misuse::WouldDeadlock => "WouldDeadlock",
        Misuse::ZeroChunksize => "InvalidChunksize",
        Misuse::ZeroReadAhead => "InvalidReadAhead",
        Misuse::QueueFull => "QueueFull",
        _ => "Misuse",
    };
    error(kind, &misuse.to_string())
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
    use pool_core::{Cause, Failure, Misuse, Panic, StartError, WorkerLost};

    use super::{ErrorReply, named, not_started};

    fn kind(failure: Failure<ErrorReply>) -> String {
        named(&failure).kind
    }

    #[test]
    fn failures_have_their_portable_names() {
        let raised = ErrorReply {
            kind: "ValueError".into(),
            text: "bad".into(),
        };
        assert_eq!(named(&Failure::Raised(raised.clone())), raised);
        assert_eq!(kind(Failure::Terminated), "Terminated");
        assert_eq!(kind(Failure::TimedOut), "TimedOut");
        assert_eq!(kind(Failure::Misuse(Misuse::NotRunning)), "NotRunning");
        assert_eq!(
            kind(Failure::Misuse(Misuse::ZeroChunksize)),
            "InvalidChunksize"
        );
        assert_eq!(not_started(&StartError::NoWorkers).kind, "InvalidSize");
    }

    #[test]
    fn a_failure_is_told_without_what_changes_from_run_to_run() {
        let panic = Panic {
            message: "oh".into(),
            location: Some("x.rs:1:2".into()),
            backtrace: None,
        };
        assert_eq!(
            named::<ErrorReply>(&Failure::Panicked(Box::new(panic))).text,
            "oh"
        );
        let lost = WorkerLost {
            pid: 4711,
            cause: Cause::Exit(3),
            task: "task 1".into(),
            items: None,
            begun: true,
            hint: None,
        };
        let lost = named::<ErrorReply>(&Failure::WorkerLost(Box::new(lost)));
        assert_eq!(
            (lost.kind.as_str(), lost.text.contains("4711")),
            ("WorkerLost", false)
        );
    }
}
