//! Handles in the order of completion, and callbacks that are added to a handle.

mod common;

use std::sync::mpsc::channel;
use std::time::Duration;

use common::{door, pool};
use pool_thread::{Pool, PoolError, TaskError, TimedOut, as_completed, wait_any};

#[test]
fn outcomes_come_in_the_order_of_completion_with_the_index_of_their_handle() {
    let pool = pool(2);
    let (task, arrived, open) = door();
    let handles = vec![
        pool.apply_async(task, 7).expect("a running pool"),
        pool.apply_async(|x| x + 1, 1).expect("a running pool"),
        pool.apply_async(|x| x + 1, 2).expect("a running pool"),
    ];
    assert_eq!(arrived.recv(), Ok(7));
    let mut outcomes = as_completed(handles);
    assert_eq!(outcomes.len(), 3);
    let mut others = [outcomes.next(), outcomes.next()].map(|next| next.expect("an outcome"));
    others.sort_by_key(|(index, _)| *index);
    assert_eq!(others, [(1, Ok(2)), (2, Ok(3))]);
    assert_eq!(outcomes.next_timeout(Duration::ZERO), Err(TimedOut));
    assert_eq!(
        outcomes.next_timeout(Duration::from_millis(1)),
        Err(TimedOut)
    );
    assert_eq!(open.send(()), Ok(()));
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes.next(), Some((0, Ok(7))));
    assert_eq!(outcomes.next(), None);
    assert_eq!(outcomes.next_timeout(Duration::ZERO), Ok(None));
}

#[test]
fn a_handle_without_an_outcome_to_come_says_why() {
    let pool = pool(1);
    let mut taken = pool.apply_async(|x| x, 1).expect("a running pool");
    assert_eq!(taken.get_timeout(Duration::MAX), Ok(Ok(1)));
    assert_eq!(wait_any(&[taken]), Some(0));
    let mut taken = pool.apply_async(|x| x, 1).expect("a running pool");
    assert_eq!(taken.get_timeout(Duration::MAX), Ok(Ok(1)));
    let (task, arrived, open) = door();
    let running = pool.apply_async(task, 2).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(2));
    let mut outcomes = as_completed([running, taken]);
    assert_eq!(outcomes.next(), Some((1, Err(PoolError::Taken.into()))));
    pool.terminate();
    assert_eq!(outcomes.next(), Some((0, Err(TaskError::Terminated))));
    drop(open);
}

#[test]
fn a_task_waits_for_any_task_of_its_own_pool_of_one_worker() {
    let pool = std::sync::Arc::new(pool(1));
    let inner = pool.clone();
    let sum = pool.apply(
        move |numbers: Vec<u32>| -> u32 {
            let task = |number| inner.apply_async(|x| x * 10, number);
            let handles = numbers.into_iter().map(task);
            let handles: Vec<_> = handles.collect::<Result<_, _>>().expect("a running pool");
            assert!(wait_any(&handles).is_some());
            as_completed(handles)
                .map(|(_, outcome)| outcome.expect("a value"))
                .sum()
        },
        vec![1, 2, 3],
    );
    assert_eq!(sum, Ok(60));
}

#[test]
fn a_callback_waits_for_a_task_whose_callback_runs_meanwhile() {
    let pool = std::sync::Arc::new(pool(1));
    let (sender, results) = channel();
    let (inner, called) = (pool.clone(), sender.clone());
    let handle = pool
        .call(|x: u32| x, 1)
        .callback(move |_| {
            let tell = called.clone();
            let nested = inner
                .call(|x: u32| x + 1, 1)
                .callback(move |value| tell.send(*value).expect("a receiver"))
                .submit();
            let outcome = as_completed(nested).next();
            called
                .send(outcome.map_or(0, |(_, value)| value.expect("a value") + 10))
                .expect("a receiver");
        })
        .submit();
    assert_eq!(handle.expect("a running pool").get(), Ok(1));
    drop(sender);
    drop(pool);
    assert_eq!(results.iter().collect::<Vec<_>>(), [2, 12]);
}

