//! A queue with a bound, before processes.

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{Outcome, never_end};
use pool_process::{Pool, PoolError, ProcessPool, StartError, TrySubmitError};

fn nap(_: u32) {
    never_end(());
}

#[test]
fn a_full_queue_refuses_waits_and_is_woken_by_the_end_of_the_pool() -> Outcome {
    assert!(matches!(
        ProcessPool::builder().queue(0).build(),
        Err(StartError::NoQueue)
    ));
    let pool = ProcessPool::builder()
        .size(1)
        .queue(1)
        .grace(Duration::ZERO)
        .warn_on_drop(false)
        .build()?;
    // The first is taken by the worker, the second waits, the third finds no place.
    let _running = pool.apply_async(nap, 1)?;
    let _waiting = pool.apply_async(nap, 2)?;
    assert_eq!(
        pool.call(nap, 3).try_submit().err(),
        Some(TrySubmitError::Full(3))
    );
    let limit = Duration::from_millis(1);
    assert_eq!(
        pool.each(nap, [4, 5]).submit_timeout(limit).err(),
        Some(TrySubmitError::Full(vec![4, 5]))
    );
    let (begin, began) = mpsc::channel();
    thread::scope(|scope| {
        let pool = &pool;
        let submitter = scope.spawn(move || {
            let submission = pool.call(nap, 6);
            let _ = begin.send(());
            submission.submit_timeout(Duration::from_secs(3_600))
        });
        began.recv().expect("it began");
        pool.terminate();
        assert_eq!(
            submitter.join().expect("no panic").err(),
            Some(TrySubmitError::Refused(PoolError::NotRunning, 6))
        );
    });
    assert_eq!(pool.apply_async(nap, 7).err(), Some(PoolError::NotRunning));
    pool.join()?;
    Ok(())
}

#[test]
fn everything_passes_a_narrow_queue() -> Outcome {
    let pool = ProcessPool::builder().size(2).queue(1).build()?;
    let expected: Vec<u64> = (0..100).map(|x| x * x).collect();
    let squares = pool.each(|x: u64| x * x, 0..100).chunksize(3).submit()?;
    assert_eq!(squares.get()?, expected);
    let handles: Result<Vec<_>, _> = (0..100)
        .map(|x| pool.apply_async(|x: u64| x * x, x))
        .collect();
    let squares: Result<Vec<u64>, _> = handles?.into_iter().map(|handle| handle.get()).collect();
    assert_eq!(squares?, expected);
    let squares: Result<Vec<u64>, _> = pool.imap(|x: u64| x * x, 0..100)?.collect();
    assert_eq!(squares?, expected);
    Ok(())
}
