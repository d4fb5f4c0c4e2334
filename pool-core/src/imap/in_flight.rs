//! Chunks that may end in any order: the waker of each sends an event at its end, and the consumer receives it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvError, Sender, unbounded};

use super::input::{Reads, Sent};
use super::{Waited, next_sent};
use crate::panics;
use crate::shared::PoolShared;
use crate::thread_state::{self, Blocked, BlockedWorker};

/// Chunks that may end in any order.
pub(super) struct InFlight<R, E> {
    pub(super) chunks: BTreeMap<u64, Sent<R, E>>,
    /// They are taken in the order in which they were sent.
    pub(super) ordered: bool,
    /// Of these, the one whose end is reported; chunks are numbered from 1.
    watched: u64,
    /// The number of the wait that began last.
    last: u64,
    pub(super) bell: Arc<Bell>,
    pub(super) news: Receiver<News>,
}

/// An event for the consumer, which waits for any chunk.
pub(super) enum News {
    /// The chunk with this number has ended.
    Ended(u64),
    /// The time of the wait with this number is over.
    Over(u64),
    /// A chunk was sent, or the input has ended.
    Read,
}

/// Where events are sent.
pub(super) struct Bell {
    sender: Sender<News>,
    /// The waker of a consumer that polls.
    pub(super) waker: Mutex<Option<Waker>>,
    /// A worker of the pool that waits for an event.
    blocked: Mutex<Option<Arc<BlockedWorker>>>,
    /// A callback has waited for an event: the callback thread must be nudged.
    callback_waits: AtomicBool,
    shared: Arc<PoolShared>,
}

impl Bell {
    fn tell(&self, news: News) {
        // The iterator may have been dropped: then nobody needs the event.
        let _ = self.sender.send(news);
        // With the other fence: either the callback sees the event, or this thread sees that it waits.
        fence(Ordering::SeqCst);
        if self.callback_waits.load(Ordering::Relaxed) {
            self.shared.callbacks.nudge();
        }
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            // A waker is the caller's code: its panic must not reach this thread.
            let _ = panics::catch(|| waker.wake());
        }
    }
}

/// The waker of a chunk: it reports the chunk's end.
struct Teller(Arc<Bell>, u64);

impl Wake for Teller {
    fn wake(self: Arc<Self>) {
        // The worker that waits counts as running before the thread that ended the chunk takes more work.
        let blocked = lock(&self.0.blocked).take();
        if let Some(worker) = blocked {
            worker.unblock();
        }
        self.0.tell(News::Ended(self.1));
    }
}

impl<R, E> InFlight<R, E> {
    pub(super) fn new(ordered: bool, shared: &Arc<PoolShared>) -> Self {
        let (sender, news) = unbounded();
        let bell = Arc::new(Bell {
            sender,
            waker: Mutex::default(),
            blocked: Mutex::default(),
            callback_waits: AtomicBool::new(false),
            shared: shared.clone(),
        });
        InFlight {
            chunks: BTreeMap::new(),
            ordered,
            watched: 0,
            last: 0,
            bell,
            news,
        }
    }

    /// How many items they have.
    pub(super) fn items(&self) -> usize {
        self.chunks.values().map(|sent| sent.items.len()).sum()
    }

    /// Makes the waker for the chunk with a number.
    pub(super) fn waker_of(&self) -> Box<dyn Fn(u64) -> Waker + Send> {
        let bell = self.bell.clone();
        Box::new(move |number| Waker::from(Arc::new(Teller(bell.clone(), number))))
    }

    /// What the reader calls when it has sent a chunk.
    pub(super) fn told(&self) -> Arc<dyn Fn() + Send + Sync> {
        let bell = self.bell.clone();
        Arc::new(move || bell.tell(News::Read))
    }
}

