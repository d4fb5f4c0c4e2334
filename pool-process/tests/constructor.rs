//! Programs that run something before `main`: a constructor that starts a thread, and one that fails at will.

mod common;

use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use common::{Outcome, each_way, loss, pid};
use pool_process::{Cause, Pool, Process, ProcessPool, StartMethod};

/// The file that says how often a worker is to die before it is one: once for each `x` in it, or always.
const DEATHS: &str = "POOL_TEST_DEATHS";
const ALWAYS: &str = "always";
/// Set where the constructor is to start a thread.
const THREAD: &str = "POOL_TEST_THREAD";

/// Set where the constructor is to open a file.
const FILE: &str = "POOL_TEST_FILE";
/// The descriptor that it got.
static OPENED: AtomicI32 = AtomicI32::new(-1);

/// As a linked C library may do it.
extern "C" fn construct() {
    if std::env::var_os(FILE).is_some() {
        let file = std::fs::File::open("/proc/version").expect("/proc");
        OPENED.store(file.into_raw_fd(), Ordering::Relaxed);
    }
    if std::env::var_os(THREAD).is_some() {
        std::thread::spawn(|| {
            loop {
                std::thread::park()
            }
        });
    }
    if let Some(path) = std::env::var_os(DEATHS) {
        let left = std::fs::read_to_string(&path).unwrap_or_default();
        if left == ALWAYS {
            std::process::exit(3);
        }
        if let Some(fewer) = left.strip_prefix('x') {
            let _ = std::fs::write(&path, fewer);
            std::process::exit(3);
        }
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;

/// Runs this in a process of its own, with a variable set, which must not fail.
fn apart(name: &'static str, value: String, check: fn((String, String)) -> ()) -> Outcome {
    let process = Process::new(check, (name.to_owned(), value));
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(0), "see its message above");
    Ok(())
}

/// Sets the variable, in a process that has one thread.
fn set((name, value): (String, String)) {
    // SAFETY: see above.
    unsafe { std::env::set_var(name, value) };
}

#[test]
fn a_thread_started_before_main_has_workers_re_executed() -> Outcome {
    apart(THREAD, "1".to_owned(), |variable| {
        set(variable);
        let pool = ProcessPool::new(2).expect("a pool");
        assert_eq!(
            pool.map(|x: u64| x * x, 0..4).expect("it works"),
            [0, 1, 4, 9]
        );
        let stats = pool.stats();
        assert_eq!(stats.start_method, StartMethod::Reexec);
        assert!(
            stats.start_reason.contains("2 threads before `main`"),
            "{stats:?}"
        );
        loss(
            pool.apply(|()| std::process::abort(), ())
                .map(|never: ()| never),
        );
        assert_ne!(pool.apply(pid, ()).expect("replaced"), std::process::id());
        // A thread that starts before `main` is no way to be left behind.
        pool.close();
        pool.join().expect("closed");
    })
}

/// Runs this in a process of its own, where workers die as often as said at their start.
fn where_workers_die(deaths: &str, check: fn((String, String)) -> ()) -> Outcome {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(&file, deaths)?;
    apart(DEATHS, file.path().to_string_lossy().into_owned(), check)
}

#[test]
fn workers_that_die_at_their_start_are_tried_again() -> Outcome {
    where_workers_die("xxxx", |variable| {
        set(variable);
        let pool = ProcessPool::builder()
            .size(1)
            .reexec()
            .build()
            .expect("a pool");
        assert_eq!(pool.apply(|x: u8| x, 1).expect("it works at last"), 1);
        assert_eq!(pool.stats().lost, 4);
    })
}

#[test]
fn a_pool_whose_workers_never_start_says_so() -> Outcome {
    where_workers_die(ALWAYS, |variable| {
        set(variable);
        for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
            let pool = builder.size(2).build().expect("a pool");
            let handles: Vec<_> = (0..5)
                .map(|x: u8| pool.apply_async(|x| x, x).expect("open"))
                .collect();
            for handle in handles {
                let lost = loss(handle.get());
                assert_eq!(lost.cause, Cause::Start("exited with code 3".to_owned()));
            }
            // Later work fails for the same reason, at once, and the pool ends like any other.
            loss(pool.apply(|x: u8| x, 1));
            pool.close();
            pool.join().expect("closed");
        }
    })
}

#[test]
fn what_is_opened_before_main_gets_no_number_of_a_stream_that_is_closed() -> Outcome {
    apart(FILE, "1".to_owned(), |variable| {
        set(variable);
        // SAFETY: nobody in this process owns a standard stream.
        assert_eq!(unsafe { nix::libc::close(1) }, 0);
        each_way(1, |pool| {
            let kept = |()| {
                let number = OPENED.load(Ordering::Relaxed);
                let target = std::fs::read_link(format!("/proc/self/fd/{number}"));
                (number, target.map_err(|error| error.to_string()))
            };
            let (number, target) = pool.apply(kept, ())?;
            assert!(number > 2, "{number}");
            assert_eq!(target, Ok("/proc/version".into()));
            Ok(())
        })
        .expect("workers");
    })
}
