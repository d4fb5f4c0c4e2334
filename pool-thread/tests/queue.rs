//! A queue with a bound: who waits, who is refused with the argument in hand, who wakes whom.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use pool_thread::{Builder, Pool, PoolError, StartError, TaskError, ThreadPool, TrySubmitError};

fn builder(size: usize, queue: usize) -> Builder {
    ThreadPool::builder()
        .size(size)
        .queue(queue)
        .warn_on_drop(false)
}

/// A pool of one whose worker waits at a door, so that what is submitted stays in the queue.
struct Held {
    /// Goes before the pool, which waits for the worker.
    open: Sender<()>,
    pool: Arc<ThreadPool>,
    arrived: Receiver<u32>,
    task: Arc<dyn Fn(u32) -> u32 + Send + Sync>,
}

fn held(queue: usize) -> Held {
    let (arrive, arrived) = unbounded();
    let (open, opened) = unbounded::<()>();
    let held = Held {
        pool: Arc::new(builder(1, queue).build().expect("a pool")),
        arrived,
        open,
        task: Arc::new(move |number| {
            let _ = arrive.send(number);
            let _ = opened.recv();
            number
        }),
    };
    drop(held.submit(0).expect("running"));
    assert_eq!(held.arrived.recv(), Ok(0));
    held
}

type Handle = pool_thread::AsyncResult<u32>;

impl Held {
    fn try_submit(&self, number: u32) -> Result<Handle, TrySubmitError<u32>> {
        let task = self.task.clone();
        self.pool
            .call(move |number| task(number), number)
            .try_submit()
    }

    fn submit_timeout(&self, number: u32, limit: Duration) -> Result<Handle, TrySubmitError<u32>> {
        let task = self.task.clone();
        self.pool
            .call(move |number| task(number), number)
            .submit_timeout(limit)
    }

    fn submit(&self, number: u32) -> Result<Handle, PoolError> {
        let task = self.task.clone();
        self.pool.call(move |number| task(number), number).submit()
    }

    /// Submits on another thread, and tells when it has come of it.
    fn submit_elsewhere(&self, number: u32) -> mpsc::Receiver<Result<Handle, TrySubmitError<u32>>> {
        let (told, outcome) = mpsc::channel();
        let (pool, task) = (self.pool.clone(), self.task.clone());
        thread::spawn(move || {
            let submission = pool.call(move |number| task(number), number);
            // So long that it is the event that ends it.
            let _ = told.send(submission.submit_timeout(Duration::from_secs(3_600)));
        });
        outcome
    }
}

#[test]
fn a_queue_without_places_is_refused() {
    let refused = builder(1, 0).build().expect_err("refused");
    assert!(matches!(refused, StartError::NoQueue));
    assert_eq!(refused.to_string(), "bound of the queue must be at least 1");
}

#[test]
fn a_full_queue_gives_the_argument_back_at_once_or_when_the_time_is_over() {
    let held = held(2);
    let queued = [held.try_submit(1), held.try_submit(2)];
    assert!(queued.iter().all(Result::is_ok));
    assert_eq!(held.try_submit(3).err(), Some(TrySubmitError::Full(3)));
    let limit = Duration::from_millis(1);
    assert_eq!(
        held.submit_timeout(4, limit).err(),
        Some(TrySubmitError::Full(4))
    );
    assert_eq!(
        held.submit_timeout(5, Duration::ZERO).err(),
        Some(TrySubmitError::Full(5))
    );
    // What runs has left its place in the queue.
    held.open.send(()).expect("it waits");
    assert_eq!(held.arrived.recv(), Ok(1));
    assert!(held.try_submit(6).is_ok());
    held.pool.close();
    assert_eq!(
        held.try_submit(7).err(),
        Some(TrySubmitError::Refused(PoolError::NotRunning, 7))
    );
}

#[test]
fn one_who_waits_gets_the_next_place() {
    let held = held(1);
    let first = held.submit(1).expect("a place");
    let waits = held.submit_elsewhere(2);
    held.open.send(()).expect("it waits");
    let second = waits.recv().expect("told").expect("let in");
    drop(held.open);
    assert_eq!((first.get(), second.get()), (Ok(1), Ok(2)));
}

#[test]
fn close_and_terminate_wake_those_who_wait_with_their_argument() {
    for end in [ThreadPool::close, ThreadPool::terminate] {
        let held = held(1);
        let _queued = held.submit(1).expect("a place");
        let waits = [held.submit_elsewhere(2), held.submit_elsewhere(3)];
        end(&held.pool);
        let mut back: Vec<u32> = Vec::new();
        for outcome in waits {
            match outcome.recv().expect("told") {
                Err(TrySubmitError::Refused(PoolError::NotRunning, number)) => back.push(number),
                other => panic!("let in: {other:?}"),
            }
        }
        assert_eq!(back, [2, 3]);
        drop(held.open);
        held.pool.join().expect("ended");
    }
}

