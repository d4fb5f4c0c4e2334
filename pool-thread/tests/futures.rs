//! Pools in asynchronous programs: handles are awaited, streams polled, futures dropped, and wakers panic.

mod common;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use common::waker_that;
use crossbeam_channel::{Receiver, Sender, unbounded};
use futures_core::Stream;
use pool_thread::{AsyncResult, Imap, Pool, PoolError, TaskError, ThreadPool};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Runs a future on a runtime that has the calling thread alone.
fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

fn pool(size: usize) -> ThreadPool {
    let builder = ThreadPool::builder().size(size).warn_on_drop(false);
    builder.build().expect("a pool")
}

/// A task that waits at a door, the note that it has come there, and the door.
fn door() -> (
    impl FnOnce(u32) -> u32 + Send + 'static,
    Receiver<()>,
    Sender<()>,
) {
    let (arrive, arrived) = unbounded();
    let (open, opened) = unbounded::<()>();
    let task = move |number| {
        let _ = arrive.send(());
        let _ = opened.recv();
        number
    };
    (task, arrived, open)
}

async fn next<R: Send + 'static>(stream: &mut Imap<R>) -> Option<Result<R, TaskError>> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

#[test]
fn a_join_is_awaited_and_refused_as_the_blocking_one() -> Outcome {
    on_one_thread(async {
        let pool = pool(2);
        assert_eq!(pool.join_async().await, Err(PoolError::StillRunning));
        let (task, arrived, open) = door();
        let handle = pool.apply_async(task, 7)?;
        pool.close();
        let mut join = pin!(pool.join_async());
        arrived.recv()?;
        let once = poll_fn(|cx| Poll::Ready(join.as_mut().poll(cx))).await;
        assert!(once.is_pending(), "the task still runs");
        open.send(())?;
        join.await?;
        assert_eq!(handle.get()?, 7);
        assert_eq!(pool.join_async().await, Ok(()));
        Ok(())
    })
}

#[test]
fn a_join_polled_inside_its_own_pool_is_refused() -> Outcome {
    let pool = Arc::new(pool(1));
    let inner = pool.clone();
    let (open, opened) = unbounded::<()>();
    let handle = pool.apply_async(
        move |()| {
            let _ = opened.recv();
            let mut join = pin!(inner.join_async());
            join.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        },
        (),
    )?;
    pool.close();
    open.send(())?;
    assert_eq!(handle.get()?, Poll::Ready(Err(PoolError::WouldDeadlock)));
    Ok(())
}

#[test]
fn an_imap_is_a_stream_in_either_order() -> Outcome {
    on_one_thread(async {
        let pool = pool(2);
        let mut squares = pool.imap(|x: u64| x * x, 0..)?;
        for x in 0..20 {
            assert_eq!(next(&mut squares).await, Some(Ok(x * x)));
        }
        drop(squares);
        let mut squares = pool
            .each(|x: u64| x * x, 0..50)
            .chunksize(3)
            .imap_unordered()?;
        let mut seen = Vec::new();
        while let Some(square) = next(&mut squares).await {
            seen.push(square?);
        }
        assert_eq!(next(&mut squares).await, None, "the end repeats");
        seen.sort_unstable();
        assert_eq!(seen, (0..50).map(|x| x * x).collect::<Vec<_>>());
        Ok(())
    })
}

#[test]
fn a_stream_wakes_its_reader_when_a_result_comes_and_not_before() -> Outcome {
    for unordered in [false, true] {
        let pool = pool(1);
        let (task, arrived, open) = door();
        let task = Mutex::new(Some(task));
        let once = move |x| task.lock().expect("whole").take().map(|task| task(x));
        let submission = pool.each(once, [4]);
        let mut results = if unordered {
            submission.imap_unordered()?
        } else {
            submission.imap()?
        };
        let (waker, woken) = bell();
        let mut cx = Context::from_waker(&waker);
        arrived.recv()?;
        assert!(Pin::new(&mut results).poll_next(&mut cx).is_pending());
        assert!(woken.try_recv().is_err());
        open.send(())?;
        woken.recv()?;
        let polled = Pin::new(&mut results).poll_next(&mut cx);
        assert_eq!(polled, Poll::Ready(Some(Ok(Some(4)))));
        // What began as a stream may go on as an iterator.
        assert_eq!(results.next(), None);
    }
    Ok(())
}

#[test]
fn a_terminated_pools_stream_ends_with_one_error() -> Outcome {
    on_one_thread(async {
        let pool = pool(1);
        let (task, arrived, open) = door();
        let blocker = pool.apply_async(task, 1)?;
        let mut results = pool.imap(|x: u64| x, 0..)?;
        arrived.recv()?;
        pool.terminate();
        assert_eq!(next(&mut results).await, Some(Err(TaskError::Terminated)));
        assert_eq!(next(&mut results).await, None);
        open.send(())?;
        assert_eq!(blocker.get(), Err(TaskError::Terminated));
        Ok(())
    })
}

