//! What a Pool does, as a program: every row of the contract that a case can show, where it is kept.

use std::collections::{BTreeMap, VecDeque};

use crate::case::ast::{Kind, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::model::pool::{Asked, Begin, End, JobId, Outcome, Work};
use crate::model::staff::{Item, Rest, Staff};
use crate::model::{Choices, raised};
use crate::protocol;

/// A pool's jobs, from their submission to their callbacks.
#[derive(Debug)]
pub(super) struct Jobs {
    kind: Kind,
    phase: Phase,
    jobs: Vec<Job>,
    staff: Staff,
    /// Callbacks that are due, in the order in which their jobs were decided.
    due: VecDeque<(JobId, Key)>,
    /// How many jobs have been decided.
    decisions: usize,
    /// How many had been when somebody last looked for a callback.
    looked: usize,
    /// The callback that runs, after those that wait for it: they are on one thread.
    calling: Vec<(JobId, Key)>,
    /// C5: chunks that may wait.
    bound: Option<usize>,
    /// R12: starts of workers that have failed one after the other.
    failed: u32,
    /// R12: the pauses that follow, as long as nobody was told of them.
    pauses: Vec<Time>,
    /// R12: why nobody will start any more.
    broken: Option<Raised>,
}

/// R12: so many starts of workers may fail one after the other.
const TRIES: u32 = 5;

/// R12: the pause after the first; it doubles with each.
const FIRST_PAUSE: Time = Time(10_000);

/// C4: never backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Closed,
    Terminated,
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

impl Jobs {
    /// C2: a pool of nobody is refused.
    pub(super) fn new(kind: Kind, asked: &Asked, choices: Choices) -> Result<Jobs, Raised> {
        // C1: the default depends on the machine, so that what a case shows must not depend on it.
        let size = asked.size.map_or(choices.default_size, |size| {
            size.try_into().unwrap_or(usize::MAX)
        });
        if size == 0 {
            return Err(raised(
                "InvalidSize",
                "number of workers must be at least 1",
            ));
        }
        let bound = asked
            .queue
            .map(|places| places.try_into().unwrap_or(usize::MAX));
        if bound == Some(0) {
            return Err(raised("InvalidQueue", "a queue has at least one place"));
        }
        Ok(Jobs {
            kind,
            phase: Phase::Running,
            jobs: Vec::new(),
            staff: Staff::new(size, asked, choices.spread),
            due: VecDeque::new(),
            decisions: 0,
            looked: 0,
            calling: Vec::new(),
            bound,
            failed: 0,
            pauses: Vec::new(),
            broken: None,
        })
    }

    /// Number of workers.
    pub(super) fn size(&self) -> usize {
        self.staff.size
    }

    /// L2: before anything else, also for a map of nothing.
    pub(super) fn accepts(&self) -> Result<(), Raised> {
        match self.phase {
            Phase::Running => Ok(()),
            Phase::Closed | Phase::Terminated => Err(raised("NotRunning", "pool not running")),
        }
    }

    /// C5: of a map whose caller waits, the first chunk is let in when it finds a place.
    pub(super) fn has_place(&self, work: &Work, waits: bool) -> bool {
        let Some(bound) = self.bound else {
            return true;
        };
        let wanted = match self.chunk_size(work) {
            Ok(size) => work.keys.len().div_ceil(size),
            // It is refused for that.
            Err(_) => 0,
        };
        let wanted = if waits { wanted.min(1) } else { wanted };
        wanted <= bound.saturating_sub(self.staff.queued())
    }

    pub(super) fn is_overfull(&self) -> bool {
        self.bound.is_some_and(|bound| self.staff.queued() > bound)
    }

    /// Takes work in.
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
        let size = self.chunk_size(&work)?;
        let chunks_left = self.staff.enqueue(id, &work, size);
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

    fn chunk_size(&self, work: &Work) -> Result<usize, Raised> {
        Ok(match work.chunksize {
            _ if !work.many => 1,
            // O3
            Some(0) => return Err(raised("InvalidChunksize", "chunk size must be at least 1")),
            Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
            // O2
            None => self.staff.chunksize(work.keys.len()),
        })
    }

    /// L1: what was accepted still runs. L8: any number of times, in any order with terminate.
    pub(super) fn close(&mut self) {
        self.phase = self.phase.max(Phase::Closed);
    }

    /// L5: the queue is dropped. Gives the tasks that are stopped in the middle: those on processes; a function
    /// on a thread cannot be stopped, so that it runs on, with the rest of its chunk, for nothing.
    pub(super) fn terminate(&mut self) -> Vec<Key> {
        self.phase = Phase::Terminated;
        self.staff.drop_queue();
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
            Kind::Process => self.staff.stop(false),
            Kind::Thread => Vec::new(),
        }
    }

    /// L7: the time that workers had to listen is over. Gives the tasks that are stopped in the middle.
    pub(super) fn kill(&mut self) -> Vec<Key> {
        self.staff.stop(true)
    }

    /// L7: whether workers are given a time to listen.
    pub(super) fn has_grace(&self) -> bool {
        self.kind == Kind::Process && self.phase == Phase::Terminated && self.staff.is_busy()
    }

    /// R11: it is replaced, and nobody notices.
    pub(super) fn kill_worker(&mut self, key: Key) -> Option<Key> {
        self.staff.kill_worker(key).flatten()
    }

    /// The worker of this body ignores SIGTERM from now on; false where the pool has no such body at work.
    pub(super) fn deafen(&mut self, key: Key) -> bool {
        self.staff.listens(key, false)
    }

    /// The worker of this body rests until somebody ends it: as terminate lets it go on, it leaves, deaf or not.
    pub(super) fn stopped(&mut self, key: Key) {
        self.staff.listens(key, true);
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
        let idle = self.staff.is_idle() && self.due.is_empty() && self.calling.is_empty();
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

    /// See [`Pool::begin`](crate::model::pool::Pool::begin).
    pub(super) fn begin(
        &mut self,
        waits: &BTreeMap<Key, Option<usize>>,
        more: bool,
        next: &mut Key,
    ) -> Vec<Begin> {
        if let Some(why) = self.broken.clone() {
            for job in self.staff.give_up() {
                self.chunk_ended(job, Some(why.clone()));
            }
        }
        // R13: who is blocked has lent his place.
        let blocked = |key: &Key| waits.get(key).is_some_and(Option::is_none);
        let lent = self.staff.at_work().filter(blocked).count();
        let mut begins = self.staff.begin(lent);
        // W1: also for a place that has become free; nobody is started for a pool that has nothing left to do.
        let wanted = match self.phase {
            Phase::Running => true,
            Phase::Closed => more || self.staff.queued() > 0,
            Phase::Terminated => false,
        };
        if wanted && self.broken.is_none() {
            begins.extend(self.staff.hire(lent, next));
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

    /// R12: a worker could not start. A place is filled anew after a pause, or never.
    fn start_failed(&mut self, why: &str) {
        self.failed += 1;
        if self.failed == TRIES {
            self.broken = Some(raised("WorkerLost", why));
        } else if self.phase != Phase::Terminated {
            let pause = FIRST_PAUSE.0 << (self.failed - 1).min(8);
            self.pauses.push(Time(pause));
        }
    }

    pub(super) fn pauses(&mut self) -> Vec<Time> {
        std::mem::take(&mut self.pauses)
    }

    pub(super) fn pause_over(&mut self) {
        self.staff.refill(1);
    }

    /// How several workers that cannot start share the tries is each pool's own affair.
    pub(super) fn race(&self) -> Option<&'static str> {
        (self.failed > 0 && self.staff.size > 1)
            .then_some("in a pool of several workers, it is not said how often one that cannot start is tried again")
    }

    /// Whether this callback runs: in the program itself, on workers of either kind.
    pub(super) fn is_calling(&self, key: Key) -> bool {
        self.calling.iter().any(|(_, calling)| *calling == key)
    }

    /// Tasks and callbacks that have begun and not ended.
    pub(super) fn bodies(&self) -> Vec<Key> {
        let calling = self.calling.iter().map(|(_, key)| *key);
        let at_work = self.staff.at_work().chain(self.staff.starts());
        at_work.chain(calling).collect()
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

    /// A body of this pool ended; false when it has none of this number at work.
    pub(super) fn ended(&mut self, key: Key, end: &End) -> bool {
        if let Some(place) = self.calling.iter().position(|(_, calling)| *calling == key) {
            let (job, _) = self.calling.remove(place);
            self.called_back(job, end);
            return true;
        }
        if self.staff.started(key, matches!(end, End::With(Ok(_)))) {
            match end {
                End::With(Ok(_)) => self.failed = 0,
                End::With(Err(error)) => self.start_failed(&error.to_string()),
                End::Unsendable { .. } => self.start_failed(protocol::CANNOT_TRAVEL),
                End::WorkerDied { cause, .. } => self.start_failed(cause),
            }
            return true;
        }
        let Some(job) = self.staff.job(key) else {
            return false;
        };
        let settled = self.jobs[job].work.settled;
        let (end, rest) = match end {
            // R10: that task alone fails, and the worker is replaced by one that is new.
            End::WorkerDied { cause, .. } => {
                (Err(raised("WorkerLost", cause.as_str())), Rest::Lost)
            }
            // R9: the function has returned, and its chunk goes on to its end before anything travels.
            End::Unsendable { raised: false } => (cannot_travel(), Rest::GoesOn),
            End::Unsendable { raised: true } => (cannot_travel(), Rest::Skipped),
            // R8, R15: the worker goes on.
            End::With(end) => (
                end.clone(),
                if end.is_ok() {
                    Rest::GoesOn
                } else {
                    Rest::Skipped
                },
            ),
        };
        // O4: the rest of the chunk is skipped.
        let rest = if settled && rest == Rest::Skipped {
            Rest::GoesOn
        } else {
            rest
        };
        let Some(Item { place, first, last }) = self.staff.ended(key, rest) else {
            return false;
        };
        let error = match end {
            Err(error) if rest != Rest::GoesOn => Some(error),
            // O6: by place, whenever it comes.
            end => {
                let ends = &mut self.jobs[job].ends;
                ends[place] = end;
                let stuck = ends[first..=place].iter().find_map(|end| end.clone().err());
                stuck.filter(|_| !settled)
            }
        };
        if last {
            self.chunk_ended(job, error);
        }
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
}

fn cannot_travel() -> Outcome {
    Err(raised("Encode", protocol::CANNOT_TRAVEL))
}
