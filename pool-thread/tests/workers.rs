//! How workers start, leave and are replaced.

mod common;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::door;
use crossbeam_channel::unbounded;
use pool_thread::{Pool, TaskError, ThreadPool, current_worker, worker_state};

#[test]
fn an_initializer_runs_once_in_each_worker_and_in_each_that_replaces_one() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let pool = ThreadPool::builder()
        .size(1)
        .initializer(move || counter.fetch_add(1, Ordering::SeqCst) * 100)
        .maxtasksperchild(NonZeroUsize::new(2).expect("not zero"))
        .build()
        .expect("a pool");
    let count = |()| worker_state(|state: &mut usize| std::mem::replace(state, *state + 1));
    let seen: Vec<_> = (0..5)
        .map(|_| pool.apply(count, ()).expect("a value"))
        .collect();
    assert_eq!(seen, [Some(0), Some(1), Some(100), Some(101), Some(200)]);
    pool.close();
    pool.join().expect("closed");
    assert_eq!(made.load(Ordering::SeqCst), 3);
}

#[test]
fn all_results_of_workers_with_a_share_arrive_also_when_the_pool_is_closed_early() {
    let pool = ThreadPool::builder()
        .size(2)
        .maxtasksperchild(NonZeroUsize::MIN)
        .build()
        .expect("a pool");
    let handle = pool
        .each(|x| (x, current_worker()), 0..20)
        .chunksize(1)
        .submit()
        .expect("a running pool");
    pool.close();
    pool.join().expect("closed");
    let results = handle.get().expect("values");
    let names: HashSet<String> = results
        .iter()
        .flat_map(|(_, worker)| worker)
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(
        results.iter().map(|(x, _)| *x).collect::<Vec<_>>(),
        (0..20).collect::<Vec<_>>()
    );
    assert_eq!(names.len(), 20, "each task had a worker of its own");
}

#[test]
fn nobody_is_started_for_a_pool_that_has_nothing_left_to_do() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let (task, arrived, open) = door();
    let pool = ThreadPool::builder()
        .size(1)
        .initializer(move || counter.fetch_add(1, Ordering::SeqCst))
        .maxtasksperchild(NonZeroUsize::MIN)
        .build()
        .expect("a pool");
    let last = pool.apply_async(task, 7).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(7));
    pool.close();
    drop(open);
    pool.join().expect("closed");
    assert_eq!(last.get().expect("a value"), 7);
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[test]
fn a_worker_that_cannot_start_at_once_tries_again_for_what_a_closed_pool_has() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = tries.clone();
    let (closed, waits) = unbounded::<()>();
    let pool = ThreadPool::builder()
        .size(1)
        .try_initializer(move || {
            // Until the pool has been closed, the first one has not failed.
            let _ = waits.recv();
            match counter.fetch_add(1, Ordering::SeqCst) {
                0 => Err("not yet"),
                _ => Ok(()),
            }
        })
        .build()
        .expect("a pool");
    let value = pool.apply_async(|x: u32| x + 1, 1).expect("a running pool");
    pool.close();
    drop(closed);
    assert_eq!(value.get().expect("a value"), 2);
    pool.join().expect("closed");
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}

#[test]
fn an_initializer_that_fails_every_time_fails_what_is_queued_with_its_own_words() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = tries.clone();
    let pool = ThreadPool::builder()
        .size(2)
        .try_initializer(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>("no licence")
        })
        .build()
        .expect("a pool");
    let error = pool.apply(|()| (), ()).expect_err("no worker");
    assert!(error.to_string().contains("no licence"), "{error}");
    let error = pool.apply(|()| (), ()).expect_err("still none");
    assert!(matches!(error, TaskError::WorkerLost(_)));
    pool.close();
    assert_eq!(pool.join(), Ok(()));
    assert!(
        tries.load(Ordering::SeqCst) <= 10,
        "a bounded number of tries"
    );
}

#[test]
fn the_state_of_a_worker_is_dropped_when_it_leaves() -> Result<(), Box<dyn std::error::Error>> {
    /// Counts in a worker what it notes, and tells it when it is dropped.
    struct Log(u64, std::sync::mpsc::Sender<u64>);
    impl Drop for Log {
        fn drop(&mut self) {
            self.1.send(self.0).unwrap_or(());
        }
    }
    for share in [None, std::num::NonZeroUsize::new(2)] {
        let (sender, dropped) = std::sync::mpsc::channel();
        let mut builder = ThreadPool::builder().size(2);
        if let Some(tasks) = share {
            builder = builder.maxtasksperchild(tasks);
        }
        let pool = builder
            .initializer(move || Log(0, sender.clone()))
            .build()?;
        pool.map(
            |x: u64| pool_thread::worker_state(|log: &mut Log| log.0 += x),
            0..20,
        )?;
        pool.close();
        pool.join()?;
        assert_eq!(dropped.try_iter().sum::<u64>(), 190);
    }
    Ok(())
}

#[test]
fn a_worker_that_leaves_runs_its_exit_with_its_state_unless_the_pool_is_terminated() {
    let (leave, left) = unbounded();
    let builder = ThreadPool::builder()
        .size(1)
        .initializer(|| 0_u32)
        .worker_exit(move || {
            leave
                .send(worker_state(|count: &mut u32| *count))
                .expect("a receiver");
            panic!("it changes nothing");
        });
    let count = |()| worker_state(|count: &mut u32| *count += 1);
    let share = NonZeroUsize::new(2).expect("not zero");
    let pool = builder
        .clone()
        .maxtasksperchild(share)
        .build()
        .expect("a pool");
    for _ in 0..3 {
        assert_eq!(pool.apply(count, ()), Ok(Some(())));
    }
    pool.close();
    assert_eq!(pool.join(), Ok(()));
    assert_eq!(left.try_iter().collect::<Vec<_>>(), [Some(2), Some(1)]);
    let pool = builder.build().expect("a pool");
    assert_eq!(pool.apply(count, ()), Ok(Some(())));
    pool.terminate();
    assert_eq!(pool.join(), Ok(()));
    assert_eq!(left.try_recv().ok(), None);
}
