//! What `imap` and `imap_unordered` of CPython give: an `IMapIterator` or, with chunks, a generator over one.

use std::collections::{BTreeMap, VecDeque};

use crate::case::expr::Value;
use crate::history::Raised;
use crate::model::pool::Outcome;
use crate::model::raised;

/// The result of a chunk: its values, or its first error.
pub(super) type Part = Result<Vec<Value>, Raised>;

#[derive(Debug)]
pub(super) struct ResultIterator {
    /// Chunks of the input, once it is known.
    length: Option<usize>,
    unordered: bool,
    /// Chunks that have come in their turn.
    index: usize,
    /// Those of them that were not taken.
    parts: VecDeque<Part>,
    /// Chunks that have come before their turn.
    unsorted: BTreeMap<usize, Part>,
    /// With chunks of more than one: what is left of the one that is being taken.
    chunk: Option<VecDeque<Value>>,
    /// A generator that has given an error, or the end, gives nothing any more.
    ended: bool,
    /// What is to be given.
    next: Option<Outcome>,
}

impl ResultIterator {
    pub(super) fn new(length: Option<usize>, unordered: bool, chunks: bool) -> ResultIterator {
        ResultIterator {
            length,
            unordered,
            index: 0,
            parts: VecDeque::new(),
            unsorted: BTreeMap::new(),
            chunk: chunks.then(VecDeque::new),
            ended: false,
            next: None,
        }
    }

    /// Whether every result has come.
    pub(super) fn is_complete(&self) -> bool {
        self.length == Some(self.index)
    }

    pub(super) fn is_generator(&self) -> bool {
        self.chunk.is_some()
    }

    /// A chunk's result comes.
    pub(super) fn came(&mut self, place: usize, part: Part) {
        if self.unordered {
            self.parts.push_back(part);
            self.index += 1;
            return;
        }
        self.unsorted.insert(place, part);
        while let Some(part) = self.unsorted.remove(&self.index) {
            self.parts.push_back(part);
            self.index += 1;
        }
    }

    /// Looks for what is to be given next.
    pub(super) fn advance(&mut self) {
        if self.next.is_some() || self.ended {
            return;
        }
        if let Some(value) = self.chunk.as_mut().and_then(VecDeque::pop_front) {
            self.next = Some(Ok(value));
            return;
        }
        match (self.parts.pop_front(), &mut self.chunk) {
            (Some(Ok(mut values)), None) => self.next = values.pop().map(Ok),
            (Some(Ok(values)), Some(chunk)) => {
                chunk.extend(values);
                self.next = chunk.pop_front().map(Ok);
            }
            (Some(Err(error)), chunk) => {
                self.ended = chunk.is_some();
                self.next = Some(Err(error));
            }
            (None, _) => self.ended = self.is_complete(),
        }
    }

    /// What is to be given, if there is something.
    pub(super) fn next(&self) -> Option<Outcome> {
        let end = || Err(raised("StopIteration", ""));
        self.next.clone().or_else(|| self.ended.then(end))
    }

    /// It was given.
    pub(super) fn taken(&mut self) {
        self.next = None;
    }
}
