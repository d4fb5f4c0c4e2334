//! Tasks in the user's control: deadlines, expiry, cancel. A worker that runs what is to end is stopped and replaced; what lies before it
//! in its ring is done elsewhere.

mod common;

#[path = "../../pool-core/tests/programs/clock.rs"]
mod clock;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clock::{Armed, Clock};
use common::{
    BOUND, Gate, Outcome, ignore_sigterm, kill, lives, loss, never_end, pid, stop, wait_at,
};
use nix::sys::signal::Signal;
use pool_process::{
    AsyncResult, Builder, CancelToken, DeadlineExceeded, Pool, PoolError, ProcessPool, TaskError,
    TimedOut, cancelled,
};

const LIMIT: Duration = Duration::from_secs(3);

/// A pool whose clock a test moves.
fn timed(builder: Builder) -> (ProcessPool, Arc<Clock>, Armed) {
    let (clock, armed) = Clock::new();
    let builder = builder.warn_on_drop(false).timers(clock.timers());
    (builder.build().expect("a pool"), clock, armed)
}

/// With rings and without, and where many units lie in each ring.
fn each_builder(size: usize, check: impl Fn(Builder) -> Outcome) -> Outcome {
    let builder = || ProcessPool::builder().size(size).warn_on_drop(false);
    check(builder())?;
    check(builder().reach(64).spin(Duration::ZERO))?;
    check(builder().shared_memory(false))
}

fn late<T: std::fmt::Debug>(end: Result<T, TaskError>) -> DeadlineExceeded {
    match end {
        Err(TaskError::DeadlineExceeded(exceeded)) => *exceeded,
        other => panic!("{other:?}"),
    }
}

/// Goes to a gate where the word before the colon is not empty.
fn wait_if((gate, number): (String, u32)) -> u32 {
    if !gate.is_empty() {
        wait_at(gate);
    }
    number
}

#[test]
fn a_task_that_is_late_is_stopped_and_its_worker_replaced() -> Outcome {
    each_builder(1, |builder| {
        let (pool, clock, armed) = timed(builder);
        let gate = Gate::new();
        let first = pool.apply_async(wait_at, gate.name())?;
        let guests = gate.guests(1);
        let second = pool.call(wait_at, gate.name()).deadline(LIMIT).submit()?;
        let third = pool.apply_async(pid, ())?;
        // In the queue, or in the ring, no time passes.
        clock.advance(10 * LIMIT);
        armed.none();
        drop(guests);
        let worker = first.get()?;
        let guests = gate.guests(1);
        assert_eq!(guests[0].pid, worker);
        armed.expect(LIMIT);
        clock.advance(LIMIT - Duration::from_nanos(1));
        assert!(!second.ready() && lives(worker));
        clock.advance(Duration::from_nanos(1));
        let exceeded = late(second.get());
        assert_eq!(
            (exceeded.limit, exceeded.running, exceeded.expired),
            (LIMIT, false, false)
        );
        assert!(!lives(worker), "nothing of it runs when it is told");
        assert_ne!(third.get()?, worker);
        // The grace, which it did not need.
        armed.expect(Duration::from_secs(1));
        armed.none();
        assert_eq!(clock.running(), 0);
        let stats = pool.stats();
        assert_eq!((stats.lost, stats.started, stats.tasks.errors), (0, 2, 1));
        Ok(())
    })
}

#[test]
fn a_worker_that_listens_to_no_signal_is_killed_after_the_grace() -> Outcome {
    fn deaf(gate: String) -> u32 {
        ignore_sigterm();
        wait_at(gate)
    }
    each_builder(1, |builder| {
        let (pool, clock, armed) = timed(builder.grace(2 * LIMIT));
        let gate = Gate::new();
        let mut handle = pool.call(deaf, gate.name()).deadline(LIMIT).submit()?;
        let guests = gate.guests(1);
        armed.expect(LIMIT);
        clock.advance(LIMIT);
        armed.expect(2 * LIMIT);
        assert_eq!(handle.get_timeout(Duration::ZERO), Err(TimedOut));
        assert!(lives(guests[0].pid));
        clock.advance(2 * LIMIT);
        assert!(!late(handle.get()).running);
        assert!(!lives(guests[0].pid));
        assert_ne!(pool.apply(pid, ())?, guests[0].pid);
        Ok(())
    })
}

