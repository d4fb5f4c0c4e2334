//! A pool that is as simple as a pool can be: one lock, one condition, and workers who look for something to do.
//! Where a [`Flaw`] is asked for, it does something else than the contract says, in one place.

mod callbacks;
pub(crate) mod early;
mod ending;
mod handles;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pool_core::Timers;
use pool_core::backend::Armed;
use serde_json::Value;
use spec_harness::adapter::Answer;
use spec_harness::case::ast::Kind;
use spec_harness::protocol::{ErrorReply, Limits};

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
    /// How long a worker lives.
    pub(crate) age: Option<f64>,
    /// What each worker runs before its first chunk.
    pub(crate) initializer: Option<u64>,
    /// Chunks that may wait.
    bound: Option<usize>,
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
    /// Chunks that workers do, by the numbers of their starts.
    running: BTreeMap<u64, early::Running>,
    /// Chunks that pause before they are tried again.
    resting: BTreeMap<u64, (Chunk, Armed)>,
    starts: u64,
    /// What has ended before it had a place, by its number.
    pub(crate) early: BTreeMap<u64, ErrorReply>,
    /// Who hands something in, by numbers: whoever waits there is let in by turns.
    line: VecDeque<u64>,
    lined_up: u64,
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
    /// Starts of workers that have failed one after the other.
    failed_starts: u32,
    last_value: Option<Value>,
}

/// A pool as it is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) size: Option<u64>,
    pub(crate) share: Option<u64>,
    pub(crate) age: Option<f64>,
    pub(crate) initializer: Option<u64>,
    pub(crate) queue: Option<u64>,
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
    pub(crate) of_imap: bool,
    pub(crate) chunksize: Option<u64>,
    pub(crate) limits: Limits,
    /// Its number among what was handed in; none for a chunk of an imap.
    pub(crate) turn: u64,
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
    /// It ends early.
    stopped: bool,
    expiry: Option<Armed>,
    pub(crate) taken: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) job: usize,
    pub(crate) items: Range<usize>,
    /// To whom it was dealt.
    to: usize,
    /// Workers that were lost with it.
    lost: i32,
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
    pub(crate) start: u64,
    pub(crate) chunk: Chunk,
    pub(crate) keys: Vec<u64>,
    pub(crate) star: bool,
    pub(crate) of_imap: bool,
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

pub(crate) fn retries_of_chunks() -> ErrorReply {
    error("RetriesOfChunks", "what is tried again is one item")
}

impl Work {
    /// How often each of its chunks may be tried again.
    pub(crate) fn retries(&self) -> i32 {
        let retries = self.limits.retries.unwrap_or_default();
        retries.try_into().unwrap_or(i32::MAX)
    }
}

pub(crate) fn terminated() -> ErrorReply {
    error("Terminated", "the pool was terminated")
}

