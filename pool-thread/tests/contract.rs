//! The contract on threads, where a scenario of the harness cannot say it: each test is named by its claim.
//! Everything waits on an event; no test measures time.

use std::cell::Cell;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use pool_thread::{Failure, Misuse, Phase, Pool, ThreadPool, current_worker, worker_state};

fn pool(size: usize) -> ThreadPool {
    ThreadPool::builder()
        .size(size)
        .warn_on_drop(false)
        .build()
        .expect("a pool")
}

/// A door that a task waits at, and the note that it has come there.
fn door() -> (
    impl Fn(u32) -> u32 + Clone + Send + Sync + 'static,
    Receiver<u32>,
    Sender<()>,
) {
    let (arrive, arrived) = unbounded();
    let (open, opened) = unbounded::<()>();
    let task = move |number| {
        let _ = arrive.send(number);
        let _ = opened.recv();
        number
    };
    (task, arrived, open)
}

#[test]
fn a_pool_of_no_workers_is_refused() {
    let error = ThreadPool::new(0).expect_err("refused");
    assert_eq!(error.to_string(), "number of workers must be at least 1");
}

#[test]
fn the_default_size_is_the_cpus_that_may_be_used() {
    let expected = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(
        ThreadPool::with_default_size().expect("a pool").size(),
        expected
    );
}

#[test]
fn debug_shows_kind_state_and_size() {
    let pool = pool(2);
    pool.close();
    assert_eq!(
        format!("{pool:?}"),
        r#"ThreadPool(Pool { kind: "thread", phase: Closed, size: 2 })"#
    );
}

#[test]
fn a_task_knows_its_worker() {
    let pool = pool(2);
    assert_eq!(current_worker(), None);
    let worker = pool
        .apply(|()| current_worker(), ())
        .expect("a value")
        .expect("a worker");
    assert_eq!(
        worker.name,
        format!("ThreadPoolWorker-{}", worker.index + 1)
    );
    assert_eq!(worker.pid, std::process::id());
    let name = pool
        .apply(|()| std::thread::current().name().map(str::to_owned), ())
        .expect("a value");
    assert!(name.is_some_and(|name| name.starts_with("tpool-") && name.len() <= 15));
}

#[test]
fn blocking_calls_borrow_and_move_what_is_neither_static_nor_sync() {
    let pool = pool(2);
    let text = String::from("one two three");
    let total = AtomicUsize::new(0);
    let lengths = pool.map(
        |word: &str| {
            total.fetch_add(word.len(), Ordering::Relaxed);
            word.len()
        },
        text.split(' '),
    );
    assert_eq!(lengths, Ok(vec![3, 3, 5]));
    assert_eq!(total.into_inner(), 11);
    let cell = Cell::new(1);
    assert_eq!(pool.apply(|cell: Cell<i32>| cell.replace(2), cell), Ok(1));
}

#[test]
fn lent_data_comes_back_when_the_pool_is_terminated_and_not_before_its_last_task_has_left() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let touched = AtomicUsize::new(0);
    let result = std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            pool.map(
                |number| {
                    let number = task(number);
                    touched.fetch_add(1, Ordering::Relaxed);
                    number
                },
                0..4,
            )
        });
        assert_eq!(arrived.recv(), Ok(0));
        pool.terminate();
        assert!(
            !caller.is_finished(),
            "its data is still lent to the running task"
        );
        let _ = open.send(());
        caller.join().expect("no panic")
    });
    assert_eq!(result, Err(Failure::Terminated));
    assert_eq!(touched.into_inner(), 1);
}

#[test]
fn a_panic_in_a_lent_closure_is_that_calls_error_and_the_pool_goes_on() {
    let pool = pool(2);
    let limit = 3;
    let result = pool.map(
        |x: u32| if x < limit { x } else { panic!("item {x}") },
        [1, 2, 3],
    );
    match result {
        Err(Failure::Panicked(panic)) => {
            assert_eq!(panic.message, "item 3");
            assert!(
                panic
                    .location
                    .is_some_and(|place| place.contains("contract.rs"))
            );
        }
        other => panic!("expected a panic as an error, not {other:?}"),
    }
    assert_eq!(pool.apply(|x| x + limit, 1), Ok(4));
}

