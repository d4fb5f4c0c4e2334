//! What a Pool does, as a program: every row of the contract that a case can show, where it is kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use super::{Choices, raised};
use crate::case::ast::Kind;
use crate::case::expr::Value;
use crate::history::{Key, Raised};

/// What came of a task, of a job, or of a call.
pub(super) type Outcome = Result<Value, Raised>;

/// A job's number in its pool, in the order of submission.
pub(super) type JobId = usize;

/// A worker of a pool; one that takes another's place has a number of its own.
pub(super) type Worker = i32;

/// A pool from its making to its end. Nothing in it waits: [`Pool::begin`] says what starts now, and whoever
/// plays the bodies says how they ended.
#[derive(Debug)]
pub(super) struct Pool {
    kind: Kind,
    size: usize,
    /// W2: tasks (chunks) after which a worker leaves.
    share: Option<u64>,
    choices: Choices,
    phase: Phase,
    jobs: Vec<Job>,
    /// C5: what no worker has taken yet; it has no bound.
    queue: VecDeque<Chunk>,
    /// What each busy worker does.
    busy: Vec<Busy>,
    /// Workers that have worked and rest.
    resting: VecDeque<Worker>,
    hired: Worker,
    /// Tasks that workers have had.
    served: BTreeMap<Worker, u64>,
    /// Workers that do not listen to SIGTERM.
    deaf: BTreeSet<Worker>,
    /// Callbacks that are due, in the order in which their jobs were decided.
    due: VecDeque<(JobId, Key)>,
    /// How many jobs have been decided.
    decisions: usize,
    /// How many had been when somebody last looked for a callback.
    looked: usize,
    /// The callback that runs, after those that wait for it: they are on one thread.
    calling: Vec<(JobId, Key)>,
}

/// C4: never backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Closed,
    Terminated,
}

/// What is handed to a pool in one call.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// The tasks, in order.
    pub(super) keys: Vec<Key>,
    /// O13: into how many arguments each item is unpacked.
    pub(super) args: u32,
    /// A map: its value is a list, and its tasks go to the workers in chunks.
    pub(super) many: bool,
    /// O11: a chunk of an imap, whose items fail each for itself.
    pub(super) settled: bool,
    pub(super) chunksize: Option<u64>,
    pub(super) callback: Option<Key>,
    pub(super) error_callback: Option<Key>,
}

impl Work {
    /// A chunk of an imap.
    pub(super) fn settled(keys: Vec<Key>) -> Work {
        Work {
            chunksize: Some(keys.len() as u64),
            keys,
            args: 1,
            many: true,
            settled: true,
            callback: None,
            error_callback: None,
        }
    }
}

#[derive(Debug)]
struct Job {
    work: Work,
    /// What its tasks came to, by place.
    ends: Vec<Outcome>,
    chunks_left: usize,
    /// The first error that arrived.
    error: Option<Raised>,
    /// Decided: what it is, whatever still comes.
    outcome: Option<Outcome>,
    /// Its place in the order in which the pool's jobs were decided.
    decided: usize,
    ready: bool,
}

/// O4: the unit that a worker takes: the items of a job that are not done, the first of them at work.
#[derive(Debug, Clone)]
struct Chunk {
    job: JobId,
    items: Range<usize>,
    begun: bool,
}

/// A worker at work.
#[derive(Debug)]
struct Busy {
    worker: Worker,
    chunk: Chunk,
}

/// A body that begins now.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Begin {
    Task { key: Key, worker: Worker, args: u32 },
    Callback { key: Key, with: Outcome },
}

/// How a body ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    With(Outcome),
    /// Its worker went with it: of what, and what its process left with.
    WorkerDied {
        cause: String,
        code: i64,
    },
}

impl Pool {
    /// C2: a pool of nobody is refused.
    pub(super) fn new(
        kind: Kind,
        size: Option<u64>,
        share: Option<u64>,
        choices: Choices,
    ) -> Result<Pool, Raised> {
        // C1: the default depends on the machine, so that what a case shows must not depend on it.
        let size = size.map_or(choices.default_size, |size| {
            size.try_into().unwrap_or(usize::MAX)
        });
        if size == 0 {
            return Err(raised(
                "InvalidSize",
                "number of workers must be at least 1",
            ));
        }
        Ok(Pool {
            kind,
            size,
            share,
            choices,
            phase: Phase::Running,
            jobs: Vec::new(),
            queue: VecDeque::new(),
            busy: Vec::new(),
            resting: VecDeque::new(),
            hired: 0,
            served: BTreeMap::new(),
            deaf: BTreeSet::new(),
            due: VecDeque::new(),
            decisions: 0,
            looked: 0,
            calling: Vec::new(),
        })
    }

