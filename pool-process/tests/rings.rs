//! Tasks travel through memory that a pool shares with each worker: nothing is lost, nothing runs twice, and nothing waits behind a long
//! task, however many units a worker has at once and however long anybody looks before it sleeps. Where there is no such memory, they
//! travel by sockets.

mod common;
#[path = "../../pool-core/tests/programs/methods.rs"]
mod methods;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{
    Gate, Guest, Outcome, Watch, apart, loss, never_end, raise, signal_of, wait_at, wait_with,
};
use nix::libc;
use nix::sys::signal::Signal;
use pool_process::{Builder, Pool, ProcessPool, TaskError};

/// Pools of so many workers, at each reach and with and without spinning.
fn each_way(size: usize, check: impl Fn(&ProcessPool) -> Outcome) -> Outcome {
    for reach in [None, Some(1), Some(2), Some(64)] {
        for spin in [None, Some(Duration::ZERO)] {
            let pool = with(reach, spin).size(size).build()?;
            check(&pool).map_err(|error| format!("reach {reach:?}, spin {spin:?}: {error}"))?;
        }
    }
    Ok(())
}

fn with(reach: Option<usize>, spin: Option<Duration>) -> Builder {
    let builder = ProcessPool::builder().warn_on_drop(false);
    let builder = match reach {
        Some(units) => builder.reach(units),
        None => builder,
    };
    match spin {
        Some(time) => builder.spin(time),
        None => builder,
    }
}

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// How many of these the worker has run before.
fn count(_: u64) -> u64 {
    COUNT.replace(COUNT.get() + 1)
}

#[test]
fn every_method_does_what_its_page_says_at_each_reach() -> Outcome {
    for reach in [1, 2, 64] {
        for spin in [None, Some(Duration::ZERO)] {
            methods::every_method(|| with(Some(reach), spin).size(2).build())?;
        }
    }
    Ok(())
}

#[test]
fn tasks_travel_through_shared_memory_unless_that_is_turned_off() -> Outcome {
    for shared in [true, false] {
        let pool = ProcessPool::builder()
            .size(2)
            .shared_memory(shared)
            .build()?;
        assert_eq!(
            pool.map(|x: u32| x + 1, 0..100)?,
            (1..101).collect::<Vec<_>>()
        );
        common::everybody(&pool, 2);
        assert_eq!(pool.stats().shared_memory, if shared { 2 } else { 0 });
    }
    Ok(())
}

#[test]
fn units_start_in_the_order_of_their_submission() -> Outcome {
    each_way(1, |pool| {
        let handles: Result<Vec<_>, _> = (0..1_000).map(|x| pool.apply_async(count, x)).collect();
        for (number, handle) in handles?.into_iter().enumerate() {
            assert_eq!(handle.get()?, number as u64);
        }
        Ok(())
    })
}

#[test]
fn nothing_waits_behind_a_task_that_is_long() -> Outcome {
    each_way(2, |pool| {
        // Tasks that are short: the pool reaches ahead.
        pool.each(|x: u32| x, 0..2_000).chunksize(1).wait()?;
        let gate = Gate::new();
        let handles: Result<Vec<_>, _> = (0..300)
            .map(|number| match number {
                100 => pool.apply_async(wait_at, gate.name()),
                _ => pool.apply_async(|_: String| 0, String::new()),
            })
            .collect();
        let mut handles = handles?;
        let long = handles.remove(100);
        for handle in handles {
            assert_eq!(handle.get()?, 0);
        }
        assert!(!long.ready());
        drop(gate.guests(1));
        assert_ne!(long.get()?, 0);
        Ok(())
    })
}

