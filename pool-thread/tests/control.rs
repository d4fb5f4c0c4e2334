//! Tasks in the user's control: deadlines, expiry, cancel. Functions on threads cannot be stopped: their calls resolve, and they run on.

mod common;

#[path = "../../pool-core/tests/programs/clock.rs"]
mod clock;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clock::{Armed, Clock};
use common::{door, pool};
use crossbeam_channel::{Receiver, Sender, unbounded};
use pool_thread::{
    AsyncResult, CancelToken, DeadlineExceeded, Observer, Pool, PoolError, TaskError, ThreadPool,
    Worker, cancelled, current_worker,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A bound for what hangs where it is broken.
const BOUND: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(3);

/// A pool whose clock a test moves.
fn timed(size: usize) -> (ThreadPool, Arc<Clock>, Armed) {
    let (clock, armed) = Clock::new();
    let builder = ThreadPool::builder().size(size).warn_on_drop(false);
    let pool = builder.timers(clock.timers()).build().expect("a pool");
    (pool, clock, armed)
}

fn comes<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(BOUND).expect("it comes")
}

fn late<T: std::fmt::Debug>(end: Result<T, TaskError>) -> DeadlineExceeded {
    match end {
        Err(TaskError::DeadlineExceeded(exceeded)) => *exceeded,
        other => panic!("{other:?}"),
    }
}

/// A task that runs until it is cancelled, and tells when it begins and ends.
fn until_cancelled() -> (
    impl Fn(u32) -> u32 + Clone + Send + Sync + 'static,
    Receiver<u32>,
    Receiver<u32>,
) {
    let (begins, begun) = unbounded();
    let (ends, ended) = unbounded();
    let task = move |number| {
        let _ = begins.send(number);
        while !cancelled() {
            std::thread::yield_now();
        }
        let _ = ends.send(number);
        number
    };
    (task, begun, ended)
}

#[test]
fn a_deadline_runs_from_the_start_of_its_task() -> Outcome {
    let (pool, clock, armed) = timed(1);
    let (task, arrived, open) = door();
    let first = pool.apply_async(task.clone(), 0)?;
    comes(&arrived);
    let second = pool.call(task, 1).deadline(LIMIT).submit()?;
    // In the queue no time passes.
    clock.advance(10 * LIMIT);
    armed.none();
    open.send(())?;
    assert_eq!(first.get()?, 0);
    armed.expect(LIMIT);
    comes(&arrived);
    clock.advance(LIMIT - Duration::from_nanos(1));
    assert!(!second.ready());
    clock.advance(Duration::from_nanos(1));
    let exceeded = late(second.get());
    assert_eq!(
        (exceeded.limit, exceeded.running, exceeded.expired),
        (LIMIT, true, false)
    );
    assert!(
        exceeded.task.starts_with("task 1, submitted at "),
        "{exceeded}"
    );
    assert!(exceeded.to_string().ends_with("; its function still runs"));
    // Its worker is not free before the function returns.
    let third = pool.apply_async(|x: u32| x, 2)?;
    assert!(!third.ready());
    open.send(())?;
    assert_eq!(third.get()?, 2);
    assert_eq!(clock.running(), 0);
    let stats = pool.stats().tasks;
    assert_eq!(
        (stats.submitted, stats.ended, stats.errors, stats.unhandled),
        (3, 3, 1, 0)
    );
    Ok(())
}

#[test]
fn a_task_that_ends_in_time_leaves_no_timer() -> Outcome {
    let (pool, clock, armed) = timed(2);
    let sum = pool
        .call(|x: u32| x + 1, 1)
        .deadline(LIMIT)
        .expiry(LIMIT)
        .wait()?;
    let map = pool
        .each(|x: u32| x + 1, 0..3)
        .deadline(LIMIT)
        .chunksize(1)
        .wait()?;
    assert_eq!((sum, map), (2, vec![1, 2, 3]));
    let failed = pool
        .try_call(|_: u32| Err::<(), _>("no"), 1)
        .deadline(LIMIT)
        .wait();
    assert_eq!(failed.map_err(TaskError::into_raised), Err(Some("no")));
    // Also where its handle is kept.
    let kept = pool.call(|x: u32| x + 1, 1).expiry(LIMIT).submit()?;
    kept.wait();
    assert_eq!(clock.running(), 0);
    (0..7).for_each(|_| armed.expect(LIMIT));
    pool.close();
    pool.join()?;
    armed.none();
    assert_eq!(clock.running(), 0);
    Ok(())
}

