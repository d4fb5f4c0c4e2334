//! The input of an `imap`: read chunk by chunk by whoever needs it, each chunk one job.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};

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

/// Where an input is. Its iterator is the caller's code, and so is the function that is cloned for each chunk: whoever
/// reads takes it out, so that they run under no lock.
enum Place<A, R, E> {
    Here(Input<A, R, E>),
    /// With the one who reads it.
    With(ThreadId),
    Ended,
}

/// The input of one `imap`, and the chunks that were made of it.
pub(crate) struct Intake<A, R, E> {
    input: Mutex<Place<A, R, E>>,
    /// Rung when whoever has read is done.
    back: Condvar,
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
    /// Under the queue's lock, so that one who is told of the chunk's end finds the chunk. Whom to tell at once, for it
    /// has ended already: who is woken runs the caller's code, and needs the lock.
    #[must_use = "the chunk may have ended"]
    fn push(&mut self, items: usize, handle: AsyncResult<Ends<R, E>>) -> Option<Waker> {
        self.last += 1;
        let number = self.last;
        let waker = self.waker_of.as_ref().map(|waker_of| waker_of(number));
        let due = waker.filter(|waker| handle.watch(waker));
        self.chunks.push_back(Sent {
            number,
            items,
            handle,
        });
        due
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
            input: Mutex::new(Place::Here(input)),
            back: Condvar::new(),
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

    /// Takes the input out, to read it; nothing when it has ended, or is being read by somebody who is not waited for.
    fn take_out(&self, waits: bool) -> Option<Reading<'_, A, R, E>> {
        let here = thread::current().id();
        let mut place = lock(&self.input);
        loop {
            match std::mem::replace(&mut *place, Place::With(here)) {
                Place::Here(input) => {
                    return Some(Reading {
                        intake: self,
                        input: Some(input),
                    });
                }
                Place::Ended => {
                    *place = Place::Ended;
                    return None;
                }
                Place::With(reader) => {
                    *place = Place::With(reader);
                    if !waits || reader == here {
                        return None;
                    }
                    place = self
                        .back
                        .wait(place)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Sends one chunk; false when there is no more input, or the pool takes none. A panic of the input is
    /// the reader's, and ends the input.
    fn send(&self, waits: bool) -> bool {
        let Some(mut reading) = self.take_out(waits) else {
            return false;
        };
        // What is not handed back has ended.
        let Some(mut input) = reading.input.take() else {
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
        let due = lock(&self.sent).push(items, handle);
        // An input that knows its end has ended with its last item, not when somebody asks for one more.
        let ended = items < self.chunksize || input.items.size_hint().1 == Some(0);
        reading.input = Some(input).filter(|_| !ended);
        // Who is woken may read in place: the input is back by then.
        drop(reading);
        if let Some(waker) = due {
            waker.wake();
        }
        true
    }
}

/// An input that was taken out. It goes back, or has ended: then it is dropped before anybody is told.
struct Reading<'i, A, R, E> {
    intake: &'i Intake<A, R, E>,
    input: Option<Input<A, R, E>>,
}

impl<A, R, E> Drop for Reading<'_, A, R, E> {
    fn drop(&mut self) {
        *lock(&self.intake.input) = self.input.take().map_or(Place::Ended, Place::Here);
        self.intake.back.notify_all();
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
        self.send(true)
    }

    fn try_read(&self) -> bool {
        self.send(false)
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
        let mut place = lock(&self.input);
        // Whoever is reading finds the pool terminated when it sends.
        let Place::Here(_) = &*place else { return };
        let input = std::mem::replace(&mut *place, Place::Ended);
        self.cut_short.store(true, Ordering::Release);
        drop(place);
        panics::contain(|| drop(input));
    }

    fn is_read_here(&self) -> bool {
        matches!(*lock(&self.input), Place::With(reader) if reader == thread::current().id())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::sync::{Arc, Mutex, Weak, mpsc};
    use std::task::{Wake, Waker};
    use std::time::Duration;

    use super::{Intake, OpenSource, Reads, Settled};
    use crate::cell::Cell;
    use crate::handle::AsyncResult;
    use crate::idle::{self, Queued};
    use crate::task::Plain;
    use crate::terms::Terms;
    use crate::unit::Job;
    use crate::work::Batch;

    type Numbers = Intake<u64, u64, crate::Never>;

    /// Takes the first chunk when it is woken.
    struct Takes(Mutex<Weak<Numbers>>, mpsc::Sender<usize>);

    impl Wake for Takes {
        fn wake(self: Arc<Self>) {
            let intake = self
                .0
                .lock()
                .expect("whole")
                .upgrade()
                .expect("it is there");
            let first = intake.first().map_or(0, |sent| sent.items);
            self.1.send(first).expect("somebody listens");
        }
    }

    #[test]
    fn who_is_told_of_a_chunk_that_ended_at_once_finds_it() {
        let hub = idle::hub();
        let submit = move |_, items: Vec<u64>| {
            let same: fn(u64) -> u64 = |item| item;
            let work = Batch::new(Settled(Plain(same)), items, 2);
            let cell = Cell::<dyn Queued, _>::new(&hub, work, false, Terms::here());
            let unit = cell.link().lock().claim(&*cell);
            cell.run(unit.expect("it has one").0);
            Ok(AsyncResult::new(cell))
        };
        let open = OpenSource::new(|| ());
        let intake = Intake::new(0..2, 2, Location::caller(), submit, open);
        let (tell, told) = mpsc::channel();
        let takes = Arc::new(Takes(Mutex::new(Arc::downgrade(&intake)), tell));
        intake.tell_ends(move |_| Waker::from(takes.clone()));
        // On a thread of its own, to notice where it never ends.
        std::thread::spawn(move || intake.read());
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(2));
    }
}
