//! The input of an `imap`: read chunk by chunk, each chunk one job.
//!
//! The consumer reads an input that is at hand (a range, a vector) while it takes results. Any other input may block, for ever or
//! until the consumer does something. So a reader thread reads it (`readers.rs`), as far ahead as its window allows. An input ends
//! with its last item, with its error, when its pool is terminated, or when its iterator is dropped. While a reader is blocked in
//! the caller's code, no other thread waits for it.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::thread::{self, ThreadId};

use super::input::InputError;
use super::window::Window;
use crate::cancel::{CancelToken, Early, EndEarly, Withdraw, end_early};
use crate::error::{DeadlineExceeded, Panic, PoolError, TaskError};
use crate::handle::AsyncResult;
use crate::panics;
use crate::queue::Source;
use crate::readers::Readers;
use crate::settled::ItemResult;
use crate::shared::PoolShared;
use crate::stats::in_words;

/// How many chunks of an input that is at hand are read and submitted at once.
const AT_ONCE: usize = 64;

/// A chunk that was submitted, and whose result the consumer has not yet waited for.
pub(crate) struct Chunk<R, E> {
    pub(crate) number: u64,
    /// Its items, as indexes of the input.
    pub(crate) items: Range<usize>,
    pub(crate) handle: Handle<R, E>,
}

/// The handle of a chunk.
type Handle<R, E> = AsyncResult<ChunkResults<R, E>>;

/// The results of a chunk.
pub(crate) type ChunkResults<R, E> = Vec<ItemResult<R, E>>;

/// A chunk that was read: the index of its first item, its items, and memory for its results.
pub(crate) type ReadChunk<A, R, E> = (usize, Vec<A>, ChunkResults<R, E>);

/// Submits chunks, and adds their handles to a list, as far as the function could be cloned: a panic of that is given back.
type Submit<A, R, E> = Box<
    dyn FnMut(
            &mut dyn Iterator<Item = ReadChunk<A, R, E>>,
            &mut Vec<Handle<R, E>>,
        ) -> Result<Option<Panic>, PoolError>
        + Send,
>;

/// An input that has not ended.
struct OpenInput<A, R, E> {
    items: Box<dyn Iterator<Item = A> + Send>,
    submit: Submit<A, R, E>,
    /// Chunks that were read, and their handles: empty lists, kept for their memory.
    read: Vec<Vec<A>>,
    handles: Vec<Handle<R, E>>,
    /// Memory for results.
    spare: Vec<ChunkResults<R, E>>,
}

impl<A, R, E> OpenInput<A, R, E> {
    /// Reads at most so many chunks; the last of them may be shorter, or empty. Whether the input has ended.
    fn read(&mut self, chunksize: usize, most: usize) -> bool {
        const ROOM: usize = 64;
        loop {
            self.read.push(Vec::with_capacity(chunksize.min(ROOM)));
            if let Some(chunk) = self.read.last_mut() {
                while chunk.len() < chunksize {
                    match self.items.next() {
                        Some(item) => chunk.push(item),
                        None => return true,
                    }
                }
            }
            // An input with an exact size hint ends with its last item, not with the `None` behind it.
            if self.items.size_hint().1 == Some(0) {
                return true;
            }
            if self.read.len() >= most {
                return false;
            }
        }
    }
}

/// Keeps the workers of a closed pool until the input has ended. Its drop reports the end to the pool.
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

/// The state of an input. Its iterator is the caller's code, and so is the function that is cloned for each chunk. Both must run
/// under no lock, so whoever reads takes the input out first.
enum InputState<A, R, E> {
    Idle(OpenInput<A, R, E>),
    /// The thread with this id reads it.
    Reading(ThreadId),
    Ended,
}

/// The input of one `imap`, and the chunks that were made of it.
pub(crate) struct ImapInput<A, R, E> {
    input: Mutex<InputState<A, R, E>>,
    /// Notified when the input was put back, if a thread waits for that.
    put_back: Condvar,
    /// How many threads wait for `put_back`. It changes under the lock of `input`.
    put_back_waiters: AtomicUsize,
    open: Mutex<Option<OpenSource>>,
    chunksize: usize,
    /// Where the imap was called.
    location: &'static Location<'static>,
    chunks: Mutex<Chunks<R, E>>,
    /// Notified when the reader may read further, or must end.
    reader_wakes: Condvar,
    error: Arc<InputError<E>>,
}

