//! A history with its ends tied together: calls with their returns, bodies with their beginnings and ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::ast::{Fate, Time};
use crate::case::expr::Value;
use crate::history::{Event, History, Key, Raised, TaskInfo, What, Who};
use crate::protocol::{Call, Stream, Tasks};

/// An index into the events of a history: a moment in its order.
pub(crate) type Moment = usize;

/// The unit that a worker takes: a job's chunk.
pub(crate) type Unit = (u64, u64);

/// A history and what follows from it.
#[derive(Debug)]
pub(crate) struct Facts<'h> {
    /// The history itself.
    pub(crate) history: &'h History,
    /// Every call, in order.
    pub(crate) calls: Vec<Called<'h>>,
    /// Every body that began, by key.
    pub(crate) lives: BTreeMap<Key, Life>,
    /// Jobs whose input is read as results are taken: when an item is handed to the pool is not seen.
    streamed: BTreeSet<u64>,
    /// Jobs that may end before their tasks have, or whose tasks may begin again.
    limited: BTreeSet<u64>,
    /// The last thing that main or one of its threads did; after it the program is over.
    pub(crate) last_step: Moment,
}

/// A call of main, of a thread, or of a body.
#[derive(Debug)]
pub(crate) struct Called<'h> {
    pub(crate) who: &'h Who,
    pub(crate) at: Moment,
    pub(crate) text: &'h str,
    pub(crate) command: &'h Call,
    /// When it returned, and what.
    pub(crate) returned: Option<(Moment, &'h Result<Value, Raised>)>,
    /// The tasks that it submitted.
    pub(crate) submits: Vec<Key>,
}

/// The life of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) began: Moment,
    pub(crate) worker: usize,
    pub(crate) ended: Option<Moment>,
}

impl<'h> Facts<'h> {
    pub(crate) fn of(history: &'h History) -> Facts<'h> {
        let mut facts = Facts {
            history,
            calls: Vec::new(),
            lives: BTreeMap::new(),
            streamed: BTreeSet::new(),
            limited: BTreeSet::new(),
            last_step: 0,
        };
        let mut open: BTreeMap<&Who, usize> = BTreeMap::new();
        for (moment, event) in history.events.iter().enumerate() {
            if !matches!(
                (&event.who, &event.what),
                (Who::Puppet(_), _) | (_, What::Exit { .. })
            ) {
                facts.last_step = moment;
            }
            match (&event.what, &event.who) {
                (What::Call { text, command, .. }, who) => {
                    open.insert(who, facts.calls.len());
                    facts.calls.push(Called {
                        who,
                        at: moment,
                        text,
                        command,
                        returned: None,
                        submits: Vec::new(),
                    });
                }
                (What::Submit { key }, who) => {
                    if let Some(call) = open.get(who) {
                        facts.calls[*call].submits.push(*key);
                    }
                }
                (What::Return { result, .. }, who) => {
                    if let Some(call) = open.remove(who) {
                        facts.calls[call].returned = Some((moment, result));
                    }
                }
                (What::Begin { worker }, Who::Puppet(key)) => {
                    let life = Life {
                        began: moment,
                        worker: *worker,
                        ended: None,
                    };
                    // A second beginning is a fault of its own; the first is the one that counts.
                    facts.lives.entry(*key).or_insert(life);
                }
                (What::End { .. }, Who::Puppet(key)) => {
                    if let Some(life) = facts.lives.get_mut(key) {
                        life.ended.get_or_insert(moment);
                    }
                }
                _ => {}
            }
        }
        let first = |stream: Stream<'_>| task(history, *stream.keys.first()?).map(|task| task.job);
        let streams = facts.calls.iter().filter_map(stream);
        facts.streamed = streams.filter_map(first).collect();
        facts.limited = facts.limited_jobs();
        facts
    }

    pub(crate) fn events(&self) -> &'h [Event] {
        &self.history.events
    }

    /// The instant of a moment.
    pub(crate) fn at(&self, moment: Moment) -> Time {
        self.history
            .events
            .get(moment)
            .map_or(Time(0), |event| event.at)
    }

