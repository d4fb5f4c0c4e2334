//! Jobs end early: what has not started is taken back, and workers that run a part of one are to be stopped.

use std::time::Duration;

use pool_core::Timers;
use pool_core::backend::{Claim, TaskId};

use crate::pool::inbox::Order;
use crate::pool::remote_job::RemoteJob;

use super::Feed;
use super::books::{Paused, is_unwanted};

impl Feed {
    /// Takes back the units of jobs that are not wanted any more, where they have not started.
    pub(crate) fn withdraw(&self) -> Vec<Claim<dyn RemoteJob>> {
        let mut paused = Vec::new();
        let (mut unwanted, gives_back) = {
            let books = &mut *self.lock();
            if books.terminated {
                return Vec::new();
            }
            let is_paused = |paused: &mut Paused| is_unwanted(&paused.claim);
            paused.extend(books.paused.extract_if(.., is_paused));
            books.take_back_unwanted(&self.queue)
        };
        unwanted.extend(paused.into_iter().map(|paused| paused.claim));
        if gives_back || !unwanted.is_empty() {
            self.inbox.wake();
        }
        unwanted
    }

    /// A unit was lost with its worker, and is tried again after a pause.
    pub(crate) fn try_again(&self, claim: Claim<dyn RemoteJob>, pause: Duration, timers: &Timers) {
        let mut books = self.lock();
        // Who cancels it has looked for it before, or finds it here.
        if pause.is_zero() || books.terminated || is_unwanted(&claim) {
            drop(books);
            self.queue.put_back_unsent(claim);
            return;
        }
        books.pauses += 1;
        let number = books.pauses;
        books.paused.push(Paused {
            number,
            claim,
            timer: None,
        });
        drop(books);
        let inbox = self.inbox.clone();
        let over = Box::new(move || inbox.tell(Order::Again { number }));
        let timer = timers.arm(pause, over);
        let mut books = self.lock();
        let mut all = books.paused.iter_mut();
        match all.find(|paused| paused.number == number) {
            Some(paused) => paused.timer = Some(timer),
            None => {
                drop(books);
                drop(timer);
            }
        }
    }

    /// The pause of a unit is over.
    pub(crate) fn again(&self, number: u64) {
        let mut books = self.lock();
        let mut all = books.paused.iter();
        if let Some(index) = all.position(|paused| paused.number == number) {
            let Paused { claim, timer, .. } = books.paused.swap_remove(index);
            drop(books);
            drop(timer);
            self.queue.put_back_unsent(claim);
        }
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
