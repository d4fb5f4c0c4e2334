//! A context that is a slice of numbers or a `str` lies in memory once for all workers, which only read it.

mod common;

use std::fs;
use std::sync::Arc;

use common::{Outcome, apart_with, everybody, loss, raise, refuse_call};
use nix::libc;
use pool_process::{Pool, ProcessPool, TaskError};

const COUNT: usize = 100_000;

fn table() -> Arc<[f64]> {
    (0..COUNT).map(|at| at as f64 / 2.0).collect()
}

/// The lines of the calling process's map that are about shared contexts.
fn mappings() -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").expect("/proc");
    let lines = maps.lines().filter(|line| line.contains("pool-context"));
    lines.map(str::to_owned).collect()
}

#[test]
fn slices_of_every_kind_of_number_and_texts_are_contexts() -> Outcome {
    common::every_way(2, |pool| {
        macro_rules! each {
            ($($number:ty)+) => {$(
                for length in [0, 1, 10, COUNT] {
                    let table: Arc<[$number]> = (0..length).map(|at| at as u8 as $number).collect();
                    let view = pool.with_arc(table.clone());
                    let seen = view.map(|table, at: usize| table.get(at).copied(), [0, 9, 77_777])?;
                    assert_eq!(seen, [0, 9, 77_777].map(|at| table.get(at).copied()));
                    assert_eq!(view.apply(|table, ()| table.len(), ())?, length);
                }
            )+};
        }
        each!(u8 i8 u16 i16 u32 i32 u64 i64 usize isize f32 f64);
        for length in [0, 1, 10, COUNT] {
            let text: Arc<str> = "\u{e9}x".repeat(length).into();
            let view = pool.with_arc(text.clone());
            let seen = view.starmap(
                |text, from, to| text.get(from..to).map(str::to_owned),
                [(0, 2), (1, 2)],
            )?;
            assert_eq!(
                seen,
                [
                    text.get(0..2).map(str::to_owned),
                    text.get(1..2).map(str::to_owned)
                ]
            );
        }
        Ok(())
    })
}

#[test]
fn all_workers_read_the_same_memory_and_none_can_write_it() -> Outcome {
    let pool = ProcessPool::new(2)?;
    everybody(&pool, 2);
    let view = pool.with_arc(table());
    let mut places = Vec::new();
    let gate = common::Gate::new();
    let look = |table: &[f64], gate: String| {
        let sum: f64 = table.iter().sum();
        common::wait_with(&gate, "");
        (sum, mappings())
    };
    let handles = [
        view.apply_async(look, gate.name())?,
        view.apply_async(look, gate.name())?,
    ];
    // Both are there at once.
    drop(gate.guests(2));
    for handle in handles {
        let (sum, mut lines) = handle.get()?;
        assert_eq!(sum, table().iter().sum::<f64>());
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = lines.remove(0);
        let fields: Vec<_> = line.split_whitespace().collect();
        assert_eq!(fields[1], "r--s", "{line}");
        places.push((fields[3].to_owned(), fields[4].to_owned()));
    }
    assert_eq!(places[0], places[1], "the file that is mapped");
    assert!(mappings().is_empty(), "the program has its own");
    Ok(())
}

#[test]
fn a_shared_context_is_there_for_as_long_as_its_view_or_a_job_of_it() -> Outcome {
    common::apart(|()| is_there_for_as_long().expect("it runs"))
}

fn is_there_for_as_long() -> Outcome {
    let pool = ProcessPool::new(1)?;
    let count = || pool.apply(|()| mappings().len(), ());
    let held = || {
        let open = fs::read_dir("/proc/self/fd").expect("/proc").flatten();
        let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        links
            .filter(|link| link.to_string_lossy().contains("pool-context"))
            .count()
    };
    let before = held();
    let view = pool.with_arc(table());
    let late = view.apply_async(|table, at: usize| table[at], 3)?;
    assert_eq!(view.apply(|table, at: usize| table[at], 7)?, 3.5);
    assert_eq!(count()?, 1);
    drop(view);
    assert_eq!(late.get()?, 1.5);
    assert_eq!((count()?, held()), (0, before));
    // A worker that replaces one gets it again.
    let view = pool.with_arc(table());
    assert_eq!(view.apply(|table, at: usize| table[at], 7)?, 3.5);
    loss(pool.apply(raise, 9));
    assert_eq!(view.apply(|table, at: usize| table[at], 9)?, 4.5);
    Ok(())
}

#[test]
fn many_contexts_among_other_tasks_are_each_their_own() -> Outcome {
    common::every_way(2, |pool| {
        let tables: Vec<Arc<[u32]>> = (0..20).map(|n| (n..n + 10_000).collect()).collect();
        let views: Vec<_> = tables
            .iter()
            .map(|table| pool.with_arc(table.clone()))
            .collect();
        let mut handles = Vec::new();
        for at in 0..400_usize {
            let pick = |table: &[u32], at: usize| table[at];
            handles.push((views[at % 20].apply_async(pick, at)?, (at % 20 + at) as u32));
            handles.push((pool.apply_async(|at: u32| at, at as u32)?, at as u32));
        }
        for (handle, expected) in handles {
            assert_eq!(handle.get()?, expected);
        }
        Ok(())
    })
}

#[test]
fn a_context_that_is_longer_than_a_message_is_refused() -> Outcome {
    let pool = ProcessPool::builder()
        .size(1)
        .max_message(100_000)
        .build()?;
    let refused = pool
        .with_arc(table())
        .apply(|table, at: usize| table[at], 1);
    match refused {
        Err(TaskError::Encode(error)) => assert_eq!(error.type_name, "the job's context"),
        other => panic!("{other:?}"),
    }
    Ok(())
}

#[test]
fn where_memory_cannot_be_shared_each_worker_gets_a_copy() -> Outcome {
    let check = |(call, argument): (libc::c_long, Option<(u32, u32)>)| {
        refuse_call(call, argument, libc::EPERM);
        let pool = ProcessPool::new(1).expect("a pool");
        let view = pool.with_arc(table());
        let look = |table: &[f64], at: usize| (table[at], mappings().len());
        assert_eq!(view.apply(look, 7).expect("a copy"), (3.5, 0));
    };
    for refused in [
        (libc::SYS_memfd_create, None),
        (libc::SYS_pwrite64, None),
        (libc::SYS_fcntl, Some((1, libc::F_ADD_SEALS as u32))),
    ] {
        apart_with(check, refused)?;
    }
    Ok(())
}
