//! What workers ask of the pool, and what they tell it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use spec_harness::adapter::Answer;
use spec_harness::protocol::ErrorReply;

use super::{Callback, Chunk, Errand, Job, Phase, Pool, State, error, or_nothing};
use crate::flaws::Flaw;

impl Pool {
    /// The next chunk for this worker; nothing when it is to go.
    pub(crate) fn next(self: &Arc<Pool>, worker: usize, pid: Option<i32>) -> Option<Errand> {
        let keeps = self.has(Flaw::TerminateKeepsTheQueue);
        self.await_(|state| {
            let lazy = self.has(Flaw::LazyWorkers) && !state.asked;
            let picked = self.pick(state, worker).filter(|_| !lazy);
            let queued = picked.filter(|_| state.phase < Phase::Terminated || keeps);
            if let Some(chunk) = queued.and_then(|at| state.queue.remove(at)) {
                let start = self.begins(state, &chunk, pid);
                let job = &mut state.jobs[chunk.job];
                job.started = true;
                let errand = Errand {
                    start,
                    keys: job.work.keys[chunk.items.clone()].to_vec(),
                    star: job.work.star,
                    of_imap: job.work.of_imap,
                    chunk,
                };
                // Who waits for room in the queue looks again.
                self.tell();
                return Some(Some(errand));
            }
            let read = state.streams.iter().all(|stream| !stream.is_open());
            let dealt = state.phase == Phase::Closed && read && self.has(Flaw::QueuePerWorker);
            (dealt || is_drained(state)).then_some(None)
        })
    }

    /// Which of the chunks that are queued comes next.
    pub(super) fn pick(&self, state: &State, worker: usize) -> Option<usize> {
        let queue = &state.queue;
        let last = queue.len().checked_sub(1)?;
        match self.nature.flaw {
            Some(Flaw::LastIn) => Some(last),
            Some(Flaw::LastInUnderLoad) if last >= 40 => Some(last),
            Some(Flaw::NewestJobFirst) => {
                let newest = queue[last].job;
                queue.iter().position(|chunk| chunk.job == newest)
            }
            Some(Flaw::ShortestJobFirst) => {
                let state_len = |chunk: &Chunk| queue.iter().filter(|c| c.job == chunk.job).count();
                (0..queue.len()).min_by_key(|at| (state_len(&queue[*at]) > 1, *at))
            }
            Some(Flaw::FairToJobs) => {
                let taken = |chunk: &Chunk| {
                    let job = &state.jobs[chunk.job];
                    let queued = queue.iter().filter(|other| other.job == chunk.job);
                    job.chunks.saturating_sub(queued.count())
                };
                (0..queue.len()).min_by_key(|at| (taken(&queue[*at]), *at))
            }
            Some(Flaw::QueuePerWorker) => queue.iter().position(|chunk| chunk.to == worker),
            _ => Some(0),
        }
    }

    /// Puts the rest of a chunk back.
    pub(crate) fn put_back(&self, chunk: Chunk) {
        let mut state = self.lock();
        state.queue.push_back(chunk);
        self.tell();
    }

    /// Puts a chunk back where it was taken from.
    pub(crate) fn put_back_first(&self, Errand { start, chunk, .. }: Errand) {
        if let Some(early) = self.left(start) {
            return self.chunk_ended(chunk.job, Some((chunk.items.start, early)));
        }
        let mut state = self.lock();
        state.jobs[chunk.job].started = false;
        state.queue.push_front(chunk);
        self.tell();
    }

    /// An item has ended.
    pub(crate) fn item_ended(&self, job: usize, place: usize, answer: Answer) {
        let mut state = self.lock();
        let job = &mut state.jobs[job];
        job.ends[place] = Some(answer);
        job.order.push(place);
    }

    /// A chunk has ended, by an error at this place if there was one.
    pub(crate) fn chunk_ended(&self, id: usize, error: Option<(usize, ErrorReply)>) {
        self.end_chunk(&mut self.lock(), id, error);
    }

    pub(super) fn end_chunk(
        &self,
        state: &mut State,
        id: usize,
        error: Option<(usize, ErrorReply)>,
    ) {
        let job = &mut state.jobs[id];
        job.chunks_left = job.chunks_left.saturating_sub(1);
        let by_index = self.has(Flaw::FirstErrorByIndex);
        match (&job.error, error) {
            (Some((known, _)), Some((place, error))) if by_index && place < *known => {
                job.error = Some((place, error));
            }
            (None, Some(error)) => job.error = Some(error),
            _ => {}
        }
        if self.has(Flaw::FailureEndsTheMap) && job.error.is_some() && !job.work.of_imap {
            job.chunks_left = 0;
            state.queue.retain(|chunk| chunk.job != id);
        }
        let job = &mut state.jobs[id];
        if self.has(Flaw::MapReadyEarly) && job.work.many && !job.work.of_imap {
            job.ready = true;
        }
        let at_once = self.has(Flaw::ErrorAtOnce) && job.error.is_some();
        if job.chunks_left > 0 && !at_once {
            return;
        }
        let outcome = match job.error.take() {
            Some((_, error)) => Err(error),
            None if job.work.of_imap => Ok(Value::Null),
            None => self.value_of(job),
        };
        self.decide(state, id, outcome);
    }

