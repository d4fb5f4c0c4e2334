//! How a pool ends: close, terminate, join.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use spec_harness::protocol::ErrorReply;

use super::{GRACE, Phase, Pool, State, error, terminated};
use crate::flaws::Flaw;
use crate::imap::Stream;

impl Pool {
    pub(crate) fn close(self: &Arc<Pool>) -> Result<(), ErrorReply> {
        let mut state = self.lock();
        if state.phase > Phase::Running && self.has(Flaw::CloseTwiceFails) {
            return Err(error("NotRunning", "the pool was closed before"));
        }
        state.phase = state.phase.max(Phase::Closed);
        if self.has(Flaw::CloseReopens) && state.phase == Phase::Terminated {
            state.phase = Phase::Running;
        }
        if self.has(Flaw::CloseDropsTheQueue) {
            state.queue.clear();
        }
        if self.has(Flaw::ImapCutByClose) {
            state.streams.iter_mut().for_each(Stream::stop);
        }
        self.tell();
        drop(state);
        if self.has(Flaw::CloseWaits) {
            self.await_(|state| (state.workers == 0).then_some(()));
        }
        Ok(())
    }

    pub(crate) fn terminate(self: &Arc<Pool>) -> Result<(), ErrorReply> {
        let mut state = self.lock();
        if self.has(Flaw::TerminateTwiceFails) && state.phase == Phase::Terminated {
            return Err(error("NotRunning", "the pool was terminated before"));
        }
        state.phase = Phase::Terminated;
        if self.has(Flaw::TerminateDropsCallbacks) {
            for callback in std::mem::take(&mut state.due) {
                state.jobs[callback.job].ready = true;
            }
        }
        if !self.has(Flaw::TerminateKeepsTheQueue) {
            state.queue.clear();
            state.resting.clear();
        }
        if self.has(Flaw::TerminateForgetsTheDone) {
            for job in state.jobs.iter_mut().filter(|job| job.outcome.is_some()) {
                job.outcome = Some(Err(terminated()));
            }
        }
        if !self.has(Flaw::ImapHangsOnTerminate) {
            state.streams.iter_mut().for_each(Stream::stop);
        }
        for id in 0..state.jobs.len() {
            let of_stream = state.jobs[id].work.of_imap;
            let left = if of_stream {
                Flaw::ImapHangsOnTerminate
            } else {
                Flaw::TerminateLeavesHandles
            };
            if !self.has(left) {
                self.decide(&mut state, id, Err(terminated()));
            }
        }
        if self.has(Flaw::ImapForgetsOnTerminate) {
            state.streams.iter_mut().for_each(Stream::forget);
        }
        let waits = self.has(Flaw::TerminateWaits);
        if state.workers > 0 && !waits && !self.has(Flaw::TerminateStopsNobody) {
            self.stop(&mut state);
        }
        self.tell();
        drop(state);
        if waits {
            self.await_(|state| (state.workers == 0).then_some(()));
        }
        Ok(())
    }

    /// Tells processes to end, and after a while makes them.
    pub(super) fn stop(self: &Arc<Pool>, state: &mut State) {
        for pid in &state.pids {
            // One that has gone by itself needs no telling.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGTERM);
            // One that is stopped has to go on to hear it.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGCONT);
        }
        if state.pids.is_empty() || state.grace.is_some() || self.has(Flaw::TerminateSparesTheDeaf)
        {
            return;
        }
        let pool = Arc::downgrade(self);
        let alarm = move || {
            let Some(pool) = pool.upgrade() else { return };
            let state = pool.lock();
            for pid in &state.pids {
                let _ = killpg(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        };
        state.grace = Some(self.timers.arm(GRACE, Box::new(alarm)));
    }

    pub(crate) fn join(self: &Arc<Pool>, limit: Option<Duration>) -> Result<(), ErrorReply> {
        let mut state = self.lock();
        if state.phase == Phase::Running {
            return if self.has(Flaw::JoinBeforeClose) {
                Ok(())
            } else {
                Err(error("StillRunning", "the pool still runs"))
            };
        }
        if self.has(Flaw::JoinReturnsEarly) {
            return Ok(());
        }
        if self.has(Flaw::JoinTwiceFails) && state.joined {
            return Err(error("StillRunning", "the pool was joined before"));
        }
        // Who only looks whether it has ended reads nothing.
        if limit != Some(Duration::ZERO) || self.has(Flaw::JoinThatLooksReads) {
            self.read_all(&mut state);
        }
        drop(state);
        self.asked();
        let forgets = self.has(Flaw::JoinForgetsCallbacks);
        let gone = self.wait(limit, |state| {
            let called = state.due.is_empty() && state.calling == 0;
            let gone = state.workers == 0 && (called || forgets);
            let missed = gone && limit.is_none() && self.misses(state, usize::MAX - 1);
            (gone && !missed).then_some(())
        });
        if gone.is_none() {
            if self.has(Flaw::JoinTimeoutEndsThePool) {
                self.terminate()?;
            }
            return Err(error("TimedOut", "the pool was still at work"));
        }
        self.lock().joined = true;
        Ok(())
    }

    /// Lets go of it.
    pub(crate) fn end(self: &Arc<Pool>) {
        if self.has(Flaw::DropWaitsForWork) {
            let _ = self.close();
        } else {
            // Where it is refused there is nothing left to stop.
            let _ = self.terminate();
        }
        let _ = self.join(None);
    }
}
