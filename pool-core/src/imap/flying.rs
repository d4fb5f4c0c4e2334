//! Chunks that may end in any order: each tells of its end by its waker, and whoever waits takes the news.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvError, Sender, unbounded};

use super::{Waited, next_sent};
use crate::context::{self, Lent, Loan};
use crate::hub::Hub;
use crate::intake::{Reads, Sent};
use crate::panics;

/// Chunks that may end in any order.
pub(super) struct Flying<R, E> {
    pub(super) chunks: BTreeMap<u64, Sent<R, E>>,
    /// They are taken in the order in which they were sent.
    pub(super) ordered: bool,
    /// Of these, the one whose end is told; chunks are numbered from 1.
    watched: u64,
    /// The number of the wait that began last.
    last: u64,
    pub(super) bell: Arc<Bell>,
    pub(super) news: Receiver<News>,
}

/// What one who waits for any chunk is told.
pub(super) enum News {
    /// The chunk with this number has ended.
    Ended(u64),
    /// The time of the wait with this number is over.
    Over(u64),
    /// A chunk was sent, or the input has ended.
    Read,
}

/// Where news are told.
pub(super) struct Bell {
    sender: Sender<News>,
    /// Who polls for news.
    pub(super) waker: Mutex<Option<Waker>>,
    /// The place that a worker of the pool lends while it waits for news.
    loan: Mutex<Option<Arc<Loan>>>,
    /// A callback has waited for news: the lane on which it runs must be nudged.
    lane_waits: AtomicBool,
    hub: Arc<Hub>,
}

impl Bell {
    fn tell(&self, news: News) {
        // One who has dropped the iterator need not be told.
        let _ = self.sender.send(news);
        // Beside the other fence: either the callback sees the news, or this thread that it waits.
        fence(Ordering::SeqCst);
        if self.lane_waits.load(Ordering::Relaxed) {
            self.hub.lane.nudge();
        }
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            // A waker is the caller's code: its panic is not that of the one who tells.
            let _ = panics::catch(|| waker.wake());
        }
    }
}

/// Tells of a chunk's end.
struct Teller(Arc<Bell>, u64);

impl Wake for Teller {
    fn wake(self: Arc<Self>) {
        // The place is its owner's again before whoever ended the chunk takes more work.
        let loan = lock(&self.0.loan).take();
        if let Some(loan) = loan {
            loan.end();
        }
        self.0.tell(News::Ended(self.1));
    }
}

impl<R, E> Flying<R, E> {
    pub(super) fn new(ordered: bool, hub: &Arc<Hub>) -> Self {
        let (sender, news) = unbounded();
        let bell = Arc::new(Bell {
            sender,
            waker: Mutex::default(),
            loan: Mutex::default(),
            lane_waits: AtomicBool::new(false),
            hub: hub.clone(),
        });
        Flying {
            chunks: BTreeMap::new(),
            ordered,
            watched: 0,
            last: 0,
            bell,
            news,
        }
    }

    /// How many items are on their way in them.
    pub(super) fn items(&self) -> usize {
        self.chunks.values().map(|sent| sent.items).sum()
    }

    /// Who is woken by the end of the chunk with a number.
    pub(super) fn waker_of(&self) -> Box<dyn Fn(u64) -> Waker + Send> {
        let bell = self.bell.clone();
        Box::new(move |number| Waker::from(Arc::new(Teller(bell.clone(), number))))
    }

    /// Who is told of chunks that were sent.
    pub(super) fn told(&self) -> Arc<dyn Fn() + Send + Sync> {
        let bell = self.bell.clone();
        Arc::new(move || bell.tell(News::Read))
    }
}