    pub(crate) fn task(&self, key: Key) -> Option<&'h TaskInfo> {
        task(self.history, key)
    }

    /// A task of a pool and the unit it belongs to; nothing for callbacks and bare processes, or where only
    /// the pool knows its chunks.
    pub(crate) fn unit(&self, key: Key) -> Option<(&'h str, Unit)> {
        let task = self.task(key).filter(|task| !task.callback)?;
        Some((task.pool.as_deref()?, (task.job, task.chunk?)))
    }

    /// Whether a job's input is read as its results are taken.
    pub(crate) fn is_streamed(&self, (job, _): Unit) -> bool {
        self.streamed.contains(&job)
    }

    fn limited_jobs(&self) -> BTreeSet<u64> {
        let mut cancelled = self.calls.iter().filter_map(|call| match call.command {
            Call::Cancel { work } => Some(work.as_str()),
            _ => None,
        });
        let cancelled: Vec<&str> = cancelled.by_ref().collect();
        let submitted = self.calls.iter().filter_map(|call| {
            let (keys, limits, name) = match (call.command.job(), call.command.stream()) {
                (Some(job), _) => {
                    let handle = job.later.map(|later| later.handle);
                    (job.tasks.keys(), job.limits, handle)
                }
                (_, stream) => {
                    let stream = stream?;
                    (stream.keys, stream.limits, Some(stream.iterator))
                }
            };
            let is_cancelled = name.is_some_and(|name| cancelled.contains(&name));
            let is_limited = is_cancelled || !limits.is_none();
            Some(self.task(*keys.first().filter(|_| is_limited)?)?.job)
        });
        submitted.collect()
    }

    /// Whether the job of a task may end before its tasks have, or they may begin again: what follows of that, the model says.
    pub(crate) fn is_limited(&self, key: Key) -> bool {
        let task = self.task(key);
        task.is_some_and(|task| self.limited.contains(&task.job))
    }

    /// The pool whose work a call made inside a task waits for, if that is the task's own: meanwhile the task lends
    /// its place.
    pub(crate) fn lends(&self, key: Key, command: &Call) -> Option<&'h str> {
        let own = self.task(key).filter(|task| !task.callback)?;
        let own = own.pool.as_deref()?;
        if let Some(job) = command.job() {
            // Whoever does not wait for the value may wait for a place in the queue.
            let waits = job.later.is_none() || self.is_bounded(job.pool);
            return (job.pool == own && waits).then_some(own);
        }
        let lends = match command {
            Call::Get { handle, .. } | Call::Wait { handle, .. } => {
                self.job(handle).is_some_and(|job| job.pool == own)
            }
            Call::Next { iterator, .. } => {
                let mut streams = self.calls.iter().filter_map(stream);
                streams.any(|stream| stream.iterator == iterator && stream.pool == own)
            }
            _ => false,
        };
        lends.then_some(own)
    }

    /// As people call it: `func(3)`.
    pub(crate) fn name(&self, key: Key) -> String {
        self.task(key).map_or_else(|| format!("body {key}"), label)
    }

    /// Whether a body had ended by then.
    pub(crate) fn ended_by(&self, key: Key, moment: Moment) -> bool {
        let ended = self.lives.get(&key).and_then(|life| life.ended);
        ended.is_some_and(|ended| ended < moment)
    }

    /// Whether a body had begun by then.
    pub(crate) fn began_by(&self, key: Key, moment: Moment) -> bool {
        self.lives.get(&key).is_some_and(|life| life.began < moment)
    }

    /// Whether a body is what a worker runs before its first task.
    pub(crate) fn is_start(&self, key: Key) -> bool {
        self.task(key).is_some_and(|task| task.initializer)
    }

    /// Whether by then a worker of a pool had failed to start, so that the pool may give up what is queued.
    pub(crate) fn start_failed(&self, pool: &str, moment: Moment) -> bool {
        let mut starts = self.history.tasks.iter().filter(|task| task.initializer);
        starts.any(|task| {
            task.pool.as_deref() == Some(pool)
                && task.fate != Fate::Done
                && self.ended_by(task.key, moment)
        })
    }

    /// Whether a pool's queue has a bound, so that a submission may wait.
    pub(crate) fn is_bounded(&self, pool: &str) -> bool {
        let mut pools = self.history.pools.iter();
        pools.any(|info| info.name == pool && info.queue.is_some())
    }

    /// When a pool was first told to stop, if it was.
    pub(crate) fn stopped(&self, pool: &str) -> Option<Moment> {
        let stops = self.calls.iter().find(|call| match call.command {
            Call::Terminate { pool: stopped } | Call::Drop { pool: stopped } => stopped == pool,
            _ => false,
        });
        stops.map(|call| call.at)
    }

    /// When a pool stops: when it was told to, or at the end of its program.
    pub(crate) fn stops(&self, pool: &str) -> Moment {
        let told = self.stopped(pool).unwrap_or(self.last_step);
        told.min(self.last_step)
    }

    /// The job behind a handle.
    pub(crate) fn job(&self, handle: &str) -> Option<Job<'_>> {
        self.calls
            .iter()
            .filter_map(Job::of)
            .find(|job| job.handle == handle)
    }
}

/// An asynchronous job.
#[derive(Debug)]
pub(crate) struct Job<'f> {
    pub(crate) pool: &'f str,
    pub(crate) handle: &'f str,
    pub(crate) keys: &'f [Key],
    pub(crate) callback: Option<Key>,
    pub(crate) error_callback: Option<Key>,
    /// Its value is the list of its tasks' values.
    pub(crate) many: bool,
}

impl<'f> Job<'f> {
    /// The job that a call submitted.
    pub(crate) fn of(call: &Called<'f>) -> Option<Job<'f>> {
        let job = call.command.job()?;
        let later = job.later?;
        Some(Job {
            pool: job.pool,
            handle: later.handle,
            keys: job.tasks.keys(),
            callback: later.callback,
            error_callback: later.error_callback,
            many: matches!(job.tasks, Tasks::Many { .. }),
        })
    }
}

/// The `imap` that a call began; nothing where it was refused.
pub(crate) fn stream<'f>(call: &Called<'f>) -> Option<Stream<'f>> {
    let refused = matches!(call.returned, Some((_, Err(_))));
    call.command.stream().filter(|_| !refused)
}

/// A task by its number.
pub(crate) fn task(history: &History, key: Key) -> Option<&TaskInfo> {
    history.tasks.get(usize::try_from(key).ok()?)
}

/// A task as people call it: `func(3, 'a')`.
pub(crate) fn label(task: &TaskInfo) -> String {
    task.to_string()
}
