//! `imap` and `imap_unordered`: results as an iterator, over an input that is read as it is needed.
//!
//! The input is read by whoever needs it: by the consumer, who keeps at most `read_ahead` chunks in the pool,
//! and by `join`, which reads the rest of a closed pool's. Items of a chunk fail each for itself.
//! Handles wait in the order of the input; for `imap_unordered` each tells of its end by its waker.

mod flying;
#[cfg(feature = "stream")]
mod stream;
mod submission;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::{Failure, Misuse, Never};
use crate::hub::Hub;
use crate::intake::{Ends, Intake, Reads, Sent};

use flying::Flying;
pub use submission::{Flow, ImapSubmission};

/// The results of an `imap` in the order of its input, or of an `imap_unordered` in the order of completion.
///
/// An item that fails is an `Err` at its place, and later items still come. After `terminate` it yields
/// what had arrived, then [`Failure::Terminated`] once, then nothing. Dropping it ends the reading of the input.
///
/// In Python, a failing item ends its whole chunk, and a terminated pool's iterator blocks for ever.
#[must_use = "the input is read as results are taken"]
pub struct Imap<R, E = Never> {
    intake: Arc<dyn Reads<R, E>>,
    read_ahead: usize,
    /// Ends that have come and were not yet taken.
    ready: VecDeque<Result<R, Failure<E>>>,
    /// They are their items' own: the failure of a whole chunk is one error, seen with its first item.
    settled: bool,
    ended: bool,
    order: Order<R, E>,
    hub: Arc<Hub>,
}

/// Which chunk is waited for next.
enum Order<R, E> {
    /// The first.
    Input(Option<Sent<R, E>>),
    /// Whichever ends.
    Completion(Flying<R, E>),
}

/// What came of waiting for a chunk.
enum Waited<R, E> {
    Ended(usize, Result<Ends<R, E>, Failure>),
    TimedOut,
    Nothing,
}

impl<R: Send + 'static, E: Send + 'static> Imap<R, E> {
    pub(crate) fn ordered<A: Send + 'static>(
        intake: Arc<Intake<A, R, E>>,
        read_ahead: usize,
        hub: &Arc<Hub>,
    ) -> Self {
        Imap::new(intake, read_ahead, Order::Input(None), hub)
    }

    pub(crate) fn unordered<A: Send + 'static>(
        intake: Arc<Intake<A, R, E>>,
        read_ahead: usize,
        hub: &Arc<Hub>,
    ) -> Self {
        let flying = Flying::new(hub);
        intake.tell_ends(flying.waker_of());
        Imap::new(intake, read_ahead, Order::Completion(flying), hub)
    }

    fn new<A: Send + 'static>(
        intake: Arc<Intake<A, R, E>>,
        read_ahead: usize,
        order: Order<R, E>,
        hub: &Arc<Hub>,
    ) -> Self {
        let imap = Imap {
            intake,
            read_ahead,
            ready: VecDeque::new(),
            settled: false,
            ended: false,
            order,
            hub: hub.clone(),
        };
        imap.read_ahead();
        imap
    }

    /// The next result; `Some(Err(Failure::TimedOut))` when none has come in time, and nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let mut squares = pool.imap(|x| x * x, [3, 1])?;
    /// let limit = std::time::Duration::from_secs(60);
    /// assert_eq!(squares.next_timeout(limit), Some(Ok(9)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_timeout(&mut self, limit: Duration) -> Option<Result<R, Failure<E>>> {
        self.advance(Some(limit))
    }

    fn read_ahead(&self) {
        let flying = match &self.order {
            Order::Input(first) => usize::from(first.is_some()),
            Order::Completion(flying) => flying.count(),
        };
        while self.intake.waiting() + flying < self.read_ahead && self.intake.try_read() {}
    }

    fn advance(&mut self, limit: Option<Duration>) -> Option<Result<R, Failure<E>>> {
        loop {
            if let Some(end) = self.ready.pop_front() {
                return Some(end);
            }
            if self.ended {
                return None;
            }
            if let Err(misuse) = self.hub.is_here() {
                self.ended = true;
                return Some(Err(misuse.into()));
            }
            self.read_ahead();
            let waited = match &mut self.order {
                Order::Input(first) => wait_for_first(&*self.intake, first, limit),
                Order::Completion(flying) => flying.wait(&*self.intake, limit, &self.hub),
            };
            if let Waited::TimedOut = waited {
                return Some(Err(Failure::TimedOut));
            }
            self.take_in(waited);
        }
    }

    /// What has come is ready to be taken.
    fn take_in(&mut self, waited: Waited<R, E>) {
        match waited {
            Waited::TimedOut => {}
            Waited::Ended(_, Ok(ends)) => {
                self.settled = true;
                self.ready.extend(ends);
            }
            Waited::Ended(_, Err(Failure::Terminated)) => self.end_terminated(),
            Waited::Ended(items, Err(failure)) => {
                self.settled = false;
                let ends = (0..items).map(|_| Err(failure.clone().widen()));
                self.ready.extend(ends);
            }
            // The input itself asks, while it is being read: it has not ended, and would wait for itself.
            Waited::Nothing if self.intake.is_read_here() => {
                self.settled = false;
                self.ready.push_back(Err(Misuse::WouldDeadlock.into()));
            }
            Waited::Nothing if self.intake.was_cut_short() => self.end_terminated(),
            Waited::Nothing => self.ended = true,
        }
    }

    fn end_terminated(&mut self) {
        self.ended = true;
        self.ready.push_back(Err(Failure::Terminated));
    }
}

/// Takes the chunk that was sent first, reading input if there is none.
fn next_sent<R, E>(intake: &dyn Reads<R, E>) -> Option<Sent<R, E>> {
    loop {
        if let Some(sent) = intake.first() {
            return Some(sent);
        }
        if !intake.read() {
            // Somebody else may have sent the last one in between.
            return intake.first();
        }
    }
}

fn wait_for_first<R: 'static, E: 'static>(
    intake: &dyn Reads<R, E>,
    first: &mut Option<Sent<R, E>>,
    limit: Option<Duration>,
) -> Waited<R, E> {
    let Some(sent) = first.take().or_else(|| next_sent(intake)) else {
        return Waited::Nothing;
    };
    if limit.is_some_and(|limit| !sent.handle.wait_timeout(limit)) {
        *first = Some(sent);
        return Waited::TimedOut;
    }
    Waited::Ended(sent.items, sent.handle.get())
}

impl<R: Send + 'static, E: Send + 'static> Iterator for Imap<R, E> {
    type Item = Result<R, Failure<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance(None)
    }
}

impl<R, E> Drop for Imap<R, E> {
    /// Errors that wait here for somebody to take them go unseen.
    fn drop(&mut self) {
        if self.settled && self.hub.is_here().is_ok() {
            for failure in self.ready.iter().filter_map(|end| end.as_ref().err()) {
                self.intake.lose(failure, &self.hub);
            }
        }
    }
}

impl<R, E> fmt::Debug for Imap<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap")
            .field("ready", &self.ready.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
