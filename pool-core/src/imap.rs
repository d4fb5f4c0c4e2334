//! `imap` and `imap_unordered`: results as an iterator, over an input that is read as it is needed.
//!
//! The input is read by whoever needs it: by the consumer, who keeps at most `read_ahead` chunks in the pool,
//! and by `join`, which reads the rest of a closed pool's. A chunk is one job, whose items fail each for itself.
//! Handles wait in the order of the input; for `imap_unordered` each tells of its end by its waker.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Wake, Waker};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::failure::{Failure, Misuse, Never};
use crate::feed::Source;
use crate::handle::AsyncResult;
use crate::panics;
use crate::task::{FnPtr, Func};
use crate::timers::Timers;

/// A function whose failures, panics too, are the values of its items.
#[derive(Debug, Clone, Copy)]
pub struct Settled<F>(pub F);

impl<A, F: Func<A>> Func<A> for Settled<F> {
    type Out = Result<F::Out, Failure<F::Raised>>;
    type Raised = Never;

    fn call(&self, arg: A) -> Result<Self::Out, Never> {
        Ok(match panics::catch(|| self.0.call(arg)) {
            Ok(end) => end.map_err(Failure::Raised),
            Err(panic) => Err(Failure::Panicked(Box::new(panic))),
        })
    }
}

impl<A, F: FnPtr<A>> FnPtr<A> for Settled<F> {
    type Pointer = F::Pointer;

    fn pointer(self) -> F::Pointer {
        self.0.pointer()
    }

    fn from_pointer(pointer: F::Pointer) -> Self {
        Settled(F::from_pointer(pointer))
    }
}

/// The ends of one chunk's items.
pub type Ends<R, E> = Vec<Result<R, Failure<E>>>;

/// A chunk on its way.
struct Sent<R, E> {
    items: usize,
    handle: AsyncResult<Ends<R, E>>,
}

/// How a chunk of items becomes a job.
type Submit<A, R, E> = Box<dyn Fn(Vec<A>) -> Result<AsyncResult<Ends<R, E>>, Misuse> + Send>;

/// An input that is still being read.
struct Input<A, R, E> {
    items: Box<dyn Iterator<Item = A> + Send>,
    submit: Submit<A, R, E>,
    /// Keeps the workers of a closed pool until the input has ended.
    _open: OpenSource,
}

/// Tells the pool, when it is dropped, that a source has ended.
pub(crate) struct OpenSource(Option<Box<dyn FnOnce() + Send>>);

impl OpenSource {
    pub(crate) fn new(ended: impl FnOnce() + Send + 'static) -> OpenSource {
        OpenSource(Some(Box::new(ended)))
    }
}

impl Drop for OpenSource {
    fn drop(&mut self) {
        if let Some(ended) = self.0.take() {
            ended();
        }
    }
}

/// The input of one `imap`, and the chunks that were made of it.
pub(crate) struct Intake<A, R, E> {
    /// `None` once it has ended.
    input: Mutex<Option<Input<A, R, E>>>,
    chunksize: usize,
    sent: Mutex<VecDeque<Sent<R, E>>>,
    /// The pool was terminated before the input had ended.
    cut_short: AtomicBool,
}

impl<A, R, E> Intake<A, R, E> {
    pub(crate) fn new(
        items: impl Iterator<Item = A> + Send + 'static,
        chunksize: usize,
        submit: impl Fn(Vec<A>) -> Result<AsyncResult<Ends<R, E>>, Misuse> + Send + 'static,
        open: OpenSource,
    ) -> Arc<Self> {
        let input = Input {
            items: Box::new(items),
            submit: Box::new(submit),
            _open: open,
        };
        Arc::new(Intake {
            input: Mutex::new(Some(input)),
            chunksize,
            sent: Mutex::default(),
            cut_short: AtomicBool::new(false),
        })
    }

    /// Sends one chunk; false when there is no more input, or the pool takes none. A panic of the input is
    /// the reader's, and ends the input.
    fn send(&self, mut guard: MutexGuard<'_, Option<Input<A, R, E>>>) -> bool {
        let Some(mut input) = guard.take() else {
            return false;
        };
        let chunk: Vec<A> = input.items.by_ref().take(self.chunksize).collect();
        let items = chunk.len();
        if items == 0 {
            return false;
        }
        let Ok(handle) = (input.submit)(chunk) else {
            self.cut_short.store(true, Ordering::Release);
            return false;
        };
        lock(&self.sent).push_back(Sent { items, handle });
        *guard = Some(input);
        true
    }
}

/// An intake, whatever its input is made of.
trait Reads<R, E>: Source {
    /// Sends one chunk; false when there is no more input.
    fn read(&self) -> bool;
    /// As `read`; false, and nothing is done, while somebody else is reading.
    fn try_read(&self) -> bool;
    /// The chunk that was sent first and is not yet waited for.
    fn first(&self) -> Option<Sent<R, E>>;
    /// How many chunks were sent and are not yet waited for.
    fn waiting(&self) -> usize;
    /// Whether the input was cut short by the end of the pool.
    fn was_cut_short(&self) -> bool;
}

impl<A: Send, R: Send, E: Send> Reads<R, E> for Intake<A, R, E> {
    fn read(&self) -> bool {
        self.send(lock(&self.input))
    }

