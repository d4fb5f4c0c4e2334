//! Blocking calls and scopes: their tasks borrow from the caller's stack, and have ended when they return.

mod common;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{door, pool};
use pool_thread::{Pool, TaskError};

#[test]
fn blocking_calls_borrow_and_move_what_is_neither_static_nor_sync() {
    let pool = pool(2);
    let text = String::from("one two three");
    let total = AtomicUsize::new(0);
    let lengths = pool.map(
        |word: &str| {
            total.fetch_add(word.len(), Ordering::Relaxed);
            word.len()
        },
        text.split(' '),
    );
    assert_eq!(lengths, Ok(vec![3, 3, 5]));
    assert_eq!(total.into_inner(), 11);
    let cell = Cell::new(1);
    assert_eq!(pool.apply(|cell: Cell<i32>| cell.replace(2), cell), Ok(1));
}

#[test]
fn lent_data_comes_back_when_the_pool_is_terminated_and_not_before_its_last_task_has_left() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let touched = AtomicUsize::new(0);
    let result = std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            pool.map(
                |number| {
                    let number = task(number);
                    touched.fetch_add(1, Ordering::Relaxed);
                    number
                },
                0..4,
            )
        });
        assert_eq!(arrived.recv(), Ok(0));
        pool.terminate();
        assert!(
            !caller.is_finished(),
            "its data is still lent to the running task"
        );
        let _ = open.send(());
        caller.join().expect("no panic")
    });
    assert_eq!(result, Err(TaskError::Terminated));
    assert_eq!(touched.into_inner(), 1);
}

#[test]
fn a_panic_in_a_lent_closure_is_that_calls_error_and_the_pool_goes_on() {
    let pool = pool(2);
    let limit = 3;
    let result = pool.map(
        |x: u32| if x < limit { x } else { panic!("item {x}") },
        [1, 2, 3],
    );
    match result {
        Err(TaskError::Panicked(panic)) => {
            assert_eq!(panic.message, "item 3");
            assert!(
                panic
                    .location
                    .is_some_and(|place| place.contains("borrowing.rs"))
            );
        }
        other => panic!("expected a panic as an error, not {other:?}"),
    }
    assert_eq!(pool.apply(|x| x + limit, 1), Ok(4));
}

#[test]
fn what_is_left_of_a_batch_is_dropped_once() {
    #[derive(Clone)]
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let items = || (0..10).map(|index| (index, Counted(drops.clone())));
    let pool = pool(2);
    let fails = |(index, item): (u32, Counted)| if index == 4 { Err(index) } else { Ok(item) };
    let error = pool.try_map(fails, items()).err();
    assert_eq!(error, Some(TaskError::raised(4).at_item(4)));
    assert_eq!(drops.swap(0, Ordering::Relaxed), 10, "after a failure");
    drop(pool.map(|(_, item)| item, items()).expect("values"));
    assert_eq!(drops.swap(0, Ordering::Relaxed), 10, "after success");
    let (task, arrived, open) = door();
    let handle = pool
        .each(move |(index, item)| (task(index), item), items())
        .chunksize(1)
        .submit()
        .expect("a running pool");
    assert!(arrived.recv().is_ok());
    pool.terminate();
    drop(open);
    pool.join().expect("terminated");
    assert_eq!(handle.get().err(), Some(TaskError::Terminated));
    drop(pool);
    assert_eq!(drops.load(Ordering::Relaxed), 10, "after terminate");
}

#[test]
fn a_scopes_tasks_borrow_and_are_gone_when_it_returns_or_unwinds() {
    let pool = pool(2);
    let mut numbers = vec![1, 2, 3];
    let count = AtomicUsize::new(0);
    let sum = pool.scope(|scope| {
        for number in &mut numbers {
            let count = &count;
            let task = move |by| {
                *number *= by;
                count.fetch_add(1, Ordering::SeqCst);
            };
            drop(scope.apply_async(task, 10));
        }
        scope.apply_async(|()| 7, ()).map(|handle| handle.get())
    });
    assert_eq!(sum, Ok(Ok(7)));
    assert_eq!(
        (numbers, count.load(Ordering::SeqCst)),
        (vec![10, 20, 30], 3)
    );
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.scope(|scope| {
            for _ in 0..5 {
                drop(scope.apply_async(|by| count.fetch_add(by, Ordering::SeqCst), 1));
            }
            panic!("in the body");
        })
    }));
    assert!(unwound.is_err());
    assert_eq!(
        count.load(Ordering::SeqCst),
        8,
        "all five have run before the scope unwound"
    );
}

#[test]
fn a_terminated_pools_scope_takes_back_what_never_ran_and_waits_for_what_runs() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let (touched, dropped) = (AtomicUsize::new(0), Arc::new(()));
    let results = pool.scope(|scope| {
        let first = scope.apply_async(
            |number| touched.fetch_add(task(number) as usize, Ordering::SeqCst),
            1,
        );
        let witness = dropped.clone();
        let never = scope.apply_async(move |()| drop(witness), ());
        assert_eq!(arrived.recv(), Ok(1));
        pool.terminate();
        let results = (
            first.expect("a running pool").get(),
            never.expect("a running pool").get(),
        );
        assert_eq!(touched.load(Ordering::SeqCst), 0, "it is still running");
        drop(open);
        results
    });
    assert_eq!(
        results,
        (Err(TaskError::Terminated), Err(TaskError::Terminated))
    );
    assert_eq!(
        touched.load(Ordering::SeqCst),
        1,
        "the scope has waited for it"
    );
    assert_eq!(
        Arc::strong_count(&dropped),
        1,
        "the closure that never ran is gone"
    );
}