#[test]
fn a_pool_dropped_on_the_only_thread_of_a_runtime_resolves_what_others_await() -> Outcome {
    on_one_thread(async {
        let pool = pool(1);
        let (task, arrived, open) = door();
        let running = tokio::spawn(pool.apply_async(task, 1)?);
        let queued = tokio::spawn(pool.map_async(|x: u32| x, 0..100)?);
        let stream = pool.imap(|x: u32| x, 0..)?;
        let streamed = tokio::spawn(async move {
            let mut stream = stream;
            let mut all = Vec::new();
            while let Some(result) = next(&mut stream).await {
                all.push(result);
            }
            all
        });
        // All of them wait by now.
        tokio::task::yield_now().await;
        arrived.recv()?;
        open.send(())?;
        drop(pool);
        assert!(matches!(running.await?, Ok(1) | Err(TaskError::Terminated)));
        // The worker may have come to some of it between the door and the drop.
        assert!(matches!(queued.await?, Ok(_) | Err(TaskError::Terminated)));
        let all = streamed.await?;
        assert_eq!(all.last(), Some(&Err(TaskError::Terminated)));
        Ok(())
    })
}

#[test]
fn a_detached_pool_has_its_work_done_its_callbacks_called_and_its_imaps_read() -> Outcome {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let (told, heard) = unbounded();
    let first = pool
        .call(task, 1)
        .callback(move |value| told.send(*value).unwrap_or_default());
    let first = first.submit()?;
    let handles: Result<Vec<AsyncResult<u32>>, PoolError> = (0..10)
        .map(|number| pool.apply_async(|x: u32| x + 1, number))
        .collect();
    let results = pool.imap(|x: u32| x, 0..100)?;
    arrived.recv()?;
    pool.detach();
    open.send(())?;
    assert_eq!((first.get()?, heard.recv()?), (1, 1));
    for (number, handle) in (0..).zip(handles?) {
        assert_eq!(handle.get()?, number + 1);
    }
    assert_eq!(results.flatten().sum::<u32>(), 4950);
    Ok(())
}

#[test]
fn a_pool_may_be_detached_by_its_own_task() -> Outcome {
    let pool = pool(1);
    let (hand, handed) = unbounded::<ThreadPool>();
    let first = pool.apply_async(move |()| handed.recv().map(ThreadPool::detach).is_ok(), ())?;
    let second = pool.apply_async(|x: u32| x, 2)?;
    hand.send(pool).map_err(|_| "nobody took it")?;
    assert_eq!((first.get()?, second.get()?), (true, 2));
    Ok(())
}

/// Tells of each wake.
struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

fn bell() -> (Waker, Receiver<()>) {
    let (sender, receiver) = unbounded();
    (Waker::from(Arc::new(Bell(sender))), receiver)
}

/// Polls a handle once, with a waker that does this.
fn poll_with<T>(handle: &mut AsyncResult<T>, act: impl FnOnce() + Send + 'static) {
    let waker = waker_that(act);
    let polled = Pin::new(handle).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
}

#[test]
fn a_waker_that_panics_harms_neither_its_task_nor_the_worker() -> Outcome {
    let pool = ThreadPool::builder().size(1).panic_hook(false).build()?;
    let (task, arrived, open) = door();
    let mut handle = pool.apply_async(task, 5)?;
    arrived.recv()?;
    poll_with(&mut handle, || panic!("in the waker"));
    open.send(())?;
    assert_eq!(handle.get()?, 5);
    assert_eq!(pool.apply(|x: u32| x, 6)?, 6);
    let (task, arrived, open) = door();
    let task = Mutex::new(Some(task));
    let once = move |x| task.lock().expect("whole").take().map(|task| task(x));
    let mut results = pool.imap_unordered(once, [7])?;
    arrived.recv()?;
    let waker = waker_that(|| panic!("in the waker"));
    let polled = Pin::new(&mut results).poll_next(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    open.send(())?;
    assert_eq!(results.next(), Some(Ok(Some(7))));
    pool.close();
    pool.join()?;
    Ok(())
}

#[test]
fn a_waker_may_call_the_pool_and_may_be_the_one_who_drops_it() -> Outcome {
    let pool = Arc::new(pool(1));
    let (task, arrived, open) = door();
    let mut handle = pool.apply_async(task, 5)?;
    arrived.recv()?;
    let (told, heard) = unbounded();
    let inner = pool.clone();
    poll_with(&mut handle, move || {
        let again = inner.apply_async(|x: u32| x + 1, 1);
        let joined = inner.join_timeout(std::time::Duration::ZERO);
        let _ = told.send((again, joined, inner.stats().tasks.submitted));
    });
    open.send(())?;
    let (again, joined, submitted) = heard.recv()?;
    assert_eq!((handle.get()?, again?.get()?), (5, 2));
    assert_eq!((joined, submitted), (Err(PoolError::StillRunning), 2));

    let (task, arrived, open) = door();
    let mut handle = pool.apply_async(task, 6)?;
    arrived.recv()?;
    let (told, heard) = unbounded();
    poll_with(&mut handle, move || {
        drop(pool);
        let _ = told.send(());
    });
    open.send(())?;
    heard.recv()?;
    assert_eq!(handle.get()?, 6);
    Ok(())
}