#[test]
fn a_chunk_that_is_late_fails_alone_and_its_map_when_all_are_done() -> Outcome {
    let (pool, clock, armed) = timed(2);
    let (task, arrived, open) = door();
    let (errors, seen) = unbounded();
    let map = pool
        .each(
            move |number| if number < 2 { task(number) } else { number },
            0..6,
        )
        .chunksize(2)
        .deadline(LIMIT)
        .error_callback(move |error| errors.send(error.to_string()).unwrap_or(()))
        .submit()?;
    comes(&arrived);
    (0..3).for_each(|_| armed.expect(LIMIT));
    // What the other worker runs next begins when these chunks have ended.
    assert_eq!(pool.apply(|x: u32| x, 9)?, 9);
    assert_eq!((clock.running(), map.ready()), (1, false));
    clock.advance(LIMIT);
    assert_eq!(late(map.get()).items, Some(0..2));
    assert!(comes(&seen).contains("deadline of 3s exceeded"));
    drop(open);
    Ok(())
}

#[test]
fn a_step_of_an_imap_that_is_late_is_an_error_at_its_place() -> Outcome {
    let (pool, clock, armed) = timed(1);
    let (task, begun, ended) = until_cancelled();
    let maybe = move |number| if number == 1 { task(number) } else { number };
    for unordered in [false, true] {
        let each = pool.each(maybe.clone(), 0..3).deadline(LIMIT);
        let mut results = match unordered {
            true => each.imap_unordered()?,
            false => each.imap()?,
        };
        assert_eq!(results.next(), Some(Ok(0)));
        comes(&begun);
        armed.expect(LIMIT);
        armed.expect(LIMIT);
        clock.advance(LIMIT);
        let exceeded = late(results.next().expect("an error"));
        assert_eq!((exceeded.item, exceeded.running), (Some(1), true));
        // It looks whether it is cancelled, though its imap is not.
        assert_eq!(comes(&ended), 1);
        assert_eq!(results.next(), Some(Ok(2)));
        assert_eq!(results.next(), None);
        armed.expect(LIMIT);
    }
    Ok(())
}

#[test]
fn an_expiry_runs_from_the_submission_in_the_queue_too() -> Outcome {
    let (pool, clock, armed) = timed(1);
    let (task, arrived, open) = door();
    let running = pool.call(task, 0).expiry(2 * LIMIT).submit()?;
    armed.expect(2 * LIMIT);
    comes(&arrived);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let count = move |_: u32| counted.fetch_add(1, Ordering::SeqCst);
    let queued = pool.call(count.clone(), 1).expiry(LIMIT).submit()?;
    let map = pool.each(count, 0..9).chunksize(1).expiry(LIMIT).submit()?;
    armed.expect(LIMIT);
    armed.expect(LIMIT);
    clock.advance(LIMIT);
    let exceeded = late(queued.get());
    assert_eq!((exceeded.expired, exceeded.running), (true, false));
    assert!(!late(map.get()).running);
    assert!(!running.ready());
    clock.advance(LIMIT);
    let exceeded = late(running.get());
    assert_eq!((exceeded.expired, exceeded.running), (true, true));
    open.send(())?;
    assert_eq!(pool.apply(|x: u32| x, 7)?, 7);
    assert_eq!((runs.load(Ordering::SeqCst), clock.running()), (0, 0));
    let io: std::io::Error =
        TaskError::<std::io::Error>::DeadlineExceeded(Box::new(exceeded)).into();
    assert_eq!(io.kind(), std::io::ErrorKind::TimedOut);
    Ok(())
}

#[test]
fn a_wait_that_times_out_is_no_deadline() -> Outcome {
    let (pool, clock, armed) = timed(1);
    let (task, arrived, open) = door();
    let mut handle = pool.call(task, 5).deadline(3 * LIMIT).submit()?;
    comes(&arrived);
    armed.expect(3 * LIMIT);
    let waiter = std::thread::spawn(move || (handle.get_timeout(LIMIT).is_err(), handle));
    armed.expect(LIMIT);
    clock.advance(LIMIT);
    let (timed_out, handle) = waiter.join().expect("no panic");
    assert!(timed_out);
    open.send(())?;
    assert_eq!(handle.get()?, 5);
    Ok(())
}

