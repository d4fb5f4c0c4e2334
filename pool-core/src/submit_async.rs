//! A submission that is awaited: pending while the queue is full.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use crate::admission::NotAdmitted;
use crate::error::{Never, PoolError};
use crate::handle::AsyncResult;
use crate::queue::{Queue, Turn};
use crate::unit::AsJob;

/// A submission that is awaited; its output is the handle, or what the pool refuses it with. Dropped before it is ready, it
/// submits nothing.
#[must_use = "nothing is submitted before it is awaited"]
pub struct SubmitAsync<T, E = Never>(State<T, E>);

enum State<T, E> {
    Refused(PoolError),
    Waiting(AsyncResult<T, E>, Box<dyn PollAdmit>),
    Done,
}

/// A job that is to be admitted.
pub(crate) trait PollAdmit: Send {
    fn poll_admit(&mut self, waker: &Waker) -> Poll<Result<(), PoolError>>;
}

impl<T, E> SubmitAsync<T, E> {
    pub(crate) fn new(handle: AsyncResult<T, E>, admission: Box<dyn PollAdmit>) -> Self {
        SubmitAsync(State::Waiting(handle, admission))
    }

    pub(crate) fn refused(error: PoolError) -> Self {
        SubmitAsync(State::Refused(error))
    }
}

impl<T, E> Future for SubmitAsync<T, E> {
    type Output = Result<AsyncResult<T, E>, PoolError>;

    /// Ready with the handle, once; polled again after that it is [`PoolError::Taken`].
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Waiting(_, admission) = &mut self.0 {
            let admitted = ready!(admission.poll_admit(cx.waker()));
            if let Err(error) = admitted {
                self.0 = State::Refused(error);
            }
        }
        Poll::Ready(match std::mem::replace(&mut self.0, State::Done) {
            State::Waiting(handle, _) => Ok(handle),
            State::Refused(error) => Err(error),
            State::Done => Err(PoolError::Taken),
        })
    }
}

// Nothing in it is ever pinned.
impl<T, E> Unpin for SubmitAsync<T, E> {}

impl<T, E> fmt::Debug for SubmitAsync<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = matches!(self.0, State::Waiting(..));
        f.debug_struct("SubmitAsync")
            .field("waits", &waits)
            .finish_non_exhaustive()
    }
}

/// A job on its way into a queue that may be full.
pub(crate) struct Admit<J: ?Sized + AsJob, M, K> {
    queue: Arc<Queue<J>>,
    /// Until it is admitted.
    job: Option<Arc<J>>,
    /// Its turn in the line for places, once it has found the queue full.
    turn: Option<Turn<J>>,
    /// Whether the pool takes work.
    is_open: M,
    /// Tells the backend that there is work.
    wake: K,
}

impl<J: ?Sized + AsJob, M, K> Admit<J, M, K> {
    pub(crate) fn new(queue: &Arc<Queue<J>>, job: Option<Arc<J>>, is_open: M, wake: K) -> Self {
        Admit {
            queue: queue.clone(),
            job,
            turn: None,
            is_open,
            wake,
        }
    }
}

impl<J, M, K> PollAdmit for Admit<J, M, K>
where
    J: ?Sized + AsJob,
    M: Fn() -> Result<(), PoolError> + Send,
    K: Fn() + Send,
{
    fn poll_admit(&mut self, waker: &Waker) -> Poll<Result<(), PoolError>> {
        (self.is_open)()?;
        // It was cancelled, and has its outcome.
        let is_unwanted = |job: &mut Arc<J>| job.job().handed_out().is_unwanted();
        if self.job.take_if(is_unwanted).is_some() {
            self.turn = None;
        }
        if let Some(job) = self.job.take() {
            let pushed = match &self.turn {
                None => self.queue.push(job),
                Some(turn) => turn.try_push(job, waker),
            };
            match pushed {
                Ok(()) => (self.wake)(),
                Err((NotAdmitted::Refused(error), _)) => return Poll::Ready(Err(error)),
                Err((NotAdmitted::Full, job)) => {
                    self.job = Some(job);
                    if self.turn.is_some() {
                        return Poll::Pending;
                    }
                    self.turn = Some(self.queue.line_up());
                    return self.poll_admit(waker);
                }
            }
        }
        // The rest of a map that was admitted finds places one by one.
        if let Some(turn) = &self.turn {
            ready!(turn.poll_places(waker));
            self.turn = None;
        }
        Poll::Ready(Ok(()))
    }
}
