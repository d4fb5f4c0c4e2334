//! Pools that run to completion: everything is done at its end, and no error is lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::unbounded;
use pool_thread::{Never, Pool, PoolError, RunError, TaskError, ThreadPool};

#[test]
fn all_that_was_submitted_is_done_at_the_end() {
    let done = Arc::new(AtomicUsize::new(0));
    let ended = ThreadPool::new(2)
        .expect("a pool")
        .run_to_completion(|pool| {
            for _ in 0..100 {
                let done = done.clone();
                drop(pool.apply_async(move |()| done.fetch_add(1, Ordering::SeqCst), ())?);
            }
            Ok::<_, PoolError>("fine")
        });
    assert!(matches!(ended, Ok("fine")), "{ended:?}");
    assert_eq!(done.load(Ordering::SeqCst), 100);
}

#[test]
fn the_first_error_comes_back_the_bodys_own_before_those_of_tasks() {
    let fail = |text: &'static str| Err::<(), _>(text);
    let lost = ThreadPool::new(1)
        .expect("a pool")
        .run_to_completion(|pool| {
            drop(pool.try_apply_async(fail, "first"));
            drop(pool.try_apply_async(fail, "second"));
            assert!(pool.try_apply(fail, "seen").is_err());
            Ok::<_, Never>(())
        });
    match lost {
        Err(RunError::Unhandled(unhandled)) => {
            assert_eq!(unhandled.error, TaskError::raised("first".to_owned()));
        }
        other => panic!("not lost: {other:?}"),
    }
    let own = ThreadPool::new(1)
        .expect("a pool")
        .run_to_completion(|pool| {
            drop(pool.try_apply_async(fail, "unseen"));
            pool.try_apply(fail, "own")
        });
    assert!(
        matches!(&own, Err(RunError::Body(error)) if *error == TaskError::raised("own")),
        "{own:?}"
    );
}

#[test]
fn a_body_that_panics_terminates_the_pool_and_the_panic_goes_on() {
    let (arrive, arrived) = unbounded();
    let (open, opened) = unbounded::<()>();
    let started = Arc::new(AtomicUsize::new(0));
    let pool = ThreadPool::new(1).expect("a pool");
    let mut handles = Vec::new();
    let count = started.clone();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        pool.run_to_completion(|pool| {
            for _ in 0..3 {
                let (arrive, opened, count) = (arrive.clone(), opened.clone(), count.clone());
                let task = move |()| {
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = arrive.send(());
                    let _ = opened.recv();
                };
                handles.push(pool.apply_async(task, ()).expect("running"));
            }
            arrived.recv().expect("one runs");
            drop(open);
            if started.load(Ordering::SeqCst) > 0 {
                std::panic::panic_any("the body's own");
            }
            Ok::<_, Never>(())
        })
    }));
    let payload = unwound.expect_err("it panicked");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the body's own"));
    assert!(
        handles.iter().all(|handle| handle.ready()),
        "nothing is left to wait for"
    );
}
