//! The columns of the matrix: which implementations are meant by `--on thread,process,cpython,./adapter`.

mod named;
mod trial;

use std::ffi::OsString;
use std::time::Duration;

use crate::case::ast::Kind;
use crate::history::History;
use crate::interp::Deviations;
use crate::judge::{ExpectedFailures, Verdict};
use crate::protocol::Hello;
use crate::record::Record;
use crate::replay::{Ran, Target};

pub use named::{adapter, columns, cpython, cpython_recorded, greeting, ours};

/// An implementation with what is known of it.
#[derive(Debug, Clone)]
pub struct Column {
    /// How it is started.
    pub target: Target,
    /// Its expected failures.
    pub expected_failures: ExpectedFailures,
    /// Whether it is somebody else's, an adapter by its path.
    pub foreign: bool,
    /// How such an adapter introduced itself, if it came to that.
    pub hello: Option<Hello>,
    /// Runs of it that are on record.
    pub records: Records,
}

/// What the records of an implementation are for; they are called as the folder that holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Records {
    /// There are none.
    #[default]
    None,
    /// They are judged instead of it.
    Instead(&'static str),
    /// They are judged where it is not on this machine, and held against it where it is.
    WhereAbsent(&'static str),
}

/// What came of one case on an implementation.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// What is to be said of it.
    pub verdict: Verdict,
    /// The run; `None` when there was none, or nothing is to be told of it.
    pub run: Option<Run>,
    /// It was no run but a record.
    pub recorded: Option<Recorded>,
    /// How it differs from the record of the same version.
    pub drift: Option<String>,
    /// The run as it can be kept.
    pub record: Option<Record>,
    /// The order of same-instant events, where it was not the rule's.
    pub order: Deviations,
}

/// That a record was judged, and no run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The version that is on record.
    pub version: String,
    /// Why the implementation was not run; nothing where nobody wanted it.
    pub why: Option<String>,
}

/// A run that took place.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What happened, in its canonical form.
    pub transcript: String,
    /// What happened.
    pub history: History,
    /// Real time that it took.
    pub took: Duration,
    /// How the implementation introduced itself, if it came to that.
    pub hello: Option<Hello>,
    /// The last of what the adapter and its workers wrote to stderr.
    pub stderr: String,
}

impl Column {
    /// An implementation without expected failures.
    pub fn of(name: impl Into<String>, command: Vec<OsString>, kind: Kind) -> Column {
        Column {
            target: Target {
                name: name.into(),
                command,
                kind,
            },
            expected_failures: ExpectedFailures::default(),
            foreign: false,
            hello: None,
            records: Records::None,
        }
    }
}

impl Tried {
    /// A verdict without a run to tell of.
    pub fn without_run(verdict: Verdict) -> Tried {
        Tried {
            verdict,
            run: None,
            recorded: None,
            drift: None,
            record: None,
            order: Deviations::default(),
        }
    }
}

impl Run {
    fn of(ran: Ran, transcript: String) -> Run {
        Run {
            transcript,
            history: ran.history,
            took: ran.took,
            hello: ran.hello,
            stderr: ran.stderr,
        }
    }
}
