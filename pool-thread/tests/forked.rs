//! A child that the program forks has a copy of a pool and none of its threads: the copy refuses and goes at once, and a
//! pool that the child makes works.
#![cfg(unix)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, alarm, fork};
use pool_thread::{Pool, PoolError, TaskError, ThreadPool, TimedOut};

/// What takes longer hangs: the child's own alarm ends it.
const BOUND: u32 = 30;

/// Runs this in a forked child, where it must come to its end.
fn forked(check: impl FnOnce()) {
    // SAFETY: the child calls what a child of a process with threads may not rely on in general (it allocates, which the C
    // library sees to); that the pools need nothing beyond that is what is tested.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Child => {
            alarm::set(BOUND);
            let code = i32::from(catch_unwind(AssertUnwindSafe(check)).is_err());
            // SAFETY: no precondition; the test program's own end is its parent's business.
            unsafe { nix::libc::_exit(code) }
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
fn a_copy_of_a_pool_refuses_everything_and_goes_at_once() -> Result<(), Box<dyn std::error::Error>>
{
    let pool = ThreadPool::new(2)?;
    let done = pool.apply_async(|x| x + 1, 1)?;
    done.wait();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let running = pool.apply_async(move |()| held.recv().is_err(), ())?;
    let mut results = pool.imap(|x: u32| x, 0..)?;
    assert_eq!(results.next(), Some(Ok(0)));
    let mut kept = Some((pool, done, running, results));
    forked(|| {
        let (pool, done, mut running, mut results) = kept.take().expect("they are there");
        refused(pool.apply(|x| x, 1));
        refused(pool.map(|x| x, [1, 2]));
        assert_eq!(pool.apply_async(|x| x, 1).map(drop), Err(PoolError::Forked));
        assert_eq!(pool.imap(|x| x, [1]).map(drop), Err(PoolError::Forked));
        assert_eq!(pool.join(), Err(PoolError::Forked));
        pool.close();
        pool.terminate();
        // What had come is there; what has not never will be.
        assert_eq!(done.get(), Ok(2));
        running.wait();
        refused(
            running
                .get_timeout(Duration::from_secs(3600))
                .expect("no time is over"),
        );
        assert!(results.any(|end| end == Err(TaskError::Pool(PoolError::Forked))));
        assert_eq!(results.next(), None);
        assert!(!format!("{pool:?} {:?} {results:?}", pool.stats()).is_empty());
        let scoped = pool.scope(|scope| scope.apply_async(|()| 1, ()).map(|task| task.get()));
        assert_eq!(scoped.map(|end| end.is_ok()), Err(PoolError::Forked));
    });
    let (pool, _, running, results) = kept.take().expect("the parent's own");
    drop((results, release));
    assert_eq!(running.get(), Ok(true));
    pool.close();
    pool.join()?;
    Ok(())
}

#[test]
fn a_pool_that_a_child_makes_has_timers_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
    // The thread that keeps the parent's time is there, and so is a timer of it.
    let timers = pool_core::Timers::real();
    let _far = timers.arm(Duration::from_secs(3600), Box::new(|| ()));
    let pool = ThreadPool::new(1)?;
    forked(move || {
        let mine = ThreadPool::new(2).expect("threads");
        assert_eq!(mine.map(|x| x * x, 0..4), Ok(vec![0, 1, 4, 9]));
        let (release, held) = std::sync::mpsc::channel::<()>();
        let mut blocked = mine
            .apply_async(move |()| held.recv().is_err(), ())
            .expect("it runs");
        assert_eq!(blocked.get_timeout(Duration::from_millis(1)), Err(TimedOut));
        drop(release);
        assert_eq!(blocked.get(), Ok(true));
        let (sender, fired) = std::sync::mpsc::channel();
        let _armed = timers.arm(
            Duration::ZERO,
            Box::new(move || sender.send(()).unwrap_or(())),
        );
        assert_eq!(fired.recv(), Ok(()));
        mine.close();
        assert_eq!(mine.join(), Ok(()));
    });
    assert_eq!(pool.apply(|x| x, 1)?, 1);
    Ok(())
}

#[test]
fn a_task_or_a_callback_that_forks_and_returns_on_both_sides_runs_once()
-> Result<(), Box<dyn std::error::Error>> {
    let pool = ThreadPool::new(1)?;
    let (sender, children) = std::sync::mpsc::channel();
    let fork = move || {
        // SAFETY: as above; the copy only returns.
        if let ForkResult::Parent { child } = unsafe { fork() }.expect("a child") {
            sender.send(child).unwrap_or(());
        } else {
            alarm::set(BOUND);
        }
    };
    let in_callback = fork.clone();
    let in_chunk = fork.clone();
    let ran = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = ran.clone();
    pool.apply(move |()| fork(), ())?;
    pool.call(|x: u32| x, 1)
        .callback(move |_| in_callback())
        .submit()?
        .get()?;
    assert_eq!(pool.apply(|x| x, 7)?, 7);
    let one = move |first: bool| {
        if first {
            in_chunk();
        }
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    };
    let counts = pool.each(one, [true, false]).chunksize(2).submit()?.get()?;
    assert_eq!(counts, [0, 1]);
    drop(pool);
    let process = pool_thread::Process::new(|()| (), ());
    forked(|| {
        let refused = process.start();
        assert!(matches!(refused, Err(pool_thread::ProcessError::NotAChild)));
        assert!(process.join().is_err() && !process.is_alive());
    });
    for child in children {
        assert_eq!(waitpid(child, None)?, WaitStatus::Exited(child, 0));
    }
    Ok(())
}
