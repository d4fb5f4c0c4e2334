//! Pools that run to completion: everything is done at its end, no worker is left, and no error is lost.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{Outcome, Watch, never_end, pid};
use pool_process::{Cause, Never, Pool, PoolError, ProcessPool, RunError, TaskError};

#[test]
fn all_that_was_submitted_is_done_and_an_unhandled_error_comes_back() -> Outcome {
    let mut handles = Vec::new();
    let ended = ProcessPool::new(2)?.run_to_completion(|pool| {
        for number in 0..50_u32 {
            handles.push(pool.apply_async(|x: u32| x * 2, number)?);
        }
        Ok::<_, PoolError>(pool.size())
    });
    assert_eq!(ended?, 2);
    for (number, mut handle) in (0..).zip(handles) {
        assert_eq!(handle.get_timeout(Duration::ZERO)??, number * 2);
    }
    let lost = ProcessPool::new(1)?.run_to_completion(|pool| {
        drop(pool.apply_async(|code: i32| -> () { std::process::exit(code) }, 9));
        Ok::<_, Never>(())
    });
    match lost {
        Err(RunError::Unhandled(unhandled)) => match unhandled.error {
            TaskError::WorkerLost(lost) => assert_eq!(lost.cause, Cause::Exit(9)),
            other => panic!("not lost: {other}"),
        },
        other => panic!("not lost: {other:?}"),
    }
    Ok(())
}

#[test]
fn a_body_that_panics_leaves_no_worker() -> Outcome {
    let pool = ProcessPool::builder()
        .size(1)
        .grace(Duration::ZERO)
        .build()?;
    let worker = Watch::over(pool.apply(pid, ())?);
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        pool.run_to_completion(|pool| {
            drop(pool.apply_async(never_end, ()));
            if pool.size() == 1 {
                std::panic::panic_any("the body's own");
            }
            Ok::<_, Never>(())
        })
    }));
    assert!(unwound.is_err_and(|payload| payload.is::<&str>()));
    worker.ends();
    Ok(())
}
