//! Ends of a pool that block no caller: a join to await, and a join in the background.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::PoolError;
use crate::fork::OwnerProcess;
use crate::panics;
use crate::threads::thread_builder;

/// A join that is awaited: ready when every task is done, every callback has returned and no worker is left.
///
/// It waits on a thread of its own from the first poll on, and for as long as that takes: dropping it ends
/// nothing. The pool may be dropped meanwhile, which terminates it.
#[must_use = "a join waits for nothing before it is polled"]
pub struct JoinAsync {
    /// Until the first poll.
    pool: Option<Box<dyn Shutdown>>,
    end: Arc<Mutex<End>>,
    /// The process that waits.
    owner: OwnerProcess,
}

/// A pool, as those who join it see it.
pub(crate) trait Shutdown: Send {
    /// Whether the calling code may wait for the pool's end.
    fn may_join(&self) -> Result<(), PoolError>;
    /// Waits for it.
    fn join_pool(&self) -> Result<(), PoolError>;
}

/// What a future shares with the thread that joins.
#[derive(Default)]
struct End {
    joined: Option<Result<(), PoolError>>,
    waker: Option<Waker>,
}

impl JoinAsync {
    pub(crate) fn new(pool: impl Shutdown + 'static) -> Self {
        JoinAsync {
            pool: Some(Box::new(pool)),
            end: Arc::default(),
            owner: OwnerProcess::current(),
        }
    }
}

/// Joins on a thread of its own, and then wakes the future. Where the system refuses a thread, the pool comes back.
fn spawn_joiner(pool: Box<dyn Shutdown>, end: Arc<Mutex<End>>) -> Result<(), Box<dyn Shutdown>> {
    // Kept where a refused thread does not drop it.
    let pool = Arc::new(Mutex::new(Some(pool)));
    let there = pool.clone();
    let join = move || {
        let pool = lock(&there).take();
        let joined = pool.map_or(Ok(()), |pool| pool.join_pool());
        let waker = {
            let mut end = lock(&end);
            end.joined = Some(joined);
            end.waker.take()
        };
        if let Some(waker) = waker {
            // The caller's code.
            let _ = panics::catch(|| waker.wake());
        }
    };
    match thread_builder("pool-reaper").spawn(join) {
        Ok(_) => Ok(()),
        Err(_) => lock(&pool).take().map_or(Ok(()), Err),
    }
}

/// Joins a pool that takes no more work on a thread of its own. Where the system refuses a thread, its workers still leave,
/// but nobody joins them.
pub(crate) fn join_in_background(pool: impl Shutdown + 'static) {
    let _ = spawn_joiner(Box::new(pool), Arc::default());
}

impl Future for JoinAsync {
    type Output = Result<(), PoolError>;

    /// Where the system refuses a thread to wait on, the poll itself waits.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.owner.is_current() {
            return Poll::Ready(Err(PoolError::Forked));
        }
        if let Some(pool) = self.pool.take() {
            pool.may_join()?;
            lock(&self.end).waker = Some(cx.waker().clone());
            return match spawn_joiner(pool, self.end.clone()) {
                Ok(()) => Poll::Pending,
                Err(pool) => Poll::Ready(pool.join_pool()),
            };
        }
        // Cloned and dropped outside of the lock: wakers are the caller's code.
        let waker = cx.waker().clone();
        let mut end = lock(&self.end);
        if let Some(joined) = end.joined {
            return Poll::Ready(joined);
        }
        let replaced = end.waker.replace(waker);
        drop(end);
        drop(replaced);
        Poll::Pending
    }
}

impl fmt::Debug for JoinAsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAsync")
            .field("begun", &self.pool.is_none())
            .field("joined", &lock(&self.end).joined)
            .finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
