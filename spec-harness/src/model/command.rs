//! What the commands of the protocol hand to the model's pools.

use super::pool::Work;
use crate::case::ast::Time;
use crate::history::Key;
use crate::protocol::Command;

/// The pool, the work and the handle of a command that submits something.
pub(super) fn submission(command: &Command) -> Option<(&String, Work, Option<&String>)> {
    let plain = |keys: &[Key], many: bool, chunksize: Option<u64>, args: u32| Work {
        keys: keys.to_vec(),
        args,
        many,
        settled: false,
        chunksize,
        callback: None,
        error_callback: None,
    };
    // O8: the items are there already.
    let one = |key: &Key| plain(&[*key], false, None, 1);
    let map = |keys: &[Key], chunksize: &Option<u64>| plain(keys, true, *chunksize, 1);
    let starmap = |keys: &[Key], chunksize: &Option<u64>| plain(keys, true, *chunksize, 2);
    Some(match command {
        Command::Apply { pool, key } => (pool, one(key), None),
        Command::ApplyAsync {
            pool,
            key,
            handle,
            callback,
            error_callback,
            timeout: _,
        } => {
            let work = Work {
                callback: *callback,
                error_callback: *error_callback,
                ..one(key)
            };
            (pool, work, Some(handle))
        }
        Command::Map {
            pool,
            keys,
            chunksize,
        } => (pool, map(keys, chunksize), None),
        Command::Starmap {
            pool,
            keys,
            chunksize,
        } => (pool, starmap(keys, chunksize), None),
        Command::MapAsync {
            pool,
            keys,
            chunksize,
            handle,
            callback,
            error_callback,
            timeout: _,
        } => {
            let work = Work {
                callback: *callback,
                error_callback: *error_callback,
                ..map(keys, chunksize)
            };
            (pool, work, Some(handle))
        }
        Command::StarmapAsync {
            pool,
            keys,
            chunksize,
            handle,
            callback,
            error_callback,
            timeout: _,
        } => {
            let work = Work {
                callback: *callback,
                error_callback: *error_callback,
                ..starmap(keys, chunksize)
            };
            (pool, work, Some(handle))
        }
        _ => return None,
    })
}

/// An `imap` as a program asks for it.
#[derive(Debug)]
pub(super) struct Wish<'c> {
    pub(super) pool: &'c String,
    pub(super) iterator: &'c String,
    pub(super) keys: &'c [Key],
    pub(super) chunksize: Option<u64>,
    pub(super) read_ahead: Option<u64>,
    pub(super) unordered: bool,
    pub(super) endless: bool,
}

impl<'c> Wish<'c> {
    pub(super) fn of(command: &'c Command) -> Option<Wish<'c>> {
        let unordered = matches!(command, Command::ImapUnordered { .. });
        match command {
            Command::Imap {
                pool,
                keys,
                chunksize,
                read_ahead,
                endless,
                iterator,
            }
            | Command::ImapUnordered {
                pool,
                keys,
                chunksize,
                read_ahead,
                endless,
                iterator,
            } => Some(Wish {
                pool,
                iterator,
                keys,
                chunksize: *chunksize,
                read_ahead: *read_ahead,
                unordered,
                endless: *endless,
            }),
            _ => None,
        }
    }
}

/// How long a call may take.
pub(crate) fn limit(command: &Command) -> Option<Time> {
    match command {
        Command::ApplyAsync { timeout, .. }
        | Command::MapAsync { timeout, .. }
        | Command::StarmapAsync { timeout, .. }
        | Command::Next { timeout, .. }
        | Command::Get { timeout, .. }
        | Command::Wait { timeout, .. }
        | Command::Join { timeout, .. }
        | Command::JoinProcess { timeout, .. } => timeout.and_then(Time::from_units),
        _ => None,
    }
}

/// The pool in whose own method the caller waits; for a handle's, no pool is needed.
pub(super) fn held(command: &Command) -> Option<&String> {
    match command {
        Command::Apply { pool, .. }
        | Command::Map { pool, .. }
        | Command::Starmap { pool, .. }
        | Command::Join { pool, .. } => Some(pool),
        _ => None,
    }
}
