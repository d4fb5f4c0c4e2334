//! A child that the program forks has a copy of a pool and none of its threads: the copy refuses and goes at once, and a
//! pool that the child makes works. A task that forks costs only itself.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{Gate, Outcome, each_way, ignore_sigterm, pid, wait_at};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, alarm, fork};
use pool_process::{
    Pool, PoolError, Process, ProcessError, ProcessPool, TaskError, TimedOut, active_children,
};

/// What takes longer hangs: the child's own alarm ends it.
const LIMIT: u32 = 30;

/// Runs this in a forked child, where it must come to its end.
fn forked(check: impl FnOnce() -> Outcome) {
    // SAFETY: the child calls what a child of a process with threads may not rely on in general (it allocates, which the C
    // library sees to); that the pools need nothing beyond that is what is tested.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Child => {
            alarm::set(LIMIT);
            let end = catch_unwind(AssertUnwindSafe(|| check().expect("it holds")));
            // SAFETY: no precondition; the test program's own end is its parent's business.
            unsafe { nix::libc::_exit(i32::from(end.is_err())) }
        }
        ForkResult::Parent { child } => {
            let ended = waitpid(child, None).expect("it is ours");
            assert_eq!(
                ended,
                WaitStatus::Exited(child, 0),
                "the child hung, or failed"
            );
        }
    }
}

fn refused<T>(failure: Result<T, TaskError>) {
    let refused = failure.err().expect("nobody does it");
    assert_eq!(refused, TaskError::Pool(PoolError::Forked));
}

#[test]
fn a_copy_of_a_pool_refuses_everything_and_goes_at_once() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(2).build()?;
        let worker = pool.apply(pid, ())?;
        let gate = Gate::new();
        let running = pool.apply_async(wait_at, gate.name())?;
        let guests = gate.guests(1);
        let results = pool.imap(|x: u32| x, 0..4)?;
        let process = Process::new(wait_at, gate.name());
        process.start()?;
        let other = gate.guests(1);
        let unstarted = Process::new(pid, ());
        let mut kept = Some((pool, running, results, process));
        forked(|| {
            let (pool, mut running, mut results, process) = kept.take().expect("they are there");
            refused(pool.apply(pid, ()));
            refused(pool.map(|x: u8| x, [1, 2]));
            assert_eq!(pool.imap(|x: u8| x, [1]).map(drop), Err(PoolError::Forked));
            assert_eq!(pool.join(), Err(PoolError::Forked));
            pool.terminate();
            refused(
                running
                    .get_timeout(Duration::from_secs(3600))
                    .expect("no time is over"),
            );
            assert!(results.any(|end| end == Err(TaskError::Pool(PoolError::Forked))));
            assert!(!format!("{pool:?} {:?}", pool.stats()).is_empty());
            assert!(matches!(process.kill(), Err(ProcessError::NotAChild)));
            assert_eq!(active_children(), []);
            assert!(matches!(unstarted.start(), Err(ProcessError::NotAChild)));
            Ok(())
        });
        let (pool, running, results, process) = kept.take().expect("the parent's own");
        assert_eq!(results.count(), 4);
        drop((guests, other));
        running.get()?;
        process.join()?;
        assert!(worker > 0 && pool.apply(pid, ()).is_ok());
        pool.close();
        pool.join()?;
        assert_eq!(pool.stats().lost, 0);
    }
    Ok(())
}

#[test]
fn a_pool_that_a_child_makes_is_its_own_and_ends_with_its_grace() -> Outcome {
    let pool = ProcessPool::new(1)?;
    pool.apply(pid, ())?;
    forked(|| {
        let grace = Duration::from_millis(1);
        let mine = ProcessPool::builder().size(2).grace(grace).build()?;
        assert_eq!(mine.map(|x: u8| x + 1, 0..3)?, [1, 2, 3]);
        let gate = Gate::new();
        let deaf = |gate: String| {
            ignore_sigterm();
            wait_at(gate)
        };
        let mut handle = mine.apply_async(deaf, gate.name())?;
        let guests = gate.guests(1);
        assert_eq!(handle.get_timeout(Duration::from_millis(1)), Err(TimedOut));
        mine.terminate();
        mine.join()?;
        drop(guests);
        let process = Process::new(|(): ()| (), ());
        process.start()?;
        process.join()?;
        Ok(())
    });
    pool.apply(pid, ())?;
    Ok(())
}

/// How many descriptors the one pool of this process has reported to it: those in the sets of its event queues.
fn watched() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("it is there");
    let queues = open.flatten().filter(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|what| what.ends_with("anon_inode:[eventpoll]"))
    });
    let infos = queues.map(|queue| {
        let info = std::path::Path::new("/proc/self/fdinfo").join(queue.file_name());
        std::fs::read_to_string(info).expect("it is open")
    });
    infos.map(|info| info.matches("tfd:").count()).sum()
}

