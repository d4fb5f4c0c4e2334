//! Who is in a call: for what it waits, and what it returns with.

use std::collections::BTreeMap;

use super::World;
use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::interp::{Caller, Observed};
use crate::model::raised;
use crate::model::work::{Alarm, Early, IterId, JobId, Outcome, Work};

/// A pool, and a job of it.
pub(super) type Job = (usize, JobId);

/// A pool, and an iterator of it.
pub(super) type Results = (usize, IterId);

/// What a call hands in: to which pool, what, and under which name the handle is kept; without one, for its value.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) pool: usize,
    pub(super) work: Work,
    pub(super) handle: Option<String>,
}

impl Submission {
    /// X2: how long it may take as a whole, a place included.
    pub(super) fn expiry(&self) -> Option<Time> {
        self.work.limits.expiry
    }
}

#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) awaits: Awaits,
    /// Its place among all calls, in the order in which they were made.
    pub(super) since: u64,
    pub(super) timer: Option<u64>,
    /// Its time is over.
    pub(super) late: bool,
    /// The pool that the caller holds meanwhile.
    pub(super) holds: Option<String>,
}

/// What a call returns with, or for what it waits.
#[derive(Debug)]
pub(super) enum Awaits {
    /// For nothing.
    No(Value),
    /// For a place in the queue.
    Place(Box<Submission>),
    /// For places for the rest of a map.
    Places(usize),
    /// `get`, `apply`, `map`: for the value.
    Value(Job),
    /// `next`: for the iterator's next result.
    Next(Results),
    /// `wait`.
    Ready(Job),
    /// `join`, `drop`: for the pool's last worker.
    Gone(usize),
    /// `join` of a process.
    Ended(usize),
}

impl Awaits {
    /// The pool for whose work it waits.
    fn pool(&self) -> Option<usize> {
        match self {
            Awaits::Value((pool, _)) | Awaits::Ready((pool, _)) | Awaits::Next((pool, _)) => {
                Some(*pool)
            }
            Awaits::Place(submission) => Some(submission.pool),
            Awaits::Places(pool) => Some(*pool),
            Awaits::No(_) | Awaits::Gone(_) | Awaits::Ended(_) => None,
        }
    }
}

impl World {
    /// C5: those who wait for a place hand in what finds one, whoever came first before the others.
    pub(super) fn let_in(&mut self) {
        let mut calls: Vec<_> = std::mem::take(&mut self.calls).into_iter().collect();
        calls.sort_by_key(|(_, call)| call.since);
        for (by, mut call) in calls {
            call.awaits = match call.awaits {
                Awaits::Place(submission) if self.finds_place(&submission) => {
                    let armed = self.places.remove(&by);
                    match self.enter(*submission, armed) {
                        Ok(awaits) => awaits,
                        Err(raised) => {
                            self.seen.push(Observed::Returned(by, Err(raised)));
                            continue;
                        }
                    }
                }
                awaits => awaits,
            };
            self.calls.insert(by, call);
        }
    }

    fn finds_place(&self, submission: &Submission) -> bool {
        let pool = &self.pools[submission.pool];
        pool.accepts().is_ok() && pool.has_place(&submission.work, true)
    }

    /// Hands in what has found a place; its expiry may run already.
    pub(super) fn enter(
        &mut self,
        submission: Submission,
        armed: Option<u64>,
    ) -> Result<Awaits, Raised> {
        let Submission { pool, work, handle } = submission;
        let empty = work.keys.is_empty();
        let token = work.limits.token.as_ref();
        // X3: what was cancelled before never starts.
        let is_cancelled = token.is_some_and(|token| self.cancelled.contains(token));
        let id = match is_cancelled {
            true => self.pools[pool].let_in_over(work, Early::Cancelled)?,
            false => self.pools[pool].submit(work)?,
        };
        let job = (pool, id);
        if let Some(armed) = armed {
            self.alarms.insert((pool, Alarm::Expiry(id)), armed);
        }
        // O1: apply is apply_async and get.
        let Some(handle) = handle else {
            return Ok(Awaits::Value(job));
        };
        self.handles.insert(handle, job);
        // O6: a map of nothing needs no place.
        Ok(if empty || is_cancelled {
            Awaits::No(Value::None)
        } else {
            Awaits::Places(pool)
        })
    }

    /// X2, X3: what waits for a place has no more time, or is cancelled: it is taken in as what is over.
    pub(super) fn give_up_place(&mut self, by: Caller, token: Option<&str>) {
        let Some(mut call) = self.calls.remove(&by) else {
            return;
        };
        call.awaits = match call.awaits {
            Awaits::Place(submission)
                if token.is_none() || submission.work.limits.token.as_deref() == token =>
            {
                self.seen
                    .extend(self.places.remove(&by).map(Observed::Cancelled));
                let Submission { pool, work, handle } = *submission;
                let why = match work.limits.expiry {
                    Some(limit) if token.is_none() => Early::Expired(limit),
                    _ => Early::Cancelled,
                };
                match (self.pools[pool].let_in_over(work, why), handle) {
                    (Ok(job), None) => Awaits::Value((pool, job)),
                    (Ok(job), Some(handle)) => {
                        self.handles.insert(handle, (pool, job));
                        Awaits::No(Value::None)
                    }
                    // It was in order when it was handed in.
                    (Err(_), _) => return,
                }
            }
            awaits => awaits,
        };
        self.calls.insert(by, call);
    }

