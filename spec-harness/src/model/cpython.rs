//! CPython's pool as it is, from [`Lib/multiprocessing/pool.py`] of 3.11: where it departs from the contract it
//! departs here, so that also what hangs there can be predicted.
//!
//! ```text
//! caller ──► cache of jobs
//!    │          ▲ a result each ── the thread of results: callbacks too, one after the other
//!    ▼          │                                ▲
//! queue ──► workers ── results ──────────────────┘
//! ```
//!
//! What follows from that: a callback that waits holds up all results; one that fails ends them; a job whose worker
//! died stays in the cache, and what waits for an empty cache waits for ever; and terminate stops the thread
//! of results, so that nothing that was on its way arrives.
//!
//! [`Lib/multiprocessing/pool.py`]: https://github.com/python/cpython/blob/3.11/Lib/multiprocessing/pool.py

mod iterator;
mod jobs;

use std::collections::{BTreeMap, VecDeque};

use super::pool::{Asked, Begin, End, IterId, JobId, Outcome, Pool, Work};
use super::staff::Staff;
use super::{Choices, raised, saturating};
use crate::case::ast::Kind;
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::interp::Caller;
use crate::protocol;
use iterator::ResultIterator;
use jobs::{Arrived, Job};

/// Errors of its own for which cases have no name.
#[cfg(feature = "random")]
pub(crate) const NAMELESS: [&str; 2] = ["AssertionError", "AttributeError"];

/// A pool of CPython's.
#[derive(Debug)]
pub(super) struct CPython {
    kind: Kind,
    phase: Phase,
    jobs: Vec<Job>,
    iterators: Vec<ResultIterator>,
    staff: Staff,
    /// Results that the thread of results has not taken yet.
    arrived: VecDeque<Arrived>,
    results: Results,
    /// Who called terminate first; whoever is second returns at once.
    terminator: Option<Caller>,
    /// Terminate waits for a lock that nobody gives back.
    locked_out: bool,
    /// Terminate failed, because the thread of results had.
    refused: bool,
    /// Workers that have outlived terminate: they wait for a lock that nobody gives back, and listen to SIGTERM or
    /// do not.
    stranded: [usize; 2],
    /// The thread that hands out tasks waits for an input without end.
    feeding: bool,
    /// A worker died that had the lock of the queue: nobody takes a task any more.
    robbed: bool,
    decisions: usize,
    /// What comes next depends on who is faster, and why.
    race: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Run,
    Close,
    Terminate,
}

/// What the thread of results does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Results {
    /// It waits for the next.
    Wait,
    /// It runs a callback, for this job.
    Call(JobId, Key),
    /// A callback failed, and the thread with it.
    Failed,
}

impl CPython {
    pub(super) fn new(kind: Kind, asked: &Asked, choices: Choices) -> Result<CPython, Raised> {
        let size = asked.size.map_or(choices.default_size, saturating);
        if size == 0 {
            let text = "Number of processes must be at least 1";
            return Err(raised("InvalidSize", text));
        }
        Ok(CPython {
            kind,
            phase: Phase::Run,
            jobs: Vec::new(),
            iterators: Vec::new(),
            staff: Staff::new(size, asked, choices.spread),
            arrived: VecDeque::new(),
            results: Results::Wait,
            terminator: None,
            locked_out: false,
            refused: false,
            stranded: [0, 0],
            feeding: false,
            robbed: false,
            decisions: 0,
            race: None,
        })
    }

    fn is_cache_empty(&self) -> bool {
        !self.jobs.iter().any(|job| job.cached)
    }

    /// Whether the thread that looks after the workers still does.
    fn is_maintained(&self) -> bool {
        match self.phase {
            Phase::Run => true,
            Phase::Close => !self.is_cache_empty(),
            Phase::Terminate => false,
        }
    }

    /// That a thread has ended is seen only when somebody is told of something else.
    fn look_after_threads(&mut self) {
        if self.kind == Kind::Thread {
            self.staff.refill(usize::MAX);
        }
    }

    /// Whether a call from here is made by the thread of results.
    fn is_in_results(&self, by: Caller) -> bool {
        matches!((by, self.results), (Caller::Body(key), Results::Call(_, called)) if key == called)
    }

