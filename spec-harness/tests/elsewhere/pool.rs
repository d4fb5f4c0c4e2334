//! A pool as somebody else might have one: threads that take closures from a queue.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

type Work = Box<dyn FnOnce() + Send>;

/// A few threads and a queue.
#[derive(Default)]
pub struct TinyPool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    closed: bool,
}

impl TinyPool {
    pub fn new(size: usize) -> TinyPool {
        let pool = TinyPool::default();
        for _ in 0..size {
            let shared = pool.shared.clone();
            lock(&pool.threads).push(thread::spawn(move || shared.work()));
        }
        pool
    }

    /// False when the pool was closed.
    pub fn submit(&self, work: impl FnOnce() + Send + 'static) -> bool {
        let mut state = lock(&self.shared.state);
        if !state.closed {
            state.queue.push_back(Box::new(work));
            self.shared.changed.notify_one();
        }
        !state.closed
    }

    pub fn close(&self) {
        lock(&self.shared.state).closed = true;
        self.shared.changed.notify_all();
    }

    /// False when the pool was not closed.
    pub fn join(&self) -> bool {
        let closed = lock(&self.shared.state).closed;
        if closed {
            let threads = std::mem::take(&mut *lock(&self.threads));
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
        closed
    }
}

impl Shared {
    fn work(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(work) = state.queue.pop_front() {
                drop(state);
                work();
                state = lock(&self.state);
            } else if state.closed {
                return;
            } else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
