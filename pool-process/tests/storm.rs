//! Pools in a storm: workers and fork servers are hit by signals at any moment while calls, maps, imaps, closes and
//! terminates run. Nothing hangs, every handle resolves, what has a value has the right one, and nothing is left.
//!
//! Alone in its program: it counts what the process has. What is done follows from a seed, when it is hit does not:
//! `STORM_SEED` and `STORM_ROUNDS` say more than the short form that is run with the tests; `.ci/storm` runs the long one.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use common::{BOUND, Outcome, Watch, descendants};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use pool_process::{AsyncResult, Cause, Imap, Pool, ProcessPool, TaskError};

/// A round that takes longer hangs: each of its waits has a bound of its own.
const ROUND: Duration = Duration::from_secs(300);

/// Numbers that follow from a seed: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    /// Up to so many milliseconds: not to wait for something, but to come at another moment.
    fn linger(&mut self, millis: u64) {
        thread::sleep(Duration::from_micros(self.below(millis * 1_000)));
    }
}

/// What has happened.
#[derive(Debug, Default)]
struct Count {
    hits: AtomicUsize,
    servers_hit: AtomicUsize,
    values: AtomicUsize,
    lost: AtomicUsize,
    terminated: AtomicUsize,
    panicked: AtomicUsize,
    never_started: AtomicUsize,
    not_built: AtomicUsize,
}

