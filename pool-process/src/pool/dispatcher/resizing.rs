//! How many workers there are: the pool is resized, and workers that have nothing to do leave and come back.

use pool_core::WorkerEnd;

use crate::pool::connection::WorkerState;
use crate::pool::inbox::Order;

use super::{Dispatcher, Slot, Stage, WorkerId};

impl Dispatcher {
    /// Slots that have a worker, or are to have one after a pause.
    fn filled(&self) -> usize {
        let is_filled = |slot: &&Slot| slot.connection.is_some() || slot.retry.is_some();
        self.slots.iter().filter(is_filled).count()
    }

    /// How many workers are missing.
    pub(super) fn missing(&self) -> usize {
        let wanted = self.queue.size().saturating_sub(self.absent);
        wanted.saturating_sub(self.filled())
    }

    /// The slots of workers that do not leave, and are not to.
    fn staying(&self) -> Vec<usize> {
        let stays = |slot: &Slot| {
            let connection = slot.connection.as_ref();
            connection.is_some_and(|connection| {
                !connection.is_surplus && !matches!(connection.state, WorkerState::Leaving)
            })
        };
        let slots = self.slots.iter().enumerate();
        slots
            .filter_map(|(index, slot)| stays(slot).then_some(index))
            .collect()
    }

    /// The pool has another size. Of workers that are too many, those leave that have nothing to do, and of the others those of the
    /// last slots, each after its task.
    pub(super) fn resize(&mut self) {
        let size = self.queue.size();
        if self.slots.len() < size {
            self.slots.resize_with(size, Slot::default);
            self.feed.grow(size);
        }
        if self.stage == Stage::Stopping {
            return;
        }
        let mut extra = self.filled().saturating_sub(size);
        for slot in self.slots.iter_mut().rev() {
            if extra > 0 && slot.connection.is_none() && slot.retry.take().is_some() {
                extra -= 1;
            }
        }
        let mut extra = self.staying().len().saturating_sub(size);
        for index in self.staying().into_iter().rev() {
            if extra > 0 && self.leave_idle(index) {
                extra -= 1;
            }
        }
        for index in self.staying().into_iter().rev().take(extra) {
            if let Some(connection) = &mut self.slots[index].connection {
                connection.is_surplus = true;
                connection.share.tasks = 0;
                self.feed.stop_giving(index);
            }
        }
        self.absent = self.absent.min(size.saturating_sub(self.filled()));
    }

    /// Has a worker leave that has nothing to do; false for another.
    fn leave_idle(&mut self, index: usize) -> bool {
        self.retire(index, WorkerEnd::Left);
        if let Some(connection) = &mut self.slots[index].connection
            && matches!(connection.state, WorkerState::Idle | WorkerState::Starting)
        {
            connection.retire(WorkerEnd::Left);
            self.flush(index);
        }
        let connection = self.slots[index].connection.as_ref();
        connection.is_some_and(|connection| matches!(connection.state, WorkerState::Leaving))
    }

    /// A closed pool has nothing left to do: its workers leave.
    pub(super) fn retire_idle(&mut self) {
        if self.stage == Stage::Draining && self.is_drained() {
            for index in 0..self.slots.len() {
                self.leave_idle(index);
            }
        }
    }

    /// How many tasks of a worker have ended that has nothing to do.
    fn ended_when_idle(&self, index: usize) -> Option<usize> {
        let connection = self.slots[index].connection.as_ref()?;
        match connection.state {
            WorkerState::Idle => Some(connection.tasks),
            WorkerState::Fed => self.feed.ended_when_idle(index),
            _ => None,
        }
    }

    /// Starts the timers of workers that have nothing to do, and stops those of the others.
    pub(super) fn time_idle(&mut self) {
        let Some(limit) = self.plan.idle_timeout else {
            return;
        };
        for index in 0..self.slots.len() {
            let ended = self.ended_when_idle(index);
            let Some(connection) = &mut self.slots[index].connection else {
                continue;
            };
            let timed = connection.idle.as_ref().map(|(ended, _)| *ended);
            if timed != ended {
                let (inbox, slot, serial) = (self.inbox.clone(), index, connection.serial);
                let over = move || inbox.tell(Order::Idle { slot, serial });
                connection.idle =
                    ended.map(|ended| (ended, self.plan.timers.arm(limit, Box::new(over))));
            }
        }
    }

    /// A worker has had nothing to do for so long that it leaves, if it still has not; one always stays.
    pub(super) fn idle_is_over(&mut self, worker: WorkerId) {
        if self.stage != Stage::Running || !self.is_present(worker) || self.staying().len() < 2 {
            return;
        }
        let idle = self.slots[worker.slot].connection.as_ref();
        let timed = idle.and_then(|idle| Some(idle.idle.as_ref()?.0));
        if timed.is_some()
            && timed == self.ended_when_idle(worker.slot)
            && self.leave_idle(worker.slot)
        {
            self.absent += 1;
        }
    }

    /// Workers that have left come back, as many as there are units that no worker is there for.
    pub(super) fn return_by_need(&mut self) {
        if self.absent == 0 {
            return;
        }
        let is_free = |slot: &Slot| {
            let connection = slot.connection.as_ref();
            connection.is_some_and(|connection| {
                matches!(connection.state, WorkerState::Starting | WorkerState::Idle)
            })
        };
        let free = self.slots.iter().filter(|slot| is_free(slot)).count();
        let returning = self.queue.waiting().saturating_sub(free);
        self.absent -= returning.min(self.absent);
        self.fill_slots();
    }
}
