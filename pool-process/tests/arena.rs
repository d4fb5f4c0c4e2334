//! What is too long for a ring travels through memory that a pool shares with each worker: nothing is lost, memory is used again and
//! given back, and a worker may die at any moment. Where there is no such memory, or it is too short, sockets are used.

mod common;

use std::fs;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use common::{BOUND, Gate, Outcome, Watch, loss, raise, signal_of, wait_with};
use nix::sys::signal::Signal;
use pool_process::{Builder, Pool, ProcessPool, TaskError};

fn builder(reach: Option<usize>) -> Builder {
    let builder = ProcessPool::builder().warn_on_drop(false);
    match reach {
        Some(units) => builder.reach(units),
        None => builder,
    }
}

/// Pools of so many workers: with an arena, with a short one, with none, without shared memory; and with many units at once.
fn each_way(size: usize, check: impl Fn(&ProcessPool) -> Outcome) -> Outcome {
    let short = |reach| builder(reach).shared_payload(100_000);
    let ways = [
        ("an arena", builder(None)),
        ("an arena, reach 64", builder(Some(64))),
        ("a short one", short(None)),
        ("a short one, reach 64", short(Some(64))),
        ("none", builder(None).shared_payload(0)),
        ("sockets", builder(None).shared_memory(false)),
    ];
    for (way, builder) in ways {
        check(&builder.size(size).build()?).map_err(|error| format!("{way}: {error}"))?;
    }
    Ok(())
}

const MIB: usize = 1 << 20;
/// Too long for a ring, and for a value that is encoded byte by byte not more than needed.
const SOME: usize = 20_000;

/// Bytes of which no two neighbours are alike.
fn bytes(length: usize, seed: u8) -> Vec<u8> {
    let some: Vec<u8> = (0..251).map(|at| at ^ seed).collect();
    let mut bytes = some.repeat(length / 251 + 1);
    bytes.truncate(length);
    bytes
}

#[test]
fn values_of_every_kind_and_length_come_back_as_they_were() -> Outcome {
    each_way(2, |pool| {
        for length in [0, 1, 440, 460, 464, 465, 500, 99_999, 100_000, 100_001, MIB] {
            let sent = bytes(length, 1);
            assert_eq!(pool.apply(|bytes: Vec<u8>| bytes, sent.clone())?, sent);
            let words: Vec<u64> = (0..length as u64 / 8).collect();
            let reversed = |mut words: Vec<u64>| {
                words.reverse();
                words
            };
            let back = pool.apply(reversed, words.clone())?;
            assert!(back.iter().rev().eq(&words), "{length} bytes of u64");
            let text = "\u{e9}x".repeat(length / 3);
            assert_eq!(pool.apply(|text: String| text, text.clone())?, text);
            let nested = vec![Some(text), None];
            assert_eq!(
                pool.apply(|nested: Vec<Option<String>>| nested, nested.clone())?,
                nested
            );
            let list = pool.apply(|length: usize| vec![0.5_f32; length], length)?;
            assert_eq!(list, vec![0.5; length]);
        }
        Ok(())
    })
}

#[test]
fn maps_and_contexts_of_large_items_keep_their_order() -> Outcome {
    each_way(2, |pool| {
        let items: Vec<u64> = (0..100_000).collect();
        let doubled = pool.map(|x: u64| 2 * x, items.iter().copied())?;
        assert!(doubled.iter().copied().eq((0..100_000).map(|x| 2 * x)));
        let narrow = pool.map(|x: u64| x as u8, items.iter().copied())?;
        assert!(narrow.iter().copied().eq(items.iter().map(|x| *x as u8)));
        let view = pool.with(bytes(SOME, 7));
        let picked = view.map(|table, at: usize| vec![table[at]; 2_000], 0..30)?;
        for (at, picked) in picked.iter().enumerate() {
            assert_eq!(*picked, vec![bytes(at + 1, 7)[at]; 2_000]);
        }
        Ok(())
    })
}