impl<R: 'static, E: 'static> Flying<R, E> {
    /// Waits for a chunk's end; `reads` where the consumer reads the input.
    pub(super) fn wait(
        &mut self,
        intake: &dyn Reads<R, E>,
        reads: bool,
        limit: Option<Duration>,
        hub: &Hub,
    ) -> Waited<R, E> {
        self.last += 1;
        let this_wait = self.last;
        // A limit of zero is a look, which no timer has a part in.
        let mut look = limit.is_some_and(|limit| limit.is_zero());
        let mut armed = None;
        loop {
            if let Some(waited) = self.look(intake, reads) {
                return waited;
            }
            if let (Some(limit), None, false) = (limit, &armed, look) {
                let bell = self.bell.clone();
                let alarm = move || bell.tell(News::Over(this_wait));
                armed = Some(hub.timers.arm(limit, Box::new(alarm)));
            }
            let news = match self.news.try_recv() {
                Ok(news) => Ok(news),
                Err(_) if look => return Waited::TimedOut,
                Err(_) if limit.is_none() && self.are_ours() => return self.refused(),
                Err(_) if context::on_lane(hub.pool) => self.receive_on_lane(hub),
                Err(_) => match context::lend(hub.pool) {
                    Ok(lent) => self.receive(lent),
                    // Nobody can take this worker's place: it waits until its time is over.
                    Err(_) if limit.is_some() => self.receive(None),
                    // Or is refused, as with results in order: with the chunk that it would come to.
                    Err(_) => return self.refused(),
                },
            };
            match news {
                Ok(News::Ended(number)) if !self.ordered => {
                    self.take_over(intake);
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
    pub(super) fn look(&mut self, intake: &dyn Reads<R, E>, reads: bool) -> Option<Waited<R, E>> {
        self.take_over(intake);
        while self.chunks.is_empty() {
            if reads {
                let sent = next_sent(intake);
                let Some(sent) = sent else {
                    return Some(Waited::Nothing);
                };
                self.chunks.insert(sent.number, sent);
            } else if intake.is_read_here() {
                return Some(Waited::Nothing);
            } else if intake.awaits_next() {
                return None;
            } else {
                // Asked first: what was sent until then is taken over below.
                let has_ended = intake.has_ended();
                self.take_over(intake);
                if has_ended && self.chunks.is_empty() {
                    return Some(Waited::Nothing);
                }
            }
        }
        let first = self.chunks.first_entry().filter(|_| self.ordered)?;
        let number = *first.key();
        let mut has_ended = first.get().handle.ready();
        if !has_ended && self.watched != number {
            // From now on its end is told: it may have come meanwhile.
            self.watched = number;
            let waker = Waker::from(Arc::new(Teller(self.bell.clone(), number)));
            has_ended = first.get().handle.watch(&waker);
        }
        has_ended.then(|| {
            let sent = first.remove();
            Waited::Ended(sent.items, sent.handle.get())
        })
    }

    /// Blocks until there are news; `lent` is the place of a worker of the pool.
    fn receive(&self, lent: Option<Lent>) -> Result<News, RecvError> {
        *lock(&self.bell.loan) = lent.as_ref().map(Lent::loan);
        // A chunk may have ended before the loan lay there: then there are news already.
        // The sender beside the receiver keeps the channel open.
        self.news.recv()
    }

    /// As [`receive`](Self::receive), from a callback: others that are due run meanwhile, nested.
    fn receive_on_lane(&self, hub: &Hub) -> Result<News, RecvError> {
        self.bell.lane_waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let news = Cell::new(None);
        hub.lane.run_until(|| {
            let told = news.take().or_else(|| self.news.try_recv().ok());
            let has_come = told.is_some();
            news.set(told);
            has_come
        });
        // Where callbacks have no thread of their own, there is nothing else to run meanwhile.
        news.take().map_or_else(|| self.news.recv(), Ok)
    }

    /// Whether whoever waits runs in the only chunks that could end.
    pub(super) fn are_ours(&self) -> bool {
        let awaited = if self.ordered { 1 } else { usize::MAX };
        let mut chunks = self.chunks.values().take(awaited);
        !self.chunks.is_empty() && chunks.all(|sent| sent.handle.is_ours())
    }

    /// The chunk that was sent first, which cannot be waited for.
    pub(super) fn refused(&mut self) -> Waited<R, E> {
        match self.chunks.pop_first() {
            Some((_, sent)) => Waited::Ended(sent.items, sent.handle.get()),
            None => Waited::Refused,
        }
    }

    /// Takes what was sent since.
    pub(super) fn take_over(&mut self, intake: &dyn Reads<R, E>) {
        while let Some(sent) = intake.first() {
            self.chunks.insert(sent.number, sent);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
