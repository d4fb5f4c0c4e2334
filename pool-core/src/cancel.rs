//! To end a call before its work is done: a handle for one call, a token for many.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Why a call ends before its work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Early {
    /// Somebody has cancelled it.
    Cancelled,
    /// It has not ended within this time.
    Expired(Duration),
}

/// What can end early: a job, or an imap. Three steps, so that many jobs of one pool leave its queue in one walk.
pub(crate) trait EndEarly: Send + Sync {
    /// Decides the outcome, unless it is decided; true where it has done so. After that no unit starts.
    fn decide(&self, why: Early) -> bool;
    /// Its number there, where it is one job.
    fn number(&self) -> Option<u64>;
    /// The pool out of whose queue it must be taken next.
    fn pool(&self) -> Option<Arc<dyn Withdraw>>;
    /// Stops what runs, and resolves what was decided.
    fn conclude(&self, why: Early);
    /// Whether its outcome is decided.
    fn is_over(&self) -> bool;
}

/// A pool, for jobs that end early.
pub(crate) trait Withdraw: Send + Sync {
    /// The number of the pool.
    fn number(&self) -> u64;
    /// Takes all units out of the queue, and back from workers that have not started them, whose jobs want them no more. Where it is one
    /// job that does not, the queue is not walked for it.
    fn withdraw(&self, one: Option<u64>);
}

/// Ends one call early; whether it was this that has decided the outcome.
pub(crate) fn end_early(target: &dyn EndEarly, why: Early) -> bool {
    let decided = target.decide(why);
    if decided {
        if let Some(pool) = target.pool() {
            pool.withdraw(target.number());
        }
        target.conclude(why);
    }
    decided
}

/// Cancels one call, map or imap, from anywhere; made by [`cancel_handle`](crate::AsyncResult::cancel_handle). It keeps neither the
/// result nor the pool.
///
/// Source: `AbortHandle` in tokio's documentation.
///
/// # Examples
///
/// ```
/// # let pool = pool_thread::ThreadPool::builder().size(1).panic_hook(false).build()?;
/// use std::sync::mpsc;
/// use pool_core::TaskError;
///
/// let (sender, receiver) = mpsc::channel::<()>();
/// let first = pool.apply_async(move |()| receiver.recv().is_err(), ())?;
/// let second = pool.apply_async(|()| "done", ())?; // waits in the queue
/// let handle = second.cancel_handle();
/// std::thread::spawn(move || handle.cancel());
/// assert_eq!(second.get(), Err(TaskError::Cancelled));
/// drop(sender);
/// assert!(first.get()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CancelHandle(Weak<dyn EndEarly>);

impl CancelHandle {
    pub(crate) fn new(target: Weak<dyn EndEarly>) -> Self {
        CancelHandle(target)
    }

    /// Cancels the call, as [`AsyncResult::cancel`](crate::AsyncResult::cancel) does. True where this has decided its outcome.
    pub fn cancel(&self) -> bool {
        let target = self.0.upgrade();
        target.is_some_and(|target| end_early(&*target, Early::Cancelled))
    }

    /// Whether the outcome of the call is decided: to cancel it would change nothing.
    pub fn is_over(&self) -> bool {
        self.0.upgrade().is_none_or(|target| target.is_over())
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle")
            .field("is_over", &self.is_over())
            .finish()
    }
}

/// Cancels all calls that were submitted with it; clones share it. See [`Call::cancel_on`](crate::Call::cancel_on).
///
/// A call that is submitted with a token that was cancelled is cancelled at once. To cancel many calls walks the pool's queue once.
///
/// # Examples
///
/// A function of a thread pool can also look at it:
///
/// ```
/// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
/// use pool_core::{CancelToken, Pool, TaskError};
///
/// let token = CancelToken::new();
/// let seen = token.clone();
/// let counts = move |_: u32| {
///     while !seen.is_cancelled() {
///         std::thread::yield_now();
///     }
/// };
/// let map = pool.each(counts, 0..10).cancel_on(&token).submit()?;
/// token.cancel();
/// assert_eq!(map.get(), Err(TaskError::Cancelled));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Token>);

#[derive(Default)]
struct Token {
    /// Written under the lock.
    cancelled: AtomicBool,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    targets: Vec<Weak<dyn EndEarly>>,
    /// At this length those that are over are removed.
    most: usize,
}

impl CancelToken {
    /// A token that was not cancelled.
    pub fn new() -> Self {
        CancelToken::default()
    }

    /// Cancels all calls that have this token, and those that will be submitted with it. It may be repeated.
    pub fn cancel(&self) {
        self.end(Early::Cancelled);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Ends all calls that have this token.
    pub(crate) fn end(&self, why: Early) {
        let targets = {
            let mut calls = self.lock();
            self.0.cancelled.store(true, Ordering::Release);
            std::mem::take(&mut calls.targets)
        };
        // The last first: what waits in the queue is decided before what runs returns and makes room.
        let targets = targets.iter().rev().filter_map(Weak::upgrade);
        let decided: Vec<_> = targets.filter(|target| target.decide(why)).collect();
        let mut pools: Vec<Arc<dyn Withdraw>> = Vec::new();
        for pool in decided.iter().filter_map(|target| target.pool()) {
            if pools.iter().all(|known| known.number() != pool.number()) {
                pools.push(pool);
            }
        }
        pools.iter().for_each(|pool| pool.withdraw(None));
        decided.iter().for_each(|target| target.conclude(why));
    }

    /// Adds a call; false where the token was cancelled before.
    pub(crate) fn add(&self, target: &Weak<dyn EndEarly>) -> bool {
        let mut calls = self.lock();
        if self.is_cancelled() {
            return false;
        }
        if calls.targets.len() >= calls.most {
            let is_over = |target: Arc<dyn EndEarly>| target.is_over();
            let dropped: Vec<_> = calls
                .targets
                .extract_if(.., |target| target.upgrade().is_none_or(is_over))
                .collect();
            calls.most = (2 * calls.targets.len()).max(16);
            calls.targets.push(target.clone());
            drop(calls);
            drop(dropped);
        } else {
            calls.targets.push(target.clone());
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