    fn try_read(&self) -> bool {
        match self.input.try_lock() {
            Ok(guard) => self.send(guard),
            Err(TryLockError::Poisoned(poisoned)) => self.send(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => false,
        }
    }

    fn first(&self) -> Option<Sent<R, E>> {
        lock(&self.sent).pop_front()
    }

    fn waiting(&self) -> usize {
        lock(&self.sent).len()
    }

    fn was_cut_short(&self) -> bool {
        self.cut_short.load(Ordering::Acquire)
    }
}

impl<A: Send, R: Send, E: Send> Source for Intake<A, R, E> {
    fn read_all(&self) {
        // A panic of the input ended it, and was printed where it happened: `join` has nothing to add.
        while panics::catch(|| self.read()).unwrap_or(false) {}
    }

    fn stop(&self) {
        // Whoever is reading finds the pool terminated when it sends.
        let input = self
            .input
            .try_lock()
            .ok()
            .and_then(|mut input| input.take());
        if input.is_some() {
            self.cut_short.store(true, Ordering::Release);
        }
    }
}

/// How the input of an `imap` is cut and read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flow {
    pub(crate) chunksize: Option<usize>,
    pub(crate) read_ahead: Option<usize>,
    pub(crate) unordered: bool,
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
    pub fn chunksize(mut self, items: usize) -> Self {
        self.flow.chunksize = Some(items);
        self
    }

    /// How many chunks may be in the pool, or done and not yet taken (default: four for each worker).
    pub fn read_ahead(mut self, chunks: usize) -> Self {
        self.flow.read_ahead = Some(chunks);
        self
    }

    /// Starts it: results come in the order of the input.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`], and [`Misuse::ZeroChunksize`] for a chunk size or a read-ahead of zero.
    pub fn ordered(self) -> Result<Imap<R, E>, Misuse> {
        (self.start)(self.flow)
    }

    /// Starts it: results come in the order of completion.
    ///
    /// # Errors
    ///
    /// As for [`ordered`](Self::ordered).
    pub fn unordered(self) -> Result<Imap<R, E>, Misuse> {
        (self.start)(self.flow.unordered())
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
    ended: bool,
    order: Order<R, E>,
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
    last: u64,
    teller: Sender<News>,
    news: Receiver<News>,
    timers: Timers,
}

/// What one who waits for any chunk is told.
enum News {
    /// The chunk with this number has ended.
    Ended(u64),
    /// The time of the wait with this number is over.
    Over(u64),
}

/// Tells of a chunk's end.
struct Teller(Sender<News>, u64);

impl Wake for Teller {
    fn wake(self: Arc<Self>) {
        // One who has dropped the iterator need not be told.
        let _ = self.0.send(News::Ended(self.1));
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
    ) -> Self {
        Imap::new(intake, read_ahead, Order::Input(None))
    }

    pub(crate) fn unordered<A: Send + 'static>(
        intake: Arc<Intake<A, R, E>>,
        read_ahead: usize,
        timers: Timers,
    ) -> Self {
        let (teller, news) = unbounded();
        let flying = Flying {
            chunks: HashMap::new(),
            last: 0,
            teller,
            news,
            timers,
        };
        Imap::new(intake, read_ahead, Order::Completion(flying))
    }

    fn new<A: Send + 'static>(
        intake: Arc<Intake<A, R, E>>,
        read_ahead: usize,
        order: Order<R, E>,
    ) -> Self {
        let imap = Imap {
            intake,
            read_ahead,
            ready: VecDeque::new(),
            ended: false,
            order,
        };
        imap.read_ahead();
        imap
    }

    /// The next result; `Some(Err(Failure::TimedOut))` when none has come in time, and nothing is lost.
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
                Order::Completion(flying) => flying.wait(&*self.intake, limit),
            };
            match waited {
                Waited::TimedOut => return Some(Err(Failure::TimedOut)),
                Waited::Ended(_, Ok(ends)) => self.ready.extend(ends),
                Waited::Ended(_, Err(Failure::Terminated)) => self.end_terminated(),
                Waited::Ended(items, Err(failure)) => {
                    self.ready
                        .extend((0..items).map(|_| Err(failure.clone().widen())));
                }
                Waited::Nothing if self.intake.was_cut_short() => self.end_terminated(),
                Waited::Nothing => self.ended = true,
            }
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
    fn wait(&mut self, intake: &dyn Reads<R, E>, limit: Option<Duration>) -> Waited<R, E> {
        while let Some(sent) = intake.first() {
            self.watch(sent);
        }
        if self.chunks.is_empty() {
            match next_sent(intake) {
                Some(sent) => self.watch(sent),
                None => return Waited::Nothing,
            }
        }
        self.last += 1;
        let this_wait = self.last;
        let _armed = limit.map(|limit| {
            let teller = self.teller.clone();
            let alarm = move || teller.send(News::Over(this_wait)).unwrap_or_default();
            self.timers.arm(limit, Box::new(alarm))
        });
        loop {
            // The sender beside the receiver keeps the channel open.
            match self.news.recv() {
                Ok(News::Ended(number)) => {
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

    fn watch(&mut self, sent: Sent<R, E>) {
        self.last += 1;
        let number = self.last;
        let waker = Waker::from(Arc::new(Teller(self.teller.clone(), number)));
        if sent.handle.watch(&waker) {
            waker.wake();
        }
        self.chunks.insert(number, sent);
    }
}

impl<R: Send + 'static, E: Send + 'static> Iterator for Imap<R, E> {
    type Item = Result<R, Failure<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance(None)
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
