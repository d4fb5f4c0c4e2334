//! What an `imap` does: it reads its input as results are taken, and gives each at its place.

use std::collections::VecDeque;

use super::Pool;
use super::jobs::terminated;
use crate::case::ast::Time;
use crate::history::{Key, Raised};
use crate::model::work::{Early, IterId, JobId, Limits, Outcome, Work};
use crate::model::{raised, saturating};
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
    /// The pool was terminated before the input had been read.
    cut_short: bool,
    ended: bool,
    limits: Limits,
    /// X2, X5: why it ends early, and whether its input had not ended before.
    early: Option<(Early, bool)>,
}

impl Pool {
    /// Takes an input in that is read bit by bit. O10: at first, as much is read as may wait.
    pub(in crate::model) fn imap(
        &mut self,
        wish: &protocol::Stream<'_>,
        is_cancelled: bool,
    ) -> Result<IterId, Raised> {
        // L2
        self.accepts()?;
        // O2, O3
        let chunksize = saturating(wish.chunksize.unwrap_or(1));
        if chunksize == 0 {
            return Err(raised("InvalidChunksize", "chunk size must be at least 1"));
        }
        let limits = Limits::from(wish.limits);
        limits.chunksize(Some(chunksize as u64))?;
        let read_ahead = wish.read_ahead.map_or(4 * self.workers.size, saturating);
        if read_ahead == 0 {
            return Err(raised("InvalidReadAhead", "read-ahead must be at least 1"));
        }
        let iterator = self.streams.len();
        self.streams.push(Stream {
            unread: wish.keys.chunks(chunksize).map(<[Key]>::to_vec).collect(),
            sent: Vec::new(),
            ready: VecDeque::new(),
            came: 0,
            read_ahead,
            unordered: wish.unordered,
            endless: wish.endless,
            cut_short: false,
            ended: false,
            limits,
            early: None,
        });
        if is_cancelled {
            let stream = &mut self.streams[iterator];
            stream.early = Some((Early::Cancelled, true));
            stream.unread.clear();
            stream.endless = false;
        }
        self.read(iterator, read_ahead);
        Ok(iterator)
    }

    /// Sends chunks until so many are on their way.
    pub(super) fn read(&mut self, iterator: IterId, wanted: usize) {
        while self.streams[iterator].sent.len() < wanted {
            let stream = &mut self.streams[iterator];
            let Some(keys) = stream.unread.pop_front() else {
                return;
            };
            let work = Work::imap_chunk(keys, &stream.limits);
            let sent = self.submit_imap_chunk(work);
            let stream = &mut self.streams[iterator];
            match sent {
                Ok(job) => stream.sent.push(job),
                Err(_) => stream.cut_short = true,
            }
        }
    }

    /// Somebody asks an iterator for its next result: where none is at hand, more is read.
    pub(in crate::model) fn asked(&mut self, iterator: IterId) {
        let stream = &self.streams[iterator];
        if stream.ready.is_empty() && !stream.ended {
            self.read(iterator, stream.read_ahead);
        }
    }

    /// Lets an iterator take in what has come, for one who waits.
    pub(in crate::model) fn advance(&mut self, iterator: IterId) {
        while self.streams[iterator].ready.is_empty() && !self.streams[iterator].ended {
            let next = self.next_done(iterator);
            let stream = &mut self.streams[iterator];
            let Some(place) = next else {
                if stream.sent.is_empty() && !stream.is_open() {
                    stream.ended = true;
                    let early = stream.early.filter(|(_, cut)| *cut);
                    let early = early.map(|(why, _)| Err(why.error(false)));
                    let terminated = stream.cut_short.then(terminated);
                    stream.ready.extend(early.or(terminated));
                }
                return;
            };
            let chunk = stream.sent.remove(place);
            let (came, ends) = (self.done(chunk), self.ends(chunk));
            let stream = &mut self.streams[iterator];
            stream.came = came.unwrap_or_default();
            let is_last = |end: &&Outcome| {
                let early = |error: &Raised| stream.early.is_some() && Early::is(error);
                **end == terminated() || end.as_ref().is_err_and(early)
            };
            match ends.iter().find(is_last) {
                // O12: once, then the end.
                Some(last) => {
                    stream.ended = true;
                    stream.ready.push_back(last.clone());
                }
                None => stream.ready.extend(ends),
            }
        }
    }

    /// X2, X5: ends an imap early: it is read no further, and what is in the pool ends, the last first.
    pub(in crate::model) fn end_imap(&mut self, iterator: IterId, why: Early) -> (bool, Vec<Key>) {
        let stream = &mut self.streams[iterator];
        if stream.early.is_some() || stream.cut_short {
            return (false, Vec::new());
        }
        stream.early = Some((why, stream.is_open()));
        stream.unread.clear();
        stream.endless = false;
        let sent = stream.sent.clone();
        (true, self.end_early(&sent, why).1)
    }

    /// O9: the chunk that was sent first, or that was done first, where it is done.
    fn next_done(&self, iterator: IterId) -> Option<usize> {
        let Stream {
            sent, unordered, ..
        } = &self.streams[iterator];
        if !unordered {
            return self.done(*sent.first()?).map(|_| 0);
        }
        let done = sent.iter().enumerate();
        let done = done.filter_map(|(place, job)| Some((self.done(*job)?, place)));
        done.min().map(|(_, place)| place)
    }
}

impl Stream {
    /// X2: how long it may take, unless all of it was taken.
    pub(super) fn expiry(&self) -> Option<Time> {
        let goes_on = self.early.is_none() && !self.cut_short && !self.ended;
        self.limits.expiry.filter(|_| goes_on)
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.limits.token.as_deref()
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
