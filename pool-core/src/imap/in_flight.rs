//! Chunks that may end in any order. The waker of each chunk sends an event when the chunk ends; the consumer receives it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvError, Sender, unbounded};

use super::input::{Chunk, MakeWaker, OnRead, ReadInput};
use super::{Waited, next_chunk};
use crate::panics;
use crate::shared::PoolShared;
use crate::thread_state::{self, Blocked, BlockedWorker};

/// Chunks that may end in any order.
pub(super) struct InFlight<R, E> {
    pub(super) chunks: BTreeMap<u64, Chunk<R, E>>,
    /// The consumer takes them in the order of the input.
    pub(super) ordered: bool,
    /// If `ordered`: the number of the chunk that has a waker. Chunks are numbered from 1.
    watched: u64,
    /// The number of the latest wait.
    last_wait: u64,
    pub(super) sender: Arc<EventSender>,
    pub(super) events: Receiver<Event>,
}

/// What a consumer that waits for any chunk is told.
pub(super) enum Event {
    /// The chunk with this number has ended.
    ChunkEnded(u64),
    /// The time limit of the wait with this number has passed.
    TimedOut(u64),
    /// The reader has submitted a chunk, or the input has ended.
    InputRead,
}

/// Sends events to the consumer and wakes it.
pub(super) struct EventSender {
    sender: Sender<Event>,
    /// The waker of a consumer that polls.
    pub(super) waker: Mutex<Option<Waker>>,
    /// The worker of the pool that waits for an event.
    blocked: Mutex<Option<Arc<BlockedWorker>>>,
    /// A callback has waited for an event: each event must wake the callback thread.
    callback_waits: AtomicBool,
    shared: Arc<PoolShared>,
}

impl EventSender {
    fn send(&self, event: Event) {
        // It fails if the iterator was dropped. Then nobody needs the event.
        let _ = self.sender.send(event);
        // Pairs with the fence in `receive_on_callback_thread`: either the callback sees the event, or this thread sees that the
        // callback waits.
        fence(Ordering::SeqCst);
        if self.callback_waits.load(Ordering::Relaxed) {
            self.shared.callbacks.nudge();
        }
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            // A waker is the caller's code. Its panic must not reach this thread, and the panic hook has reported it.
            let _ = panics::catch(|| waker.wake());
        }
    }
}

/// The waker of a chunk: sends its event.
struct ChunkWaker {
    sender: Arc<EventSender>,
    number: u64,
}

impl Wake for ChunkWaker {
    fn wake(self: Arc<Self>) {
        // The waiting worker must count as running before the thread that ended the chunk takes more work.
        let blocked = lock(&self.sender.blocked).take();
        if let Some(worker) = blocked {
            worker.unblock();
        }
        self.sender.send(Event::ChunkEnded(self.number));
    }
}

fn waker(sender: &Arc<EventSender>, number: u64) -> Waker {
    let sender = sender.clone();
    Waker::from(Arc::new(ChunkWaker { sender, number }))
}

impl<R, E> InFlight<R, E> {
    pub(super) fn new(ordered: bool, shared: &Arc<PoolShared>) -> Self {
        let (sender, events) = unbounded();
        let sender = Arc::new(EventSender {
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
            last_wait: 0,
            sender,
            events,
        }
    }

    /// The number of their items.
    pub(super) fn items(&self) -> usize {
        self.chunks.values().map(|chunk| chunk.items.len()).sum()
    }

    /// Returns a function that makes the waker of the chunk with a number.
    pub(super) fn make_waker(&self) -> MakeWaker {
        let sender = self.sender.clone();
        Box::new(move |number| waker(&sender, number))
    }

    /// Returns what the reader calls when it has submitted a chunk.
    pub(super) fn on_read(&self) -> OnRead {
        let sender = self.sender.clone();
        Arc::new(move || sender.send(Event::InputRead))
    }
}

impl<R: 'static, E: 'static> InFlight<R, E> {
    /// Waits until a chunk has ended. `reads`: the consumer reads the input.
    pub(super) fn wait(
        &mut self,
        input: &dyn ReadInput<R, E>,
        reads: bool,
        limit: Option<Duration>,
        shared: &PoolShared,
    ) -> Waited<R, E> {
        self.last_wait += 1;
        let this_wait = self.last_wait;
        // A limit of zero checks once, and needs no timer.
        let mut timed_out = limit.is_some_and(|limit| limit.is_zero());
        let mut armed = None;
        loop {
            if let Some(waited) = self.check(input, reads) {
                return waited;
            }
            if let (Some(limit), None, false) = (limit, &armed, timed_out) {
                let sender = self.sender.clone();
                let alarm = move || sender.send(Event::TimedOut(this_wait));
                armed = Some(shared.timers.arm(limit, Box::new(alarm)));
            }
            let event = match self.events.try_recv() {
                Ok(event) => Ok(event),
                Err(_) if timed_out => return Waited::TimedOut,
                Err(_) if limit.is_none() && self.are_ours() => return self.refuse_first(),
                Err(_) if thread_state::on_callback_thread(shared.pool) => {
                    self.receive_on_callback_thread(shared)
                }
                Err(_) => match thread_state::block(shared.pool) {
                    Ok(blocked) => {
                        if let Some(assist) = &shared.assist {
                            assist.assist(&|| !self.events.is_empty());
                        }
                        self.receive(blocked)
                    }
                    // There is no compensation thread for this worker. With a time limit it waits all the same.
                    Err(_) if limit.is_some() => self.receive(None),
                    // Without one the wait is refused, at the chunk that was submitted first.
                    Err(_) => return self.refuse_first(),
                },
            };
            match event {
                Ok(Event::ChunkEnded(number)) if !self.ordered => {
                    self.receive_chunks(input);
                    if let Some(chunk) = self.chunks.remove(&number) {
                        return Waited::Ended(chunk.items, chunk.handle.get());
                    }
                }
                Ok(Event::ChunkEnded(_) | Event::InputRead) => {}
                // Events that arrived after it, while callbacks ran nested, still count: they are received first.
                Ok(Event::TimedOut(wait)) if wait == this_wait => timed_out = true,
                Ok(Event::TimedOut(_)) => {}
                Err(_) => return Waited::Nothing,
            }
        }
    }

