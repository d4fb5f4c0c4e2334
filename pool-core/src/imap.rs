//! `imap` and `imap_unordered`: results as an iterator, over an input that is read as it is needed.
//!
//! An input that is at hand is read by the consumer, who keeps at most `read_ahead` chunks in the pool; any other by a thread
//! beside it (see `intake.rs`). Items of a chunk fail each for itself. Where the consumer reads, handles wait in the order of
//! the input; otherwise, and for `imap_unordered`, each tells of its end by its waker.

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
/// A result that is there is given at once, whatever the input does: one that is not at hand (a channel, a file, standard input,
/// any iterator but a range, a vector or a short array) is read by a thread of the pool's. It may wait, also for what is done with the
/// results; an input that panics is an error behind the results of the items before it, then the end. No end of a
/// pool waits for an input: one that blocks its reader for ever keeps that thread, and nothing else, after `terminate`
/// or the drop of the iterator.
///
/// In Python, a failing item ends its whole chunk, and a terminated pool's iterator blocks for ever.
#[must_use = "the input is read as results are taken"]
pub struct Imap<R, E = Never> {
    intake: Arc<dyn Reads<R, E>>,
    /// A thread reads the input.
    is_read_beside: bool,
    /// Ends that have come and were not yet taken.
    ready: VecDeque<Result<R, Failure<E>>>,
    /// They are their items' own: the failure of a whole chunk is one error, seen with its first item.
    settled: bool,
    ended: bool,
    /// The results of a chunk were taken, and the input may be read on when more are asked for.
    took: bool,
    order: Order<R, E>,
    hub: Arc<Hub>,
}

/// Which chunk is waited for next.
enum Order<R, E> {
    /// The first.
    Input(Option<Sent<R, E>>),
    /// Whichever ends, or the first: each tells of its end, or the one that is waited for.
    Told(Flying<R, E>),
}

/// What came of waiting for a chunk.
enum Waited<R, E> {
    Ended(usize, Result<Ends<R, E>, Failure>),
    TimedOut,
    /// To wait for the input would be to wait for oneself.
    Refused,
    Nothing,
}

impl<R: Send + 'static, E: Send + 'static> Imap<R, E> {
    pub(crate) fn new<A: Send + 'static>(
        intake: Arc<Intake<A, R, E>>,
        unordered: bool,
        at_hand: bool,
        hub: &Arc<Hub>,
    ) -> Self {
        let intake: Arc<dyn Reads<R, E>> = intake;
        let flying = (!at_hand || unordered).then(|| Flying::new(!unordered, hub));
        if let Some(flying) = flying.as_ref().filter(|_| unordered) {
            intake.tell_ends(flying.waker_of());
        }
        // Where the system refuses a thread, the consumer reads.
        let is_read_beside = match &flying {
            Some(flying) if !at_hand => intake.clone().read_beside(&hub.readers, flying.told()),
            _ => false,
        };
        let mut imap = Imap {
            intake,
            is_read_beside,
            ready: VecDeque::new(),
            settled: false,
            ended: false,
            took: false,
            order: flying.map_or(Order::Input(None), Order::Told),
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

    /// More results are asked for.
    fn read_ahead(&mut self) {
        if std::mem::take(&mut self.took) {
            self.intake.took();
        }
        while !self.is_read_beside && self.intake.has_room() && self.intake.try_read() {}
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
            let reads = !self.is_read_beside;
            let waited = match &mut self.order {
                Order::Input(first) => wait_for_first(&*self.intake, first, limit),
                Order::Told(flying) => flying.wait(&*self.intake, reads, limit, &self.hub),
            };
            if let Waited::TimedOut = waited {
                return Some(Err(Failure::TimedOut));
            }
            self.take_in(waited);
        }
    }

    /// What has come is ready to be taken.
    fn take_in(&mut self, waited: Waited<R, E>) {
        self.took = matches!(waited, Waited::Ended(..));
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
            Waited::Refused => self.refuse(),
            // The input itself asks, while it is being read: it has not ended, and would wait for itself.
            Waited::Nothing if self.intake.is_read_here() => self.refuse(),
            Waited::Nothing => match self.intake.failure() {
                Some(failure) => {
                    self.ended = true;
                    self.settled = true;
                    self.hub.ledger.errors(1);
                    self.ready.push_back(Err(failure));
                }
                None if self.intake.was_cut_short() => self.end_terminated(),
                None => self.ended = true,
            },
        }
    }

    fn refuse(&mut self) {
        self.settled = false;
        self.ready.push_back(Err(Misuse::WouldDeadlock.into()));
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

    /// As many as the input has items, where it knows how many these are; the end of the pool may make them fewer.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let ready = self.ready.len();
        if self.ended {
            return (ready, Some(ready));
        }
        if self.hub.is_here().is_err() {
            // What is here, and the refusal.
            return (ready + 1, Some(ready + 1));
        }
        let on_their_way = match &self.order {
            Order::Input(first) => first.as_ref().map_or(0, |sent| sent.items),
            Order::Told(flying) => flying.items(),
        };
        let here = ready + on_their_way;
        let (least, most) = self.intake.length();
        (
            least.saturating_add(here),
            most.and_then(|most| most.checked_add(here)),
        )
    }
}

impl<R, E> Drop for Imap<R, E> {
    /// Errors that wait here for somebody to take them go unseen, and so does the input's own.
    fn drop(&mut self) {
        if self.hub.is_here().is_err() {
            return;
        }
        self.intake.abandon(&self.hub.readers);
        if self.settled {
            for failure in self.ready.iter().filter_map(|end| end.as_ref().err()) {
                self.intake.lose(failure, &self.hub);
            }
        }
        if let Some(failure) = self.intake.failure() {
            self.hub.ledger.errors(1);
            self.intake.lose(&failure, &self.hub);
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