#[test]
fn what_is_cancelled_in_the_queue_never_starts_and_leaves_its_place() -> Outcome {
    let pool = ThreadPool::builder()
        .size(1)
        .queue(1)
        .warn_on_drop(false)
        .build()?;
    let (task, arrived, open) = door();
    let first = pool.apply_async(task.clone(), 0)?;
    comes(&arrived);
    let second = pool.apply_async(task.clone(), 1)?;
    assert!(
        pool.call(task.clone(), 2)
            .try_submit()
            .is_err_and(|full| full.is_full())
    );
    std::thread::scope(|scope| {
        let third = scope.spawn(|| pool.apply_async(task.clone(), 3));
        // Whether it waits for the place or comes later, it gets it.
        assert!(second.cancel());
        let third = third.join().expect("no panic").expect("a place");
        assert_eq!(second.get(), Err(TaskError::Cancelled));
        open.send(()).expect("it waits");
        assert_eq!(comes(&arrived), 3);
        open.send(()).expect("it waits");
        assert_eq!(third.get(), Ok(3));
    });
    assert_eq!(first.get()?, 0);
    let stats = pool.stats().tasks;
    assert_eq!((stats.submitted, stats.ended, stats.errors), (3, 3, 0));
    Ok(())
}

#[test]
fn a_call_that_waits_for_a_place_is_cancelled_there() -> Outcome {
    let (clock, armed) = Clock::new();
    let builder = ThreadPool::builder().size(1).queue(1).warn_on_drop(false);
    let pool = builder.timers(clock.timers()).build()?;
    let (task, arrived, open) = door();
    let _running = pool.apply_async(task.clone(), 0)?;
    comes(&arrived);
    let _queued = pool.apply_async(task.clone(), 1)?;
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| pool.call(task.clone(), 2).expiry(LIMIT).submit());
        armed.expect(LIMIT);
        clock.advance(LIMIT);
        let handle = waits.join().expect("no panic").expect("a handle");
        assert!(late(handle.get()).expired);
        let token = CancelToken::new();
        let submission = pool.call(task.clone(), 3).cancel_on(&token).submit_async();
        let mut submission = std::pin::pin!(submission);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(submission.as_mut().poll(&mut cx).is_pending());
        token.cancel();
        let std::task::Poll::Ready(handle) = submission.poll(&mut cx) else {
            panic!("it waits on")
        };
        assert_eq!(handle.expect("a handle").get(), Err(TaskError::Cancelled));
    });
    drop(open);
    Ok(())
}

#[test]
fn what_runs_is_flagged_and_its_handle_resolves() -> Outcome {
    let pool = pool(1);
    let (task, begun, ended) = until_cancelled();
    let (calls, called) = unbounded();
    let handle = pool
        .call(task, 3)
        .callback(|_| panic!("it was cancelled"))
        .error_callback(move |error| calls.send(error.clone()).unwrap_or(()))
        .submit()?;
    comes(&begun);
    let cancels = handle.cancel_handle();
    assert!(!cancels.is_over());
    assert!(cancels.clone().cancel());
    assert!(cancels.is_over() && !cancels.cancel() && !handle.cancel());
    assert_eq!(comes(&called), TaskError::Cancelled);
    handle.wait();
    assert_eq!(handle.successful(), Ok(false));
    assert_eq!(handle.get(), Err(TaskError::Cancelled));
    assert_eq!(comes(&ended), 3);
    assert!(!cancelled());
    Ok(())
}

#[test]
fn what_has_ended_is_not_cancelled() -> Outcome {
    let pool = pool(1);
    let handle = pool.apply_async(|x: u32| x, 1)?;
    handle.wait();
    let cancels = handle.cancel_handle();
    assert!(!handle.cancel());
    assert_eq!(handle.get()?, 1);
    assert!(!cancels.cancel());
    // Dropping a handle, or a future, cancels nothing.
    let (sends, sent) = unbounded();
    drop(pool.apply_async(move |x: u32| sends.send(x).is_ok(), 2)?);
    assert_eq!(comes(&sent), 2);
    Ok(())
}

