//! The input of an `imap`: read chunk by chunk by whoever needs it, each chunk one job.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Waker;

use crate::common::Context;
use crate::failure::{Failure, Misuse, Never};
use crate::feed::Source;
use crate::handle::AsyncResult;
use crate::hub::Hub;
use crate::panics;
use crate::tally::in_words;
use crate::task::{FnPtr, Func};

/// A function whose failures, panics too, are the values of its items.
#[derive(Debug, Clone, Copy)]
pub struct Settled<F>(pub F);

impl<A, F: Func<A>> Func<A> for Settled<F>
where
    F::Raised: 'static,
{
    type Out = Result<F::Out, Failure<F::Raised>>;
    type Raised = Never;

    const SETTLES: bool = true;

    fn failure_in(out: &Self::Out) -> Option<Failure<String>> {
        out.as_ref().err().map(in_words)
    }

    fn settled(failure: Failure) -> Option<Self::Out> {
        Some(Err(failure.map(|never| match never {})))
    }

    fn call(&self, arg: A) -> Result<Self::Out, Never> {
        Ok(match panics::catch(|| self.0.call(arg)) {
            Ok(end) => end.map_err(Failure::Raised),
            Err(panic) => Err(Failure::Panicked(Box::new(panic))),
        })
    }
}

impl<A, F: FnPtr<A>> FnPtr<A> for Settled<F>
where
    F::Raised: 'static,
{
    type Pointer = F::Pointer;
    type Context = F::Context;

    fn pointer(&self) -> F::Pointer {
        self.0.pointer()
    }

    fn context(&self) -> Option<&Context<F::Context>> {
        self.0.context()
    }

    fn assemble<X>(
        pointer: F::Pointer,
        context: impl FnOnce() -> Result<Context<F::Context>, X>,
    ) -> Result<Self, X> {
        F::assemble(pointer, context).map(Settled)
    }
}

/// The ends of one chunk's items.
pub type Ends<R, E> = Vec<Result<R, Failure<E>>>;

/// A chunk on its way.
pub(crate) struct Sent<R, E> {
    pub(crate) number: u64,
    pub(crate) items: usize,
    pub(crate) handle: AsyncResult<Ends<R, E>>,
}

/// How a chunk of items becomes a job; the number is the index of its first item.
type Submit<A, R, E> = Box<dyn Fn(usize, Vec<A>) -> Result<AsyncResult<Ends<R, E>>, Misuse> + Send>;

/// An input that is still being read.
struct Input<A, R, E> {
    items: Box<dyn Iterator<Item = A> + Send>,
    submit: Submit<A, R, E>,
    /// How many items were read.
    read: usize,
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
    /// Where the imap was called.
    place: &'static Location<'static>,
    sent: Mutex<Queue<R, E>>,
    /// The pool was terminated before the input had ended.
    cut_short: AtomicBool,
}

/// Who is woken when the chunk with this number has ended.
type WakerOf = Box<dyn Fn(u64) -> Waker + Send>;

/// Chunks that were sent and are not yet waited for.
struct Queue<R, E> {
    chunks: VecDeque<Sent<R, E>>,
    /// The number of the chunk that was sent last.
    last: u64,
    waker_of: Option<WakerOf>,
}

impl<R, E> Queue<R, E> {
    /// Under the queue's lock, so that one who is told of the chunk's end finds the chunk.
    fn push(&mut self, items: usize, handle: AsyncResult<Ends<R, E>>) {
        self.last += 1;
        let number = self.last;
        if let Some(waker) = self.waker_of.as_ref().map(|waker_of| waker_of(number))
            && handle.watch(&waker)
        {
            waker.wake();
        }
        self.chunks.push_back(Sent {
            number,
            items,
            handle,
        });
    }
}

impl<A, R, E> Intake<A, R, E> {
    pub(crate) fn new(
        items: impl Iterator<Item = A> + Send + 'static,
        chunksize: usize,
        place: &'static Location<'static>,
        submit: impl Fn(usize, Vec<A>) -> Result<AsyncResult<Ends<R, E>>, Misuse> + Send + 'static,
        open: OpenSource,
    ) -> Arc<Self> {
        let input = Input {
            items: Box::new(items),
            submit: Box::new(submit),
            read: 0,
            _open: open,
        };
        Arc::new(Intake {
            input: Mutex::new(Some(input)),
            chunksize,
            place,
            sent: Mutex::new(Queue {
                chunks: VecDeque::new(),
                last: 0,
                waker_of: None,
            }),
            cut_short: AtomicBool::new(false),
        })
    }

    /// Has the end of each chunk told from the moment of its sending, so that their order does not depend on when
    /// somebody asks.
    pub(crate) fn tell_ends(&self, waker_of: impl Fn(u64) -> Waker + Send + 'static) {
        lock(&self.sent).waker_of = Some(Box::new(waker_of));
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
        let Ok(handle) = (input.submit)(input.read, chunk) else {
            self.cut_short.store(true, Ordering::Release);
            return false;
        };
        input.read += items;
        lock(&self.sent).push(items, handle);
        // An input that knows its end has ended with its last item, not when somebody asks for one more.
        let ended = items < self.chunksize || input.items.size_hint().1 == Some(0);
        *guard = Some(input).filter(|_| !ended);
        true
    }
}

/// An intake, whatever its input is made of.
pub(crate) trait Reads<R, E>: Source {
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
    /// Nobody took the result of an item, which was this failure.
    fn lose(&self, failure: &Failure<E>, hub: &Hub);
}

impl<A: Send, R: Send, E: Send + 'static> Reads<R, E> for Intake<A, R, E> {
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
        lock(&self.sent).chunks.pop_front()
    }

    fn waiting(&self) -> usize {
        lock(&self.sent).chunks.len()
    }

    fn was_cut_short(&self) -> bool {
        self.cut_short.load(Ordering::Acquire)
    }

    fn lose(&self, failure: &Failure<E>, hub: &Hub) {
        let task = || format!("an item of the imap called at {}", self.place);
        hub.ledger.lost(task, in_words(failure));
    }
}

impl<A: Send, R: Send, E: Send + 'static> Source for Intake<A, R, E> {
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
        panics::contain(|| drop(input));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
