//! What an `imap` does: it reads its input as results are taken, and gives each at its place.

use std::collections::VecDeque;

use super::jobs::Jobs;
use crate::history::{Key, Raised};
use crate::model::pool::{JobId, Outcome, Work};
use crate::model::raised;
use crate::protocol;

/// The input of one `imap`, and the results that are on their way.
#[derive(Debug)]
pub(super) struct Stream {
    /// Chunks that were not read yet, in order.
    unread: VecDeque<Vec<Key>>,
    /// Chunks in the pool, or done and not yet taken, in order.
    sent: Vec<JobId>,
    /// Results of the chunk that is being taken.
    ready: VecDeque<Outcome>,
    /// The place of that chunk in the order in which jobs were decided.
    came: usize,
    read_ahead: usize,
    unordered: bool,
    /// The input does not end where the items do.
    endless: bool,
    /// It was read further than the case has items.
    ran_dry: bool,
    /// The pool was terminated before the input had been read.
    cut_short: bool,
    ended: bool,
}

impl Stream {
    /// O10: at first, as much is read as may wait.
    pub(super) fn new(wish: &protocol::Stream<'_>, pool: &mut Jobs) -> Result<Stream, Raised> {
        // L2
        pool.accepts()?;
        // O2, O3
        let chunksize = wish.chunksize.unwrap_or(1);
        if chunksize == 0 {
            return Err(raised("InvalidChunksize", "chunk size must be at least 1"));
        }
        if wish.read_ahead == Some(0) {
            return Err(raised("InvalidReadAhead", "read-ahead must be at least 1"));
        }
        let chunksize = usize::try_from(chunksize).unwrap_or(usize::MAX);
        let read_ahead = wish.read_ahead.map_or(4 * pool.size(), |chunks| {
            usize::try_from(chunks).unwrap_or(usize::MAX)
        });
        let mut stream = Stream {
            unread: wish.keys.chunks(chunksize).map(<[Key]>::to_vec).collect(),
            sent: Vec::new(),
            ready: VecDeque::new(),
            came: 0,
            read_ahead,
            unordered: wish.unordered,
            endless: wish.endless,
            ran_dry: false,
            cut_short: false,
            ended: false,
        };
        stream.read(pool, read_ahead);
        Ok(stream)
    }

    /// Sends chunks until so many are on their way.
    fn read(&mut self, pool: &mut Jobs, wanted: usize) {
        while self.sent.len() < wanted {
            let Some(keys) = self.unread.pop_front() else {
                self.ran_dry |= self.endless && !self.cut_short;
                return;
            };
            match pool.submit_settled(Work::settled(keys)) {
                Ok(job) => self.sent.push(job),
                Err(_) => self.cut_short = true,
            }
        }
    }

    /// O10: who joins a closed pool reads what is left.
    pub(super) fn read_all(&mut self, pool: &mut Jobs) {
        self.read(pool, usize::MAX);
    }

    /// O12: nothing more is read.
    pub(super) fn stop(&mut self) {
        self.cut_short |= self.is_open();
        self.unread.clear();
    }

    /// Whether there is input that was not read.
    pub(super) fn is_open(&self) -> bool {
        !self.unread.is_empty() || self.endless && !self.cut_short
    }

    /// Whether more was read of an endless input than the case has items for; said once.
    pub(super) fn ran_dry(&mut self) -> bool {
        std::mem::take(&mut self.ran_dry)
    }

    /// Somebody asks for the next result: where none is at hand, more is read.
    pub(super) fn asked(&mut self, pool: &mut Jobs) {
        if self.ready.is_empty() && !self.ended {
            self.read(pool, self.read_ahead);
        }
    }

    /// Takes in what has come, for one who waits.
    pub(super) fn advance(&mut self, pool: &Jobs) {
        while self.ready.is_empty() && !self.ended {
            let Some(place) = self.next_done(pool) else {
                if self.sent.is_empty() && !self.is_open() {
                    self.ended = true;
                    self.ready.extend(self.cut_short.then(terminated));
                }
                return;
            };
            let chunk = self.sent.remove(place);
            self.came = pool.done(chunk).unwrap_or_default();
            let ends = pool.ends(chunk);
            if ends.iter().any(|end| *end == terminated()) {
                // O12: once, then the end.
                self.ended = true;
                self.ready.push_back(terminated());
            } else {
                self.ready.extend(ends);
            }
        }
    }

    /// O9: the chunk that was sent first, or that was done first, where it is done.
    fn next_done(&self, pool: &Jobs) -> Option<usize> {
        if !self.unordered {
            return pool.done(*self.sent.first()?).map(|_| 0);
        }
        let done = self.sent.iter().enumerate();
        let done = done.filter_map(|(place, job)| Some((pool.done(*job)?, place)));
        done.min().map(|(_, place)| place)
    }

    /// The result that is to be given, if there is one.
    pub(super) fn next(&self) -> Option<Outcome> {
        let end = || Err(raised("StopIteration", "there is no further result"));
        let ready = self.ready.front().cloned();
        ready.or_else(|| self.ended.then(end))
    }

    /// The place of the chunk that it is of in the order in which jobs were decided.
    pub(super) fn came(&self) -> usize {
        self.came
    }

    /// The result was given.
    pub(super) fn taken(&mut self) {
        self.ready.pop_front();
    }
}

fn terminated() -> Outcome {
    Err(raised(
        "Terminated",
        "pool was terminated before the task had finished",
    ))
}
