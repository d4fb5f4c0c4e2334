//! Chunks that may end in any order. The waker of each chunk sends an event when the chunk ends; the consumer receives it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::source::{Chunk, MakeWaker, OnRead, ReadInput};
use super::{Waited, next_chunk};
use crate::events::{EventSender, Events};
use crate::shared::PoolShared;

/// Chunks that may end in any order.
pub(super) struct InFlight<R, E> {
    pub(super) chunks: BTreeMap<u64, Chunk<R, E>>,
    /// The consumer takes them in the order of the input.
    pub(super) ordered: bool,
    /// If `ordered`: the number of the chunk that has a waker. Chunks are numbered from 1.
    watched: u64,
    /// The number of the latest wait.
    last_wait: u64,
    pub(super) events: Events<Event>,
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

fn waker(sender: &Arc<EventSender<Event>>, number: u64) -> Waker {
    sender.waker(move || Event::ChunkEnded(number))
}

impl<R, E> InFlight<R, E> {
    pub(super) fn new(ordered: bool, shared: &Arc<PoolShared>) -> Self {
        InFlight {
            chunks: BTreeMap::new(),
            ordered,
            watched: 0,
            last_wait: 0,
            events: Events::new(shared),
        }
    }

    /// The number of their items.
    pub(super) fn items(&self) -> usize {
        self.chunks.values().map(|chunk| chunk.items.len()).sum()
    }

    /// Returns a function that makes the waker of the chunk with a number.
    pub(super) fn make_waker(&self) -> MakeWaker {
        let sender = self.events.sender().clone();
        Box::new(move |number| waker(&sender, number))
    }

    /// Returns what the reader calls when it has submitted a chunk.
    pub(super) fn on_read(&self) -> OnRead {
        let sender = self.events.sender().clone();
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
                let sender = self.events.sender().clone();
                let alarm = move || sender.send(Event::TimedOut(this_wait));
                armed = Some(shared.timers.arm(limit, Box::new(alarm)));
            }
            let event = match self.events.try_receive() {
                Some(event) => Ok(event),
                None if timed_out => return Waited::TimedOut,
                None if limit.is_none() && self.are_ours() => return self.refuse_first(),
                // A wait without a limit may be refused, at the chunk that was submitted first.
                None => self.events.receive(limit.is_some()),
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
                Err(_) => return self.refuse_first(),
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
            let waker = waker(self.events.sender(), number);
            has_ended = first.get().handle.watch(&waker);
        }
        has_ended.then(|| {
            let chunk = first.remove();
            Waited::Ended(chunk.items, chunk.handle.get())
        })
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
