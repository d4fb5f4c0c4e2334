//! Handles in the order in which their tasks finish.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::error::{Never, TaskError, TimedOut};
use crate::events::Events;
use crate::handle::AsyncResult;
use crate::thread_state;

/// Yields the outcomes of many handles in the order in which their tasks finish, each with the index of its handle.
///
/// The handles may be of several pools. Tasks that have finished already come first, in the order of their handles. A handle whose
/// value was taken yields [`PoolError::Taken`](crate::PoolError::Taken). Inside the only task or callback that could finish, the
/// iterator yields [`PoolError::WouldDeadlock`](crate::PoolError::WouldDeadlock) for it.
///
/// Source: `concurrent.futures.as_completed` in Python's documentation.
///
/// # Examples
///
/// ```
/// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
/// use pool_core::as_completed;
///
/// let words = ["one", "three", "seven"];
/// let handles = words.map(|word| pool.apply_async(str::len, word));
/// let handles = handles.into_iter().collect::<Result<Vec<_>, _>>()?;
/// for (index, length) in as_completed(handles) {
///     println!("{} has {} letters", words[index], length?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<T, E>(
    handles: impl IntoIterator<Item = AsyncResult<T, E>>,
) -> AsCompleted<T, E> {
    let handles: Vec<_> = handles.into_iter().map(Some).collect();
    AsCompleted {
        left: handles.len(),
        handles,
        waiting: Waiting::default(),
    }
}

/// Blocks until one of these tasks has finished, and returns its index; `None` where there is no task that could finish.
///
/// Of several that have finished it is the first. Tasks that the calling code is itself a part of are passed over.
///
/// Source: `concurrent.futures.wait` with `FIRST_COMPLETED` in Python's documentation.
///
/// # Examples
///
/// ```
/// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
/// use pool_core::wait_any;
///
/// let (answer, never) = std::sync::mpsc::channel::<()>();
/// let mut handles = vec![
///     pool.apply_async(move |()| never.recv().is_ok(), ())?,
///     pool.apply_async(|()| true, ())?,
/// ];
/// assert_eq!(wait_any(&handles), Some(1));
/// assert_eq!(handles.swap_remove(1).get(), Ok(true));
/// drop(answer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_any<T, E>(handles: &[AsyncResult<T, E>]) -> Option<usize> {
    if let Some(index) = handles.iter().position(AsyncResult::ready) {
        return Some(index);
    }
    let pending: Vec<_> = handles.iter().map(Some).collect();
    match Waiting::default().next(&pending, None) {
        Next::Finished(index) => Some(index),
        Next::Refused(_) | Next::TimedOut => None,
    }
}

/// Outcomes in the order of completion: see [`as_completed`].
#[must_use = "tasks go on, but nothing waits for them"]
pub struct AsCompleted<T, E = Never> {
    handles: Vec<Option<AsyncResult<T, E>>>,
    left: usize,
    waiting: Waiting,
}

impl<T, E> AsCompleted<T, E> {
    /// The next outcome, if a task finishes within this time (zero only looks). [`TimedOut`] is an error of the wait: nothing is
    /// lost.
    ///
    /// # Errors
    ///
    /// The time was over first.
    pub fn next_timeout(
        &mut self,
        limit: Duration,
    ) -> Result<Option<<Self as Iterator>::Item>, TimedOut> {
        self.advance(Some(limit))
    }

    fn advance(
        &mut self,
        limit: Option<Duration>,
    ) -> Result<Option<<Self as Iterator>::Item>, TimedOut> {
        if self.left == 0 {
            return Ok(None);
        }
        let index = match self.waiting.next(&self.handles, limit) {
            Next::Finished(index) | Next::Refused(index) => index,
            Next::TimedOut => return Err(TimedOut),
        };
        self.left -= 1;
        // A handle that is refused says why.
        let outcome = self.handles[index].take();
        Ok(outcome.map(|handle| (index, handle.get())))
    }
}

