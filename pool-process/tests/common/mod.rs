//! What several test programs need.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use pool_process::{Cause, Failure, ProcessPool, WorkerLost};

pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A pool by the default way, and one by re-exec: what holds for one holds for the other.
pub(crate) fn each_way(size: usize, check: impl Fn(&ProcessPool) -> Outcome) -> Outcome {
    check(&ProcessPool::new(size)?)?;
    check(&ProcessPool::builder().size(size).reexec().build()?)
}

/// The loss that a failure must be.
pub(crate) fn loss<T: std::fmt::Debug, E: std::fmt::Debug>(
    result: Result<T, Failure<E>>,
) -> WorkerLost {
    match result {
        Err(Failure::WorkerLost(lost)) => *lost,
        other => panic!("not a lost worker: {other:?}"),
    }
}

/// The signal that a worker must have died of.
pub(crate) fn signal(lost: &WorkerLost) -> &str {
    match &lost.cause {
        Cause::Signal { name, .. } => name,
        other => panic!("not a signal: {other:?}"),
    }
}

pub(crate) fn pid(_: ()) -> u32 {
    std::process::id()
}

/// All processes that descend from this one.
pub(crate) fn descendants(of: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = vec![of];
    while let Some(pid) = open.pop() {
        for task in fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let children = children
                .split_whitespace()
                .filter_map(|child| child.parse().ok());
            open.extend(children.filter(|child| found.insert(*child)));
        }
    }
    found
}

/// Whether a process is there and is no zombie.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Looks again and again, for a second at most, until it is so.
pub(crate) fn soon(mut so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    so()
}

/// Sends a signal to a process.
pub(crate) fn kill(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a process id"));
    nix::sys::signal::kill(pid, signal).expect("it is there");
}
