//! Models that have more threads and more steps than loom can try in all orders: shuttle draws the orders, each time the same ones.
//!
//! A thread that waits for ever fails its model: shuttle sees that no thread can go on.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize as Count, Ordering as Order};
use std::sync::{Arc, Mutex as Plain};
use std::task::{Wake, Waker};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use crate::admission::NotAdmitted;
use crate::callback_thread::{CallbackThread, Due};
use crate::flaws::{Flaw, fails};
use crate::lifecycle::Step;
use crate::queue::counted::{Counted, Started};
use crate::queue::{Pace, Queue, WorkerSlot};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Instant, Mutex};
use crate::task_state::TaskState;
use crate::timers::Timers;
use crate::wait_group::Deadline;

const SEED: u64 = 20_260_101;

/// Tries so many orders that are drawn evenly, and as many that switch seldom; ten times as many in the long form.
fn check(orders: usize, model: impl Fn() + Send + Sync + 'static) {
    let times = if std::env::var_os("MODELS_LONG").is_some() {
        10
    } else {
        1
    };
    let orders = orders * times;
    let mut config = Config::new();
    config.failure_persistence = shuttle::FailurePersistence::None;
    let model = Arc::new(model);
    let same = model.clone();
    let evenly = RandomScheduler::new_from_seed(SEED, orders);
    Runner::new(evenly, config.clone()).run(move || same());
    let seldom = PctScheduler::new_from_seed(SEED, 3, orders);
    Runner::new(seldom, config).run(move || model());
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A queue, and the numbers of the jobs whose units have started.
struct Model {
    queue: Arc<Queue<Counted>>,
    started: Arc<Started>,
    order: Arc<Plain<Vec<u64>>>,
}

impl Model {
    fn new(workers: usize, bound: Option<usize>, pace: Pace) -> Model {
        Instant::set(Duration::from_millis(1));
        let size = NonZeroUsize::new(workers).unwrap();
        let bound = bound.and_then(NonZeroUsize::new);
        Model {
            queue: Arc::new(Queue::new(size, bound, 1, pace)),
            started: Arc::default(),
            order: Arc::default(),
        }
    }

    /// A worker that runs units until the pool ends; each takes until so many have started.
    fn worker(&self, slot: usize, until_started: usize) -> JoinHandle<()> {
        let (queue, started) = (self.queue.clone(), self.started.clone());
        let order = self.order.clone();
        thread::spawn(move || {
            let mut taker = queue.taker(WorkerSlot(slot));
            while let Some(taken) = taker.next() {
                order.lock().unwrap().push(taken.job.number());
                started.run(taken.job, &taken.unit);
                started.wait_for(until_started);
                while let Some(unit) = taken.more.take() {
                    order.lock().unwrap().push(taken.job.number());
                    started.run_unit(taken.job, unit);
                    started.wait_for(until_started);
                }
            }
        })
    }

    fn close(&self) {
        assert!(self.queue.step(Step::Close).is_ok());
    }
}

/// Three workers and two submitters; the last three units wait for each other.
fn a_crowd(most: usize, spin: Option<Duration>) {
    check(2_000, move || {
        let pace = Pace {
            most,
            forced: most > 1,
            spin,
        };
        let model = Model::new(3, None, pace);
        let workers = [0, 1, 2].map(|slot| model.worker(slot, 0));
        let jobs: Vec<_> = (0..6)
            .map(|number| Counted::new(number, 1 + number as usize % 2))
            .collect();
        let submitters = [0, 1].map(|which| {
            let queue = model.queue.clone();
            let jobs: Vec<_> = jobs.iter().skip(which).step_by(2).cloned().collect();
            thread::spawn(move || {
                jobs.into_iter()
                    .for_each(|job| assert!(queue.push(job).is_ok()))
            })
        });
        join(submitters);
        model.started.wait_for(9);
        model.close();
        join(workers);
        jobs.iter().for_each(|job| job.has_run());
    });
    check(2_000, move || {
        let pace = Pace {
            most,
            forced: most > 1,
            spin,
        };
        let model = Model::new(3, None, pace);
        let workers = [0, 1, 2].map(|slot| model.worker(slot, 3));
        let jobs: Vec<_> = (0..3).map(|number| Counted::new(number, 1)).collect();
        for job in &jobs {
            assert!(model.queue.push(job.clone()).is_ok());
        }
        model.started.wait_for(3);
        model.close();
        join(workers);
        jobs.iter().for_each(|job| job.has_run());
    });
}

#[test]
fn nobody_sleeps_beside_work_at_each_reach_and_spin() {
    for spin in [None, Some(Duration::ZERO)] {
        for most in [1, 2, 64] {
            a_crowd(most, spin);
        }
    }
    fails(Flaw::AsksAHint, || a_crowd(1, Some(Duration::ZERO)));
    fails(Flaw::OverlooksOthers, || a_crowd(64, Some(Duration::ZERO)));
    fails(Flaw::NeverTakesBack, || a_crowd(2, None));
    fails(Flaw::SubmissionWakesNobody, || a_crowd(1, None));
    fails(Flaw::SleepsWithoutALook, || a_crowd(1, None));
}

/// Threads that wait for places of a full queue, in the order in which they have lined up.
fn a_line() {
    check(3_000, || {
        let model = Model::new(1, Some(1), Pace::ONE);
        let jobs: Vec<_> = (0..4).map(|number| Counted::new(number, 1)).collect();
        assert!(model.queue.push(jobs[0].clone()).is_ok());
        let submitters: Vec<_> = jobs[1..]
            .iter()
            .map(|job| {
                let (turn, job) = (model.queue.line_up(), job.clone());
                thread::spawn(move || {
                    assert_eq!(turn.push(job, || false), Ok(()));
                    turn.wait_for_places(|| false);
                })
            })
            .collect();
        let newcomer = {
            let (queue, job) = (model.queue.clone(), Counted::new(9, 1));
            thread::spawn(move || {
                if queue.push(job.clone()).is_ok() {
                    return;
                }
                // Its turn comes as well.
                assert_eq!(queue.line_up().push(job, || false), Ok(()));
            })
        };
        let worker = model.worker(0, 0);
        join(submitters);
        newcomer.join().unwrap();
        model.close();
        worker.join().unwrap();
        assert_eq!(*model.order.lock().unwrap(), [0, 1, 2, 3, 9]);
    });
}

#[test]
fn places_go_to_those_who_wait_in_their_order() {
    a_line();
    fails(Flaw::PlaceTellsNobody, a_line);
    fails(Flaw::TurnTellsNobody, a_line);
    fails(Flaw::PassesTheLine, a_line);
}

/// The first in the line gives up, a map comes second, and a call third.
fn one_gives_up() {
    check(3_000, || {
        let model = Model::new(1, Some(2), Pace::ONE);
        let jobs = [2, 1, 4, 1].map(|units| Counted::new(units as u64, units));
        assert!(model.queue.push(jobs[0].clone()).is_ok());
        let gives_up = {
            let turn = model.queue.line_up();
            thread::spawn(move || drop(turn))
        };
        let submitters: Vec<_> = jobs[2..]
            .iter()
            .map(|job| {
                let (turn, job) = (model.queue.line_up(), job.clone());
                thread::spawn(move || {
                    assert_eq!(turn.push(job, || false), Ok(()));
                    turn.wait_for_places(|| false);
                })
            })
            .collect();
        let worker = model.worker(0, 0);
        gives_up.join().unwrap();
        join(submitters);
        model.close();
        worker.join().unwrap();
        assert_eq!(*model.order.lock().unwrap(), [2, 2, 4, 4, 4, 4, 1]);
    });
}

#[test]
fn one_who_gives_up_holds_up_nobody() {
    one_gives_up();
    fails(Flaw::TurnTellsNobody, one_gives_up);
    fails(Flaw::PlaceTellsNobody, one_gives_up);
}

/// An executor's thread that sleeps.
#[derive(Default)]
struct Sleeper {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Sleeper {
    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.bell.wait(woken).unwrap();
        }
        *woken = false;
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.bell.notify_all();
    }
}

