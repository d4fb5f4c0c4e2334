//! What a pool of processes tells of its work while it goes on: how far maps have come, what its workers do.

mod common;
#[path = "../../pool-core/tests/programs/notes.rs"]
mod notes;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use common::{Gate, Outcome, each_way, no_time, wait_at};
use notes::Notes;
use pool_process::{Pool, ProcessPool};

#[test]
fn a_map_tells_how_many_items_are_done() -> Outcome {
    each_way(2, |pool| {
        let gate = Gate::new();
        let map = pool.each(wait_at, [(); 2].map(|()| gate.name()));
        let map = map.chunksize(1).submit()?;
        let (first, second) = (gate.guests(1), gate.guests(1));
        let progress = map.progress();
        assert_eq!((progress.done, progress.total), (0, Some(2)));
        drop(first);
        // It runs on the worker that is free, whose answers are read in their order.
        pool.apply(|()| (), ())?;
        assert_eq!(map.progress().done, 1);
        drop(second);
        map.wait();
        assert_eq!(map.progress().done, 2);
        Ok(())
    })
}

#[test]
fn an_observer_is_told_of_all_that_workers_and_tasks_do() -> Outcome {
    for shared in [true, false] {
        let notes = Arc::new(Notes::default());
        let builder = ProcessPool::builder()
            .size(1)
            .shared_memory(shared)
            .observer(notes.clone());
        let pool = builder
            .maxtasksperchild(NonZeroUsize::new(4).ok_or("not zero")?)
            .build()?;
        let map = pool.each(|x: u32| x + 1, [1, 2, 3]).chunksize(2).wait()?;
        assert_eq!(map, [2, 3, 4]);
        assert!(pool.try_apply(|x: u32| Err::<u32, _>(x), 1).is_err());
        assert!(pool.apply(|x: u32| assert!(x < 1), 1).is_err());
        // Too long for a slot of its ring.
        assert_eq!(pool.apply(|x: Vec<u8>| x.len(), vec![0; 1 << 20])?, 1 << 20);
        assert!(
            pool.apply(|x: i32| -> () { std::process::exit(x) }, 1)
                .is_err()
        );
        let gate = Gate::new();
        let call = pool.apply_async(wait_at, gate.name())?;
        let _guest = gate.guests(1);
        assert!(call.cancel());
        call.wait();
        pool.close();
        pool.join()?;
        let expected = [
            "ProcessPoolWorker-1 started",
            "0 0 0..2",
            "0 0 Done",
            "0 0 2..3",
            "0 0 Done",
            "0 1 0..0",
            "0 1 Failed",
            "0 2 0..0",
            "0 2 Panicked",
            "ProcessPoolWorker-1 ended: Replaced",
            "ProcessPoolWorker-2 started",
            "0 3 0..0",
            "0 3 Done",
            "0 4 0..0",
            "0 4 Lost",
            "ProcessPoolWorker-2 ended: Lost",
            "ProcessPoolWorker-3 started",
            "0 5 0..0",
            "0 5 Stopped",
            "ProcessPoolWorker-3 ended: Stopped",
        ];
        let told = notes.taken();
        assert_eq!(told[..expected.len()], expected, "shared memory: {shared}");
        let place = pool.stats().per_worker.remove(0);
        assert_eq!((place.tasks, place.lost, place.replaced), (7, 2, 1));
        assert_eq!(place.worker, None);
    }
    Ok(())
}

#[test]
fn tasks_that_are_stopped_with_their_pool_end_for_the_observer_too() -> Outcome {
    for shared in [true, false] {
        let notes = Arc::new(Notes::default());
        let builder = ProcessPool::builder().size(1).shared_memory(shared);
        let pool = builder.observer(notes.clone()).timers(no_time()).build()?;
        let gate = Gate::new();
        let calls = pool.each(wait_at, [(); 3].map(|()| gate.name()));
        let calls = calls.chunksize(1).submit()?;
        let _guest = gate.guests(1);
        notes.wait_for(1, "0 0 0..1");
        pool.terminate();
        pool.join()?;
        drop(calls);
        let expected = [
            "ProcessPoolWorker-1 started",
            "0 0 0..1",
            "0 0 Stopped",
            "ProcessPoolWorker-1 ended: Left",
        ];
        assert_eq!(notes.taken(), expected, "shared memory: {shared}");
    }
    Ok(())
}

#[test]
fn statistics_say_what_each_worker_does() -> Outcome {
    each_way(2, |pool| {
        let gate = Gate::new();
        let call = pool.apply_async(wait_at, gate.name())?;
        let guest = gate.guests(1);
        let stats = pool.stats().per_worker;
        let busy = |pid| {
            move |place: &pool_process::WorkerStats| {
                place
                    .worker
                    .as_ref()
                    .is_some_and(|worker| worker.pid == pid)
            }
        };
        let place = stats.iter().find(|place| busy(guest[0].pid)(place));
        let index = place.ok_or("nobody has it")?.index;
        drop(guest);
        call.wait();
        let after = pool.stats().per_worker;
        assert_eq!((after[index].tasks, after[1 - index].tasks), (1, 0));
        assert_eq!(after[1 - index].working, Duration::ZERO);
        assert!(after[index].working > Duration::ZERO && after[index].started.is_some());
        Ok(())
    })
}
