//! A count that can be waited for until it is zero, or until a deadline.

use std::sync::Arc;
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use crate::timers::{Armed, Timers};

/// Counts guards; [`WaitGroup::wait`] returns when all were dropped.
#[derive(Debug, Default)]
pub struct WaitGroup {
    count: Mutex<usize>,
    changed: Condvar,
}

impl WaitGroup {
    /// A count of zero.
    pub fn new() -> WaitGroup {
        WaitGroup::default()
    }

    /// Adds one to the count, until the returned guard is dropped.
    pub fn enter(self: &Arc<Self>) -> WaitGroupGuard {
        *lock(&self.count) += 1;
        WaitGroupGuard(self.clone())
    }

    /// The number of guards.
    pub fn count(&self) -> usize {
        *lock(&self.count)
    }

    /// Waits until the count is zero; false when the deadline came first.
    pub fn wait(self: &Arc<Self>, deadline: &Deadline) -> bool {
        deadline.register(self);
        let mut count = lock(&self.count);
        while *count > 0 {
            if deadline.is_over() {
                return false;
            }
            count = self
                .changed
                .wait(count)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Wakes the waiting threads, which check their deadline.
    fn notify(&self) {
        // With the lock taken once, a waiter is either before its check or inside of `wait`: it misses no notification.
        drop(lock(&self.count));
        self.changed.notify_all();
    }
}

/// Counts one in its [`WaitGroup`] until it is dropped.
#[derive(Debug)]
pub struct WaitGroupGuard(Arc<WaitGroup>);

impl Drop for WaitGroupGuard {
    fn drop(&mut self) {
        let mut count = lock(&self.0.count);
        *count -= 1;
        if *count == 0 {
            self.0.changed.notify_all();
        }
    }
}

/// The time at which a wait ends, by the pool's timers. One deadline may bound several waits in a row.
#[derive(Debug)]
pub struct Deadline {
    state: Arc<Mutex<State>>,
    _armed: Option<Armed>,
}

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    /// Where threads wait for this deadline.
    wait_groups: Vec<Arc<WaitGroup>>,
}

impl Deadline {
    /// `limit` from now. `None` never passes, zero has passed.
    pub fn after(timers: &Timers, limit: Option<Duration>) -> Deadline {
        let is_over = limit.is_some_and(|limit| limit.is_zero());
        let state = Arc::new(Mutex::new(State {
            is_over,
            wait_groups: Vec::new(),
        }));
        let armed = limit.filter(|limit| !limit.is_zero()).map(|limit| {
            let state = state.clone();
            timers.arm(
                limit,
                Box::new(move || {
                    let wait_groups = {
                        let mut state = lock(&state);
                        state.is_over = true;
                        std::mem::take(&mut state.wait_groups)
                    };
                    wait_groups.iter().for_each(|group| group.notify());
                }),
            )
        });
        Deadline {
            state,
            _armed: armed,
        }
    }

    /// Whether it has passed.
    pub fn is_over(&self) -> bool {
        lock(&self.state).is_over
    }

    fn register(&self, wait_group: &Arc<WaitGroup>) {
        lock(&self.state).wait_groups.push(wait_group.clone());
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
    fn a_wait_ends_when_the_last_guard_is_dropped() {
        let wait_group = Arc::new(WaitGroup::new());
        let (first, second) = (wait_group.enter(), wait_group.enter());
        let dropper = std::thread::spawn(move || drop((first, second)));
        assert!(wait_group.wait(&Deadline::after(&Timers::real(), None)));
        assert!(dropper.join().is_ok());
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let wait_group = Arc::new(WaitGroup::new());
        let _guard = wait_group.enter();
        for limit in [Duration::ZERO, Duration::from_millis(1)] {
            assert!(!wait_group.wait(&Deadline::after(&Timers::real(), Some(limit))));
        }
    }
}