#[test]
fn what_is_left_of_a_batch_is_dropped_once() {
    #[derive(Clone)]
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let items = || (0..10).map(|index| (index, Counted(drops.clone())));
    let pool = pool(2);
    let fails = |(index, item): (u32, Counted)| if index == 4 { Err(index) } else { Ok(item) };
    let error = pool.try_map(fails, items()).err();
    assert_eq!(error, Some(Failure::Raised(4)));
    assert_eq!(drops.swap(0, Ordering::Relaxed), 10, "after a failure");
    drop(pool.map(|(_, item)| item, items()).expect("values"));
    assert_eq!(drops.swap(0, Ordering::Relaxed), 10, "after success");
    let (task, arrived, open) = door();
    let handle = pool
        .map_task(move |(index, item)| (task(index), item), items())
        .chunksize(1)
        .submit()
        .expect("a running pool");
    assert!(arrived.recv().is_ok());
    pool.terminate();
    drop(open);
    pool.join().expect("terminated");
    assert_eq!(handle.get().err(), Some(Failure::Terminated));
    drop(pool);
    assert_eq!(drops.load(Ordering::Relaxed), 10, "after terminate");
}

#[test]
fn terminate_resolves_open_handles_at_once_while_a_thread_runs_on() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let running = pool.apply_async(task.clone(), 0).expect("a running pool");
    let queued = pool.apply_async(task, 1).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(0));
    pool.terminate();
    assert_eq!(running.get(), Err(Failure::Terminated));
    assert_eq!(queued.get(), Err(Failure::Terminated));
    assert_eq!(
        pool.join_timeout(Duration::ZERO),
        Ok(false),
        "the function is still running"
    );
    drop(open);
    assert_eq!(pool.join(), Ok(()));
    assert!(arrived.try_recv().is_err(), "the queued task never started");
}

#[test]
fn close_terminate_and_join_may_be_repeated_in_any_order_and_from_any_thread() {
    let pool = pool(2);
    assert_eq!(pool.join(), Err(Misuse::StillRunning));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                pool.close();
                assert_eq!(pool.join(), Ok(()));
                pool.terminate();
                assert_eq!(pool.join(), Ok(()));
            });
        }
    });
    assert_eq!(pool.phase(), Phase::Joined);
    assert_eq!(
        pool.apply(|()| (), ()),
        Err(Failure::Misuse(Misuse::NotRunning))
    );
    assert_eq!(
        pool.map(|()| (), []),
        Err(Failure::Misuse(Misuse::NotRunning)),
        "also for no items"
    );
}

#[test]
fn join_inside_a_task_or_a_callback_of_the_pool_is_refused() {
    let pool = Arc::new(pool(2));
    pool.close();
    let (closed, (say, said)) = (pool.clone(), bounded(1));
    let pool = Arc::new(self::pool(2));
    let inner = pool.clone();
    let task = pool.apply(
        |()| {
            inner.close();
            (inner.join(), closed.join())
        },
        (),
    );
    assert_eq!(
        task,
        Ok((Err(Misuse::WouldDeadlock), Ok(()))),
        "another pool may be joined"
    );
    let pool = Arc::new(self::pool(1));
    let inner = pool.clone();
    let callback = move |_: &()| {
        inner.close();
        let _ = say.send(inner.join());
    };
    pool.task(|()| (), ())
        .callback(callback)
        .submit()
        .expect("a running pool")
        .get()
        .expect("a value");
    assert_eq!(said.recv(), Ok(Err(Misuse::WouldDeadlock)));
    assert_eq!(pool.join(), Ok(()));
}