    /// Number of workers.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// L2: before anything else, also for a map of nothing.
    pub(super) fn accepts(&self) -> Result<(), Raised> {
        match self.phase {
            Phase::Running => Ok(()),
            Phase::Closed | Phase::Terminated => Err(raised("NotRunning", "pool not running")),
        }
    }

    /// Takes work in: never blocks (C5).
    pub(super) fn submit(&mut self, work: Work) -> Result<JobId, Raised> {
        self.accepts()?;
        self.let_in(work)
    }

    /// Takes a chunk of an imap in, which was accepted when the imap began.
    pub(super) fn submit_settled(&mut self, work: Work) -> Result<JobId, Raised> {
        match self.phase {
            Phase::Running | Phase::Closed => self.let_in(work),
            Phase::Terminated => Err(raised("NotRunning", "pool not running")),
        }
    }

    fn let_in(&mut self, work: Work) -> Result<JobId, Raised> {
        let (items, id) = (work.keys.len(), self.jobs.len());
        let size = match work.chunksize {
            _ if !work.many => 1,
            // O3
            Some(0) => return Err(raised("InvalidChunksize", "chunk size must be at least 1")),
            Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
            // O2
            None => items.div_ceil(self.size.saturating_mul(4)).max(1),
        };
        let starts = (0..items).step_by(size);
        let chunks = starts.map(|first| Chunk {
            job: id,
            items: first..items.min(first.saturating_add(size)),
            begun: false,
        });
        let before = self.queue.len();
        self.queue.extend(chunks);
        let chunks_left = self.queue.len() - before;
        let ends = vec![Ok(Value::None); items];
        self.jobs.push(Job {
            work,
            ends,
            chunks_left,
            error: None,
            outcome: None,
            decided: 0,
            ready: false,
        });
        if chunks_left == 0 {
            // O6: a map of nothing is ready at once and calls nobody back.
            self.jobs[id].outcome = Some(Ok(Value::List(Vec::new())));
            self.jobs[id].ready = true;
        }
        Ok(id)
    }

    /// L1: what was accepted still runs. L8: any number of times, in any order with terminate.
    pub(super) fn close(&mut self) {
        self.phase = self.phase.max(Phase::Closed);
    }

    /// L5: the queue is dropped. Gives the tasks that are stopped in the middle: those on processes; a function
    /// on a thread cannot be stopped, so that it runs on, with the rest of its chunk, for nothing.
    pub(super) fn terminate(&mut self) -> Vec<Key> {
        self.phase = Phase::Terminated;
        self.queue.clear();
        // L6: every open handle has its answer.
        for id in 0..self.jobs.len() {
            self.decide(
                id,
                Err(raised(
                    "Terminated",
                    "pool was terminated before the task had finished",
                )),
            );
        }
        match self.kind {
            Kind::Process => self.stop(|worker, deaf| !deaf.contains(&worker)),
            Kind::Thread => Vec::new(),
        }
    }

    /// L7: the time that workers had to listen is over. Gives the tasks that are stopped in the middle.
    pub(super) fn kill(&mut self) -> Vec<Key> {
        self.stop(|_, _| true)
    }

    fn stop(&mut self, whom: impl Fn(Worker, &BTreeSet<Worker>) -> bool) -> Vec<Key> {
        let busy = std::mem::take(&mut self.busy).into_iter();
        let (stopped, busy) = busy.partition(|busy| whom(busy.worker, &self.deaf));
        self.busy = busy;
        let stopped: Vec<Busy> = stopped;
        let begun = stopped.iter().filter(|busy| busy.chunk.begun);
        begun.map(|busy| self.key(&busy.chunk)).collect()
    }

    /// The worker of this body ignores SIGTERM from now on; false where the pool has no such body at work.
    pub(super) fn deafen(&mut self, key: Key) -> bool {
        let runs = |busy: &&Busy| busy.chunk.begun && self.key(&busy.chunk) == key;
        let worker = self.busy.iter().find(runs).map(|busy| busy.worker);
        self.deaf.extend(worker);
        worker.is_some()
    }

    /// The worker of this body rests until somebody ends it: as terminate lets it go on, it leaves, deaf or not.
    pub(super) fn stopped(&mut self, key: Key) {
        let runs = |busy: &&Busy| busy.chunk.begun && self.key(&busy.chunk) == key;
        if let Some(worker) = self.busy.iter().find(runs).map(|busy| busy.worker) {
            self.deaf.remove(&worker);
        }
    }

