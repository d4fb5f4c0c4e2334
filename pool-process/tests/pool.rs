//! What a pool of processes does while its workers live.

mod common;

use common::{Outcome, never_end, pid};
use pool_process::{Pool, PoolError, ProcessPool, TaskError, current_worker};

#[test]
fn a_call_runs_in_another_process() -> Outcome {
    let pool = ProcessPool::new(1)?;
    let worker = pool.apply(pid, ())?;
    assert_ne!(worker, std::process::id());
    assert_eq!(pool.apply(pid, ())?, worker, "the same worker serves again");
    Ok(())
}

#[test]
fn a_map_gives_its_values_in_the_order_of_the_items() -> Outcome {
    let pool = ProcessPool::new(3)?;
    assert_eq!(
        pool.map(|x: u64| x * x, 0..1_000)?,
        (0..1_000).map(|x| x * x).collect::<Vec<u64>>()
    );
    assert_eq!(
        pool.starmap(
            |a: u8, b: String| format!("{a}{b}"),
            [(1, "x".to_owned()), (2, "y".to_owned())]
        )?,
        ["1x", "2y"]
    );
    assert!(pool.map(|x: u64| x, [])?.is_empty());
    Ok(())
}

#[test]
fn an_error_of_the_tasks_own_arrives_as_itself() -> Outcome {
    let pool = ProcessPool::new(2)?;
    let halve = |x: u64| {
        if x.is_multiple_of(2) {
            Ok(x / 2)
        } else {
            Err(format!("{x} is odd"))
        }
    };
    assert_eq!(pool.try_apply(halve, 4), Ok(2));
    assert_eq!(
        pool.try_apply(halve, 3),
        Err(TaskError::raised("3 is odd".to_owned()))
    );
    assert_eq!(pool.try_map(halve, [2, 4]), Ok(vec![1, 2]));
    assert_eq!(
        pool.try_map(halve, [2, 5]),
        Err(TaskError::raised("5 is odd".to_owned()).at_item(1))
    );
    assert_eq!(
        pool.apply(halve, 3)?,
        Err("3 is odd".to_owned()),
        "without try, a Result is a value"
    );
    Ok(())
}

#[test]
fn a_panic_arrives_with_its_message_and_place_and_the_worker_goes_on() -> Outcome {
    let pool = ProcessPool::new(1)?;
    let worker = pool.apply(pid, ())?;
    match pool.apply(|x: u8| -> u8 { panic!("no {x}") }, 7) {
        Err(TaskError::Panicked(panic)) => {
            assert_eq!(panic.message, "no 7");
            assert!(
                panic
                    .location
                    .is_some_and(|place| place.contains("tests/pool.rs"))
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pool.apply(pid, ())?, worker);
    Ok(())
}

#[test]
fn close_and_join_have_the_work_done() -> Outcome {
    let pool = ProcessPool::new(2)?;
    let handles: Result<Vec<_>, _> = (0..20_u64)
        .map(|x| pool.apply_async(|x| x + 1, x))
        .collect();
    assert_eq!(pool.join(), Err(PoolError::StillRunning));
    pool.close();
    assert_eq!(pool.apply_async(pid, ()).err(), Some(PoolError::NotRunning));
    pool.join()?;
    for (x, handle) in (0..20_u64).zip(handles?) {
        assert!(handle.ready());
        assert_eq!(handle.get()?, x + 1);
    }
    Ok(())
}

#[test]
fn terminate_stops_what_runs_and_drops_what_waits() -> Outcome {
    let pool = ProcessPool::new(1)?;
    let running = pool.apply_async(never_end, ())?;
    let waiting = pool.apply_async(pid, ())?;
    pool.terminate();
    assert_eq!(running.get(), Err(TaskError::Terminated));
    assert_eq!(waiting.get(), Err(TaskError::Terminated));
    pool.join()?;
    Ok(())
}

#[test]
fn callbacks_run_in_the_parent_before_join_returns() -> Outcome {
    let pool = ProcessPool::new(2)?;
    let (sender, seen) = std::sync::mpsc::channel();
    for x in 0..5_u64 {
        let sender = sender.clone();
        let handle = pool
            .call(|x: u64| x, x)
            .callback(move |x| sender.send((*x, std::process::id())).unwrap_or(()))
            .submit()?;
        drop(handle);
    }
    pool.close();
    pool.join()?;
    let mut seen: Vec<_> = seen.try_iter().collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        (0..5).map(|x| (x, std::process::id())).collect::<Vec<_>>()
    );
    Ok(())
}

#[test]
fn a_task_knows_its_worker() -> Outcome {
    let pool = ProcessPool::new(1)?;
    let (name, index, pid) = pool
        .apply(
            |()| current_worker().map(|me| (me.name, me.index, me.pid)),
            (),
        )?
        .ok_or("none")?;
    assert!(name.starts_with("ProcessPoolWorker-"), "{name}");
    assert_eq!((index, pid), (0, pool.apply(common::pid, ())?));
    assert_eq!(current_worker(), None);
    Ok(())
}

#[test]
fn large_messages_pass_both_ways_at_once() -> Outcome {
    let pool = ProcessPool::new(2)?;
    let big = "x".repeat(4 << 20);
    let sizes = pool.map(
        |text: String| text + "y",
        [big.clone(), big.clone(), big.clone()],
    )?;
    assert!(sizes.iter().all(|text| text.len() == big.len() + 1));
    Ok(())
}

#[test]
fn no_workers_are_refused() {
    let error = ProcessPool::new(0).expect_err("zero");
    assert_eq!(error.to_string(), "number of workers must be at least 1");
}
