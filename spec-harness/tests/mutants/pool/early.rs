//! What ends early, by a deadline, an expiry or a cancel; and what is tried again.

use std::sync::Arc;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use pool_core::backend::Armed;
use spec_harness::case::ast::Kind;
use spec_harness::protocol::{ErrorReply, Limits};

use super::{Chunk, GRACE, Pool, State, error};
use crate::flaws::Flaw;
use crate::program::seconds;

/// A chunk that a worker does.
#[derive(Debug)]
pub(super) struct Running {
    job: usize,
    place: usize,
    /// The process that does it.
    pid: Option<i32>,
    /// Why what comes of it is of no use.
    early: Option<ErrorReply>,
    /// Its deadline; where its process was told to end, the time that it has to listen.
    armed: Option<Armed>,
}

pub(crate) fn cancelled() -> ErrorReply {
    error("Cancelled", "it was cancelled")
}

fn late(what: &str) -> ErrorReply {
    error("DeadlineExceeded", &format!("its {what} has passed"))
}

impl Pool {
    /// A number for what is handed in.
    pub(crate) fn turn(&self) -> u64 {
        let mut state = self.lock();
        state.lined_up += 1;
        state.lined_up
    }

    /// Does something after so many seconds, unless the pool has gone by then.
    pub(crate) fn after(
        self: &Arc<Pool>,
        time: f64,
        act: impl FnOnce(&Arc<Pool>) + Send + 'static,
    ) -> Armed {
        let pool = Arc::downgrade(self);
        let alarm = move || {
            if let Some(pool) = pool.upgrade() {
                act(&pool);
            }
        };
        self.timers.arm(seconds(time), Box::new(alarm))
    }

    pub(crate) fn arm_expiry(self: &Arc<Pool>, limits: &Limits, turn: u64) -> Option<Armed> {
        let time = match self.nature.flaw {
            Some(Flaw::DeadlineFromSubmission) => limits.deadline.or(limits.expiry),
            Some(Flaw::ExpiryFromTheStart) => None,
            _ => limits.expiry,
        }?;
        Some(self.after(time, move |pool| pool.end_by(turn, &late("expiry"))))
    }

    /// Ends early what has this number; where it waits for a place, it never gets one.
    pub(crate) fn end_by(self: &Arc<Pool>, turn: u64, why: &ErrorReply) {
        let state = &mut *self.lock();
        let job = state.jobs.iter().position(|job| job.work.turn == turn);
        let stream = state.streams.iter();
        let stream = stream.map(|stream| stream.turn).position(|of| of == turn);
        match (job, stream) {
            (Some(id), _) => _ = self.end_early(state, id, why),
            (_, Some(id)) => _ = self.end_stream(state, id, why),
            _ => _ = state.early.insert(turn, why.clone()),
        }
        self.tell();
    }

    /// Cancels a job; whether that has decided what it comes to.
    pub(crate) fn cancel(self: &Arc<Pool>, id: usize) -> bool {
        self.end_early(&mut self.lock(), id, &cancelled())
    }

    /// The same for an imap.
    pub(crate) fn cancel_stream(self: &Arc<Pool>, id: usize) -> bool {
        self.end_stream(&mut self.lock(), id, &cancelled())
    }

    pub(crate) fn end_early(
        self: &Arc<Pool>,
        state: &mut State,
        id: usize,
        why: &ErrorReply,
    ) -> bool {
        let job = &mut state.jobs[id];
        if job.outcome.is_some() || std::mem::replace(&mut job.stopped, true) {
            return false;
        }
        let waiting = state.queue.len() + state.resting.len();
        if !self.has(Flaw::CancelLeavesTheQueue) {
            state.queue.retain(|chunk| chunk.job != id);
            state.resting.retain(|_, (chunk, _)| chunk.job != id);
        }
        let withdrawn = waiting - state.queue.len() - state.resting.len();
        let running = state.running.iter();
        let running = running.filter(|(_, running)| running.job == id && running.early.is_none());
        let running: Vec<u64> = running.map(|(start, _)| *start).collect();
        let job = &mut state.jobs[id];
        job.chunks_left = job.chunks_left.saturating_sub(withdrawn);
        self.tell();
        if self.has(Flaw::CancelledValueComes) && !running.is_empty() {
            return true;
        }
        let error = job.error.get_or_insert((0, why.clone())).1.clone();
        // Where processes have to end, it is decided when they have.
        if self.nature.kind == Kind::Thread || running.is_empty() {
            self.decide(state, id, Err(error));
        }
        for start in running {
            self.stop_start(state, start, why);
        }
        true
    }

    /// What this worker does is no longer wanted: a process is told to end, and after a while made to.
    fn stop_start(self: &Arc<Pool>, state: &mut State, start: u64, why: &ErrorReply) {
        let Some(running) = state.running.get_mut(&start) else {
            return;
        };
        running.early = Some(why.clone());
        running.armed = None;
        let Some(pid) = running.pid.filter(|pid| state.pids.contains(pid)) else {
            return;
        };
        if self.has(Flaw::LateProcessRunsOn) {
            return;
        }
        let pid = Pid::from_raw(pid);
        // One that has gone by itself needs no telling, and one that is stopped has to go on to hear it.
        let _ = kill(pid, Signal::SIGTERM);
        let _ = kill(pid, Signal::SIGCONT);
        if self.has(Flaw::LateAndDeafRunsOn) {
            return;
        }
        running.armed = Some(self.after(GRACE.as_secs_f64(), move |pool| {
            if pool.lock().running.contains_key(&start) {
                let _ = killpg(pid, Signal::SIGKILL);
            }
        }));
    }

