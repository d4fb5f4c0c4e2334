//! Models of the queue, run by loom in every order of their threads and with every value that an atomic may show.
//!
//! A long task is one that waits until other units have started. Where a unit waits behind it while a worker sleeps, no thread of
//! the model can go on, and loom says so. A unit that runs twice, or never, fails the model as well.

use std::sync::atomic::{AtomicUsize as Count, Ordering as Order};
use std::time::Duration;

use loom::model::Builder;

use super::counted::{Counted, Started};
use super::*;
use crate::flaws::fails;
use crate::lifecycle::Step;
use crate::sync::thread::{self, JoinHandle};
use crate::unit::Job;

/// No spinning.
const SLEEPS: Option<Duration> = None;
/// A worker looks once more before it sleeps.
const SPINS: Option<Duration> = Some(Duration::ZERO);

/// Workers that take so many units at once, always.
fn reach(most: usize, spin: Option<Duration>) -> Pace {
    Pace {
        most,
        forced: most > 1,
        spin,
    }
}

struct Model {
    queue: Arc<Queue<Counted>>,
    started: Arc<Started>,
}

impl Model {
    fn new(workers: usize, pace: Pace) -> Model {
        // A moment at which no worker is slow yet.
        Instant::set(Duration::from_millis(1));
        let size = NonZeroUsize::new(workers).unwrap();
        Model {
            queue: Arc::new(Queue::new(size, None, 1, pace)),
            started: Arc::default(),
        }
    }

    /// A worker that runs units until the pool ends; each takes until so many have started.
    fn worker(&self, slot: usize, until_started: usize) -> JoinHandle<()> {
        self.worker_unless(slot, until_started, || false)
    }

    fn worker_unless(
        &self,
        slot: usize,
        until_started: usize,
        leave: impl Fn() -> bool + 'static,
    ) -> JoinHandle<()> {
        let (queue, started) = (self.queue.clone(), self.started.clone());
        thread::spawn(move || {
            let mut taker = queue.taker(WorkerSlot(slot));
            while let Some(taken) = taker.next_unless(&leave) {
                assert!(taken.more.are_of(taken.job.name()));
                started.run(taken.job, &taken.unit);
                started.wait_for(until_started);
                while !leave()
                    && let Some(unit) = taken.more.take()
                {
                    started.run_unit(taken.job, unit);
                    started.wait_for(until_started);
                }
            }
        })
    }

    /// The calling thread is worker 0: it spins while these jobs come, and then runs one unit until so many have started.
    fn spins_meanwhile(&self, until_started: usize, come: impl FnOnce()) {
        {
            let _inner = self.queue.lock();
            self.queue.spins.store(true, Ordering::Relaxed);
        }
        come();
        let inner = self.queue.lock();
        self.queue.stop_spinning();
        let mut taker = self.queue.taker(WorkerSlot(0));
        if let Ok(unit) = taker.take(inner, Some(self.queue.now())) {
            let taken = taker.taken(0, Ok(unit)).unwrap();
            self.started.run(taken.job, &taken.unit);
        }
        self.started.wait_for(until_started);
    }

    fn push(&self, number: u64, units: usize) -> Arc<Counted> {
        let job = Counted::new(number, units);
        assert!(self.queue.push(job.clone()).is_ok());
        job
    }

    fn end(&self, step: Step, workers: impl IntoIterator<Item = JoinHandle<()>>) {
        assert!(self.queue.step(step).is_ok());
        if step == Step::Terminate {
            for (job, unclaimed) in self.queue.abandon() {
                job.give_up(unclaimed);
            }
        }
        for worker in workers {
            worker.join().unwrap();
        }
    }
}

/// Tries every order with at most so many switches away from a thread that could go on, and one more in the long form.
fn check(switches: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    let more = usize::from(std::env::var_os("MODELS_LONG").is_some());
    builder.preemption_bound = Some(switches + more);
    builder.max_branches = 20_000;
    let orders = Arc::new(Count::new(0));
    let counted = orders.clone();
    builder.check(move || {
        counted.fetch_add(1, Order::Relaxed);
        model();
    });
    println!("{} orders", orders.load(Order::Relaxed));
}