#[test]
fn a_pool_dropped_by_its_own_task_is_reaped_elsewhere() {
    let pool = Arc::new(pool(1));
    let (give, given) = bounded::<Arc<ThreadPool>>(1);
    let (done, seen) = bounded(1);
    let handle = pool
        .apply_async(
            move |()| {
                drop(given.recv());
                let _ = done.send(());
            },
            (),
        )
        .expect("a running pool");
    let _ = give.send(pool);
    assert_eq!(seen.recv(), Ok(()));
    assert_eq!(handle.get(), Err(Failure::Terminated));
}

#[test]
fn callbacks_run_one_at_a_time_in_order_of_completion_before_ready_and_before_join_returns() {
    let pool = pool(4);
    let log = Arc::new(Mutex::new(Vec::new()));
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let running = Arc::new(AtomicUsize::new(0));
    for number in 0..50 {
        let (log, threads, running) = (log.clone(), threads.clone(), running.clone());
        let callback = move |value: &i32| {
            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
            threads
                .lock()
                .expect("no panic")
                .insert(std::thread::current().id());
            log.lock().expect("no panic").push(*value);
            running.fetch_sub(1, Ordering::SeqCst);
        };
        let handle = pool
            .task(|x| x, number)
            .callback(callback)
            .submit()
            .expect("a running pool");
        drop(handle);
    }
    pool.close();
    pool.join().expect("closed");
    let mut seen = log.lock().expect("no panic").clone();
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
    assert_eq!(threads.lock().expect("no panic").len(), 1);
}

#[test]
fn exactly_one_of_the_two_callbacks_runs() {
    let pool = pool(1);
    for (item, expected) in [(1, "value 1"), (0, "error task failed: zero")] {
        let (say, said) = unbounded();
        let (say_error, both) = (say.clone(), said);
        let func = |x: u32| if x > 0 { Ok(x) } else { Err("zero") };
        let handle = pool
            .try_task(func, item)
            .callback(move |value| drop(say.send(format!("value {value}"))))
            .error_callback(move |error| drop(say_error.send(format!("error {error}"))))
            .submit();
        drop(handle);
        assert_eq!(both.iter().collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn a_callback_that_panics_becomes_its_jobs_error_and_the_lane_goes_on() {
    let pool = pool(1);
    let first = pool
        .task(|x| x, 1)
        .callback(|_| panic!("in the callback"))
        .submit();
    let second = pool.task(|x| x, 2).callback(|_| ()).submit();
    let error = first.expect("a running pool").get();
    assert!(matches!(error, Err(Failure::Panicked(panic)) if panic.message == "in the callback"));
    assert_eq!(second.expect("a running pool").get(), Ok(2));
}

#[test]
fn a_callback_may_wait_for_other_jobs_of_its_pool_whose_callbacks_then_run_nested() {
    let pool = Arc::new(pool(1));
    let inner = pool.clone();
    let (say, said) = unbounded();
    let nested = say.clone();
    let handle = pool
        .task(|x| x, 1)
        .callback(move |value| {
            let value = *value;
            let nested = nested.clone();
            let other = inner
                .task(|x| x, value + 1)
                .callback(move |value| assert_eq!(nested.send(*value), Ok(())));
            let _ = say.send(
                other
                    .submit()
                    .expect("a running pool")
                    .get()
                    .expect("a value")
                    * 10,
            );
        })
        .submit()
        .expect("a running pool");
    assert_eq!(handle.get(), Ok(1));
    assert_eq!((said.recv(), said.recv()), (Ok(2), Ok(20)));
}

#[test]
fn a_time_out_neither_cancels_nor_takes_the_handle() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let mut handle = pool.apply_async(task, 7).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(7));
    assert!(!handle.ready());
    assert_eq!(handle.successful(), Err(Misuse::NotReady));
    assert_eq!(handle.get_timeout(Duration::ZERO), Err(Failure::TimedOut));
    assert_eq!(
        handle.get_timeout(Duration::from_millis(1)),
        Err(Failure::TimedOut)
    );
    assert!(!handle.wait_timeout(Duration::from_millis(1)));
    drop(open);
    assert_eq!(handle.get_ref(), Ok(&7));
    assert_eq!(handle.get_ref(), Ok(&7));
    assert_eq!(handle.successful(), Ok(true));
    assert_eq!(handle.get_timeout(Duration::ZERO), Ok(7));
    assert_eq!(
        handle.get_timeout(Duration::ZERO),
        Err(Failure::Misuse(Misuse::Taken))
    );
    assert_eq!(handle.successful(), Ok(true));
}

#[test]
fn many_threads_may_look_at_one_result() {
    let pool = pool(1);
    let (task, _arrived, open) = door();
    let handle = pool.apply_async(task, 7).expect("a running pool");
    std::thread::scope(|scope| {
        let lookers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| handle.get_ref().copied()))
            .collect();
        drop(open);
        for looker in lookers {
            assert_eq!(looker.join().expect("no panic"), Ok(7));
        }
    });
}