impl Pool {
    pub(crate) fn new(
        nature: Nature,
        asked: Asked,
        timers: Timers,
    ) -> Result<Arc<Pool>, ErrorReply> {
        let cpus = || thread::available_parallelism().map_or(1, usize::from);
        let mut size = asked
            .size
            .map_or_else(cpus, |size| usize::try_from(size).unwrap_or(usize::MAX));
        if size == 0 && nature.flaw == Some(Flaw::ZeroWorkers) {
            size = 1;
        }
        if size == 0 {
            return Err(error("InvalidSize", "a pool has at least one worker"));
        }
        let bound = asked
            .queue
            .map(|places| usize::try_from(places).unwrap_or(usize::MAX));
        if bound == Some(0) {
            return Err(error("InvalidQueue", "a queue has at least one place"));
        }
        let count = match nature.flaw {
            Some(Flaw::OneWorkerMore) => size + 1,
            Some(Flaw::OneWorkerLess) if size > 1 => size - 1,
            _ => size,
        };
        let state = State {
            workers: count,
            ..State::default()
        };
        let pool = Arc::new(Pool {
            nature,
            size,
            share: asked
                .share
                .filter(|_| nature.flaw != Some(Flaw::ShareIgnored)),
            age: asked.age.filter(|_| nature.flaw != Some(Flaw::AgeIgnored)),
            initializer: asked.initializer,
            bound: match nature.flaw {
                Some(Flaw::QueueBoundIgnored) => None,
                Some(Flaw::QueueOfOneMore) => bound.map(|bound| bound + 1),
                _ => bound,
            },
            timers,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        for number in 0..count {
            let (pool, hands) = (pool.clone(), worker::Hands::new(&pool));
            thread::spawn(move || worker::begin(&pool, number, hands));
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

    /// Hands work in; where the queue is full, it waits for a place, for no longer than the limit.
    pub(crate) fn submit(
        self: &Arc<Pool>,
        work: Work,
        limit: Option<Duration>,
    ) -> Result<usize, ErrorReply> {
        let job = self.enter(work, limit)?;
        if self.has(Flaw::QueueHasABound) {
            self.await_(|state| (state.queue.len() <= 8).then_some(()));
        }
        if self.has(Flaw::AsyncBlocks) {
            self.await_(|state| state.jobs[job].ready.then_some(()));
        }
        Ok(job)
    }

    fn enter(self: &Arc<Pool>, work: Work, limit: Option<Duration>) -> Result<usize, ErrorReply> {
        let turn = work.turn;
        let expiry = self.arm_expiry(&work.limits, turn);
        self.lock().line.push_back(turn);
        let entered = self.enter_by(turn, work, limit);
        let mut state = self.lock();
        state.line.retain(|waits| *waits != turn);
        if let Ok(job) = entered
            && state.jobs[job].outcome.is_none()
        {
            state.jobs[job].expiry = expiry;
        }
        self.tell();
        entered
    }

    fn enter_by(
        self: &Arc<Pool>,
        turn: u64,
        work: Work,
        limit: Option<Duration>,
    ) -> Result<usize, ErrorReply> {
        let limit = match self.nature.flaw {
            Some(Flaw::QueueRefusesAtOnce) => Some(Duration::ZERO),
            Some(Flaw::QueueTimeoutIgnored) => limit.filter(Duration::is_zero),
            _ => limit,
        };
        let empty = work.keys.is_empty();
        let wanted = match limit {
            // Who does not wait needs a place for each chunk at once.
            Some(Duration::ZERO) => work.keys.len().div_ceil(self.chunk_size(&work)?),
            _ => usize::from(!empty),
        };
        let mut work = Some(work);
        let mut first = true;
        let entered = self.wait(limit, |state| {
            let waits = !std::mem::take(&mut first);
            let deaf = match state.phase {
                Phase::Running => false,
                Phase::Closed => waits && self.has(Flaw::QueueNotWokenByClose),
                Phase::Terminated => waits && self.has(Flaw::QueueNotWokenByTerminate),
            };
            if deaf {
                return None;
            }
            if let Err(refused) = self.accepts(state, empty) {
                return Some(Err(refused));
            }
            if let Some(why) = state.early.remove(&turn) {
                let made = self.let_in(state, work.take()?);
                return Some(made.inspect(|job| {
                    state.jobs[*job].chunks = 0;
                    self.end_early(state, *job, &why);
                }));
            }
            let free = self.free_places(state);
            let next = if self.has(Flaw::QueueLastComeFirst) {
                state.line.back()
            } else {
                state.line.front()
            };
            let turns = next == Some(&turn) || self.bound.is_none() || empty;
            if !turns || free.is_some_and(|free| free < wanted) {
                return None;
            }
            Some(self.let_in(state, work.take()?))
        });
        let job = entered.ok_or_else(|| error("QueueFull", "the queue has no place"))??;
        if limit != Some(Duration::ZERO) && !empty {
            // The chunks behind the first wait for their places as well.
            self.wait(limit, |state| {
                let over = self.bound.is_none_or(|bound| self.waiting(state) <= bound);
                (over || state.phase > Phase::Running).then_some(())
            });
        }
        Ok(job)
    }

    /// Places that are left in a queue with a bound.
    fn free_places(&self, state: &State) -> Option<usize> {
        let bound = self.bound?;
        Some(bound.saturating_sub(self.waiting(state)))
    }

    fn waiting(&self, state: &State) -> usize {
        let chunks = state.queue.iter().map(|chunk| chunk.job);
        // Those of an imap have a bound of their own.
        let chunks =
            chunks.filter(|job| !state.jobs[*job].work.of_imap || self.has(Flaw::QueueCountsImaps));
        if self.has(Flaw::QueueCountsJobs) {
            chunks.collect::<BTreeSet<_>>().len()
        } else {
            chunks.count()
        }
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

    /// How many items a chunk of it has.
    fn chunk_size(&self, work: &Work) -> Result<usize, ErrorReply> {
        let items = work.keys.len();
        let asked = work
            .chunksize
            .map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        Ok(match asked {
            _ if !work.many || self.has(Flaw::ChunksizeIgnored) && !work.of_imap => 1,
            Some(0) if self.has(Flaw::ChunksOfNothing) => 1,
            Some(0) => return Err(error("InvalidChunksize", "a chunk has at least one item")),
            Some(2..) if work.retries() > 0 => return Err(retries_of_chunks()),
            Some(size) => size,
            None if work.retries() > 0 => 1,
            None if self.has(Flaw::DefaultChunksAreLarge) => items.div_ceil(self.size).max(1),
            None => items.div_ceil(4 * self.size).max(1),
        })
    }

    pub(crate) fn let_in(&self, state: &mut State, work: Work) -> Result<usize, ErrorReply> {
        let (items, size) = (work.keys.len(), self.chunk_size(&work)?);
        let id = state.jobs.len();
        let starts = (0..items).step_by(size);
        let chunks: Vec<Chunk> = starts
            .enumerate()
            .map(|(number, first)| Chunk {
                job: id,
                items: first..items.min(first.saturating_add(size)),
                to: (state.tasks + number) % self.size,
                lost: 0,
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
            stopped: false,
            expiry: None,
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
}
