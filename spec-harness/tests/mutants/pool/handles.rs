//! What handles say.

use std::sync::Arc;
use std::time::Duration;

use spec_harness::adapter::Answer;
use spec_harness::protocol::ErrorReply;

use super::{Pool, error};
use crate::flaws::Flaw;

impl Pool {
    pub(crate) fn get(self: &Arc<Pool>, id: usize, limit: Option<Duration>) -> Answer {
        self.asked();
        let mut waited = false;
        let got = self.wait(limit, |state| {
            let waits = std::mem::replace(&mut waited, true);
            if waits && state.jobs[id].ready && self.misses(state, id) {
                return None;
            }
            let job = &mut state.jobs[id];
            let outcome = job.outcome.clone().filter(|_| job.ready)?;
            if std::mem::replace(&mut job.taken, true) && self.has(Flaw::GetOnce) {
                return Some(Err(error("Taken", "the value was taken before")));
            }
            Some(outcome)
        });
        got.unwrap_or_else(|| {
            let late = error("TimedOut", "the result was not there in time");
            if self.has(Flaw::GetTimeoutCancels) {
                self.decide(&mut self.lock(), id, Err(late.clone()));
            }
            Err(late)
        })
    }

    /// Waits; false when the time is over.
    pub(crate) fn wait_for(self: &Arc<Pool>, id: usize, limit: Option<Duration>) -> bool {
        self.asked();
        self.wait(limit, |state| state.jobs[id].ready.then_some(()))
            .is_some()
    }

    pub(crate) fn ready(&self, id: usize) -> bool {
        let state = self.lock();
        let job = &state.jobs[id];
        match self.nature.flaw {
            Some(Flaw::ReadyWhileRunning) => job.ready || job.started,
            Some(Flaw::ReadyWhenAsked) => job.ready && job.taken,
            _ => job.ready,
        }
    }

    pub(crate) fn successful(&self, id: usize) -> Result<bool, ErrorReply> {
        let state = self.lock();
        let job = &state.jobs[id];
        match &job.outcome {
            Some(outcome) if job.ready => Ok(outcome.is_ok()),
            _ if self.has(Flaw::SuccessfulGuesses) => Ok(false),
            _ => Err(error("NotReady", "the result is not there yet")),
        }
    }
}
