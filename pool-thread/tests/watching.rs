//! What a pool of threads tells of its work while it goes on: how far maps have come, what its workers do.

mod common;
#[path = "../../pool-core/tests/programs/notes.rs"]
mod notes;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use common::{door, pool};
use notes::Notes;
use pool_thread::{Pool, Progress, TaskError, ThreadPool};

fn of(done: usize, total: usize) -> Progress {
    let mut progress = pool(1).imap(|x: u32| x, []).expect("running").progress();
    (progress.done, progress.total) = (done, Some(total));
    progress
}

#[test]
fn a_map_tells_how_many_items_are_done_while_a_worker_has_taken_many() {
    for reach in [1, 8] {
        let builder = ThreadPool::builder().size(1).reach(reach);
        let pool = builder.warn_on_drop(false).build().expect("a pool");
        let (task, arrived, open) = door();
        let map = pool.each(task, 0..5).chunksize(2).submit();
        let map = map.expect("running");
        for item in 0..5 {
            assert_eq!(arrived.recv(), Ok(item));
            assert_eq!(map.progress(), of(item as usize / 2 * 2, 5));
            open.send(()).expect("it waits");
        }
        map.wait();
        assert_eq!(map.progress(), of(5, 5));
    }
}

#[test]
fn what_never_runs_counts_as_done() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let map = pool
        .each(task, 0..3)
        .chunksize(1)
        .submit()
        .expect("running");
    assert_eq!(arrived.recv(), Ok(0));
    assert!(map.cancel());
    assert_eq!(map.progress(), of(2, 3));
    drop(open);
    let none = pool.map_async(|x: u32| x, []).expect("running");
    assert_eq!(none.progress(), of(0, 0));
    let call = pool.apply_async(|x: u32| x, 1).expect("running");
    call.wait();
    assert_eq!(call.progress(), of(1, 1));
}

#[test]
fn an_imap_tells_how_many_results_were_taken() {
    let pool = pool(1);
    let mut known = pool.imap(|x: u32| 1 / x, [1, 0, 1]).expect("running");
    assert_eq!(known.progress(), of(0, 3));
    assert!(known.next().is_some_and(|end| end.is_ok()));
    let limit = Duration::from_secs(30);
    assert!(matches!(known.next_timeout(limit), Ok(Some(Err(_)))));
    assert_eq!(known.progress(), of(2, 3));
    assert_eq!(known.by_ref().count(), 1);
    assert_eq!(known.progress(), of(3, 3));
    let odd = (0..10).filter(|x| x % 2 == 1);
    let mut unknown = pool.imap(|x: u32| x, odd).expect("running");
    assert_eq!(unknown.next(), Some(Ok(1)));
    assert_eq!(
        (unknown.progress().done, unknown.progress().total),
        (1, None)
    );
}

#[test]
fn an_observer_is_told_of_all_that_workers_and_tasks_do() {
    let notes = Arc::new(Notes::default());
    let builder = ThreadPool::builder()
        .size(1)
        .reach(8)
        .observer(notes.clone());
    let pool = builder.maxtasksperchild(NonZeroUsize::new(4).expect("not zero"));
    let pool = pool.build().expect("a pool");
    let numbers = [1, 2, 3];
    assert_eq!(
        pool.each(|x| x + 1, numbers).chunksize(2).wait(),
        Ok(vec![2, 3, 4])
    );
    assert!(pool.try_apply(|x: u32| Err::<u32, _>(x), 1).is_err());
    let panicked = pool.apply(|x: u32| assert!(x < 1), 1);
    assert!(matches!(panicked, Err(TaskError::Panicked(_))));
    let borrowed = pool.apply(|x| numbers.len() + x, 1);
    assert_eq!(borrowed, Ok(4));
    pool.close();
    pool.join().expect("closed");
    let expected = [
        "ThreadPoolWorker-1 started",
        "0 0 0..2",
        "0 0 Done",
        "0 0 2..3",
        "0 0 Done",
        "0 1 0..0",
        "0 1 Failed",
        "0 2 0..0",
        "0 2 Panicked",
        "ThreadPoolWorker-1 ended: Replaced",
        "ThreadPoolWorker-2 started",
        "0 3 0..0",
        "0 3 Done",
        "ThreadPoolWorker-2 ended: Left",
    ];
    assert_eq!(notes.taken(), expected);
}

#[test]
fn what_waits_in_the_queue_and_is_cancelled_is_not_observed() {
    let notes = Arc::new(Notes::default());
    let pool = ThreadPool::builder().size(1).observer(notes.clone());
    let pool = pool.build().expect("a pool");
    let (task, arrived, open) = door();
    let first = pool.apply_async(task.clone(), 1).expect("running");
    assert_eq!(arrived.recv(), Ok(1));
    let second = pool.apply_async(task, 2).expect("running");
    assert!(second.cancel());
    drop(open);
    assert_eq!(first.get(), Ok(1));
    let told = notes.taken();
    assert_eq!(told[1..], ["0 0 0..0", "0 0 Done"]);
}

#[test]
fn statistics_say_what_each_worker_has_done() {
    let builder = ThreadPool::builder().size(2).warn_on_drop(false);
    let two = NonZeroUsize::new(2).expect("not zero");
    let pool = builder.maxtasksperchild(two).build().expect("a pool");
    let (task, arrived, open) = door();
    let map = pool.each(task, 0..6).chunksize(1).submit();
    let map = map.expect("running");
    assert!(arrived.recv().is_ok() && arrived.recv().is_ok());
    let before = pool.stats().per_worker;
    assert_eq!(before.len(), 2);
    for (index, worker) in before.iter().enumerate() {
        assert_eq!((worker.index, worker.tasks, worker.replaced), (index, 0, 0));
        let now = worker.worker.as_ref().expect("it is busy");
        assert_eq!(now.index, index);
        assert!(worker.started.is_some());
    }
    drop(open);
    assert!(map.get().is_ok());
    pool.close();
    pool.join().expect("closed");
    let after = pool.stats().per_worker;
    assert_eq!(after.iter().map(|worker| worker.tasks).sum::<u64>(), 6);
    assert!(after.iter().all(|worker| worker.worker.is_none()));
    for (before, after) in before.iter().zip(&after) {
        assert!(after.working >= before.working && after.waiting >= before.waiting);
        assert_eq!((after.replaced, after.lost), (after.tasks / 2, 0));
    }
}

#[test]
fn a_worker_that_sleeps_waits_and_one_that_has_a_task_does_not() {
    let pool = pool(1);
    let worker = || pool.stats().per_worker.remove(0);
    let (task, arrived, open) = door();
    let call = pool.apply_async(task, 1).expect("running");
    assert_eq!(arrived.recv(), Ok(1));
    let (before, after) = (worker(), worker());
    assert_eq!(before.waiting, after.waiting);
    assert!(before.working < after.working);
    drop(open);
    assert_eq!(call.get(), Ok(1));
}
