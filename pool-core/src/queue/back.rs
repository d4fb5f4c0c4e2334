//! Units that are taken singly by backends that remember themselves what their workers have, and units that come back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::head::{Entry, Paused};
use super::{Claim, Queue, WorkerSlot};
use crate::fifo::Fifo;
use crate::lifecycle::Phase;
use crate::sync::atomic::Ordering;
use crate::timers::Timers;
use crate::unit::{AsJob, Job, Unclaimed};

/// Whether no unit of a job is to start any more.
pub(super) fn is_unwanted<J: ?Sized + AsJob>(job: &Arc<J>) -> bool {
    job.job().handed_out().is_unwanted()
}

/// Moves the units of jobs that are not wanted any more.
fn sweep_claims<J: ?Sized + AsJob>(
    claims: &mut VecDeque<Claim<J>>,
    swept: &mut VecDeque<Claim<J>>,
) {
    if claims.iter().any(|claim| is_unwanted(&claim.job)) {
        let all = claims.drain(..);
        let (mut unwanted, wanted) = all.partition(|claim| is_unwanted(&claim.job));
        *claims = wanted;
        swept.append(&mut unwanted);
    }
}

impl<J: ?Sized + AsJob> Queue<J> {
    /// The next unit for a worker, if there is one now.
    pub fn try_next(&self, slot: WorkerSlot) -> Option<Claim<J>> {
        let mut inner = self.lock();
        let place = self.slots.make(slot.0);
        let before = place.replace_current(None);
        let claim = self.take(&mut inner);
        if let Some(claim) = &claim {
            place.replace_current(Some(claim.job.clone()));
        }
        self.leave(inner);
        drop(before);
        claim
    }

    /// The next unit, if there is one now, for a backend that itself remembers which units its workers have. It calls no code of
    /// the user: whoever has taken units calls [`tell_taken`](Self::tell_taken), with no lock held.
    pub fn take_next(&self) -> Option<Claim<J>> {
        if !self.has_waiting() {
            return None;
        }
        let mut inner = self.lock();
        let claim = self.take(&mut inner);
        self.at_head.store(inner.waiting, Ordering::Relaxed);
        claim
    }

    /// Units were taken by [`take_next`](Self::take_next): whoever waits for a place in the queue looks again.
    pub fn tell_taken(&self) {
        if self.bound.is_some() {
            self.leave(self.lock());
        }
    }

    /// Takes back units that were taken by [`take_next`](Self::take_next), and that no worker has started: each is handed out again
    /// before all that were submitted after it. Not to be called once the backend was told to abandon its units.
    pub fn give_back(&self, claims: impl IntoIterator<Item = Claim<J>>) {
        let mut inner = self.lock();
        claims
            .into_iter()
            .for_each(|claim| inner.insert_returned(claim));
        self.at_head.store(inner.waiting, Ordering::Relaxed);
    }

    /// Takes back a unit that a worker was given and has not started: it is handed out again before all that were
    /// submitted after it. In a terminated pool its job is ended instead.
    pub fn put_back(&self, mut claim: Claim<J>) {
        claim.unit.count_return();
        self.put_back_unsent(claim);
    }

    /// As [`put_back`](Self::put_back), for a unit that its worker was not about to start: the return is not counted.
    pub fn put_back_unsent(&self, claim: Claim<J>) {
        let mut inner = self.lock();
        let job = claim.job.job();
        let is_over = self.phase() == Phase::Terminated;
        if is_over || job.handed_out().is_unwanted() {
            drop(inner);
            let unclaimed = Unclaimed::returned(&claim.unit, job);
            match is_over {
                true => job.terminate(unclaimed),
                false => job.discard(unclaimed),
            }
            return;
        }
        inner.insert_returned(claim);
        self.at_head.store(inner.waiting, Ordering::Relaxed);
        drop(inner);
        self.wake(1);
    }

    /// A unit has failed, or was lost, and is handed out again after a pause, before all that were submitted after it. Workers of a closed
    /// pool stay for it. `wake` is called when the pause is over.
    pub fn try_again(
        self: &Arc<Self>,
        claim: Claim<J>,
        pause: Duration,
        timers: &Timers,
        wake: impl FnOnce() + Send + 'static,
    ) where
        J: 'static,
    {
        let mut inner = self.lock();
        let is_unwanted = is_unwanted(&claim.job);
        let mut tail = self.lock_tail();
        if pause.is_zero() || is_unwanted || tail.phase == Phase::Terminated {
            drop((tail, inner));
            return self.put_back_unsent(claim);
        }
        tail.open_sources += 1;
        drop(tail);
        inner.pauses += 1;
        let number = inner.pauses;
        inner.paused.push(Paused {
            number,
            claim,
            timer: None,
        });
        drop(inner);
        let queue = Arc::downgrade(self);
        let over = move || {
            if let Some(queue) = queue.upgrade() {
                queue.end_pause(number);
                wake();
            }
        };
        let timer = timers.arm(pause, Box::new(over));
        let mut inner = self.lock();
        let mut all = inner.paused.iter_mut();
        match all.find(|paused| paused.number == number) {
            Some(paused) => paused.timer = Some(timer),
            // Timers are stopped under no lock.
            None => drop((inner, timer)),
        }
    }

