//! Starvation: pools in which no worker can take work, or no compensation thread can be had. Nothing hangs; tasks that cannot run
//! fail with the cause.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use common::pool;
use crossbeam_channel::bounded;
use pool_thread::{Builder, Cause, Pool, PoolError, TaskError, ThreadPool};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A bound for what hangs where it is broken.
const LIMIT: Duration = Duration::from_secs(60);

fn builder(size: usize) -> Builder {
    ThreadPool::builder().size(size).warn_on_drop(false)
}

/// A pool whose first workers start, and no others.
fn none_but_the_first(size: usize) -> Arc<ThreadPool> {
    let started = AtomicUsize::new(0);
    let pool = builder(size).try_initializer(move || {
        if started.fetch_add(1, Ordering::SeqCst) < size {
            Ok(())
        } else {
            Err("no licence")
        }
    });
    let pool = Arc::new(pool.build().expect("a pool"));
    // Each first worker has begun before anybody else can.
    let met = Arc::new(Barrier::new(size));
    let meet = move |_| met.wait().is_leader();
    let all = pool.each(meet, 0..size).chunksize(1).submit();
    assert!(all.expect("a running pool").get().is_ok());
    pool
}

/// Whether it failed because no worker would start, for the initializer's reason.
fn is_unlicensed<T>(end: &Result<T, TaskError>) -> bool {
    let Err(TaskError::WorkerLost(lost)) = end else {
        return false;
    };
    matches!(&lost.cause, Cause::Start(why) if why.contains("no licence"))
}

#[test]
fn where_a_blocked_workers_stand_in_cannot_start_what_it_waits_for_fails() -> Outcome {
    let pool = none_but_the_first(1);
    for _ in 0..2 {
        let inside = pool.clone();
        let mut outer = pool.apply_async(move |()| inside.apply(|x: u32| x, 1), ())?;
        let inner = outer.get_timeout(LIMIT)??;
        assert!(is_unlicensed(&inner), "{inner:?}");
        // The worker itself is unharmed, and goes on.
        assert_eq!(pool.apply_async(|x: u32| x, 2)?.get_timeout(LIMIT)??, 2);
    }
    pool.close();
    assert_eq!(pool.join_timeout(LIMIT), Ok(true));
    Ok(())
}

#[test]
fn where_all_workers_are_blocked_and_no_stand_in_can_start_one_failure_frees_the_next() -> Outcome {
    let pool = none_but_the_first(3);
    let (met, inside) = (Barrier::new(3), pool.clone());
    let wait = move |x: u32| {
        met.wait();
        inside.apply(|x: u32| x, x)
    };
    let mut outer = pool.each(wait, 0..3).chunksize(1).submit()?;
    let inner = outer.get_timeout(LIMIT)??;
    // As soon as one of them goes on, it may come to what the others wait for.
    assert!(inner.iter().any(is_unlicensed), "{inner:?}");
    for (x, end) in (0..).zip(&inner) {
        assert!(is_unlicensed(end) || *end == Ok(x), "{end:?}");
    }
    assert_eq!(
        pool.map_async(|x: u32| x, 0..9)?.get_timeout(LIMIT)??.len(),
        9
    );
    Ok(())
}

#[test]
fn an_initializer_has_all_its_tries_also_in_a_closed_pool_with_work() -> Outcome {
    let (closed, is_closed) = bounded::<()>(1);
    let tries = AtomicUsize::new(0);
    let pool = builder(1).try_initializer(move || {
        // The first try ends when the pool is closed.
        let _ = is_closed.recv();
        match tries.fetch_add(1, Ordering::SeqCst) {
            0..3 => Err("not yet"),
            _ => Ok(()),
        }
    });
    let pool = pool.build()?;
    let mut handle = pool.apply_async(|x: u32| x, 7)?;
    pool.close();
    drop(closed);
    assert_eq!(handle.get_timeout(LIMIT)??, 7);
    Ok(())
}

#[test]
fn an_imap_that_cannot_be_waited_for_is_refused_in_either_order() -> Outcome {
    for unordered in [false, true] {
        let pool = Arc::new(builder(1).compensation_threads(0).build()?);
        let inside = pool.clone();
        let mut outer = pool.apply_async(
            move |()| {
                let results = inside.each(|x: u32| x, 0..5).chunksize(2);
                let results = if unordered {
                    results.imap_unordered()?
                } else {
                    results.imap()?
                };
                Ok::<_, PoolError>(results.collect::<Vec<_>>())
            },
            (),
        )?;
        let results = outer.get_timeout(LIMIT)??;
        assert_eq!(results?, vec![Err(PoolError::WouldDeadlock.into()); 5]);
        pool.close();
        assert_eq!(pool.join_timeout(LIMIT), Ok(true));
    }
    Ok(())
}

