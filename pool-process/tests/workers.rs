//! What a worker has of its own, and how long it stays.

mod common;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use common::{Outcome, Watch, loss, pid};
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

#[test]
fn a_worker_that_has_grown_too_large_leaves_and_no_task_is_lost() -> Outcome {
    for shared in [true, false] {
        let builder = ProcessPool::builder().size(1).shared_memory(shared);
        let pool = builder.max_worker_memory(100 << 20).build()?;
        let small = pool.apply(pid, ())?;
        let leak = |bytes: usize| {
            Box::leak(vec![1_u8; bytes].into_boxed_slice());
            std::process::id()
        };
        assert_eq!(pool.apply(leak, 1 << 20)?, small);
        let handles =
            (0..20).map(|index| pool.apply_async(leak, if index == 0 { 128 << 20 } else { 1 }));
        let handles = handles.collect::<Result<Vec<_>, _>>()?;
        Watch::over(small).ends();
        for handle in handles {
            handle.get()?;
        }
        assert_ne!(pool.apply(pid, ())?, small);
        assert_eq!(pool.stats().lost, 0);
    }
    Ok(())
}

#[test]
fn a_worker_that_has_grown_old_leaves_after_its_task() -> Outcome {
    for shared in [true, false] {
        let (timers, expire) = common::time_by_hand();
        let builder = ProcessPool::builder().size(1).shared_memory(shared);
        let age = std::time::Duration::from_secs(3600);
        let pool = builder.max_worker_age(age).timers(timers).build()?;
        let idle = pool.apply(pid, ())?;
        expire();
        Watch::over(idle).ends();
        let gate = common::Gate::new();
        let busy = pool.apply_async(common::wait_at, gate.name())?;
        let waits = gate.guests(1);
        expire();
        let queued = pool.apply_async(pid, ())?;
        drop(waits);
        Watch::over(busy.get()?).ends();
        queued.get()?;
        assert_eq!(pool.stats().lost, 0);
    }
    Ok(())
}

#[test]
fn a_worker_that_leaves_runs_its_exit_with_its_state_and_one_that_is_stopped_does_not() -> Outcome {
    for builder in [
        ProcessPool::builder(),
        ProcessPool::builder().reexec(),
        ProcessPool::builder().shared_memory(false),
    ] {
        let folder = tempfile::tempdir()?;
        let note = |path: String| std::path::PathBuf::from(path);
        let leave = || {
            worker_state(|folder: &mut std::path::PathBuf| {
                let file = folder.join(std::process::id().to_string());
                std::fs::write(file, "left").expect("a folder");
            });
            panic!("it changes nothing");
        };
        let builder = builder
            .size(1)
            .initializer(note, folder.path().to_string_lossy().into_owned())
            .worker_exit(leave);
        let pool = builder
            .clone()
            .maxtasksperchild(NonZeroUsize::MIN)
            .build()?;
        let mut left = vec![pool.apply(pid, ())?, pool.apply(pid, ())?];
        left.sort_unstable();
        pool.close();
        pool.join()?;
        let names = || -> Result<Vec<u32>, Box<dyn std::error::Error>> {
            let files = std::fs::read_dir(folder.path())?;
            let names = files.map(|file| Ok(file?.file_name().to_string_lossy().parse()?));
            names.collect()
        };
        let mut seen = names()?;
        // A replacement may have been started for which there was no task.
        seen.retain(|worker| left.contains(worker));
        seen.sort_unstable();
        assert_eq!(seen, left);
        let before = names()?.len();
        let pool = builder.build()?;
        pool.apply(pid, ())?;
        pool.terminate();
        pool.join()?;
        assert_eq!(names()?.len(), before);
    }
    Ok(())
}

#[test]
fn workers_have_the_limits_that_their_builder_says() -> Outcome {
    let pool = ProcessPool::builder()
        .size(1)
        .memory_limit(1 << 30)
        .nice(7)
        .cpus([0])
        .build()?;
    let what = |()| {
        let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
        let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
        let status = std::fs::read_to_string("/proc/self/status").expect("status");
        let line = |text: &str, name: &str| -> Option<Vec<String>> {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(
                line[name.len()..]
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect(),
            )
        };
        let nice = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().nth(16).map(str::to_owned));
        (
            line(&limits, "Max address space"),
            nice.flatten(),
            line(&status, "Cpus_allowed_list:"),
        )
    };
    let words = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
    assert_eq!(
        pool.apply(what, ())?,
        (
            words(&["1073741824", "1073741824", "bytes"]),
            Some("7".to_owned()),
            words(&["0"])
        )
    );
    let grown = loss(pool.apply(|bytes: usize| vec![1_u8; bytes].len(), 2 << 30));
    assert!(
        grown
            .to_string()
            .contains("its memory is limited to 1024 MiB"),
        "{grown}"
    );
    for (builder, why) in [
        (
            ProcessPool::builder().cpus([]),
            "there is no CPU for the workers",
        ),
        (
            ProcessPool::builder().cpus([0, 9999]),
            "CPU 9999 is not one that this thread may use",
        ),
    ] {
        let refused = builder.size(1).build().map(drop).expect_err("refused");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    Ok(())
}
