//! The input of an `imap` is read beside the consumer: a slow, blocked, endless, failing or self-filling one holds up no result and no
//! end of the pool, and loses nothing.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::AnyPool;
use super::pools::{Imap, Pool, PoolError, TaskError, TimedOut};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A minute: what takes that long hangs.
const BOUND: Duration = Duration::from_secs(60);

/// Checks an `imap` of an input by each of its ways: ordered or not, by ones or in chunks.
fn each_way<I: Iterator<Item = u64> + Send + 'static>(
    input: impl Fn() -> I,
    chunks: &[usize],
    check: impl Fn(&AnyPool, Imap<u64>) -> Outcome,
) -> Outcome {
    let twice = |x: u64| 2 * x;
    for chunk in chunks {
        for unordered in [false, true] {
            let pool = AnyPool::builder().size(2).warn_on_drop(false).build()?;
            let task = pool.each(twice, input()).chunksize(*chunk);
            let results = if unordered {
                task.imap_unordered()
            } else {
                task.imap()
            };
            check(&pool, results?)?;
        }
    }
    Ok(())
}

fn sorted(results: impl Iterator<Item = Result<u64, TaskError>>) -> Result<Vec<u64>, TaskError> {
    let mut values = results.collect::<Result<Vec<_>, _>>()?;
    values.sort_unstable();
    Ok(values)
}

/// Items, and then one who waits for ever: until the sender goes that is given back.
fn blocked(
    items: u64,
) -> (
    impl Iterator<Item = u64> + Send,
    std::sync::mpsc::Sender<u64>,
) {
    let (sender, waits): (_, Receiver<u64>) = channel();
    ((0..items).chain(waits), sender)
}

#[test]
fn a_result_that_is_there_is_given_while_the_input_waits() -> Outcome {
    let kept = std::sync::Mutex::new(Vec::new());
    let input = || {
        let (input, sender) = blocked(4);
        kept.lock().expect("whole").push(sender);
        input
    };
    each_way(input, &[1, 2], |pool, mut results| {
        let first: Vec<_> = results.by_ref().take(4).collect();
        assert_eq!(sorted(first.into_iter())?, [0, 2, 4, 6]);
        let limit = Duration::from_millis(1);
        assert_eq!(results.next_timeout(limit), Err(TimedOut));
        assert_eq!(results.next_timeout(Duration::ZERO), Err(TimedOut));
        // The next items come when they come.
        let sender = kept.lock().expect("whole").pop().expect("its sender");
        sender.send(5)?;
        sender.send(6)?;
        drop(sender);
        assert_eq!(sorted(results)?, [10, 12]);
        pool.close();
        pool.join()?;
        Ok(())
    })
}

#[test]
fn an_input_may_wait_for_what_is_done_with_the_results() -> Outcome {
    for unordered in [false, true] {
        let pool = AnyPool::new(2)?;
        let (sender, queue) = channel();
        sender.send(1)?;
        let task = pool.each(|x: u64| 2 * x, queue);
        let results = if unordered {
            task.imap_unordered()
        } else {
            task.imap()
        }?;
        let mut sender = Some(sender);
        let mut seen = Vec::new();
        for result in results {
            let value = result?;
            seen.push(value);
            match &sender {
                Some(queue) if value < 100 => queue.send(value)?,
                _ => drop(sender.take()),
            }
        }
        assert_eq!(seen, [2, 4, 8, 16, 32, 64, 128]);
    }
    Ok(())
}

#[test]
fn an_input_that_fails_is_an_error_behind_the_results_before_it() -> Outcome {
    let fails = || (0..).inspect(|x| assert!(*x < 5, "no more"));
    each_way(fails, &[1, 3], |pool, mut results| {
        let first: Vec<_> = results.by_ref().take(5).collect();
        assert_eq!(sorted(first.into_iter())?, [0, 2, 4, 6, 8]);
        match results.next() {
            Some(Err(TaskError::Panicked(panic))) => assert!(panic.message.contains("no more")),
            other => panic!("not the input's failure: {other:?}"),
        }
        assert_eq!((results.next(), results.next()), (None, None));
        pool.close();
        pool.join()?;
        assert_eq!(pool.stats().tasks.errors, 1);
        Ok(())
    })?;
    // Nobody takes the results: it is an error that nobody has seen, whoever reads to the end.
    each_way(fails, &[1, 3], |pool, results| {
        pool.close();
        pool.join()?;
        drop(results);
        assert_eq!(pool.stats().tasks.unhandled, 1);
        Ok(())
    })
}

#[test]
fn an_input_of_results_ends_with_its_first_error() -> Outcome {
    let pool = AnyPool::new(2)?;
    let input = || {
        (0..9_u64).map(|x| {
            if x == 5 {
                Err("five".to_owned())
            } else {
                Ok(x)
            }
        })
    };
    for chunk in [1, 3] {
        for unordered in [false, true] {
            let task = pool
                .try_each_ok(|x: u64| Ok(2 * x), input())
                .chunksize(chunk);
            let mut results = if unordered {
                task.imap_unordered()
            } else {
                task.imap()
            }?;
            let mut first: Vec<u64> = results.by_ref().take(5).filter_map(Result::ok).collect();
            first.sort_unstable();
            assert_eq!(first, [0, 2, 4, 6, 8]);
            assert_eq!(
                results.next(),
                Some(Err(TaskError::raised("five".to_owned())))
            );
            assert_eq!((results.next(), results.next()), (None, None));
        }
    }
    Ok(())
}

