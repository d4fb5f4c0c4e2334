//! `imap` and `imap_unordered`: an iterator of results, over an input that is read as it is needed.
//!
//! The consumer reads an input that is at hand, and keeps at most `read_ahead` chunks in the pool. A thread reads any other input
//! (see `source.rs`). Each item of a chunk fails on its own. A consumer that reads waits for the handles in the order of the input.
//! Otherwise, and for `imap_unordered`, the waker of each handle sends an event.

// What items are taken from.
mod input;

// How far it is read ahead.
mod window;

// How it is read, chunk by chunk.
mod source;

// Chunks that may end in any order.
mod in_flight;

// Results as a stream.
#[cfg(feature = "stream")]
mod stream;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::cancel::{CancelHandle, Early, EndEarly, end_early};
use crate::error::{Never, PoolError, TaskError, TimedOut};
use crate::limits::LimitOptions;
use crate::outcome::Progress;
use crate::shared::PoolShared;
use crate::timers::Armed;

use in_flight::InFlight;
pub(crate) use input::is_at_hand;
pub use input::{Input, Results};
use source::{Chunk, ChunkResults, ReadInput};
pub(crate) use source::{ImapInput, OpenSource, ReadChunk};
pub(crate) use window::Window;

/// How the input of an `imap` is cut and read, and in which order its results come.
#[derive(Debug, Clone)]
pub struct ImapOptions {
    pub(crate) place: &'static Location<'static>,
    pub(crate) chunksize: usize,
    pub(crate) read_ahead: Option<usize>,
    pub(crate) unordered: bool,
    pub(crate) limits: Option<LimitOptions>,
}

/// The results of an `imap` in the order of its input, or of an `imap_unordered` in the order of completion.
///
/// An item that fails is an `Err` at its place, and later items still come. After `terminate` it yields
/// what had arrived, then [`TaskError::Terminated`] once, then nothing. Dropping it ends the reading of the input.
///
/// One that is cancelled, or whose expiry passes, ends likewise, with its error in place of `Terminated`.
///
/// A result that is there is given at once, whatever the input does. A thread of the pool reads any input that is not at hand
/// (a channel, a file, standard input, any iterator but a range, a vector or a short array). Such an input may wait, also for
/// what is done with the results. An input that panics is an error behind the results of the items before it, then the end.
/// To terminate or drop a pool does not wait for an input: one that blocks its reader for ever keeps that thread, and nothing
/// else, after `terminate` or the drop of the iterator.
///
/// In Python, a failing item ends its whole chunk, and a terminated pool's iterator blocks for ever.
#[must_use = "the input is read as results are taken"]
pub struct Imap<R, E = Never> {
    input: Arc<dyn ReadInput<R, E>>,
    /// A reader thread reads the input.
    has_reader: bool,
    /// Results that have arrived and were not yet taken.
    ready: VecDeque<Result<R, TaskError<E>>>,
    /// Each of them belongs to one item. The error of a whole chunk is one error, handled with its first item.
    settled: bool,
    ended: bool,
    /// How many results were taken.
    taken: usize,
    /// The results of a chunk were taken, whose memory this is: the input may be read further when the next result is asked for.
    took: Option<ChunkResults<R, E>>,
    order: Order<R, E>,
    /// The timer of one that has an expiry.
    expiry: Option<Armed>,
    shared: Arc<PoolShared>,
}

/// How the consumer waits for the next chunk.
enum Order<R, E> {
    /// For the first chunk, by its handle.
    Input(Option<Chunk<R, E>>),
    /// For events: of any chunk, or of the first.
    Events(InFlight<R, E>),
}

/// The outcome of a wait for a chunk.
enum Waited<R, E> {
    Ended(Range<usize>, Result<ChunkResults<R, E>, TaskError>),
    TimedOut,
    /// The caller would wait for itself.
    Refused,
    Nothing,
}

