//! Drops are the user's code, too: one that panics costs nothing but what is dropped, whoever was the last to hold it.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pool_thread::{Pool, TaskError, ThreadPool};

const LONG: Duration = Duration::from_secs(60);

/// It panics when it is dropped, unless that would end the program.
#[derive(Debug, Clone)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("a bomb was dropped");
        }
    }
}

fn pool(size: usize) -> ThreadPool {
    ThreadPool::new(size).expect("a pool")
}

/// Every worker is there, and the pool ends.
fn check_is_unharmed(pool: &ThreadPool) {
    let all = Barrier::new(pool.size());
    let meet = |_: usize| all.wait().is_leader();
    assert_eq!(
        pool.map(meet, 0..pool.size()).map(|met| met.len()),
        Ok(pool.size())
    );
    pool.close();
    assert_eq!(pool.join_timeout(LONG), Ok(true));
}

#[test]
fn what_a_task_panics_with() {
    let pool = pool(2);
    let explode = |()| -> u32 { panic_any(Bomb) };
    let mut handle = pool.apply_async(explode, ()).expect("accepted");
    let failed = handle.get_timeout(LONG);
    assert!(
        matches!(failed, Ok(Err(TaskError::Panicked(_)))),
        "{failed:?}"
    );
    let failed = pool.apply(explode, ());
    assert!(matches!(failed, Err(TaskError::Panicked(_))), "{failed:?}");
    let failed = pool.scope(|scope| scope.apply_async(explode, ())?.get());
    assert!(matches!(failed, Err(TaskError::Panicked(_))), "{failed:?}");
    let mut ends = pool
        .imap(move |x: u32| if x == 1 { explode(()) } else { x }, 0..3)
        .expect("accepted");
    let ends: Vec<bool> = (0..3)
        .map(|_| matches!(ends.next_timeout(LONG), Ok(Some(Ok(_)))))
        .collect();
    assert_eq!(ends, [true, false, true]);
    check_is_unharmed(&pool);
}

#[test]
fn values_that_nobody_takes() {
    let pool = pool(2);
    for _ in 0..4 {
        drop(pool.apply_async(|()| Bomb, ()).expect("accepted"));
    }
    drop(pool.map_async(|_| Bomb, 0..4).expect("accepted"));
    check_is_unharmed(&pool);
}

#[test]
fn errors_that_nobody_takes() {
    let pool = pool(2);
    let fails = |_: u32| Err::<(), Bomb>(Bomb);
    drop(pool.try_apply_async(fails, 0).expect("accepted"));
    // Each chunk fails; one error is kept.
    drop(
        pool.try_each(fails, 0..8)
            .chunksize(1)
            .submit()
            .expect("accepted"),
    );
    check_is_unharmed(&pool);
}

#[test]
fn items_behind_the_one_that_failed() {
    let pool = pool(2);
    let fails = |bomb: Bomb| {
        std::mem::forget(bomb);
        Err::<(), u8>(7)
    };
    let chunk = pool.try_each(fails, vec![Bomb; 4]).chunksize(4);
    let mut handle = chunk.submit().expect("accepted");
    assert_eq!(
        handle.get_timeout(LONG),
        Ok(Err(TaskError::raised(7).at_item(0)))
    );
    check_is_unharmed(&pool);
}

#[test]
fn arguments_and_closures_that_are_terminated() {
    let pool = pool(1);
    let door = Barrier::new(2);
    pool.scope(|scope| {
        let door = &door;
        let runs = move || (door.wait(), door.wait());
        let _runs = scope.apply_async(move |()| runs(), ()).expect("accepted");
        door.wait();
        let mut one = pool.apply_async(|_: Bomb| (), Bomb).expect("accepted");
        let mut many = pool
            .map_async(|_: Bomb| (), vec![Bomb; 3])
            .expect("accepted");
        let input = Bomb;
        let items = (0..).inspect(move |_| assert_eq!(size_of_val(&input), 0));
        let mut stream = pool.imap(|x: u32| x, items).expect("accepted");
        pool.terminate();
        assert_eq!(one.get_timeout(LONG), Ok(Err(TaskError::Terminated)));
        assert_eq!(many.get_timeout(LONG), Ok(Err(TaskError::Terminated)));
        assert_eq!(
            stream.next_timeout(LONG),
            Ok(Some(Err(TaskError::Terminated)))
        );
        door.wait();
    });
    assert_eq!(pool.join_timeout(LONG), Ok(true));
}

#[test]
fn callbacks_and_what_they_panic_with() {
    let pool = pool(2);
    let task = pool.call(|x: u32| x, 1).callback(|_| panic_any(Bomb));
    let failed = task.submit().expect("accepted").get_timeout(LONG);
    assert!(
        matches!(failed, Ok(Err(TaskError::Panicked(_)))),
        "{failed:?}"
    );
    // One that runs, and one that never does.
    let (run, never) = (Bomb, Bomb);
    let task = pool
        .call(|x: u32| x, 1)
        .callback(move |_| drop(run))
        .error_callback(move |_| drop(never));
    let ended = task.submit().expect("accepted").get_timeout(LONG);
    assert!(
        matches!(ended, Ok(Err(TaskError::Panicked(_)))),
        "{ended:?}"
    );
    check_is_unharmed(&pool);
}

#[test]
fn states_of_workers() {
    let once = std::num::NonZeroUsize::MIN;
    let builder = ThreadPool::builder()
        .size(1)
        .initializer(|| Bomb)
        .maxtasksperchild(once);
    let pool = builder.build().expect("a pool");
    for x in 0..3 {
        let mut handle = pool.apply_async(|x: u32| x, x).expect("accepted");
        assert_eq!(handle.get_timeout(LONG), Ok(Ok(x)));
    }
    check_is_unharmed(&pool);
}

#[test]
fn a_scope_waits_for_what_runs_whatever_it_takes_back() {
    let pool = pool(1);
    let (door, done) = (Barrier::new(2), AtomicBool::new(false));
    let taken_back = Bomb;
    let end = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|scope| {
            let runs = scope.apply_async(
                |()| {
                    door.wait();
                    door.wait();
                    done.store(true, Ordering::Release);
                },
                (),
            );
            door.wait();
            let waits = scope.apply_async(move |()| drop(taken_back), ());
            pool.terminate();
            let _ = (runs.expect("accepted"), waits.expect("accepted"));
            // The end of the scope comes before, or after, its task goes on: it must not matter.
            door.wait();
        });
    }));
    assert!(end.is_ok());
    assert!(done.load(Ordering::Acquire));
}

#[test]
fn a_pool_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static POOL: ThreadPool = pool(2);
    }
    let used = || POOL.with(|pool| pool.apply(|x: u32| x + 1, 1));
    assert_eq!(thread::spawn(used).join().expect("no panic"), Ok(2));
}

#[test]
fn a_thread_local_that_asks_for_its_worker_gets_none() {
    struct Asks;
    impl Drop for Asks {
        fn drop(&mut self) {
            assert_eq!(pool_thread::current_worker(), None);
            assert_eq!(pool_thread::worker_state(|_: &mut u32| ()), None);
        }
    }
    thread_local! {
        static ASKS: Asks = const { Asks };
    }
    let ask = || {
        ASKS.with(|_| ());
        pool_thread::current_worker()
    };
    assert_eq!(thread::spawn(ask).join().expect("no panic"), None);
}
