//! The end of a pool of threads: close, terminate, join and drop, in any order and on any thread.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{door, pool};
use crossbeam_channel::bounded;
use pool_thread::{Phase, Pool, PoolError, TaskError, ThreadPool};

#[test]
fn terminate_resolves_open_handles_at_once_while_a_thread_runs_on() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let running = pool.apply_async(task.clone(), 0).expect("a running pool");
    let queued = pool.apply_async(task, 1).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(0));
    pool.terminate();
    assert_eq!(running.get(), Err(TaskError::Terminated));
    assert_eq!(queued.get(), Err(TaskError::Terminated));
    assert_eq!(
        pool.join_timeout(Duration::ZERO),
        Ok(false),
        "the function is still running"
    );
    drop(open);
    assert_eq!(pool.join(), Ok(()));
    assert!(arrived.try_recv().is_err(), "the queued task never started");
}

#[test]
fn close_terminate_and_join_may_be_repeated_in_any_order_and_from_any_thread() {
    let pool = pool(2);
    assert_eq!(pool.join(), Err(PoolError::StillRunning));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                pool.close();
                assert_eq!(pool.join(), Ok(()));
                pool.terminate();
                assert_eq!(pool.join(), Ok(()));
            });
        }
    });
    assert_eq!(pool.phase(), Phase::Joined);
    assert_eq!(
        pool.apply(|()| (), ()),
        Err(TaskError::Pool(PoolError::NotRunning))
    );
    assert_eq!(
        pool.map(|()| (), []),
        Err(TaskError::Pool(PoolError::NotRunning)),
        "also for no items"
    );
}

#[test]
fn join_inside_a_task_or_a_callback_of_the_pool_is_refused() {
    let pool = Arc::new(pool(2));
    pool.close();
    let (closed, (say, said)) = (pool.clone(), bounded(1));
    let pool = Arc::new(self::pool(2));
    let inner = pool.clone();
    let task = pool.apply(
        |()| {
            inner.close();
            (inner.join(), closed.join())
        },
        (),
    );
    assert_eq!(
        task,
        Ok((Err(PoolError::WouldDeadlock), Ok(()))),
        "another pool may be joined"
    );
    let pool = Arc::new(self::pool(1));
    let inner = pool.clone();
    let callback = move |_: &()| {
        inner.close();
        let _ = say.send(inner.join());
    };
    pool.call(|()| (), ())
        .callback(callback)
        .submit()
        .expect("a running pool")
        .get()
        .expect("a value");
    assert_eq!(said.recv(), Ok(Err(PoolError::WouldDeadlock)));
    assert_eq!(pool.join(), Ok(()));
}

#[test]
fn a_pool_dropped_by_its_own_task_is_reaped_elsewhere() {
    let pool = Arc::new(pool(1));
    let (give, given) = bounded::<Arc<ThreadPool>>(1);
    let (done, seen) = bounded(1);
    let handle = pool
        .apply_async(
            move |()| {
                drop(given.recv());
                let _ = done.send(());
            },
            (),
        )
        .expect("a running pool");
    let _ = give.send(pool);
    assert_eq!(seen.recv(), Ok(()));
    assert_eq!(handle.get(), Err(TaskError::Terminated));
}
