//! `imap` and `imap_unordered`: order, read-ahead, failures and ends.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{door, pool};
use pool_thread::{Pool, PoolError, TaskError, TimedOut};

#[test]
fn imap_yields_in_input_order_and_imap_unordered_as_tasks_end() {
    let pool = pool(2);
    let (task, arrived, open) = door();
    let slow_first = move |number: u32| if number == 0 { task(number) } else { number };
    let mut results = pool
        .imap_unordered(slow_first.clone(), 0..4)
        .expect("a running pool");
    assert_eq!(arrived.recv(), Ok(0));
    let others: Vec<u32> = results
        .by_ref()
        .take(3)
        .map(|end| end.expect("a value"))
        .collect();
    assert_eq!(others, [1, 2, 3]);
    assert_eq!(
        results.next_timeout(Duration::from_millis(1)),
        Err(TimedOut)
    );
    assert_eq!(open.send(()), Ok(()));
    assert_eq!(
        (results.next(), results.next(), results.next()),
        (Some(Ok(0)), None, None)
    );
    let mut results = pool.imap(slow_first, 0..4).expect("a running pool");
    assert_eq!(
        results.next_timeout(Duration::from_millis(1)),
        Err(TimedOut)
    );
    drop(open);
    assert_eq!(
        results.collect::<Result<Vec<u32>, _>>(),
        Ok(vec![0, 1, 2, 3])
    );
}

#[test]
fn imap_reads_an_infinite_input_no_further_than_its_read_ahead() {
    let pool = pool(2);
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let input = std::iter::repeat_with(move || counter.fetch_add(1, Ordering::SeqCst));
    let mut results = pool
        .each(|x| x, input)
        .read_ahead(3)
        .imap()
        .expect("a running pool");
    for expected in 0..10 {
        assert_eq!(results.next(), Some(Ok(expected)));
        assert!(read.load(Ordering::SeqCst) <= expected + 4);
    }
}

#[test]
fn join_reads_the_rest_of_an_imap_whose_iterator_is_half_consumed_and_loses_nothing() {
    for unordered in [false, true] {
        let pool = pool(2);
        let task = pool.each(|x| x, 0..100).read_ahead(2);
        let mut results = if unordered {
            task.imap_unordered()
        } else {
            task.imap()
        }
        .expect("a running pool");
        let first = results.next();
        pool.close();
        pool.join().expect("closed");
        let mut seen: Vec<i32> = first
            .into_iter()
            .chain(results)
            .map(|end| end.expect("a value"))
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn an_item_that_fails_in_imap_is_an_error_at_its_place_whatever_the_chunk_size() {
    let pool = pool(2);
    for chunksize in [1, 3, 10] {
        let func = |x: i32| match x {
            2 => Err("two"),
            5 => panic!("five"),
            x => Ok(x),
        };
        let results = pool
            .try_each(func, 0..8)
            .chunksize(chunksize)
            .imap()
            .expect("a running pool");
        let seen: Vec<String> = results
            .map(|end| end.map_or_else(|failure| failure.to_string(), |x| x.to_string()))
            .map(|text| text.split(" (at").next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(
            seen,
            [
                "0",
                "1",
                "task failed at item 2: two",
                "3",
                "4",
                "task panicked at item 5: five",
                "6",
                "7"
            ]
        );
    }
}

#[test]
fn a_terminated_imap_yields_what_had_arrived_then_one_error_then_nothing() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let func = move |number: u32| if number == 1 { task(number) } else { number };
    let mut results = pool.imap(func, 0..).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(1));
    pool.terminate();
    drop(open);
    assert_eq!(results.next(), Some(Ok(0)));
    assert_eq!(results.next(), Some(Err(TaskError::Terminated)));
    assert_eq!((results.next(), results.next()), (None, None));
    assert_eq!(pool.imap(|x| x, 0..1).err(), Some(PoolError::NotRunning));
}

#[test]
fn a_dropped_imap_does_not_keep_a_closed_pool_from_ending() {
    let pool = pool(1);
    let results = pool.imap(|x| x, 0..).expect("a running pool");
    pool.close();
    drop(results);
    assert_eq!(pool.join(), Ok(()));
}
