//! What a pool is handed by a command, whichever of them it is.

use std::slice;

use crate::case::ast::Time;
use crate::case::call::{Call, ImapOptions, Limits, MapAsyncOptions, MapOptions, Plain, Visit};

/// A call or a map: what `apply`, `map`, `starmap` and their asynchronous forms hand in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job<'c> {
    /// The pool.
    pub pool: &'c str,
    /// Its puppets.
    pub tasks: Tasks<'c>,
    /// When it ends early, and how often it is tried again.
    pub limits: &'c Limits,
    /// What is to follow, where the call does not wait for the value.
    pub later: Option<Later<'c>>,
}

/// The puppets of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks<'c> {
    /// The one of a call.
    One(&'c u64),
    /// Those of a map, whose value is the list of theirs.
    Many {
        /// One for each item, in order.
        keys: &'c [u64],
        /// Items per chunk; `None` is the pool's own choice.
        chunksize: Option<u64>,
        /// Whether each item is a tuple of two, the key first, and is unpacked.
        star: bool,
    },
}

/// What follows a job that nobody waits for yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Later<'c> {
    /// Name of its handle.
    pub handle: &'c str,
    /// The puppet that is the callback.
    pub callback: Option<u64>,
    /// The puppet that is the error callback.
    pub error_callback: Option<u64>,
    /// How long to wait for a place in the queue; `None` is until there is one.
    pub timeout: Option<f64>,
}

/// What `imap` and `imap_unordered` hand in, as their results are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stream<'c> {
    /// The pool.
    pub pool: &'c str,
    /// Name of the iterator.
    pub iterator: &'c str,
    /// The puppets, one for each item, in order.
    pub keys: &'c [u64],
    /// Items per chunk; `None` is the pool's own choice.
    pub chunksize: Option<u64>,
    /// Chunks that may be in the pool, or done and not yet taken; `None` is the pool's own choice.
    pub read_ahead: Option<u64>,
    /// The input does not end with the keys: who reads further waits for ever.
    pub endless: bool,
    /// Whether results are taken in the order of completion.
    pub unordered: bool,
    /// When it ends early, and how often its tasks are tried again.
    pub limits: &'c Limits,
}

impl<'c> Tasks<'c> {
    /// The puppets, in order.
    pub fn keys(self) -> &'c [u64] {
        match self {
            Tasks::One(key) => slice::from_ref(key),
            Tasks::Many { keys, .. } => keys,
        }
    }
}

impl Call {
    /// How long the call may take; `None` as long as it takes.
    pub fn limit(&self) -> Option<Time> {
        let mut limit = Limit(None);
        self.visit(&mut limit);
        limit.0
    }

    /// Has the call take at most so many seconds, where it is one that can.
    pub fn set_limit(&mut self, seconds: Option<f64>) {
        if let Some(timeout) = self.timeout_mut() {
            *timeout = seconds;
        }
    }

    /// The call or the map that it hands in.
    pub fn job(&self) -> Option<Job<'_>> {
        let star = matches!(self, Call::Starmap(_) | Call::StarmapAsync(_));
        let many = |keys, chunksize| Tasks::Many {
            keys,
            chunksize,
            star,
        };
        let (pool, tasks, limits, later) = match self {
            Call::Apply { pool, key, limits } => (pool, Tasks::One(key), limits, None),
            Call::ApplyAsync {
                pool,
                key,
                handle,
                callback,
                error_callback,
                timeout,
                limits,
            } => {
                let later = later(handle, callback, error_callback, timeout);
                (pool, Tasks::One(key), limits, Some(later))
            }
            Call::Map(map) | Call::Starmap(map) => {
                let MapOptions {
                    pool,
                    keys,
                    chunksize,
                    limits,
                } = map;
                (pool, many(keys, *chunksize), limits, None)
            }
            Call::MapAsync(map) | Call::StarmapAsync(map) => {
                let MapAsyncOptions {
                    pool,
                    keys,
                    chunksize,
                    handle,
                    callback,
                    error_callback,
                    timeout,
                    limits,
                } = map;
                let later = later(handle, callback, error_callback, timeout);
                (pool, many(keys, *chunksize), limits, Some(later))
            }
            _ => return None,
        };
        Some(Job {
            pool,
            tasks,
            limits,
            later,
        })
    }

    /// The `imap` that it begins.
    pub fn stream(&self) -> Option<Stream<'_>> {
        let (imap, unordered) = match self {
            Call::Imap(imap) => (imap, false),
            Call::ImapUnordered(imap) => (imap, true),
            _ => return None,
        };
        let ImapOptions {
            pool,
            keys,
            chunksize,
            read_ahead,
            endless,
            iterator,
            limits,
        } = imap;
        Some(Stream {
            pool,
            iterator,
            keys,
            chunksize: *chunksize,
            read_ahead: *read_ahead,
            endless: *endless,
            unordered,
            limits,
        })
    }
}

fn later<'c>(
    handle: &'c str,
    callback: &Option<u64>,
    error_callback: &Option<u64>,
    timeout: &Option<f64>,
) -> Later<'c> {
    Later {
        handle,
        callback: *callback,
        error_callback: *error_callback,
        timeout: *timeout,
    }
}

/// The timeout of a call.
struct Limit(Option<Time>);

impl Visit<Plain> for Limit {
    fn time(&mut self, name: &'static str, time: &Option<f64>) {
        if name == "timeout" {
            self.0 = time.and_then(Time::from_units);
        }
    }
}
