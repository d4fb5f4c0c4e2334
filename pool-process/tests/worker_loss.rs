//! The loss of a worker costs one task, and the worker is replaced: with real signals and real processes.

mod common;

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use common::{
    Gate, Outcome, each_way, everybody, ignore_sigterm, kill, lives, loss, never_end, no_time, pid,
    raise, signal_of, stop, wait_at,
};
use nix::sys::signal::Signal;
use pool_process::{Cause, Pool, Process, ProcessPool, TaskError};

fn overflow(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 1_000]);
    if depth == u64::MAX {
        0
    } else {
        overflow(depth + 1) + room[7]
    }
}

#[test]
fn a_killed_worker_costs_its_task_alone_and_is_replaced() -> Outcome {
    each_way(1, |pool| {
        let before = pool.apply(pid, ())?;
        let lost = loss(pool.apply(raise, Signal::SIGKILL as i32));
        assert_eq!((lost.pid, signal_of(&lost)), (before, "SIGKILL"));
        let after = pool.apply(pid, ())?;
        assert_ne!(before, after);
        Ok(())
    })
}

#[test]
fn a_loss_names_signal_process_function_item_and_place() -> Outcome {
    each_way(1, |pool| {
        let lost = loss(pool.apply(raise, Signal::SIGKILL as i32)).to_string();
        let begin = "worker lost: killed by SIGKILL (pid ";
        assert!(lost.starts_with(begin), "{lost}");
        assert!(
            lost.contains("while running worker_loss::common::raise ("),
            "{lost}"
        );
        assert!(
            lost.contains("submitted at pool-process/tests/worker_loss.rs:"),
            "{lost}"
        );
        let died = |x: i32| {
            if x == 3 {
                raise(9)
            }
        };
        let lost = loss(pool.each(died, 0..8).chunksize(2).submit()?.get());
        assert!(lost.task.contains("closure"), "{lost}");
        assert!(lost.task.contains(", items 2..4 (task "), "{lost}");
        assert_eq!(lost.items, Some(2..4));
        let lost = loss(pool.each(raise, [9]).submit()?.get());
        let begin = "worker_loss::common::raise, item 0 (task ";
        assert!(lost.task.starts_with(begin), "{lost}");
        assert_eq!(loss(pool.apply(raise, 9)).items, None);
        Ok(())
    })
}

#[test]
fn a_loss_in_an_imap_names_its_items_by_their_place_in_the_whole_input() -> Outcome {
    fn died(x: usize) -> usize {
        if x == 13 {
            raise(9);
        }
        x
    }
    each_way(2, |pool| {
        for (chunksize, items, words) in [
            (1, 13..14, ", item 13 (task "),
            (3, 12..15, ", items 12..15 (task "),
            (9, 9..17, ", items 9..17 (task "),
        ] {
            for unordered in [false, true] {
                let results = pool.each(died, 0..17).chunksize(chunksize);
                let results = if unordered {
                    results.imap_unordered()?
                } else {
                    results.imap()?
                };
                let (done, lost): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
                assert_eq!(done.len() + lost.len(), 17);
                assert_eq!(lost.len(), items.len());
                for lost in lost.into_iter().map(loss) {
                    assert_eq!(lost.items.as_ref(), Some(&items));
                    assert!(lost.to_string().contains(words), "{lost}");
                    assert!(lost.task.contains("died"), "{lost}");
                    assert!(
                        lost.task
                            .contains("submitted at pool-process/tests/worker_loss.rs:"),
                        "{lost}"
                    );
                }
                let mut done: Vec<_> = done.into_iter().flatten().collect();
                done.sort_unstable();
                let others: Vec<_> = (0..17).filter(|x| !items.contains(x)).collect();
                assert_eq!(done, others);
            }
        }
        Ok(())
    })
}