#[test]
fn a_dropped_handle_neither_cancels_nor_detaches() {
    let pool = pool(1);
    let (say, said) = bounded(1);
    drop(pool.apply_async(move |()| say.send(1).is_ok(), ()));
    pool.close();
    pool.join().expect("closed");
    assert_eq!(said.try_recv(), Ok(1));
}

/// A waker that tells when it is woken.
struct Told(Sender<&'static str>, &'static str);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(self.1);
    }
}

#[test]
fn a_handle_is_a_future_that_wakes_its_last_waker_and_yields_once() {
    let pool = pool(1);
    let (task, _arrived, open) = door();
    let mut handle = pin!(pool.apply_async(task, 7).expect("a running pool"));
    let (say, woken) = unbounded();
    let waker = |name| Waker::from(Arc::new(Told(say.clone(), name)));
    let (first, last) = (waker("first"), waker("last"));
    assert!(
        handle
            .as_mut()
            .poll(&mut Context::from_waker(&first))
            .is_pending()
    );
    assert!(
        handle
            .as_mut()
            .poll(&mut Context::from_waker(&last))
            .is_pending()
    );
    drop(open);
    assert_eq!(woken.recv(), Ok("last"));
    let mut context = Context::from_waker(&last);
    assert_eq!(handle.as_mut().poll(&mut context), Poll::Ready(Ok(7)));
    assert_eq!(
        handle.as_mut().poll(&mut context),
        Poll::Ready(Err(Failure::Misuse(Misuse::Taken)))
    );
    assert!(woken.try_recv().is_err(), "one wake, of the last waker");
}

#[test]
fn a_program_generic_over_pools_runs_on_threads() {
    fn program(pool: &impl Pool) -> Result<(Vec<u64>, u64, Vec<i64>), Failure> {
        let squares = pool.map(|x: u64| x * x, 0..4)?;
        let sum = pool.apply(|items: Vec<u64>| items.iter().sum(), squares.clone())?;
        let products = pool.starmap(|a: i64, b: i64| a * b, [(2, 3), (4, 5)])?;
        pool.close();
        pool.join()?;
        Ok((squares, sum, products))
    }
    assert_eq!(program(&pool(2)), Ok((vec![0, 1, 4, 9], 14, vec![6, 20])));
}

#[test]
fn a_chunk_size_of_zero_is_refused() {
    let refused = pool(1).map_task(|x: u8| x, 0..4).chunksize(0).submit();
    assert_eq!(refused.err(), Some(Misuse::ZeroChunksize));
}

