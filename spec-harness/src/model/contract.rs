//! The contract's pool: the reference that every pool is held against.

mod jobs;
mod stream;

use std::collections::BTreeMap;

use super::pool::{Asked, Begin, End, IterId, JobId, Outcome, Pool, Work};
use super::{Choices, raised};
use crate::case::ast::{Kind, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised};
use crate::interp::Caller;
use crate::protocol;
use jobs::Jobs;
use stream::Stream;

/// A pool that does what the contract says, and nothing else.
#[derive(Debug)]
pub(super) struct Contract {
    jobs: Jobs,
    streams: Vec<Stream>,
}

impl Contract {
    pub(super) fn new(kind: Kind, asked: &Asked, choices: Choices) -> Result<Contract, Raised> {
        let jobs = Jobs::new(kind, asked, choices)?;
        let streams = Vec::new();
        Ok(Contract { jobs, streams })
    }
}

impl Pool for Contract {
    fn accepts(&self) -> Result<(), Raised> {
        self.jobs.accepts()
    }

    fn has_place(&self, work: &Work, waits: bool) -> bool {
        self.jobs.has_place(work, waits)
    }

    fn is_overfull(&self) -> bool {
        self.jobs.is_overfull()
    }

    fn submit(&mut self, work: Work) -> Result<JobId, Raised> {
        self.jobs.submit(work)
    }

    fn outcome(&self, job: JobId) -> Option<&Outcome> {
        self.jobs.outcome(job)
    }

    fn done(&self, job: JobId) -> Option<usize> {
        self.jobs.done(job)
    }

    fn imap(&mut self, wish: &protocol::Stream<'_>) -> Result<IterId, Raised> {
        self.streams.push(Stream::new(wish, &mut self.jobs)?);
        Ok(self.streams.len() - 1)
    }

    fn asked(&mut self, iterator: IterId) {
        self.streams[iterator].asked(&mut self.jobs);
    }

    fn advance(&mut self, iterator: IterId) {
        self.streams[iterator].advance(&self.jobs);
    }

    fn next(&self, iterator: IterId) -> Option<Outcome> {
        self.streams[iterator].next()
    }

    fn came(&self, iterator: IterId) -> usize {
        self.streams[iterator].came()
    }

    fn taken(&mut self, iterator: IterId) {
        self.streams[iterator].taken();
    }

    fn ran_dry(&mut self) -> bool {
        self.streams.iter_mut().any(Stream::ran_dry)
    }

    fn close(&mut self) {
        self.jobs.close();
    }

    fn terminate(&mut self, _by: Caller) -> Vec<Key> {
        for stream in &mut self.streams {
            stream.stop();
        }
        self.jobs.terminate()
    }

    /// It returns at once.
    fn terminated(&self, _by: Caller) -> Option<Outcome> {
        Some(Ok(Value::None))
    }

    fn has_grace(&self) -> bool {
        self.jobs.has_grace()
    }

    fn kill(&mut self) -> Vec<Key> {
        self.jobs.kill()
    }

    fn join(&mut self, by: Caller) -> Result<(), Raised> {
        self.jobs.join()?;
        // L8: it would wait for itself.
        if matches!(by, Caller::Body(key) if self.bodies().contains(&key)) {
            return Err(raised("WouldDeadlock", "call would wait for itself"));
        }
        for stream in &mut self.streams {
            stream.read_all(&mut self.jobs);
        }
        Ok(())
    }

    fn joined(&self, _by: Caller) -> Option<Outcome> {
        self.is_gone().then_some(Ok(Value::None))
    }

    /// L4: also what an imap has still to read keeps a pool.
    fn is_gone(&self) -> bool {
        self.jobs.is_gone() && !self.streams.iter().any(Stream::is_open)
    }

    fn begin(&mut self, waits: &BTreeMap<Key, Option<usize>>, next: &mut Key) -> Vec<Begin> {
        let more = self.streams.iter().any(Stream::is_open);
        self.jobs.begin(waits, more, next)
    }

    fn pauses(&mut self) -> Vec<Time> {
        self.jobs.pauses()
    }

    fn pause_over(&mut self) {
        self.jobs.pause_over();
    }

    fn ended(&mut self, key: Key, end: &End) -> bool {
        self.jobs.ended(key, end)
    }

    fn kill_worker(&mut self, key: Key) -> Option<Key> {
        self.jobs.kill_worker(key)
    }

    fn deafen(&mut self, key: Key) -> bool {
        self.jobs.deafen(key)
    }

    fn stopped(&mut self, key: Key) {
        self.jobs.stopped(key);
    }

    fn bodies(&self) -> Vec<Key> {
        self.jobs.bodies()
    }

    fn is_calling(&self, key: Key) -> bool {
        self.jobs.is_calling(key)
    }

    fn can_go_on(&self, key: Key) -> bool {
        self.jobs.is_innermost(key)
    }

    fn waits_for_itself(&self, key: Key, job: JobId) -> bool {
        self.jobs.waits_for_itself(key, job)
    }

    fn race(&self) -> Option<&'static str> {
        self.jobs.race()
    }
}
