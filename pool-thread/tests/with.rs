//! Contexts on threads: lent by reference, shared by all calls of a job, dropped with it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pool_thread::{Failure, ThreadPool};

#[path = "../../pool-core/tests/programs/with.rs"]
mod program;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[test]
fn every_method_with_a_context_does_what_the_one_without_does() -> Outcome {
    program::of_contexts(&ThreadPool::new(2)?)
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
