//! Seeds of hash maps differ from worker to worker: nothing that is random once for a thread is made before the fork.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use common::{Gate, Outcome, every_way, wait_with};
use pool_process::{Pool, ProcessPool};

/// At a gate, says what the seeds of its maps make of a number.
fn seeds(gate: String) -> u32 {
    wait_with(&gate, &RandomState::new().hash_one(1).to_string())
}

fn all_differ(pool: &ProcessPool) -> Outcome {
    let gate = Gate::new();
    for _ in 0..pool.size() {
        pool.apply_async(seeds, gate.name()).map(drop)?;
    }
    let guests = gate.guests(pool.size());
    let words: BTreeSet<_> = guests.iter().map(|guest| &guest.word).collect();
    assert_eq!(words.len(), pool.size(), "{}", pool.stats().start_method);
    Ok(())
}

#[test]
fn seeds_differ_from_worker_to_worker_in_every_way_to_start_them() -> Outcome {
    // The program has its own long since.
    drop(HashMap::from([(1, 2)]));
    every_way(4, all_differ)
}

#[test]
fn seeds_differ_also_where_the_preload_has_made_a_map() -> Outcome {
    let preload = || drop(HashMap::from([(1, 2)]));
    let pool = ProcessPool::builder().size(4).preload(preload).build()?;
    all_differ(&pool)?;
    assert_eq!(
        pool.stats().start_method,
        pool_process::StartMethod::ForkServer
    );
    Ok(())
}

#[test]
fn tasks_have_as_much_stack_as_a_programs_first_thread() -> Outcome {
    // What needs more than the two megabytes that threads have.
    fn deep(left: u32) -> u32 {
        let room = std::hint::black_box([0_u8; 1024]);
        match left {
            0 => 0,
            _ => 1 + deep(left - 1) + u32::from(room[0]),
        }
    }
    every_way(1, |pool| {
        assert_eq!(pool.apply(deep, 3_000)?, 3_000);
        Ok(())
    })
}