#[test]
fn a_task_that_ends_in_time_leaves_no_timer_and_its_worker() -> Outcome {
    each_builder(2, |builder| {
        let (pool, clock, _armed) = timed(builder);
        let before = pool.stats().started;
        for number in 0..50 {
            assert_eq!(
                pool.call(|x: u32| x, number)
                    .deadline(LIMIT)
                    .expiry(LIMIT)
                    .wait()?,
                number
            );
        }
        let map = pool
            .each(|x: u32| x, 0..50)
            .chunksize(3)
            .deadline(LIMIT)
            .wait()?;
        assert_eq!(map.len(), 50);
        let failed = pool
            .try_call(|_: u32| Err::<(), u32>(7), 1)
            .deadline(LIMIT)
            .wait();
        assert_eq!(failed.map_err(TaskError::into_raised), Err(Some(7)));
        pool.close();
        pool.join()?;
        assert_eq!(
            (clock.running(), pool.stats().started, pool.stats().lost),
            (0, before, 0)
        );
        Ok(())
    })
}

#[test]
fn a_chunk_that_is_late_fails_alone_and_its_map_when_all_are_done() -> Outcome {
    each_builder(2, |builder| {
        let (pool, clock, armed) = timed(builder);
        let (late_one, other) = (Gate::new(), Gate::new());
        let gates = [String::new(), late_one.name(), other.name(), String::new()];
        let items: Vec<_> = gates.into_iter().zip(0..).collect();
        let map = pool
            .each(wait_if, items)
            .chunksize(2)
            .deadline(LIMIT)
            .submit()?;
        let (_late, others) = (late_one.guests(1), other.guests(1));
        armed.expect(LIMIT);
        armed.expect(LIMIT);
        // The other chunk ends in time.
        drop(others);
        assert_eq!(pool.apply(wait_if, (String::new(), 3))?, 3);
        assert!(!map.ready());
        clock.advance(LIMIT);
        let exceeded = late(map.get());
        assert_eq!((exceeded.items, exceeded.running), (Some(0..2), false));
        Ok(())
    })
}

#[test]
fn a_step_of_an_imap_that_is_late_is_an_error_at_its_place() -> Outcome {
    each_builder(1, |builder| {
        let (pool, clock, armed) = timed(builder);
        let gate = Gate::new();
        let items: Vec<_> = [String::new(), gate.name(), String::new()]
            .into_iter()
            .zip(0..)
            .collect();
        let mut results = pool.each(wait_if, items).deadline(LIMIT).imap()?;
        assert_eq!(results.next(), Some(Ok(0)));
        let guests = gate.guests(1);
        // The first may have ended before anybody has seen it start.
        while clock.running() == 0 {
            armed.expect(LIMIT);
        }
        clock.advance(LIMIT);
        let exceeded = late(results.next().expect("an error"));
        assert_eq!((exceeded.item, exceeded.items), (Some(1), Some(1..2)));
        assert!(!lives(guests[0].pid));
        assert_eq!((results.next(), results.next()), (Some(Ok(2)), None));
        Ok(())
    })
}

#[test]
fn an_expiry_runs_in_the_queue_too() -> Outcome {
    each_builder(1, |builder| {
        let (pool, clock, armed) = timed(builder);
        let gate = Gate::new();
        let running = pool.call(wait_at, gate.name()).expiry(2 * LIMIT).submit()?;
        let guests = gate.guests(1);
        let queued = pool.call(pid, ()).expiry(LIMIT).submit()?;
        let map = pool
            .each(wait_if, vec![(gate.name(), 1); 9])
            .expiry(LIMIT)
            .submit()?;
        armed.expect(2 * LIMIT);
        armed.expect(LIMIT);
        armed.expect(LIMIT);
        clock.advance(LIMIT);
        let exceeded = late(queued.get());
        assert_eq!((exceeded.expired, exceeded.running), (true, false));
        assert!(late(map.get()).expired);
        assert!(!running.ready() && lives(guests[0].pid));
        clock.advance(LIMIT);
        let exceeded = late(running.get());
        assert_eq!((exceeded.expired, exceeded.running), (true, false));
        assert!(!lives(guests[0].pid));
        Ok(())
    })
}

