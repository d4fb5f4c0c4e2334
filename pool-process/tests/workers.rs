//! What a worker has of its own, and how long it stays.

mod common;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use common::{Outcome, loss, pid};
use pool_process::{Cause, Pool, ProcessPool, worker_state};

/// What a worker counts.
struct Count(u32);

fn count(by: u32) -> Option<(u32, u32)> {
    worker_state(|count: &mut Count| {
        count.0 += by;
        (std::process::id(), count.0)
    })
}

#[test]
fn the_initializer_runs_once_in_each_worker_and_in_each_replacement() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(1).initializer(Count, 100).build()?;
        let (first, sum) = pool.apply(count, 1)?.ok_or("no state")?;
        assert_eq!((sum, pool.apply(count, 1)?), (101, Some((first, 102))));
        loss(
            pool.apply(|()| std::process::abort(), ())
                .map(|never: ()| never),
        );
        let (second, sum) = pool.apply(count, 1)?.ok_or("no state")?;
        assert_ne!(first, second);
        assert_eq!(sum, 101);
    }
    Ok(())
}

#[test]
fn an_initializer_that_fails_at_first_is_tried_again() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("state");
    let make = |path: String| match std::fs::read_to_string(&path) {
        Ok(state) => Ok(state),
        Err(error) => std::fs::write(&path, "there")
            .map_err(|_| ())
            .and(Err(()))
            .map_err(|()| error),
    };
    let pool = ProcessPool::builder()
        .size(1)
        .try_initializer(make, file.to_string_lossy().into_owned())
        .build()?;
    assert_eq!(
        pool.apply(|()| worker_state(|state: &mut String| state.clone()), ())?
            .as_deref(),
        Some("there")
    );
    Ok(())
}

#[test]
fn an_initializer_that_always_fails_fails_what_is_queued() -> Outcome {
    let raises = ProcessPool::builder()
        .size(2)
        .try_initializer(|()| Err::<(), _>("no licence"), ());
    let panics = ProcessPool::builder()
        .size(2)
        .initializer(|()| -> () { panic!("no licence") }, ());
    for builder in [raises, panics] {
        let pool = builder.build()?;
        let lost = loss(pool.map(|x: u8| x, 0..10));
        assert!(
            matches!(&lost.cause, Cause::Start(why) if why.contains("no licence")),
            "{lost}"
        );
        pool.close();
        pool.join()?;
    }
    Ok(())
}

#[test]
fn a_worker_leaves_after_its_share_and_every_result_arrives() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let share = NonZeroUsize::new(3).ok_or("three")?;
        let pool = builder.size(2).maxtasksperchild(share).build()?;
        let handles: Result<Vec<_>, _> = (0..30).map(|_| pool.apply_async(pid, ())).collect();
        // Closed early: replacements come as long as there is work.
        pool.close();
        pool.join()?;
        let workers: Result<Vec<u32>, _> = handles?
            .into_iter()
            .map(pool_process::AsyncResult::get)
            .collect();
        let workers = workers?;
        let distinct: BTreeSet<u32> = workers.iter().copied().collect();
        let tasks = |worker: &u32| workers.iter().filter(|other| *other == worker).count();
        assert!(
            distinct.iter().all(|worker| tasks(worker) <= 3),
            "{workers:?}"
        );
        // The last two may share what is left.
        assert!((10..=11).contains(&distinct.len()), "{workers:?}");
        assert_eq!(pool.stats().lost, 0);
    }
    Ok(())
}

#[test]
fn a_chunk_is_one_task_of_a_workers_share() -> Outcome {
    let share = NonZeroUsize::new(1).ok_or("one")?;
    let pool = ProcessPool::builder()
        .size(1)
        .maxtasksperchild(share)
        .build()?;
    let workers = pool
        .each(|_: u8| pid(()), 0..6)
        .chunksize(3)
        .submit()?
        .get()?;
    assert_eq!(workers[..3], [workers[0]; 3]);
    assert_eq!(workers[3..], [workers[3]; 3]);
    assert_ne!(workers[0], workers[3]);
    Ok(())
}
