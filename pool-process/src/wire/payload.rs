//! What a task or an answer consists of: bytes in hand, and behind them bytes that lie in an arena, if they are many.

use std::borrow::Cow;
use std::io;

use pool_core::CodecError;

use crate::arena::{Arena, Outlet, Span};

use super::frame::fits;

/// The bytes of a task or an answer, as they came.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The first bytes.
    pub(crate) head: &'a [u8],
    /// Those behind them.
    pub(crate) tail: Option<(&'a Arena, Span)>,
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(head: &'a [u8]) -> Self {
        Payload { head, tail: None }
    }
}

impl<'a> Payload<'a> {
    /// All of it.
    pub(crate) fn whole(self) -> io::Result<Cow<'a, [u8]>> {
        let Some((arena, span)) = self.tail else {
            return Ok(Cow::Borrowed(self.head));
        };
        let mut whole = self.head.to_vec();
        arena.read(span, &mut whole)?;
        Ok(Cow::Owned(whole))
    }
}

/// An answer in the making.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    /// The first bytes, behind room for the head of a frame.
    pub(crate) bytes: Vec<u8>,
    /// Where they begin.
    start: usize,
    /// Those behind them, where they are in the arena.
    pub(crate) tail: Option<Span>,
    /// The arena, and how many bytes need not lie there.
    outlet: Option<(&'a mut Outlet, usize)>,
    max: u64,
}

impl<'a> Reply<'a> {
    /// An empty one, of at most `max` bytes, in this buffer, behind so many bytes.
    pub(crate) fn new(
        mut bytes: Vec<u8>,
        start: usize,
        outlet: Option<(&'a mut Outlet, usize)>,
        max: u64,
    ) -> Self {
        bytes.clear();
        bytes.resize(start, 0);
        Reply {
            bytes,
            start,
            tail: None,
            outlet,
            max,
        }
    }

    /// Appends the last bytes.
    ///
    /// # Errors
    ///
    /// The answer is longer than it may be.
    pub(crate) fn finish(&mut self, last: &[u8]) -> Result<(), CodecError> {
        let length = self.bytes.len() - self.start;
        fits("the task's result", length + last.len(), self.max)?;
        if let Some((outlet, room)) = &mut self.outlet
            && length + last.len() > *room
        {
            if length <= *room && !last.is_empty() {
                self.tail = outlet.write(last);
            } else if last.is_empty() {
                let room = self.start + *room;
                self.tail = outlet.write(&self.bytes[room..]);
                if self.tail.is_some() {
                    self.bytes.truncate(room);
                }
            }
        }
        if self.tail.is_none() {
            self.bytes.extend_from_slice(last);
        }
        Ok(())
    }

    /// Takes back what it has.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(self.start);
        self.tail = None;
    }
}