/// How many calls of this worker went before.
fn nth(_: u32) -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed)
}

#[test]
fn what_runs_is_stopped_and_what_lies_behind_it_goes_on_in_order() -> Outcome {
    each_builder(1, |builder| {
        let pool = builder.build()?;
        let gate = Gate::new();
        let first = pool.apply_async(wait_at, gate.name())?;
        let guests = gate.guests(1);
        let behind: Vec<_> = (0..20)
            .map(|number| pool.apply_async(nth, number))
            .collect::<Result<_, _>>()?;
        assert!(!cancelled());
        let cancels = first.cancel_handle();
        assert!(cancels.cancel() && !first.cancel());
        assert_eq!(first.get(), Err(TaskError::Cancelled));
        assert!(cancels.is_over() && !lives(guests[0].pid));
        for (number, handle) in (0..).zip(behind) {
            assert_eq!(handle.get()?, number, "in a new worker, in order");
        }
        let stats = pool.stats();
        assert_eq!((stats.lost, stats.started, stats.tasks.errors), (0, 2, 0));
        Ok(())
    })
}

#[test]
fn workers_that_run_other_tasks_are_not_touched() -> Outcome {
    each_builder(2, |builder| {
        let pool = builder.build()?;
        let (gate, other) = (Gate::new(), Gate::new());
        let first = pool.apply_async(wait_at, gate.name())?;
        let _guests = gate.guests(1);
        let untouched = pool.apply_async(wait_at, other.name())?;
        let others = other.guests(1);
        let behind = pool.each(nth, 0..20).chunksize(1).submit()?;
        assert!(first.cancel());
        assert_eq!(behind.get()?.len(), 20);
        drop(others);
        assert!(lives(untouched.get()?));
        assert_eq!(first.get(), Err(TaskError::Cancelled));
        assert_eq!(pool.stats().started, 3);
        Ok(())
    })
}

#[test]
fn what_is_cancelled_in_the_queue_or_in_a_ring_never_starts() -> Outcome {
    each_builder(1, |builder| {
        let pool = builder.build()?;
        let gate = Gate::new();
        let first = pool.apply_async(wait_at, gate.name())?;
        let guests = gate.guests(1);
        let handles: Vec<_> = (0..20)
            .map(|number| pool.apply_async(nth, number))
            .collect::<Result<_, _>>()?;
        for handle in handles.iter().step_by(2) {
            assert!(handle.cancel());
            assert!(
                handle.wait_timeout(BOUND),
                "it need not wait for the one before it"
            );
        }
        drop(guests);
        assert!(first.get()? > 0);
        let mut next = 0;
        for (number, handle) in handles.into_iter().enumerate() {
            let expected = match number % 2 {
                0 => Err(TaskError::Cancelled),
                _ => Ok(next),
            };
            next += u32::from(expected.is_ok());
            assert_eq!(handle.get(), expected);
        }
        assert_eq!(pool.stats().started, 1, "no worker was stopped");
        Ok(())
    })
}

#[test]
fn a_place_in_a_full_queue_is_free_when_its_task_is_cancelled() -> Outcome {
    each_builder(1, |builder| {
        let pool = builder.queue(1).build()?;
        let gate = Gate::new();
        let first = pool.apply_async(wait_at, gate.name())?;
        let guests = gate.guests(1);
        let second = pool.apply_async(pid, ())?;
        assert!(
            pool.call(pid, ())
                .try_submit()
                .is_err_and(|full| full.is_full())
        );
        assert!(second.cancel());
        let third = pool
            .call(pid, ())
            .try_submit()
            .map_err(|full| full.to_string())?;
        drop(guests);
        assert_eq!(first.get()?, third.get()?);
        Ok(())
    })
}

#[test]
fn what_a_worker_that_stands_still_has_not_taken_is_taken_back() -> Outcome {
    let pool = ProcessPool::builder().size(1).warn_on_drop(false).build()?;
    let worker = pool.apply(pid, ())?;
    stop(worker);
    let handle = pool.apply_async(pid, ())?;
    assert!(handle.cancel() && handle.wait_timeout(BOUND));
    assert_eq!(handle.get(), Err(TaskError::Cancelled));
    let next = pool.apply_async(pid, ())?;
    kill(worker, Signal::SIGCONT);
    assert_eq!(next.get()?, worker);
    Ok(())
}