fn a_submission_finds_the_worker_that_goes_to_sleep(spin: Option<Duration>) {
    check(3, move || {
        let model = Model::new(1, reach(1, spin));
        let worker = model.worker(0, 0);
        let jobs = [model.push(0, 1), model.push(1, 1)];
        // They are done before the pool ends.
        model.started.wait_for(2);
        model.end(Step::Close, [worker]);
        jobs.iter().for_each(|job| job.has_run());
    });
}

#[test]
fn a_submission_finds_the_worker_that_goes_to_sleep_at_once() {
    a_submission_finds_the_worker_that_goes_to_sleep(SLEEPS);
    fails(Flaw::SubmissionWakesNobody, || {
        a_submission_finds_the_worker_that_goes_to_sleep(SLEEPS);
    });
    fails(Flaw::SleepsWithoutALook, || {
        a_submission_finds_the_worker_that_goes_to_sleep(SLEEPS);
    });
}

#[test]
fn a_submission_finds_the_worker_that_spins_first() {
    a_submission_finds_the_worker_that_goes_to_sleep(SPINS);
    fails(Flaw::SubmissionWakesNobody, || {
        a_submission_finds_the_worker_that_goes_to_sleep(SPINS);
    });
    fails(Flaw::SleepsWithoutALook, || {
        a_submission_finds_the_worker_that_goes_to_sleep(SPINS);
    });
}

/// Two units that wait for each other: each must find a worker of its own.
fn two_units_run_beside_each_other(most: usize, spin: Option<Duration>) {
    check(2, move || {
        let model = Model::new(2, reach(most, spin));
        let workers = [0, 1].map(|slot| model.worker(slot, 2));
        let jobs = [model.push(0, 1), model.push(1, 1)];
        model.started.wait_for(2);
        model.end(Step::Close, workers);
        jobs.iter().for_each(|job| job.has_run());
    });
}

#[test]
fn nobody_sleeps_beside_work_that_two_submissions_brought() {
    two_units_run_beside_each_other(1, SLEEPS);
    fails(Flaw::SubmissionWakesNobody, || {
        two_units_run_beside_each_other(1, SLEEPS);
    });
}

#[test]
fn nobody_sleeps_beside_work_that_came_while_a_worker_spun() {
    two_units_run_beside_each_other(1, SPINS);
    fails(Flaw::AsksAHint, || {
        two_units_run_beside_each_other(1, SPINS)
    });
}

#[test]
fn nobody_sleeps_beside_what_another_worker_has_taken() {
    two_units_run_beside_each_other(2, SLEEPS);
    fails(Flaw::NeverTakesBack, || {
        two_units_run_beside_each_other(2, SLEEPS);
    });
}

#[test]
fn nobody_sleeps_beside_what_a_worker_that_spun_has_taken() {
    two_units_run_beside_each_other(2, SPINS);
    fails(Flaw::NeverTakesBack, || {
        two_units_run_beside_each_other(2, SPINS);
    });
}

/// Worker 0 takes three units at once, each of which waits for the others.
fn three_units_run_beside_each_other() {
    check(2, || {
        let model = Model::new(3, reach(3, SLEEPS));
        let mut jobs = Vec::new();
        let mut workers = Vec::new();
        model.spins_meanwhile(3, || {
            workers.extend([1, 2].map(|slot| model.worker(slot, 3)));
            jobs.extend([0, 1, 2].map(|number| model.push(number, 1)));
        });
        model.end(Step::Close, workers);
        jobs.iter().for_each(|job| job.has_run());
    });
}

#[test]
fn a_worker_that_takes_from_another_wakes_the_next_for_the_rest() {
    three_units_run_beside_each_other();
    fails(Flaw::OverlooksOthers, three_units_run_beside_each_other);
}

