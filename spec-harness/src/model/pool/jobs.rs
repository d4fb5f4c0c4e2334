//! What becomes of a job: its chunks, its value or error, its callback.

use super::{Phase, Pool};
use crate::case::ast::{Kind, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::model::work::{Early, End, JobId, Outcome, Work, late};
use crate::model::workers::{Item, Rest};
use crate::model::{raised, saturating};
use crate::protocol;

#[derive(Debug)]
pub(super) struct Job {
    work: Work,
    /// What its tasks came to, by place.
    ends: Vec<Outcome>,
    chunks: usize,
    chunks_left: usize,
    /// The first error that arrived.
    error: Option<Raised>,
    /// Decided: what it is, whatever still comes.
    pub(super) outcome: Option<Outcome>,
    /// Its place in the order in which the pool's jobs were decided.
    pub(super) decided: usize,
    /// R1: decided, and its callback has returned.
    pub(super) ready: bool,
    /// X2 to X5: it ends early.
    stopped: bool,
}

impl Job {
    pub(super) fn expiry(&self) -> Option<Time> {
        self.work.limits.expiry
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.work.limits.deadline
    }

    pub(super) fn retry_pause(&self) -> Time {
        self.work.limits.pause
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.work.limits.token.as_deref()
    }

    /// X2 to X5: from now on it ends early; false where it has ended, or does so already.
    pub(super) fn stop(&mut self) -> bool {
        !self.is_over() && !std::mem::replace(&mut self.stopped, true)
    }

    /// Whether what its tasks come to is of no use.
    pub(super) fn is_over(&self) -> bool {
        self.outcome.is_some() || self.stopped
    }

    /// The first error that has arrived.
    pub(super) fn take_error(&mut self) -> Option<Raised> {
        self.error.take()
    }

    /// It fails by this error, unless there was one before.
    pub(super) fn fail(&mut self, error: Raised) {
        self.error.get_or_insert(error);
    }
}

impl Pool {
    /// Takes a chunk of an imap in, which was accepted when the imap began.
    pub(super) fn submit_imap_chunk(&mut self, work: Work) -> Result<JobId, Raised> {
        match self.phase {
            Phase::Running | Phase::Closed => self.let_in(work),
            Phase::Terminated => Err(raised("NotRunning", "pool not running")),
        }
    }

    pub(super) fn let_in(&mut self, work: Work) -> Result<JobId, Raised> {
        let (items, id) = (work.keys.len(), self.jobs.len());
        let size = self.chunk_size(&work)?;
        let chunks = self.workers.enqueue(id, &work, size);
        // O6: a map of nothing is ready at once and calls nobody back.
        let nothing = chunks == 0;
        self.jobs.push(Job {
            work,
            ends: vec![Ok(Value::None); items],
            chunks,
            chunks_left: chunks,
            error: None,
            outcome: nothing.then(|| Ok(Value::List(Vec::new()))),
            decided: 0,
            ready: nothing,
            stopped: false,
        });
        Ok(id)
    }

    /// X2, X3: takes in what has ended before it could begin.
    pub(in crate::model) fn let_in_over(
        &mut self,
        work: Work,
        why: Early,
    ) -> Result<JobId, Raised> {
        let id = self.let_in(work)?;
        self.workers.withdraw(id);
        self.jobs[id].chunks = 0;
        if self.jobs[id].stop() {
            self.decide(id, Err(why.error(false)));
        }
        Ok(id)
    }

    /// R14: tasks (chunks) that were given to the pool, those of them that have ended or never will run, and the errors that
    /// came of them: one of a call or a map, one of each item of an imap.
    pub(in crate::model) fn stats(&self) -> Value {
        let submitted: usize = self.jobs.iter().map(|job| job.chunks).sum();
        let waiting = self.workers.queued().len() + self.workers.pauses().len();
        let unfinished = waiting + self.workers.at_work().count();
        let errors = |job: &Job| match &job.outcome {
            Some(Err(error)) => {
                usize::from(!["Terminated", "Cancelled"].contains(&error.kind.as_str()))
            }
            _ if job.work.of_imap => job.ends.iter().filter(|end| end.is_err()).count(),
            _ => 0,
        };
        let errors: usize = self.jobs.iter().map(errors).sum();
        let counts = [submitted, submitted - unfinished, errors];
        Value::List(counts.map(|n| Value::Int(n as i64)).to_vec())
    }

    /// C5, O10: chunks that have places of the queue; those of an imap have a bound of their own.
    pub(super) fn placed(&self) -> usize {
        let takes_place = |job: &JobId| !self.jobs[*job].work.of_imap;
        self.workers.queued().filter(takes_place).count()
    }

    pub(in crate::model) fn chunk_size(&self, work: &Work) -> Result<usize, Raised> {
        Ok(match work.limits.chunksize(work.chunksize)? {
            _ if !work.many => 1,
            // O3
            Some(0) => return Err(raised("InvalidChunksize", "chunk size must be at least 1")),
            Some(size) => saturating(size),
            // O2
            None => self.workers.chunksize(work.keys.len()),
        })
    }

    /// What the items of a chunk of an imap came to; of one that has failed as a whole, all the same.
    pub(super) fn ends(&self, job: JobId) -> Vec<Outcome> {
        let job = &self.jobs[job];
        match &job.outcome {
            Some(Err(error)) => vec![Err(error.clone()); job.work.keys.len()],
            _ => job.ends.clone(),
        }
    }

    /// A task has ended; nothing where this is none of the pool's.
    pub(super) fn task_ended(&mut self, key: Key, end: &End) -> Option<()> {
        let job = self.workers.job(key)?;
        let of_imap = self.jobs[job].work.of_imap;
        let limits = &self.jobs[job].work.limits;
        let (is_retried, died) = match end {
            End::WorkerDied { .. } => (true, true),
            End::With(Err(error)) => (limits.retry_if.as_ref() == Some(&error.kind), false),
            _ => (false, false),
        };
        let (retries, pause) = (limits.retries, limits.pause);
        if is_retried
            && !self.jobs[job].is_over()
            && self.workers.try_again(key, retries, pause, died)
        {
            return Some(());
        }
        let (end, rest) = match end {
            // R10: that task alone fails, and the worker is replaced by one that is new.
            End::WorkerDied { cause, .. } => {
                (Err(raised("WorkerLost", cause.as_str())), Rest::Lost)
            }
            // R9: the function has returned, and its chunk goes on to its end before anything travels.
            End::Unsendable { raised: false } => (cannot_travel(), Rest::GoesOn),
            End::Unsendable { raised: true } => (cannot_travel(), Rest::Skipped),
            // R8, R15: the worker goes on.
            End::With(Ok(value)) => (Ok(value.clone()), Rest::GoesOn),
            End::With(Err(error)) => (Err(error.clone()), Rest::Skipped),
        };
        let rest = match rest {
            // O11: each item of an imap fails for itself.
            Rest::Skipped if of_imap => Rest::GoesOn,
            // O4: the rest of the chunk is skipped.
            rest => rest,
        };
        let Item {
            place,
            first,
            last,
            is_over,
        } = self.workers.ended(key, rest)?;
        if is_over {
            // X1: a function that has run on is of no use; a worker that has not listened has ended now.
            if let (true, Kind::Process, Some(limit)) = (last, self.kind, self.jobs[job].deadline())
            {
                self.chunk_ended(job, Some(late(limit, self.kind)));
            }
            return Some(());
        }
        let error = match end {
            Err(error) if rest != Rest::GoesOn => Some(error),
            // O6: by place, whenever it comes.
            end => {
                let ends = &mut self.jobs[job].ends;
                ends[place] = end;
                let stuck = ends[first..=place].iter().find_map(|end| end.clone().err());
                stuck.filter(|_| !of_imap)
            }
        };
        if last {
            self.chunk_ended(job, error);
        }
        Some(())
    }

    /// O7: a job is decided when its last chunk has ended, by the first error in time.
    pub(super) fn chunk_ended(&mut self, id: JobId, error: Option<Raised>) {
        let job = &mut self.jobs[id];
        if job.outcome.is_some() {
            return;
        }
        job.chunks_left -= 1;
        job.error = job.error.take().or(error);
        if job.chunks_left > 0 {
            return;
        }
        let outcome = match (job.error.take(), job.work.many) {
            (Some(error), _) => Err(error),
            (None, _) if job.work.of_imap => Ok(Value::None),
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
    pub(super) fn decide(&mut self, id: JobId, outcome: Outcome) {
        let job = &mut self.jobs[id];
        if job.outcome.is_some() {
            return;
        }
        let callback = job.work.callback_for(&outcome);
        job.outcome = Some(outcome);
        self.decisions += 1;
        job.decided = self.decisions;
        match callback {
            Some(key) => self.due.push_back((id, key)),
            None => job.ready = true,
        }
    }

    /// R6: a callback that fails makes its job fail, where it had not failed already.
    pub(super) fn called_back(&mut self, id: JobId, end: &End) {
        let job = &mut self.jobs[id];
        if let (End::With(Err(error)), Some(outcome @ Ok(_))) = (end, &mut job.outcome) {
            let text = match error.kind.as_str() {
                "Panicked" => error.text.clone(),
                _ => error.to_string(),
            };
            *outcome = Err(raised("Panicked", text));
        }
        job.ready = true;
    }
}

/// L6: what a job comes to that terminate finds unfinished.
pub(super) fn terminated() -> Outcome {
    Err(raised(
        "Terminated",
        "pool was terminated before the task had finished",
    ))
}

fn cannot_travel() -> Outcome {
    Err(raised("Encode", protocol::CANNOT_TRAVEL))
}