#[test]
fn a_whole_map_is_cancelled() -> Outcome {
    let pool = pool(2);
    let (task, begun, ended) = until_cancelled();
    let map = pool.each(task, 0..100).chunksize(1).submit()?;
    let mut running = [comes(&begun), comes(&begun)];
    running.sort_unstable();
    assert_eq!(running, [0, 1]);
    assert!(map.cancel());
    assert_eq!(map.get(), Err(TaskError::Cancelled));
    (0..2).for_each(|_| assert!(comes(&ended) < 2));
    pool.close();
    pool.join()?;
    assert!(begun.is_empty(), "no other chunk has started");
    let stats = pool.stats().tasks;
    assert_eq!((stats.submitted, stats.ended, stats.errors), (100, 100, 0));
    Ok(())
}

#[test]
fn an_imap_is_cancelled() -> Outcome {
    let pool = pool(1);
    for (unordered, at_hand) in [(false, true), (true, true), (false, false), (true, false)] {
        let (task, arrived, open) = door();
        let (drops, dropped) = unbounded::<()>();
        let kept = move |number| {
            let _ = &drops;
            task(number)
        };
        let mut results = match (unordered, at_hand) {
            (false, true) => pool.imap(kept, 0..)?,
            (true, true) => pool.imap_unordered(kept, 0..)?,
            (false, false) => pool.imap(kept, std::iter::successors(Some(0), |n| Some(n + 1)))?,
            (true, false) => {
                pool.imap_unordered(kept, std::iter::successors(Some(0), |n| Some(n + 1)))?
            }
        };
        comes(&arrived);
        open.send(())?;
        assert_eq!(results.next(), Some(Ok(0)));
        comes(&arrived);
        let cancels = results.cancel_handle();
        assert!(cancels.cancel() && !results.cancel());
        assert_eq!(results.next(), Some(Err(TaskError::Cancelled)));
        assert_eq!((results.next(), results.next()), (None, None));
        drop(results);
        drop(open);
        // The function goes with its last chunk, and its clones with the input.
        assert!(
            dropped
                .recv_timeout(BOUND)
                .is_err_and(|error| !error.is_timeout())
        );
        assert!(cancels.is_over());
    }
    assert_eq!(pool.apply(|x: u32| x, 1)?, 1);
    Ok(())
}

#[test]
fn an_imap_expires_as_a_whole() -> Outcome {
    let (pool, clock, armed) = timed(1);
    let (task, arrived, open) = door();
    let mut results = pool.each(task, 0..).expiry(LIMIT).imap()?;
    armed.expect(LIMIT);
    comes(&arrived);
    clock.advance(LIMIT);
    let exceeded = late(results.next().expect("an error"));
    assert_eq!((exceeded.expired, exceeded.running), (true, true));
    assert_eq!(results.next(), None);
    open.send(())?;
    // One that has ended before has no error.
    let mut short = pool.each(|x: u32| x, 0..2).expiry(LIMIT).imap()?;
    assert_eq!(short.by_ref().flatten().sum::<u32>(), 1);
    clock.advance(LIMIT);
    assert_eq!((short.next(), clock.running()), (None, 0));
    Ok(())
}

#[test]
fn a_token_cancels_all_that_have_it_and_all_that_will() -> Outcome {
    let pool = pool(1);
    let token = CancelToken::new();
    let (task, begun, ended) = until_cancelled();
    let first = pool.call(task, 0).cancel_on(&token).submit()?;
    comes(&begun);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let count = move |_: u32| counted.fetch_add(1, Ordering::SeqCst);
    // Miri is slow.
    let count_of_calls = if cfg!(miri) { 50 } else { 1000 };
    let calls: Vec<AsyncResult<usize>> = (0..count_of_calls)
        .map(|number| pool.call(count.clone(), number).cancel_on(&token).submit())
        .collect::<Result<_, _>>()?;
    let map = pool.each(count.clone(), 0..9).cancel_on(&token).submit()?;
    let other = pool.apply_async(|x: u32| x, 4)?;
    let imap = pool.each(count.clone(), 0..).cancel_on(&token).imap()?;
    assert!(!token.is_cancelled());
    token.clone().cancel();
    assert!(token.is_cancelled());
    assert_eq!(first.get(), Err(TaskError::Cancelled));
    for call in calls {
        assert_eq!(call.get(), Err(TaskError::Cancelled));
    }
    assert_eq!(map.get(), Err(TaskError::Cancelled));
    assert_eq!(imap.last(), Some(Err(TaskError::Cancelled)));
    assert_eq!(comes(&ended), 0);
    assert_eq!(other.get()?, 4);
    let later = pool.call(count.clone(), 1).cancel_on(&token).submit()?;
    assert!(later.ready());
    assert_eq!(later.get(), Err(TaskError::Cancelled));
    let later = pool.each(count.clone(), 0..3).cancel_on(&token).imap()?;
    assert_eq!(later.collect::<Vec<_>>(), [Err(TaskError::Cancelled)]);
    let empty = pool
        .each(count, std::iter::empty())
        .cancel_on(&token)
        .wait()?;
    assert!(empty.is_empty());
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    pool.close();
    let refused = pool.call(|x: u32| x, 1).cancel_on(&token).submit();
    assert_eq!(refused.map(drop), Err(PoolError::NotRunning));
    Ok(())
}