    /// Whether the thread of results has ended, or is about to.
    fn have_results_ended(&self) -> bool {
        match self.results {
            Results::Wait => !self.is_maintained(),
            Results::Call(..) => false,
            Results::Failed => true,
        }
    }

    /// Whether no worker is left of a pool that was terminated.
    fn have_workers_ended(&self) -> bool {
        !self.staff.is_busy() && self.stranded == [0, 0]
    }
}

impl Pool for CPython {
    fn accepts(&self) -> Result<(), Raised> {
        match self.phase {
            Phase::Run => Ok(()),
            Phase::Close | Phase::Terminate => Err(raised("NotRunning", "Pool not running")),
        }
    }

    fn submit(&mut self, work: Work) -> Result<JobId, Raised> {
        self.accepts()?;
        let items = work.keys.len();
        let chunksize = match work.chunksize {
            _ if !work.many => 1,
            _ if items == 0 => 0,
            Some(size) => saturating(size),
            None => self.staff.chunksize(items),
        };
        let id = self.let_in(work, chunksize, None);
        if chunksize == 0 {
            // Nothing runs, nobody is called back, and there is a None for each item.
            let values = std::mem::take(&mut self.jobs[id].values);
            self.jobs[id].outcome = Some(Ok(Value::List(values)));
            self.ready(id);
        }
        Ok(id)
    }

    fn outcome(&self, job: JobId) -> Option<&Outcome> {
        let job = &self.jobs[job];
        job.outcome.as_ref().filter(|_| job.ready)
    }

    fn done(&self, job: JobId) -> Option<usize> {
        self.outcome(job).map(|_| self.jobs[job].decided)
    }

    /// The whole input is read at once, whatever may wait.
    fn imap(&mut self, wish: &protocol::Stream<'_>) -> Result<IterId, Raised> {
        self.accepts()?;
        let size = saturating(wish.chunksize.unwrap_or(1));
        if size == 0 {
            return Err(raised("InvalidChunksize", "Chunksize must be 1+"));
        }
        let id = self.iterators.len();
        let work = Work::settled(wish.keys.to_vec());
        let is_fed = !self.feeding;
        let job = self.let_in(work, size, Some(id));
        let length = (is_fed && !wish.endless).then(|| wish.keys.len().div_ceil(size));
        let iterator = ResultIterator::new(length, wish.unordered, size > 1);
        self.jobs[job].cached = !iterator.is_complete();
        self.iterators.push(iterator);
        self.feeding |= wish.endless;
        Ok(id)
    }

    fn advance(&mut self, iterator: IterId) {
        self.iterators[iterator].advance();
    }

    fn next(&self, iterator: IterId) -> Option<Outcome> {
        self.iterators[iterator].next()
    }

    fn taken(&mut self, iterator: IterId) {
        self.iterators[iterator].taken();
    }

    fn unlimited(&self, iterator: IterId) -> Option<Raised> {
        let text = "'generator' object has no attribute 'next'";
        let is_generator = self.iterators[iterator].is_generator();
        is_generator.then(|| raised("AttributeError", text))
    }

    fn close(&mut self) {
        if self.phase == Phase::Run {
            self.phase = Phase::Close;
            self.look_after_threads();
        }
    }

    fn terminate(&mut self, by: Caller) -> Vec<Key> {
        self.phase = Phase::Terminate;
        if self.terminator.is_some() {
            return Vec::new();
        }
        self.terminator = Some(by);
        // Who rests has the lock of the queue until the thread that hands out tasks says that none is to come.
        self.locked_out = self.feeding && self.kind == Kind::Process && self.staff.has_idle();
        if self.locked_out {
            return Vec::new();
        }
        self.staff.drop_queue();
        self.refused = self.results == Results::Failed && !self.is_cache_empty();
        if self.refused || self.kind == Kind::Thread {
            return Vec::new();
        }
        self.staff.stop(false)
    }

