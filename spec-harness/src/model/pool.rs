//! The contract's pool as a program: every row that a case can show, where it is decided.
//!
//! A pool is submitted jobs, whose chunks its workers do; a job is decided when its last chunk has ended, and ready when
//! its callback has. What is told of it here is in the order of its life: it is made, takes work in, gives results, is
//! told to end, and is waited for; then what its workers and its callbacks do meanwhile.

mod jobs;
mod stream;

use std::collections::{BTreeMap, VecDeque};

use super::work::{Alarm, Begin, Early, End, IterId, JobId, Outcome, Work, late};
use super::workers::Workers;
use super::{Choices, raised, saturating};
use crate::case::ast::{Kind, Time};
use crate::history::{Key, Raised};
use crate::interp::Caller;
use crate::protocol::{self, PoolOptions};
use jobs::Job;
use stream::Stream;

/// R12: so many starts of workers may fail one after the other.
const TRIES: u32 = 5;

/// L7, X1: the time between SIGTERM and SIGKILL.
const GRACE: Time = Time(1_000_000);

/// R12: the pause after the first; it doubles with each.
const FIRST_PAUSE: Time = Time(10_000);

/// A pool that does what the contract says, and nothing else.
#[derive(Debug)]
pub(super) struct Pool {
    kind: Kind,
    phase: Phase,
    jobs: Vec<Job>,
    streams: Vec<Stream>,
    workers: Workers,
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
    /// A join reads what is left of several imaps.
    reads_many: bool,
    /// R12: starts of workers that have failed one after the other.
    failed: u32,
    /// R12: the pauses that run, by their numbers.
    pauses: BTreeMap<u32, Time>,
    /// R12: why nobody will start any more.
    broken: Option<Raised>,
}

/// C4: never backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Closed,
    Terminated,
}

impl Pool {
    pub(super) fn new(kind: Kind, asked: &PoolOptions, choices: Choices) -> Result<Pool, Raised> {
        // C1: the default depends on the machine, so that what a case shows must not depend on it.
        let size = asked.size.map_or(choices.default_size, saturating);
        // C2
        if size == 0 {
            let text = "number of workers must be at least 1";
            return Err(raised("InvalidSize", text));
        }
        // C5
        let bound = asked.queue.map(saturating);
        if bound == Some(0) {
            return Err(raised("InvalidQueue", "a queue has at least one place"));
        }
        Ok(Pool {
            kind,
            phase: Phase::Running,
            jobs: Vec::new(),
            streams: Vec::new(),
            workers: Workers::new(size, asked, choices.spread),
            due: VecDeque::new(),
            decisions: 0,
            looked: 0,
            calling: Vec::new(),
            bound,
            reads_many: false,
            failed: 0,
            pauses: BTreeMap::new(),
            broken: None,
        })
    }

    /// Whether some imap has still to read.
    fn has_input(&self) -> bool {
        self.streams.iter().any(Stream::is_open)
    }

    /// R12: a worker could not start. A place is filled anew after a pause, or never.
    fn start_failed(&mut self, why: &str) {
        self.failed += 1;
        if self.failed == TRIES {
            self.broken = Some(raised("WorkerLost", why));
        } else if self.phase != Phase::Terminated {
            let pause = FIRST_PAUSE.0 << (self.failed - 1).min(8);
            self.pauses.insert(self.failed, Time(pause));
        }
    }

    /// R5: callbacks run one at a time. R7: while one waits, the next run inside of it, also one that is due a moment
    /// before what it waits for has come.
    fn next_callback(&mut self, waits: &BTreeMap<Key, Option<usize>>) -> Option<Begin> {
        let (job, key) = self.due.front().copied()?;
        let Job {
            outcome, decided, ..
        } = &self.jobs[job];
        let lets_in = |innermost: &Key| {
            let until = waits.get(innermost);
            let just_before = |until: usize| (self.looked + 1..until).contains(decided);
            until.is_some_and(|until| until.is_none_or(just_before))
        };
        if !self.calling.last().is_none_or(|(_, key)| lets_in(key)) {
            return None;
        }
        let with = outcome.clone()?;
        self.due.pop_front();
        self.calling.push((job, key));
        Some(Begin::Callback { key, with })
    }
}

impl Pool {
    /// L2: whether it takes work in at all; asked before anything else, also for a map of nothing.
    pub(super) fn accepts(&self) -> Result<(), Raised> {
        match self.phase {
            Phase::Running => Ok(()),
            Phase::Closed | Phase::Terminated => Err(raised("NotRunning", "pool not running")),
        }
    }