#[test]
fn what_lies_behind_a_task_that_kills_its_worker_runs_elsewhere_in_its_order() -> Outcome {
    each_way(1, |pool| {
        let gate = Gate::new();
        let first = pool.apply_async(wait_at, gate.name())?;
        let behind: Result<Vec<_>, _> = (0..100).map(|x| pool.apply_async(count, x)).collect();
        let guests = gate.guests(1);
        Watch::over(guests[0].pid).signal(Signal::SIGKILL);
        let lost = loss(first.get());
        assert_eq!((signal_of(&lost), lost.begun), ("SIGKILL", true));
        for (number, handle) in behind?.into_iter().enumerate() {
            assert_eq!(handle.get()?, number as u64);
        }
        assert_eq!(pool.stats().lost, 1);
        Ok(())
    })
}

#[test]
fn what_a_worker_has_answered_before_it_dies_counts() -> Outcome {
    fn work(x: u32) -> u32 {
        if x % 50 == 49 {
            raise(9);
        }
        x
    }
    each_way(2, |pool| {
        let handles: Result<Vec<_>, _> = (0..200).map(|x| pool.apply_async(work, x)).collect();
        for (x, handle) in (0..).zip(handles?) {
            match handle.get() {
                Ok(value) => assert_eq!(value, x),
                Err(TaskError::WorkerLost(lost)) => assert!(x % 50 == 49 && lost.begun, "{lost}"),
                Err(error) => return Err(error.into()),
            }
        }
        assert_eq!(pool.stats().lost, 4);
        Ok(())
    })
}

#[test]
fn what_has_not_started_when_a_pool_is_terminated_never_does() -> Outcome {
    fn leave_a_mark(path: String) {
        fs::write(path, []).expect("a file");
    }
    let folder = tempfile::tempdir()?;
    let mark = folder.path().join("mark");
    each_way(1, |pool| {
        let gate = Gate::new();
        let first = pool.apply_async(wait_at, gate.name())?;
        let path = || mark.to_string_lossy().into_owned();
        let behind: Result<Vec<_>, _> = (0..100)
            .map(|_| pool.apply_async(leave_a_mark, path()))
            .collect();
        let guests = gate.guests(1);
        pool.terminate();
        assert!(first.ready());
        for handle in behind? {
            assert!(handle.ready());
            assert!(matches!(handle.get(), Err(TaskError::Terminated)));
        }
        drop(guests);
        pool.join()?;
        assert!(!mark.exists());
        Ok(())
    })
}

#[test]
fn callbacks_run_in_the_order_in_which_their_tasks_ended() -> Outcome {
    each_way(1, |pool| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..500 {
            let seen = seen.clone();
            let call = pool.call(count, number);
            drop(
                call.callback(move |at| seen.lock().unwrap().push(*at))
                    .submit()?,
            );
        }
        pool.close();
        pool.join()?;
        assert_eq!(*seen.lock().unwrap(), (0..500).collect::<Vec<_>>());
        Ok(())
    })
}

#[test]
fn arguments_and_results_of_every_length_arrive_in_their_order() -> Outcome {
    fn double(text: String) -> String {
        text.repeat(2)
    }
    each_way(2, |pool| {
        let lengths: Vec<usize> = (0..600)
            .map(|n| n * 37 % 1_500)
            .chain([100_000, 3, 300_000, 4])
            .collect();
        let text = |length: usize| "x".repeat(length);
        let handles: Result<Vec<_>, _> = lengths
            .iter()
            .map(|length| pool.apply_async(double, text(*length)))
            .collect();
        for (length, handle) in lengths.iter().zip(handles?) {
            assert_eq!(handle.get()?.len(), 2 * length);
        }
        Ok(())
    })
}

#[test]
fn contexts_come_before_the_tasks_that_use_them() -> Outcome {
    each_way(2, |pool| {
        let contexts: Vec<_> = (0..20).map(|n| "c".repeat(n * 100)).collect();
        let views: Vec<_> = contexts
            .iter()
            .map(|context| pool.with(context.clone()))
            .collect();
        let mut handles = Vec::new();
        for x in 0..400_usize {
            let length = |context: &String, x: usize| context.len() + x;
            handles.push((views[x % 20].apply_async(length, x)?, x % 20 * 100 + x));
            handles.push((pool.apply_async(|x: usize| x, x)?, x));
        }
        for (handle, expected) in handles {
            assert_eq!(handle.get()?, expected);
        }
        Ok(())
    })
}