    /// A worker begins with a chunk; gives the number of this start.
    pub(super) fn begins(
        self: &Arc<Pool>,
        state: &mut State,
        chunk: &Chunk,
        pid: Option<i32>,
    ) -> u64 {
        state.starts += 1;
        let start = state.starts;
        let limits = &state.jobs[chunk.job].work.limits;
        let deadline = match self.nature.flaw {
            Some(Flaw::DeadlineNeverArmed | Flaw::DeadlineFromSubmission) => None,
            Some(Flaw::ExpiryFromTheStart) => limits.deadline.or(limits.expiry),
            _ => limits.deadline,
        };
        let armed = deadline.map(|time| self.after(time, move |pool| pool.exceed(start)));
        let running = Running {
            job: chunk.job,
            place: chunk.items.start,
            pid,
            early: None,
            armed,
        };
        state.running.insert(start, running);
        start
    }

    /// The deadline of a chunk has passed.
    fn exceed(self: &Arc<Pool>, start: u64) {
        let state = &mut *self.lock();
        let running = state.running.get(&start);
        let Some(running) = running.filter(|running| running.early.is_none()) else {
            return;
        };
        let (job, place, why) = (running.job, running.place, late("deadline"));
        if self.has(Flaw::DeadlineEndsTheMap) {
            self.end_early(state, job, &why);
        }
        self.stop_start(state, start, &why);
        if self.nature.kind == Kind::Thread {
            self.end_chunk(state, job, Some((place, why)));
        }
    }

    /// A worker has done with a chunk; gives why that is of no use, if so.
    pub(crate) fn left(&self, start: u64) -> Option<ErrorReply> {
        self.lock().running.remove(&start)?.early
    }

    /// A chunk of one item has failed: it is done once more, if its error was named and that may be.
    pub(crate) fn fails_for_now(
        self: &Arc<Pool>,
        start: u64,
        chunk: &Chunk,
        error: &ErrorReply,
    ) -> bool {
        let is_picked = {
            let state = &*self.lock();
            let named = state.jobs[chunk.job].work.limits.retry_if.as_ref();
            let is_early = |running: &Running| running.early.is_some();
            !state.running.get(&start).is_some_and(is_early)
                && match self.nature.flaw {
                    Some(Flaw::PicksNothing) => false,
                    Some(Flaw::PicksEverything) => named.is_some(),
                    _ => named == Some(&error.kind),
                }
        };
        let is_tried_again = is_picked && self.try_again(chunk.clone());
        if is_tried_again {
            self.left(start);
        }
        is_tried_again
    }

    /// A chunk was lost with its worker: it is done once more, if that may be.
    pub(crate) fn try_again(self: &Arc<Pool>, mut chunk: Chunk) -> bool {
        let state = &mut *self.lock();
        let job = &state.jobs[chunk.job];
        let most = match (job.work.retries(), self.nature.flaw) {
            (0, _) | (_, Some(Flaw::NeverTriedAgain)) => 0,
            (_, Some(Flaw::RetriesNotCounted)) => i32::MAX,
            (retries, Some(Flaw::RetryOfOneMore)) => retries + 1,
            (retries, _) => retries,
        };
        if chunk.lost >= most || job.outcome.is_some() || job.stopped {
            return false;
        }
        let factor = match self.nature.flaw {
            Some(Flaw::PauseNotKept) => 0.0,
            Some(Flaw::PauseStaysTheSame) => 1.0,
            _ => 2_f64.powi(chunk.lost),
        };
        let pause = job.work.limits.retry_pause.unwrap_or_default() * factor;
        chunk.lost += 1;
        if pause == 0.0 {
            self.put_in_its_place(state, chunk);
            return true;
        }
        state.starts += 1;
        let number = state.starts;
        let armed = self.after(pause, move |pool| {
            let state = &mut *pool.lock();
            if let Some((chunk, _)) = state.resting.remove(&number) {
                pool.put_in_its_place(state, chunk);
            }
        });
        state.resting.insert(number, (chunk, armed));
        true
    }

    /// Puts a chunk before what was handed in after it.
    fn put_in_its_place(&self, state: &mut State, chunk: Chunk) {
        let place = |chunk: &Chunk| (chunk.job, chunk.items.start);
        let before = |other: &Chunk| place(other) < place(&chunk);
        let at = match self.nature.flaw {
            Some(Flaw::RetryAtTheEnd) => state.queue.len(),
            _ => state.queue.partition_point(before),
        };
        state.queue.insert(at, chunk);
        self.tell();
    }

    /// What was handed in, what of it will do no more, and what has failed.
    pub(crate) fn stats(&self) -> [usize; 3] {
        let state = self.lock();
        let submitted: usize = state.jobs.iter().map(|job| job.chunks).sum();
        let unfinished = state.queue.len() + state.resting.len() + state.running.len();
        let quiet = |error: &ErrorReply| ["Terminated", "Cancelled"].contains(&error.kind.as_str());
        let failed = state.jobs.iter().map(|job| match &job.outcome {
            Some(Err(error)) => usize::from(!quiet(error)),
            _ if job.work.of_imap => job.ends.iter().flatten().filter(|end| end.is_err()).count(),
            _ => 0,
        });
        [submitted, submitted - unfinished, failed.sum()]
    }
}
