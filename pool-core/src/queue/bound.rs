//! The places of a queue that has a bound, and the line of those who wait for one: first come, first served.
//!
//! While somebody waits, every newcomer finds the queue full and goes to the end of the line. The first in line keeps its
//! turn until all units of its job have places, so that nobody behind it takes one of them. When its [`Turn`] is dropped,
//! whether the job was admitted or not, the line moves on. No submission waits for ever: workers go on taking units, and for a
//! worker that submits to its own pool a compensation thread runs before it lines up.

use std::sync::Arc;
use std::task::{Poll, Waker};

use super::{Inner, Queue};
use crate::admission::NotAdmitted;
use crate::flaws::{self, Flaw};
use crate::lifecycle::{Phase, Step};
use crate::panics;
use crate::sync::PoisonError;
use crate::unit::AsJob;

/// A place in the line for places; the line moves on when it is dropped.
pub(crate) struct Turn<J: ?Sized + AsJob> {
    queue: Arc<Queue<J>>,
    number: u64,
}

impl<J: ?Sized + AsJob> Queue<J> {
    /// Admits a job behind all others; to a queue with a bound only if all its units find places and nobody waits for one.
    /// A job that is not admitted comes back.
    pub(crate) fn push(&self, job: Arc<J>) -> Result<(), (NotAdmitted, Arc<J>)> {
        // The head's lock first, and only where places are counted.
        let inner = self.bound.map(|bound| (bound, self.lock()));
        let tail = self.lock_tail();
        if let Err(error) = tail.phase.after(Step::Submit) {
            return Err((error.into(), job));
        }
        if let Some((bound, inner)) = &inner {
            let free = bound.get().saturating_sub(inner.placed);
            let is_awaited = !inner.line.is_empty() && !flaws::has(Flaw::PassesTheLine);
            if free < job.job().units() || is_awaited {
                return Err((NotAdmitted::Full, job));
            }
        }
        self.append(tail, job, inner.map(|(_, inner)| inner));
        Ok(())
    }

    /// Goes to the end of the line.
    pub(crate) fn line_up(self: &Arc<Self>) -> Turn<J> {
        let mut inner = self.lock();
        inner.lined_up += 1;
        let number = inner.lined_up;
        inner.line.push_back(number);
        Turn {
            queue: self.clone(),
            number,
        }
    }

    /// Makes those who wait for places look again whether they should give up.
    pub(crate) fn ring_for_places(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        self.places.notify_all();
        for waker in wakers.into_values() {
            // A waker is the caller's code: its panic must not reach the thread that made room.
            let _ = panics::catch(|| waker.wake());
        }
    }

    fn is_full(&self, inner: &Inner<J>) -> bool {
        self.bound.is_some_and(|bound| inner.placed >= bound.get())
    }

    /// Whether some units that were admitted have no place.
    fn is_overfull(&self, inner: &Inner<J>) -> bool {
        let too_many = self.bound.is_some_and(|bound| inner.placed > bound.get());
        too_many && self.phase() == Phase::Running
    }
}