#[test]
fn large_and_small_tasks_side_by_side_get_their_own_results() -> Outcome {
    each_way(2, |pool| {
        let mut handles = Vec::new();
        for n in 0..100_usize {
            let length = [10, 5_000, 90_000, 0, 300_000][n % 5];
            let make = |(length, n): (usize, usize)| bytes(length, n as u8);
            let turn = |mut bytes: Vec<u8>| {
                bytes.reverse();
                bytes
            };
            handles.push((pool.apply_async(make, (length, n))?, bytes(length, n as u8)));
            let mut turned = bytes(length, n as u8);
            turned.reverse();
            handles.push((pool.apply_async(turn, bytes(length, n as u8))?, turned));
        }
        for (number, (handle, expected)) in handles.into_iter().enumerate() {
            assert!(handle.get()? == expected, "task {number}");
        }
        Ok(())
    })
}

#[test]
fn a_result_lies_in_the_memory_of_its_argument() -> Outcome {
    each_way(1, |pool| {
        let sent = bytes(MIB, 3);
        let place = sent.as_ptr();
        let back = pool.apply(|bytes: Vec<u8>| bytes, sent)?;
        assert_eq!((back.as_ptr(), &*back), (place, &*bytes(MIB, 3)));
        // Another length, within the capacity; and one that would keep much memory for little.
        let short = pool.apply(|bytes: Vec<u8>| bytes[..bytes.len() - 9].to_vec(), back)?;
        assert_eq!((short.as_ptr(), short.len()), (place, MIB - 9));
        let tiny = pool.apply(|bytes: Vec<u8>| bytes[..9].to_vec(), short)?;
        assert!(tiny.capacity() < MIB && tiny == bytes(9, 3));
        let sent = vec![1.5_f64; 100_000];
        let place = sent.as_ptr();
        let twice = |list: Vec<f64>| list.iter().map(|x| 2.0 * x).collect::<Vec<_>>();
        let back = pool.apply(twice, sent)?;
        assert_eq!((back.as_ptr(), &*back), (place, &*vec![3.0; 100_000]));
        let text = "x".repeat(MIB);
        let place = text.as_ptr();
        let back = pool.apply(|text: String| text, text)?;
        assert_eq!((back.as_ptr(), back.len()), (place, MIB));
        Ok(())
    })
}

#[test]
fn errors_and_panics_of_large_tasks_are_theirs() -> Outcome {
    each_way(1, |pool| {
        let refuse = |bytes: Vec<u8>| Err::<u8, _>("no ".repeat(bytes.len() / 3));
        match pool.try_apply(refuse, bytes(MIB, 0)) {
            Err(TaskError::Raised { error, .. }) => assert_eq!(error.len(), MIB / 3 * 3),
            other => panic!("{:?}", other.map_err(|error| error.to_string().len())),
        }
        let panics = |bytes: Vec<u8>| -> u8 { panic!("{}", "p".repeat(bytes.len())) };
        match pool.apply(panics, bytes(5_000, 0)) {
            Err(TaskError::Panicked(panic)) => assert_eq!(panic.message.len(), 5_000),
            other => panic!("{:?}", other.map_err(|error| error.to_string().len())),
        }
        assert_eq!(
            pool.apply(|bytes: Vec<u8>| bytes.len(), bytes(MIB, 0))?,
            MIB
        );
        Ok(())
    })
}

#[test]
fn what_is_longer_than_a_message_is_refused_on_both_sides() -> Outcome {
    for arena in [0, 1 << 20, 1 << 30] {
        let pool = builder(None)
            .size(1)
            .max_message(100_000)
            .shared_payload(arena);
        let pool = pool.build()?;
        let refused = pool.apply(|bytes: Vec<u8>| bytes.len(), bytes(100_001, 0));
        assert!(matches!(refused, Err(TaskError::Encode(_))), "{refused:?}");
        let refused = pool.apply(|length: usize| vec![0_u8; length], 100_001);
        assert!(matches!(refused, Err(TaskError::Encode(_))));
        assert_eq!(
            pool.apply(|bytes: Vec<u8>| bytes, bytes(99_000, 0))?,
            bytes(99_000, 0)
        );
        assert_eq!(pool.stats().lost, 0);
    }
    Ok(())
}

/// A result whose encoding kills its worker.
#[derive(Debug, serde::Deserialize)]
struct Deadly(Vec<u8>);

impl serde::Serialize for Deadly {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.len() > SOME {
            raise(9);
        }
        serializer.serialize_newtype_struct("Deadly", &self.0)
    }
}

