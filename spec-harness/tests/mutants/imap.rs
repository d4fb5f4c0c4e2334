//! The pool's `imap`: input that is read as results are taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use pool_core::backend::Armed;
use spec_harness::adapter::Answer;
use spec_harness::protocol::{self, ErrorReply, Limits};

use crate::flaws::Flaw;
use crate::pool::{Pool, State, Work, error, retries_of_chunks, terminated};

/// The input of one `imap`, and the results that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    unread: VecDeque<Vec<u64>>,
    /// After the last of them the input goes on, and gives nothing.
    endless: bool,
    /// Jobs in the pool, or done and not yet taken.
    sent: Vec<usize>,
    /// Results of the chunk that is being taken.
    ready: VecDeque<Answer>,
    read_ahead: usize,
    unordered: bool,
    cut_short: bool,
    ended: bool,
    told: bool,
    given: usize,
    /// Its number among what was handed in.
    pub(crate) turn: u64,
    /// What each of its chunks has.
    limits: Limits,
    expiry: Option<Armed>,
    /// Why it ends early, and whether its input had not ended before.
    early: Option<(ErrorReply, bool)>,
}

impl Stream {
    /// Whether there is input that was not read.
    pub(crate) fn is_open(&self) -> bool {
        self.endless || !self.unread.is_empty()
    }

    /// Nothing more is read.
    pub(crate) fn stop(&mut self) {
        self.cut_short |= self.is_open();
        self.unread.clear();
        self.endless = false;
    }

    /// What has come is no longer there.
    pub(crate) fn forget(&mut self) {
        self.cut_short |= !self.sent.is_empty();
        self.sent.clear();
        self.ready.clear();
    }
}

impl Pool {
    pub(crate) fn imap(
        self: &Arc<Pool>,
        wish: &protocol::Stream<'_>,
        turn: u64,
    ) -> Result<usize, ErrorReply> {
        let expiry = self.arm_expiry(wish.limits, turn);
        let mut state = self.lock();
        self.accepts(&state, wish.keys.is_empty())?;
        let chunksize = match wish.chunksize {
            Some(0) if self.has(Flaw::ChunksOfNothing) => 1,
            Some(0) => return Err(error("InvalidChunksize", "a chunk has at least one item")),
            _ if self.has(Flaw::ImapChunksIgnored) => 1,
            size => size
                .and_then(|size| usize::try_from(size).ok())
                .unwrap_or(1),
        };
        if chunksize > 1 && wish.limits.retries.unwrap_or_default() > 0 {
            return Err(retries_of_chunks());
        }
        if wish.read_ahead == Some(0) {
            let text = "an imap reads at least one chunk ahead";
            return Err(error("InvalidReadAhead", text));
        }
        let bound = wish
            .read_ahead
            .map(|chunks| usize::try_from(chunks).unwrap_or(usize::MAX));
        let unordered = match self.nature.flaw {
            Some(Flaw::ImapUnordered) => true,
            Some(Flaw::ImapInOrderOnly) => false,
            _ => wish.unordered,
        };
        let stream = Stream {
            unread: wish.keys.chunks(chunksize).map(<[u64]>::to_vec).collect(),
            read_ahead: match bound {
                _ if self.has(Flaw::ImapReadsEverything) => usize::MAX,
                Some(chunks) => chunks,
                None => 4 * self.size,
            },
            unordered,
            endless: wish.endless,
            turn,
            limits: Limits {
                expiry: None,
                ..wish.limits.clone()
            },
            expiry,
            ..Stream::default()
        };
        let id = state.streams.len();
        let wanted = stream.read_ahead;
        state.streams.push(stream);
        if let Some(why) = state.early.remove(&turn) {
            self.end_stream(&mut state, id, &why);
        }
        self.read(&mut state, id, wanted);
        Ok(id)
    }

    /// Sends chunks until so many are on their way.
    fn read(&self, state: &mut State, id: usize, wanted: usize) {
        while state.streams[id].sent.len() < wanted
            && let Some(keys) = state.streams[id].unread.pop_front()
        {
            let work = Work {
                chunksize: Some(keys.len() as u64),
                keys,
                many: true,
                of_imap: true,
                limits: state.streams[id].limits.clone(),
                ..Work::default()
            };
            match self.let_in(state, work) {
                Ok(job) => state.streams[id].sent.push(job),
                Err(_) => state.streams[id].cut_short = true,
            }
        }
    }

