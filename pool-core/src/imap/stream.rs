//! The results of an `imap` as a `Stream`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::in_flight::{Event, InFlight};
use super::source::{Chunk, ReadInput};
use super::{Imap, Order, Waited, next_chunk};
use crate::error::TaskError;

/// As the iterator, but it does not block where a result is yet to come, nor where an input is not at hand. Polled inside the
/// only chunk that could end, it yields [`PoolError::WouldDeadlock`](crate::PoolError::WouldDeadlock) for that chunk's items, as
/// the iterator does.
impl<R: Send + 'static, E: Send + 'static> Stream for Imap<R, E> {
    type Item = Result<R, TaskError<E>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(end) = this.ready.pop_front() {
                return Poll::Ready(Some(end));
            }
            if this.ended {
                this.expiry = None;
                return Poll::Ready(None);
            }
            if let Err(error) = this.shared.is_here() {
                this.ended = true;
                return Poll::Ready(Some(Err(error.into())));
            }
            this.read_ahead();
            let reads = !this.has_reader;
            let waited = match &mut this.order {
                Order::Input(first) => ready!(poll_first(&*this.input, first, cx)),
                Order::Events(in_flight) => ready!(in_flight.poll(&*this.input, reads, cx)),
            };
            this.store(waited);
        }
    }
}

// Nothing in it is ever pinned.
impl<R, E> Unpin for Imap<R, E> {}

fn poll_first<R, E>(
    input: &dyn ReadInput<R, E>,
    first: &mut Option<Chunk<R, E>>,
    cx: &mut Context<'_>,
) -> Poll<Waited<R, E>> {
    let chunk = match first {
        Some(chunk) => chunk,
        None => match next_chunk(input) {
            Some(chunk) => first.insert(chunk),
            None => return Poll::Ready(Waited::Nothing),
        },
    };
    let (items, end) = (
        chunk.items.clone(),
        ready!(Pin::new(&mut chunk.handle).poll(cx)),
    );
    *first = None;
    Poll::Ready(Waited::Ended(items, end))
}

impl<R: 'static, E: 'static> InFlight<R, E> {
    fn poll(
        &mut self,
        input: &dyn ReadInput<R, E>,
        reads: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Waited<R, E>> {
        let mut watched = false;
        loop {
            if let Some(waited) = self.check(input, reads) {
                return Poll::Ready(waited);
            }
            match self.events.try_receive() {
                Some(Event::ChunkEnded(number)) if !self.ordered => {
                    self.receive_chunks(input);
                    if let Some(chunk) = self.chunks.remove(&number) {
                        return Poll::Ready(Waited::Ended(chunk.items, chunk.handle.get()));
                    }
                }
                Some(Event::ChunkEnded(_) | Event::TimedOut(_) | Event::InputRead) => {}
                // An event may arrive before the waker is stored, so it checks once more.
                None if self.are_ours() => return Poll::Ready(self.refuse_first()),
                None if watched => return Poll::Pending,
                None => {
                    watched = true;
                    self.events.set_waker(cx.waker().clone());
                }
            }
        }
    }
}