fn more(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// The task of everybody: what it does follows from its argument, and what it yields too.
fn work(x: u64) -> u64 {
    match x % 16 {
        0..10 => {}
        10 | 11 => thread::sleep(Duration::from_micros(x % 3_000)),
        12 => drop(std::hint::black_box(vec![x; 100_000])),
        13 => {
            if x % 32 == 13 {
                // A panic that nobody prints.
                std::panic::resume_unwind(Box::new("as the argument has it"));
            }
        }
        14 => {
            if x % 32 == 14 {
                std::process::exit(3);
            }
        }
        _ => {
            if x % 64 == 15 {
                std::process::abort();
            }
        }
    }
    x * 2
}

/// A long argument and a long answer.
fn reverse(mut bytes: Vec<u64>) -> Vec<u64> {
    bytes.reverse();
    bytes
}

/// Judges how a task ended.
fn judge<T: PartialEq + std::fmt::Debug>(
    end: Result<T, TaskError>,
    right: Option<&T>,
    terminated: bool,
    count: &Count,
) {
    match end {
        Ok(value) => {
            assert!(right.is_none_or(|right| *right == value), "a wrong value");
            more(&count.values);
        }
        Err(TaskError::WorkerLost(lost)) => match lost.cause {
            Cause::Signal { .. } | Cause::Exit(_) => more(&count.lost),
            Cause::Start(_) => more(&count.never_started),
            Cause::Unknown(_) => {
                common::is_kept(&lost, &Cause::Exit(0));
                more(&count.lost);
            }
            _ => panic!("{lost}"),
        },
        Err(TaskError::Panicked(panic)) => {
            assert_eq!(panic.message, "as the argument has it");
            more(&count.panicked);
        }
        Err(TaskError::Terminated) if terminated => more(&count.terminated),
        Err(other) => panic!("{other}"),
    }
}

/// A value that was asked for, and what it must be.
enum Open {
    Call(AsyncResult<u64>, u64),
    Long(AsyncResult<Vec<u64>>, Vec<u64>),
    Map(AsyncResult<Vec<u64>>, Vec<u64>),
    /// The input's end, how many have come, and whether they come in order.
    Imap(Imap<u64>, u64, u64, bool),
}

impl Open {
    fn check(self, terminated: bool, count: &Count) {
        match self {
            Open::Call(mut handle, right) => {
                let end = handle.get_timeout(BOUND).expect("in time");
                judge(end, Some(&right), terminated, count);
            }
            Open::Long(mut handle, right) | Open::Map(mut handle, right) => {
                let end = handle.get_timeout(BOUND).expect("in time");
                judge(end, Some(&right), terminated, count);
            }
            Open::Imap(mut results, end, mut come, ordered) => {
                while let Some(result) = results.next_timeout(BOUND).expect("in time") {
                    if result == Err(TaskError::Terminated) {
                        assert_eq!(results.next_timeout(BOUND), Ok(None), "once");
                        assert!(terminated);
                        return;
                    }
                    judge(result, ordered.then_some(&(come * 2)), terminated, count);
                    come += 1;
                }
                assert_eq!(come, end, "items of an imap");
            }
        }
    }
}

/// Submits something; none where the pool takes no more.
fn submit(pool: &ProcessPool, dice: &mut Dice, called: &Arc<AtomicUsize>) -> Option<Open> {
    let (from, items) = (dice.below(1_000), 1 + dice.below(40));
    let chunksize = 1 + dice.below(5) as usize;
    Some(match dice.below(8) {
        0 | 1 => Open::Call(pool.apply_async(work, from).ok()?, from * 2),
        2 => {
            let (value, error) = (called.clone(), called.clone());
            let task = pool.call(work, from).callback(move |_| more(&value));
            let handle = task.error_callback(move |_| more(&error)).submit().ok()?;
            // Exactly one of them is to be called: this one call is owed.
            called.fetch_sub(1, Ordering::Relaxed);
            Open::Call(handle, from * 2)
        }
        3 => {
            let long: Vec<u64> = (0..dice.below(100_000)).collect();
            let right = long.iter().rev().copied().collect();
            Open::Long(pool.apply_async(reverse, long).ok()?, right)
        }
        4 | 5 => {
            let map = pool.each(work, from..from + items).chunksize(chunksize);
            let right = (from..from + items).map(|x| x * 2).collect();
            Open::Map(map.submit().ok()?, right)
        }
        way => {
            let imap = pool.each(work, 0..items).chunksize(chunksize);
            let ordered = way == 6;
            let results = if ordered {
                imap.imap()
            } else {
                imap.imap_unordered()
            };
            Open::Imap(results.ok()?, items, 0, ordered)
        }
    })
}

/// One pool's life.
fn live(dice: &mut Dice, count: &Count) {
    let mut builder = ProcessPool::builder()
        .size(1 + dice.below(3) as usize)
        .warn_on_drop(false)
        .panic_hook(false)
        .grace(Duration::from_millis(dice.below(2) * 20));
    if dice.one_in(3) {
        builder = builder.reexec();
    }
    if dice.one_in(3) {
        builder =
            builder.maxtasksperchild(NonZeroUsize::MIN.saturating_add(dice.below(4) as usize));
    }
    if dice.one_in(4) {
        builder = builder.queue(4);
    }
    let Ok(pool) = builder.build() else {
        // What was hit before it had begun was not started.
        more(&count.not_built);
        return;
    };
    let called = Arc::new(AtomicUsize::new(0));
    let mut open = Vec::new();
    for _ in 0..3 + dice.below(20) {
        open.extend(submit(&pool, dice, &called));
        if dice.one_in(3) {
            dice.linger(4);
        }
        if dice.one_in(4) {
            let any = dice.below(open.len().max(1) as u64) as usize;
            if any < open.len() {
                open.swap_remove(any).check(false, count);
            }
        }
    }
    let terminated = dice.one_in(2);
    match (terminated, dice.below(3)) {
        (true, 0) => drop(pool),
        (true, _) => {
            if dice.one_in(2) {
                pool.close();
                dice.linger(3);
            }
            pool.terminate();
            end(&pool);
        }
        (false, 0) => {
            for open in open.drain(..) {
                open.check(false, count);
            }
            pool.close();
            end(&pool);
        }
        (false, _) => {
            pool.close();
            end(&pool);
        }
    }
    for open in open {
        open.check(terminated, count);
    }
    assert_eq!(called.load(Ordering::Relaxed), 0, "callbacks");
}

fn end(pool: &ProcessPool) {
    assert_eq!(pool.join_timeout(BOUND), Ok(true), "join");
    let stats = pool.stats();
    assert_eq!(stats.tasks.submitted, stats.tasks.ended, "{stats:?}");
    assert_eq!(stats.workers, 0, "{stats:?}");
}

fn is_server(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "pool-server")
}

