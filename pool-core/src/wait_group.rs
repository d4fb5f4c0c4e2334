//! A count that can be waited for until it is zero, or until a deadline.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::timers::{Armed, Timers};

/// Counts guards that live; [`WaitGroup::wait`] returns when all were dropped.
#[derive(Debug, Default)]
pub struct WaitGroup {
    present: Mutex<usize>,
    changed: Condvar,
}

impl WaitGroup {
    /// A count of zero.
    pub fn new() -> WaitGroup {
        WaitGroup::default()
    }

    /// Counts one more, until the returned guard is dropped.
    pub fn enter(self: &Arc<Self>) -> WaitGroupGuard {
        *lock(&self.present) += 1;
        WaitGroupGuard(self.clone())
    }

    /// How many guards live.
    pub fn count(&self) -> usize {
        *lock(&self.present)
    }

    /// Waits until the count is zero; false when the deadline came first.
    pub fn wait(self: &Arc<Self>, deadline: &Deadline) -> bool {
        deadline.ring_at(self);
        let mut present = lock(&self.present);
        while *present > 0 {
            if deadline.is_over() {
                return false;
            }
            present = self
                .changed
                .wait(present)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Makes waiting threads check again.
    fn ring(&self) {
        // Through the lock, so that a waiter is either before its check or asleep.
        drop(lock(&self.present));
        self.changed.notify_all();
    }
}

/// Counted until it is dropped.
#[derive(Debug)]
pub struct WaitGroupGuard(Arc<WaitGroup>);

impl Drop for WaitGroupGuard {
    fn drop(&mut self) {
        let mut present = lock(&self.0.present);
        *present -= 1;
        if *present == 0 {
            self.0.changed.notify_all();
        }
    }
}

/// The end of a wait, by a pool's own timers; one deadline may serve several waits in a row.
#[derive(Debug)]
pub struct Deadline {
    bells: Arc<Mutex<Bells>>,
    _armed: Option<Armed>,
}

#[derive(Debug, Default)]
struct Bells {
    over: bool,
    here: Vec<Arc<WaitGroup>>,
}

impl Deadline {
    /// After `limit`, counted from now; `None` never comes, zero has come.
    pub fn after(timers: &Timers, limit: Option<Duration>) -> Deadline {
        let over = limit.is_some_and(|limit| limit.is_zero());
        let bells = Arc::new(Mutex::new(Bells {
            over,
            here: Vec::new(),
        }));
        let armed = limit.filter(|limit| !limit.is_zero()).map(|limit| {
            let bells = bells.clone();
            timers.arm(
                limit,
                Box::new(move || {
                    let here = {
                        let mut bells = lock(&bells);
                        bells.over = true;
                        std::mem::take(&mut bells.here)
                    };
                    here.iter().for_each(|wait_group| wait_group.ring());
                }),
            )
        });
        Deadline {
            bells,
            _armed: armed,
        }
    }

    /// Whether it has come.
    pub fn is_over(&self) -> bool {
        lock(&self.bells).over
    }

    fn ring_at(&self, wait_group: &Arc<WaitGroup>) {
        lock(&self.bells).here.push(wait_group.clone());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Deadline, WaitGroup};
    use crate::timers::Timers;

    #[test]
    fn a_wait_ends_when_the_last_one_leaves() {
        let wait_group = Arc::new(WaitGroup::new());
        let (first, second) = (wait_group.enter(), wait_group.enter());
        let leaver = std::thread::spawn(move || drop((first, second)));
        assert!(wait_group.wait(&Deadline::after(&Timers::real(), None)));
        assert!(leaver.join().is_ok());
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let wait_group = Arc::new(WaitGroup::new());
        let _stays = wait_group.enter();
        for limit in [Duration::ZERO, Duration::from_millis(1)] {
            assert!(!wait_group.wait(&Deadline::after(&Timers::real(), Some(limit))));
        }
    }
}
