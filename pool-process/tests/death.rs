//! A death costs one task, and nothing is left behind: with real signals and real processes.

mod common;

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use common::{Outcome, descendants, each_way, kill, lives, loss, pid, signal, soon};
use nix::sys::signal::Signal;
use pool_process::{Cause, Failure, Process, ProcessPool};

fn raise(signal: i32) {
    let signal = Signal::try_from(signal).expect("a signal");
    nix::sys::signal::raise(signal).expect("it can be raised");
}

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
        assert_eq!((lost.pid, signal(&lost)), (before, "SIGKILL"));
        assert!(lost.task.contains("tests/death.rs"), "{}", lost.task);
        assert!(
            lost.to_string()
                .contains(&format!("killed by SIGKILL (pid {before})")),
            "{lost}"
        );
        let after = pool.apply(pid, ())?;
        assert_ne!(before, after);
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
        assert_eq!(signal(&lost), "SIGABRT");
        let lost = loss(pool.apply(overflow, 0));
        assert_eq!(signal(&lost), "SIGSEGV");
        let lost = loss(pool.apply(|code: i32| -> u8 { std::process::exit(code) }, 7));
        assert_eq!(lost.cause, Cause::Exit(7));
        assert_eq!(
            pool.map(|x: u64| x + 1, 0..10)?,
            (1..11).collect::<Vec<_>>()
        );
        Ok(())
    })
}

#[test]
fn a_death_is_known_within_milliseconds() -> Outcome {
    each_way(1, |pool| {
        pool.apply(pid, ())?;
        let start = Instant::now();
        loss(pool.apply(raise, Signal::SIGKILL as i32));
        assert!(
            start.elapsed() < Duration::from_millis(250),
            "{:?}",
            start.elapsed()
        );
        Ok(())
    })
}

#[test]
fn of_a_map_only_the_chunk_that_died_fails_and_the_others_run() -> Outcome {
    each_way(2, |pool| {
        let died = |x: i32| {
            if x == 3 {
                raise(9)
            }
        };
        let lost = loss(pool.map_task(died, 0..8).chunksize(1).submit()?.get());
        assert!(lost.task.contains("item 3"), "{}", lost.task);
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
                assert_eq!(signal(&loss(handle.get())), "SIGKILL");
            } else {
                assert_eq!(handle.get()?, x);
            }
        }
        assert_eq!(pool.stats().lost, 10);
        Ok(())
    })
}

#[test]
fn the_fork_server_may_die_under_a_thousand_tasks() -> Outcome {
    // A preload of its own gives this pool a server of its own.
    fn own() {}
    let pool = ProcessPool::builder().size(2).preload(own).build()?;
    let before = descendants(std::process::id());
    let worker = pool.apply(pid, ())?;
    let server = *before
        .iter()
        .find(|pid| descendants(**pid).contains(&worker))
        .ok_or("no server")?;
    let handles: Result<Vec<_>, _> = (0..1_000)
        .map(|x: u64| pool.apply_async(|x| x, x))
        .collect();
    kill(server, Signal::SIGKILL);
    for (x, handle) in (0..1_000).zip(handles?) {
        assert_eq!(handle.get()?, x);
    }
    // Its workers went on; one that dies now is replaced by a new server.
    loss(pool.apply(raise, 9));
    loss(pool.apply(raise, 9));
    assert_eq!(pool.map(|x: u64| x, 0..10)?, (0..10).collect::<Vec<_>>());
    pool.close();
    pool.join()?;
    Ok(())
}