/// Submissions that are awaited wait in the same line.
fn futures_in_the_line() {
    check(3_000, || {
        let model = Model::new(1, Some(1), Pace::ONE);
        let jobs: Vec<_> = (0..3).map(|number| Counted::new(number, 1)).collect();
        assert!(model.queue.push(jobs[0].clone()).is_ok());
        let submitters: Vec<_> = jobs[1..]
            .iter()
            .map(|job| {
                let (turn, job) = (model.queue.line_up(), job.clone());
                thread::spawn(move || {
                    let sleeper = Arc::new(Sleeper::default());
                    let waker = Waker::from(sleeper.clone());
                    let mut job = job;
                    while let Err((why, back)) = turn.try_push(job, &waker) {
                        assert_eq!(why, NotAdmitted::Full);
                        job = back;
                        sleeper.sleep();
                    }
                    while turn.poll_places(&waker).is_pending() {
                        sleeper.sleep();
                    }
                })
            })
            .collect();
        let worker = model.worker(0, 0);
        join(submitters);
        model.close();
        worker.join().unwrap();
        assert_eq!(*model.order.lock().unwrap(), [0, 1, 2]);
    });
}

#[test]
fn no_future_in_the_line_is_missed() {
    futures_in_the_line();
    fails(Flaw::PlaceTellsNobody, futures_in_the_line);
    fails(Flaw::TurnTellsNobody, futures_in_the_line);
}

