//! A pool that is as simple as a pool can be: one lock, one condition, and workers who look for something to do.
//! Where a [`Flaw`] is asked for, it does something else than the contract says, in one place.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use pool_core::{Armed, Timers};
use serde_json::Value;
use spec_harness::adapter::{Answer, puppet};
use spec_harness::case::ast::Kind;
use spec_harness::protocol::ErrorReply;

use crate::flaws::Flaw;
use crate::imap::Stream;
use crate::manner::Manner;
use crate::worker;

/// Time that terminated workers have to listen.
const GRACE: Duration = Duration::from_secs(1);

/// How a pool is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    pub(crate) kind: Kind,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) manner: Manner,
}

pub(crate) struct Pool {
    pub(crate) nature: Nature,
    pub(crate) size: usize,
    /// Chunks after which a worker makes room for another.
    pub(crate) share: Option<u64>,
    timers: Timers,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Running,
    Closed,
    Terminated,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) jobs: Vec<Job>,
    queue: VecDeque<Chunk>,
    pub(crate) streams: Vec<Stream>,
    /// Callbacks that wait for their turn.
    due: VecDeque<Callback>,
    /// Callbacks that run.
    calling: usize,
    /// Workers that have not gone.
    workers: usize,
    /// Processes of workers.
    pub(crate) pids: BTreeSet<i32>,
    grace: Option<Armed>,
    decisions: usize,
    tasks: usize,
    joined: bool,
    /// Somebody has waited for something.
    asked: bool,
    /// The job, counted from 1, of which somebody was last told.
    woken: usize,
    deaths: usize,
    last_value: Option<Value>,
}

/// What is handed in by one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    pub(crate) keys: Vec<u64>,
    /// Items are tuples that are unpacked.
    pub(crate) star: bool,
    /// The value is a list.
    pub(crate) many: bool,
    /// Items fail each for itself.
    pub(crate) settled: bool,
    pub(crate) chunksize: Option<u64>,
    pub(crate) callback: Option<u64>,
    pub(crate) error_callback: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) ends: Vec<Option<Answer>>,
    /// Places in the order in which they ended.
    order: Vec<usize>,
    chunks: usize,
    chunks_left: usize,
    /// The first error, and its place.
    error: Option<(usize, ErrorReply)>,
    pub(crate) outcome: Option<Answer>,
    /// Its place in the order in which jobs were decided.
    pub(crate) decided: usize,
    pub(crate) ready: bool,
    started: bool,
    pub(crate) taken: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) job: usize,
    pub(crate) items: Range<usize>,
    /// To whom it was dealt.
    to: usize,
}

#[derive(Debug)]
pub(crate) struct Callback {
    job: usize,
    pub(crate) key: u64,
    pub(crate) with: Answer,
}

/// What a worker has to do next.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) chunk: Chunk,
    pub(crate) keys: Vec<u64>,
    pub(crate) star: bool,
    pub(crate) settled: bool,
}

pub(crate) fn error(kind: &str, text: &str) -> ErrorReply {
    ErrorReply {
        kind: kind.into(),
        text: text.into(),
    }
}

