//! What a pool of threads tells of its work while it goes on: how far maps have come, what its workers do.

mod common;

use std::time::Duration;

use common::{door, pool};
use pool_thread::{Progress, ThreadPool};

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
