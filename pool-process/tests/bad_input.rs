//! What makes no sense is refused, at once, by an error that names it.

mod common;

use std::time::Duration;

use common::Outcome;
use pool_process::{Pool, PoolError, ProcessPool, TaskError, TrySubmitError};

fn same(x: u32) -> u32 {
    x
}

#[test]
fn sizes_and_bounds_that_cannot_be() {
    let refusals = [
        (
            ProcessPool::builder().size(0),
            "number of workers must be at least 1",
        ),
        (
            ProcessPool::builder().size(2_000_000),
            "number of workers must be at most 1048576, not 2000000",
        ),
        (
            ProcessPool::builder().queue(0),
            "bound of the queue must be at least 1",
        ),
    ];
    for (builder, says) in refusals {
        assert_eq!(builder.build().expect_err("refused").to_string(), says);
    }
}

#[test]
fn chunks_and_read_ahead_of_nothing_and_pools_that_take_no_more() -> Outcome {
    let pool = ProcessPool::new(1)?;
    assert_eq!(
        pool.each(same, 0..3).chunksize(0).submit().err(),
        Some(PoolError::ZeroChunksize)
    );
    assert_eq!(
        pool.each(same, 0..3).chunksize(0).imap().err(),
        Some(PoolError::ZeroChunksize)
    );
    assert_eq!(
        pool.each(same, 0..3).read_ahead(0).imap().err(),
        Some(PoolError::ZeroReadAhead)
    );
    assert_eq!(pool.join(), Err(PoolError::StillRunning));
    assert_eq!(pool.apply(same, 1)?, 1);
    pool.close();
    let (no, nothing) = (Some(PoolError::NotRunning), [0_u32; 0]);
    assert_eq!(
        pool.apply(same, 1),
        Err(TaskError::Pool(PoolError::NotRunning))
    );
    assert_eq!(
        pool.map(same, nothing),
        Err(TaskError::Pool(PoolError::NotRunning))
    );
    assert_eq!(pool.imap(same, nothing).err(), no);
    assert_eq!(
        pool.with(1)
            .map_async(|by: &u32, x: u32| x * by, nothing)
            .err(),
        no
    );
    assert_eq!(
        pool.call(same, 1).try_submit().err(),
        Some(TrySubmitError::Refused(PoolError::NotRunning, 1))
    );
    assert_eq!(pool.join_timeout(Duration::MAX), Ok(true));
    Ok(())
}

#[test]
fn a_limit_on_messages_that_nothing_keeps_to() -> Outcome {
    let pool = ProcessPool::builder().size(1).max_message(30).build()?;
    let worker = pool.apply(common::pid, ())?;
    let long = pool.apply(|length: usize| "x".repeat(length), 100);
    assert!(
        matches!(&long, Err(TaskError::Encode(error)) if error.type_name == "the task's result"),
        "{long:?}"
    );
    assert_eq!(pool.apply(common::pid, ())?, worker);
    let pool = ProcessPool::builder().size(1).max_message(0).build()?;
    let refused = pool.apply(same, 1);
    assert!(
        matches!(&refused, Err(TaskError::Encode(error)) if error.type_name == "the task's argument"),
        "{refused:?}"
    );
    Ok(())
}
