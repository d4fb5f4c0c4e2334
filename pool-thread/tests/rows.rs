//! Rows of the contract that need the system, or the program's own memory, to be seen on threads.

use std::process::Command;
use std::sync::Mutex;
use std::thread;

use pool_thread::{Pool, StartError, TaskError, ThreadPool};

/// Runs one of the ignored tests below in a process of its own, with so much room for addresses, in MiB, of which each
/// thread takes 256.
///
/// Nothing else there is large, so it is a thread that is refused, and not some small thing that a thread has to
/// have.
fn in_a_process_of(mib: u64, name: &str) -> bool {
    let program = std::env::current_exe().expect("this program");
    let script = format!(
        "ulimit -v {} && exec \"$0\" --exact {name} --ignored",
        mib << 10
    );
    let status = Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .env("RUST_MIN_STACK", (256 << 20).to_string())
        .env("MALLOC_ARENA_MAX", "1")
        .status();
    status.expect("a shell").success()
}

#[test]
fn a_pool_that_the_system_refuses_leaves_nothing() {
    assert!(in_a_process_of(1_900, "program_with_little_room"));
}

#[test]
fn a_drop_says_how_many_tasks_it_leaves_unfinished_unless_told_not_to() {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["--exact", "program_that_drops_pools", "--ignored"])
        .output()
        .expect("this program");
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    let expected = [
        "thread pool dropped with 1 unfinished task: close() and join() it first",
        "thread pool dropped with 2 unfinished tasks: close() and join() it first",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
#[ignore = "a program that another test runs"]
fn program_that_drops_pools() {
    let drops = |pool: ThreadPool, tasks: usize, before: fn(&ThreadPool)| {
        let (open, opened) = std::sync::mpsc::channel::<()>();
        let first = pool.apply_async(move |()| opened.recv().is_err(), ());
        let first = first.expect("running");
        for _ in 1..tasks {
            drop(pool.apply_async(|()| true, ()).expect("running"));
        }
        // Terminated, it is told at once, and then lets its function end, for which the drop waits.
        let opens = thread::spawn(move || {
            assert_eq!(first.get(), Err(TaskError::Terminated));
            drop(open);
        });
        before(&pool);
        drop(pool);
        opens.join().expect("it was terminated");
    };
    let one = || ThreadPool::new(1).expect("a pool");
    drops(one(), 1, |_| ());
    drops(one(), 2, ThreadPool::close);
    drops(one(), 2, ThreadPool::terminate);
    let silent = ThreadPool::builder().size(1).warn_on_drop(false).build();
    drops(silent.expect("a pool"), 2, |_| ());
    drop(one());
}

/// Threads that live. One that was joined may stand in /proc for a moment yet: the kernel wakes the joiner before it
/// takes the thread off its list, but after it has marked it as leaving.
fn threads() -> usize {
    const PF_EXITING: u64 = 0x4;
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
    let lives = |task: std::fs::DirEntry| {
        // One that goes between the two looks is not counted.
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let flags: u64 = fields.split_whitespace().nth(6)?.parse().ok()?;
        Some(flags & PF_EXITING == 0)
    };
    tasks
        .flatten()
        .filter_map(lives)
        .filter(|lives| *lives)
        .count()
}

#[test]
#[ignore = "a program that another test runs"]
fn program_with_little_room() {
    let before = threads();
    let refused = ThreadPool::new(100_000);
    assert!(
        matches!(refused, Err(StartError::Worker { .. })),
        "{refused:?}"
    );
    assert_eq!(threads(), before, "all that were started have ended");
    let pool = ThreadPool::new(2).expect("there is room for two");
    assert_eq!(pool.map(|x: u32| x + 1, 0..4), Ok(vec![1, 2, 3, 4]));
}

#[test]
fn a_map_reads_its_input_in_the_calling_thread() {
    let pool = ThreadPool::new(2).expect("a pool");
    let caller = thread::current().id();
    let read = Mutex::new(Vec::new());
    let input = (0..4).inspect(|_| read.lock().expect("whole").push(thread::current().id()));
    let seen = |_: u32| read.lock().expect("whole").len();
    // Every task finds the whole input read.
    assert_eq!(pool.map(seen, input), Ok(vec![4; 4]));
    assert_eq!(*read.lock().expect("whole"), [caller; 4]);
}

#[test]
fn tasks_on_threads_share_what_the_program_has() {
    let pool = ThreadPool::new(2).expect("a pool");
    let shared = Mutex::new(vec![0]);
    let done = pool.map(|x: u32| shared.lock().expect("whole").push(x), 1..4);
    assert_eq!(done.map(|all| all.len()), Ok(3));
    let mut seen = shared.into_inner().expect("whole");
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3]);
}

#[test]
fn a_task_may_have_a_pool_of_its_own() {
    let pool = ThreadPool::new(1).expect("a pool");
    let inner = |x: u32| {
        let own = ThreadPool::new(2).expect("a pool in a task");
        own.map(|y: u32| x * y, 0..3)
    };
    assert_eq!(pool.apply(inner, 5), Ok(Ok(vec![0, 5, 10])));
}
