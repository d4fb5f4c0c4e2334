//! Workers that take several units at once: in a queue of their own nothing is lost, nothing runs twice, and nothing waits behind a
//! long task, however many they take and however long they spin.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use pool_thread::{Pool, TaskError, ThreadPool};

#[path = "../../pool-core/tests/programs/methods.rs"]
mod methods;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const LONG: Duration = Duration::from_secs(60);

/// Pools of so many workers, at each reach and with and without spinning.
fn each_way(size: usize, check: impl Fn(&ThreadPool) -> Outcome) -> Outcome {
    for reach in [1, 2, 64] {
        for spin in [None, Some(Duration::ZERO), Some(Duration::from_micros(200))] {
            let mut builder = ThreadPool::builder()
                .size(size)
                .warn_on_drop(false)
                .reach(reach);
            if let Some(time) = spin {
                builder = builder.spin(time);
            }
            check(&builder.build()?)
                .map_err(|error| format!("reach {reach}, {spin:?}: {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn every_method_does_what_its_page_says_at_each_reach() -> Outcome {
    for reach in [1, 2, 64] {
        methods::every_method(|| ThreadPool::builder().size(2).reach(reach).build())?;
    }
    Ok(())
}

#[test]
fn units_start_in_the_order_of_their_submission() -> Outcome {
    each_way(1, |pool| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handles: Result<Vec<_>, _> = (0..500)
            .map(|number| {
                let seen = seen.clone();
                pool.apply_async(move |number| seen.lock().unwrap().push(number), number)
            })
            .collect();
        for handle in handles? {
            handle.get()?;
        }
        assert_eq!(*seen.lock().unwrap(), (0..500).collect::<Vec<_>>());
        Ok(())
    })
}

#[test]
fn nothing_waits_behind_a_long_task() -> Outcome {
    each_way(2, |pool| {
        let (release, held) = mpsc::channel::<()>();
        let (arrive, arrived) = mpsc::channel();
        let long = pool.apply_async(
            move |()| {
                let _ = arrive.send(());
                let _ = held.recv();
            },
            (),
        )?;
        // What the worker of the long task has taken with it is done by the other one.
        let handles: Result<Vec<_>, _> =
            (0..200).map(|x: u32| pool.apply_async(|x| x, x)).collect();
        arrived.recv()?;
        for (x, mut handle) in (0..).zip(handles?) {
            assert_eq!(handle.get_timeout(LONG)??, x);
        }
        // And so is what comes while nobody else is awake.
        let mut late = pool.apply_async(|x: u32| x, 7)?;
        assert_eq!(late.get_timeout(LONG)??, 7);
        drop(release);
        long.get()?;
        Ok(())
    })
}

#[test]
fn a_worker_that_waits_for_its_own_pool_leaves_what_it_has_taken() -> Outcome {
    each_way(1, |pool| {
        let inner = |depth: u32| -> Result<u32, TaskError> {
            let handles: Result<Vec<_>, _> =
                (0..20).map(|x| pool.apply_async(|x: u32| x, x)).collect();
            let values: Result<Vec<u32>, _> =
                handles?.into_iter().map(|handle| handle.get()).collect();
            Ok(values?.iter().sum::<u32>() + depth)
        };
        let sums = pool.map(inner, 0..10)?;
        for (depth, sum) in (0..).zip(sums) {
            assert_eq!(sum?, 190 + depth);
        }
        Ok(())
    })
}

#[test]
fn the_end_of_a_pool_finds_all_that_was_taken() -> Outcome {
    each_way(2, |pool| {
        let runs = Arc::new(AtomicUsize::new(0));
        let handles: Result<Vec<_>, _> = (0..1_000)
            .map(|x: usize| {
                let runs = runs.clone();
                pool.apply_async(
                    move |x| runs.fetch_add(usize::from(x < 1_000), Ordering::Relaxed),
                    x,
                )
            })
            .collect();
        pool.terminate();
        pool.join()?;
        let ends: Vec<_> = handles?.into_iter().map(|handle| handle.get()).collect();
        let values = ends.iter().filter(|end| end.is_ok()).count();
        let terminated = ends
            .iter()
            .filter(|end| **end == Err(TaskError::Terminated))
            .count();
        assert_eq!(values + terminated, 1_000);
        assert!(runs.load(Ordering::Relaxed) >= values);
        let tasks = pool.task_stats();
        assert_eq!((tasks.submitted, tasks.ended), (1_000, 1_000));
        Ok(())
    })?;
    each_way(2, |pool| {
        let runs = Arc::new(AtomicUsize::new(0));
        for _ in 0..1_000 {
            let runs = runs.clone();
            drop(pool.apply_async(move |()| runs.fetch_add(1, Ordering::Relaxed), ())?);
        }
        pool.close();
        pool.join()?;
        assert_eq!(runs.load(Ordering::Relaxed), 1_000);
        Ok(())
    })
}

#[test]
fn many_submitters_and_idle_moments_lose_nothing() -> Outcome {
    each_way(3, |pool| {
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let submit = |rounds: usize| {
                for round in 0..rounds {
                    let handles: Vec<_> = (0..round % 7 + 1)
                        .filter_map(|x| pool.apply_async(|x: usize| x, x).ok())
                        .collect();
                    for mut handle in handles {
                        let value = handle.get_timeout(LONG);
                        assert!(matches!(value, Ok(Ok(_))), "{value:?}");
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            };
            for _ in 0..3 {
                scope.spawn(move || submit(300));
            }
        });
        let per_thread: usize = (0..300).map(|round| round % 7 + 1).sum();
        assert_eq!(done.load(Ordering::Relaxed), 3 * per_thread);
        Ok(())
    })
}

#[test]
fn tasks_that_wait_for_each_other_meet_however_they_come() -> Outcome {
    for size in [2, 3] {
        each_way(size, |pool| {
            for _ in 0..300 {
                // Submitted one by one, and often while a worker spins: each needs a worker of its own.
                let meet = Arc::new(Barrier::new(size));
                let handles: Result<Vec<_>, _> = (0..size)
                    .map(|_| {
                        let meet = meet.clone();
                        pool.apply_async(move |()| meet.wait().is_leader(), ())
                    })
                    .collect();
                for mut handle in handles? {
                    handle.get_timeout(LONG)??;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}
