//! `imap` and `imap_unordered`: results as an iterator, over an input that is read as it is needed.
//!
//! The input is read by whoever needs it: by the consumer, who keeps at most `read_ahead` chunks in the pool,
//! and by `join`, which reads the rest of a closed pool's. Items of a chunk fail each for itself.
//! Handles wait in the order of the input; for `imap_unordered` each tells of its end by its waker.

#[cfg(feature = "stream")]
mod stream;

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvError, Sender, unbounded};

use crate::context::{self, Lent, Loan};
use crate::failure::{Failure, Misuse, Never};
use crate::hub::Hub;
use crate::intake::{Ends, Intake, Reads, Sent};
use crate::panics;

/// How the input of an `imap` is cut and read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flow {
    pub(crate) chunksize: Option<usize>,
    pub(crate) read_ahead: Option<usize>,
    pub(crate) unordered: bool,
    /// Where it was started, if not by who hands this over.
    pub(crate) place: Option<&'static Location<'static>>,
}

/// What begins an `imap`.
type Start<'p, R, E> = Box<dyn FnOnce(Flow) -> Result<Imap<R, E>, Misuse> + 'p>;

impl Flow {
    /// Results come in the order of completion.
    #[must_use]
    pub fn unordered(self) -> Flow {
        Flow {
            unordered: true,
            ..self
        }
    }
}

/// An `imap` in the making; nothing is read before it starts.
#[must_use = "nothing is read before `ordered` or `unordered`"]
pub struct ImapSubmission<'p, R, E = Never> {
    flow: Flow,
    start: Start<'p, R, E>,
}

impl<'p, R, E> ImapSubmission<'p, R, E> {
    /// An `imap` that `start` begins.
    pub fn new(start: impl FnOnce(Flow) -> Result<Imap<R, E>, Misuse> + 'p) -> Self {
        ImapSubmission {
            flow: Flow::default(),
            start: Box::new(start),
        }
    }

    /// Items per chunk, at least 1 (default: 1); a chunk is one task for one worker.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let halves = pool.imap_task(|x| x / 2, [2, 4, 6]).chunksize(2).ordered()?;
    /// assert_eq!(halves.flatten().collect::<Vec<i32>>(), [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunksize(mut self, items: usize) -> Self {
        self.flow.chunksize = Some(items);
        self
    }

    /// How many chunks may be in the pool, or done and not yet taken (default: four for each worker).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let halves = pool.imap_task(|x| x / 2, 0..).read_ahead(1).ordered()?;
    /// assert_eq!(halves.flatten().take(3).collect::<Vec<i32>>(), [0, 0, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_ahead(mut self, chunks: usize) -> Self {
        self.flow.read_ahead = Some(chunks);
        self
    }

    /// Starts it: results come in the order of the input.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`], [`Misuse::ZeroChunksize`], [`Misuse::ZeroReadAhead`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let squares = pool.imap_task(|x| x * x, [3, 1, 2]).ordered()?;
    /// assert_eq!(squares.flatten().collect::<Vec<i32>>(), [9, 1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn ordered(self) -> Result<Imap<R, E>, Misuse> {
        self.start_at(Location::caller(), false)
    }

    /// Starts it: results come in the order of completion.
    ///
    /// # Errors
    ///
    /// As for [`ordered`](Self::ordered).
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = pool_thread::ThreadPool::builder().size(2).panic_hook(false).build()?;
    /// let squares = pool.imap_task(|x| x * x, [3, 1, 2]).unordered()?;
    /// assert_eq!(squares.flatten().sum::<i32>(), 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn unordered(self) -> Result<Imap<R, E>, Misuse> {
        self.start_at(Location::caller(), true)
    }

    fn start_at(
        self,
        place: &'static Location<'static>,
        unordered: bool,
    ) -> Result<Imap<R, E>, Misuse> {
        (self.start)(Flow {
            unordered,
            place: Some(place),
            ..self.flow
        })
    }
}

impl<R, E> fmt::Debug for ImapSubmission<'_, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapSubmission")
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

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

/// Chunks that may end in any order.
struct Flying<R, E> {
    chunks: HashMap<u64, Sent<R, E>>,
    /// The number of the wait that began last.
    last: u64,
    bell: Arc<Bell>,
    news: Receiver<News>,
}

/// What one who waits for any chunk is told.
enum News {
    /// The chunk with this number has ended.
    Ended(u64),
    /// The time of the wait with this number is over.
    Over(u64),
}

/// Where news are told.
struct Bell {
    sender: Sender<News>,
    /// Who polls for news.
    waker: Mutex<Option<Waker>>,
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
        let (sender, news) = unbounded();
        let bell = Arc::new(Bell {
            sender,
            waker: Mutex::default(),
            loan: Mutex::default(),
            lane_waits: AtomicBool::new(false),
            hub: hub.clone(),
        });
        let ends = bell.clone();
        intake.tell_ends(move |number| Waker::from(Arc::new(Teller(ends.clone(), number))));
        let flying = Flying {
            chunks: HashMap::new(),
            last: 0,
            bell,
            news,
        };
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
            Order::Completion(flying) => flying.chunks.len(),
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

impl<R: 'static, E: 'static> Flying<R, E> {
    fn wait(
        &mut self,
        intake: &dyn Reads<R, E>,
        limit: Option<Duration>,
        hub: &Hub,
    ) -> Waited<R, E> {
        self.take_over(intake);
        if self.chunks.is_empty() {
            match next_sent(intake) {
                Some(sent) => self.chunks.insert(sent.number, sent),
                None => return Waited::Nothing,
            };
        }
        self.last += 1;
        let this_wait = self.last;
        // A limit of zero is a look, which no timer has a part in.
        let look = limit.is_some_and(|limit| limit.is_zero());
        let _armed = limit.filter(|_| !look).map(|limit| {
            let bell = self.bell.clone();
            let alarm = move || bell.tell(News::Over(this_wait));
            hub.timers.arm(limit, Box::new(alarm))
        });
        loop {
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
                Ok(News::Ended(number)) => {
                    self.take_over(intake);
                    if let Some(sent) = self.chunks.remove(&number) {
                        return Waited::Ended(sent.items, sent.handle.get());
                    }
                }
                Ok(News::Over(wait)) if wait == this_wait => return Waited::TimedOut,
                Ok(News::Over(_)) => {}
                Err(_) => return Waited::Nothing,
            }
        }
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
    fn are_ours(&self) -> bool {
        self.chunks.values().all(|sent| sent.handle.is_ours())
    }

    /// The chunk that was sent first, which cannot be waited for.
    fn refused(&mut self) -> Waited<R, E> {
        let Some(first) = self.chunks.keys().min().copied() else {
            return Waited::Nothing;
        };
        match self.chunks.remove(&first) {
            Some(sent) => Waited::Ended(sent.items, sent.handle.get()),
            None => Waited::Nothing,
        }
    }

    /// Takes what was sent since.
    fn take_over(&mut self, intake: &dyn Reads<R, E>) {
        while let Some(sent) = intake.first() {
            self.chunks.insert(sent.number, sent);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        if self.settled {
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