#[test]
fn a_worker_that_has_run_its_share_is_replaced() -> Outcome {
    for spin in [None, Some(Duration::ZERO)] {
        let builder = with(Some(64), spin).size(2);
        let pool = builder
            .maxtasksperchild(NonZeroUsize::MIN.saturating_add(2))
            .build()?;
        let mut handles = Vec::new();
        for x in 0..30 {
            handles.push(pool.apply_async(count, x)?);
        }
        for handle in handles {
            assert!(handle.get()? < 3);
        }
        pool.close();
        pool.join()?;
        assert_eq!(pool.stats().lost, 0);
        assert!(pool.stats().started >= 10);
    }
    Ok(())
}

#[test]
fn many_threads_submit_and_wait_at_once() -> Outcome {
    each_way(2, |pool| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u64)
                .map(|thread| {
                    scope.spawn(move || {
                        for x in 0..300 {
                            let x = thread << 32 | x;
                            assert_eq!(pool.apply(|x: u64| x + 1, x).expect("it runs"), x + 1);
                        }
                    })
                })
                .collect();
            threads
                .into_iter()
                .for_each(|thread| thread.join().expect("no panic"));
        });
        Ok(())
    })
}

#[test]
fn a_wait_with_a_limit_ends_with_it_and_terminate_ends_any_wait() -> Outcome {
    each_way(1, |pool| {
        let mut handle = pool.apply_async(never_end, ())?;
        assert!(handle.get_timeout(Duration::from_millis(1)).is_err());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| handle.get());
            pool.terminate();
            let ended = waiter.join().expect("no panic");
            assert!(matches!(ended, Err(TaskError::Terminated)), "{ended:?}");
        });
        Ok(())
    })
}

/// Whether the calling process has a ring.
fn has_ring() -> bool {
    let maps = fs::read_to_string("/proc/self/maps").expect("/proc");
    maps.contains("pool-ring")
}

/// Whether the calling process has a ring, and whether a child that it forks has it.
fn forks_with_a_ring(_: ()) -> (bool, bool) {
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    // SAFETY: the child only reads a file, writes into a pipe, and ends.
    if let nix::unistd::ForkResult::Child = unsafe { nix::unistd::fork() }.expect("a child") {
        let _ = nix::unistd::write(&writer, &[u8::from(has_ring())]);
        // SAFETY: no precondition.
        unsafe { libc::_exit(0) };
    }
    let mut said = [2];
    assert_eq!(nix::unistd::read(&reader, &mut said).expect("it says"), 1);
    (has_ring(), said == [1])
}

#[test]
fn no_child_that_is_forked_has_a_ring() -> Outcome {
    apart(|()| {
        let pool = ProcessPool::new(1).expect("a pool");
        let of_the_worker = pool.apply(forks_with_a_ring, ()).expect("it runs");
        assert_eq!(of_the_worker, (true, false));
        assert_eq!(forks_with_a_ring(()), (true, false));
    })
}

/// A value that nests.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Nest {
    End,
    Inner(Box<Nest>),
}

fn nest(levels: u32) -> Nest {
    (0..levels).fold(Nest::End, |inner, _| Nest::Inner(Box::new(inner)))
}

fn levels(mut of: &Nest) -> u32 {
    let mut levels = 0;
    while let Nest::Inner(inner) = of {
        of = inner;
        levels += 1;
    }
    levels
}