    pub(super) fn value_of(&self, job: &Job) -> Answer {
        let places: Vec<usize> = if self.has(Flaw::MapUnordered) {
            job.order.clone()
        } else {
            (0..job.ends.len()).collect()
        };
        let ends = places.iter().map(|place| job.ends[*place].clone());
        let mut values = Vec::new();
        for end in ends {
            values.push(end.unwrap_or(Ok(Value::Null))?);
        }
        if job.work.star && self.has(Flaw::StarmapInReverse) {
            values.reverse();
        }
        if job.work.many {
            Ok(Value::Array(values))
        } else {
            Ok(values.pop().unwrap_or_default())
        }
    }

    /// Everything that is there fails by the same error.
    pub(crate) fn fail_all(&self, error: &ErrorReply, queued_too: bool) {
        let mut state = self.lock();
        if queued_too {
            state.queue.clear();
            state.phase = state.phase.max(Phase::Closed);
        }
        for id in 0..state.jobs.len() {
            if queued_too || state.jobs[id].started {
                self.decide(&mut state, id, Err(error.clone()));
            }
        }
    }

    /// A job is decided, once; it is ready when its callback has run.
    pub(super) fn decide(&self, state: &mut State, id: usize, outcome: Answer) {
        if state.jobs[id].outcome.is_some() {
            return;
        }
        state.decisions += 1;
        state.jobs[id].expiry = None;
        let panicked = matches!(&outcome, Err(error) if error.kind == "Panicked");
        if self.has(Flaw::ResultLost) && state.decisions == 3
            || self.has(Flaw::PanicLosesItsResult) && panicked
            || self.has(Flaw::LargeResultsAreLost)
                && outcome
                    .as_ref()
                    .is_ok_and(|value| value.to_string().len() > 1 << 16)
        {
            return;
        }
        let mut outcome = match (self.nature.flaw, outcome) {
            (Some(Flaw::ErrorsLoseTheirName), Err(raised)) => Err(error("Exception", &raised.text)),
            (Some(Flaw::ErrorsAreValues), Err(raised)) => Ok(Value::from(raised.text)),
            (Some(Flaw::FalseIsNothing), Ok(value)) => Ok(or_nothing(value)),
            (_, outcome) => outcome,
        };
        if let (Ok(value), true) = (&mut outcome, self.has(Flaw::ResultOfTheNeighbour)) {
            let own = value.clone();
            *value = state
                .last_value
                .replace(own)
                .unwrap_or_else(|| value.clone());
        }
        let job = &mut state.jobs[id];
        let callback = match &outcome {
            Ok(_) => job.work.callback,
            Err(_) if self.has(Flaw::CallbackForFailures) => job.work.callback,
            Err(_) if self.has(Flaw::NoErrorCallback) => None,
            Err(_) if self.has(Flaw::NoErrorCallbackOfMaps) && job.work.many => None,
            Err(_) => job.work.error_callback,
        };
        job.outcome = Some(outcome.clone());
        job.decided = state.decisions;
        job.ready = callback.is_none() || self.has(Flaw::ReadyBeforeCallback);
        if let Some(key) = callback {
            let with = match outcome {
                Ok(Value::Array(values)) if self.has(Flaw::CallbackPerItem) => {
                    Ok(values.first().cloned().unwrap_or_default())
                }
                other => other,
            };
            state.due.push_back(Callback { job: id, key, with });
        }
        self.tell();
    }

    /// A worker has gone.
    pub(crate) fn worker_gone(&self) {
        let mut state = self.lock();
        state.workers -= 1;
        if state.workers == 0 {
            state.grace = None;
        }
        self.tell();
    }

    /// One more worker has died; gives how many that makes.
    pub(crate) fn died(&self) -> usize {
        let mut state = self.lock();
        state.deaths += 1;
        state.deaths
    }

    /// One more start of a worker has failed; gives how many that makes in a row.
    pub(crate) fn start_failed(&self) -> u32 {
        let mut state = self.lock();
        state.failed_starts += 1;
        state.failed_starts
    }

    pub(crate) fn started(&self) {
        self.lock().failed_starts = 0;
    }

    /// Rests for so long; false when the pool has nothing more to do.
    pub(crate) fn pause(self: &Arc<Pool>, time: Duration) -> bool {
        let idle = self.wait(Some(time), |state| is_drained(state).then_some(()));
        idle.is_none()
    }

    /// Whether nothing is left for a worker to take, and nothing will come.
    pub(crate) fn is_drained(&self) -> bool {
        is_drained(&self.lock())
    }

    /// Fails the task that is next in the queue.
    pub(crate) fn fail_next(&self, error: &ErrorReply) {
        let mut state = self.lock();
        if let Some(chunk) = state.queue.pop_front() {
            self.decide(&mut state, chunk.job, Err(error.clone()));
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.lock().phase == Phase::Terminated
    }
}

fn is_drained(state: &State) -> bool {
    match state.phase {
        Phase::Running => false,
        Phase::Closed => {
            let waits = !state.queue.is_empty() || !state.resting.is_empty();
            !waits && state.streams.iter().all(|stream| !stream.is_open())
        }
        Phase::Terminated => true,
    }
}
