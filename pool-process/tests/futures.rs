//! Pools of processes in asynchronous programs: handles are awaited, streams polled, futures dropped.

mod common;

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use common::{Outcome, Watch, never_end, pid};
use futures_core::Stream;
use pool_process::{Pool, PoolError, ProcessPool, TaskError, as_completed, wait_any};

/// Runs a future on a runtime that has the calling thread alone.
fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn handles_streams_and_joins_are_awaited() -> Outcome {
    on_one_thread(async {
        let pool = ProcessPool::new(2)?;
        assert_eq!(pool.join_async().await, Err(PoolError::StillRunning));
        let worker = Watch::over(pool.apply_async(pid, ())?.await?);
        assert_eq!(pool.map_async(|x: u64| x * x, 0..4)?.await?, [0, 1, 4, 9]);
        for unordered in [false, true] {
            let submission = pool.each(|x: u64| x * x, 0..40).chunksize(3);
            let mut results = if unordered {
                submission.imap_unordered()?
            } else {
                submission.imap()?
            };
            let mut sum = 0;
            while let Some(square) = poll_fn(|cx| Pin::new(&mut results).poll_next(cx)).await {
                sum += square?;
            }
            assert_eq!(sum, (0..40).map(|x| x * x).sum::<u64>());
        }
        pool.close();
        pool.join_async().await?;
        worker.ends();
        Ok(())
    })
}

#[test]
fn a_pool_dropped_on_the_only_thread_of_a_runtime_resolves_what_others_await() -> Outcome {
    on_one_thread(async {
        let pool = ProcessPool::builder()
            .size(1)
            .grace(Duration::ZERO)
            .warn_on_drop(false)
            .build()?;
        let running = tokio::spawn(pool.apply_async(never_end, ())?);
        let queued = tokio::spawn(pool.map_async(never_end, [(); 100])?);
        tokio::task::yield_now().await;
        drop(pool);
        assert_eq!(running.await?, Err(TaskError::Terminated));
        assert_eq!(queued.await?, Err(TaskError::Terminated));
        Ok(())
    })
}

#[test]
fn a_detached_pool_has_its_work_done_and_leaves_no_worker() -> Outcome {
    let pool = ProcessPool::new(1)?;
    let worker = Watch::over(pool.apply(pid, ())?);
    let handles: Result<Vec<_>, _> = (0..20)
        .map(|number| pool.apply_async(|x: u32| x + 1, number))
        .collect();
    pool.detach();
    for (number, handle) in (0..).zip(handles?) {
        assert_eq!(handle.get()?, number + 1);
    }
    worker.ends();
    Ok(())
}

#[test]
fn handles_are_waited_for_together_and_get_callbacks() -> Outcome {
    common::each_way(2, |pool| {
        let running = pool.apply_async(never_end, ())?;
        let mut handles = vec![];
        for number in 0..20_u64 {
            handles.push(pool.apply_async(|x: u64| x * x, number)?);
        }
        let (sender, outcomes) = std::sync::mpsc::channel();
        running.add_done_callback(move |outcome| sender.send(outcome).expect("a receiver"));
        let any = wait_any(&handles).ok_or("a task that finishes")?;
        let square = (any as u64).pow(2);
        assert_eq!(handles.remove(any).get()?, square);
        let mut squares = vec![square];
        for (_, outcome) in as_completed(handles) {
            squares.push(outcome?);
        }
        squares.sort_unstable();
        assert_eq!(squares, (0..20).map(|x| x * x).collect::<Vec<u64>>());
        pool.terminate();
        assert_eq!(outcomes.recv()?, Err(TaskError::Terminated));
        pool.join()?;
        Ok(())
    })
}
