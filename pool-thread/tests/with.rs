//! Contexts on threads: lent by reference, shared by all calls of a job, dropped with it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pool_thread::{Failure, Pool, ThreadPool};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Every method of the family, for any backend.
fn program(pool: &impl Pool) -> Outcome {
    let add = |base: &u32, x: u32| base + x;
    let checked = |most: &u32, x: u32| {
        if x > *most {
            Err(format!("{x} > {most}"))
        } else {
            Ok(x)
        }
    };
    assert_eq!(pool.apply_with(1, add, 2)?, 3);
    assert_eq!(pool.apply_async_with(1, add, 2)?.get()?, 3);
    assert_eq!(pool.task_with(1, add, 2).submit()?.get()?, 3);
    assert_eq!(pool.map_with(10, add, 0..3)?, [10, 11, 12]);
    assert_eq!(pool.map_async_with(10, add, 0..3)?.get()?, [10, 11, 12]);
    assert_eq!(
        pool.starmap_with(
            10,
            |base: &u32, a: u32, b: u32| base + a * b,
            [(1, 2), (3, 4)]
        )?,
        [12, 22]
    );
    let all: Result<Vec<u32>, _> = pool.imap_with(10, add, 0..3)?.collect();
    assert_eq!(all?, [10, 11, 12]);
    let mut all = pool
        .imap_unordered_with(10, add, 0..3)?
        .collect::<Result<Vec<u32>, _>>()?;
    all.sort_unstable();
    assert_eq!(all, [10, 11, 12]);
    assert_eq!(pool.try_apply_with(5, checked, 5), Ok(5));
    assert_eq!(
        pool.try_apply_with(5, checked, 6),
        Err(Failure::Raised("6 > 5".to_owned()))
    );
    assert_eq!(pool.try_task_with(5, checked, 4).submit()?.get(), Ok(4));
    assert_eq!(pool.try_map_with(1, checked, [0, 1]), Ok(vec![0, 1]));
    assert!(
        pool.try_map_task_with(1, checked, [0, 9])
            .chunksize(1)
            .submit()?
            .get()
            .is_err()
    );
    let ends: Vec<_> = pool
        .try_imap_task_with(1, checked, 0..3)
        .chunksize(3)
        .ordered()?
        .collect();
    assert_eq!(
        ends,
        [Ok(0), Ok(1), Err(Failure::Raised("2 > 1".to_owned()))]
    );
    Ok(())
}

#[test]
fn every_method_with_a_context_does_what_the_one_without_does() -> Outcome {
    program(&ThreadPool::new(2)?)
}

/// The same text with the pool's own methods, whose functions may capture and borrow.
#[test]
fn a_threads_own_methods_with_a_context_borrow() -> Outcome {
    let pool = ThreadPool::new(2)?;
    let (names, seen) = (vec!["a".to_owned(), "b".to_owned()], Mutex::new(0));
    let pick = |names: &&[String], index: usize| {
        *seen.lock().expect("whole") += 1;
        names[index].len()
    };
    assert_eq!(pool.map_with(&names[..], pick, [1, 0])?, [1, 1]);
    assert_eq!(pool.apply_with(&names[..], pick, 1)?, 1);
    assert_eq!(
        pool.try_map_with(&names, |names, i: usize| names.get(i).ok_or(i), [0, 7]),
        Err(Failure::Raised(7))
    );
    assert_eq!(
        pool.try_apply_with(3, |by: &i32, x: &str| x.parse::<i32>().map(|x| x * by), "2")?,
        6
    );
    assert_eq!(seen.into_inner()?, 3);
    Ok(())
}

#[test]
fn a_context_is_shared_by_all_calls_and_dropped_once_with_its_job() -> Outcome {
    struct Noted(Arc<AtomicUsize>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let pool = ThreadPool::new(2)?;
    let address = |context: &Noted, ()| std::ptr::from_ref(context).addr();
    let addresses = pool
        .map_async_with(Noted(drops.clone()), address, [(); 10])?
        .get()?;
    assert!(addresses.iter().all(|other| *other == addresses[0]));
    let results = pool.imap_with(Noted(drops.clone()), address, [(); 10])?;
    assert_eq!(results.flatten().count(), 10);
    pool.close();
    pool.join()?;
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    Ok(())
}