    /// C5: whether a queue with a bound has a place for this work now; for a map whose caller waits, one is enough.
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
        wanted <= bound.saturating_sub(self.placed())
    }

    /// C5: whether more waits than there are places, so that who has handed in a map waits.
    pub(super) fn is_overfull(&self) -> bool {
        self.bound.is_some_and(|bound| self.placed() > bound)
    }

    /// Takes work in.
    pub(super) fn submit(&mut self, work: Work) -> Result<JobId, Raised> {
        self.accepts()?;
        self.let_in(work)
    }

    /// What a job came to, once it is ready.
    pub(super) fn outcome(&self, job: JobId) -> Option<&Outcome> {
        let job = &self.jobs[job];
        job.outcome.as_ref().filter(|_| job.ready)
    }

    /// The place of a job in the order in which jobs were decided, once it is ready.
    pub(super) fn done(&self, job: JobId) -> Option<usize> {
        self.outcome(job).map(|_| self.jobs[job].decided)
    }

    /// The result that an iterator is to give, if there is one.
    pub(super) fn next(&self, iterator: IterId) -> Option<Outcome> {
        self.streams[iterator].next()
    }

    /// The place of the job that its next result came of, in the order in which jobs were decided.
    pub(super) fn came(&self, iterator: IterId) -> usize {
        self.streams[iterator].came()
    }

    /// The result was given.
    pub(super) fn taken(&mut self, iterator: IterId) {
        self.streams[iterator].taken();
    }

    /// No further work.
    ///
    /// L1: what was accepted still runs. L8: any number of times, in any order with terminate.
    pub(super) fn close(&mut self) {
        self.phase = self.phase.max(Phase::Closed);
    }

    /// Stops it; gives the tasks that are stopped in the middle.
    ///
    /// L5: the queue is dropped. Tasks on processes are stopped in the middle; a function on a thread cannot be
    /// stopped, so that it runs on, with the rest of its chunk, for nothing.
    pub(super) fn terminate(&mut self) -> Vec<Key> {
        self.phase = Phase::Terminated;
        self.streams.iter_mut().for_each(Stream::stop);
        self.workers.drop_queue();
        // L6: every open handle has its answer.
        for id in 0..self.jobs.len() {
            self.decide(id, jobs::terminated());
        }
        match self.kind {
            Kind::Process => self.workers.stop(false),
            Kind::Thread => Vec::new(),
        }
    }

    /// L7: whether there are workers that are given a time to listen.
    fn has_grace(&self) -> bool {
        self.kind == Kind::Process && self.phase == Phase::Terminated && self.workers.is_busy()
    }

    /// The alarms that are to be set now, each with the time after which it rings, from when it is first wanted.
    pub(super) fn alarms(&self) -> Vec<(Alarm, Time)> {
        let open = self.jobs.iter().enumerate();
        let open = open.filter(|(_, job)| !job.is_over());
        let expiries = open.filter_map(|(id, job)| Some((Alarm::Expiry(id), job.expiry()?)));
        let mut alarms: Vec<(Alarm, Time)> = expiries.collect();
        let streams = self.streams.iter().enumerate();
        alarms.extend(
            streams.filter_map(|(id, stream)| Some((Alarm::ImapExpiry(id), stream.expiry()?))),
        );
        for (start, job, is_over, is_stopping) in self.workers.started_chunks() {
            if let Some(limit) = self.jobs[job].deadline().filter(|_| !is_over) {
                alarms.push((Alarm::Deadline(start), limit));
            }
            if is_stopping {
                alarms.push((Alarm::Stop(start), GRACE));
            }
        }
        for (number, job, lost) in self.workers.pauses() {
            let first = self.jobs[job].retry_pause();
            let pause = Time(first.0 << (lost - 1).min(16));
            alarms.push((Alarm::Retry(number), pause));
        }
        alarms.extend(self.has_grace().then_some((Alarm::Grace, GRACE)));
        alarms.extend(
            self.workers
                .ages()
                .map(|(life, age)| (Alarm::Age(life), age)),
        );
        let pauses = self.pauses.iter();
        alarms.extend(pauses.map(|(number, pause)| (Alarm::Pause(*number), *pause)));
        alarms
    }

    /// An alarm rings; gives the tasks that are stopped in the middle.
    pub(super) fn rings(&mut self, alarm: Alarm) -> Vec<Key> {
        match alarm {
            Alarm::Expiry(job) => {
                let limit = self.jobs[job].expiry().unwrap_or_default();
                self.end_early(&[job], Early::Expired(limit)).1
            }
            Alarm::ImapExpiry(iterator) => {
                let limit = self.streams[iterator].expiry().unwrap_or_default();
                self.end_imap(iterator, Early::Expired(limit)).1
            }
            Alarm::Deadline(start) => self.exceed(start),
            Alarm::Stop(start) => self.stop_start(start, true),
            Alarm::Retry(number) => {
                self.workers.pause_over(number);
                Vec::new()
            }
            // L7: ends what did not listen to terminate.
            Alarm::Grace => self.workers.stop(true),
            Alarm::Age(life) => {
                self.workers.ages_out(life);
                Vec::new()
            }
            Alarm::Pause(number) => {
                self.pauses.remove(&number);
                self.workers.refill(1);
                Vec::new()
            }
        }
    }

    /// X1: the chunk alone fails. A process is stopped; a function on a thread runs on.
    fn exceed(&mut self, start: u64) -> Vec<Key> {
        let Some(job) = self.workers.exceed(start) else {
            return Vec::new();
        };
        match self.kind {
            Kind::Process => self.stop_start(start, false),
            Kind::Thread => {
                let error = self.jobs[job]
                    .deadline()
                    .map(|limit| late(limit, self.kind));
                self.chunk_ended(job, error);
                Vec::new()
            }
        }
    }

    /// X1, X4: stops the worker that runs this start; what ended by it.
    fn stop_start(&mut self, start: u64, must: bool) -> Vec<Key> {
        let running = self.workers.started_chunks();
        let found = running
            .filter(|(of, ..)| *of == start)
            .map(|(_, job, is_over, _)| (job, is_over));
        let Some((job, is_over)) = found.last() else {
            return Vec::new();
        };
        let Some(key) = self.workers.stop_start(start, must) else {
            return Vec::new();
        };
        let limit = self.jobs[job].deadline().filter(|_| is_over);
        self.chunk_ended(job, limit.map(|limit| late(limit, self.kind)));
        vec![key]
    }

    /// X2 to X5: ends these jobs early, the last of them first; whether that has decided any, and what was stopped in the middle.
    pub(super) fn end_early(&mut self, jobs: &[JobId], why: Early) -> (bool, Vec<Key>) {
        let open = jobs.iter().rev().copied();
        let decided: Vec<JobId> = open.filter(|job| self.jobs[*job].stop()).collect();
        let withdrawn: Vec<(JobId, usize)> = decided
            .iter()
            .map(|job| (*job, self.workers.withdraw(*job)))
            .collect();
        let mut stopped = Vec::new();
        for (job, chunks) in withdrawn {
            let running = self.workers.running(job);
            if self.kind == Kind::Thread {
                let error = self.jobs[job].take_error();
                let error = error.unwrap_or(why.error(!running.is_empty()));
                self.decide(job, Err(error));
                continue;
            }
            // Once nothing of it runs.
            for _ in 0..chunks {
                self.chunk_ended(job, Some(why.error(false)));
            }
            self.jobs[job].fail(why.error(false));
            for start in running {
                stopped.extend(self.stop_start(start, false));
            }
        }
        (!decided.is_empty(), stopped)
    }

    /// X3 to X5: the jobs and imaps that have this token are cancelled, the last first.
    pub(super) fn cancel_token(&mut self, token: &str) -> Vec<Key> {
        let has = |job: &&usize| self.jobs[**job].token() == Some(token);
        let jobs: Vec<JobId> = (0..self.jobs.len()).collect();
        let jobs: Vec<JobId> = jobs.iter().filter(has).copied().collect();
        let (_, mut stopped) = self.end_early(&jobs, Early::Cancelled);
        for iterator in (0..self.streams.len()).rev() {
            if self.streams[iterator].token() == Some(token) {
                stopped.extend(self.end_imap(iterator, Early::Cancelled).1);
            }
        }
        stopped
    }

    /// X4: whether a body of this pool is no longer wanted.
    pub(super) fn is_unwanted(&self, key: Key) -> bool {
        let job = self.workers.job(key).map(|job| &self.jobs[job]);
        self.workers.is_late(key) || job.is_some_and(Job::is_over)
    }

    /// Whether this caller may wait for its end, or may look for it where it does not wait.
    pub(super) fn join(&mut self, by: Caller, waits: bool) -> Result<(), Raised> {
        // L3: nobody may wait for the end of a pool that was not told to end.
        if self.phase == Phase::Running {
            return Err(raised("StillRunning", "pool is still running"));
        }
        // L8: it would wait for itself.
        if matches!(by, Caller::Body(key) if self.bodies().contains(&key)) {
            return Err(raised("WouldDeadlock", "call would wait for itself"));
        }
        self.reads_many = self
            .streams
            .iter()
            .filter(|stream| stream.is_open())
            .count()
            > 1;
        // O10: who waits for the end of a closed pool reads what is left.
        if waits {
            for iterator in 0..self.streams.len() {
                self.read(iterator, usize::MAX);
            }
        }
        Ok(())
    }

    /// Whether nothing of it is left.
    ///
    /// L4: every task, every callback, and what an imap has still to read keep a pool.
    pub(super) fn is_gone(&self) -> bool {
        let idle = self.workers.is_idle() && self.due.is_empty() && self.calling.is_empty();
        idle && self.phase != Phase::Running && !self.has_input()
    }

    /// What begins now. Called when anything has happened, it leaves nobody idle beside work. `waits` says of bodies
    /// that are blocked until something of this very pool has happened which job's end, by its place among all
    /// that were decided, lets them go on; none yet where they still wait. `next` is the number that the next worker
    /// to start by an initializer has.
    pub(super) fn begin(
        &mut self,
        waits: &BTreeMap<Key, Option<usize>>,
        next: &mut Key,
    ) -> Vec<Begin> {
        // R12
        if let Some(why) = self.broken.clone() {
            for job in self.workers.give_up() {
                self.chunk_ended(job, Some(why.clone()));
            }
        }
        // R13: for each worker that is blocked, one more works.
        let is_blocked = |key: &Key| waits.get(key).is_some_and(Option::is_none);
        let blocked = self.workers.at_work().filter(is_blocked).count();
        let mut begins = self.workers.begin(blocked);
        // W1: also for a place that has become free; nobody is started for a pool that has nothing left to do.
        let wanted = match self.phase {
            Phase::Running => true,
            Phase::Closed => {
                let waiting = self.workers.queued().len() + self.workers.pauses().len();
                waiting > 0 || self.has_input()
            }
            Phase::Terminated => false,
        };
        if wanted && self.broken.is_none() {
            begins.extend(self.workers.start(blocked, next));
        }
        begins.extend(self.next_callback(waits));
        self.looked = self.decisions;
        begins
    }

    /// A body of this pool ended; false when it has none of this number at work.
    pub(super) fn ended(&mut self, key: Key, end: &End) -> bool {
        if let Some(place) = self.calling.iter().position(|(_, calling)| *calling == key) {
            let (job, _) = self.calling.remove(place);
            self.called_back(job, end);
            return true;
        }
        if self.workers.started(key, matches!(end, End::With(Ok(_)))) {
            match end {
                End::With(Ok(_)) => self.failed = 0,
                End::With(Err(error)) => self.start_failed(&error.to_string()),
                End::Unsendable { .. } => self.start_failed(protocol::CANNOT_TRAVEL),
                End::WorkerDied { cause, .. } => self.start_failed(cause),
            }
            return true;
        }
        self.task_ended(key, end).is_some()
    }

    /// R11: the worker that ran this body, if it is one of this pool's, is killed from outside. Gives the body that it
    /// is at now.
    /// It is replaced, and nobody notices.
    pub(super) fn kill_worker(&mut self, key: Key) -> Option<Key> {
        self.workers.kill_worker(key).flatten()
    }

    /// The worker of this body ignores SIGTERM from now on; false where the pool has no such body at work.
    pub(super) fn deafen(&mut self, key: Key) -> bool {
        self.workers.listens(key, false)
    }

    /// The worker of this body rests until somebody ends it.
    ///
    /// As terminate lets it go on, it leaves, deaf or not.
    pub(super) fn stopped(&mut self, key: Key) {
        self.workers.listens(key, true);
    }

    /// Its tasks and callbacks that have begun and not ended.
    pub(super) fn bodies(&self) -> Vec<Key> {
        let calling = self.calling.iter().map(|(_, key)| *key);
        let at_work = self.workers.at_work().chain(self.workers.starts());
        at_work.chain(calling).collect()
    }

    /// Whether this callback runs: in the program itself, on workers of either kind.
    pub(super) fn is_calling(&self, key: Key) -> bool {
        self.calling.iter().any(|(_, calling)| *calling == key)
    }

    /// R7: whether a body can go on when what it waits for has come: a callback not before others that began while it waited have ended.
    pub(super) fn can_go_on(&self, key: Key) -> bool {
        let innermost = self.calling.last().map(|(_, key)| *key);
        !self.is_calling(key) || innermost == Some(key)
    }

    /// R7, R13: whether a body that waits for this job would wait for itself, and is told so.
    pub(super) fn waits_for_itself(&self, key: Key, job: JobId) -> bool {
        let in_callback = self.is_calling(key) && self.calling.iter().any(|(of, _)| *of == job);
        in_callback || self.workers.job(key) == Some(job)
    }

    /// Why what comes next depends on who is faster, where it does.
    ///
    /// How several workers that cannot start share the tries is each pool's own affair.
    pub(super) fn race(&self) -> Option<&'static str> {
        if self.reads_many {
            return Some(
                "a join reads what is left of several imaps, and nobody promises which goes first",
            );
        }
        (self.failed > 0 && self.workers.size > 1)
            .then_some("in a pool of several workers, it is not said how often one that cannot start is tried again")
    }
}
