//! Replays cases on real implementations: real threads, real processes, on a virtual clock.
//!
//! The harness interprets the case ([`crate::interp`]) and the implementation only carries its bodies. One
//! body, or main's next step, is let go at a time, and only when the kernel shows that nothing of the
//! implementation can move by itself any more (`quiet`): then what is seen does not depend on
//! the machine, its load or the number of its cores, and the clock can jump to the next instant at which somebody wakes.
//!
//! ```text
//! Stage (who is next, virtual clock)
//!   │ Move                          ▲ returned, began, gone, timer
//!   ▼                               │
//! Run (one thread, one ppoll loop): session ── adapter's pipes, puppets' socket
//!                                   tree ───── /proc: at rest? who is left?
//! ```
//!
//! Whatever the implementation does, a run ends: with a verdict of the kernel, or when nothing has moved for
//! [`Limits::silence`]. Whatever the harness does, nothing is left: the adapter's tree is killed and reaped.

mod dialogue;
mod needs;
mod procfs;
mod quiet;
mod run;
mod scratch;
mod session;
mod sys;
#[cfg(test)]
mod tests;
mod tree;
mod wire;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use crate::case::ast::{Case, Kind};
use crate::history::{Ending, Event, History};
use crate::interp::{Deviations, Options, Stage};
use crate::protocol::Hello;
use crate::record::Record;

pub use needs::needs;
pub use procfs::Level;

/// An implementation to replay on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As it is called in reports: `thread`, `cpython:process`.
    pub name: String,
    /// The adapter's program and arguments.
    pub command: Vec<OsString>,
    /// The kind of worker wanted of it.
    pub kind: Kind,
}

/// How long a run may take in real time where it does not move. No verdict but "unknown" and
/// "broken" depends on these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Without a message and without rest.
    pub silence: Duration,
    /// On a CPU without a message: whoever computes that long is spinning.
    pub busy: Duration,
    /// At rest but for somebody who waits with a time limit and did not declare that it polls.
    pub polling: Duration,
    /// For killed processes to disappear.
    pub burial: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            silence: Duration::from_secs(10),
            busy: Duration::from_secs(4),
            polling: Duration::from_secs(2),
            burial: Duration::from_secs(5),
        }
    }
}

/// What came of replaying a case on a target.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It ran.
    Ran(Box<Ran>),
    /// The case needs what this implementation does not have, or is for the other kind of worker: why.
    NotApplicable(String),
    /// The implementation is not on this machine: why.
    NotHere(String),
}

/// A replay that took place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// What happened.
    pub history: History,
    /// How the adapter introduced itself, if it came to that.
    pub hello: Option<Hello>,
    /// Real time that it took, repetitions for deadlines included.
    pub took: Duration,
    /// The last of what the adapter and its workers wrote to stderr.
    pub stderr: String,
    /// The last of what was said, message by message.
    pub dialogue: Vec<String>,
    /// How many connections were made to the harness's socket.
    pub connections: u64,
    /// That the pool's threads sleep for longer than hello says, where one was seen to: if the run failed, that may be why.
    pub oversleeps: Option<String>,
    /// The run as it can be kept, where the adapter introduced itself.
    pub record: Option<Record>,
}

/// Replays cases.
#[derive(Debug, Clone, Default)]
pub struct Runner {
    /// Bounds in real time.
    pub limits: Limits,
}

/// A run that cannot go on, and the sentence that says why.
#[derive(Debug, Clone, PartialEq)]
enum Fault {
    NotApplicable(String),
    NotHere(String),
    /// To be run again, knowing that this call loses against its deadline.
    Late(u64),
    Ends(Ending),
}

impl Runner {
    /// Replays one case on one target. Runs on several threads do not disturb each other.
    pub fn run(&self, case: &Case, target: &Target) -> Outcome {
        self.run_by(&Deviations::default(), case, target)
    }

    /// The same by another order of those who are ready in one instant.
    pub fn run_by(&self, order: &Deviations, case: &Case, target: &Target) -> Outcome {
        self.attempt(order, case, target, &mut BTreeSet::new(), &mut |_| {})
    }

    /// As [`run`](Self::run), and `watch` sees each event before the implementation is told what to do next. The implementation
    /// rests while `watch` has an event, so a `watch` that sleeps slows the run down.
    pub fn run_watched(
        &self,
        case: &Case,
        target: &Target,
        watch: &mut dyn FnMut(&Event),
    ) -> Outcome {
        // A run in which a call reaches its deadline is repeated; the first one finds all that do.
        let (order, mut late) = (Deviations::default(), BTreeSet::new());
        match self.attempt(&order, case, target, &mut late, &mut |_| {}) {
            Outcome::Ran(_) => self.attempt(&order, case, target, &mut late, watch),
            other => other,
        }
    }

    fn attempt(
        &self,
        order: &Deviations,
        case: &Case,
        target: &Target,
        late: &mut BTreeSet<u64>,
        watch: &mut dyn FnMut(&Event),
    ) -> Outcome {
        if let Err(why) = concerns(case, target.kind) {
            return Outcome::NotApplicable(why);
        }
        let began = std::time::Instant::now();
        loop {
            let (result, seen) = run::once(self.limits, case, target, order, late, watch);
            let history = match result {
                Ok(history) => history,
                Err(Fault::NotApplicable(why)) => return Outcome::NotApplicable(why),
                Err(Fault::NotHere(why)) => return Outcome::NotHere(why),
                Err(Fault::Late(number)) => {
                    late.insert(number);
                    continue;
                }
                Err(Fault::Ends(ending)) => Stage::new(case, Options::default()).finish(ending),
            };
            let took = began.elapsed();
            return Outcome::Ran(Box::new(Ran {
                history,
                hello: seen.hello,
                took,
                stderr: seen.stderr,
                dialogue: seen.dialogue,
                connections: seen.connections,
                oversleeps: seen.oversleeps,
                record: seen.record,
            }));
        }
    }
}

/// Whether a case is for workers of this kind.
///
/// # Errors
/// Says for which kind it is.
pub(crate) fn concerns(case: &Case, kind: Kind) -> Result<(), String> {
    match &case.only {
        Some(only) if only.value != kind => {
            Err(format!("the case is for {} workers only", only.value))
        }
        _ => Ok(()),
    }
}

/// Makes this process ready for runs, and for nothing else: any other child that it has is then taken for one that a run has left, and killed. SIGINT, SIGTERM and SIGHUP end every run with [`Ending::Unknown`], so that nothing
/// is left behind when the program is interrupted; a second signal acts as if this had not been called. For command
/// lines: [`interrupted`] then says that it is time to stop.
///
/// # Errors
/// The kernel refuses, or there is no place for the runs' sockets.
pub fn get_ready() -> Result<(), String> {
    sys::catch_signals().map_err(|error| format!("signals cannot be caught: {error}"))?;
    sys::allow_descriptors();
    sys::starts_nothing_else();
    session::place().map(drop)
}

/// Whether a signal of [`get_ready`] came.
pub fn interrupted() -> bool {
    sys::interrupted()
}

/// How much the kernel tells about processes here, found out on a child that does nothing.
pub fn level() -> Level {
    run::level()
}
