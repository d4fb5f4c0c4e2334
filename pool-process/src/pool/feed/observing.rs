//! The observer of the pool is told of the units that workers have started and ended, and what they have run is counted.

use std::time::{Duration, Instant};

use pool_core::TaskEnd;

use crate::pool::remote_job::RemoteJob;
use crate::pool::stats::{Run, worker};
use crate::wire::Kind;

use super::Feed;
use super::books::{Ended, LaneId, Untold};
use super::lane::Lane;

impl Feed {
    /// A unit of this job has started.
    pub(crate) fn tell_started(&self, lane: LaneId, pid: u32, job: &dyn RemoteJob, unit: usize) {
        self.observed.tell(|observer| {
            observer.task_started(
                &worker(lane.slot, lane.serial, pid),
                &job.as_job().info(unit),
            );
        });
    }

    /// A unit has ended, by an answer that was read.
    pub(super) fn tell_ended(&self, ended: &mut Ended) {
        let untold = std::mem::replace(&mut ended.untold, Untold::Nothing);
        let (job, unit) = (&*ended.claim.job, ended.claim.unit.index());
        if untold == Untold::StartAndEnd {
            self.tell_started(ended.lane, ended.pid, job, unit);
        }
        if untold != Untold::Nothing {
            let (kind, took) = (ended.answer.kind, ended.took);
            self.tell_end(ended.lane, ended.pid, (job, unit), end_of(kind), took);
        }
    }

    /// A unit has ended.
    pub(super) fn tell_end(
        &self,
        lane: LaneId,
        pid: u32,
        (job, unit): (&dyn RemoteJob, usize),
        end: TaskEnd,
        took: Duration,
    ) {
        self.observed.tell(|observer| {
            observer.task_ended(
                &worker(lane.slot, lane.serial, pid),
                &job.as_job().info(unit),
                end,
                took,
            );
        });
    }

    /// The first units of a lane have ended with their worker.
    pub(super) fn tell_lost(&self, slot: usize, lane: &Lane, started: usize, end: TaskEnd) {
        let id = LaneId {
            slot,
            serial: lane.serial,
        };
        let took = lane.since.elapsed();
        for unit in lane.units.iter().take(started) {
            let (job, index) = (&*unit.claim.job, unit.claim.unit.index());
            self.count(slot, took);
            if unit.awaits_start {
                self.tell_started(id, lane.pid, job, index);
            }
            self.tell_end(id, lane.pid, (job, index), end, took);
        }
    }

    /// A unit has ended that went by the socket of a worker, and was told to have started.
    pub(crate) fn tell_ended_by_socket(
        &self,
        lane: LaneId,
        pid: u32,
        unit: (&dyn RemoteJob, usize),
        end: TaskEnd,
        since: Instant,
    ) {
        let took = since.elapsed();
        self.count(lane.slot, took);
        self.tell_end(lane, pid, unit, end, took);
    }

    fn count(&self, slot: usize, took: Duration) {
        self.lock().runs[slot].count(took);
    }

    /// What the workers of each slot have run until now.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let books = self.lock();
        let runs = books.runs.iter().zip(&books.lanes);
        let until_now = runs.map(|(run, lane)| {
            let lane = lane.as_ref().filter(|lane| !lane.units.is_empty());
            run.with(lane.map_or(Duration::ZERO, |lane| lane.since.elapsed()))
        });
        until_now.collect()
    }
}

/// How a task has ended that has this answer.
pub(crate) fn end_of(kind: Kind) -> TaskEnd {
    match kind {
        Kind::Done => TaskEnd::Done,
        Kind::Panicked => TaskEnd::Panicked,
        _ => TaskEnd::Failed,
    }
}