#[test]
fn a_map_takes_a_place_for_each_chunk_and_its_submitter_waits_for_the_last() {
    let held = held(2);
    let items = vec![1, 2, 3, 4, 5];
    let map = || {
        let task = held.task.clone();
        held.pool
            .each(move |number| task(number), items.clone())
            .chunksize(1)
    };
    // Without waiting it would need five places.
    assert_eq!(
        map().try_submit().err(),
        Some(TrySubmitError::Full(items.clone()))
    );
    assert_eq!(
        map().chunksize(0).try_submit().err(),
        Some(TrySubmitError::Refused(
            PoolError::ZeroChunksize,
            items.clone()
        ))
    );
    thread::scope(|scope| {
        let submitter = scope.spawn(|| map().submit());
        for number in 1..=2 {
            held.open.send(()).expect("it waits");
            assert_eq!(held.arrived.recv(), Ok(number));
        }
        // 1 is done, 2 runs, 3, 4 and 5 wait: one too many.
        assert!(!submitter.is_finished());
        assert_eq!(held.try_submit(6).err(), Some(TrySubmitError::Full(6)));
        held.open.send(()).expect("it waits");
        let handle = submitter.join().expect("no panic").expect("let in");
        for _ in 0..3 {
            held.open.send(()).expect("it waits");
        }
        assert_eq!(handle.get(), Ok(items.clone()));
    });
}

#[test]
fn a_map_of_which_a_part_is_in_is_accepted_when_the_pool_is_closed_or_terminated() {
    for (end, expected) in [
        (ThreadPool::close as fn(&ThreadPool), Ok(vec![1, 2, 3, 4])),
        (ThreadPool::terminate, Err(TaskError::Terminated)),
    ] {
        let held = held(1);
        let task = held.task.clone();
        thread::scope(|scope| {
            let (pool, open) = (&held.pool, &held.open);
            let submitter = scope.spawn(move || {
                let map = pool.each(move |number| task(number), 1..=4);
                map.chunksize(1).submit()
            });
            open.send(()).expect("it waits");
            assert_eq!(held.arrived.recv(), Ok(1));
            end(pool);
            let handle = submitter.join().expect("no panic").expect("it was let in");
            for _ in 0..4 {
                open.send(()).expect("it waits");
            }
            assert_eq!(handle.get(), expected);
        });
    }
}

#[test]
fn tasks_that_submit_to_their_own_full_pool_do_not_block_it() {
    let pool = Arc::new(builder(2, 1).build().expect("a pool"));
    let inner = pool.clone();
    let fan_out = move |number: u64| {
        let handles: Vec<_> = (0..5)
            .map(|more| {
                inner
                    .apply_async(move |x| x + more, number)
                    .expect("a place")
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.get().expect("a value"))
            .sum::<u64>()
    };
    let sums = pool.map(fan_out, 0..20).expect("all done");
    assert_eq!(
        sums,
        (0..20).map(|number| 5 * number + 10).collect::<Vec<_>>()
    );
}

#[test]
fn a_callback_that_submits_to_a_full_pool_waits_for_its_workers() {
    let pool = Arc::new(builder(1, 1).build().expect("a pool"));
    let (told, results) = unbounded();
    let inner = pool.clone();
    let first = pool.call(|x: u32| x, 1).callback(move |_| {
        for number in 0..10 {
            let handle = inner.apply_async(|x: u32| x * 2, number).expect("a place");
            let _ = told.send(handle);
        }
    });
    assert_eq!(first.submit().expect("a place").get(), Ok(1));
    let results: Vec<u32> = results
        .iter()
        .take(10)
        .map(|handle| handle.get().expect("a value"))
        .collect();
    assert_eq!(results, (0..10).map(|x| x * 2).collect::<Vec<_>>());
}

#[test]
fn blocking_calls_scopes_and_imaps_pass_a_narrow_queue() {
    let pool = builder(2, 1).build().expect("a pool");
    let base = 1;
    assert_eq!(
        pool.map(|x: u32| x + base, 0..100).map(|all| all.len()),
        Ok(100)
    );
    assert_eq!(pool.apply(|x: u32| x + base, 1), Ok(2));
    let sum: u32 = pool
        .imap(|x: u32| x, 0..50)
        .expect("running")
        .flatten()
        .sum();
    assert_eq!(sum, 1225);
    let results = pool.scope(|scope| {
        let handles: Result<Vec<_>, _> = (0..10)
            .map(|x| scope.apply_async(|x| x + base, x))
            .collect();
        handles.map(|all| {
            all.into_iter()
                .map(|handle| handle.get())
                .collect::<Result<Vec<_>, _>>()
        })
    });
    assert_eq!(results, Ok(Ok((1..=10).collect())));
    let tally = pool.stats().tasks;
    assert_eq!(tally.submitted, tally.ended);
}