#[test]
fn imap_yields_in_input_order_and_imap_unordered_as_tasks_end() {
    let pool = pool(2);
    let (task, arrived, open) = door();
    let slow_first = move |number: u32| if number == 0 { task(number) } else { number };
    let mut results = pool
        .imap_unordered(slow_first.clone(), 0..4)
        .expect("a running pool");
    assert_eq!(arrived.recv(), Ok(0));
    let others: Vec<u32> = results
        .by_ref()
        .take(3)
        .map(|end| end.expect("a value"))
        .collect();
    assert_eq!(others, [1, 2, 3]);
    assert_eq!(
        results.next_timeout(Duration::from_millis(1)),
        Some(Err(Failure::TimedOut))
    );
    assert_eq!(open.send(()), Ok(()));
    assert_eq!(
        (results.next(), results.next(), results.next()),
        (Some(Ok(0)), None, None)
    );
    let mut results = pool.imap(slow_first, 0..4).expect("a running pool");
    assert_eq!(
        results.next_timeout(Duration::from_millis(1)),
        Some(Err(Failure::TimedOut))
    );
    drop(open);
    assert_eq!(
        results.collect::<Result<Vec<u32>, _>>(),
        Ok(vec![0, 1, 2, 3])
    );
}

#[test]
fn imap_reads_an_infinite_input_no_further_than_its_read_ahead() {
    let pool = pool(2);
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let input = std::iter::repeat_with(move || counter.fetch_add(1, Ordering::SeqCst));
    let mut results = pool
        .imap_task(|x| x, input)
        .read_ahead(3)
        .ordered()
        .expect("a running pool");
    for expected in 0..10 {
        assert_eq!(results.next(), Some(Ok(expected)));
        assert!(read.load(Ordering::SeqCst) <= expected + 4);
    }
}

#[test]
fn join_reads_the_rest_of_an_imap_whose_iterator_is_half_consumed_and_loses_nothing() {
    for unordered in [false, true] {
        let pool = pool(2);
        let task = pool.imap_task(|x| x, 0..100).read_ahead(2);
        let mut results = if unordered {
            task.unordered()
        } else {
            task.ordered()
        }
        .expect("a running pool");
        let first = results.next();
        pool.close();
        pool.join().expect("closed");
        let mut seen: Vec<i32> = first
            .into_iter()
            .chain(results)
            .map(|end| end.expect("a value"))
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn an_item_that_fails_in_imap_is_an_error_at_its_place_whatever_the_chunk_size() {
    let pool = pool(2);
    for chunksize in [1, 3, 10] {
        let func = |x: i32| match x {
            2 => Err("two"),
            5 => panic!("five"),
            x => Ok(x),
        };
        let results = pool
            .try_imap_task(func, 0..8)
            .chunksize(chunksize)
            .ordered()
            .expect("a running pool");
        let seen: Vec<String> = results
            .map(|end| end.map_or_else(|failure| failure.to_string(), |x| x.to_string()))
            .map(|text| text.split(" (at").next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(
            seen,
            [
                "0",
                "1",
                "task failed: two",
                "3",
                "4",
                "task panicked: five",
                "6",
                "7"
            ]
        );
    }
}

#[test]
fn a_terminated_imap_yields_what_had_arrived_then_one_error_then_nothing() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let func = move |number: u32| if number == 1 { task(number) } else { number };
    let mut results = pool.imap(func, 0..).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(1));
    pool.terminate();
    drop(open);
    assert_eq!(results.next(), Some(Ok(0)));
    assert_eq!(results.next(), Some(Err(Failure::Terminated)));
    assert_eq!((results.next(), results.next()), (None, None));
    assert_eq!(pool.imap(|x| x, 0..1).err(), Some(Misuse::NotRunning));
}

#[test]
fn a_dropped_imap_does_not_keep_a_closed_pool_from_ending() {
    let pool = pool(1);
    let results = pool.imap(|x| x, 0..).expect("a running pool");
    pool.close();
    drop(results);
    assert_eq!(pool.join(), Ok(()));
}

#[test]
fn an_initializer_runs_once_in_each_worker_and_in_each_that_replaces_one() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let pool = ThreadPool::builder()
        .size(1)
        .initializer(move || counter.fetch_add(1, Ordering::SeqCst) * 100)
        .maxtasksperchild(NonZeroUsize::new(2).expect("not zero"))
        .build()
        .expect("a pool");
    let count = |()| worker_state(|state: &mut usize| std::mem::replace(state, *state + 1));
    let seen: Vec<_> = (0..5)
        .map(|_| pool.apply(count, ()).expect("a value"))
        .collect();
    assert_eq!(seen, [Some(0), Some(1), Some(100), Some(101), Some(200)]);
    pool.close();
    pool.join().expect("closed");
    assert_eq!(made.load(Ordering::SeqCst), 3);
}

