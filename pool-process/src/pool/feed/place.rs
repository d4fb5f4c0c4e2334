//! What a slot does not take is written into the arena of the worker that gets the unit.

use crate::arena::Span;
use crate::ring::parent::CAPACITY;
use crate::wire::HEAD;

use super::Feed;
use super::books::LaneId;
use super::lane::Warmth;

/// What of an argument was written into the arena of an idle worker.
pub(super) struct Placed {
    pub(super) lane: LaneId,
    pub(super) tail: Span,
}

impl Feed {
    /// Where an argument is too long for a slot, writes what a slot does not take into the arena of an idle worker. Where there is none,
    /// the frame holds all of it. To be called by whoever has the turn.
    pub(super) fn place(&self, frame: &mut Vec<u8>, last: &[u8]) -> Option<Placed> {
        let is_short = frame.len() + last.len() <= HEAD + CAPACITY;
        let placed = match is_short {
            true => None,
            false => self.write(frame, last),
        };
        match placed {
            Some(_) => frame.truncate(HEAD + CAPACITY),
            None => frame.extend_from_slice(last),
        }
        placed
    }

    fn write(&self, frame: &[u8], last: &[u8]) -> Option<Placed> {
        let mut books = self.lock();
        let slot = books.choose(true)?;
        let lane = books.lanes[slot].as_mut()?;
        let arena = lane.ring.arena()?.clone();
        lane.warmth = Warmth::Warm;
        let lane = LaneId {
            slot,
            serial: lane.serial,
        };
        drop(books);
        // The worker has no unit, so it writes nothing, and nobody else gives it one.
        let behind = frame.get(HEAD + CAPACITY..).unwrap_or_default();
        let tail = arena.write(0, [behind, last]).ok()?;
        Some(Placed { lane, tail })
    }
}