#[test]
fn abort_overflow_and_exit_are_told_apart() -> Outcome {
    each_way(2, |pool| {
        let lost = loss(
            pool.apply(|()| std::process::abort(), ())
                .map(|never: ()| never),
        );
        assert_eq!(signal_of(&lost), "SIGABRT");
        let lost = loss(pool.apply(overflow, 0));
        assert_eq!(signal_of(&lost), "SIGSEGV");
        for code in [0, 7] {
            let lost = loss(pool.apply(|code: i32| -> u8 { std::process::exit(code) }, code));
            assert_eq!(lost.cause, Cause::Exit(code));
        }
        assert_eq!(
            pool.map(|x: u64| x + 1, 0..10)?,
            (1..11).collect::<Vec<_>>()
        );
        Ok(())
    })
}

#[test]
fn a_death_is_told_by_the_kernel_and_waits_for_no_timer() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(1).timers(no_time()).build()?;
        loss(pool.apply(raise, Signal::SIGKILL as i32));
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1, "it was replaced");
    }
    Ok(())
}

#[test]
fn of_a_map_only_the_chunk_that_died_fails_and_the_others_run() -> Outcome {
    each_way(2, |pool| {
        let file = tempfile::NamedTempFile::new()?;
        // Each item leaves a byte, which needs no worker to tell of it.
        let died = |(path, x): (String, i32)| {
            if x == 3 {
                raise(9)
            }
            let file = File::options().append(true).open(path).expect("there");
            { file }.write_all(b".").expect("written");
        };
        let path = file.path().to_string_lossy().into_owned();
        let items = (0..8).map(|x| (path.clone(), x));
        let lost = loss(pool.each(died, items).chunksize(1).submit()?.get());
        assert!(lost.task.contains(", item 3 "), "{lost}");
        assert_eq!(std::fs::read(&file)?.len(), 7);
        Ok(())
    })
}

#[test]
fn an_idle_death_is_unnoticed() -> Outcome {
    each_way(2, |pool| {
        for _ in 0..5 {
            let worker = pool.apply(pid, ())?;
            kill(worker, Signal::SIGKILL);
            // It may or may not be noticed yet: either way nothing that never started is lost.
            assert_eq!(pool.map(|x: u64| x, 0..20)?, (0..20).collect::<Vec<_>>());
        }
        Ok(())
    })
}

#[test]
fn workers_killed_under_a_thousand_tasks_cost_one_task_each() -> Outcome {
    each_way(2, |pool| {
        let task = |x: u64| {
            if x.is_multiple_of(100) {
                raise(9);
            }
            x
        };
        let handles: Result<Vec<_>, _> = (0..1_000).map(|x| pool.apply_async(task, x)).collect();
        for (x, handle) in (0..1_000).zip(handles?) {
            if x % 100 == 0 {
                assert_eq!(signal_of(&loss(handle.get())), "SIGKILL");
            } else {
                assert_eq!(handle.get()?, x);
            }
        }
        assert_eq!(pool.stats().lost, 10);
        Ok(())
    })
}

#[test]
fn a_busy_worker_killed_from_outside_costs_what_it_ran_and_none_of_a_thousand_behind() -> Outcome {
    each_way(2, |pool| {
        let gate = Gate::new();
        let running = [
            pool.apply_async(wait_at, gate.name())?,
            pool.apply_async(wait_at, gate.name())?,
        ];
        let behind: Result<Vec<_>, _> = (0..1_000)
            .map(|x: u64| pool.apply_async(|x| x, x))
            .collect();
        let guests = gate.guests(2);
        kill(guests[0].pid, Signal::SIGKILL);
        let killed = guests[0].pid;
        // The other one is let go.
        drop(guests);
        let ends = running.map(pool_process::AsyncResult::get);
        let lost: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(
            matches!(&lost[0], TaskError::WorkerLost(lost) if lost.pid == killed),
            "{lost:?}"
        );
        for (x, handle) in (0..1_000).zip(behind?) {
            assert_eq!(handle.get()?, x);
        }
        Ok(())
    })
}