/// Called after a chunk was submitted, and at the end of the input.
pub(super) type OnRead = Arc<dyn Fn() + Send + Sync>;

/// Makes the waker of the chunk with this number. It is woken when the chunk has ended.
pub(super) type MakeWaker = Box<dyn Fn(u64) -> Waker + Send>;

/// The chunks of an input, and how far it was read.
struct Chunks<R, E> {
    /// Chunks that were submitted and that the consumer has not yet taken.
    queue: VecDeque<Chunk<R, E>>,
    /// The number of the chunk that was submitted last.
    last: u64,
    make_waker: Option<MakeWaker>,
    on_read: Option<OnRead>,
    window: Window,
    /// Chunks that were submitted and whose results were not yet taken.
    outstanding: usize,
    /// The memory of results that were taken, for those of other chunks.
    spare: Vec<ChunkResults<R, E>>,
    /// Items that were read.
    read: usize,
    /// The size hint of the whole input.
    length: (usize, Option<usize>),
    /// A reader thread reads the input, or has read it.
    has_reader: bool,
    /// The reader waits for room in the window.
    reader_waits: bool,
    /// The consumer has no chunk to wait for: `on_read` is called for the next one.
    consumer_waits: bool,
    /// No further chunk will be submitted.
    ended: bool,
    /// The pool was terminated before the input had ended.
    terminated: bool,
    /// Where chunks are added, so that they can be cancelled.
    token: Option<CancelToken>,
    /// Why the imap ends early, and whether its input had not ended before.
    early: Option<(Early, bool)>,
}

impl<R, E> Chunks<R, E> {
    /// Adds a chunk. The consumer can take it as soon as the lock is released, so before its waker is woken. If the chunk has
    /// ended already, this returns its waker. The caller wakes it without the lock, since a waker is the caller's code and may
    /// need the lock.
    #[must_use = "the chunk may have ended"]
    fn push(&mut self, items: usize, handle: Handle<R, E>) -> Option<Waker> {
        self.last += 1;
        self.outstanding += 1;
        let first = self.read;
        self.read += items;
        let number = self.last;
        let waker = self.make_waker.as_ref().map(|make| make(number));
        let ended = waker.filter(|waker| handle.watch(waker));
        self.queue.push_back(Chunk {
            number,
            items: first..self.read,
            handle,
        });
        ended
    }
}

impl<A, R, E> ImapInput<A, R, E> {
    pub(crate) fn new(
        items: impl Iterator<Item = A> + Send + 'static,
        chunksize: usize,
        window: Window,
        location: &'static Location<'static>,
        submit: impl FnMut(
            &mut dyn Iterator<Item = ReadChunk<A, R, E>>,
            &mut Vec<Handle<R, E>>,
        ) -> Result<Option<Panic>, PoolError>
        + Send
        + 'static,
        open: OpenSource,
        error: Arc<InputError<E>>,
    ) -> Arc<Self> {
        let length = items.size_hint();
        let input = OpenInput {
            items: Box::new(items),
            submit: Box::new(submit),
            read: Vec::new(),
            handles: Vec::new(),
            spare: Vec::new(),
        };
        Arc::new(ImapInput {
            input: Mutex::new(InputState::Idle(input)),
            put_back: Condvar::new(),
            put_back_waiters: AtomicUsize::new(0),
            open: Mutex::new(Some(open)),
            chunksize,
            location,
            chunks: Mutex::new(Chunks {
                queue: VecDeque::new(),
                last: 0,
                make_waker: None,
                on_read: None,
                window,
                outstanding: 0,
                spare: Vec::new(),
                read: 0,
                length,
                has_reader: false,
                reader_waits: false,
                consumer_waits: false,
                ended: false,
                terminated: false,
                token: None,
                early: None,
            }),
            reader_wakes: Condvar::new(),
            error,
        })
    }