/// What a task gets that is cancelled while it waits for a task of its own pool; `wait` submits that one and waits.
fn refusal_of_a_wait(
    wait: impl FnOnce(&ThreadPool, Arc<dyn Fn(u32) -> u32 + Send + Sync>) -> Result<u32, TaskError>
    + Send
    + 'static,
) -> Outcome {
    let pool = Arc::new(pool(1));
    let (task, arrived, open) = door();
    let (tells, told) = unbounded();
    let inside = pool.clone();
    let outer = pool.apply_async(
        move |()| {
            let _ = tells.send(wait(&inside, Arc::new(task)));
        },
        (),
    )?;
    comes(&arrived);
    assert!(outer.cancel());
    assert_eq!(comes(&told), Err(TaskError::Pool(PoolError::Cancelled)));
    assert_eq!(outer.get(), Err(TaskError::Cancelled));
    drop(open);
    Ok(())
}

#[test]
fn a_task_that_waits_for_its_own_pool_goes_on_when_it_is_cancelled() -> Outcome {
    refusal_of_a_wait(|pool, task| {
        let inner = pool.apply_async(move |number| task(number), 1);
        inner.expect("it runs").get()
    })?;
    refusal_of_a_wait(|pool, task| {
        let results = pool.imap_unordered(move |number| task(number), 0..2);
        results.expect("it runs").next().expect("an item")
    })
}

#[test]
fn a_call_that_borrows_starts_no_further_unit_and_returns_after_its_last() -> Outcome {
    let pool = Arc::new(pool(1));
    let (task, begun, ended) = until_cancelled();
    let (tells, told) = unbounded();
    let inside = pool.clone();
    let outer = pool.apply_async(
        move |()| {
            let calls = AtomicUsize::new(0);
            let counts = |number| {
                calls.fetch_add(1, Ordering::SeqCst);
                task(number)
            };
            let end = inside.map(counts, 0..50);
            let _ = tells.send((end, calls.load(Ordering::SeqCst)));
        },
        (),
    )?;
    comes(&begun);
    assert!(outer.cancel());
    assert_eq!(comes(&ended), 0);
    let (end, calls) = comes(&told);
    assert_eq!(end, Err(TaskError::Cancelled));
    // A chunk that has started runs to its end, the others never start.
    assert!(calls <= 50usize.div_ceil(4), "{calls} calls");
    Ok(())
}

#[test]
fn terminate_and_cancel_decide_once() -> Outcome {
    let pool = pool(1);
    let (task, begun, ended) = until_cancelled();
    let first = pool.apply_async(task, 0)?;
    comes(&begun);
    let second = pool.apply_async(|x: u32| x, 1)?;
    assert!(second.cancel());
    pool.terminate();
    // A task of a terminated pool may look, too.
    assert_eq!(comes(&ended), 0);
    assert!(!first.cancel());
    assert_eq!(first.get(), Err(TaskError::Terminated));
    assert_eq!(second.get(), Err(TaskError::Cancelled));
    Ok(())
}

#[test]
fn an_error_that_came_before_the_cancel_stays() -> Outcome {
    let pool = pool(1);
    let (task, arrived, _open) = door();
    let fails = move |number| match number {
        0 => Err("no"),
        _ => Ok(task(number)),
    };
    let map = pool.try_each(fails, 0..9).chunksize(1).submit()?;
    comes(&arrived);
    assert!(map.cancel());
    assert_eq!(map.get().map_err(TaskError::into_raised), Err(Some("no")));
    Ok(())
}

/// Says which workers start.
struct Starts(Sender<String>);

impl Observer for Starts {
    fn worker_started(&self, worker: &Worker) {
        // The test may be over.
        let _ = self.0.send(worker.name.clone());
    }
}

