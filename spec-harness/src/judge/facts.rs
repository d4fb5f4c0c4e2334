//! A history with its ends tied together: calls with their returns, bodies with their beginnings and ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::{Event, History, Key, Raised, TaskInfo, What, Who};
use crate::protocol::Command;

/// An index into the events of a history: a moment in its order.
pub(super) type Moment = usize;

/// The unit that a worker takes: a job's chunk.
pub(super) type Unit = (u64, u64);

/// A history and what follows from it.
#[derive(Debug)]
pub(super) struct Facts<'h> {
    /// The history itself.
    pub(super) history: &'h History,
    /// Every call, in order.
    pub(super) calls: Vec<Called<'h>>,
    /// Every body that began, by key.
    pub(super) lives: BTreeMap<Key, Life>,
    /// Jobs whose input is read as results are taken: when an item is handed to the pool is not seen.
    streamed: BTreeSet<u64>,
    /// The last thing that main or one of its threads did; after it the program is over.
    pub(super) last_step: Moment,
}

/// A call of main, of a thread, or of a body.
#[derive(Debug)]
pub(super) struct Called<'h> {
    pub(super) who: &'h Who,
    pub(super) at: Moment,
    pub(super) text: &'h str,
    pub(super) command: &'h Command,
    /// When it returned, and what.
    pub(super) returned: Option<(Moment, &'h Result<Value, Raised>)>,
    /// The tasks that it submitted.
    pub(super) submits: Vec<Key>,
}

/// The life of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) began: Moment,
    pub(super) worker: usize,
    pub(super) ended: Option<Moment>,
}

impl<'h> Facts<'h> {
    pub(super) fn of(history: &'h History) -> Facts<'h> {
        let mut facts = Facts {
            history,
            calls: Vec::new(),
            lives: BTreeMap::new(),
            streamed: BTreeSet::new(),
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
        let streams = facts.calls.iter().filter_map(Stream::of);
        facts.streamed = streams.filter_map(first).collect();
        facts
    }

    pub(super) fn events(&self) -> &'h [Event] {
        &self.history.events
    }

    /// The instant of a moment.
    pub(super) fn at(&self, moment: Moment) -> Time {
        self.history
            .events
            .get(moment)
            .map_or(Time(0), |event| event.at)
    }

    pub(super) fn task(&self, key: Key) -> Option<&'h TaskInfo> {
        task(self.history, key)
    }

    /// A task of a pool and the unit it belongs to; nothing for callbacks and bare processes, or where only
    /// the pool knows its chunks.
    pub(super) fn unit(&self, key: Key) -> Option<(&'h str, Unit)> {
        let task = self.task(key).filter(|task| !task.callback)?;
        Some((task.pool.as_deref()?, (task.job, task.chunk?)))
    }

    /// Whether a job's input is read as its results are taken.
    pub(super) fn is_streamed(&self, (job, _): Unit) -> bool {
        self.streamed.contains(&job)
    }

