//! What a pool of threads says of its work: which errors went unseen.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crossbeam_channel::unbounded;
use pool_thread::{Pool, TaskError, ThreadPool};

fn fail(what: &str) -> Result<u32, String> {
    Err(what.to_owned())
}

/// Tasks, ended tasks, errors, unseen errors.
fn counts(pool: &ThreadPool) -> [u64; 4] {
    let tasks = pool.stats().tasks;
    [tasks.submitted, tasks.ended, tasks.errors, tasks.unhandled]
}

fn done(pool: &ThreadPool) -> [u64; 4] {
    pool.close();
    pool.join().expect("closed");
    counts(pool)
}

#[test]
fn whoever_gets_an_error_has_handled_it() {
    let pool = ThreadPool::new(2).expect("a pool");
    let mut seen = 0;
    // By the call itself.
    assert!(pool.try_apply(fail, "a").is_err());
    assert!(pool.try_map(fail, ["b", "c"]).is_err());
    seen += 2;
    // By the handle, in each of its ways.
    let handle = || pool.try_apply_async(fail, "d").expect("running");
    assert!(handle().get().is_err());
    let mut waiting = handle();
    waiting.wait();
    let got = waiting.get_timeout(std::time::Duration::ZERO);
    assert!(matches!(got, Ok(Err(_))));
    let looked = handle();
    assert_eq!(
        looked.get_ref().err(),
        Some(TaskError::raised(&"d".to_owned()))
    );
    drop(looked);
    let awaited = handle();
    awaited.wait();
    let poll = pin!(awaited).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Err(_))));
    seen += 4;
    // By an error callback.
    let told = pool.try_call(fail, "e").error_callback(|_| ()).submit();
    drop(told.expect("running"));
    seen += 1;
    // By an imap's iterator.
    let results = pool.try_each(fail, ["f", "g", "h"]).chunksize(2);
    assert_eq!(
        results
            .imap()
            .expect("running")
            .filter(Result::is_err)
            .count(),
        3
    );
    seen += 3;
    let counts = done(&pool);
    assert_eq!(counts[2..], [seen, 0], "{:?}", pool.stats());
    assert_eq!(counts[0], counts[1]);
}

#[test]
fn an_error_whose_handle_was_dropped_is_unhandled_whenever_that_was() {
    let pool = ThreadPool::new(1).expect("a pool");
    let (open, opened) = unbounded::<()>();
    let before = pool.try_apply_async(
        move |what| {
            let _ = opened.recv();
            fail(what)
        },
        "the handle goes before the task ends",
    );
    drop(before);
    assert_eq!(counts(&pool), [1, 0, 0, 0]);
    open.send(()).expect("it waits");
    let after = pool
        .try_apply_async(fail, "the handle goes afterwards")
        .expect("running");
    after.wait();
    // To ask whether it failed is not to look at the error.
    assert_eq!(after.successful(), Ok(false));
    assert_eq!(counts(&pool), [2, 2, 2, 1]);
    drop(after);
    let tasks = pool.stats().tasks;
    assert_eq!((tasks.errors, tasks.unhandled), (2, 2));
    let first = tasks.first_unhandled.expect("there is one");
    assert_eq!(
        first.error,
        TaskError::raised("the handle goes before the task ends".to_owned())
    );
    assert!(first.task.starts_with("task 0, submitted at"), "{first}");
    assert!(first.task.contains("stats.rs"), "{first}");
}

#[test]
fn results_of_an_imap_that_nobody_takes_are_counted_one_by_one() {
    let pool = ThreadPool::new(1).expect("a pool");
    let mut results = pool
        .try_each(|x: u32| if x % 2 == 1 { Err(x) } else { Ok(x) }, 0..8)
        .chunksize(4)
        .imap()
        .expect("running");
    assert_eq!(results.next(), Some(Ok(0)));
    assert_eq!(results.next(), Some(Err(TaskError::raised(1).at_item(1))));
    pool.close();
    pool.join().expect("closed");
    drop(results);
    // Two chunks, and the errors 3, 5 and 7.
    assert_eq!(counts(&pool), [2, 2, 4, 3]);
}

#[test]
fn what_was_terminated_is_nobodys_error() {
    let pool = ThreadPool::builder()
        .size(1)
        .warn_on_drop(false)
        .build()
        .expect("a pool");
    let (arrive, arrived) = unbounded();
    let (open, opened) = unbounded::<()>();
    let running = pool.apply_async(
        move |()| {
            let _ = arrive.send(());
            let _ = opened.recv();
        },
        (),
    );
    let waiting = pool.try_map_async(fail, ["never"; 3]).expect("running");
    assert_eq!(arrived.recv(), Ok(()));
    pool.terminate();
    drop((running, waiting, open));
    pool.join().expect("terminated");
    assert_eq!(counts(&pool)[2..], [0, 0]);
}

#[test]
fn panics_of_tasks_and_of_callbacks_are_errors() {
    let pool = ThreadPool::builder()
        .size(1)
        .panic_hook(false)
        .build()
        .expect("a pool");
    drop(
        pool.apply_async(|()| panic!("in the task"), ())
            .map(|handle: pool_thread::AsyncResult<()>| handle),
    );
    let told = pool
        .call(|()| (), ())
        .callback(|()| panic!("in the callback"))
        .submit();
    drop(told);
    let scoped = pool.scope(|scope| {
        scope
            .apply_async(|()| panic!("in the scope"), ())
            .map(drop::<pool_thread::ScopedResult<'_, ()>>)
    });
    assert_eq!(scoped, Ok(()));
    assert_eq!(done(&pool), [3, 3, 3, 3]);
    assert!(
        Pool::task_stats(&pool)
            .first_unhandled
            .is_some_and(|first| first.to_string().contains("in the task"))
    );
}