/// The worker in slot 1 is one too many from a moment on, before the units come: the worker in slot 2 must get its share.
fn one_leaves(spin: Option<Duration>) {
    check(2, move || {
        let model = Model::new(3, reach(1, spin));
        let superfluous = Arc::new(AtomicBool::new(false));
        let told = superfluous.clone();
        let workers = [
            model.worker_unless(1, 0, move || told.load(Ordering::Acquire)),
            model.worker(2, 0),
        ];
        superfluous.store(true, Ordering::Release);
        let job = model.push(0, 1);
        model.started.wait_for(1);
        model.end(Step::Close, workers);
        job.has_run();
    });
}

#[test]
fn a_worker_that_leaves_passes_on_what_it_was_woken_for() {
    one_leaves(SLEEPS);
    fails(Flaw::PassesOnNothing, || one_leaves(SLEEPS));
}

#[test]
fn a_worker_that_spun_and_leaves_passes_on_what_it_found() {
    one_leaves(SPINS);
    fails(Flaw::PassesOnNothing, || one_leaves(SPINS));
    fails(Flaw::SpinEndsUnderOneLock, || one_leaves(SPINS));
}

/// As before; worker 0 has taken both units.
fn one_leaves_beside_what_another_has_taken() {
    check(2, || {
        let model = Model::new(3, reach(2, SLEEPS));
        let superfluous = Arc::new(AtomicBool::new(false));
        let told = superfluous.clone();
        let mut jobs = Vec::new();
        let mut workers = Vec::new();
        model.spins_meanwhile(2, || {
            workers.push(model.worker_unless(1, 2, move || told.load(Ordering::Acquire)));
            workers.push(model.worker(2, 2));
            superfluous.store(true, Ordering::Release);
            jobs.extend([0, 1].map(|number| model.push(number, 1)));
        });
        model.end(Step::Close, workers);
        jobs.iter().for_each(|job| job.has_run());
    });
}

#[test]
fn a_worker_that_leaves_passes_on_what_another_one_has_taken() {
    one_leaves_beside_what_another_has_taken();
    fails(
        Flaw::PassesOnNothing,
        one_leaves_beside_what_another_has_taken,
    );
    fails(
        Flaw::OverlooksOthers,
        one_leaves_beside_what_another_has_taken,
    );
}

/// Three units of one job, or jobs of one unit.
fn all_run_once(most: usize, units: usize) {
    check(2, move || {
        let model = Model::new(2, reach(most, SLEEPS));
        let jobs: Vec<_> = (0..3 / units as u64)
            .map(|number| model.push(number, units))
            .collect();
        let workers = [0, 1].map(|slot| model.worker(slot, 0));
        model.end(Step::Close, workers);
        jobs.iter().for_each(|job| job.has_run());
    });
}

#[test]
fn what_is_taken_back_runs_once() {
    for most in [1, 2, 3] {
        all_run_once(most, 1);
        all_run_once(most, 3);
    }
    fails(Flaw::TakesInTwoSteps, || all_run_once(3, 3));
}

/// A worker that waits for its own pool gives back what it has taken, and a compensation thread takes it.
#[test]
fn what_a_worker_gives_back_runs_once() {
    check(2, || {
        let model = Model::new(1, reach(3, SLEEPS));
        let job = model.push(0, 3);
        let (queue, started) = (model.queue.clone(), model.started.clone());
        let compensation = model.worker(1, 0);
        let worker = thread::spawn(move || {
            if let Some(taken) = queue.taker(WorkerSlot(0)).next() {
                queue.vacate(WorkerSlot(0));
                started.run(taken.job, &taken.unit);
                started.wait_for(3);
            }
        });
        model.end(Step::Close, [compensation, worker]);
        job.has_run();
    });
}

#[test]
fn what_comes_back_finds_the_worker_that_goes_to_sleep() {
    check(3, || {
        let model = Model::new(2, reach(1, SLEEPS));
        let worker = model.worker(0, 0);
        let job = model.push(0, 1);
        if let Some(claim) = model.queue.try_next(WorkerSlot(1)) {
            model.queue.put_back(claim);
        }
        model.started.wait_for(1);
        model.end(Step::Close, [worker]);
        job.has_run();
    });
}

