//! Models of a job's state, run by loom in every order of their threads and with every value that an atomic may show.

use std::sync::atomic::{AtomicUsize as Count, Ordering as Order};
use std::task::Wake;

use loom::cell::UnsafeCell;
use loom::model::Builder;

use super::*;
use crate::flaws::fails;
use crate::sync::atomic::AtomicBool;
use crate::sync::thread;

/// Tries every order; in the short form those with at most three switches away from a thread that could go on.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = std::env::var_os("MODELS_LONG").is_none().then_some(3);
    let orders = Arc::new(Count::new(0));
    let counted = orders.clone();
    builder.check(move || {
        counted.fetch_add(1, Order::Relaxed);
        model();
    });
    println!("{} orders", orders.load(Order::Relaxed));
}

/// A job of which loom knows who touches the outcome when.
struct Cell {
    state: TaskState,
    outcome: UnsafeCell<u32>,
    value: UnsafeCell<u32>,
}

impl Cell {
    #[expect(clippy::arc_with_non_send_sync, reason = "loom's threads are one")]
    fn new() -> Arc<Cell> {
        Arc::new(Cell {
            state: TaskState::default(),
            outcome: UnsafeCell::new(0),
            value: UnsafeCell::new(0),
        })
    }

    /// Writes the outcome, if the job has none.
    fn resolve(&self, outcome: u32) -> Option<Published> {
        self.state.begin().then(|| {
            // SAFETY: the resolver alone writes, and nobody reads before it has published; loom checks both.
            self.outcome.with_mut(|place| unsafe { *place = outcome });
            self.state.publish()
        })
    }

    fn read(&self) -> u32 {
        // SAFETY: nobody writes what was published; loom checks it.
        self.outcome.with(|place| unsafe { *place })
    }
}

/// Two threads have an answer, and one waits.
fn one_decides() {
    check(|| {
        let cell = Cell::new();
        let other = {
            let cell = cell.clone();
            thread::spawn(move || cell.resolve(1).is_some())
        };
        let here = cell.resolve(2).is_some();
        assert!(cell.state.wait(None, None, || false));
        let outcome = cell.read();
        let there = other.join().unwrap();
        assert_eq!((here, there), (outcome == 2, outcome == 1));
        assert_eq!(cell.read(), outcome);
    });
}

#[test]
fn a_job_has_one_resolver() {
    one_decides();
    fails(Flaw::TwoResolvers, one_decides);
}

/// The last unit of a job without options has a value while the job is stopped.
#[test]
fn a_value_makes_a_job_ready_in_one_step_or_the_job_is_stopped() {
    check(|| {
        let cell = Cell::new();
        let ends = {
            let cell = cell.clone();
            thread::spawn(move || {
                // SAFETY: the only unit's room for its value; loom checks it.
                cell.value.with_mut(|place| unsafe { *place = 1 });
                if cell.state.resolve().is_none() {
                    assert!(cell.state.begin() && cell.state.has_failed());
                    cell.state.await_error();
                    cell.state.publish();
                }
            })
        };
        let guard = cell.state.lock();
        let stopped = cell.state.stop() == Some(false);
        if stopped {
            // SAFETY: it was this that has made the open job a failed one, under the lock; loom checks it.
            cell.outcome.with_mut(|place| unsafe { *place = 2 });
        }
        drop(guard);
        assert!(cell.state.wait(None, None, || false));
        assert_eq!(cell.state.has_failed(), stopped);
        match stopped {
            true => assert_eq!(cell.read(), 2),
            // SAFETY: nobody writes a value of a job that is ready; loom checks it.
            false => assert_eq!(cell.value.with(|place| unsafe { *place }), 1),
        }
        ends.join().unwrap();
    });
}

/// Three threads end the units that they have.
#[test]
fn one_thread_ends_the_last_unit() {
    check(|| {
        let state = Arc::new(TaskState::new(4, false, false));
        let others = [1, 1].map(|units| {
            let state = state.clone();
            thread::spawn(move || state.end_units(units))
        });
        let mut last = usize::from(state.end_units(2));
        for other in others {
            last += usize::from(other.join().unwrap());
        }
        assert!(last == 1 && !state.has_units_left());
    });
}

