//! What several test programs need. Everything in them waits on an event; no test measures time.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use crossbeam_channel::{Receiver, Sender, unbounded};
use pool_thread::ThreadPool;

/// A pool of so many workers, whose drop is silent.
pub(crate) fn pool(size: usize) -> ThreadPool {
    ThreadPool::builder()
        .size(size)
        .warn_on_drop(false)
        .build()
        .expect("a pool")
}

/// A door that a task waits at, and the note that it has come there.
pub(crate) fn door() -> (
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

/// Does something when woken.
struct Does(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Does {
    fn wake(self: Arc<Self>) {
        let act = self.0.lock().expect("whole").take();
        if let Some(act) = act {
            act();
        }
    }
}

/// A waker that does this, once.
pub(crate) fn waker_that(act: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Does(Mutex::new(Some(Box::new(act))))))
}
