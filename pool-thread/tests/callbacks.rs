//! Callbacks: when they run, on what, and what they may do.

mod common;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::pool;
use crossbeam_channel::unbounded;
use pool_thread::{Pool, TaskError};

#[test]
fn callbacks_run_one_at_a_time_in_order_of_completion_before_ready_and_before_join_returns() {
    let pool = pool(4);
    let log = Arc::new(Mutex::new(Vec::new()));
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let running = Arc::new(AtomicUsize::new(0));
    for number in 0..50 {
        let (log, threads, running) = (log.clone(), threads.clone(), running.clone());
        let callback = move |value: &i32| {
            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
            threads
                .lock()
                .expect("no panic")
                .insert(std::thread::current().id());
            log.lock().expect("no panic").push(*value);
            running.fetch_sub(1, Ordering::SeqCst);
        };
        let handle = pool
            .call(|x| x, number)
            .callback(callback)
            .submit()
            .expect("a running pool");
        drop(handle);
    }
    pool.close();
    pool.join().expect("closed");
    let mut seen = log.lock().expect("no panic").clone();
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
    assert_eq!(threads.lock().expect("no panic").len(), 1);
}

#[test]
fn exactly_one_of_the_two_callbacks_runs() {
    let pool = pool(1);
    for (item, expected) in [(1, "value 1"), (0, "error task failed: zero")] {
        let (say, said) = unbounded();
        let (say_error, both) = (say.clone(), said);
        let func = |x: u32| if x > 0 { Ok(x) } else { Err("zero") };
        let handle = pool
            .try_call(func, item)
            .callback(move |value| drop(say.send(format!("value {value}"))))
            .error_callback(move |error| drop(say_error.send(format!("error {error}"))))
            .submit();
        drop(handle);
        assert_eq!(both.iter().collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn a_callback_that_panics_becomes_its_jobs_error_and_the_lane_goes_on() {
    let pool = pool(1);
    let first = pool
        .call(|x| x, 1)
        .callback(|_| panic!("in the callback"))
        .submit();
    let second = pool.call(|x| x, 2).callback(|_| ()).submit();
    let error = first.expect("a running pool").get();
    assert!(matches!(error, Err(TaskError::Panicked(panic)) if panic.message == "in the callback"));
    assert_eq!(second.expect("a running pool").get(), Ok(2));
}

#[test]
fn a_callback_may_wait_for_other_jobs_of_its_pool_whose_callbacks_then_run_nested() {
    let pool = Arc::new(pool(1));
    let inner = pool.clone();
    let (say, said) = unbounded();
    let nested = say.clone();
    let handle = pool
        .call(|x| x, 1)
        .callback(move |value| {
            let value = *value;
            let nested = nested.clone();
            let other = inner
                .call(|x| x, value + 1)
                .callback(move |value| assert_eq!(nested.send(*value), Ok(())));
            let _ = say.send(
                other
                    .submit()
                    .expect("a running pool")
                    .get()
                    .expect("a value")
                    * 10,
            );
        })
        .submit()
        .expect("a running pool");
    assert_eq!(handle.get(), Ok(1));
    assert_eq!((said.recv(), said.recv()), (Ok(2), Ok(20)));
}