    /// The pause of a unit is over.
    fn end_pause(&self, number: u64) {
        let mut inner = self.lock();
        let mut all = inner.paused.iter();
        if let Some(index) = all.position(|paused| paused.number == number) {
            let Paused { claim, timer, .. } = inner.paused.swap_remove(index);
            inner.insert_returned(claim);
            // What workers have taken was submitted later, or is older than this: either way it is handed out in its order.
            self.recall(&mut inner);
            self.leave(inner);
            self.end_sources(1);
            drop(timer);
        }
    }

    /// Hands out no more units of a job, whoever still holds it; how many never were.
    pub(crate) fn retract(&self, job: &dyn Job) -> Unclaimed {
        let mut inner = self.lock();
        // Where it has not come into the queue, it never will.
        let mut unclaimed = Unclaimed::before_any_queue(job);
        let name = job.name();
        // Dropped under no lock.
        let mut taken = Vec::new();
        for place in self.slots.iter() {
            taken.extend(place.retract(&mut inner, job));
        }
        for claim in &taken {
            unclaimed.add(Unclaimed::returned(&claim.unit, job));
        }
        let is_of_it = |entry: &Entry<J>| entry.units.job().job().name() == name;
        let mut entries = inner.jobs.take_out(is_of_it);
        let left: usize = entries.iter().map(|entry| entry.units.len()).sum();
        inner.waiting -= left;
        {
            let mut tail = self.lock_tail();
            let arrived = tail.jobs.take_out(is_of_it);
            tail.units -= arrived.iter().map(|entry| entry.units.len()).sum::<usize>();
            self.at_tail.store(tail.units, Ordering::Relaxed);
            entries.extend(arrived);
        }
        for entry in entries {
            if job.handed_out().takes_places() {
                inner.placed -= entry.units.len();
            }
            unclaimed.add(entry.units.abandon().1);
        }
        self.leave(inner);
        unclaimed
    }

    /// Takes out all units whose jobs want them no more, or of these jobs one, and gives how many of each will never be handed out.
    pub(crate) fn sweep(&self, one: Option<u64>) -> Vec<(Arc<J>, Unclaimed)> {
        let mut inner = self.lock();
        let mut swept = VecDeque::new();
        let before = inner.returned.len();
        sweep_claims(&mut inner.returned, &mut swept);
        inner.waiting -= before - inner.returned.len();
        let is_over = |paused: &mut Paused<J>| is_unwanted(&paused.claim.job);
        let paused: Vec<_> = inner.paused.extract_if(.., is_over).collect();
        for place in self.slots.iter() {
            swept.extend(place.sweep(&mut inner));
        }
        let take_out = |jobs: &mut Fifo<Entry<J>>| match one {
            None => jobs.take_out(|entry| is_unwanted(entry.units.job())),
            // They are numbered in the order in which they came.
            Some(one) => jobs
                .take_by_key(one, |entry| entry.units.job().job().number().0)
                .into_iter()
                .collect(),
        };
        let mut entries = take_out(&mut inner.jobs);
        let left: usize = entries.iter().map(|entry| entry.units.len()).sum();
        inner.waiting -= left;
        {
            let mut tail = self.lock_tail();
            let arrived = take_out(&mut tail.jobs);
            tail.units -= arrived.iter().map(|entry| entry.units.len()).sum::<usize>();
            self.at_tail.store(tail.units, Ordering::Relaxed);
            entries.extend(arrived);
        }
        let placed = entries
            .iter()
            .filter(|entry| entry.units.job().job().handed_out().takes_places());
        inner.placed -= placed.map(|entry| entry.units.len()).sum::<usize>();
        self.leave(inner);
        swept.extend(self.unpause(paused));
        let claims = swept.into_iter().map(|claim| {
            let unclaimed = Unclaimed::returned(&claim.unit, claim.job.job());
            (claim.job, unclaimed)
        });
        let entries = entries.into_iter().map(|entry| entry.units.abandon());
        entries.chain(claims).collect()
    }

    /// Units that were paused, and will not be handed out again. Called under no lock.
    fn unpause(&self, paused: Vec<Paused<J>>) -> impl Iterator<Item = Claim<J>> {
        if !paused.is_empty() {
            self.end_sources(paused.len());
        }
        paused.into_iter().map(|paused| {
            drop(paused.timer);
            paused.claim
        })
    }

    /// Empties the queue of a terminated pool: the jobs that are not over, in the order of their submission, and
    /// how many units of each will never be handed out.
    pub(crate) fn abandon(&self) -> Vec<(Arc<J>, Unclaimed)> {
        let mut inner = self.lock();
        let mut jobs = Vec::new();
        let mut claims = std::mem::take(&mut inner.returned);
        let paused = std::mem::take(&mut inner.paused);
        for place in self.slots.iter() {
            let (current, mut taken) = place.abandon();
            jobs.extend(current);
            claims.append(&mut taken);
        }
        let mut jobs: Vec<_> = jobs.into_iter().map(|job| (job, Unclaimed::NONE)).collect();
        let mut tail = self.lock_tail();
        for list in [&mut inner.jobs, &mut tail.jobs] {
            jobs.extend(std::iter::from_fn(|| Some(list.pop()?.units.abandon())));
        }
        tail.units = 0;
        self.at_tail.store(0, Ordering::Relaxed);
        drop(tail);
        (inner.waiting, inner.placed) = (0, 0);
        self.leave(inner);
        claims.extend(self.unpause(paused));
        jobs.extend(claims.into_iter().map(|Claim { job, unit, .. }| {
            let unclaimed = Unclaimed::returned(&unit, job.job());
            (job, unclaimed)
        }));
        jobs.sort_by_key(|(job, _)| job.job().number());
        jobs
    }
}