    /// Returns what needs no wait: the first chunk if it has ended and chunks are `ordered`, or the end of the input.
    pub(super) fn check(
        &mut self,
        input: &dyn ReadInput<R, E>,
        reads: bool,
    ) -> Option<Waited<R, E>> {
        self.receive_chunks(input);
        while self.chunks.is_empty() {
            if reads {
                let Some(chunk) = next_chunk(input) else {
                    return Some(Waited::Nothing);
                };
                self.chunks.insert(chunk.number, chunk);
            } else if input.is_read_here() {
                return Some(Waited::Nothing);
            } else if input.await_next_chunk() {
                return None;
            } else {
                // This comes first, so that the next line receives every chunk that was submitted before the end.
                let has_ended = input.has_ended();
                self.receive_chunks(input);
                if has_ended && self.chunks.is_empty() {
                    return Some(Waited::Nothing);
                }
            }
        }
        let first = self.chunks.first_entry().filter(|_| self.ordered)?;
        let number = *first.key();
        let mut has_ended = first.get().handle.ready();
        if !has_ended && self.watched != number {
            // It may end before the waker is set: `watch` then returns true.
            self.watched = number;
            let waker = waker(&self.sender, number);
            has_ended = first.get().handle.watch(&waker);
        }
        has_ended.then(|| {
            let chunk = first.remove();
            Waited::Ended(chunk.items, chunk.handle.get())
        })
    }

    /// Blocks until there is an event.
    fn receive(&self, blocked: Option<Blocked>) -> Result<Event, RecvError> {
        *lock(&self.sender.blocked) = blocked.as_ref().map(Blocked::worker);
        // A chunk may have ended before the worker was stored. Then its event is in the channel.
        // The channel stays open: `self` holds a sender.
        self.events.recv()
    }

    /// As [`receive`](Self::receive), in a callback: runs other callbacks meanwhile, nested.
    fn receive_on_callback_thread(&self, shared: &PoolShared) -> Result<Event, RecvError> {
        self.sender.callback_waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let event = Cell::new(None);
        shared.callbacks.run_until(|| {
            let received = event.take().or_else(|| self.events.try_recv().ok());
            let is_received = received.is_some();
            event.set(received);
            is_received
        });
        // Without a callback thread there is nothing else to run meanwhile.
        event.take().map_or_else(|| self.events.recv(), Ok)
    }

    /// Whether the calling code belongs to the only chunks that could end.
    pub(super) fn are_ours(&self) -> bool {
        let awaited = if self.ordered { 1 } else { usize::MAX };
        let mut chunks = self.chunks.values().take(awaited);
        !self.chunks.is_empty() && chunks.all(|chunk| chunk.handle.is_ours())
    }

    /// Takes the chunk that was submitted first. It cannot be waited for, so its handle returns the refusal.
    pub(super) fn refuse_first(&mut self) -> Waited<R, E> {
        match self.chunks.pop_first() {
            Some((_, chunk)) => Waited::Ended(chunk.items, chunk.handle.get()),
            None => Waited::Refused,
        }
    }

    /// Receives the chunks that were submitted since.
    pub(super) fn receive_chunks(&mut self, input: &dyn ReadInput<R, E>) {
        while let Some(chunk) = input.next_chunk() {
            self.chunks.insert(chunk.number, chunk);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
