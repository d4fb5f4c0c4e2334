//! Tasks that end early, or begin again: what their submissions and the program say.

use super::Stage;
use crate::case::ast::{Fate, Time};
use crate::history::Key;
use crate::protocol::Call;

/// A task whose submission has limits, or can be cancelled.
#[derive(Debug, Default)]
pub(super) struct Limited {
    /// The handle or the iterator that it belongs to.
    of: Option<String>,
    token: Option<String>,
    deadline: Option<Time>,
    expires: Option<Time>,
    retries: u64,
    /// The error after which it is tried again.
    retry_if: Option<String>,
    /// Whether that was its last.
    was_picked: bool,
    /// How often it was performed.
    attempts: u64,
    cancelled: bool,
    /// When its chunk has begun.
    began: Option<Time>,
}

impl Stage<'_> {
    /// Takes note of a call.
    pub(super) fn note_limits(&mut self, call: &Call) {
        match call {
            Call::Cancel { work } => self.cancel(|task| task.of.as_ref() == Some(work)),
            Call::CancelToken { token } => self.cancel(|task| task.token.as_ref() == Some(token)),
            _ => {}
        }
        let (keys, limits, of) = match (call.job(), call.stream()) {
            (Some(job), _) => {
                let handle = job.later.map(|later| later.handle);
                (job.tasks.keys(), job.limits, handle)
            }
            (_, Some(stream)) => (stream.keys, stream.limits, Some(stream.iterator)),
            _ => return,
        };
        let time = |seconds: Option<f64>| seconds.and_then(Time::from_units);
        let now = self.queue.now();
        for key in keys {
            let limited = Limited {
                of: of.map(str::to_owned),
                token: limits.cancel_on.clone(),
                deadline: time(limits.deadline),
                expires: time(limits.expiry).map(|after| now + after),
                retries: limits.retries.unwrap_or_default(),
                retry_if: limits.retry_if.clone(),
                was_picked: false,
                attempts: 0,
                cancelled: false,
                began: None,
            };
            self.limits.insert(*key, limited);
        }
    }

    fn cancel(&mut self, is: impl Fn(&Limited) -> bool) {
        for limited in self.limits.values_mut().filter(|limited| is(limited)) {
            limited.cancelled = true;
        }
    }

    /// Whether its pool has reason to stop a task that runs.
    pub(super) fn may_be_stopped(&self, key: Key) -> bool {
        let now = self.queue.now();
        self.limits.get(&key).is_some_and(|task| {
            let late = task.deadline.zip(task.began);
            let late = late.is_some_and(|(limit, began)| began + limit <= now);
            task.cancelled || late || task.expires.is_some_and(|expires| expires <= now)
        })
    }

    /// How often a body is tried again.
    pub(super) fn retries(&self, key: Key) -> u64 {
        self.limits.get(&key).map_or(0, |task| task.retries)
    }

    /// Whether a body that has ended so is tried again.
    pub(super) fn is_tried_again(&self, key: Key, fate: Fate) -> bool {
        let task = self.limits.get(&key);
        task.is_some_and(|task| {
            let may_be = fate == Fate::Lost || fate == Fate::Raised && task.was_picked;
            may_be && task.attempts <= task.retries
        })
    }

    /// A body raises an error.
    pub(super) fn raises(&mut self, key: Key, kind: &str) {
        if let Some(task) = self.limits.get_mut(&key) {
            task.was_picked = task.retry_if.as_deref() == Some(kind);
        }
    }

    /// A body is performed: for the how manieth time. A task begins with its chunk, or goes on with one.
    pub(super) fn attempt(&mut self, key: Key) -> u64 {
        let now = self.queue.now();
        let Some(task) = self.program.task(key) else {
            return 1;
        };
        let chunk = (task.job, task.chunk);
        let before = key.checked_sub(1).filter(|before| {
            let before = self.program.task(*before);
            before.is_some_and(|other| other.chunk.is_some() && (other.job, other.chunk) == chunk)
        });
        let began = before.and_then(|before| self.limits.get(&before)?.began);
        let Some(limited) = self.limits.get_mut(&key) else {
            return 1;
        };
        limited.began = Some(began.unwrap_or(now));
        limited.attempts += 1;
        limited.attempts
    }
}