#[test]
fn all_results_of_workers_with_a_share_arrive_also_when_the_pool_is_closed_early() {
    let pool = ThreadPool::builder()
        .size(2)
        .maxtasksperchild(NonZeroUsize::MIN)
        .build()
        .expect("a pool");
    let handle = pool
        .map_task(|x| (x, current_worker()), 0..20)
        .chunksize(1)
        .submit()
        .expect("a running pool");
    pool.close();
    pool.join().expect("closed");
    let results = handle.get().expect("values");
    let names: HashSet<String> = results
        .iter()
        .flat_map(|(_, worker)| worker)
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(
        results.iter().map(|(x, _)| *x).collect::<Vec<_>>(),
        (0..20).collect::<Vec<_>>()
    );
    assert_eq!(names.len(), 20, "each task had a worker of its own");
}

#[test]
fn nobody_is_started_for_a_pool_that_has_nothing_left_to_do() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let (task, arrived, open) = door();
    let pool = ThreadPool::builder()
        .size(1)
        .initializer(move || counter.fetch_add(1, Ordering::SeqCst))
        .maxtasksperchild(NonZeroUsize::MIN)
        .build()
        .expect("a pool");
    let last = pool.apply_async(task, 7).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(7));
    pool.close();
    drop(open);
    pool.join().expect("closed");
    assert_eq!(last.get().expect("a value"), 7);
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[test]
fn a_worker_that_cannot_start_at_once_tries_again_for_what_a_closed_pool_has() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = tries.clone();
    let (closed, waits) = unbounded::<()>();
    let pool = ThreadPool::builder()
        .size(1)
        .try_initializer(move || {
            // Until the pool has been closed, the first one has not failed.
            let _ = waits.recv();
            match counter.fetch_add(1, Ordering::SeqCst) {
                0 => Err("not yet"),
                _ => Ok(()),
            }
        })
        .build()
        .expect("a pool");
    let value = pool.apply_async(|x: u32| x + 1, 1).expect("a running pool");
    pool.close();
    drop(closed);
    assert_eq!(value.get().expect("a value"), 2);
    pool.join().expect("closed");
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}

#[test]
fn an_initializer_that_fails_every_time_fails_what_is_queued_with_its_own_words() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = tries.clone();
    let pool = ThreadPool::builder()
        .size(2)
        .try_initializer(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>("no licence")
        })
        .build()
        .expect("a pool");
    let error = pool.apply(|()| (), ()).expect_err("no worker");
    assert!(error.to_string().contains("no licence"), "{error}");
    let error = pool.apply(|()| (), ()).expect_err("still none");
    assert!(matches!(error, Failure::WorkerLost(_)));
    pool.close();
    assert_eq!(pool.join(), Ok(()));
    assert!(
        tries.load(Ordering::SeqCst) <= 10,
        "a bounded number of tries"
    );
}

#[test]
fn a_scopes_tasks_borrow_and_are_gone_when_it_returns_or_unwinds() {
    let pool = pool(2);
    let mut numbers = vec![1, 2, 3];
    let count = AtomicUsize::new(0);
    let sum = pool.scope(|scope| {
        for number in &mut numbers {
            let count = &count;
            let task = move |by| {
                *number *= by;
                count.fetch_add(1, Ordering::SeqCst);
            };
            drop(scope.apply_async(task, 10));
        }
        scope.apply_async(|()| 7, ()).map(|handle| handle.get())
    });
    assert_eq!(sum, Ok(Ok(7)));
    assert_eq!(
        (numbers, count.load(Ordering::SeqCst)),
        (vec![10, 20, 30], 3)
    );
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.scope(|scope| {
            for _ in 0..5 {
                drop(scope.apply_async(|by| count.fetch_add(by, Ordering::SeqCst), 1));
            }
            panic!("in the body");
        })
    }));
    assert!(unwound.is_err());
    assert_eq!(
        count.load(Ordering::SeqCst),
        8,
        "all five have run before the scope unwound"
    );
}