    /// X4: whether a call is made by a task that is no longer wanted, and waits for the task's own pool.
    pub(super) fn is_interrupted(&self, by: Caller, awaits: &Awaits) -> bool {
        let (
            Caller::Body(key),
            Awaits::Value((pool, _)) | Awaits::Ready((pool, _)) | Awaits::Next((pool, _)),
        ) = (by, awaits)
        else {
            return false;
        };
        self.pools[*pool].is_unwanted(key)
    }

    /// What a call returns with now, if it does.
    pub(super) fn result(&self, awaits: &Awaits) -> Option<Outcome> {
        let none = || Ok(Value::None);
        match awaits {
            Awaits::No(value) => Some(Ok(value.clone())),
            // C5: close and terminate wake who waits there.
            Awaits::Place(submission) => {
                let refused = self.pools[submission.pool].accepts().err();
                refused.map(Err)
            }
            Awaits::Places(pool) => {
                let pool = &self.pools[*pool];
                (!pool.is_overfull() || pool.accepts().is_err()).then(none)
            }
            Awaits::Value(job) => self.outcome(*job).cloned(),
            // R3: wait never fails.
            Awaits::Ready(job) => self.outcome(*job).map(|_| none()),
            Awaits::Next((pool, iterator)) => self.pools[*pool].next(*iterator),
            Awaits::Gone(pool) => self.pools[*pool].is_gone().then(none),
            Awaits::Ended(process) => self.processes[*process].has_ended().then(none),
        }
    }

    /// What a call returns with when its time is over.
    pub(super) fn too_late(awaits: &Awaits) -> Outcome {
        match awaits {
            // P1: join of a process says nothing of whether it has ended.
            Awaits::Ready(_) | Awaits::Ended(_) | Awaits::Places(_) => Ok(Value::None),
            Awaits::Place(_) => Err(raised("QueueFull", "queue is full")),
            _ => Err(raised("TimedOut", "timed out")),
        }
    }

    /// Whether a call is made by a task or a callback of this pool.
    pub(super) fn is_inside(&self, by: Caller, pool: usize) -> bool {
        matches!(by, Caller::Body(key) if self.pools[pool].bodies().contains(&key))
    }

    /// The bodies that are blocked until something of this pool has happened: which job's end, by its place among
    /// all, lets them go on.
    pub(super) fn waiting_inside(&self, pool: usize) -> BTreeMap<Key, Option<usize>> {
        let waiting = self.calls.iter().filter_map(|(by, call)| {
            let Caller::Body(key) = by else { return None };
            if call.late
                || call.awaits.pool() != Some(pool)
                || self.is_interrupted(*by, &call.awaits)
            {
                return None;
            }
            let until = match &call.awaits {
                Awaits::Value((_, job)) | Awaits::Ready((_, job)) => self.pools[pool].done(*job),
                Awaits::Next((_, iterator)) => {
                    let came = self.pools[pool].came(*iterator);
                    self.result(&call.awaits).map(|_| came)
                }
                // Some result that has come lets it go on.
                _ => self.result(&call.awaits).map(|_| 0),
            };
            Some((*key, until))
        });
        waiting.collect()
    }

    /// R7: whether a callback waits for the job whose callback it is, or for one whose callback waits for it.
    pub(super) fn waits_for_itself(&self, by: Caller, awaits: &Awaits) -> bool {
        let (Caller::Body(key), Awaits::Value((pool, job)) | Awaits::Ready((pool, job))) =
            (by, awaits)
        else {
            return false;
        };
        self.pools[*pool].waits_for_itself(key, *job) && self.result(awaits).is_none()
    }

    /// Whether whoever calls can go on when the call returns: a callback not before those that run inside of it.
    pub(super) fn can_go_on(&self, by: Caller) -> bool {
        match by {
            Caller::Actor(_) => true,
            Caller::Body(key) => self.pools.iter().all(|pool| pool.can_go_on(key)),
        }
    }

    /// Lets an iterator take in what has come, where somebody waits for it.
    pub(super) fn advance(&mut self, awaits: &Awaits) {
        if let Awaits::Next((pool, iterator)) = awaits {
            self.pools[*pool].advance(*iterator);
        }
    }

    /// A call was given what it waited for.
    pub(super) fn taken(&mut self, awaits: &Awaits) {
        if let Awaits::Next((pool, iterator)) = awaits {
            self.pools[*pool].taken(*iterator);
        }
    }

    pub(super) fn outcome(&self, (pool, job): Job) -> Option<&Outcome> {
        self.pools[pool].outcome(job)
    }
}
