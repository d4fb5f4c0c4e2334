//! A wait that would deadlock is refused: for a handle in its own callback, for a handle or an `imap` in its own task.

mod common;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::pool;
use crossbeam_channel::unbounded;
use futures_core::Stream;
use pool_thread::{AsyncResult, Imap, PoolError, TaskError};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// So long that it is a hang.
const LONG: Duration = Duration::from_secs(60);

/// Runs a future on a runtime that has the calling thread alone.
fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

async fn next<R: Send + 'static>(stream: &mut Imap<R>) -> Option<Result<R, TaskError>> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

/// A handle that waits for somebody to poll it.
type Hidden = Arc<Mutex<Option<AsyncResult<u32>>>>;

fn poll_once(handle: &Hidden) -> Poll<Result<u32, TaskError>> {
    let mut handle = handle.lock().expect("whole");
    let handle = handle.as_mut().expect("it was put there");
    Pin::new(handle).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_handle_awaited_in_its_own_callback_is_refused_and_keeps_its_value() -> Outcome {
    let pool = pool(1);
    let hidden = Hidden::default();
    let (open, opened) = unbounded::<()>();
    let (tell, told) = unbounded();
    let inside = hidden.clone();
    let submission = pool.call(|x: u32| x, 7).callback(move |_| {
        let _ = opened.recv();
        let mut handle = inside
            .lock()
            .expect("whole")
            .take()
            .expect("it was put there");
        // As a branch beside others, and as all there is to wait for.
        let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
        let awaited = on_one_thread(&mut handle);
        *inside.lock().expect("whole") = Some(handle);
        let _ = tell.send((polled, awaited));
    });
    let handle = submission.submit()?;
    *hidden.lock().expect("whole") = Some(handle);
    open.send(())?;
    let refused = Err(TaskError::Pool(PoolError::WouldDeadlock));
    assert_eq!(told.recv()?, (Poll::Ready(refused.clone()), refused));
    let handle = hidden
        .lock()
        .expect("whole")
        .take()
        .expect("it was put back");
    assert_eq!(on_one_thread(handle), Ok(7));
    Ok(())
}

#[test]
fn a_handle_is_refused_in_its_own_task_and_not_in_another() -> Outcome {
    let pool = pool(2);
    let hidden = Hidden::default();
    let (open, opened) = unbounded::<()>();
    let (tell, told) = unbounded();
    let inside = hidden.clone();
    let handle = pool.apply_async(
        move |x: u32| {
            let _ = opened.recv();
            let polled = poll_once(&inside);
            let mut handle = inside
                .lock()
                .expect("whole")
                .take()
                .expect("it was put there");
            let got = handle.get_timeout(LONG);
            let waited = handle.wait_timeout(LONG);
            handle.wait();
            *inside.lock().expect("whole") = Some(handle);
            let _ = tell.send((polled, got, waited));
            let _ = opened.recv();
            x
        },
        7,
    )?;
    *hidden.lock().expect("whole") = Some(handle);
    open.send(())?;
    let refused = Err(TaskError::Pool(PoolError::WouldDeadlock));
    assert_eq!(
        told.recv()?,
        (Poll::Ready(refused.clone()), Ok(refused), false)
    );
    let outside = hidden.clone();
    assert_eq!(
        pool.apply(move |()| poll_once(&outside), ())?,
        Poll::Pending
    );
    open.send(())?;
    let handle = hidden
        .lock()
        .expect("whole")
        .take()
        .expect("it was put back");
    assert_eq!(handle.get()?, 7);
    Ok(())
}

#[test]
fn a_map_that_one_of_its_tasks_waits_for_is_refused_there() -> Outcome {
    let pool = pool(2);
    let (hand, handed) = unbounded::<AsyncResult<Vec<bool>>>();
    let refused = move |x: u32| {
        x == 2
            && handed.recv().is_ok_and(|map| {
                let end = map.get();
                matches!(end, Err(TaskError::Pool(PoolError::WouldDeadlock)))
            })
    };
    let (told, all) = unbounded();
    let map = pool
        .each(refused, 0..4)
        .callback(move |seen| drop(told.send(seen.clone())));
    hand.send(map.submit()?)?;
    assert_eq!(all.recv()?, [false, false, true, false]);
    Ok(())
}

#[test]
fn an_imap_that_its_only_chunk_waits_for_is_refused_there() -> Outcome {
    for (unordered, as_stream) in [(false, false), (false, true), (true, false), (true, true)] {
        let pool = pool(1);
        let (hand, handed) = unbounded::<Imap<u32>>();
        let (tell, told) = unbounded();
        let task = move |x: u32| {
            if x == 0 {
                let mut results = handed.recv().expect("handed");
                let first = if as_stream {
                    on_one_thread(next(&mut results))
                } else {
                    results.next()
                };
                let _ = tell.send((first, results));
            }
            x
        };
        let submission = pool.each(task, 0..3).read_ahead(1);
        let results = if unordered {
            submission.imap_unordered()?
        } else {
            submission.imap()?
        };
        hand.send(results).map_err(|_| "nobody took it")?;
        let (first, rest) = told.recv()?;
        assert_eq!(first, Some(Err(TaskError::Pool(PoolError::WouldDeadlock))));
        // The others come.
        assert_eq!(rest.collect::<Result<Vec<_>, _>>()?, [1, 2]);
    }
    Ok(())
}