impl<T, E> Iterator for AsCompleted<T, E> {
    type Item = (usize, Result<T, TaskError<E>>);

    fn next(&mut self) -> Option<Self::Item> {
        // Without a limit there is no `TimedOut`, which is the only error.
        self.advance(None).ok().flatten()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T, E> ExactSizeIterator for AsCompleted<T, E> {}

impl<T, E> fmt::Debug for AsCompleted<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// What one who waits for any of several handles is told.
enum Event {
    /// The task with this index has finished.
    Finished(usize),
    /// The time limit of the wait with this number has passed.
    TimedOut(u64),
}

/// The outcome of a wait.
enum Next {
    /// The handle with this index is ready, and was not reported before.
    Finished(usize),
    /// The handle with this index is the first that is left, and none that is left can be waited for here.
    Refused(usize),
    TimedOut,
}

/// Waits for handles, one after the other.
#[derive(Default)]
struct Waiting {
    /// Made for a thread that is part of this pool; one of another pool needs other events.
    events: Option<(u64, Events<Event>)>,
    /// Tasks that had finished when the events were made.
    ready: VecDeque<usize>,
    /// The number of the latest wait.
    wait: u64,
}

impl Waiting {
    /// Waits until a handle is ready. One that is reported must be `None` at the next call, of which there is at least one that is not.
    fn next<T, E, H: Borrow<AsyncResult<T, E>>>(
        &mut self,
        handles: &[Option<H>],
        limit: Option<Duration>,
    ) -> Next {
        let left = || {
            let numbered = handles.iter().enumerate();
            numbered.filter_map(|(index, handle)| Some((index, handle.as_ref()?.borrow())))
        };
        let Some((first, one)) = left().next() else {
            return Next::TimedOut;
        };
        // The pool that the calling thread is a part of, so that its other tasks and callbacks run meanwhile.
        let here = |handle: &AsyncResult<T, E>| thread_state::inside(handle.shared().pool);
        let home = left().map(|(_, handle)| handle).find(|it| here(it));
        let shared = home.unwrap_or(one).shared();
        let events = match self.events.take() {
            Some((pool, events)) if pool == shared.pool => events,
            _ => {
                let events = Events::new(shared);
                self.ready.clear();
                for (index, handle) in left() {
                    let waker = events.sender().waker(move || Event::Finished(index));
                    if handle.cannot_change() || handle.watch(&waker) {
                        self.ready.push_back(index);
                    }
                }
                events
            }
        };
        let (_, events) = self.events.insert((shared.pool, events));
        self.wait += 1;
        let this_wait = self.wait;
        // A limit of zero checks once, and needs no timer.
        let mut timed_out = limit.is_some_and(|limit| limit.is_zero());
        let mut armed = None;
        loop {
            let event = match self.ready.pop_front() {
                Some(index) => Some(Event::Finished(index)),
                None => events.try_receive(),
            };
            let event = match event {
                Some(event) => event,
                None if timed_out => return Next::TimedOut,
                None if limit.is_none() && left().all(|(_, handle)| handle.is_ours()) => {
                    return Next::Refused(first);
                }
                None => {
                    if let (Some(limit), None) = (limit, &armed) {
                        let sender = events.sender().clone();
                        let alarm = move || sender.send(Event::TimedOut(this_wait));
                        armed = Some(shared.timers.arm(limit, Box::new(alarm)));
                    }
                    match events.receive(limit.is_some()) {
                        Ok(event) => event,
                        Err(_) => return Next::Refused(first),
                    }
                }
            };
            match event {
                // It may have been reported before, by events of another pool.
                Event::Finished(index) if handles[index].is_some() => return Next::Finished(index),
                Event::TimedOut(wait) if wait == this_wait => timed_out = true,
                Event::Finished(_) | Event::TimedOut(_) => {}
            }
        }
    }
}