#[test]
fn a_worker_that_stands_still_is_stopped_at_a_deadline() -> Outcome {
    each_builder(1, |builder| {
        let (pool, clock, armed) = timed(builder);
        let gate = Gate::new();
        let handle = pool.call(wait_at, gate.name()).deadline(LIMIT).submit()?;
        let guests = gate.guests(1);
        armed.expect(LIMIT);
        stop(guests[0].pid);
        clock.advance(LIMIT);
        assert!(!late(handle.get()).running);
        assert!(!lives(guests[0].pid));
        Ok(())
    })
}

#[test]
fn a_whole_map_and_a_whole_imap_are_cancelled() -> Outcome {
    each_builder(2, |builder| {
        let pool = builder.build()?;
        let gate = Gate::new();
        let items = || vec![(gate.name(), 1); 100];
        let map = pool.each(wait_if, items()).chunksize(1).submit()?;
        let guests = gate.guests(2);
        assert!(map.cancel());
        assert_eq!(map.get(), Err(TaskError::Cancelled));
        assert!(guests.iter().all(|guest| !lives(guest.pid)));
        let mut imap = pool.imap(wait_if, items())?;
        let guests = gate.guests(2);
        assert!(imap.cancel());
        let last = imap.by_ref().last();
        assert_eq!(last, Some(Err(TaskError::Cancelled)));
        pool.close();
        pool.join()?;
        assert!(guests.iter().all(|guest| !lives(guest.pid)));
        let tasks = pool.stats().tasks;
        assert_eq!((tasks.errors, tasks.submitted), (0, tasks.ended));
        Ok(())
    })
}

#[test]
fn a_token_cancels_all_that_have_it() -> Outcome {
    each_builder(2, |builder| {
        let pool = builder.build()?;
        let (token, gate) = (CancelToken::new(), Gate::new());
        let first = pool.call(wait_at, gate.name()).cancel_on(&token).submit()?;
        let _guests = gate.guests(1);
        let other = Gate::new();
        let untouched = pool.apply_async(wait_at, other.name())?;
        let others = other.guests(1);
        let calls: Vec<_> = (0..1000)
            .map(|number| pool.call(nth, number).cancel_on(&token).submit())
            .collect::<Result<_, _>>()?;
        let imap = pool.each(nth, 0..1000).cancel_on(&token).imap_unordered()?;
        token.cancel();
        assert_eq!(first.get(), Err(TaskError::Cancelled));
        for call in calls {
            assert_eq!(call.get(), Err(TaskError::Cancelled));
        }
        assert_eq!(imap.last(), Some(Err(TaskError::Cancelled)));
        assert_eq!(pool.apply(nth, 0)?, 0);
        drop(others);
        assert!(lives(untouched.get()?));
        Ok(())
    })
}

#[test]
fn terminate_resolves_at_once_what_a_cancel_has_decided() -> Outcome {
    fn deaf(gate: String) -> u32 {
        ignore_sigterm();
        wait_at(gate)
    }
    each_builder(1, |builder| {
        let (pool, clock, armed) = timed(builder.grace(LIMIT));
        let gate = Gate::new();
        let cancelled = pool.apply_async(deaf, gate.name())?;
        let _guests = gate.guests(1);
        let queued = pool.apply_async(pid, ())?;
        assert!(cancelled.cancel());
        armed.expect(LIMIT);
        assert!(!cancelled.ready(), "its function runs");
        pool.terminate();
        assert!(cancelled.ready() && queued.ready());
        assert_eq!(cancelled.get(), Err(TaskError::Cancelled));
        assert_eq!(queued.get(), Err(TaskError::Terminated));
        armed.expect(LIMIT);
        clock.advance(LIMIT);
        pool.join()?;
        Ok(())
    })
}