/// A value that counts as false is none.
fn or_nothing(value: Value) -> Value {
    let counts = match &value {
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    if counts { value } else { Value::Null }
}

pub(crate) fn terminated() -> ErrorReply {
    error("Terminated", "the pool was terminated")
}

impl Pool {
    pub(crate) fn new(
        nature: Nature,
        size: Option<u64>,
        share: Option<u64>,
        timers: Timers,
    ) -> Result<Arc<Pool>, ErrorReply> {
        let cpus = || thread::available_parallelism().map_or(1, usize::from);
        let mut size = size.map_or_else(cpus, |size| usize::try_from(size).unwrap_or(usize::MAX));
        if size == 0 && nature.flaw == Some(Flaw::ZeroWorkers) {
            size = 1;
        }
        if size == 0 {
            return Err(error("InvalidSize", "a pool has at least one worker"));
        }
        let staff = match nature.flaw {
            Some(Flaw::OneWorkerMore) => size + 1,
            Some(Flaw::OneWorkerLess) if size > 1 => size - 1,
            _ => size,
        };
        let state = State {
            workers: staff,
            ..State::default()
        };
        let pool = Arc::new(Pool {
            nature,
            size,
            share: share.filter(|_| nature.flaw != Some(Flaw::ShareIgnored)),
            timers,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        for number in 0..staff {
            let (pool, hands) = (pool.clone(), worker::Hands::new(&pool));
            thread::spawn(move || worker::work(&pool, number, hands));
        }
        let lanes = if pool.has(Flaw::CallbackBesideAnother) {
            2
        } else {
            1
        };
        for _ in 0..lanes {
            let pool = pool.clone();
            thread::spawn(move || pool.call_back());
        }
        if pool.has(Flaw::LeakedChild) {
            worker::leave_a_process_behind();
        }
        Ok(pool)
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.nature.flaw == Some(flaw)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self) {
        self.changed.notify_all();
    }

    /// Somebody waits for what the pool does.
    fn asked(&self) {
        let mut state = self.lock();
        state.asked = true;
        self.tell();
    }

    /// Where only one of several is woken, the others wait for something that does not come.
    fn misses(&self, state: &mut State, of: usize) -> bool {
        self.has(Flaw::OneWaiterOnly) && std::mem::replace(&mut state.woken, of + 1) == of + 1
    }

    /// Waits until there is an answer; for no longer than the limit, if there is one.
    pub(crate) fn wait<T>(
        self: &Arc<Pool>,
        limit: Option<Duration>,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let over = Arc::new(AtomicBool::new(limit == Some(Duration::ZERO)));
        let limit = match limit {
            Some(limit) if self.has(Flaw::TimeoutsInWholeSeconds) => {
                Some(Duration::from_secs(limit.as_millis().div_ceil(1000) as u64))
            }
            other => other,
        };
        let _armed = limit.filter(|limit| !limit.is_zero()).map(|limit| {
            let (pool, over) = (self.clone(), over.clone());
            let alarm = move || {
                let state = pool.lock();
                over.store(true, Ordering::Relaxed);
                pool.tell();
                drop(state);
            };
            self.timers.arm(limit, Box::new(alarm))
        });
        let mut state = self.lock();
        loop {
            if limit == Some(Duration::ZERO) && self.has(Flaw::ZeroTimeoutMisses) {
                return None;
            }
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            if over.load(Ordering::Relaxed) {
                return None;
            }
            state = match self.nature.manner.period() {
                Some(period) => {
                    drop(state);
                    thread::sleep(period);
                    self.lock()
                }
                None => {
                    let waiting = self.changed.wait(state);
                    waiting.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Waits for what comes in the end.
    fn await_<T>(self: &Arc<Pool>, look: impl FnMut(&mut State) -> Option<T>) -> T {
        match self.wait(None, look) {
            Some(found) => found,
            None => unreachable!("there is no limit"),
        }
    }

    // --- submitting

    pub(crate) fn submit(self: &Arc<Pool>, work: Work) -> Result<usize, ErrorReply> {
        let mut state = self.lock();
        self.accepts(&state, work.keys.is_empty())?;
        let job = self.let_in(&mut state, work)?;
        drop(state);
        if self.has(Flaw::QueueHasABound) {
            self.await_(|state| (state.queue.len() <= 8).then_some(()));
        }
        if self.has(Flaw::AsyncBlocks) {
            self.await_(|state| state.jobs[job].ready.then_some(()));
        }
        Ok(job)
    }

    pub(crate) fn accepts(&self, state: &State, empty: bool) -> Result<(), ErrorReply> {
        let lenient = match state.phase {
            Phase::Running => true,
            Phase::Closed => {
                self.has(Flaw::CloseRefusesNothing)
                    || (empty && self.has(Flaw::CloseRefusesNoEmptyMap))
            }
            Phase::Terminated => self.has(Flaw::TerminateRefusesNothing),
        };
        lenient
            .then_some(())
            .ok_or_else(|| error("NotRunning", "the pool does not run"))
    }

    pub(crate) fn let_in(&self, state: &mut State, work: Work) -> Result<usize, ErrorReply> {
        let items = work.keys.len();
        let asked = work
            .chunksize
            .map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        let size = match asked {
            _ if !work.many || self.has(Flaw::ChunksizeIgnored) && !work.settled => 1,
            Some(0) if self.has(Flaw::ChunksOfNothing) => 1,
            Some(0) => return Err(error("InvalidChunksize", "a chunk has at least one item")),
            Some(size) => size,
            None if self.has(Flaw::DefaultChunksAreLarge) => items.div_ceil(self.size).max(1),
            None => items.div_ceil(4 * self.size).max(1),
        };
        let id = state.jobs.len();
        let starts = (0..items).step_by(size);
        let chunks: Vec<Chunk> = starts
            .enumerate()
            .map(|(number, first)| Chunk {
                job: id,
                items: first..items.min(first.saturating_add(size)),
                to: (state.tasks + number) % self.size,
            })
            .collect();
        let mut chunks = chunks;
        let short = |chunk: &Chunk| chunk.items.len() < size;
        if self.has(Flaw::ShortChunksDropped)
            && chunks.len() > 1
            && chunks.last().is_some_and(short)
        {
            chunks.pop();
        }
        state.tasks += chunks.len();
        state.jobs.push(Job {
            ends: vec![None; items],
            order: Vec::new(),
            chunks: chunks.len(),
            chunks_left: chunks.len(),
            error: None,
            outcome: None,
            decided: 0,
            ready: false,
            started: false,
            taken: false,
            work,
        });
        state.queue.extend(chunks);
        if items == 0 && !self.has(Flaw::MapsNothingNeverReady) {
            let called = self.has(Flaw::MapsNothingCallsBack);
            let nobody = Work::default();
            let job = &mut state.jobs[id];
            let work = if called { job.work.clone() } else { nobody };
            job.work.callback = work.callback;
            self.decide(state, id, Ok(Value::Array(vec![])));
        }
        self.tell();
        Ok(id)
    }

    // --- what workers ask and tell

    /// The next chunk for this worker; nothing when it is to go.
    pub(crate) fn next(self: &Arc<Pool>, worker: usize) -> Option<Errand> {
        let keeps = self.has(Flaw::TerminateKeepsTheQueue);
        self.await_(|state| {
            let lazy = self.has(Flaw::LazyWorkers) && !state.asked;
            let picked = self.pick(state, worker).filter(|_| !lazy);
            let queued = picked.filter(|_| state.phase < Phase::Terminated || keeps);
            if let Some(chunk) = queued.and_then(|at| state.queue.remove(at)) {
                let job = &mut state.jobs[chunk.job];
                job.started = true;
                let errand = Errand {
                    keys: job.work.keys[chunk.items.clone()].to_vec(),
                    star: job.work.star,
                    settled: job.work.settled,
                    chunk,
                };
                // Who waits for room in the queue looks again.
                self.tell();
                return Some(Some(errand));
            }
            let read = state.streams.iter().all(|stream| !stream.is_open());
            let over = match state.phase {
                Phase::Running => false,
                Phase::Closed => read && (state.queue.is_empty() || self.has(Flaw::QueuePerWorker)),
                Phase::Terminated => true,
            };
            over.then_some(None)
        })
    }

    /// Which of the chunks that are queued comes next.
    fn pick(&self, state: &State, worker: usize) -> Option<usize> {
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

    /// An item has ended.
    pub(crate) fn item_ended(&self, job: usize, place: usize, answer: Answer) {
        let mut state = self.lock();
        let job = &mut state.jobs[job];
        job.ends[place] = Some(answer);
        job.order.push(place);
    }

    /// A chunk has ended, by an error at this place if there was one.
    pub(crate) fn chunk_ended(&self, id: usize, error: Option<(usize, ErrorReply)>) {
        let mut state = self.lock();
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
        if self.has(Flaw::FailureEndsTheMap) && job.error.is_some() && !job.work.settled {
            job.chunks_left = 0;
            state.queue.retain(|chunk| chunk.job != id);
        }
        let job = &mut state.jobs[id];
        if self.has(Flaw::MapReadyEarly) && job.work.many && !job.work.settled {
            job.ready = true;
        }
        let at_once = self.has(Flaw::ErrorAtOnce) && job.error.is_some();
        if job.chunks_left > 0 && !at_once {
            return;
        }
        let outcome = match job.error.take() {
            Some((_, error)) => Err(error),
            None if job.work.settled => Ok(Value::Null),
            None => self.value_of(job),
        };
        self.decide(&mut state, id, outcome);
    }

    fn value_of(&self, job: &Job) -> Answer {
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
    fn decide(&self, state: &mut State, id: usize, outcome: Answer) {
        if state.jobs[id].outcome.is_some() {
            return;
        }
        state.decisions += 1;
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

    // --- callbacks

    /// Runs callbacks one after the other until the pool has ended.
    fn call_back(self: &Arc<Pool>) {
        let on_workers = self.calls_back_on_workers();
        while let Some(callback) = self.await_(|state| {
            let next = self.next_callback(state).filter(|_| !on_workers);
            let over = state.phase > Phase::Running && state.workers == 0;
            next.map(Some).or(over.then_some(None))
        }) {
            let Callback { job, key, with } = callback;
            let twice = self.has(Flaw::CallbackTwice).then(|| with.clone());
            let came = catch_unwind(AssertUnwindSafe(|| {
                puppet::callback(key, with);
                if let Some(with) = twice {
                    puppet::callback(key, with);
                }
            }));
            let failed = came.err().map(|panic| worker::message(&*panic));
            if failed.is_some() && self.has(Flaw::CallbackLosesItsThread) {
                return;
            }
            self.called_back(job, failed);
        }
    }

    pub(crate) fn calls_back_on_workers(&self) -> bool {
        let flaws = [
            Flaw::CallbackOnTheWorker,
            Flaw::CallbackBlocksWorkers,
            Flaw::CallbackInDisguise,
        ];
        flaws.into_iter().any(|flaw| self.has(flaw))
    }

    fn next_callback(&self, state: &mut State) -> Option<Callback> {
        if self.has(Flaw::CallbackWhenAsked) && !state.asked
            || self.has(Flaw::CallbackAtClose) && state.phase == Phase::Running
        {
            return None;
        }
        let callback = if self.has(Flaw::CallbackOrderReversed) {
            state.due.pop_back()
        } else {
            state.due.pop_front()
        }?;
        state.calling += 1;
        Some(callback)
    }

    /// A callback that is due, for a worker that is broken enough to run it.
    pub(crate) fn take_callback(&self) -> Option<Callback> {
        self.next_callback(&mut self.lock())
    }

    /// A callback has returned, or failed with this message.
    fn called_back(&self, id: usize, failed: Option<String>) {
        let mut state = self.lock();
        let job = &mut state.jobs[id];
        if let (Some(text), Some(Ok(_))) = (failed, &job.outcome) {
            job.outcome = Some(Err(error("Panicked", &text)));
        }
        job.ready = true;
        state.calling -= 1;
        self.tell();
    }

    pub(crate) fn callback_returned(&self, callback: &Callback) {
        self.called_back(callback.job, None);
    }

    // --- the end

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
            let of_stream = state.jobs[id].work.settled;
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
    fn stop(self: &Arc<Pool>, state: &mut State) {
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
        self.read_all(&mut state);
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

    // --- handles

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