#[test]
fn what_a_value_may_nest_does_not_depend_on_the_stack_of_the_thread_that_submits_it() -> Outcome {
    each_way(1, |pool| {
        for kib in [64, 512, 1100] {
            // Less than 2,000 levels take, and less than any value that nests may take.
            let thread = std::thread::Builder::new().stack_size(kib * 1024);
            let submit = || {
                let deep = pool.apply_async(|of: Nest| levels(&of), nest(2_000));
                let small: Vec<_> = (0..200).map(|_| pool.apply_async(nest, 100)).collect();
                for handle in small {
                    assert_eq!(levels(&handle?.get()?), 100);
                }
                assert_eq!(deep?.get()?, 2_000);
                Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
            };
            let seen = std::thread::scope(|scope| {
                let thread = thread.spawn_scoped(scope, submit)?;
                thread
                    .join()
                    .unwrap_or_else(|_| Err("it has panicked".into()))
            });
            seen.map_err(|error| format!("{kib} KiB: {error}"))?;
        }
        Ok(())
    })
}

/// At a gate, with its number.
fn numbered((gate, number): (String, u32)) -> u32 {
    wait_with(&gate, &number.to_string());
    number
}

#[test]
fn tasks_that_are_short_no_more_start_in_the_order_of_their_submission() -> Outcome {
    const TASKS: u32 = 24;
    let pool = with(None, None).size(2).build()?;
    // Workers have many units at once from now on.
    let short: Vec<_> = (0..200).map(|x| pool.apply_async(count, x)).collect();
    for handle in short {
        handle?.get()?;
    }
    let gate = Gate::new();
    let mut handles: Vec<_> = (0..TASKS)
        .map(|number| pool.apply_async(numbered, (gate.name(), number)).map(Some))
        .collect::<Result<_, _>>()?;
    let mut waiting: BTreeSet<u32> = (0..TASKS).collect();
    let number = |guest: &Guest| guest.word.parse::<u32>();
    let mut guests = gate.guests(2);
    for guest in &guests {
        waiting.remove(&number(guest)?);
    }
    for step in 0..TASKS {
        // One worker has the first task until the end, the other all others.
        guests.sort_by_key(|guest| number(guest).ok());
        let Some(last) = guests.pop() else { break };
        let ended = number(&last)?;
        drop(last);
        let handle = handles[ended as usize].take();
        assert_eq!(handle.ok_or("it has ended twice")?.get()?, ended);
        if let Some(first) = waiting.first().copied() {
            let next = gate.guests(1).remove(0);
            let started = number(&next)?;
            // What lies behind a task that was short may start while the pool does not yet know how long the one before it took.
            assert!(step < 2 || started == first, "{started} before {first}");
            waiting.remove(&started);
            guests.push(next);
        }
    }
    assert!(waiting.is_empty());
    Ok(())
}

/// Levels of which each needs much of the stack where it is read.
#[derive(serde::Serialize, serde::Deserialize)]
struct Wide {
    #[serde(skip, default = "room")]
    room: [u64; 1024],
    inner: Option<Box<Wide>>,
}

fn room() -> [u64; 1024] {
    std::hint::black_box([1; 1024])
}

fn wide(levels: u32) -> Option<Box<Wide>> {
    let inner = |inner| {
        Some(Box::new(Wide {
            room: room(),
            inner,
        }))
    };
    (0..levels).fold(None, |before, _| inner(before))
}

#[test]
fn a_result_that_needs_more_stack_than_a_thread_has_is_read_by_another() -> Outcome {
    each_way(1, |pool| {
        let thread = std::thread::Builder::new().stack_size(1200 * 1024);
        let seen = std::thread::scope(|scope| {
            let submit = || {
                for _ in 0..10 {
                    let values = [pool.apply_async(wide, 56), pool.apply_async(wide, 1)];
                    for (value, levels) in values.into_iter().zip([56, 1]) {
                        let value = value?.get()?;
                        let depth = std::iter::successors(value.as_ref(), |of| of.inner.as_ref());
                        assert_eq!(depth.filter(|of| of.room[0] == 1).count(), levels);
                    }
                }
                Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
            };
            let thread = thread.spawn_scoped(scope, submit)?;
            thread
                .join()
                .unwrap_or_else(|_| Err("it has panicked".into()))
        });
        Ok(seen.map_err(|error| error.to_string())?)
    })
}