fn the_end_of_a_pool(step: Step, most: usize, spin: Option<Duration>) {
    check(2, move || {
        let model = Model::new(2, reach(most, spin));
        let workers = [0, 1].map(|slot| model.worker(slot, 0));
        let job = model.push(0, 3);
        model.end(step, workers);
        job.is_accounted_for();
        if step == Step::Close {
            job.has_run();
        }
    });
}

#[test]
fn a_pool_that_is_closed_does_all_and_lets_all_workers_go() {
    the_end_of_a_pool(Step::Close, 2, SPINS);
    fails(Flaw::EndWakesNobody, || {
        the_end_of_a_pool(Step::Close, 2, SPINS)
    });
}

#[test]
fn a_pool_that_is_terminated_finds_all_units_and_lets_all_workers_go() {
    the_end_of_a_pool(Step::Terminate, 2, SLEEPS);
    fails(Flaw::EndWakesNobody, || {
        the_end_of_a_pool(Step::Terminate, 2, SLEEPS);
    });
}

/// Each task runs until the end of the pool has found its job.
fn the_end_finds_what_runs() {
    check(2, || {
        let model = Model::new(1, reach(2, SLEEPS));
        let found = Arc::new(Started::default());
        let jobs = [model.push(0, 1), model.push(1, 1)];
        let (queue, ends) = (model.queue.clone(), found.clone());
        let worker = thread::spawn(move || {
            let mut taker = queue.taker(WorkerSlot(0));
            while let Some(taken) = taker.next() {
                // The second begins as soon as the first has ended.
                if taken.job.number().0 == 1 {
                    ends.wait_for(1);
                }
            }
        });
        assert!(model.queue.step(Step::Terminate).is_ok());
        for (job, unclaimed) in model.queue.abandon() {
            if job.number().0 == 1 {
                found.run_unit(&jobs[1], 0);
            }
            job.give_up(unclaimed);
        }
        worker.join().unwrap();
    });
}

#[test]
fn a_pool_that_is_terminated_finds_what_a_worker_has_just_taken() {
    the_end_finds_what_runs();
    fails(Flaw::TellsTooLate, the_end_finds_what_runs);
}

#[test]
fn a_job_that_is_retracted_is_found_wherever_its_units_lie() {
    check(2, || {
        let model = Model::new(2, reach(2, SLEEPS));
        let workers = [0, 1].map(|slot| model.worker(slot, 0));
        let jobs = [model.push(0, 2), model.push(1, 1)];
        jobs[0].give_up(model.queue.retract(&*jobs[0]));
        model.end(Step::Close, workers);
        jobs[0].is_accounted_for();
        jobs[1].has_run();
    });
}

/// A job is stopped while workers take its units: it alone is looked for, or all that were stopped are.
fn a_job_is_stopped(one: Option<u64>) {
    check(2, move || {
        let model = Model::new(2, reach(2, SLEEPS));
        let workers = [0, 1].map(|slot| model.worker(slot, 0));
        let jobs = [model.push(0, 3), model.push(1, 1)];
        jobs[0].stop();
        for (job, unclaimed) in model.queue.sweep(one) {
            assert_eq!(job.number(), jobs[0].number());
            job.give_up(unclaimed);
        }
        model.end(Step::Close, workers);
        jobs[0].is_accounted_for();
        jobs[1].has_run();
    });
}

#[test]
fn a_job_that_is_stopped_leaves_the_queue_wherever_its_units_lie() {
    for one in [None, Some(0)] {
        a_job_is_stopped(one);
        fails(Flaw::TakesInTwoSteps, || a_job_is_stopped(one));
    }
}

#[test]
fn workers_of_a_closed_pool_stay_for_the_last_source() {
    check(3, || {
        let model = Model::new(1, reach(1, SLEEPS));
        assert!(model.queue.open_source().is_ok());
        let worker = model.worker(0, 0);
        assert!(model.queue.step(Step::Close).is_ok());
        let job = Counted::new(0, 1);
        assert!(
            model
                .queue
                .push_from_source([job.clone()].into_iter())
                .is_ok()
        );
        model.queue.end_source();
        worker.join().unwrap();
        job.has_run();
    });
}