/// Hits the family until it is told to stop; gives back everybody it has seen.
fn storm(mut dice: Dice, over: &AtomicBool, count: &Count) -> BTreeMap<u32, Watch> {
    let mut seen = BTreeMap::new();
    let mut stopped = Vec::new();
    while !over.load(Ordering::Acquire) {
        dice.linger(6);
        let family: Vec<u32> = descendants(std::process::id()).into_iter().collect();
        for pid in &family {
            seen.entry(*pid).or_insert_with(|| Watch::over(*pid));
        }
        if let Some(pid) = stopped.pop() {
            let watch: &Watch = &seen[&pid];
            let either = [Signal::SIGCONT, Signal::SIGKILL];
            watch.signal(either[dice.below(2) as usize]);
        }
        if family.is_empty() {
            continue;
        }
        let pid = family[dice.below(family.len() as u64) as usize];
        let server = is_server(pid);
        if server && !dice.one_in(8) {
            continue;
        }
        let signal = match dice.below(8) {
            0..4 => Signal::SIGKILL,
            4 => Signal::SIGTERM,
            5 => Signal::SIGSEGV,
            6 => Signal::SIGSTOP,
            _ => Signal::SIGABRT,
        };
        seen[&pid].signal(signal);
        if signal == Signal::SIGSTOP {
            stopped.push(pid);
        }
        more(if server {
            &count.servers_hit
        } else {
            &count.hits
        });
    }
    for pid in stopped {
        seen[&pid].signal(Signal::SIGCONT);
    }
    seen
}

/// Descriptors and threads of this process, and pieces of memory that it shares.
fn have() -> [usize; 3] {
    let entries = |path| fs::read_dir(path).map_or(0, Iterator::count);
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let shared = maps
        .lines()
        .filter(|line| line.contains("/dev/shm/") || line.contains("/memfd:"));
    [entries("/proc/self/fd"), common::threads(), shared.count()]
}

fn number(name: &str, otherwise: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked.map_or(otherwise, |asked| asked.parse().expect("a number"))
}

#[test]
fn in_a_storm_of_signals_nothing_hangs_and_nothing_is_left() -> Outcome {
    // Nobody wants the cores of those that are hit.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let (seed, rounds) = (number("STORM_SEED", 1), number("STORM_ROUNDS", 12));
    let count = Arc::new(Count::default());
    // What the first pool of a program starts stays.
    assert_eq!(ProcessPool::new(1)?.apply(work, 1)?, 2);
    assert_eq!(
        ProcessPool::builder()
            .size(1)
            .reexec()
            .build()?
            .apply(work, 1)?,
        2
    );
    let before = have();
    for round in seed..seed + rounds {
        let (report, ended) = mpsc::channel();
        let counted = count.clone();
        let run = thread::spawn(move || {
            let over = AtomicBool::new(false);
            let seen = thread::scope(|scope| {
                let storm = scope.spawn(|| storm(Dice(!round), &over, &counted));
                let lived = scope.spawn(|| live(&mut Dice(round), &counted)).join();
                over.store(true, Ordering::Release);
                let seen = storm.join().expect("a storm");
                if let Err(why) = lived {
                    std::panic::resume_unwind(why);
                }
                seen
            });
            let _ = report.send(seen);
        });
        let seen = match ended.recv_timeout(ROUND) {
            Ok(seen) => seen,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("seed {round} hangs: {count:?}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("seed {round} failed: {count:?}"),
        };
        run.join().expect("it has reported");
        // Orphans of a server that was hit are no descendants any more, but were seen before.
        let family = descendants(std::process::id());
        assert!(family.len() <= 1, "seed {round} leaves {family:?}");
        let servers: BTreeSet<u32> = family
            .iter()
            .copied()
            .filter(|pid| is_server(*pid))
            .collect();
        for (_, watch) in seen.iter().filter(|(pid, _)| !servers.contains(pid)) {
            watch.ends();
        }
        drop(seen);
        assert_eq!(
            have(),
            before,
            "seed {round}: descriptors, threads, shared memory"
        );
    }
    println!("seeds {seed}..{}: {count:?}", seed + rounds);
    Ok(())
}