#[test]
fn a_pool_that_was_closed_replaces_a_worker_that_was_stopped() -> Outcome {
    each_builder(1, |builder| {
        let pool = builder.build()?;
        let gate = Gate::new();
        let first = pool.apply_async(wait_at, gate.name())?;
        let _guests = gate.guests(1);
        let behind = pool.apply_async(nth, 0)?;
        pool.close();
        assert!(first.cancel());
        assert_eq!(behind.get()?, 0);
        pool.join()?;
        assert_eq!(first.get(), Err(TaskError::Cancelled));
        Ok(())
    })
}

/// The real clock: an endless task has its end, and the pool goes on.
#[test]
fn an_endless_task_has_its_end() -> Outcome {
    let pool = ProcessPool::builder()
        .size(1)
        .grace(Duration::ZERO)
        .build()?;
    let mut handle = pool
        .call(never_end, ())
        .deadline(Duration::from_millis(1))
        .submit()?;
    assert!(!late(handle.get_timeout(BOUND)?).running);
    assert_eq!(pool.apply(nth, 0)?, 0);
    Ok(())
}

/// The gate is told of each attempt; what says `die` then does.
fn die_at((gate, word): (String, String)) -> u32 {
    common::wait_with(&gate, &word);
    if word == "die" {
        std::process::abort();
    }
    std::process::id()
}

#[test]
fn a_task_that_is_lost_with_its_worker_is_tried_again_and_not_for_ever() -> Outcome {
    each_builder(1, |builder| {
        let (pool, clock, armed) = timed(builder);
        let gate = Gate::new();
        let call = (gate.name(), "die".to_owned());
        let handle = pool
            .call(die_at, call)
            .retries(2)
            .retry_pause(LIMIT)
            .submit()?;
        drop(gate.guests(1));
        armed.expect(LIMIT);
        // Others go on meanwhile.
        assert_eq!(pool.apply(nth, 0)?, 0);
        clock.advance(LIMIT);
        drop(gate.guests(1));
        armed.expect(2 * LIMIT);
        assert!(!handle.ready());
        clock.advance(2 * LIMIT);
        drop(gate.guests(1));
        let Err(TaskError::WorkerLost(lost)) = handle.get() else {
            panic!("it was done")
        };
        assert_eq!(lost.attempts, 3);
        let said = lost.to_string();
        assert!(
            said.ends_with(", which was tried 3 times and is not tried again"),
            "{said}"
        );
        assert_eq!((pool.stats().lost, clock.running()), (3, 0));
        Ok(())
    })
}

#[test]
fn a_retry_begins_at_the_lost_item() -> Outcome {
    each_builder(1, |builder| {
        let pool = builder.build()?;
        let gate = Gate::new();
        let items: Vec<_> = (0..5)
            .map(|number| (gate.name(), number.to_string()))
            .collect();
        let map = pool.each(die_at, items.clone()).retries(1).submit()?;
        let words: Vec<String> = (0..2)
            .map(|_| gate.guests(1).remove(0).word.clone())
            .collect();
        assert_eq!(words, ["0", "1"]);
        let guests = gate.guests(1);
        kill(guests[0].pid, Signal::SIGKILL);
        let words: Vec<String> = (0..3)
            .map(|_| gate.guests(1).remove(0).word.clone())
            .collect();
        assert_eq!(words, ["2", "3", "4"]);
        assert_eq!(map.get()?.len(), 5);
        let refused = pool.each(die_at, items).retries(1).chunksize(2).submit();
        assert_eq!(refused.map(drop), Err(PoolError::RetriesOfChunks));
        Ok(())
    })
}

#[test]
fn a_pool_has_retries_for_the_calls_that_do_not_say_them() -> Outcome {
    each_builder(1, |builder| {
        let pool = builder.retries(1).build()?;
        let gate = Gate::new();
        let lose = || kill(gate.guests(1)[0].pid, Signal::SIGKILL);
        // A call, a map, an imap: each is lost once, and comes back.
        let call = pool.apply_async(wait_at, gate.name())?;
        lose();
        drop(gate.guests(1));
        assert!(call.get().is_ok());
        let map = pool.map_async(wait_at, [gate.name()])?;
        lose();
        drop(gate.guests(1));
        assert!(map.get().is_ok());
        let mut imap = pool.imap(wait_at, [gate.name()])?;
        lose();
        drop(gate.guests(1));
        assert!(imap.next().is_some_and(|end| end.is_ok()));
        // The second loss is one too many; a call may say that the first is.
        let call = pool.apply_async(wait_at, gate.name())?;
        lose();
        lose();
        assert_eq!(loss(call.get()).attempts, 2);
        let call = pool.call(wait_at, gate.name()).retries(0).submit()?;
        lose();
        assert_eq!(loss(call.get()).attempts, 1);
        let refused = pool.each(wait_at, [gate.name()]).chunksize(2).submit();
        assert_eq!(refused.map(drop), Err(PoolError::RetriesOfChunks));
        Ok(())
    })
}