#[test]
fn a_worker_that_dies_at_any_moment_of_a_large_task_loses_this_task_alone() -> Outcome {
    each_way(2, |pool| {
        // While it runs, between argument and result.
        let lost = loss(pool.apply(|_: Vec<u8>| raise(9), bytes(3 * MIB, 0)));
        assert_eq!((signal_of(&lost), lost.begun), ("SIGKILL", true));
        // While the result is made.
        let lost = loss(pool.apply(|bytes: Vec<u8>| Deadly(bytes), bytes(2 * SOME, 0)));
        assert_eq!((signal_of(&lost), lost.begun), ("SIGKILL", true));
        // Behind a result that was given.
        let mut handles = Vec::new();
        for n in 0..40 {
            let work = |(n, bytes): (u32, Vec<u8>)| {
                if n % 8 == 7 {
                    raise(9);
                }
                bytes
            };
            handles.push((n, pool.apply_async(work, (n, bytes(SOME, n as u8)))?));
        }
        for (n, handle) in handles {
            match handle.get() {
                Ok(back) => assert!(back == bytes(SOME, n as u8), "task {n}"),
                Err(TaskError::WorkerLost(lost)) => assert!(n % 8 == 7 && lost.begun, "{lost}"),
                Err(error) => return Err(error.into()),
            }
        }
        assert_eq!(pool.stats().lost, 7);
        Ok(())
    })
}

fn wait_holding((gate, bytes): (String, Vec<u8>)) -> Vec<u8> {
    wait_with(&gate, &bytes.len().to_string());
    bytes
}

#[test]
fn a_worker_killed_from_outside_with_a_large_task_is_replaced() -> Outcome {
    each_way(1, |pool| {
        let gate = Gate::new();
        let first = pool.apply_async(wait_holding, (gate.name(), bytes(SOME, 1)))?;
        let behind = pool.apply_async(|bytes: Vec<u8>| bytes, bytes(2 * MIB, 2))?;
        let guests = gate.guests(1);
        assert_eq!(guests[0].word, SOME.to_string());
        Watch::over(guests[0].pid).signal(Signal::SIGKILL);
        assert!(loss(first.get()).begun);
        assert!(behind.get()? == bytes(2 * MIB, 2));
        Ok(())
    })
}

#[test]
fn a_pool_that_is_terminated_ends_large_tasks_wherever_they_are() -> Outcome {
    each_way(1, |pool| {
        let gate = Gate::new();
        let first = pool.apply_async(wait_holding, (gate.name(), bytes(SOME, 1)))?;
        let behind = [
            pool.apply_async(|bytes: Vec<u8>| bytes, bytes(2 * MIB, 2))?,
            pool.apply_async(|bytes: Vec<u8>| bytes, bytes(9, 2))?,
        ];
        let guests = gate.guests(1);
        pool.terminate();
        assert!(matches!(first.get(), Err(TaskError::Terminated)));
        for handle in behind {
            assert!(matches!(handle.get(), Err(TaskError::Terminated)));
        }
        drop(guests);
        pool.join()?;
        Ok(())
    })
}