    /// The pool whose work a call made inside a task waits for, if that is the task's own: meanwhile the task lends
    /// its place.
    pub(super) fn lends(&self, key: Key, command: &Command) -> Option<&'h str> {
        let own = self.task(key).filter(|task| !task.callback)?;
        let own = own.pool.as_deref()?;
        let lends = match command {
            Command::Apply { pool, .. }
            | Command::Map { pool, .. }
            | Command::Starmap { pool, .. } => pool == own,
            Command::Get { handle, .. } | Command::Wait { handle, .. } => {
                self.job(handle).is_some_and(|job| job.pool == own)
            }
            Command::Next { iterator, .. } => {
                let mut streams = self.calls.iter().filter_map(Stream::of);
                streams.any(|stream| stream.iterator == iterator && stream.pool == own)
            }
            _ => false,
        };
        lends.then_some(own)
    }

    /// As people call it: `func(3)`.
    pub(super) fn name(&self, key: Key) -> String {
        self.task(key).map_or_else(|| format!("body {key}"), label)
    }

    /// Whether a body had ended by then.
    pub(super) fn ended_by(&self, key: Key, moment: Moment) -> bool {
        let ended = self.lives.get(&key).and_then(|life| life.ended);
        ended.is_some_and(|ended| ended < moment)
    }

    /// Whether a body had begun by then.
    pub(super) fn began_by(&self, key: Key, moment: Moment) -> bool {
        self.lives.get(&key).is_some_and(|life| life.began < moment)
    }

    /// When a pool was first told to stop, if it was.
    pub(super) fn stopped(&self, pool: &str) -> Option<Moment> {
        let stops = self.calls.iter().find(|call| match call.command {
            Command::Terminate { pool: stopped } | Command::Drop { pool: stopped } => {
                stopped == pool
            }
            _ => false,
        });
        stops.map(|call| call.at)
    }

    /// The job behind a handle.
    pub(super) fn job(&self, handle: &str) -> Option<Job<'_>> {
        self.calls
            .iter()
            .filter_map(Job::of)
            .find(|job| job.handle == handle)
    }
}

/// An asynchronous job.
#[derive(Debug)]
pub(super) struct Job<'f> {
    pub(super) pool: &'f str,
    pub(super) handle: &'f str,
    pub(super) keys: &'f [Key],
    pub(super) callback: Option<Key>,
    pub(super) error_callback: Option<Key>,
    /// Its value is the list of its tasks' values.
    pub(super) many: bool,
}

impl<'f> Job<'f> {
    /// The job that a call submitted.
    pub(super) fn of(call: &Called<'f>) -> Option<Job<'f>> {
        match call.command {
            Command::ApplyAsync {
                pool,
                key,
                handle,
                callback,
                error_callback,
            } => Some(Job {
                pool,
                handle,
                keys: std::slice::from_ref(key),
                callback: *callback,
                error_callback: *error_callback,
                many: false,
            }),
            Command::MapAsync {
                pool,
                keys,
                handle,
                callback,
                error_callback,
                ..
            }
            | Command::StarmapAsync {
                pool,
                keys,
                handle,
                callback,
                error_callback,
                ..
            } => Some(Job {
                pool,
                handle,
                keys,
                callback: *callback,
                error_callback: *error_callback,
                many: true,
            }),
            _ => None,
        }
    }
}

/// An `imap`.
#[derive(Debug)]
pub(super) struct Stream<'f> {
    pub(super) pool: &'f str,
    pub(super) iterator: &'f str,
    pub(super) keys: &'f [Key],
    /// Items per chunk.
    pub(super) chunksize: u64,
    pub(super) read_ahead: Option<u64>,
    pub(super) unordered: bool,
}

impl<'f> Stream<'f> {
    /// The `imap` that a call began; nothing where it was refused.
    pub(super) fn of(call: &Called<'f>) -> Option<Stream<'f>> {
        if matches!(call.returned, Some((_, Err(_)))) {
            return None;
        }
        let unordered = matches!(call.command, Command::ImapUnordered { .. });
        match call.command {
            Command::Imap {
                pool,
                keys,
                chunksize,
                read_ahead,
                iterator,
            }
            | Command::ImapUnordered {
                pool,
                keys,
                chunksize,
                read_ahead,
                iterator,
            } => Some(Stream {
                pool,
                iterator,
                keys,
                chunksize: chunksize.unwrap_or(1),
                read_ahead: *read_ahead,
                unordered,
            }),
            _ => None,
        }
    }
}

/// A task by its number.
pub(super) fn task(history: &History, key: Key) -> Option<&TaskInfo> {
    history.tasks.get(usize::try_from(key).ok()?)
}

/// A task as people call it: `func(3, 'a')`.
pub(super) fn label(task: &TaskInfo) -> String {
    task.to_string()
}