    fn terminated(&self, by: Caller) -> Option<Outcome> {
        if self.terminator != Some(by) {
            return Some(Ok(Value::None));
        }
        if self.refused {
            let text = "Cannot have cache with result_hander not alive";
            return Some(Err(raised("AssertionError", text)));
        }
        if self.feeding || self.locked_out {
            return None;
        }
        let results = self.is_in_results(by) || self.have_results_ended();
        let workers = self.kind == Kind::Thread || self.have_workers_ended();
        (results && workers).then_some(Ok(Value::None))
    }

    fn kill(&mut self) -> Vec<Key> {
        self.stranded[0] = 0;
        match self.kind {
            Kind::Process => self.staff.stop(false),
            Kind::Thread => self.staff.stop(true),
        }
    }

    fn join(&mut self, _by: Caller) -> Result<(), Raised> {
        if self.refused && self.kind == Kind::Process {
            self.race = Some("whether workers that rest were told to leave is a race");
        }
        match self.phase {
            Phase::Run => Err(raised("StillRunning", "Pool is still running")),
            Phase::Close | Phase::Terminate => Ok(()),
        }
    }

    /// It waits for one thread of the pool after the other, then for each worker.
    fn joined(&self, by: Caller) -> Option<Outcome> {
        if self.is_maintained() || self.feeding {
            return None;
        }
        let itself = || Some(Err(raised("WouldDeadlock", "cannot join current thread")));
        if self.is_in_results(by) {
            return itself();
        }
        if !self.have_results_ended() {
            return None;
        }
        if matches!(by, Caller::Body(key) if self.staff.is_at_work(key)) {
            return itself();
        }
        self.have_workers_ended().then_some(Ok(Value::None))
    }

    /// A job holds its pool until its result has come; one of no chunks for ever.
    fn is_kept(&self) -> bool {
        let holds = |job: &Job| job.cached || job.iterator.is_none() && job.chunksize == 0;
        self.jobs.iter().any(holds)
    }

    fn is_gone(&self) -> bool {
        self.phase == Phase::Terminate && self.have_workers_ended()
    }

    fn begin(&mut self, _waits: &BTreeMap<Key, Option<usize>>, next: &mut Key) -> Vec<Begin> {
        let mut begins = match self.robbed {
            true => Vec::new(),
            false => self.staff.begin(0),
        };
        begins.extend(self.take_results());
        // One that has ended is followed by the next as long as somebody looks after them.
        if self.is_maintained() {
            begins.extend(self.staff.hire(0, next));
        }
        begins
    }

    fn ended(&mut self, key: Key, end: &End) -> bool {
        if let Results::Call(job, called) = self.results
            && called == key
        {
            self.results = match end {
                End::With(Ok(_)) => {
                    self.ready(job);
                    Results::Wait
                }
                _ => Results::Failed,
            };
            return true;
        }
        if self.staff.started(key, matches!(end, End::With(Ok(_)))) {
            if self.kind == Kind::Process {
                self.staff.refill(1);
            }
            return true;
        }
        self.task_ended(key, end).is_some()
    }

    /// One that rests alone has the lock of the queue; of several, who has it is chance.
    fn kill_worker(&mut self, key: Key) -> Option<Key> {
        let rested = self.staff.has_idle();
        let body = self.staff.kill_worker(key)?;
        if body.is_none() && rested {
            self.robbed = true;
            if self.staff.size > 1 {
                self.race =
                    Some("whether the worker that was killed had the lock of the queue is chance");
            }
        }
        body
    }

    fn deafen(&mut self, key: Key) -> bool {
        self.staff.listens(key, false)
    }

    fn stopped(&mut self, key: Key) {
        self.staff.listens(key, false);
    }

    fn bodies(&self) -> Vec<Key> {
        let calling = match self.results {
            Results::Call(_, key) => Some(key),
            Results::Wait | Results::Failed => None,
        };
        let at_work = self.staff.at_work().chain(self.staff.starts());
        at_work.chain(calling).collect()
    }

    fn is_calling(&self, key: Key) -> bool {
        matches!(self.results, Results::Call(_, called) if called == key)
    }

    /// The thread that looks after the workers wakes up for every result that the other one does not take.
    fn spins(&self) -> bool {
        self.kind == Kind::Process
            && self.is_maintained()
            && self.results != Results::Wait
            && !self.arrived.is_empty()
    }

    fn race(&self) -> Option<&'static str> {
        self.race
    }
}