    /// Whether somebody is still at work.
    pub(super) fn is_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    /// L3: nobody may wait for the end of a pool that was not told to end.
    pub(super) fn join(&self) -> Result<(), Raised> {
        match self.phase {
            Phase::Running => Err(raised("StillRunning", "pool is still running")),
            Phase::Closed | Phase::Terminated => Ok(()),
        }
    }

    /// L4: whether every task and every callback has ended, so that no worker is left.
    pub(super) fn is_gone(&self) -> bool {
        let idle = self.queue.is_empty()
            && self.busy.is_empty()
            && self.due.is_empty()
            && self.calling.is_empty();
        idle && self.phase != Phase::Running
    }

    /// What a job came to, once it is ready (R1).
    pub(super) fn outcome(&self, job: JobId) -> Option<&Outcome> {
        self.jobs[job]
            .outcome
            .as_ref()
            .filter(|_| self.jobs[job].ready)
    }

    /// The place of a job in the order in which jobs were decided, once it is ready.
    pub(super) fn done(&self, job: JobId) -> Option<usize> {
        self.outcome(job).map(|_| self.jobs[job].decided)
    }

    /// What the items of a chunk of an imap came to; of one that has failed as a whole, all the same.
    pub(super) fn ends(&self, job: JobId) -> Vec<Outcome> {
        let job = &self.jobs[job];
        match &job.outcome {
            Some(Err(error)) => vec![Err(error.clone()); job.work.keys.len()],
            _ => job.ends.clone(),
        }
    }

    /// What begins now. Called when anything has happened, it leaves nobody idle beside work. `waits` says of bodies
    /// that are blocked until something of this very pool has happened which job's end, by its place among all
    /// that were decided, lets them go on; none yet where they still wait.
    pub(super) fn begin(&mut self, waits: &BTreeMap<Key, Option<usize>>) -> Vec<Begin> {
        let mut begins = Vec::new();
        // C1: at most its size. O5: first in, first out.
        while self.has_place(waits)
            && let Some(chunk) = self.queue.pop_front()
        {
            let worker = self.free_worker();
            self.busy.push(Busy { worker, chunk });
        }
        for Busy { worker, chunk, .. } in self.busy.iter_mut().filter(|busy| !busy.chunk.begun) {
            chunk.begun = true;
            let work = &self.jobs[chunk.job].work;
            let (key, args) = (work.keys[chunk.items.start], work.args);
            begins.push(Begin::Task {
                key,
                worker: *worker,
                args,
            });
        }
        // R5: callbacks one at a time. R7: while one waits, the next run inside of it, also one that is due a moment
        // before what it waits for has come.
        if let Some((job, key)) = self.due.front().copied()
            && let Some(with) = self.jobs[job].outcome.clone()
            && self.calling.last().is_none_or(|(_, innermost)| {
                let until = waits.get(innermost);
                let just_before =
                    |until: usize| (self.looked + 1..until).contains(&self.jobs[job].decided);
                until.is_some_and(|until| until.is_none_or(just_before))
            })
        {
            self.due.pop_front();
            self.calling.push((job, key));
            begins.push(Begin::Callback { key, with });
        }
        self.looked = self.decisions;
        begins
    }

    /// Whether this callback runs: in the program itself, on workers of either kind.
    pub(super) fn is_calling(&self, key: Key) -> bool {
        self.calling.iter().any(|(_, calling)| *calling == key)
    }

    /// Whether a body is one of this pool's that have begun.
    pub(super) fn is_inside(&self, key: Key) -> bool {
        let runs = |busy: &Busy| busy.chunk.begun && self.key(&busy.chunk) == key;
        self.is_calling(key) || self.busy.iter().any(runs)
    }

    /// Whether a callback can go on: others that began while it waited have ended.
    pub(super) fn is_innermost(&self, key: Key) -> bool {
        !self.is_calling(key)
            || self
                .calling
                .last()
                .is_some_and(|(_, calling)| *calling == key)
    }

    /// R7: whether a callback that waits for this job would wait for itself.
    pub(super) fn waits_for_itself(&self, key: Key, job: JobId) -> bool {
        self.is_calling(key) && self.calling.iter().any(|(of, _)| *of == job)
    }