#[test]
fn a_task_that_closes_all_descriptors_fails_alone() -> Outcome {
    each_way(1, |pool| {
        let close_all = |()| {
            for fd in 0..100 {
                // The point of the test: to close what is somebody else's.
                let _ = nix::unistd::close(fd);
            }
            std::thread::sleep(Duration::from_secs(60));
        };
        let lost = loss(pool.apply(close_all, ()));
        assert_eq!(
            lost.cause,
            Cause::Protocol("it closed its connection".to_owned())
        );
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

#[test]
fn a_task_that_closes_all_descriptors_and_returns_fails_alone() -> Outcome {
    each_way(1, |pool| {
        let close_all = |()| {
            for fd in 0..100 {
                let _ = nix::unistd::close(fd);
            }
        };
        let result = pool.apply(close_all, ());
        assert!(matches!(result, Err(Failure::WorkerLost(_))), "{result:?}");
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

#[test]
fn a_task_that_writes_garbage_fails_alone() -> Outcome {
    each_way(1, |pool| {
        let scribble = |()| {
            for fd in 3..100 {
                let path = format!("/proc/self/fd/{fd}");
                let target = std::fs::read_link(path).unwrap_or_default();
                if target.to_string_lossy().starts_with("socket") {
                    let garbage = [7_u8; 100];
                    let _ =
                        nix::sys::socket::send(fd, &garbage, nix::sys::socket::MsgFlags::empty());
                }
            }
        };
        let lost = loss(pool.apply(scribble, ()));
        assert!(
            matches!(&lost.cause, Cause::Protocol(what) if what.contains("0x07070707")),
            "{lost}"
        );
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

/// Leaves a process behind that lives for a minute and holds everything open; its process id.
#[expect(clippy::zombie_processes, reason = "it is left behind on purpose")]
fn linger(_: ()) -> u32 {
    let child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .expect("sleep is there");
    child.id()
}

#[test]
fn grandchildren_end_with_their_worker() -> Outcome {
    each_way(1, |pool| {
        let grandchild = pool.apply(linger, ())?;
        assert!(lives(grandchild));
        loss(pool.apply(raise, 9));
        assert!(soon(|| !lives(grandchild)), "it outlived its worker");
        let grandchild = pool.apply(linger, ())?;
        pool.close();
        pool.join()?;
        assert!(soon(|| !lives(grandchild)), "it outlived its pool");
        Ok(())
    })
}

#[test]
fn a_task_that_ends_its_thread_fails_alone() -> Outcome {
    each_way(1, |pool| {
        // The process goes on without its first thread, and can never answer.
        let end_thread = |()| {
            std::thread::spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                std::process::exit(3)
            });
            // SAFETY: nothing on this thread's stack is used again.
            unsafe { nix::libc::pthread_exit(std::ptr::null_mut()) }
        };
        let result = pool.apply(end_thread, ()).map(|never: ()| never);
        assert!(matches!(result, Err(Failure::WorkerLost(_))), "{result:?}");
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

fn ignore_sigterm(_: ()) {
    use nix::sys::signal::{SigHandler, signal};
    // SAFETY: to ignore a signal calls no handler.
    unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.expect("it can be ignored");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn terminate_is_bounded_for_workers_that_ignore_it() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(2).grace(Duration::from_millis(50)).build()?;
        let worker = pool.apply(pid, ())?;
        let handle = pool.apply_async(ignore_sigterm, ())?;
        let other = pool.apply_async(ignore_sigterm, ())?;
        std::thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        pool.terminate();
        assert_eq!(handle.get(), Err(Failure::Terminated));
        assert_eq!(other.get(), Err(Failure::Terminated));
        pool.join()?;
        assert!(
            (50..500).contains(&start.elapsed().as_millis()),
            "{:?}",
            start.elapsed()
        );
        assert!(!lives(worker));
    }
    Ok(())
}

#[test]
fn stopped_workers_are_terminated_and_dropped_like_others() -> Outcome {
    each_way(2, |pool| {
        let workers = pool.map(
            |_: u8| (std::thread::sleep(Duration::from_millis(20)), pid(())).1,
            0..8,
        )?;
        for worker in workers.iter().collect::<std::collections::BTreeSet<_>>() {
            kill(*worker, Signal::SIGSTOP);
        }
        let waiting = pool.apply_async(pid, ())?;
        pool.terminate();
        assert_eq!(waiting.get(), Err(Failure::Terminated));
        pool.join()?;
        assert!(workers.iter().all(|worker| !lives(*worker)));
        Ok(())
    })
}

#[test]
fn a_drop_stops_what_runs_at_once() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(2).warn_on_drop(false).build()?;
        let worker = pool.apply(pid, ())?;
        let handle = pool.apply_async(|()| std::thread::sleep(Duration::from_secs(60)), ())?;
        let start = Instant::now();
        drop(pool);
        assert!(
            start.elapsed() < Duration::from_millis(500),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(handle.get(), Err(Failure::Terminated));
        assert!(!lives(worker));
    }
    Ok(())
}

#[test]
fn a_pool_may_be_dropped_in_its_own_callback() -> Outcome {
    each_way(1, |_| {
        let pool = std::sync::Arc::new(ProcessPool::builder().size(1).warn_on_drop(false).build()?);
        let worker = pool.apply(pid, ())?;
        let own = pool.clone();
        let handle = pool
            .task(|x: u8| x, 1)
            .callback(move |_| drop(own))
            .submit()?;
        drop(pool);
        // The value was there before the pool went, or went with it.
        assert!(matches!(handle.get(), Ok(1) | Err(Failure::Terminated)));
        assert!(soon(|| !lives(worker)));
        Ok(())
    })
}

#[test]
fn ctrl_c_does_not_reach_workers() -> Outcome {
    each_way(2, |pool| {
        let group = |()| nix::unistd::getpgrp().as_raw();
        let worker = pool.apply(group, ())?;
        assert_ne!(
            worker,
            nix::unistd::getpgrp().as_raw(),
            "a terminal signals its own group alone"
        );
        Ok(())
    })
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
    let file = std::env::temp_dir().join(format!("pool-process-{}", std::process::id()));
    let process = Process::new(print_in_a_pool, file.to_string_lossy().into_owned());
    process.start()?;
    process.join()?;
    let length = std::fs::metadata(&file)?.len();
    std::fs::remove_file(&file)?;
    assert_eq!((process.exitcode()?, length), (Some(0), 2 * 10_000 * 1_001));
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