    /// Takes the input out, to read it. `None` if it has ended, or if another thread reads it and `wait` is false.
    fn take_out(&self, wait: bool) -> Option<Reading<'_, A, R, E>> {
        let here = thread::current().id();
        let mut state = lock(&self.input);
        loop {
            match std::mem::replace(&mut *state, InputState::Reading(here)) {
                InputState::Idle(input) => {
                    return Some(Reading {
                        input_of: self,
                        input: Some(input),
                    });
                }
                InputState::Ended => {
                    *state = InputState::Ended;
                    return None;
                }
                InputState::Reading(reader) => {
                    *state = InputState::Reading(reader);
                    if !wait || reader == here {
                        return None;
                    }
                    self.put_back_waiters.fetch_add(1, Ordering::Relaxed);
                    state = self
                        .put_back
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                    self.put_back_waiters.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Reads at most so many chunks and submits them. False if the input has ended, or nobody wants its results. If the input fails, the
    /// items that were read before are submitted, and the error is stored.
    fn submit_chunks(&self, wait: bool, most: usize) -> bool {
        let Some(mut reading) = self.take_out(wait) else {
            return false;
        };
        // An input that is not put back has ended.
        let Some(mut input) = reading.input.take() else {
            return false;
        };
        let read = panics::catch(|| input.read(self.chunksize, most));
        let mut ended = read.unwrap_or_else(|mut panic| {
            panic.message = format!("in the input of the imap: {}", panic.message);
            self.fail(panic);
            true
        });
        let OpenInput {
            read,
            handles,
            spare,
            submit,
            ..
        } = &mut input;
        read.pop_if(|chunk| chunk.is_empty());
        let (first, is_unwanted) = {
            let mut chunks = lock(&self.chunks);
            if spare.is_empty() {
                std::mem::swap(spare, &mut chunks.spare);
            }
            (chunks.read, chunks.ended)
        };
        if read.is_empty() || is_unwanted {
            panics::contain(|| drop(input));
            return false;
        }
        // All but the last are of one size.
        let last = read.last().map_or(0, Vec::len);
        let firsts = (first..).step_by(self.chunksize);
        let submitted = panics::catch(|| {
            let chunks = firsts.zip(read.drain(..));
            let mut chunks =
                chunks.map(|(first, items)| (first, items, spare.pop().unwrap_or_default()));
            submit(&mut chunks, handles)
        });
        match submitted {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(panic))) | Err(panic) => {
                self.fail(panic);
                ended = true;
            }
            Ok(Err(_)) => {
                lock(&self.chunks).terminated = true;
                panics::contain(|| drop(input));
                return false;
            }
        }
        let whole = handles.len().saturating_sub(1);
        let mut late = Vec::new();
        let mut wakers = Vec::new();
        let on_read = {
            let mut chunks = lock(&self.chunks);
            for (number, handle) in handles.drain(..).enumerate() {
                if let Some(token) = &chunks.token {
                    let target = handle.target();
                    // Where the imap has ended early meanwhile, this chunk follows.
                    late.extend((!token.add(&target)).then_some(target));
                }
                let items = if number < whole { self.chunksize } else { last };
                wakers.extend(chunks.push(items, handle));
            }
            let consumer_waits = std::mem::take(&mut chunks.consumer_waits);
            chunks.on_read.clone().filter(|_| consumer_waits)
        };
        if ended {
            panics::contain(|| drop(input));
        } else {
            reading.input = Some(input);
        }
        // A consumer that is woken may read the input, so it is put back first.
        drop(reading);
        for chunk in late.iter().filter_map(Weak::upgrade) {
            let early = lock(&self.chunks).early;
            end_early(&*chunk, early.map_or(Early::Cancelled, |(why, _)| why));
        }
        wakers.into_iter().for_each(Waker::wake);
        if let Some(on_read) = on_read {
            on_read();
        }
        !ended
    }

    /// Stores the panic that ends the input.
    fn fail(&self, panic: Panic) {
        *lock(&self.error) = Some(TaskError::Panicked(Box::new(panic)));
    }

    /// Ends the input: no further chunk is submitted. A reader that is blocked in the input ends when the input returns.
    fn end(&self, terminated: bool) {
        let on_read = {
            let mut chunks = lock(&self.chunks);
            if chunks.ended {
                return;
            }
            chunks.ended = true;
            chunks.terminated |= terminated;
            chunks.on_read.clone()
        };
        self.reader_wakes.notify_all();
        let input = {
            let mut state = lock(&self.input);
            match &*state {
                InputState::Idle(_) => std::mem::replace(&mut *state, InputState::Ended),
                InputState::Reading(_) | InputState::Ended => InputState::Ended,
            }
        };
        panics::contain(|| drop(input));
        drop(lock(&self.open).take());
        if let Some(on_read) = on_read {
            on_read();
        }
    }

    /// Waits until the window has room; false if the input has ended.
    fn wait_for_room(&self) -> bool {
        let mut chunks = lock(&self.chunks);
        let mut waited = false;
        loop {
            if chunks.ended {
                return false;
            }
            if chunks.window.lifted > 0 || chunks.outstanding < chunks.window.size {
                if waited {
                    let sent = chunks.last;
                    chunks.window.refill(sent);
                }
                return true;
            }
            chunks.reader_waits = true;
            waited = true;
            chunks = self
                .reader_wakes
                .wait(chunks)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// An input that was taken out. The drop of this guard puts it back. An input that has ended is dropped before its end is reported.
struct Reading<'i, A, R, E> {
    input_of: &'i ImapInput<A, R, E>,
    input: Option<OpenInput<A, R, E>>,
}

impl<A, R, E> Drop for Reading<'_, A, R, E> {
    fn drop(&mut self) {
        let input_of = self.input_of;
        let is_unwanted = lock(&input_of.chunks).ended;
        let mut rest = self.input.take();
        let dropped = rest.take_if(|_| is_unwanted);
        let ended = rest.is_none();
        let has_waiters = {
            let mut state = lock(&input_of.input);
            *state = rest.map_or(InputState::Ended, InputState::Idle);
            input_of.put_back_waiters.load(Ordering::Relaxed) > 0
        };
        if has_waiters {
            input_of.put_back.notify_all();
        }
        panics::contain(|| drop(dropped));
        if ended {
            lock(&input_of.chunks).ended = true;
            drop(lock(&input_of.open).take());
        }
    }
}

/// The input of an `imap` without the type of its items.
pub(crate) trait ReadInput<R, E>: Source + EndEarly {
    /// From now on all chunks in the pool are in this token's list, but those that the consumer has taken.
    fn track(&self) -> CancelToken;
    /// With which error the imap has ended early, where its input had not ended before.
    fn ended_early(&self) -> Option<TaskError<E>>;
    /// Gives every chunk a waker when it is submitted, so that chunks are reported in the order of their ends, whenever the
    /// consumer asks.
    fn set_wakers(&self, make_waker: MakeWaker);
    /// Starts a reader thread, which calls `on_read` after each chunk, and at the end. False if the system refuses a thread.
    fn start_reader(self: Arc<Self>, readers: &Readers, on_read: OnRead) -> bool;
    /// Reads and submits one chunk; false if the input has ended.
    fn read(&self) -> bool;
    /// Takes the chunk that was submitted first.
    fn next_chunk(&self) -> Option<Chunk<R, E>>;
    /// Makes room in the window: the results of a chunk were taken, and their memory comes back. Where the consumer `reads` the input
    /// itself, it does so now for as long as the window has room, if it is time, and no other thread reads.
    fn took_chunk(&self, took: Option<ChunkResults<R, E>>, reads: bool);
    /// Whether no further chunk will be submitted.
    fn has_ended(&self) -> bool;
    /// Has `on_read` called for the next chunk. False if there is one already, or will be none.
    fn await_next_chunk(&self) -> bool;
    /// Whether the pool was terminated before the input had ended.
    fn was_terminated(&self) -> bool;
    /// Takes the error with which the input has ended before its last item.
    fn take_error(&self) -> Option<TaskError<E>>;
    /// The size hint of what `next_chunk` has not yet returned, in items.
    fn length(&self) -> (usize, Option<usize>);
    /// Ends the input and detaches its reader: the iterator was dropped.
    fn abandon(&self, readers: &Readers);
    /// Counts the error of an item as unhandled.
    fn count_unhandled(&self, failure: &TaskError<E>, shared: &PoolShared);
}

impl<A: Send + 'static, R: Send + 'static, E: Send + 'static> ReadInput<R, E>
    for ImapInput<A, R, E>
{
    fn track(&self) -> CancelToken {
        let chunks = &mut *lock(&self.chunks);
        let queue = &chunks.queue;
        let token = chunks.token.get_or_insert_with(|| {
            let token = CancelToken::new();
            for chunk in queue {
                // It was not cancelled.
                token.add(&chunk.handle.target());
            }
            token
        });
        token.clone()
    }

    fn ended_early(&self) -> Option<TaskError<E>> {
        let (why, _) = lock(&self.chunks).early.filter(|(_, cut)| *cut)?;
        Some(match why {
            Early::Cancelled => TaskError::Cancelled,
            Early::Expired(limit) => {
                let task = format!("an imap called at {}", self.location);
                let expired = DeadlineExceeded::new(limit, true, false, task);
                TaskError::DeadlineExceeded(Box::new(expired))
            }
        })
    }

    fn set_wakers(&self, make_waker: MakeWaker) {
        lock(&self.chunks).make_waker = Some(make_waker);
    }

    fn start_reader(self: Arc<Self>, readers: &Readers, on_read: OnRead) -> bool {
        {
            let mut chunks = lock(&self.chunks);
            chunks.has_reader = true;
            chunks.on_read = Some(on_read);
        }
        let input_of = self.clone();
        let started = readers.start(move || input_of.read_on()).is_ok();
        if !started {
            lock(&self.chunks).has_reader = false;
        }
        started
    }

    fn read(&self) -> bool {
        let before = lock(&self.chunks).last;
        self.submit_chunks(true, 1) || lock(&self.chunks).last != before
    }

    fn next_chunk(&self) -> Option<Chunk<R, E>> {
        lock(&self.chunks).queue.pop_front()
    }

    fn took_chunk(&self, took: Option<ChunkResults<R, E>>, reads: bool) {
        let mut chunks = lock(&self.chunks);
        if let Some(results) = took {
            chunks.outstanding -= 1;
            chunks.spare.push(results);
        }
        let refills = chunks.window.refills_at(chunks.outstanding);
        if chunks.reader_waits && refills {
            chunks.reader_waits = false;
            self.reader_wakes.notify_all();
        }
        if !reads || !refills || chunks.ended {
            return;
        }
        let sent = chunks.last;
        chunks.window.refill(sent);
        loop {
            let room = chunks.window.size.saturating_sub(chunks.outstanding);
            drop(chunks);
            if room == 0 || !self.submit_chunks(false, room.min(AT_ONCE)) {
                return;
            }
            chunks = lock(&self.chunks);
        }
    }

    fn has_ended(&self) -> bool {
        lock(&self.chunks).ended
    }

    fn await_next_chunk(&self) -> bool {
        let mut chunks = lock(&self.chunks);
        chunks.consumer_waits = chunks.queue.is_empty() && !chunks.ended;
        chunks.consumer_waits
    }

    fn was_terminated(&self) -> bool {
        lock(&self.chunks).terminated
    }

    fn take_error(&self) -> Option<TaskError<E>> {
        lock(&self.error).take()
    }

    fn length(&self) -> (usize, Option<usize>) {
        let chunks = lock(&self.chunks);
        let queued: usize = chunks.queue.iter().map(|chunk| chunk.items.len()).sum();
        if chunks.ended {
            let error = usize::from(lock(&self.error).is_some());
            return (queued + error, Some(queued + error));
        }
        let (least, most) = chunks.length;
        let rest = |all: usize| all.saturating_sub(chunks.read).saturating_add(queued);
        (rest(least), most.map(rest))
    }

    fn abandon(&self, readers: &Readers) {
        self.end(false);
        if let InputState::Reading(reader) = &*lock(&self.input) {
            readers.detach(*reader);
        }
    }

    fn count_unhandled(&self, error: &TaskError<E>, shared: &PoolShared) {
        let task = || format!("an item of the imap called at {}", self.location);
        shared.counters.unhandled(task, in_words(error));
    }
}

impl<A: Send, R: Send, E: Send + 'static> Source for ImapInput<A, R, E> {
    fn lift_bound(&self, lift: bool) {
        {
            let window = &mut lock(&self.chunks).window;
            window.lifted = match lift {
                true => window.lifted + 1,
                false => window.lifted.saturating_sub(1),
            };
        }
        self.reader_wakes.notify_all();
    }

    fn wants_reader(&self) -> bool {
        let mut chunks = lock(&self.chunks);
        let wants = !chunks.ended && !chunks.has_reader;
        chunks.has_reader = true;
        wants
    }

    fn read_on(&self) {
        while self.wait_for_room() && self.submit_chunks(true, 1) {}
        let on_read = lock(&self.chunks).on_read.clone();
        if let Some(on_read) = on_read {
            on_read();
        }
    }

    fn stop(&self) {
        self.end(true);
    }

    fn is_read_here(&self) -> bool {
        matches!(*lock(&self.input), InputState::Reading(reader) if reader == thread::current().id())
    }
}

impl<A: Send, R: Send, E: Send + 'static> EndEarly for ImapInput<A, R, E> {
    fn number(&self) -> Option<u64> {
        None
    }