#[test]
fn a_worker_that_is_old_enough_ends_its_task_and_is_replaced() -> Outcome {
    let (clock, armed) = Clock::new();
    let (started, starts) = unbounded();
    let builder = ThreadPool::builder()
        .size(1)
        .max_worker_age(LIMIT)
        .timers(clock.timers())
        .observer(Arc::new(Starts(started)));
    let pool = builder.build()?;
    armed.expect(LIMIT);
    assert_eq!(comes(&starts), "ThreadPoolWorker-1");
    // One that has nothing to do leaves at once.
    clock.advance(LIMIT);
    assert_eq!(comes(&starts), "ThreadPoolWorker-2");
    armed.expect(LIMIT);
    // One that has something ends that before.
    let (task, arrived, open) = door();
    let running = pool.apply_async(task, 7)?;
    comes(&arrived);
    let name = |()| current_worker().map(|worker| worker.name);
    let queued = pool.apply_async(name, ())?;
    clock.advance(LIMIT);
    drop(open);
    assert_eq!(running.get(), Ok(7));
    assert_eq!(queued.get()?.as_deref(), Some("ThreadPoolWorker-3"));
    pool.close();
    pool.join()?;
    let place = pool.stats().per_worker.remove(0);
    assert_eq!((place.tasks, place.replaced), (2, 2));
    Ok(())
}

#[test]
fn workers_draw_their_shares_of_tasks_where_there_is_jitter() -> Outcome {
    let four = NonZeroUsize::new(4).ok_or("not zero")?;
    let builder = ThreadPool::builder().size(1).maxtasksperchild(four);
    let pool = builder.recycle_jitter(0.5).build()?;
    let name = |()| current_worker().map(|worker| worker.name);
    let names = pool.each(name, [(); 40]).chunksize(1).wait()?;
    let shares = names.chunk_by(|one, other| one == other).map(<[_]>::len);
    let mut shares: Vec<usize> = shares.collect();
    let last = shares.pop().ok_or("nobody")?;
    assert!(last <= 4 && shares.iter().all(|share| (2..=4).contains(share)));
    Ok(())
}

/// A function that fails with the number of its call, until that is this one.
fn fails_until(last: u32) -> impl Fn(u32) -> Result<u32, u32> + Clone + Send + Sync + 'static {
    let calls = Arc::new(AtomicUsize::new(0));
    move |x| match calls.fetch_add(1, Ordering::Relaxed) as u32 + 1 {
        call if call < last => Err(call),
        _ => Ok(x),
    }
}

#[test]
fn a_task_that_is_tried_again_pauses_and_others_run_meanwhile() -> Outcome {
    let (pool, clock, armed) = timed(1);
    let tried = pool
        .try_call(fails_until(3), 7)
        .retries(2)
        .retry_pause(LIMIT);
    let tried = tried.retry_if(|_| true).submit()?;
    armed.expect(LIMIT);
    assert_eq!(pool.apply(|x| x, 1)?, 1);
    clock.advance(LIMIT);
    armed.expect(2 * LIMIT);
    assert!(!tried.ready());
    clock.advance(2 * LIMIT);
    assert_eq!(tried.get()?, 7);
    // A worker counts a task when it has told its result.
    pool.close();
    pool.join()?;
    assert_eq!((pool.stats().per_worker[0].tasks, clock.running()), (4, 0));
    Ok(())
}

#[test]
fn what_is_tried_again_goes_first_and_a_chunk_of_others_after_it() -> Outcome {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let blocks = pool.apply_async(task, 0)?;
    comes(&arrived);
    let (tell, told) = unbounded();
    let note = tell.clone();
    let tried = pool.try_each(
        move |x: u32| {
            let _ = note.send(x);
            if x == 1 { Err(()) } else { Ok(x) }
        },
        0..3,
    );
    let tried = tried.retries(2).retry_if(|()| true).submit()?;
    let last = pool.apply_async(move |x| tell.send(x), 9)?;
    drop(open);
    assert_eq!(blocks.get()?, 0);
    assert_eq!(tried.get().expect_err("item 1").item(), Some(1));
    assert!(last.get()?.is_ok());
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [0, 1, 1, 1, 2, 9]);
    Ok(())
}

