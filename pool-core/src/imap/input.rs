//! The input of an `imap`: read chunk by chunk, each chunk one job.
//!
//! The consumer reads an input that is at hand (a range, a vector), as it takes results. Any other input may wait, for ever or
//! for what the consumer does, so a thread reads it beside the consumer (`readers.rs`), as far ahead as its window allows.
//! An input ends with its last item, with its failure, with its pool, or when nobody wants its results any more. While its
//! reader is blocked in the caller's code, nobody waits for it.

use std::any::TypeId;
use std::collections::VecDeque;
use std::ops::{Range, RangeFrom, RangeInclusive};
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::error::{PoolError, TaskError};
use crate::handle::AsyncResult;
use crate::panics;
use crate::queue::Source;
use crate::readers::Readers;
use crate::settled::ItemResult;
use crate::shared::PoolShared;
use crate::stats::in_words;

/// Whether an input of this type has its items at hand: to read one neither waits nor fails.
pub(crate) fn is_at_hand<I: 'static, A: 'static>(_items: &I) -> bool {
    let known = [
        TypeId::of::<std::vec::IntoIter<A>>(),
        TypeId::of::<std::collections::vec_deque::IntoIter<A>>(),
        TypeId::of::<std::option::IntoIter<A>>(),
        TypeId::of::<Range<A>>(),
        TypeId::of::<RangeInclusive<A>>(),
        TypeId::of::<RangeFrom<A>>(),
        TypeId::of::<std::array::IntoIter<A, 1>>(),
        TypeId::of::<std::array::IntoIter<A, 2>>(),
        TypeId::of::<std::array::IntoIter<A, 3>>(),
        TypeId::of::<std::array::IntoIter<A, 4>>(),
    ];
    known.contains(&TypeId::of::<I>())
}

/// Why an input has ended before its last item.
pub(crate) type EndOf<E> = Mutex<Option<TaskError<E>>>;

/// What an `imap` takes its items from: any iterator that can go to another thread, or one of results.
pub trait Input<E> {
    /// An item, as the function gets it.
    type Item;
    /// The items, one by one.
    type Iter: Iterator<Item = Self::Item> + Send + 'static;
    /// Begins to read; `end` gets the error with which it ends, if it does.
    #[doc(hidden)]
    fn read(self, end: &Arc<EndOf<E>>) -> Self::Iter;
}

impl<I: IntoIterator<IntoIter: Send + 'static>, E> Input<E> for I {
    type Item = I::Item;
    type Iter = I::IntoIter;
    fn read(self, _end: &Arc<EndOf<E>>) -> I::IntoIter {
        self.into_iter()
    }
}

/// An input of results: its first `Err` is its end.
#[derive(Debug, Clone, Copy)]
pub struct Results<I>(pub(crate) I);

impl<I> Results<I> {
    /// These results.
    pub fn new(results: I) -> Self {
        Results(results)
    }
}

impl<A, E: Send + 'static, I: IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static>> Input<E>
    for Results<I>
{
    type Item = A;
    type Iter = UntilError<I::IntoIter, E>;
    fn read(self, end: &Arc<EndOf<E>>) -> UntilError<I::IntoIter, E> {
        UntilError {
            items: self.0.into_iter(),
            end: end.clone(),
        }
    }
}

/// The items of an input of results, up to its first error.
#[derive(Debug)]
pub struct UntilError<I, E> {
    items: I,
    end: Arc<EndOf<E>>,
}

impl<A, E, I: Iterator<Item = Result<A, E>>> Iterator for UntilError<I, E> {
    type Item = A;