/// One thread brings a job while another one takes it back.
fn a_job_is_brought_and_retracted() {
    check(3, || {
        let model = Model::new(1, reach(1, SLEEPS));
        let job = Counted::new(0, 2);
        let (queue, same) = (model.queue.clone(), job.clone());
        let other = thread::spawn(move || same.give_up(queue.retract(&*same)));
        assert!(model.queue.push(job.clone()).is_ok());
        other.join().unwrap();
        while let Some(claim) = model.queue.try_next(WorkerSlot(0)) {
            model.started.run(&claim.job, &claim.unit);
        }
        job.is_accounted_for();
    });
}

#[test]
fn a_job_that_is_retracted_while_it_is_brought_runs_or_does_not() {
    a_job_is_brought_and_retracted();
    fails(Flaw::HandsOutTwice, a_job_is_brought_and_retracted);
}

/// Long ago.
const START: Duration = Duration::from_secs(1);

/// How many units a worker has after it came for more, that which it runs among them.
fn comes_at(model: &Model, taker: &mut Taker<'_, Counted>, time: Duration) -> (usize, usize) {
    Instant::set(START + time);
    let slot = taker.slot.0;
    let taken = taker.next().unwrap();
    let has = 1 + model.queue.slots.get(slot).unwrap().len();
    model.started.run(taken.job, &taken.unit);
    (taken.unit.index(), has)
}

/// Workers take as many as their tasks allow.
const ADAPTS: Pace = Pace {
    most: 8,
    forced: false,
    spin: SLEEPS,
};

