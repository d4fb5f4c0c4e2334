//! The places of a queue that has a bound, and the line of those who wait for one: first come, first served.
//!
//! Nobody passes by the line: while there is one, whoever comes finds the queue full and goes to its end. The first in
//! line keeps its turn until all units of its job have places, so that nobody behind it takes one of them. A turn ends with
//! its holder, let in or not, and the line moves on. None of them waits for ever, for workers go on taking units, and who
//! submits from a task has lent its own place before it lines up.

use std::sync::{Arc, PoisonError};

use super::{Feed, Inner};
use crate::entry::NoEntry;
use crate::lifecycle::{Phase, Step};
use crate::unit::Erased;

/// A place in the line for places; the line moves on when it is dropped.
pub(crate) struct Turn<'f, J: ?Sized + Erased> {
    feed: &'f Feed<J>,
    number: u64,
}

impl<J: ?Sized + Erased> Feed<J> {
    /// Lets a job in, behind all others; in a queue with a bound only where all its units find places, and nobody waits
    /// for one. It comes back where it is not let in.
    pub(crate) fn push(&self, job: Arc<J>) -> Result<(), (NoEntry, Arc<J>)> {
        let inner = self.lock();
        if let Err(misuse) = inner.phase.after(Step::Submit) {
            return Err((misuse.into(), job));
        }
        if let Some(bound) = self.bound {
            let free = bound.get().saturating_sub(inner.placed);
            if free < job.job().units() || !inner.line.is_empty() {
                return Err((NoEntry::Full, job));
            }
        }
        self.place(inner, job);
        Ok(())
    }

    /// Goes to the end of the line.
    pub(crate) fn line_up(&self) -> Turn<'_, J> {
        let mut inner = self.lock();
        inner.lined_up += 1;
        let number = inner.lined_up;
        inner.line.push_back(number);
        Turn { feed: self, number }
    }

    /// Makes those who wait for places look again whether they should give up.
    pub(crate) fn ring_for_places(&self) {
        drop(self.lock());
        self.places.notify_all();
    }
}

impl<J: ?Sized + Erased> Turn<'_, J> {
    /// Lets a job in as soon as its turn has come and its first unit finds a place; `over` says, under the queue's lock,
    /// when to give up, and is asked again after each [`ring_for_places`](Feed::ring_for_places).
    pub(crate) fn push(&self, job: Arc<J>, over: impl Fn() -> bool) -> Result<(), NoEntry> {
        let feed = self.feed;
        let is_full =
            |inner: &Inner<J>| feed.bound.is_some_and(|bound| inner.placed >= bound.get());
        let mut inner = feed.lock();
        loop {
            inner.phase.after(Step::Submit)?;
            if inner.line.front() == Some(&self.number) && !is_full(&inner) {
                break;
            }
            if over() {
                return Err(NoEntry::Full);
            }
            let woken = feed.places.wait(inner);
            inner = woken.unwrap_or_else(PoisonError::into_inner);
        }
        feed.place(inner, job);
        Ok(())
    }

    /// Waits until all units have places, the pool takes no more, or it is `over`.
    pub(crate) fn wait_for_places(&self, over: impl Fn() -> bool) {
        let feed = self.feed;
        let is_overfull = |inner: &Inner<J>| {
            let too_many = feed.bound.is_some_and(|bound| inner.placed > bound.get());
            too_many && inner.phase == Phase::Running
        };
        let mut inner = feed.lock();
        while is_overfull(&inner) && !over() {
            let woken = feed.places.wait(inner);
            inner = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<J: ?Sized + Erased> Drop for Turn<'_, J> {
    fn drop(&mut self) {
        let mut inner = self.feed.lock();
        inner.line.retain(|number| *number != self.number);
        let is_awaited = !inner.line.is_empty();
        drop(inner);
        if is_awaited {
            self.feed.places.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use crate::cell::Cell;
    use crate::entry::NoEntry;
    use crate::feed::{Feed, Seat};
    use crate::hub::Hub;
    use crate::idle::{self, Queued};
    use crate::lifecycle::Step;
    use crate::task::Plain;
    use crate::terms::Terms;
    use crate::work::Batch;

    fn feed(bound: usize) -> (Feed<dyn Queued>, Arc<Hub>) {
        let hub = idle::hub();
        let feed = Feed::new(NonZeroUsize::MIN, NonZeroUsize::new(bound), hub.pool);
        (feed, hub)
    }

    fn job(hub: &Arc<Hub>, units: u64) -> Arc<dyn Queued> {
        let same: fn(u64) -> u64 = |item| item;
        let work = Batch::new(Plain(same), (0..units).collect(), 1);
        Cell::new(hub, work, false, Terms::here())
    }

    #[test]
    fn places_go_to_those_who_wait_in_the_order_in_which_they_came() {
        let (feed, hub) = feed(1);
        assert!(feed.push(job(&hub, 1)).is_ok());
        let [first, second] = [feed.line_up(), feed.line_up()];
        let now = || true;
        assert_eq!(first.push(job(&hub, 1), now), Err(NoEntry::Full));
        assert!(feed.try_next(Seat(0)).is_some());
        // There is a place, and it is the first one's.
        assert_eq!(second.push(job(&hub, 1), now), Err(NoEntry::Full));
        let passes_by = feed.push(job(&hub, 1)).map_err(|(why, _)| why);
        assert_eq!(passes_by, Err(NoEntry::Full));
        assert_eq!(first.push(job(&hub, 1), now), Ok(()));
        assert!(feed.try_next(Seat(0)).is_some());
        assert_eq!(second.push(job(&hub, 1), now), Err(NoEntry::Full));
        drop(first);
        assert_eq!(second.push(job(&hub, 1), now), Ok(()));
    }

    #[test]
    fn a_map_keeps_its_turn_until_all_its_units_have_places() {
        let (feed, hub) = feed(2);
        let [map, next] = [feed.line_up(), feed.line_up()];
        assert_eq!(map.push(job(&hub, 4), || false), Ok(()));
        let waits = std::cell::Cell::new(false);
        map.wait_for_places(|| !waits.replace(true));
        assert!(waits.get(), "two of them have none");
        for _ in 0..3 {
            assert!(feed.try_next(Seat(0)).is_some());
        }
        map.wait_for_places(|| unreachable!("all have places"));
        assert_eq!(next.push(job(&hub, 1), || true), Err(NoEntry::Full));
        drop(map);
        assert_eq!(next.push(job(&hub, 1), || true), Ok(()));
    }

    #[test]
    fn one_who_gives_up_holds_up_nobody_and_the_end_of_the_pool_lets_all_go() {
        let (feed, hub) = feed(1);
        let [first, second, third] = [feed.line_up(), feed.line_up(), feed.line_up()];
        drop(first);
        assert_eq!(second.push(job(&hub, 1), || true), Ok(()));
        drop(second);
        feed.step(Step::Close).expect("it runs");
        let refused = third.push(job(&hub, 1), || {
            unreachable!("nobody waits for a closed pool")
        });
        assert!(matches!(refused, Err(NoEntry::Misuse(_))), "{refused:?}");
    }
}
