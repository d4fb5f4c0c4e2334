//! The cache of jobs, the workers' results on their way, and the thread that brings the ones to the others.

use std::collections::BTreeSet;

use super::{CPython, Phase, Results};
use crate::case::ast::Kind;
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::model::pool::{Begin, End, IterId, JobId, Outcome, Work};
use crate::model::raised;
use crate::model::staff::{Item, Rest};
use crate::protocol;

#[derive(Debug)]
pub(super) struct Job {
    work: Work,
    /// Items of a chunk.
    pub(super) chunksize: usize,
    /// The iterator that its results go to; otherwise they are its own.
    pub(super) iterator: Option<IterId>,
    chunks_left: usize,
    pub(super) values: Vec<Value>,
    /// Chunks with a value that cannot travel: each is found out when it is done.
    stuck: BTreeSet<usize>,
    error: Option<Raised>,
    /// What it comes to, before its callback.
    pub(super) outcome: Option<Outcome>,
    pub(super) ready: bool,
    /// What waits for the end of all jobs waits for it.
    pub(super) cached: bool,
    pub(super) decided: usize,
}

/// A chunk's result on its way.
#[derive(Debug)]
pub(super) struct Arrived {
    job: JobId,
    chunk: usize,
    error: Option<Raised>,
}

impl CPython {
    /// Puts a job into the cache and its tasks into the queue.
    pub(super) fn let_in(
        &mut self,
        work: Work,
        chunksize: usize,
        iterator: Option<IterId>,
    ) -> JobId {
        let (id, items) = (self.jobs.len(), work.keys.len());
        // What comes behind an endless input is never handed out.
        if !self.feeding && chunksize > 0 {
            self.staff.enqueue(id, &work, chunksize);
        }
        self.jobs.push(Job {
            chunksize,
            iterator,
            chunks_left: items.div_ceil(chunksize.max(1)),
            values: vec![Value::None; items],
            stuck: BTreeSet::new(),
            error: None,
            outcome: None,
            ready: false,
            cached: true,
            decided: 0,
            work,
        });
        id
    }

    /// The thread of results takes what has arrived, until a callback keeps it.
    pub(super) fn take_results(&mut self) -> Option<Begin> {
        while self.results == Results::Wait && self.phase != Phase::Terminate {
            let Arrived { job, chunk, error } = self.arrived.pop_front()?;
            let Some(iterator) = self.jobs[job].iterator else {
                if let Some((key, with)) = self.came(job, error) {
                    self.results = Results::Call(job, key);
                    return Some(Begin::Callback { key, with });
                }
                continue;
            };
            let mut values = self.jobs[job].values.chunks(self.jobs[job].chunksize);
            let values = values.nth(chunk).unwrap_or_default().to_vec();
            let iterator = &mut self.iterators[iterator];
            iterator.came(chunk, error.map_or(Ok(values), Err));
            self.jobs[job].cached = !iterator.is_complete();
        }
        None
    }

    /// A chunk's result comes to its job. Gives the callback that is to run, and with what.
    fn came(&mut self, id: JobId, error: Option<Raised>) -> Option<(Key, Outcome)> {
        let job = &mut self.jobs[id];
        job.chunks_left -= 1;
        job.error = job.error.take().or(error);
        if job.chunks_left > 0 {
            return None;
        }
        let outcome = match job.error.take() {
            Some(error) => Err(error),
            None if job.work.many => Ok(Value::List(std::mem::take(&mut job.values))),
            None => Ok(job.values.pop().unwrap_or(Value::None)),
        };
        let callback = job.work.callback_for(&outcome);
        job.outcome = Some(outcome.clone());
        if callback.is_none() {
            self.ready(id);
        }
        callback.map(|key| (key, outcome))
    }

    pub(super) fn ready(&mut self, id: JobId) {
        self.decisions += 1;
        let job = &mut self.jobs[id];
        (job.ready, job.cached, job.decided) = (true, false, self.decisions);
        self.look_after_threads();
    }

    /// A task has ended; nothing where this is none of the pool's.
    pub(super) fn task_ended(&mut self, key: Key, end: &End) -> Option<()> {
        let job = self.staff.job(key)?;
        let (rest, error) = match end {
            End::WorkerDied { .. } => (Rest::Lost, None),
            End::With(Err(error)) => (Rest::Skipped, Some(error.clone())),
            End::Unsendable { raised: true } => (Rest::Skipped, Some(cannot_travel())),
            End::With(Ok(_)) | End::Unsendable { raised: false } => (Rest::GoesOn, None),
        };
        let is_deaf = self.staff.is_deaf(key);
        let Item { place, last, .. } = self.staff.ended(key, rest)?;
        match end {
            End::With(Ok(value)) => self.jobs[job].values[place] = value.clone(),
            End::Unsendable { raised: false } => {
                let chunk = place / self.jobs[job].chunksize;
                self.jobs[job].stuck.insert(chunk);
            }
            _ => {}
        }
        // The result of a worker that has died never comes.
        if last && rest != Rest::Lost {
            self.chunk_ended(job, place, error);
            if self.phase == Phase::Terminate && self.kind == Kind::Process {
                self.stranded[usize::from(is_deaf)] += 1;
            }
        }
        Some(())
    }

    /// A worker has done what it had taken.
    fn chunk_ended(&mut self, job: JobId, place: usize, error: Option<Raised>) {
        let chunk = place / self.jobs[job].chunksize;
        let stuck = self.jobs[job].stuck.contains(&chunk).then(cannot_travel);
        let error = error.or(stuck);
        self.arrived.push_back(Arrived { job, chunk, error });
    }
}

fn cannot_travel() -> Raised {
    raised("Encode", protocol::CANNOT_TRAVEL)
}