    fn decide(&self, why: Early) -> bool {
        let mut chunks = lock(&self.chunks);
        let decided = chunks.early.is_none() && !chunks.terminated;
        if !decided {
            return false;
        }
        chunks.early = Some((why, !chunks.ended));
        let token = chunks.token.clone();
        drop(chunks);
        self.end(false);
        if let Some(token) = token {
            token.end(why);
        }
        true
    }

    fn pool(&self) -> Option<Arc<dyn Withdraw>> {
        // Its chunks know it.
        None
    }

    fn conclude(&self, _why: Early) {}

    fn is_over(&self) -> bool {
        let chunks = lock(&self.chunks);
        chunks.early.is_some() || chunks.terminated
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

    use super::{ImapInput, OpenSource, ReadChunk, ReadInput};
    use crate::handle::AsyncResult;
    use crate::idle::{self, Queued};
    use crate::imap::window::Window;
    use crate::job::JobCell;
    use crate::options::SubmitOptions;
    use crate::settled::Settled;
    use crate::task::Plain;
    use crate::unit::{TaskId, Units};
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
            let items = input_of.next_chunk().map_or(0, |chunk| chunk.items.len());
            self.1.send(items).expect("a receiver");
        }
    }

    #[test]
    fn a_waker_finds_its_chunk_also_where_the_chunk_ended_at_once() {
        let shared = idle::shared();
        let submit = move |chunks: &mut dyn Iterator<Item = ReadChunk<u64, u64, crate::Never>>,
                           handles: &mut Vec<_>| {
            for (_, items, _) in chunks {
                let same: fn(u64) -> u64 = |item| item;
                let work = Batch::new(Settled(Plain(same)), items, 2);
                let cell = JobCell::<_>::new(&shared, work, false, SubmitOptions::here());
                let mut units = Units::<dyn Queued>::of(cell.clone(), TaskId(0), false);
                let unit = units.next();
                cell.run(unit.expect("it has one"));
                handles.push(AsyncResult::new(cell));
            }
            Ok(None)
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
        let (sender, receiver) = mpsc::channel();
        let takes = Arc::new(Takes(Mutex::new(Arc::downgrade(&input_of)), sender));
        input_of.set_wakers(Box::new(move |_| Waker::from(takes.clone())));
        // On another thread, so that a hang fails the test.
        std::thread::spawn(move || input_of.read());
        assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Ok(2));
    }
}