#[test]
fn a_worker_that_ends_is_watched_no_more_while_a_forked_child_has_its_descriptors() -> Outcome {
    common::apart(|()| {
        let pool = ProcessPool::new(1).expect("a pool");
        let worker = pool.apply(pid, ()).expect("it works");
        let before = watched();
        assert!(before >= 3, "{before}");
        // SAFETY: the child only makes system calls.
        match unsafe { fork() }.expect("a child") {
            ForkResult::Child => loop {
                nix::unistd::pause();
            },
            ForkResult::Parent { child } => {
                common::loss(pool.apply(common::raise, 9));
                assert_ne!(pool.apply(pid, ()).expect("a replacement"), worker);
                // What is left in the set would be reported for as long as the child lives.
                assert_eq!(watched(), before);
                nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).expect("ours");
                waitpid(child, None).expect("it is ours");
            }
        }
    })
}

/// Whether this process has the reading end of a pipe whose other end somebody has: in a child, a lifeline of a worker that lives.
fn holds_a_lifeline() -> bool {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::BorrowedFd;
    (3..1000).any(|number| {
        // SAFETY: a number that need not be open is asked about, and nothing is done to what it stands for.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let reads = fcntl(fd, FcntlArg::F_GETFL).is_ok_and(|flags| {
            OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE == OFlag::O_RDONLY
        });
        let is_pipe = nix::sys::stat::fstat(fd)
            .is_ok_and(|stat| stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFIFO);
        let mut end = [PollFd::new(fd, PollFlags::empty())];
        reads && is_pipe && poll(&mut end, PollTimeout::ZERO) == Ok(0)
    })
}

#[test]
fn a_child_that_is_forked_while_workers_start_holds_no_lifeline() -> Outcome {
    common::apart(|()| {
        each_way_with_a_share(|pool| {
            std::thread::scope(|scope| {
                let (stop, stopped) = std::sync::mpsc::channel::<()>();
                scope.spawn(move || {
                    while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                        pool.map(|x: u64| x, 0..4).expect("it works");
                    }
                });
                for _ in 0..200 {
                    forked(|| match holds_a_lifeline() {
                        false => Ok(()),
                        true => Err("it would keep a worker alive".into()),
                    });
                }
                drop(stop);
            });
        });
    })
}

/// Pools whose workers are replaced after each task.
fn each_way_with_a_share(check: fn(&ProcessPool)) {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let builder = builder
            .size(2)
            .maxtasksperchild(std::num::NonZeroUsize::MIN);
        check(&builder.build().expect("a pool"));
    }
}

/// Forks, and returns on both sides: the one side after the other has ended, or the other way round.
fn fork_and_return(copy_first: bool) -> u32 {
    let (held, release) = nix::unistd::pipe().expect("a pipe");
    // SAFETY: a worker has one thread.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Parent { child } => {
            if copy_first {
                waitpid(child, None).expect("it ends");
            }
            // Open until the worker ends.
            std::mem::forget(release);
        }
        ForkResult::Child => {
            drop(release);
            if !copy_first {
                // Until the worker has ended: nothing is ever written.
                nix::unistd::read(&held, &mut [0]).expect("the end");
            }
        }
    }
    std::process::id()
}

#[test]
fn a_task_that_forks_and_returns_on_both_sides_is_answered_once() -> Outcome {
    for copy_first in [true, false] {
        each_way(1, |pool| {
            let worker = pool.apply(fork_and_return, copy_first)?;
            assert_eq!(pool.apply(pid, ())?, worker, "the worker goes on");
            assert_eq!(pool.map(|x: u8| x, 0..9)?.len(), 9);
            assert_eq!(pool.stats().lost, 0);
            Ok(())
        })?;
    }
    Ok(())
}

/// What each item of a chunk adds to a file; the first forks, returns on both sides, and waits for the end of the copy.
fn add_and_fork((path, first): (String, bool)) -> bool {
    use std::io::Write;
    let file = std::fs::File::options().append(true).open(path);
    file.and_then(|mut file| file.write_all(b"item\n"))
        .expect("a file");
    // SAFETY: a worker has one thread.
    if first && let ForkResult::Parent { child } = unsafe { fork() }.expect("a child") {
        waitpid(child, None).expect("it ends");
    }
    first
}

static AT_EXIT: std::sync::OnceLock<String> = std::sync::OnceLock::new();

extern "C" fn handler() {
    if let Some(path) = AT_EXIT.get() {
        add_and_fork((path.clone(), false));
    }
}

#[test]
fn a_copy_runs_neither_the_rest_of_its_chunk_nor_handlers_for_the_exit() -> Outcome {
    each_way(1, |pool| {
        let file = tempfile::NamedTempFile::new()?;
        let path = file.path().display().to_string();
        let register = |path: String| {
            AT_EXIT.set(path).is_ok_and(|()| {
                // SAFETY: a function that lives as long as the process.
                unsafe { nix::libc::atexit(handler) == 0 }
            })
        };
        assert!(pool.apply(register, path.clone())?);
        let items = [(path.clone(), true), (path.clone(), false)];
        let done = pool
            .each(add_and_fork, items.clone())
            .chunksize(2)
            .submit()?
            .get()?;
        assert_eq!(done, [true, false]);
        let done = pool.each(add_and_fork, items).chunksize(2).imap()?;
        assert_eq!(done.flatten().count(), 2);
        assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 4);
        Ok(())
    })
}

#[test]
fn a_process_whose_function_forks_and_returns_on_both_sides_ends_once() -> Outcome {
    let process = Process::new(fork_and_return, true);
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(0));
    Ok(())
}