    fn next(&mut self) -> Option<A> {
        match self.items.next()? {
            Ok(item) => Some(item),
            Err(error) => {
                *lock(&self.end) = Some(TaskError::raised(error));
                None
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // The error is an item of the input, and a result.
        self.items.size_hint()
    }
}

/// A chunk that was submitted.
pub(crate) struct Sent<R, E> {
    pub(crate) number: u64,
    /// Its items, as indexes of the input.
    pub(crate) items: Range<usize>,
    pub(crate) handle: AsyncResult<Vec<ItemResult<R, E>>>,
}

/// How far an input may be read ahead of its consumer, in chunks.
pub(crate) struct Window {
    size: usize,
    /// What it begins with.
    base: usize,
    /// It grows up to this where chunks go fast.
    most: usize,
    /// How many joins wait for its input: nobody may be there to take results.
    lifted: usize,
    /// How many chunks had been sent when the reader was woken last, and when that was.
    woken: Option<(u64, Instant)>,
}

impl Window {
    /// What was asked for, or four chunks for each worker to begin with.
    pub(crate) fn new(asked: Option<usize>, workers: usize) -> Window {
        const MOST: usize = 1024;
        let size = asked.unwrap_or(workers.saturating_mul(4));
        Window {
            size,
            base: size,
            most: if asked.is_some() {
                size
            } else {
                size.max(MOST)
            },
            lifted: 0,
            woken: None,
        }
    }

    /// Whether to wake a reader that waits while so many chunks are outstanding: a window that has grown is refilled when half
    /// of it is empty, since a wake-up costs more than many tasks.
    fn wakes_at(&self, outstanding: usize) -> bool {
        match self.size > self.base {
            true => outstanding <= self.size / 2,
            false => outstanding < self.size,
        }
    }

    /// The reader was woken, when so many chunks were sent in all. If chunks were fast since it was woken last, the window
    /// grows; if not, it is as at first.
    fn woke(&mut self, sent: u64) {
        /// To wake a reader costs a few microseconds.
        const SHORT: Duration = Duration::from_micros(50);
        let now = Instant::now();
        let (before, then) = self.woken.replace((sent, now)).unwrap_or((sent, now));
        let chunks = u32::try_from(sent - before).unwrap_or(u32::MAX);
        self.size = match now.duration_since(then) < SHORT.saturating_mul(chunks) {
            true => self.size.saturating_mul(2).min(self.most),
            false => self.base,
        };
    }
}

/// How a chunk of items becomes a job; the number is the index of its first item.
type Submit<A, R, E> =
    Box<dyn Fn(usize, Vec<A>) -> Result<AsyncResult<Vec<ItemResult<R, E>>>, PoolError> + Send>;

/// An input that is still being read.
struct Open<A, R, E> {
    items: Box<dyn Iterator<Item = A> + Send>,
    submit: Submit<A, R, E>,
}

/// Keeps the workers of a closed pool until an input has ended, which is reported to the pool when this is dropped.
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

/// Where an input is. Its iterator is the caller's code, and so is the function that is cloned for each chunk. So a reader
/// takes the input out before it runs them, and they run under no lock.
enum Place<A, R, E> {
    Here(Open<A, R, E>),
    /// The thread with this id reads it.
    With(ThreadId),
    Ended,
}

/// The input of one `imap`, and the chunks that were made of it.
pub(crate) struct ImapInput<A, R, E> {
    input: Mutex<Place<A, R, E>>,
    /// Notified when a reader has put the input back.
    back: Condvar,
    open: Mutex<Option<OpenSource>>,
    chunksize: usize,
    /// Where the imap was called.
    place: &'static Location<'static>,
    sent: Mutex<Chunks<R, E>>,
    /// Notified when the reader may read on, or nobody wants it to.
    wanted: Condvar,
    /// Why it ended before its last item.
    end: Arc<EndOf<E>>,
}

/// Called when a chunk was sent, and at the input's end.
type Told = Arc<dyn Fn() + Send + Sync>;

/// Makes the waker that is woken when the chunk with this number has ended.
type WakerOf = Box<dyn Fn(u64) -> Waker + Send>;

/// Chunks that were sent and are not yet waited for, and what is known of the rest.
struct Chunks<R, E> {
    chunks: VecDeque<Sent<R, E>>,
    /// The number of the chunk that was sent last.
    last: u64,
    waker_of: Option<WakerOf>,
    told: Option<Told>,
    window: Window,
    /// Chunks that were sent and whose results were not yet taken.
    outstanding: usize,
    /// Items that were read.
    read: usize,
    /// The size hint of the input.
    length: (usize, Option<usize>),
    /// A thread of its own reads it, or has.
    has_reader: bool,
    /// It waits until it may read on.
    reader_waits: bool,
    /// The consumer has no chunk to wait for; `told` is called for the next one.
    consumer_waits: bool,
    /// No chunk will be sent any more.
    ended: bool,
    /// The pool was terminated before the input had ended.
    cut_short: bool,
}

impl<R, E> Chunks<R, E> {
    /// Adds a chunk, under the lock of `sent`, so that the consumer finds the chunk when its end is reported. If the chunk has
    /// ended already, its waker is returned: to be woken outside of the lock, since it runs the caller's code, which may need
    /// the lock.
    #[must_use = "the chunk may have ended"]
    fn push(&mut self, items: usize, handle: AsyncResult<Vec<ItemResult<R, E>>>) -> Option<Waker> {
        self.last += 1;
        self.outstanding += 1;
        let first = self.read;
        self.read += items;
        let number = self.last;
        let waker = self.waker_of.as_ref().map(|waker_of| waker_of(number));
        let due = waker.filter(|waker| handle.watch(waker));
        self.chunks.push_back(Sent {
            number,
            items: first..self.read,
            handle,
        });
        due
    }
}

impl<A, R, E> ImapInput<A, R, E> {
    pub(crate) fn new(
        items: impl Iterator<Item = A> + Send + 'static,
        chunksize: usize,
        window: Window,
        place: &'static Location<'static>,
        submit: impl Fn(usize, Vec<A>) -> Result<AsyncResult<Vec<ItemResult<R, E>>>, PoolError>
        + Send
        + 'static,
        open: OpenSource,
        end: Arc<EndOf<E>>,
    ) -> Arc<Self> {
        let length = items.size_hint();
        let input = Open {
            items: Box::new(items),
            submit: Box::new(submit),
        };
        Arc::new(ImapInput {
            input: Mutex::new(Place::Here(input)),
            back: Condvar::new(),
            open: Mutex::new(Some(open)),
            chunksize,
            place,
            sent: Mutex::new(Chunks {
                chunks: VecDeque::new(),
                last: 0,
                waker_of: None,
                told: None,
                window,
                outstanding: 0,
                read: 0,
                length,
                has_reader: false,
                reader_waits: false,
                consumer_waits: false,
                ended: false,
                cut_short: false,
            }),
            wanted: Condvar::new(),
            end,
        })
    }

    /// Takes the input out, to read it; nothing when it has ended, or is being read by somebody who is not waited for.
    fn take_out(&self, waits: bool) -> Option<Reading<'_, A, R, E>> {
        let here = thread::current().id();
        let mut place = lock(&self.input);
        loop {
            match std::mem::replace(&mut *place, Place::With(here)) {
                Place::Here(input) => {
                    return Some(Reading {
                        input_of: self,
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

    /// Sends one chunk; false when there is no more input, or nobody takes it. Items that were read before the input failed
    /// are sent, and its error is kept.
    fn send(&self, waits: bool) -> bool {
        let Some(mut reading) = self.take_out(waits) else {
            return false;
        };
        // An input that is not put back has ended.
        let Some(mut input) = reading.input.take() else {
            return false;
        };
        let mut chunk = Vec::new();
        let failed = panics::catch(|| {
            while chunk.len() < self.chunksize
                && let Some(item) = input.items.next()
            {
                chunk.push(item);
            }
            // An input that knows its end has ended with its last item, not when somebody asks for one more.
            chunk.len() < self.chunksize || input.items.size_hint().1 == Some(0)
        });
        let ended = failed.unwrap_or_else(|mut panic| {
            panic.message = format!("in the input of the imap: {}", panic.message);
            *lock(&self.end) = Some(TaskError::Panicked(Box::new(panic)));
            true
        });
        let items = chunk.len();
        let (first, is_over) = {
            let queue = lock(&self.sent);
            (queue.read, queue.ended)
        };
        if items == 0 || is_over {
            panics::contain(|| drop((chunk, input)));
            return false;
        }
        let handle = match panics::catch(|| (input.submit)(first, chunk)) {
            Ok(Ok(handle)) => handle,
            Ok(Err(_)) => {
                lock(&self.sent).cut_short = true;
                panics::contain(|| drop(input));
                return false;
            }
            // The function cannot be cloned.
            Err(panic) => {
                *lock(&self.end) = Some(TaskError::Panicked(Box::new(panic)));
                panics::contain(|| drop(input));
                return false;
            }
        };
        let (due, told) = {
            let mut queue = lock(&self.sent);
            let due = queue.push(items, handle);
            let waits = std::mem::take(&mut queue.consumer_waits);
            (due, queue.told.clone().filter(|_| waits))
        };
        if ended {
            panics::contain(|| drop(input));
        } else {
            reading.input = Some(input);
        }
        // Whoever is woken may read the input itself, so it is put back first.
        drop(reading);
        if let Some(waker) = due {
            waker.wake();
        }
        if let Some(told) = told {
            told();
        }
        !ended
    }

    /// Sends no further chunk. A reader notices when the input returns.
    fn give_up(&self, cut_short: bool) {
        let told = {
            let mut queue = lock(&self.sent);
            if queue.ended {
                return;
            }
            queue.ended = true;
            queue.cut_short |= cut_short;
            queue.told.clone()
        };
        self.wanted.notify_all();
        let input = {
            let mut place = lock(&self.input);
            match &*place {
                Place::Here(_) => std::mem::replace(&mut *place, Place::Ended),
                Place::With(_) | Place::Ended => Place::Ended,
            }
        };
        panics::contain(|| drop(input));
        drop(lock(&self.open).take());
        if let Some(told) = told {
            told();
        }
    }

    /// Waits until the reader may read on; false when nobody wants it to.
    fn is_wanted(&self) -> bool {
        let mut queue = lock(&self.sent);
        let mut waited = false;
        loop {
            if queue.ended {
                return false;
            }
            if queue.window.lifted > 0 || queue.outstanding < queue.window.size {
                if waited {
                    let sent = queue.last;
                    queue.window.woke(sent);
                }
                return true;
            }
            queue.reader_waits = true;
            waited = true;
            queue = self
                .wanted
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// An input that was taken out. It is put back, or has ended: then it is dropped before its end is reported.
struct Reading<'i, A, R, E> {
    input_of: &'i ImapInput<A, R, E>,
    input: Option<Open<A, R, E>>,
}

impl<A, R, E> Drop for Reading<'_, A, R, E> {
    fn drop(&mut self) {
        let input_of = self.input_of;
        let is_over = lock(&input_of.sent).ended;
        let mut rest = self.input.take();
        let dropped = rest.take_if(|_| is_over);
        let ended = rest.is_none();
        *lock(&input_of.input) = rest.map_or(Place::Ended, Place::Here);
        input_of.back.notify_all();
        panics::contain(|| drop(dropped));
        if ended {
            lock(&input_of.sent).ended = true;
            drop(lock(&input_of.open).take());
        }
    }
}

/// The input of an `imap`, whatever the type of its items.
pub(crate) trait Reads<R, E>: Source {
    /// Reports the end of each chunk, from its submission on, so that their order does not depend on when somebody asks.
    fn tell_ends(&self, waker_of: WakerOf);
    /// Has a thread of its own read it, which calls `told` for each chunk that was sent, and at the end. False where the
    /// system refuses a thread.
    fn read_beside(self: Arc<Self>, readers: &Readers, told: Told) -> bool;
    /// Sends one chunk; false when there is no more input.
    fn read(&self) -> bool;
    /// As `read`; false, and nothing is done, while somebody else is reading.
    fn try_read(&self) -> bool;
    /// The chunk that was sent first and is not yet waited for.
    fn first(&self) -> Option<Sent<R, E>>;
    /// Whether another chunk may be sent before the results of one are taken.
    fn has_room(&self) -> bool;
    /// The results of a chunk were taken.
    fn took(&self);
    /// Whether no chunk will be sent any more.
    fn has_ended(&self) -> bool;
    /// Has `told` called for the next chunk; false where there is one, or will be none.
    fn awaits_next(&self) -> bool;
    /// Whether the input was cut short by the end of the pool.
    fn was_cut_short(&self) -> bool;
    /// Why the input ended before its last item, once.
    fn failure(&self) -> Option<TaskError<E>>;
    /// How many results are to come for items that were not yet handed out as a chunk.
    fn length(&self) -> (usize, Option<usize>);
    /// The iterator was dropped: nobody wants further results, and nobody waits for the reader.
    fn abandon(&self, readers: &Readers);
    /// Counts the error of an item as unhandled: nobody took it.
    fn lose(&self, failure: &TaskError<E>, shared: &PoolShared);
}

impl<A: Send + 'static, R: Send + 'static, E: Send + 'static> Reads<R, E> for ImapInput<A, R, E> {
    fn tell_ends(&self, waker_of: WakerOf) {
        lock(&self.sent).waker_of = Some(waker_of);
    }

    fn read_beside(self: Arc<Self>, readers: &Readers, told: Told) -> bool {
        {
            let mut queue = lock(&self.sent);
            queue.has_reader = true;
            queue.told = Some(told);
        }
        let input_of = self.clone();
        let started = readers.start(move || input_of.read_on()).is_ok();
        if !started {
            lock(&self.sent).has_reader = false;
        }
        started
    }

    fn read(&self) -> bool {
        let before = lock(&self.sent).last;
        self.send(true) || lock(&self.sent).last != before
    }

    fn try_read(&self) -> bool {
        self.send(false)
    }

    fn first(&self) -> Option<Sent<R, E>> {
        lock(&self.sent).chunks.pop_front()
    }

    fn has_room(&self) -> bool {
        let queue = lock(&self.sent);
        queue.outstanding < queue.window.size
    }

    fn took(&self) {
        let mut queue = lock(&self.sent);
        queue.outstanding -= 1;
        if queue.reader_waits && queue.window.wakes_at(queue.outstanding) {
            queue.reader_waits = false;
            self.wanted.notify_all();
        }
    }

    fn has_ended(&self) -> bool {
        lock(&self.sent).ended
    }

    fn awaits_next(&self) -> bool {
        let mut queue = lock(&self.sent);
        queue.consumer_waits = queue.chunks.is_empty() && !queue.ended;
        queue.consumer_waits
    }

    fn was_cut_short(&self) -> bool {
        lock(&self.sent).cut_short
    }

    fn failure(&self) -> Option<TaskError<E>> {
        lock(&self.end).take()
    }

    fn length(&self) -> (usize, Option<usize>) {
        let queue = lock(&self.sent);
        let sent: usize = queue.chunks.iter().map(|sent| sent.items.len()).sum();
        if queue.ended {
            let failure = usize::from(lock(&self.end).is_some());
            return (sent + failure, Some(sent + failure));
        }
        let (least, most) = queue.length;
        let rest = |all: usize| all.saturating_sub(queue.read).saturating_add(sent);
        (rest(least), most.map(rest))
    }

    fn abandon(&self, readers: &Readers) {
        self.give_up(false);
        if let Place::With(reader) = &*lock(&self.input) {
            readers.leave(*reader);
        }
    }

    fn lose(&self, failure: &TaskError<E>, shared: &PoolShared) {
        let task = || format!("an item of the imap called at {}", self.place);
        shared.counters.unhandled(task, in_words(failure));
    }
}

impl<A: Send, R: Send, E: Send + 'static> Source for ImapInput<A, R, E> {
    fn lift_bound(&self, lift: bool) {
        {
            let window = &mut lock(&self.sent).window;
            window.lifted = match lift {
                true => window.lifted + 1,
                false => window.lifted.saturating_sub(1),
            };
        }
        self.wanted.notify_all();
    }

    fn wants_reader(&self) -> bool {
        let mut queue = lock(&self.sent);
        let wants = !queue.ended && !queue.has_reader;
        queue.has_reader = true;
        wants
    }

    fn read_on(&self) {
        while self.is_wanted() && self.send(true) {}
        let told = lock(&self.sent).told.clone();
        if let Some(told) = told {
            told();
        }
    }

    fn stop(&self) {
        self.give_up(true);
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

    use super::{ImapInput, OpenSource, Reads, Window};
    use crate::handle::AsyncResult;
    use crate::idle;
    use crate::job::JobCell;
    use crate::options::SubmitOptions;
    use crate::settled::Settled;
    use crate::task::Plain;
    use crate::unit::Units;
    use crate::work::Batch;

    type Numbers = ImapInput<u64, u64, crate::Never>;

    /// Takes the first chunk when it is woken.
    struct Takes(Mutex<Weak<Numbers>>, mpsc::Sender<usize>);

    impl Wake for Takes {
        fn wake(self: Arc<Self>) {
            let input_of = self
                .0
                .lock()
                .expect("whole")
                .upgrade()
                .expect("it is there");
            let first = input_of.first().map_or(0, |sent| sent.items.len());
            self.1.send(first).expect("somebody listens");
        }
    }

    #[test]
    fn who_is_told_of_a_chunk_that_ended_at_once_finds_it() {
        let shared = idle::shared();
        let submit = move |_, items: Vec<u64>| {
            let same: fn(u64) -> u64 = |item| item;
            let work = Batch::new(Settled(Plain(same)), items, 2);
            let cell = JobCell::<_>::new(&shared, work, false, SubmitOptions::here());
            let unit = Units::of(&*cell).next();
            cell.run(unit.expect("it has one"));
            Ok(AsyncResult::new(cell))
        };
        let open = OpenSource::new(|| ());
        let input_of = ImapInput::new(
            0..2,
            2,
            Window::new(None, 1),
            Location::caller(),
            submit,
            open,
            Arc::default(),
        );
        let (tell, told) = mpsc::channel();
        let takes = Arc::new(Takes(Mutex::new(Arc::downgrade(&input_of)), tell));
        input_of.tell_ends(Box::new(move |_| Waker::from(takes.clone())));
        // On a thread of its own, to notice where it never ends.
        std::thread::spawn(move || input_of.read());
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(2));
    }
}