#[test]
fn a_task_that_waits_for_its_next_try_is_cancelled_terminated_and_joined() -> Outcome {
    each_builder(1, |builder| {
        let (pool, clock, armed) = timed(builder);
        let gate = Gate::new();
        let lose = || -> Result<AsyncResult<u32>, PoolError> {
            let call = pool
                .call(wait_at, gate.name())
                .retries(1)
                .retry_pause(LIMIT);
            let handle = call.submit()?;
            kill(gate.guests(1)[0].pid, Signal::SIGKILL);
            armed.expect(LIMIT);
            Ok(handle)
        };
        let cancelled = lose()?;
        assert!(cancelled.cancel() && cancelled.wait_timeout(BOUND));
        assert_eq!(cancelled.get(), Err(TaskError::Cancelled));
        let (first, second) = (lose()?, lose()?);
        pool.close();
        clock.advance(LIMIT);
        drop(gate.guests(1));
        assert!(first.get()? > 0);
        let next = gate.guests(1);
        pool.terminate();
        assert_eq!(second.get(), Err(TaskError::Terminated));
        drop(next);
        Ok(())
    })
}

/// The gate is told of each attempt, and then it fails.
fn fail_at((gate, word): (String, String)) -> Result<u32, String> {
    common::wait_with(&gate, &word);
    Err(word)
}

#[test]
fn a_picked_error_is_tried_again_before_what_is_younger_and_counts_as_losses_do() -> Outcome {
    for shared_memory in [true, false] {
        let builder = ProcessPool::builder().size(1);
        let (pool, clock, armed) = timed(builder.shared_memory(shared_memory));
        let gate = Gate::new();
        let call = |word: &str| pool.try_call(fail_at, (gate.name(), word.to_owned()));
        let busy = |error: &String| error == "busy";
        // What lies in a worker's ring already goes before what is tried again.
        if !shared_memory {
            let first = call("busy").retries(2).retry_if(busy).submit()?;
            let other = call("other").retries(2).retry_if(busy).submit()?;
            let last = pool.apply_async(wait_at, gate.name())?;
            let worker = gate.guests(1)[0].pid;
            kill(gate.guests(1)[0].pid, Signal::SIGKILL);
            drop(gate.guests(1));
            assert_eq!(first.get().expect_err("it fails").attempts(), 3);
            let guests = gate.guests(1);
            assert_eq!(guests[0].word, "other");
            assert_ne!(guests[0].pid, worker);
            drop(guests);
            assert_eq!(other.get().expect_err("it fails").attempts(), 1);
            drop(gate.guests(1));
            assert!(last.get().is_ok());
        }
        // In its pause others run, and it is cancelled there.
        let paused = call("busy").retries(2).retry_pause(LIMIT).retry_if(busy);
        let paused = paused.submit()?;
        drop(gate.guests(1));
        armed.expect(LIMIT);
        assert_eq!(pool.apply(nth, 0)?, 0);
        clock.advance(LIMIT);
        drop(gate.guests(1));
        armed.expect(2 * LIMIT);
        assert!(paused.cancel());
        assert_eq!(paused.get(), Err(TaskError::Cancelled));
        // Each item of an imap by itself, in a context.
        let fails = |base: &u32, x: u32| if x == 1 { Err(x) } else { Ok(base + x) };
        let ten = pool.with(10);
        let sums = ten.try_each(fails, 0..3).retries(1).retry_if(|x| *x == 1);
        let ends: Vec<_> = sums
            .imap()?
            .map(|end| end.map_err(|error| error.attempts()))
            .collect();
        assert_eq!((ends, clock.running()), (vec![Ok(10), Err(2), Ok(12)], 0));
    }
    Ok(())
}