#[test]
fn a_callback_that_would_wait_for_its_own_task_is_refused() {
    let pool = pool(1);
    let (give, given) = channel();
    let (tell, told) = channel();
    let handle = pool
        .call(|x: u32| x, 1)
        .callback(move |_| {
            let own = given.recv().expect("the handle");
            tell.send((
                wait_any(std::slice::from_ref(&own)),
                as_completed([own]).next(),
            ))
            .expect("a receiver");
        })
        .submit();
    give.send(handle.expect("a running pool"))
        .expect("a receiver");
    let refused = TaskError::from(PoolError::WouldDeadlock);
    assert_eq!(told.recv(), Ok((None, Some((0, Err(refused))))));
}

#[test]
fn handles_of_two_pools_are_waited_for_together_also_in_a_task_of_the_second() {
    let (first, second) = (pool(1), std::sync::Arc::new(pool(1)));
    let (task, arrived, open) = door();
    let blocked = first.apply_async(task, 1).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(1));
    let inner = second.clone();
    let outcomes = second.apply(
        move |handle| {
            let own = inner.apply_async(|x| x, 2).expect("a running pool");
            let mut outcomes = as_completed([handle, own]);
            let one = outcomes.next();
            open.send(()).expect("a task that waits");
            (one, outcomes.next())
        },
        blocked,
    );
    assert_eq!(outcomes, Ok((Some((1, Ok(2))), Some((0, Ok(1))))));
}

#[test]
fn a_callback_is_added_to_a_handle_before_and_after_its_task_has_finished() {
    let pool = pool(1);
    let (sender, outcomes) = channel();
    let send = |name: &'static str| {
        let sender = sender.clone();
        move |outcome: Result<u32, TaskError>| sender.send((name, outcome)).expect("a receiver")
    };
    let (task, arrived, open) = door();
    let running = pool.apply_async(task, 1).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(1));
    running.add_done_callback(send("before"));
    open.send(()).expect("a task that waits");
    assert_eq!(outcomes.recv(), Ok(("before", Ok(1))));

    let finished = pool.apply_async(|x| x, 2).expect("a running pool");
    finished.wait();
    finished.add_done_callback(send("after"));
    assert_eq!(outcomes.recv(), Ok(("after", Ok(2))));

    let mut taken = pool.apply_async(|x| x, 3).expect("a running pool");
    assert_eq!(taken.get_timeout(Duration::MAX), Ok(Ok(3)));
    taken.add_done_callback(send("taken"));
    assert_eq!(outcomes.recv(), Ok(("taken", Err(PoolError::Taken.into()))));

    // `join` waits for it, and its panic ends nothing.
    let panics = pool.apply_async(|x| x, 4).expect("a running pool");
    panics.add_done_callback(|_| panic!("never mind"));
    let last = pool.apply_async(|x| x, 5).expect("a running pool");
    last.add_done_callback(send("joined"));
    pool.close();
    assert_eq!(pool.join(), Ok(()));
    assert_eq!(outcomes.try_recv(), Ok(("joined", Ok(5))));
}

#[test]
fn a_callback_added_to_what_terminate_ends_is_called_before_join_returns() {
    let pool = pool(1);
    let (sender, outcomes) = channel();
    let (task, arrived, open) = door();
    let running = pool.apply_async(task.clone(), 1).expect("a running pool");
    let queued = pool.apply_async(task, 2).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(1));
    for handle in [running, queued] {
        let sender = sender.clone();
        handle.add_done_callback(move |outcome| sender.send(outcome).expect("a receiver"));
    }
    pool.terminate();
    drop(open);
    assert_eq!(pool.join(), Ok(()));
    drop(sender);
    let outcomes: Vec<_> = outcomes.iter().collect();
    assert_eq!(
        outcomes,
        [Err(TaskError::Terminated), Err(TaskError::Terminated)]
    );
    // Long after the pool's end the callback runs at once.
    let ended = pool_thread::ThreadPool::new(1).expect("a pool");
    let handle = ended.apply_async(|x| x, 6).expect("a running pool");
    ended.close();
    assert_eq!(ended.join(), Ok(()));
    let (sender, outcomes) = channel();
    handle.add_done_callback(move |outcome| sender.send(outcome).expect("a receiver"));
    assert_eq!(outcomes.recv(), Ok(Ok(6)));
}