/// Nobody takes anything, and the pool is closed.
fn a_line_at_the_end() {
    check(2_000, || {
        let model = Model::new(1, Some(1), Pace::ONE);
        assert!(model.queue.push(Counted::new(0, 1)).is_ok());
        let waits = [1, 2].map(|number| {
            let turn = model.queue.line_up();
            thread::spawn(move || {
                let refused = turn.push(Counted::new(number, 1), || false);
                assert!(matches!(refused, Err(NotAdmitted::Refused(_))));
            })
        });
        model.close();
        join(waits);
    });
}

#[test]
fn the_end_of_a_pool_lets_all_go_who_wait_for_places() {
    a_line_at_the_end();
    fails(Flaw::EndWakesNobody, a_line_at_the_end);
}

/// A callback that does this.
struct Callback<F>(F);

impl<F: Fn() + Send + Sync> Due for Callback<F> {
    fn run_callback(&self) {
        (self.0)();
    }
}

fn finish(callbacks: &CallbackThread) {
    assert!(callbacks.finish(&Deadline::after(&Timers::real(), None)));
}

#[test]
fn callbacks_run_once_and_in_their_order_before_the_thread_ends() {
    check(3_000, || {
        let callbacks = Arc::new(CallbackThread::new(1));
        let ran = Arc::new(Plain::new(Vec::new()));
        let posters = [0, 10].map(|first| {
            let (callbacks, ran) = (callbacks.clone(), ran.clone());
            thread::spawn(move || {
                callbacks.open();
                for number in first..first + 3 {
                    let ran = ran.clone();
                    let run = move || ran.lock().unwrap().push(number);
                    callbacks.post(Arc::new(Callback(run)));
                }
            })
        });
        join(posters);
        finish(&callbacks);
        let ran = ran.lock().unwrap();
        assert_eq!(ran.len(), 6);
        for first in [0, 10] {
            let of_one: Vec<i32> = ran
                .iter()
                .copied()
                .filter(|number| number / 10 == first / 10)
                .collect();
            assert_eq!(of_one, [first, first + 1, first + 2]);
        }
    });
}

/// A callback waits for another job of its pool, whose own callback runs meanwhile, on the same thread.
fn a_callback_waits() {
    check(3_000, || {
        let callbacks = Arc::new(CallbackThread::new(1));
        callbacks.open();
        let awaited = Arc::new(TaskState::default());
        let nested = Arc::new(Count::new(0));
        let waits = {
            let (callbacks, awaited, nested) = (callbacks.clone(), awaited.clone(), nested.clone());
            move || {
                awaited.callback_waits();
                callbacks.run_until(|| awaited.is_ready());
                assert!(awaited.is_ready());
                assert_eq!(nested.load(Order::Relaxed), 1);
            }
        };
        callbacks.post(Arc::new(Callback(waits)));
        let worker = {
            let (callbacks, awaited, nested) = (callbacks.clone(), awaited.clone(), nested.clone());
            thread::spawn(move || {
                assert!(awaited.begin());
                awaited.due();
                let state = awaited.clone();
                let (told, counted) = (callbacks.clone(), nested.clone());
                callbacks.post(Arc::new(Callback(move || {
                    counted.fetch_add(1, Order::Relaxed);
                    if state.publish().callback_waits {
                        told.nudge();
                    }
                })));
            })
        };
        worker.join().unwrap();
        finish(&callbacks);
    });
}

/// A callback waits for another job of its pool that has no callback.
fn a_callback_waits_for_a_result() {
    check(3_000, || {
        let callbacks = Arc::new(CallbackThread::new(1));
        callbacks.open();
        let awaited = Arc::new(TaskState::default());
        let waits = {
            let (callbacks, awaited) = (callbacks.clone(), awaited.clone());
            move || {
                awaited.callback_waits();
                callbacks.run_until(|| awaited.is_ready());
                assert!(awaited.is_ready());
            }
        };
        callbacks.post(Arc::new(Callback(waits)));
        let worker = {
            let (callbacks, awaited) = (callbacks.clone(), awaited.clone());
            thread::spawn(move || {
                assert!(awaited.begin());
                if awaited.publish().callback_waits {
                    callbacks.nudge();
                }
            })
        };
        worker.join().unwrap();
        finish(&callbacks);
    });
}

#[test]
fn a_callback_that_waits_for_its_pool_goes_on() {
    a_callback_waits();
    a_callback_waits_for_a_result();
    fails(Flaw::NudgesNobody, a_callback_waits_for_a_result);
}
