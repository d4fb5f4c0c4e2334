//! Reentrancy: the pool calls the user's code under no lock of its own, so that code may call any method of the pool. It gets an
//! answer or an error, and never hangs.

mod common;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use common::waker_that;
use crossbeam_channel::{Receiver, Sender, unbounded};
use futures_core::Stream;
use pool_core::Timers;
use pool_core::backend::{Alarm, TimeSource};
use pool_thread::{AsyncResult, Imap, Pool, PoolError, TaskError, ThreadPool};

/// So long that it is a hang.
const LONG: Duration = Duration::from_secs(60);

/// Does it on another thread, to notice where it never ends.
fn ends<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = unbounded();
    let runs = thread::spawn(move || {
        let _ = tell.send(what());
    });
    match told.recv_timeout(LONG) {
        Ok(value) => value,
        Err(_) if runs.is_finished() => panic!("it panicked"),
        Err(_) => panic!("it hangs"),
    }
}

fn pool(size: usize) -> ThreadPool {
    let builder = ThreadPool::builder().size(size).warn_on_drop(false);
    builder.build().expect("a pool")
}

/// Calls this when it is dropped.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    fn new(act: F) -> Self {
        OnDrop(Some(act))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}

/// A door that a task waits at, and its key.
fn door() -> (Sender<()>, Receiver<()>) {
    unbounded()
}

#[test]
fn a_scopes_task_submits_further_ones_while_the_scope_waits_for_it() {
    let sum = ends(|| {
        let pool = pool(1);
        let sum = Mutex::new(0);
        let there = &sum;
        // On the only worker, so that nothing begins before the scope's end waits and lends the place.
        let ended = pool.apply(
            |()| {
                pool.scope(|scope| {
                    let add = move |x: u32| *there.lock().expect("whole") += x;
                    let outer = move |()| {
                        for x in 1..=3 {
                            let _inner = scope.apply_async(add, x).expect("accepted");
                        }
                    };
                    let _outer = scope.apply_async(outer, ()).expect("accepted");
                });
            },
            (),
        );
        assert_eq!(ended, Ok(()));
        sum.into_inner().expect("whole")
    });
    assert_eq!(sum, 6);
}

#[test]
fn an_error_of_a_lent_map_that_nobody_gets_is_dropped_while_other_chunks_fail() {
    let failed = ends(|| {
        let pool = pool(2);
        let (third_begins, third_began) = door();
        let (drop_begins, drop_began) = door();
        let (third_goes, third_has_gone) = door();
        let chunk = |x: u32| {
            let act: Box<dyn FnOnce() + Send> = match x {
                0 => Box::new(|| ()),
                1 => {
                    // By then the first error is kept, so this one is not.
                    let _ = third_began.recv();
                    let (begins, has_gone) = (drop_begins.clone(), third_has_gone.clone());
                    Box::new(move || {
                        let _ = begins.send(());
                        let _ = has_gone.recv();
                    })
                }
                _ => {
                    let _ = third_begins.send(());
                    let _ = drop_began.recv();
                    let goes = third_goes.clone();
                    Box::new(move || goes.send(()).expect("one waits"))
                }
            };
            Err::<(), _>(OnDrop::new(act))
        };
        pool.try_map(chunk, 0..3).is_err()
    });
    assert!(failed);
}