    /// Whether there is a place for one more: who is blocked has lent his (R13).
    fn has_place(&self, waits: &BTreeMap<Key, Option<usize>>) -> bool {
        let waits = |key: Key| waits.get(&key).is_some_and(Option::is_none);
        let blocked = |busy: &&Busy| busy.chunk.begun && waits(self.key(&busy.chunk));
        self.busy.len() - self.busy.iter().filter(blocked).count() < self.size
    }

    /// A body of this pool ended; false when it has none of this number at work.
    pub(super) fn ended(&mut self, key: Key, end: &End) -> bool {
        if let Some(place) = self.calling.iter().position(|(_, calling)| *calling == key) {
            let (job, _) = self.calling.remove(place);
            self.called_back(job, end);
            return true;
        }
        let Some(place) = self
            .busy
            .iter()
            .position(|busy| busy.chunk.begun && self.key(&busy.chunk) == key)
        else {
            return false;
        };
        let Busy { worker, chunk, .. } = &mut self.busy[place];
        let (worker, job) = (*worker, chunk.job);
        let (error, lives) = match end {
            // O4: the rest of the chunk is skipped. R8, R15: the worker goes on.
            End::With(Err(error)) if !self.jobs[job].work.settled => (Some(error.clone()), true),
            End::With(end) => {
                // O6: by place, whenever it comes.
                self.jobs[job].ends[chunk.items.start] = end.clone();
                chunk.items.start += 1;
                chunk.begun = false;
                if !chunk.items.is_empty() {
                    // O4: the items of a chunk one after the other, on one worker.
                    return true;
                }
                (None, true)
            }
            // R10: that task alone fails, and the worker is replaced by one that is new.
            End::WorkerDied { cause, .. } => (Some(raised("WorkerLost", cause.as_str())), false),
        };
        self.busy.remove(place);
        // W2: who has had its share leaves, and the next is a new one.
        let served = self.served.entry(worker).or_default();
        *served += 1;
        if lives && self.share.is_none_or(|share| *served < share) {
            self.resting.push_back(worker);
        }
        self.chunk_ended(job, error);
        true
    }

    /// O7: a job is decided when its last chunk has ended, by the first error in time.
    fn chunk_ended(&mut self, id: JobId, error: Option<Raised>) {
        let job = &mut self.jobs[id];
        job.chunks_left -= 1;
        job.error = job.error.take().or(error);
        if job.chunks_left > 0 {
            return;
        }
        let outcome = match (job.error.take(), job.work.many) {
            (Some(error), _) => Err(error),
            (None, _) if job.work.settled => Ok(Value::None),
            (None, many) => {
                let mut ends = std::mem::take(&mut job.ends).into_iter();
                if many {
                    ends.collect::<Result<Vec<Value>, Raised>>()
                        .map(Value::List)
                } else {
                    ends.next().unwrap_or(Ok(Value::None))
                }
            }
        };
        self.decide(id, outcome);
    }

    /// R5: one of the two callbacks, once per job, and the job is ready only after it. What comes when it is
    /// decided already comes too late.
    fn decide(&mut self, id: JobId, outcome: Outcome) {
        let job = &mut self.jobs[id];
        if job.outcome.is_some() {
            return;
        }
        let callback = if outcome.is_ok() {
            job.work.callback
        } else {
            job.work.error_callback
        };
        job.outcome = Some(outcome);
        self.decisions += 1;
        job.decided = self.decisions;
        match callback {
            Some(key) => self.due.push_back((id, key)),
            None => job.ready = true,
        }
    }

    /// R6: a callback that fails makes its job fail, where it had not failed already.
    fn called_back(&mut self, id: JobId, end: &End) {
        let job = &mut self.jobs[id];
        if let (End::With(Err(error)), Some(outcome @ Ok(_))) = (end, &mut job.outcome) {
            let text = if error.kind == "Panicked" {
                error.text.clone()
            } else {
                error.to_string()
            };
            *outcome = Err(raised("Panicked", text));
        }
        job.ready = true;
    }

    /// Which of several idle workers takes a task is nobody's promise.
    fn free_worker(&mut self) -> Worker {
        let fresh = self.busy.len() + self.resting.len() < self.size;
        let rested = if fresh && self.choices.spread {
            None
        } else {
            self.resting.pop_front()
        };
        rested.unwrap_or_else(|| {
            self.hired += 1;
            self.hired
        })
    }

    /// The item that a chunk is at.
    fn key(&self, chunk: &Chunk) -> Key {
        self.jobs[chunk.job].work.keys[chunk.items.start]
    }
}