#[test]
fn no_end_of_a_pool_waits_for_an_input() -> Outcome {
    let kept = std::sync::Mutex::new(Vec::new());
    let input = || {
        let (input, sender) = blocked(2);
        kept.lock().expect("whole").push(sender);
        input
    };
    // A join with a limit keeps it, and one after it has the rest done.
    each_way(input, &[1], |pool, results| {
        pool.close();
        assert!(!pool.join_timeout(Duration::from_millis(1))?);
        assert!(!pool.join_timeout(Duration::ZERO)?);
        let sender = kept.lock().expect("whole").pop().expect("its sender");
        sender.send(7)?;
        drop(sender);
        assert!(pool.join_timeout(BOUND)?);
        assert_eq!(sorted(results)?, [0, 2, 14]);
        Ok(())
    })?;
    // Termination waits for nobody.
    each_way(input, &[1], |pool, mut results| {
        assert!(results.next().is_some_and(|end| end.is_ok()));
        pool.terminate();
        assert!(pool.join_timeout(BOUND)?);
        let rest: Vec<_> = results.collect();
        assert_eq!(rest.last(), Some(&Err(TaskError::Terminated)));
        Ok(())
    })?;
    // Neither does the drop of the results, nor of the pool.
    each_way(input, &[1], |pool, results| {
        drop(results);
        pool.close();
        assert!(pool.join_timeout(BOUND)?);
        Ok(())
    })?;
    each_way(input, &[1], |_, results| {
        drop(results);
        Ok(())
    })
}

#[test]
fn an_endless_input_is_read_as_far_as_its_results_are_wanted() -> Outcome {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    let read = Arc::new(AtomicU64::new(0));
    let counted = || {
        let read = read.clone();
        read.store(0, Ordering::Relaxed);
        std::iter::repeat_with(move || read.fetch_add(1, Ordering::Relaxed))
    };
    let pool = AnyPool::builder().size(2).warn_on_drop(false).build()?;
    let mut results = pool.each(|x: u64| x, counted()).read_ahead(3).imap()?;
    for expected in 0..20 {
        assert_eq!(results.next(), Some(Ok(expected)));
        // What was taken, and as much as may wait.
        assert!(read.load(Ordering::Relaxed) <= expected + 4);
    }
    pool.close();
    assert!(
        !pool.join_timeout(Duration::from_millis(1))?,
        "it has no end"
    );
    pool.terminate();
    assert!(pool.join_timeout(BOUND)?);
    Ok(())
}

#[test]
fn an_input_knows_how_many_results_there_will_be() -> Outcome {
    let pool = AnyPool::new(2)?;
    let at_hand = pool.imap(|x: u64| x, 0..5)?;
    assert_eq!(at_hand.size_hint(), (5, Some(5)));
    let mut mapped = pool
        .each(|x: u64| x, (0..5).map(|x| x + 1))
        .chunksize(2)
        .imap()?;
    for left in (0..5).rev() {
        assert!(mapped.next().is_some());
        assert_eq!(mapped.size_hint(), (left, Some(left)));
    }
    assert_eq!(mapped.next(), None);
    assert_eq!(mapped.size_hint(), (0, Some(0)));
    let (sender, receiver) = channel::<u64>();
    let unknown = pool.imap(|x: u64| x, receiver)?;
    assert_eq!(unknown.size_hint(), (0, None));
    drop(sender);
    Ok(())
}

#[test]
fn an_input_that_asks_its_own_iterator_is_refused_and_goes_on() -> Outcome {
    use std::sync::{Arc, Mutex, OnceLock};
    let pool = AnyPool::new(2)?;
    let own: Arc<OnceLock<Mutex<Imap<u64>>>> = Arc::default();
    let (begin, begun) = channel::<()>();
    let asked = own.clone();
    let input = (0..2).inspect(move |x| {
        if *x == 0 {
            begun.recv().unwrap_or(());
            let refused = asked.get().and_then(|own| own.lock().ok()?.next());
            assert_eq!(
                refused,
                Some(Err(TaskError::Pool(PoolError::WouldDeadlock)))
            );
        }
    });
    let results = pool.imap(|x: u64| x, input)?;
    assert!(own.set(Mutex::new(results)).is_ok());
    begin.send(())?;
    // The input asks once, under this lock or before it; then its items come.
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let next = own
            .get()
            .and_then(|own| Some(own.lock().ok()?.next_timeout(Duration::from_millis(1))));
        match next {
            Some(Ok(Some(Ok(value)))) => seen.push(value),
            Some(Err(TimedOut)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [0, 1]);
    Ok(())
}