impl<R: Send + 'static, E: Send + 'static> Imap<R, E> {
    pub(crate) fn new<A: Send + 'static>(
        input: Arc<ImapInput<A, R, E>>,
        unordered: bool,
        at_hand: bool,
        limits: &LimitOptions,
        shared: &Arc<PoolShared>,
    ) -> Self {
        let input: Arc<dyn ReadInput<R, E>> = input;
        let expiry = begin(&input, limits, shared);
        let in_flight = (!at_hand || unordered).then(|| InFlight::new(!unordered, shared));
        if let Some(in_flight) = in_flight.as_ref().filter(|_| unordered) {
            input.set_wakers(in_flight.make_waker());
        }
        // If the system refuses a thread, the consumer reads.
        let has_reader = match &in_flight {
            Some(in_flight) if !at_hand => input
                .clone()
                .start_reader(&shared.readers, in_flight.on_read()),
            _ => false,
        };
        let mut imap = Imap {
            input,
            has_reader,
            ready: VecDeque::new(),
            settled: false,
            ended: false,
            taken: 0,
            took: None,
            order: in_flight.map_or(Order::Input(None), Order::Events),
            expiry,
            shared: shared.clone(),
        };
        imap.read_ahead();
        imap
    }

    /// The next result, if it comes within this time (zero only looks). [`TimedOut`] is an error of the wait: nothing is lost, and
    /// the next call waits for the same result.
    ///
    /// # Errors
    ///
    /// The time was over first.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let mut squares = pool.imap(|x| x * x, [3, 1])?;
    /// let limit = std::time::Duration::from_secs(60);
    /// assert_eq!(squares.next_timeout(limit)?, Some(Ok(9)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_timeout(
        &mut self,
        limit: Duration,
    ) -> Result<Option<Result<R, TaskError<E>>>, TimedOut> {
        self.advance(Some(limit))
    }

    /// How many results were taken, and of how many, where the length of the input is known: for a progress bar.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let mut squares = pool.imap(|x| x * x, [3, 1])?;
    /// assert_eq!(squares.next(), Some(Ok(9)));
    /// let progress = squares.progress();
    /// assert_eq!((progress.done, progress.total), (1, Some(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn progress(&self) -> Progress {
        let (least, most) = self.size_hint();
        Progress {
            done: self.taken,
            total: (most == Some(least)).then(|| self.taken + least),
        }
    }

    /// Cancels the imap, as [`AsyncResult::cancel`](crate::AsyncResult::cancel) does with a map; true where this has ended it. Its input is
    /// read no further. It gives what has arrived, then [`TaskError::Cancelled`] once, then ends. To drop it ends the reading of the
    /// input alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// use pool_core::TaskError;
    ///
    /// let mut numbers = pool.imap(|x| x, 0..)?;
    /// assert_eq!(numbers.next(), Some(Ok(0)));
    /// assert!(numbers.cancel());
    /// assert_eq!(numbers.last(), Some(Err(TaskError::Cancelled)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.cancel_handle().cancel()
    }

    /// What can cancel the imap from elsewhere, while another thread takes its results. It keeps a list of the chunks in the pool from
    /// here on.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// use pool_core::TaskError;
    ///
    /// let numbers = pool.imap(|x| x, 0..)?;
    /// let handle = numbers.cancel_handle();
    /// std::thread::spawn(move || handle.cancel());
    /// assert_eq!(numbers.last(), Some(Err(TaskError::Cancelled)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        let token = self.input.track();
        let add = |chunk: &Chunk<R, E>| {
            if !token.add(&chunk.handle.target()) {
                chunk.handle.cancel();
            }
        };
        match &self.order {
            Order::Input(first) => first.iter().for_each(add),
            Order::Events(in_flight) => in_flight.chunks.values().for_each(add),
        }
        let input: Weak<dyn ReadInput<R, E>> = Arc::downgrade(&self.input);
        CancelHandle::new(input)
    }

    /// Reads the input further: the next result was asked for.
    fn read_ahead(&mut self) {
        let took = self.took.take();
        if took.is_some() || !self.has_reader {
            self.input.took_chunk(took, !self.has_reader);
        }
    }

    fn advance(
        &mut self,
        limit: Option<Duration>,
    ) -> Result<Option<Result<R, TaskError<E>>>, TimedOut> {
        loop {
            if let Some(end) = self.ready.pop_front() {
                self.taken += 1;
                return Ok(Some(end));
            }
            if self.ended {
                self.expiry = None;
                return Ok(None);
            }
            if let Err(error) = self.shared.is_here() {
                self.ended = true;
                self.taken += 1;
                return Ok(Some(Err(error.into())));
            }
            self.read_ahead();
            let reads = !self.has_reader;
            let waited = match &mut self.order {
                Order::Input(first) => wait_for_first(&*self.input, first, limit),
                Order::Events(in_flight) => {
                    in_flight.wait(&*self.input, reads, limit, &self.shared)
                }
            };
            if let Waited::TimedOut = waited {
                return Err(TimedOut);
            }
            self.store(waited);
        }
    }

    /// Stores the results of a wait.
    fn store(&mut self, waited: Waited<R, E>) {
        if let Waited::Ended(_, Err(_)) = waited {
            self.took = Some(Vec::new());
        }
        match waited {
            Waited::TimedOut => {}
            Waited::Ended(items, Ok(mut results)) => {
                self.settled = true;
                let ends = items
                    .zip(results.drain(..))
                    .map(|(item, result)| result.into_result(item));
                self.ready.extend(ends);
                self.took = Some(results);
            }
            Waited::Ended(_, Err(TaskError::Terminated)) => self.end_with(TaskError::Terminated),
            Waited::Ended(_, Err(error)) if is_early(&error) => self.end_with(error.widen()),
            Waited::Ended(items, Err(error)) => {
                self.settled = false;
                let one = |item| error.clone().widen().at_item(item);
                self.ready.extend(items.map(|item| Err(one(item))));
            }
            Waited::Refused => self.refuse(),
            // The input itself asks, while it is being read: it has not ended, and would wait for itself.
            Waited::Nothing if self.input.is_read_here() => self.refuse(),
            Waited::Nothing => match self.input.take_error() {
                Some(failure) => {
                    self.ended = true;
                    self.settled = true;
                    self.shared.counters.errors(1);
                    self.ready.push_back(Err(failure));
                }
                None if self.input.was_terminated() => self.end_with(TaskError::Terminated),
                None => match self.input.ended_early() {
                    Some(error) => self.end_with(error),
                    None => self.ended = true,
                },
            },
        }
    }

    fn refuse(&mut self) {
        self.settled = false;
        self.ready.push_back(Err(PoolError::WouldDeadlock.into()));
    }

    /// The imap as a whole has ended with this error.
    fn end_with(&mut self, error: TaskError<E>) {
        self.ended = true;
        self.ready.push_back(Err(error));
    }
}

