//! Jobs end early: what has not started is taken back, and workers that run a part of one are to be stopped.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pool_core::backend::{Claim, TaskId};

use crate::pool::remote_job::RemoteJob;

use super::Feed;

impl Feed {
    /// Takes back the units of jobs that are not wanted any more, where they have not started.
    pub(crate) fn withdraw(&self) -> Vec<Claim<dyn RemoteJob>> {
        let (unwanted, gives_back) = {
            let books = &mut *self.lock();
            if books.terminated {
                return Vec::new();
            }
            books.take_back_unwanted(&self.queue)
        };
        if gives_back || !unwanted.is_empty() {
            self.inbox.wake();
        }
        unwanted
    }

    /// A unit was lost with its worker, or has failed, and is tried again after a pause.
    pub(crate) fn try_again(&self, claim: Claim<dyn RemoteJob>, pause: Duration) {
        let (inbox, has_come_back) = (self.inbox.clone(), self.has_come_back.clone());
        let wake = move || {
            has_come_back.store(true, Ordering::Release);
            inbox.wake();
        };
        self.queue.try_again(claim, pause, &self.timers, wake);
    }

    /// Workers that run a unit of this job, or this unit of it, get no other one: they are to be stopped.
    pub(crate) fn stop_units(&self, job: TaskId, unit: Option<usize>) {
        self.lock().stop(&self.queue, job, unit);
    }

    /// Whether a worker is to be stopped. Where what it ran has ended meanwhile, it goes on.
    pub(crate) fn must_stop(&self, slot: usize) -> bool {
        let mut books = self.lock();
        let Some(lane) = &mut books.lanes[slot] else {
            return false;
        };
        lane.is_stopping &= !lane.units.is_empty();
        lane.is_stopping
    }
}