impl<J: ?Sized + AsJob> Turn<J> {
    /// Admits a job as soon as its turn has come and its first unit finds a place; `over` says, under the queue's lock,
    /// when to give up, and is asked again after each [`ring_for_places`](Queue::ring_for_places).
    pub(crate) fn push(&self, job: Arc<J>, over: impl Fn() -> bool) -> Result<(), NotAdmitted> {
        let queue = &*self.queue;
        let mut inner = queue.lock();
        loop {
            let tail = queue.lock_tail();
            tail.phase.after(Step::Submit)?;
            if inner.line.front() == Some(&self.number) && !queue.is_full(&inner) {
                queue.append(tail, job, Some(inner));
                return Ok(());
            }
            drop(tail);
            if over() {
                return Err(NotAdmitted::Full);
            }
            let woken = queue.places.wait(inner);
            inner = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Admits a job if its turn has come and its first unit finds a place. Otherwise it comes back, and `waker` is woken when
    /// it is time to try again.
    pub(crate) fn try_push(&self, job: Arc<J>, waker: &Waker) -> Result<(), (NotAdmitted, Arc<J>)> {
        let queue = &*self.queue;
        // Cloned and dropped outside of the lock: wakers are the caller's code.
        let waker = waker.clone();
        let mut inner = queue.lock();
        let tail = queue.lock_tail();
        if let Err(error) = tail.phase.after(Step::Submit) {
            return Err((error.into(), job));
        }
        if inner.line.front() == Some(&self.number) && !queue.is_full(&inner) {
            queue.append(tail, job, Some(inner));
            return Ok(());
        }
        drop(tail);
        let replaced = inner.wakers.insert(self.number, waker);
        drop(inner);
        drop(replaced);
        Err((NotAdmitted::Full, job))
    }

    /// Ready when all units have places, or the pool takes no more.
    pub(crate) fn poll_places(&self, waker: &Waker) -> Poll<()> {
        let queue = &*self.queue;
        let waker = waker.clone();
        let mut inner = queue.lock();
        if !queue.is_overfull(&inner) {
            return Poll::Ready(());
        }
        let replaced = inner.wakers.insert(self.number, waker);
        drop(inner);
        drop(replaced);
        Poll::Pending
    }

    /// Waits until all units have places, the pool takes no more, or it is `over`.
    pub(crate) fn wait_for_places(&self, over: impl Fn() -> bool) {
        let queue = &*self.queue;
        let mut inner = queue.lock();
        while queue.is_overfull(&inner) && !over() {
            let woken = queue.places.wait(inner);
            inner = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<J: ?Sized + AsJob> Drop for Turn<J> {
    fn drop(&mut self) {
        let mut inner = self.queue.lock();
        inner.line.retain(|number| *number != self.number);
        let waker = inner.wakers.remove(&self.number);
        let is_awaited = !inner.line.is_empty();
        drop(inner);
        drop(waker);
        if is_awaited && !flaws::has(Flaw::TurnTellsNobody) {
            self.queue.ring_for_places();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use crate::admission::NotAdmitted;
    use crate::idle::{self, Queued};
    use crate::job::JobCell;
    use crate::lifecycle::Step;
    use crate::options::SubmitOptions;
    use crate::queue::{Pace, Queue, WorkerSlot};
    use crate::shared::PoolShared;
    use crate::task::Plain;
    use crate::work::Batch;

    fn queue(bound: usize) -> (Arc<Queue<dyn Queued>>, Arc<PoolShared>) {
        let shared = idle::shared();
        let queue = Queue::new(
            NonZeroUsize::MIN,
            NonZeroUsize::new(bound),
            shared.pool,
            Pace::ONE,
        );
        (Arc::new(queue), shared)
    }

    fn job(shared: &Arc<PoolShared>, units: u64) -> Arc<dyn Queued> {
        let same: fn(u64) -> u64 = |item| item;
        let work = Batch::new(Plain(same), (0..units).collect(), 1);
        JobCell::new(shared, work, false, SubmitOptions::here())
    }

    #[test]
    fn places_go_to_those_who_wait_in_the_order_in_which_they_came() {
        let (queue, shared) = queue(1);
        assert!(queue.push(job(&shared, 1)).is_ok());
        let [first, second] = [queue.line_up(), queue.line_up()];
        let now = || true;
        assert_eq!(first.push(job(&shared, 1), now), Err(NotAdmitted::Full));
        assert!(queue.try_next(WorkerSlot(0)).is_some());
        // There is a place, and it belongs to the first in line.
        assert_eq!(second.push(job(&shared, 1), now), Err(NotAdmitted::Full));
        let passes_by = queue.push(job(&shared, 1)).map_err(|(why, _)| why);
        assert_eq!(passes_by, Err(NotAdmitted::Full));
        assert_eq!(first.push(job(&shared, 1), now), Ok(()));
        assert!(queue.try_next(WorkerSlot(0)).is_some());
        assert_eq!(second.push(job(&shared, 1), now), Err(NotAdmitted::Full));
        drop(first);
        assert_eq!(second.push(job(&shared, 1), now), Ok(()));
    }

    #[test]
    fn a_map_keeps_its_turn_until_all_its_units_have_places() {
        let (queue, shared) = queue(2);
        let [map, next] = [queue.line_up(), queue.line_up()];
        assert_eq!(map.push(job(&shared, 4), || false), Ok(()));
        let waits = std::cell::Cell::new(false);
        map.wait_for_places(|| !waits.replace(true));
        assert!(waits.get(), "two of them have none");
        for _ in 0..3 {
            assert!(queue.try_next(WorkerSlot(0)).is_some());
        }
        map.wait_for_places(|| unreachable!("all have places"));
        assert_eq!(next.push(job(&shared, 1), || true), Err(NotAdmitted::Full));
        drop(map);
        assert_eq!(next.push(job(&shared, 1), || true), Ok(()));
    }

    #[test]
    fn one_who_gives_up_holds_up_nobody_and_the_end_of_the_pool_lets_all_go() {
        let (queue, shared) = queue(1);
        let [first, second, third] = [queue.line_up(), queue.line_up(), queue.line_up()];
        drop(first);
        assert_eq!(second.push(job(&shared, 1), || true), Ok(()));
        drop(second);
        queue.step(Step::Close).expect("it runs");
        let refused = third.push(job(&shared, 1), || {
            unreachable!("nobody waits for a closed pool")
        });
        assert!(
            matches!(refused, Err(NotAdmitted::Refused(_))),
            "{refused:?}"
        );
    }
}