#[test]
fn a_scope_that_cannot_wait_for_its_tasks_takes_them_back_and_says_so() -> Outcome {
    let pool = Arc::new(builder(1).compensation_threads(0).build()?);
    let (inside, runs) = (pool.clone(), Arc::new(AtomicUsize::new(0)));
    let seen = runs.clone();
    let mut outer = pool.apply_async(
        move |()| {
            let asked = inside.scope(|scope| {
                let held = runs.clone();
                drop(scope.apply_async(move |()| held.fetch_add(1, Ordering::SeqCst), ()));
                scope.apply_async(|()| 1, ())?.get()
            });
            // The closure that never began is gone with the scope.
            (asked, Arc::strong_count(&runs))
        },
        (),
    )?;
    let refused = Err(TaskError::Pool(PoolError::WouldDeadlock));
    assert_eq!(outer.get_timeout(LIMIT)??, (refused, 2));
    pool.close();
    assert_eq!(pool.join_timeout(LIMIT), Ok(true));
    assert_eq!(seen.load(Ordering::SeqCst), 0, "it was taken back");
    let tally = pool.stats().tasks;
    assert_eq!((tally.submitted, tally.ended), (3, 3));
    assert_eq!((tally.errors, tally.unhandled), (2, 2), "{tally:?}");
    let first = tally.first_unhandled.expect("an unseen error").to_string();
    assert!(first.contains("starvation.rs"), "{first}");
    Ok(())
}

#[test]
fn tasks_that_wait_for_their_own_pool_never_starve_it() {
    fn depth(pool: &ThreadPool, levels: u32) -> u32 {
        match levels {
            0 => 0,
            _ => {
                1 + pool
                    .apply(|levels| depth(pool, levels), levels - 1)
                    .expect("a value")
            }
        }
    }
    let pool = pool(1);
    assert_eq!(depth(&pool, 20), 20);
    let sums = pool.map(
        |x: u32| pool.map(|y| x * y, 0..4).map(|row| row.iter().sum()),
        0..4,
    );
    let sums: Result<Vec<u32>, _> = sums.expect("values").into_iter().collect();
    assert_eq!(sums, Ok(vec![0, 6, 12, 18]));
    pool.close();
    assert_eq!(pool.join(), Ok(()));
}

#[test]
fn a_call_that_cannot_lend_its_place_is_refused_before_anything_is_lent() {
    fn depth(pool: &ThreadPool, levels: u32) -> Result<u32, TaskError> {
        let Some(below) = levels.checked_sub(1) else {
            return Ok(0);
        };
        // Borrowed by the task: were the call to return before it, the task would find nothing there.
        let lent = vec![below; 100];
        pool.apply(|()| depth(pool, lent[99]), ())?
            .map(|depth| depth + 1)
    }
    let pool = pool(1);
    assert_eq!(depth(&pool, 50), Ok(50));
    // More threads in the place of blocked ones than there may be.
    assert_eq!(
        depth(&pool, 1_100),
        Err(TaskError::Pool(PoolError::WouldDeadlock))
    );
    assert_eq!(depth(&pool, 3), Ok(3));
    let tally = pool.stats().tasks;
    assert_eq!(tally.submitted, tally.ended);
}

#[test]
fn while_a_worker_waits_for_its_pool_starts_stay_first_in_first_out() {
    let pool = pool(1);
    let order = Mutex::new(Vec::new());
    let note = |name: &'static str| order.lock().expect("no panic").push(name);
    let (queued, go) = bounded::<()>(1);
    pool.scope(|scope| {
        let outer = scope.apply_async(
            |()| {
                note("outer");
                let _ = go.recv();
                pool.apply(|()| note("inner"), ())
            },
            (),
        );
        let second = scope.apply_async(|()| note("second"), ());
        assert_eq!(queued.send(()), Ok(()));
        assert_eq!(outer.expect("a running pool").get(), Ok(Ok(())));
        assert_eq!(second.expect("a running pool").get(), Ok(()));
    });
    assert_eq!(
        order.into_inner().expect("no panic"),
        ["outer", "second", "inner"]
    );
}