impl<R: 'static, E: 'static> InFlight<R, E> {
    /// Waits for a chunk's end; `reads` where the consumer reads the input.
    pub(super) fn wait(
        &mut self,
        input: &dyn Reads<R, E>,
        reads: bool,
        limit: Option<Duration>,
        shared: &PoolShared,
    ) -> Waited<R, E> {
        self.last += 1;
        let this_wait = self.last;
        // A limit of zero is a look, which no timer has a part in.
        let mut look = limit.is_some_and(|limit| limit.is_zero());
        let mut armed = None;
        loop {
            if let Some(waited) = self.look(input, reads) {
                return waited;
            }
            if let (Some(limit), None, false) = (limit, &armed, look) {
                let bell = self.bell.clone();
                let alarm = move || bell.tell(News::Over(this_wait));
                armed = Some(shared.timers.arm(limit, Box::new(alarm)));
            }
            let news = match self.news.try_recv() {
                Ok(news) => Ok(news),
                Err(_) if look => return Waited::TimedOut,
                Err(_) if limit.is_none() && self.are_ours() => return self.refuse_first(),
                Err(_) if thread_state::on_callback_thread(shared.pool) => {
                    self.receive_on_callback_thread(shared)
                }
                Err(_) => match thread_state::block(shared.pool) {
                    Ok(blocked) => self.receive(blocked),
                    // No compensation thread can be had for this worker: it waits until its time is over.
                    Err(_) if limit.is_some() => self.receive(None),
                    // Or is refused, as with results in order: with the chunk that it would come to.
                    Err(_) => return self.refuse_first(),
                },
            };
            match news {
                Ok(News::Ended(number)) if !self.ordered => {
                    self.take_over(input);
                    if let Some(sent) = self.chunks.remove(&number) {
                        return Waited::Ended(sent.items, sent.handle.get());
                    }
                }
                Ok(News::Ended(_) | News::Read) => {}
                // What came after it, while callbacks ran nested, is in time: it is there.
                Ok(News::Over(wait)) if wait == this_wait => look = true,
                Ok(News::Over(_)) => {}
                Err(_) => return Waited::Nothing,
            }
        }
    }

    /// What there is without waiting: the first chunk's end, where chunks are taken in their order, or the end of all.
    pub(super) fn look(&mut self, input: &dyn Reads<R, E>, reads: bool) -> Option<Waited<R, E>> {
        self.take_over(input);
        while self.chunks.is_empty() {
            if reads {
                let sent = next_sent(input);
                let Some(sent) = sent else {
                    return Some(Waited::Nothing);
                };
                self.chunks.insert(sent.number, sent);
            } else if input.is_read_here() {
                return Some(Waited::Nothing);
            } else if input.awaits_next() {
                return None;
            } else {
                // Asked first: what was sent until then is taken over below.
                let has_ended = input.has_ended();
                self.take_over(input);
                if has_ended && self.chunks.is_empty() {
                    return Some(Waited::Nothing);
                }
            }
        }
        let first = self.chunks.first_entry().filter(|_| self.ordered)?;
        let number = *first.key();
        let mut has_ended = first.get().handle.ready();
        if !has_ended && self.watched != number {
            // From now on its end is reported: it may have ended meanwhile.
            self.watched = number;
            let waker = Waker::from(Arc::new(Teller(self.bell.clone(), number)));
            has_ended = first.get().handle.watch(&waker);
        }
        has_ended.then(|| {
            let sent = first.remove();
            Waited::Ended(sent.items, sent.handle.get())
        })
    }

    /// Blocks until there is an event.
    fn receive(&self, blocked: Option<Blocked>) -> Result<News, RecvError> {
        *lock(&self.bell.blocked) = blocked.as_ref().map(Blocked::worker);
        // A chunk may have ended before the worker was stored there: then there is an event already.
        // The sender beside the receiver keeps the channel open.
        self.news.recv()
    }

    /// As [`receive`](Self::receive), from a callback: others that are due run meanwhile, nested.
    fn receive_on_callback_thread(&self, shared: &PoolShared) -> Result<News, RecvError> {
        self.bell.callback_waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let news = Cell::new(None);
        shared.callbacks.run_until(|| {
            let told = news.take().or_else(|| self.news.try_recv().ok());
            let has_come = told.is_some();
            news.set(told);
            has_come
        });
        // Where there is no callback thread, there is nothing else to run meanwhile.
        news.take().map_or_else(|| self.news.recv(), Ok)
    }

    /// Whether the caller runs in the only chunks that could end.
    pub(super) fn are_ours(&self) -> bool {
        let awaited = if self.ordered { 1 } else { usize::MAX };
        let mut chunks = self.chunks.values().take(awaited);
        !self.chunks.is_empty() && chunks.all(|sent| sent.handle.is_ours())
    }

    /// The chunk that was sent first, which cannot be waited for.
    pub(super) fn refuse_first(&mut self) -> Waited<R, E> {
        match self.chunks.pop_first() {
            Some((_, sent)) => Waited::Ended(sent.items, sent.handle.get()),
            None => Waited::Refused,
        }
    }

    /// Takes what was sent since.
    pub(super) fn take_over(&mut self, input: &dyn Reads<R, E>) {
        while let Some(sent) = input.first() {
            self.chunks.insert(sent.number, sent);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