#[test]
fn a_terminated_pools_scope_takes_back_what_never_ran_and_waits_for_what_runs() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let (touched, dropped) = (AtomicUsize::new(0), Arc::new(()));
    let results = pool.scope(|scope| {
        let first = scope.apply_async(
            |number| touched.fetch_add(task(number) as usize, Ordering::SeqCst),
            1,
        );
        let witness = dropped.clone();
        let never = scope.apply_async(move |()| drop(witness), ());
        assert_eq!(arrived.recv(), Ok(1));
        pool.terminate();
        let results = (
            first.expect("a running pool").get(),
            never.expect("a running pool").get(),
        );
        assert_eq!(touched.load(Ordering::SeqCst), 0, "it is still running");
        drop(open);
        results
    });
    assert_eq!(
        results,
        (Err(Failure::Terminated), Err(Failure::Terminated))
    );
    assert_eq!(
        touched.load(Ordering::SeqCst),
        1,
        "the scope has waited for it"
    );
    assert_eq!(
        Arc::strong_count(&dropped),
        1,
        "the closure that never ran is gone"
    );
}

#[test]
fn tasks_that_wait_for_their_own_pool_never_starve_it() {
    fn depth(pool: &ThreadPool, levels: u32) -> u32 {
        match levels {
            0 => 0,
            _ => {
                1 + pool
                    .apply(|levels| depth(pool, levels), levels - 1)
                    .expect("a value")
            }
        }
    }
    let pool = pool(1);
    assert_eq!(depth(&pool, 20), 20);
    let sums = pool.map(
        |x: u32| pool.map(|y| x * y, 0..4).map(|row| row.iter().sum()),
        0..4,
    );
    let sums: Result<Vec<u32>, _> = sums.expect("values").into_iter().collect();
    assert_eq!(sums, Ok(vec![0, 6, 12, 18]));
    pool.close();
    assert_eq!(pool.join(), Ok(()));
}

#[test]
fn a_call_that_cannot_lend_its_place_is_refused_before_anything_is_lent() {
    fn depth(pool: &ThreadPool, levels: u32) -> Result<u32, Failure> {
        let Some(below) = levels.checked_sub(1) else {
            return Ok(0);
        };
        // Borrowed by the task: were the call to return before it, the task would find nothing there.
        let lent = vec![below; 100];
        pool.apply(|()| depth(pool, lent[99]), ())?
            .map(|depth| depth + 1)
    }
    let pool = pool(1);
    assert_eq!(depth(&pool, 50), Ok(50));
    // More threads in the place of blocked ones than there may be.
    assert_eq!(
        depth(&pool, 1_100),
        Err(Failure::Misuse(Misuse::WouldDeadlock))
    );
    assert_eq!(depth(&pool, 3), Ok(3));
    let tally = pool.stats().tally;
    assert_eq!(tally.submitted, tally.ended);
}

#[test]
fn while_a_worker_waits_for_its_pool_starts_stay_first_in_first_out() {
    let pool = pool(1);
    let order = Mutex::new(Vec::new());
    let note = |name: &'static str| order.lock().expect("no panic").push(name);
    let (queued, go) = bounded::<()>(1);
    pool.scope(|scope| {
        let outer = scope.apply_async(
            |()| {
                note("outer");
                let _ = go.recv();
                pool.apply(|()| note("inner"), ())
            },
            (),
        );
        let second = scope.apply_async(|()| note("second"), ());
        assert_eq!(queued.send(()), Ok(()));
        assert_eq!(outer.expect("a running pool").get(), Ok(Ok(())));
        assert_eq!(second.expect("a running pool").get(), Ok(()));
    });
    assert_eq!(
        order.into_inner().expect("no panic"),
        ["outer", "second", "inner"]
    );
}