#[test]
fn a_pool_may_be_terminated_while_large_answers_are_written() -> Outcome {
    for _ in 0..3 {
        each_way(2, |pool| {
            let echo = |bytes: Vec<u8>| bytes;
            let handles: Result<Vec<_>, _> = (0..8)
                .map(|n| pool.apply_async(echo, bytes(MIB, n)))
                .collect();
            let mut handles = handles?.into_iter().enumerate();
            if let Some((_, first)) = handles.next() {
                assert!(first.get()? == bytes(MIB, 0));
            }
            pool.terminate();
            for (n, handle) in handles {
                match handle.get() {
                    Ok(back) => assert!(back == bytes(MIB, n as u8)),
                    Err(error) => assert!(matches!(error, TaskError::Terminated), "{error}"),
                }
            }
            pool.join()?;
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_worker_that_leaves_after_its_share_has_answered_all_of_it() -> Outcome {
    let share = NonZeroUsize::MIN.saturating_add(1);
    let pool = builder(None).size(2).maxtasksperchild(share).build()?;
    let handles: Result<Vec<_>, _> = (0..12)
        .map(|n| pool.apply_async(|bytes: Vec<u8>| bytes, bytes(MIB, n)))
        .collect();
    pool.close();
    for (n, handle) in handles?.into_iter().enumerate() {
        assert!(handle.get()? == bytes(MIB, n as u8));
    }
    pool.join()?;
    assert_eq!(pool.stats().lost, 0);
    Ok(())
}

/// The descriptor of the calling process's arena.
fn arena() -> Option<i32> {
    let open = fs::read_dir("/proc/self/fd").expect("/proc");
    open.flatten().find_map(|entry| {
        let is_arena = fs::read_link(entry.path())
            .is_ok_and(|link| link.to_string_lossy().contains("pool-ring"));
        is_arena.then(|| entry.file_name().to_string_lossy().parse().ok())?
    })
}

/// Closes the arena, and opens a file in its place.
fn replace_arena(path: String) -> Vec<u8> {
    use std::os::fd::IntoRawFd;
    let arena = arena().expect("an arena");
    let file = fs::File::create_new(path).expect("a file").into_raw_fd();
    // SAFETY: the number of the one becomes that of the other, which nobody closes.
    assert_eq!(unsafe { nix::libc::dup2(file, arena) }, arena);
    bytes(MIB, 5)
}

#[test]
fn a_file_that_a_task_opens_in_the_place_of_the_arena_is_not_written() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file");
    let pool = builder(None).size(1).build()?;
    let name = path.to_string_lossy().into_owned();
    assert!(pool.apply(replace_arena, name)? == bytes(MIB, 5));
    assert_eq!(fs::metadata(&path)?.len(), 0);
    // The worker cannot read the next argument, has not started it, and is replaced.
    assert!(pool.apply(|bytes: Vec<u8>| bytes, bytes(MIB, 6))? == bytes(MIB, 6));
    assert_eq!((fs::metadata(&path)?.len(), pool.stats().lost), (0, 1));
    Ok(())
}

/// The memory that this process shares with workers, in blocks of 512 bytes.
fn blocks() -> i64 {
    let open = fs::read_dir("/proc/self/fd").expect("/proc").flatten();
    let arenas = open.filter(|entry| {
        fs::read_link(entry.path()).is_ok_and(|link| link.to_string_lossy().contains("pool-ring"))
    });
    arenas
        .map(|entry| {
            nix::sys::stat::stat(&entry.path())
                .expect("it is open")
                .st_blocks
        })
        .sum()
}

#[test]
fn memory_is_taken_by_need_and_given_back_at_rest() -> Outcome {
    common::apart(|()| {
        let pool = builder(None).size(2).build().expect("a pool");
        assert_eq!(pool.apply(|x: u8| x, 1), Ok(1));
        let idle = blocks();
        assert!(idle * 512 < MIB as i64, "{idle} blocks");
        for seed in 0..4 {
            let back = pool.apply(|bytes: Vec<u8>| bytes, bytes(8 * MIB, seed));
            assert!(back.expect("it runs") == bytes(8 * MIB, seed));
        }
        let most = 2 * 9 * MIB as i64 / 512;
        let has = blocks() - idle;
        assert!((8 * MIB as i64 / 512..most).contains(&has), "{has} blocks");
        // The pool's own timer ends this; what bounds it is for a pool that is broken.
        let end = Instant::now() + BOUND;
        while blocks() > idle {
            assert!(Instant::now() < end, "{} blocks are left", blocks() - idle);
            std::thread::sleep(Duration::from_millis(20));
        }
        let back = pool.apply(|bytes: Vec<u8>| bytes, bytes(8 * MIB, 9));
        assert!(back.expect("it runs") == bytes(8 * MIB, 9));
    })
}

/// Whether a child that the calling process forks has an arena.
fn forks_with_an_arena(_: ()) -> (bool, bool) {
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    // SAFETY: the child reads files, writes into a pipe, and ends.
    if let nix::unistd::ForkResult::Child = unsafe { nix::unistd::fork() }.expect("a child") {
        let _ = nix::unistd::write(&writer, &[u8::from(arena().is_some())]);
        // SAFETY: no precondition.
        unsafe { nix::libc::_exit(0) };
    }
    let mut said = [2];
    assert_eq!(nix::unistd::read(&reader, &mut said).expect("it says"), 1);
    (arena().is_some(), said == [1])
}

#[test]
fn no_child_that_is_forked_has_an_arena() -> Outcome {
    common::apart(|()| {
        let pool = ProcessPool::new(1).expect("a pool");
        let of_the_worker = pool.apply(forks_with_an_arena, ()).expect("it runs");
        assert_eq!(of_the_worker, (true, false));
        assert_eq!(forks_with_an_arena(()), (true, false));
    })
}
