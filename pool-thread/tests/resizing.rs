//! A pool of threads that is resized, and whose threads leave when there is nothing to do.

#[path = "../../pool-core/tests/programs/clock.rs"]
mod clock;
#[path = "../../pool-core/tests/programs/notes.rs"]
mod notes;
#[path = "../../pool-core/tests/programs/resizing.rs"]
mod resizing;

use std::time::Duration;

use clock::Clock;
use pool_thread::{Pool, StartError, TaskError, ThreadPool};
use resizing::Setup;

const LIMIT: Duration = Duration::from_secs(3);

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn start(setup: Setup) -> Result<ThreadPool, StartError> {
    let builder = ThreadPool::builder().size(setup.size).timers(setup.timers);
    let builder = builder.observer(setup.notes);
    match setup.idle_timeout {
        Some(time) => builder.idle_timeout(time).build(),
        None => builder.build(),
    }
}

#[test]
fn a_pool_grows_and_shrinks() -> Outcome {
    resizing::grows_and_shrinks(start)
}

#[test]
fn a_pool_shrinks_while_all_workers_are_busy() -> Outcome {
    resizing::shrinks_while_all_are_busy(start)
}

#[test]
fn a_pool_that_is_resized_loses_nothing() -> Outcome {
    resizing::loses_nothing(start)
}

#[test]
fn idle_workers_leave_and_come_back() -> Outcome {
    resizing::idle_workers_leave(start)
}

/// A worker takes several short tasks at once: where one of them proves long, those behind it have another worker come back.
#[test]
fn a_worker_comes_back_for_what_waits_behind_a_long_task() -> Outcome {
    let (clock, armed) = Clock::new();
    let builder = ThreadPool::builder().size(2).idle_timeout(LIMIT).reach(8);
    let pool = builder.timers(clock.timers()).build()?;
    for _ in 0..2 {
        armed.expect(LIMIT);
    }
    clock.advance(LIMIT);
    let (opens, opened) = crossbeam_channel::bounded::<()>(0);
    let meet = move |last| match last {
        true => opens.send(()).is_ok(),
        false => opened.recv().is_ok(),
    };
    let met = pool.each(meet, [false, true]).chunksize(1).submit()?;
    // Also in a pool that was closed meanwhile.
    pool.close();
    assert_eq!(met.get()?, [true, true]);
    pool.join()?;
    Ok(())
}

/// A task that waits for its own pool has a compensation thread, whatever the size is meanwhile.
#[test]
fn a_pool_is_resized_by_a_task_that_waits_for_it() -> Outcome {
    let pool = ThreadPool::new(2)?;
    let nested = |depth: u32| -> Result<u32, TaskError> {
        pool.resize(1 + depth as usize % 3).expect("threads");
        match depth {
            0 => Ok(0),
            _ => pool.apply(|x: u32| x + 1, depth),
        }
    };
    for _ in 0..20 {
        let sums = pool.map(nested, 0..6)?;
        let sums: Result<Vec<u32>, TaskError> = sums.into_iter().collect();
        assert_eq!(sums?, [0, 2, 3, 4, 5, 6]);
    }
    Ok(())
}