#[test]
fn a_stopped_worker_that_is_killed_is_a_death_like_others() -> Outcome {
    each_way(1, |pool| {
        let gate = Gate::new();
        let handle = pool.apply_async(wait_at, gate.name())?;
        let guests = gate.guests(1);
        stop(guests[0].pid);
        kill(guests[0].pid, Signal::SIGKILL);
        assert_eq!(signal_of(&loss(handle.get())), "SIGKILL");
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

/// Waits at a gate, and listens to no SIGTERM.
fn stay(gate: String) -> u32 {
    ignore_sigterm();
    wait_at(gate)
}

#[test]
fn terminate_is_bounded_for_workers_that_ignore_it() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(2).grace(Duration::from_millis(50)).build()?;
        let gate = Gate::new();
        let handles = [
            pool.apply_async(stay, gate.name())?,
            pool.apply_async(stay, gate.name())?,
        ];
        let workers = gate.guests(2);
        pool.terminate();
        for handle in handles {
            assert_eq!(handle.get(), Err(TaskError::Terminated));
        }
        pool.join()?;
        assert!(workers.iter().all(|worker| !lives(worker.pid)));
    }
    Ok(())
}

#[test]
fn stopped_workers_are_terminated_and_dropped_like_others() -> Outcome {
    each_way(2, |pool| {
        let workers = everybody(pool, 2);
        workers.iter().for_each(|worker| stop(*worker));
        let waiting = pool.apply_async(pid, ())?;
        pool.terminate();
        assert_eq!(waiting.get(), Err(TaskError::Terminated));
        pool.join()?;
        assert!(workers.iter().all(|worker| !lives(*worker)));
        Ok(())
    })
}

#[test]
fn a_drop_stops_what_runs_and_waits_for_no_timer() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder
            .size(2)
            .timers(no_time())
            .warn_on_drop(false)
            .build()?;
        let worker = everybody(&pool, 2);
        let handle = pool.apply_async(never_end, ())?;
        drop(pool);
        assert_eq!(handle.get(), Err(TaskError::Terminated));
        assert!(worker.iter().all(|worker| !lives(*worker)));
    }
    Ok(())
}

#[test]
fn a_pool_may_be_dropped_in_its_own_callback() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = std::sync::Arc::new(builder.size(1).warn_on_drop(false).build()?);
        let worker = common::Watch::over(pool.apply(pid, ())?);
        let own = pool.clone();
        let handle = pool
            .call(|x: u8| x, 1)
            .callback(move |_| drop(own))
            .submit()?;
        drop(pool);
        // The value was there before the pool went, or went with it.
        assert!(matches!(handle.get(), Ok(1) | Err(TaskError::Terminated)));
        worker.ends();
    }
    Ok(())
}

/// Ten megabytes, in lines.
fn print(_: ()) {
    let mut out = std::io::stdout().lock();
    let line = "x".repeat(1_000);
    for _ in 0..10_000 {
        writeln!(out, "{line}").expect("somebody reads it");
    }
}

#[test]
fn ten_megabytes_of_output_block_nobody_and_none_is_lost() -> Outcome {
    // In a process of its own, whose output goes to a file.
    let print_in_a_pool = |path: String| {
        nix::unistd::dup2_stdout(File::create(path).expect("a file")).expect("stdout");
        each_way(1, |pool| Ok(pool.apply(print, ())?)).expect("they print");
    };
    let file = tempfile::NamedTempFile::new()?;
    let process = Process::new(print_in_a_pool, file.path().to_string_lossy().into_owned());
    process.start()?;
    process.join()?;
    let length = std::fs::metadata(&file)?.len();
    assert_eq!((process.exitcode()?, length), (Some(0), 3 * 10_000 * 1_001));
    Ok(())
}

#[test]
fn a_hundred_megabytes_pass_each_way() -> Outcome {
    let pool = ProcessPool::new(2)?;
    let big = "x".repeat(100 << 20);
    let handles = [
        pool.apply_async(|text: String| text, big.clone())?,
        pool.apply_async(|text: String| text, big)?,
    ];
    for handle in handles {
        assert_eq!(handle.get()?.len(), 100 << 20);
    }
    Ok(())
}
