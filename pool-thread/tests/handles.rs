//! The handle of a job: to wait, to look, to let go, to await.

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{door, pool};
use crossbeam_channel::{Sender, bounded, unbounded};
use pool_thread::{Pool, PoolError, TaskError, TimedOut};

#[test]
fn a_time_out_neither_cancels_nor_takes_the_handle() {
    let pool = pool(1);
    let (task, arrived, open) = door();
    let mut handle = pool.apply_async(task, 7).expect("a running pool");
    assert_eq!(arrived.recv(), Ok(7));
    assert!(!handle.ready());
    assert_eq!(handle.successful(), Err(PoolError::NotReady));
    assert_eq!(handle.get_timeout(Duration::ZERO), Err(TimedOut));
    assert_eq!(handle.get_timeout(Duration::from_millis(1)), Err(TimedOut));
    assert!(!handle.wait_timeout(Duration::from_millis(1)));
    drop(open);
    assert_eq!(handle.get_ref(), Ok(&7));
    assert_eq!(handle.get_ref(), Ok(&7));
    assert_eq!(handle.successful(), Ok(true));
    assert_eq!(handle.get_timeout(Duration::ZERO), Ok(Ok(7)));
    assert_eq!(
        handle.get_timeout(Duration::ZERO),
        Ok(Err(TaskError::Pool(PoolError::Taken)))
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
        Poll::Ready(Err(TaskError::Pool(PoolError::Taken)))
    );
    assert!(woken.try_recv().is_err(), "one wake, of the last waker");
}