    /// Ends an imap early: it gives what has come, then why.
    pub(crate) fn end_stream(
        self: &Arc<Pool>,
        state: &mut State,
        id: usize,
        why: &ErrorReply,
    ) -> bool {
        let stream = &mut state.streams[id];
        if stream.early.is_some() || stream.cut_short {
            return false;
        }
        stream.early = Some((why.clone(), stream.is_open()));
        stream.expiry = None;
        stream.unread.clear();
        stream.endless = false;
        for job in stream.sent.clone().into_iter().rev() {
            self.end_early(state, job, why);
        }
        if self.has(Flaw::CancelForgetsResults) {
            state.streams[id].forget();
        }
        self.tell();
        true
    }

    /// Who joins a closed pool reads what is left.
    pub(crate) fn read_all(&self, state: &mut State) {
        for id in 0..state.streams.len() {
            self.read(state, id, usize::MAX);
        }
        self.tell();
    }

    pub(crate) fn next_result(self: &Arc<Pool>, id: usize, limit: Option<Duration>) -> Answer {
        let mut asked = false;
        let next = self.wait(limit, |state| {
            let wanted = state.streams[id].read_ahead;
            if !std::mem::replace(&mut asked, true) && state.streams[id].ready.is_empty() {
                self.read(state, id, wanted);
            }
            self.advance(state, id);
            let stream = &mut state.streams[id];
            if stream.given == 2
                && self.has(Flaw::ImapSkipsOne)
                && stream.ready.pop_front().is_some()
            {
                stream.given += 1;
            }
            self.advance(state, id);
            let stream = &mut state.streams[id];
            if let Some(answer) = stream.ready.pop_front() {
                stream.given += 1;
                let stops = answer.is_err() && self.has(Flaw::ImapStopsAtAnError);
                stream.ended |= stops;
                if stops {
                    stream.ready.clear();
                }
                return Some(answer);
            }
            if stream.ended && !(self.has(Flaw::ImapEndsOnce) && stream.told) {
                stream.told = true;
                return Some(Err(error("StopIteration", "there is no further result")));
            }
            None
        });
        next.unwrap_or_else(|| {
            if self.has(Flaw::NextTimeoutLosesOne) {
                let mut state = self.lock();
                let stream = &mut state.streams[id];
                if !stream.sent.is_empty() {
                    stream.sent.remove(0);
                }
            }
            Err(error("TimedOut", "the next result was not there in time"))
        })
    }

    /// Takes in what has come, for one who waits.
    fn advance(&self, state: &mut State, id: usize) {
        let State { jobs, streams, .. } = state;
        let stream = &mut streams[id];
        while stream.ready.is_empty() && !stream.ended {
            let done = |job: &usize| jobs[*job].ready.then_some(jobs[*job].decided);
            let all = stream.sent.iter().all(|job| done(job).is_some()) && !stream.is_open();
            let place = if self.has(Flaw::ImapWaitsForAll) && !all {
                None
            } else if stream.unordered {
                let places = stream.sent.iter().enumerate();
                let places = places.filter_map(|(place, job)| Some((done(job)?, place)));
                places.min().map(|(_, place)| place)
            } else {
                stream.sent.first().and_then(done).map(|_| 0)
            };
            let Some(place) = place else {
                if stream.sent.is_empty() && !stream.is_open() {
                    stream.ended = true;
                    stream.expiry = None;
                    let early = stream.early.as_ref().filter(|(_, cut)| *cut);
                    let early = early.map(|(why, _)| Err(why.clone()));
                    let terminated = stream.cut_short.then(|| Err(terminated()));
                    stream.ready.extend(early.or(terminated));
                }
                return;
            };
            let job = &jobs[stream.sent.remove(place)];
            let early = stream.early.as_ref().map(|(why, _)| why);
            match &job.outcome {
                Some(Err(error)) if error.kind == "Terminated" || early == Some(error) => {
                    stream.ended = true;
                    stream.ready.push_back(Err(error.clone()));
                }
                Some(Err(error)) => {
                    stream
                        .ready
                        .extend(job.ends.iter().map(|_| Err(error.clone())));
                }
                _ => {
                    let ends = job.ends.iter().flatten();
                    stream.ready.extend(ends.cloned());
                }
            }
        }
    }
}