/// The last unit of a job ends while the job is stopped.
fn a_stop_and_an_end() {
    check(|| {
        let cell = Cell::new();
        let ends = {
            let cell = cell.clone();
            thread::spawn(move || {
                assert!(cell.state.begin());
                if cell.state.has_failed() {
                    cell.state.await_error();
                    assert_eq!(cell.read(), 2, "who resolves it looks at the error");
                } else {
                    // SAFETY: the job has not failed, so nobody else writes; loom checks it.
                    cell.outcome.with_mut(|place| unsafe { *place = 1 });
                }
                cell.state.publish();
            })
        };
        let guard = cell.state.lock();
        let stopped = cell.state.stop();
        if stopped == Some(false) {
            // SAFETY: it was this that has made the open job a failed one, under the lock; loom checks it.
            cell.outcome.with_mut(|place| unsafe { *place = 2 });
        }
        drop(guard);
        assert!(cell.state.wait(None, None, || false));
        let stopped = stopped.is_some();
        assert_eq!(
            (cell.read(), cell.state.has_failed()),
            (1 + u32::from(stopped), stopped)
        );
        assert!(cell.state.is_unwanted() && cell.state.stop().is_none());
        ends.join().unwrap();
    });
}

#[test]
fn what_stops_a_job_and_what_ends_it_agree() {
    a_stop_and_an_end();
    fails(Flaw::StopsInTwoSteps, a_stop_and_an_end);
    fails(Flaw::ResolvesBesideTheWriter, a_stop_and_an_end);
}

fn two_wait() {
    check(|| {
        let cell = Cell::new();
        let waiters = [None, Some(Duration::ZERO)].map(|spin| {
            let cell = cell.clone();
            thread::spawn(move || {
                assert!(cell.state.wait(None, spin, || false));
                assert_eq!(cell.read(), 7);
            })
        });
        assert!(cell.resolve(7).is_some());
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn no_waiter_is_missed() {
    two_wait();
    fails(Flaw::WakesBesideTheLock, two_wait);
}

#[test]
fn a_waiter_that_is_rung_gives_up() {
    check(|| {
        let cell = Cell::new();
        let over = Arc::new(AtomicBool::new(false));
        let (waits, asked) = (cell.clone(), over.clone());
        let waiter = thread::spawn(move || {
            let gives_up = || asked.load(Ordering::Acquire);
            assert!(!waits.state.wait(None, None, gives_up));
        });
        over.store(true, Ordering::Release);
        cell.state.ring();
        waiter.join().unwrap();
    });
}

fn the_outcome_has_one_owner() {
    check(|| {
        let cell = Cell::new();
        let resolver = {
            let cell = cell.clone();
            thread::spawn(move || cell.resolve(7).is_some_and(|published| published.forgotten))
        };
        let here = cell.state.forget();
        if here {
            assert_eq!(cell.read(), 7);
        }
        let there = resolver.join().unwrap();
        assert_ne!(here, there, "the outcome is dropped once");
    });
}

#[test]
fn the_outcome_of_a_dropped_handle_has_one_owner() {
    the_outcome_has_one_owner();
    fails(Flaw::ForgetsInTwoSteps, the_outcome_has_one_owner);
}

/// An executor's thread that sleeps.
#[derive(Default)]
struct Sleeper {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.bell.notify_all();
    }
}

/// A future is polled, its thread sleeps until it is woken, and polls again.
fn a_future_waits() {
    check(|| {
        let cell = Cell::new();
        let resolver = {
            let cell = cell.clone();
            thread::spawn(move || assert!(cell.resolve(7).is_some()))
        };
        let sleeper = Arc::new(Sleeper::default());
        let waker = Waker::from(sleeper.clone());
        if cell
            .state
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            let mut woken = sleeper.woken.lock().unwrap();
            while !*woken {
                woken = sleeper.bell.wait(woken).unwrap();
            }
            drop(woken);
            assert!(cell.state.poll(&mut Context::from_waker(&waker)).is_ready());
        }
        assert_eq!(cell.read(), 7);
        resolver.join().unwrap();
    });
}

#[test]
fn no_future_is_missed() {
    a_future_waits();
    fails(Flaw::LooksNoMore, a_future_waits);
}

#[test]
fn a_job_whose_callback_is_due_is_not_ready() {
    check(|| {
        let cell = Cell::new();
        let resolver = {
            let cell = cell.clone();
            thread::spawn(move || {
                assert!(cell.state.begin());
                cell.state.mark_failed();
                cell.state.due();
                // The callback writes last.
                // SAFETY: nobody reads before it is ready; loom checks it.
                cell.outcome.with_mut(|place| unsafe { *place = 7 });
                cell.state.publish();
            })
        };
        cell.state.callback_waits();
        assert!(cell.state.wait(None, None, || false));
        assert_eq!(cell.read(), 7);
        assert!(cell.state.has_failed());
        resolver.join().unwrap();
    });
}