#[test]
fn an_input_that_joins_its_pool_is_refused_and_one_that_drops_it_is_not_waited_for() {
    let (joined, items) = ends(|| {
        let pool = Arc::new(pool(1));
        let inner = pool.clone();
        let (tell, told) = unbounded();
        let input = (0..3).inspect(move |_| {
            inner.close();
            let _ = tell.send(inner.join());
        });
        let items: Vec<u32> = pool
            .imap(|x: u32| x, input)
            .expect("running")
            .flatten()
            .collect();
        pool.join().expect("closed");
        (told.try_iter().collect::<Vec<_>>(), items)
    });
    assert_eq!(
        (joined, items),
        (vec![Err(PoolError::WouldDeadlock); 3], vec![0, 1, 2])
    );

    let end = ends(|| {
        let (hand, handed) = unbounded::<ThreadPool>();
        let mut held = Some(pool(1));
        let input = (0..).inspect(move |_: &u32| drop(handed.try_recv()));
        let mut items = held
            .as_ref()
            .map(|pool| pool.each(|x: u32| x, input).read_ahead(1).imap())
            .expect("it is there")
            .expect("running");
        assert_eq!(items.next(), Some(Ok(0)));
        hand.send(held.take().expect("it is there"))
            .expect("it is read");
        (items.by_ref().last(), items.next())
    });
    assert_eq!(end, (Some(Err(TaskError::Terminated)), None));
}

#[test]
fn an_input_that_asks_for_its_own_results_is_refused_where_it_would_wait_and_loses_nothing() {
    for unordered in [false, true] {
        let (asked, rest) = ends(move || {
            let pool = pool(1);
            let slot: Arc<Mutex<Option<Imap<u32>>>> = Arc::default();
            let inside = slot.clone();
            let (tell, told) = unbounded();
            let input = (0..3).inspect(move |x: &u32| {
                let mut slot = inside.lock().expect("whole");
                if let (1, Some(results)) = (*x, &mut *slot) {
                    let _ = tell.send((results.next(), results.next()));
                }
            });
            let submission = pool.each(|x: u32| x, input).read_ahead(1);
            let results = if unordered {
                submission.imap_unordered()
            } else {
                submission.imap()
            };
            *slot.lock().expect("whole") = Some(results.expect("running"));
            pool.close();
            pool.join().expect("closed");
            let results = slot.lock().expect("whole").take().expect("it is there");
            (told.recv(), results.collect::<Vec<_>>())
        });
        let refused = Some(Err(TaskError::Pool(PoolError::WouldDeadlock)));
        assert_eq!(asked, Ok((Some(Ok(0)), refused)));
        assert_eq!(rest, [Ok(1), Ok(2)]);
    }
}

/// A stream that its wakers themselves read on.
struct ReadInPlace {
    results: Mutex<Imap<u32>>,
    /// How often it was asked for since somebody began to read.
    wanted: AtomicUsize,
    seen: AtomicUsize,
    finish: Sender<()>,
}

impl ReadInPlace {
    fn read(self: &Arc<Self>) {
        if self.wanted.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let mut served = 1;
        loop {
            self.take_what_is_there();
            match self.wanted.fetch_sub(served, Ordering::AcqRel) - served {
                0 => return,
                more => served = more,
            }
        }
    }