fn depth_follows_the_tasks() {
    check(0, || {
        let model = Model::new(1, ADAPTS);
        let jobs: Vec<_> = (0..40).map(|number| model.push(number, 1)).collect();
        let short = Duration::from_micros(1);
        let mut at = Duration::ZERO;
        let mut taker = model.queue.taker(WorkerSlot(0));
        let mut takes = |pause: Duration| {
            at += pause;
            comes_at(&model, &mut taker, at).1
        };
        assert_eq!(takes(short), 1);
        // Twice as many at each fill, and then those.
        let counts: Vec<_> = (0..14).map(|_| takes(short)).collect();
        assert_eq!(counts, [2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1]);
        // One long task among eight short ones.
        let counts: Vec<_> = (0..8).map(|_| takes(short)).collect();
        assert_eq!(counts, [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(takes(Duration::from_micros(50)), 1, "it was not short");
        assert_eq!(takes(Duration::from_micros(6)), 1, "nor was this one");
        assert_eq!(takes(short), 2);
        jobs.iter().for_each(|job| assert!(job.runs() <= 1));
    });
}

/// Units of one job: as long as a worker is soon back, it takes more.
fn a_range_follows_the_tasks() {
    check(0, || {
        let model = Model::new(1, ADAPTS);
        let job = model.push(0, 200);
        let mut at = Duration::ZERO;
        let mut taker = model.queue.taker(WorkerSlot(0));
        let mut takes = |pause: u64| {
            at += Duration::from_nanos(pause);
            comes_at(&model, &mut taker, at).1
        };
        assert_eq!(takes(1_000), 1);
        let mut fills = |pause: u64| {
            let count = takes(pause);
            (1..count).for_each(|left| assert_eq!(takes(pause), count - left));
            count
        };
        let counts: Vec<_> = (0..5).map(|_| fills(500)).collect();
        assert_eq!(counts, [2, 4, 8, 16, 32]);
        // It was away for 16 microseconds, then for 32, and for 21.
        assert_eq!([fills(1_000), fills(1_000)], [32, 16]);
        assert_eq!(fills(6_000), 8);
        assert_eq!(fills(500), 1, "they were not short");
        job.runs();
    });
}

#[test]
fn a_worker_takes_one_unit_of_a_job_after_the_first_range_that_is_not_short() {
    a_range_follows_the_tasks();
    fails(Flaw::DepthStays, a_range_follows_the_tasks);
}

#[test]
fn a_worker_takes_one_unit_after_the_first_task_that_is_not_short() {
    depth_follows_the_tasks();
    fails(Flaw::DepthStays, depth_follows_the_tasks);
}

/// Worker 0 has taken units 1 and 2, and is away for so long; which one the other worker gets.
fn another_gets(away: Duration, vacates: bool) -> usize {
    let model = Model::new(2, ADAPTS);
    model.push(0, 8);
    let [mut first, mut second] = [0, 1].map(|slot| model.queue.taker(WorkerSlot(slot)));
    assert_eq!(comes_at(&model, &mut first, Duration::ZERO), (0, 1));
    assert_eq!(comes_at(&model, &mut first, Duration::ZERO), (1, 2));
    if vacates {
        model.queue.vacate(WorkerSlot(0));
    }
    comes_at(&model, &mut second, away).0
}

fn nothing_waits_behind_a_slow_worker() {
    check(0, || {
        assert_eq!(another_gets(Duration::ZERO, false), 3);
        assert_eq!(another_gets(Duration::from_micros(49), false), 3);
        // What it has taken is before all that nobody has.
        assert_eq!(another_gets(Duration::from_micros(50), false), 2);
        assert_eq!(another_gets(Duration::ZERO, true), 2);
    });
}

#[test]
fn what_a_slow_worker_has_taken_is_before_all_that_nobody_has() {
    nothing_waits_behind_a_slow_worker();
    fails(Flaw::NeverTakesBack, nothing_waits_behind_a_slow_worker);
    fails(Flaw::KeepsWhatItTook, nothing_waits_behind_a_slow_worker);
}

/// A worker that cannot start pauses until its time is over, or the pool has nothing left to do.
fn a_worker_pauses(is_over: bool) {
    check(3, move || {
        let model = Model::new(2, reach(1, SLEEPS));
        let over = Arc::new(AtomicBool::new(false));
        let (queue, told) = (model.queue.clone(), over.clone());
        let pauses = thread::spawn(move || {
            assert_eq!(queue.rest(|| told.load(Ordering::Acquire)), is_over);
        });
        let job = model.push(0, 1);
        if is_over {
            over.store(true, Ordering::Release);
            model.queue.ring();
            pauses.join().unwrap();
            assert_eq!(job.runs(), 0);
        } else {
            assert!(model.queue.step(Step::Close).is_ok());
            if let Some(claim) = model.queue.try_next(WorkerSlot(0)) {
                model.started.run(&claim.job, &claim.unit);
            }
            pauses.join().unwrap();
            job.has_run();
        }
    });
}

#[test]
fn a_worker_that_pauses_goes_on_when_its_time_is_over() {
    a_worker_pauses(true);
}

#[test]
fn a_worker_that_pauses_leaves_when_the_last_unit_is_taken() {
    a_worker_pauses(false);
}

/// Whether the one worker of a pool has left, for nothing was to do.
#[derive(Clone, Default)]
struct HasLeft(Arc<AtomicBool>);

impl WhenIdle for HasLeft {
    fn begin(&self) -> Box<dyn Fn() -> bool> {
        Box::new(|| true)
    }
    fn leaves(&self) -> bool {
        self.0.store(true, Ordering::Relaxed);
        true
    }
    fn stays(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
    fn leaves_others(&self) {}
}

fn a_submission_finds_the_worker_that_leaves() {
    check(3, || {
        let model = Model::new(1, reach(1, SLEEPS));
        let has_left = HasLeft::default();
        let (queue, started, idle) = (model.queue.clone(), model.started.clone(), has_left.clone());
        let worker = thread::spawn(move || {
            let taker = queue.taker(WorkerSlot(0));
            let mut taker = taker.leaves_when_idle(Some(&idle));
            if let Some(taken) = taker.next() {
                started.run(taken.job, &taken.unit);
            }
        });
        let job = model.push(0, 1);
        let comes_back = has_left.0.load(Ordering::Relaxed);
        worker.join().unwrap();
        // Where the submission does not see that it has left, it has not.
        assert!(comes_back || job.runs() == 1);
    });
}

#[test]
fn a_worker_that_leaves_has_looked_or_is_seen_to_have_left() {
    a_submission_finds_the_worker_that_leaves();
    fails(
        Flaw::LeavesWithoutALook,
        a_submission_finds_the_worker_that_leaves,
    );
}