/// Whether a chunk has ended with its imap.
fn is_early(error: &TaskError) -> bool {
    match error {
        TaskError::Cancelled => true,
        TaskError::DeadlineExceeded(exceeded) => exceeded.expired,
        _ => false,
    }
}

/// Adds an imap to its token, and starts its timer.
fn begin<R: 'static, E: 'static>(
    input: &Arc<dyn ReadInput<R, E>>,
    limits: &LimitOptions,
    shared: &PoolShared,
) -> Option<Armed> {
    if limits.token.is_none() && limits.expiry.is_none() {
        return None;
    }
    input.track();
    let weak: Weak<dyn ReadInput<R, E>> = Arc::downgrade(input);
    let target: Weak<dyn EndEarly> = weak;
    if let Some(token) = &limits.token
        && !token.add(&target)
    {
        end_early(&**input, Early::Cancelled);
        return None;
    }
    let limit = limits.expiry?;
    let alarm = move || {
        if let Some(input) = target.upgrade() {
            end_early(&*input, Early::Expired(limit));
        }
    };
    Some(shared.timers.arm(limit, Box::new(alarm)))
}

/// Takes the chunk that was submitted first; reads the input if there is none.
fn next_chunk<R, E>(input: &dyn ReadInput<R, E>) -> Option<Chunk<R, E>> {
    loop {
        if let Some(chunk) = input.next_chunk() {
            return Some(chunk);
        }
        if !input.read() {
            // Another thread may have submitted the last one in between.
            return input.next_chunk();
        }
    }
}

fn wait_for_first<R: 'static, E: 'static>(
    input: &dyn ReadInput<R, E>,
    first: &mut Option<Chunk<R, E>>,
    limit: Option<Duration>,
) -> Waited<R, E> {
    let Some(chunk) = first.take().or_else(|| next_chunk(input)) else {
        return Waited::Nothing;
    };
    if limit.is_some_and(|limit| !chunk.handle.wait_timeout(limit)) {
        *first = Some(chunk);
        return Waited::TimedOut;
    }
    Waited::Ended(chunk.items, chunk.handle.get())
}

impl<R: Send + 'static, E: Send + 'static> Iterator for Imap<R, E> {
    type Item = Result<R, TaskError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        // Without a limit there is no `TimedOut`, which is the only error.
        self.advance(None).ok().flatten()
    }

    /// The size hint of the input. If the pool is terminated, there are fewer.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let ready = self.ready.len();
        if self.ended {
            return (ready, Some(ready));
        }
        if self.shared.is_here().is_err() {
            // The results that are stored, and the refusal.
            return (ready + 1, Some(ready + 1));
        }
        let in_flight = match &self.order {
            Order::Input(first) => first.as_ref().map_or(0, |chunk| chunk.items.len()),
            Order::Events(in_flight) => in_flight.items(),
        };
        let taken = ready + in_flight;
        let (least, most) = self.input.length();
        (
            least.saturating_add(taken),
            most.and_then(|most| most.checked_add(taken)),
        )
    }
}

impl<R, E> Drop for Imap<R, E> {
    /// Errors that were not taken are unhandled, and so is the input's own.
    fn drop(&mut self) {
        if self.shared.is_here().is_err() {
            return;
        }
        self.input.abandon(&self.shared.readers);
        if self.settled {
            for failure in self.ready.iter().filter_map(|end| end.as_ref().err()) {
                self.input.count_unhandled(failure, &self.shared);
            }
        }
        if let Some(failure) = self.input.take_error() {
            self.shared.counters.errors(1);
            self.input.count_unhandled(&failure, &self.shared);
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