    fn take_what_is_there(self: &Arc<Self>) {
        let this = self.clone();
        let waker = waker_that(move || this.read());
        let mut stream = self.results.lock().expect("whole");
        while let Poll::Ready(next) =
            Pin::new(&mut *stream).poll_next(&mut Context::from_waker(&waker))
        {
            if next.is_none() {
                let _ = self.finish.send(());
                return;
            }
            self.seen.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_waker_that_polls_in_place_may_be_woken_by_whoever_reads_the_input() {
    let seen = ends(|| {
        let pool = pool(2);
        // Chunks that `join` sends may have ended before they can tell whom to wake.
        let results = pool
            .each(|x: u32| x, 0..2_000)
            .read_ahead(1)
            .imap_unordered();
        let (finish, finished) = unbounded();
        let reader = Arc::new(ReadInPlace {
            results: Mutex::new(results.expect("running")),
            wanted: AtomicUsize::new(0),
            seen: AtomicUsize::new(0),
            finish,
        });
        reader.read();
        pool.close();
        pool.join().expect("closed");
        finished.recv().expect("told");
        reader.seen.load(Ordering::Relaxed)
    });
    assert_eq!(seen, 2_000);
}

#[test]
fn a_value_that_is_dropped_where_callbacks_run_may_hold_the_pool_or_wait_for_it() {
    ends(|| {
        let pool = Arc::new(pool(1));
        let (tell, told) = unbounded();
        let (open, opened) = door();
        let held = pool.clone();
        let task = move |()| {
            let _ = opened.recv();
            OnDrop::new(move || {
                held.terminate();
                let _ = tell.send((held.join(), thread::current().name().map(str::to_owned)));
                // The last one.
                drop(held);
            })
        };
        // The worker lets go of the job when it begins another: after that the callbacks is the last who holds it.
        let (begin, begun) = door();
        let submission = pool
            .call(task, ())
            .callback(move |_| begun.recv().unwrap_or_default());
        drop(submission.submit().expect("running"));
        drop(
            pool.apply_async(move |()| begin.send(()).is_ok(), ())
                .expect("running"),
        );
        drop(pool);
        open.send(()).expect("it waits");
        let callbacks = Some("pool-callbacks".to_owned());
        assert_eq!(told.recv(), Ok((Err(PoolError::WouldDeadlock), callbacks)));
    });
}

#[test]
fn a_waker_that_is_called_where_callbacks_run_may_drop_the_pool_and_wait_for_its_jobs() {
    ends(|| {
        let pool = pool(1);
        let (open, opened) = door();
        let task = move |x: u32| {
            let _ = opened.recv();
            x
        };
        let mut first = pool
            .call(task, 1)
            .callback(|_| ())
            .submit()
            .expect("running");
        // Its callback is due behind the first one's, on the same thread.
        let second = pool
            .call(|x: u32| x, 2)
            .callback(|_| ())
            .submit()
            .expect("running");
        let (tell, told) = unbounded();
        let waker = waker_that(move || {
            let second: Result<u32, TaskError> = second.get();
            drop(pool);
            let _ = tell.send(second);
        });
        let polled = Pin::new(&mut first).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        open.send(()).expect("it waits");
        assert_eq!(told.recv(), Ok(Ok(2)));
        assert_eq!(AsyncResult::get(first), Ok(1));
    });
}

/// A clock that stands still.
struct Still;

impl TimeSource for Still {
    fn arm(&self, _: Duration, _: Alarm) -> u64 {
        0
    }

    fn disarm(&self, _: u64) {}
}

#[test]
fn a_worker_that_rests_after_a_failed_start_is_woken_by_the_end_of_its_pool() {
    let by_close = |pool: ThreadPool| {
        pool.close();
        pool.join().expect("closed");
    };
    let by_terminate = |pool: ThreadPool| {
        pool.terminate();
        pool.join().expect("terminated");
    };
    for end in [by_close, by_terminate, drop] {
        let (fail, failed) = unbounded();
        let initializer = move || {
            let _ = fail.send(());
            Err::<(), _>("not today")
        };
        let pool = ThreadPool::builder()
            .size(2)
            .timers(Timers::bound(Arc::new(Still)))
            .try_initializer(initializer)
            .build()
            .expect("a pool");
        for _ in 0..2 {
            failed.recv().expect("it is tried");
        }
        ends(move || end(pool));
        assert_eq!(
            failed.len(),
            0,
            "nobody tries again for a pool that has ended"
        );
    }
}

#[test]
fn the_last_task_of_a_closed_pool_wakes_workers_that_rest() {
    ends(|| {
        let (fail, failed) = unbounded();
        let first = AtomicUsize::new(0);
        let initializer = move || match first.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(()),
            _ => {
                let _ = fail.send(());
                Err("one is enough")
            }
        };
        let pool = ThreadPool::builder()
            .size(2)
            .timers(Timers::bound(Arc::new(Still)))
            .try_initializer(initializer)
            .build()
            .expect("a pool");
        failed.recv().expect("it is tried");
        let (open, opened) = door();
        let running = pool
            .apply_async(move |()| opened.recv().is_ok(), ())
            .expect("running");
        let queued = pool.apply_async(|x: u32| x, 1).expect("running");
        pool.close();
        open.send(()).expect("it waits");
        assert_eq!((running.get(), queued.get()), (Ok(true), Ok(1)));
        pool.join().expect("closed");
    });
}