#[test]
fn a_task_that_pauses_is_cancelled_terminated_and_joined() -> Outcome {
    let (pool, clock, armed) = timed(1);
    let fails = || {
        let call = pool
            .try_call(fails_until(2), 7)
            .retries(1)
            .retry_pause(LIMIT);
        let handle = call.retry_if(|_| true).submit();
        armed.expect(LIMIT);
        handle
    };
    let cancelled = fails()?;
    assert!(cancelled.cancel());
    assert_eq!(cancelled.get(), Err(TaskError::Cancelled));
    let joined = fails()?;
    pool.close();
    assert!(!pool.join_timeout(Duration::ZERO)?);
    clock.advance(LIMIT);
    pool.join()?;
    assert_eq!((joined.get()?, clock.running()), (7, 0));
    let (pool, clock, armed) = timed(1);
    let call = pool
        .try_call(fails_until(2), 7)
        .retries(1)
        .retry_pause(LIMIT);
    let terminated = call.retry_if(|_| true).submit()?;
    armed.expect(LIMIT);
    pool.terminate();
    assert_eq!(terminated.get(), Err(TaskError::Terminated));
    pool.join()?;
    assert_eq!(clock.running(), 0);
    Ok(())
}

#[test]
fn what_is_late_or_panics_is_not_tried_again() -> Outcome {
    let (pool, clock, armed) = timed(1);
    let (task, arrived, open) = door();
    let call = pool.try_call(move |x| Err::<u32, u32>(task(x)), 1);
    let late_call = call
        .deadline(LIMIT)
        .retries(5)
        .retry_if(|_| true)
        .submit()?;
    comes(&arrived);
    armed.expect(LIMIT);
    clock.advance(LIMIT);
    assert!(matches!(
        late_call.get(),
        Err(TaskError::DeadlineExceeded(_))
    ));
    drop(open);
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let panics = move |_: u32| -> Result<u32, u32> {
        count.fetch_add(1, Ordering::Relaxed);
        panic!("no")
    };
    let end = pool
        .try_call(panics, 1)
        .retries(5)
        .retry_if(|_| true)
        .wait();
    assert!(matches!(end, Err(TaskError::Panicked(_))));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    Ok(())
}

/// An argument whose clones and drops are counted, and whose next clone may panic.
struct Counted(Arc<AtomicUsize>, bool);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>, panics: bool) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Counted(alive.clone(), panics)
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        assert!(!self.1, "in clone");
        Counted::new(&self.0, false)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn each_clone_of_an_argument_is_dropped_once() -> Outcome {
    let alive = Arc::new(AtomicUsize::new(0));
    let items = |panics| [Counted::new(&alive, false), Counted::new(&alive, panics)];
    let keeps = |item: Counted| Err::<Counted, Counted>(item);
    let pool = pool(2);
    for panics in [false, true] {
        let [first, second] = items(panics);
        let call = pool.try_call(keeps, second).retries(2).retry_if(|_| true);
        let end = call.wait().map(drop).map_err(|error| error.map(drop));
        assert_eq!(matches!(end, Err(TaskError::Panicked(_))), panics);
        drop(first);
        let map = pool
            .try_each(keeps, items(panics))
            .retries(2)
            .retry_if(|_| true);
        assert!(map.wait().is_err());
        let imap = pool
            .try_each(keeps, items(panics))
            .retries(2)
            .retry_if(|_| true);
        let ends: Vec<_> = imap.imap()?.map(|end| end.is_err()).collect();
        assert_eq!(ends, [true, true]);
    }
    pool.close();
    pool.join()?;
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    Ok(())
}

/// What a worker has taken behind a task that is tried again comes after it.
#[test]
fn what_is_tried_again_runs_before_what_its_worker_had_taken() -> Outcome {
    let pool = ThreadPool::builder().size(1).reach(8).build()?;
    let (seen, ran) = unbounded();
    let fails_once = move |(item, left): (u32, Arc<AtomicUsize>)| {
        seen.send(item).expect("it is read below");
        let fails = left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        if fails { Err(item) } else { Ok(item) }
    };
    let items = [1, 0, 2].map(|fails| Arc::new(AtomicUsize::new(fails)));
    let calls = pool.try_each(fails_once, (0..).zip(items)).retries(2);
    assert_eq!(calls.retry_if(|_| true).wait(), Ok(vec![0, 1, 2]));
    assert_eq!(ran.try_iter().collect::<Vec<_>>(), [0, 0, 1, 2, 2, 2]);
    Ok(())
}
