//! A thousand pools made and dropped leave what was there before. Alone in its program: it counts what the
//! process has.

mod common;

use std::fs;

use common::{Outcome, descendants, never_end, pid, threads};
use pool_process::{Pool, ProcessPool};

/// Descriptors, threads, descendants, resident memory in KiB, pieces of shared memory. These are counted where they are
/// mapped: what lies in /dev/shm may be anybody's.
fn have() -> Result<[usize; 5], Box<dyn std::error::Error>> {
    let entries = |path: &str| fs::read_dir(path).map(Iterator::count);
    let status = fs::read_to_string("/proc/self/status")?;
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    let memory = memory.trim().trim_end_matches(" kB").parse()?;
    let family = descendants(std::process::id()).len();
    let maps = fs::read_to_string("/proc/self/maps")?;
    let shared = maps
        .lines()
        .filter(|line| line.contains("/dev/shm/") || line.contains("/memfd:"));
    Ok([
        entries("/proc/self/fd")?,
        threads(),
        family,
        memory,
        shared.count(),
    ])
}

fn live_and_die(round: usize) -> Outcome {
    let pool = ProcessPool::builder()
        .size(1 + round % 3)
        .warn_on_drop(false)
        .build()?;
    match round % 4 {
        0 => drop(pool.apply(pid, ())?),
        1 => {
            pool.map(|x: u64| x, 0..10)?;
            pool.close();
            pool.join()?;
        }
        2 => drop(pool.apply_async(never_end, ())?),
        _ => drop(
            pool.apply(|()| std::process::abort(), ())
                .map(|never: ()| never),
        ),
    }
    Ok(())
}

#[test]
fn a_thousand_pools_leave_what_was_there() -> Outcome {
    for round in 0..20 {
        live_and_die(round)?;
    }
    let before = have()?;
    for round in 0..1_000 {
        live_and_die(round)?;
    }
    let after = have()?;
    assert_eq!(before[..3], after[..3], "descriptors, threads, processes");
    assert_eq!(before[4], after[4], "shared memory");
    assert!(
        after[3] < before[3] + 1_000,
        "KiB of memory: {} before, {} after",
        before[3],
        after[3]
    );
    Ok(())
}
