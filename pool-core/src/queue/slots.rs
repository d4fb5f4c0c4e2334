//! The slots of a queue's workers: there may come to be more, and each stays where it is.

use std::sync::OnceLock;

use super::Pace;
use super::own::Slot;
use crate::unit::AsJob;

/// Enough for more slots than a system has threads.
const BLOCKS: usize = 33;

/// Slots by their numbers.
pub(super) struct Slots<J: ?Sized> {
    /// The first has as many slots as the pool began with, and each further one as many as all before it.
    blocks: [OnceLock<Box<[Slot<J>]>>; BLOCKS],
    first: usize,
    pace: Pace,
}

impl<J: ?Sized + AsJob> Slots<J> {
    pub(super) fn new(first: usize, pace: Pace) -> Self {
        let slots = Slots {
            blocks: [const { OnceLock::new() }; BLOCKS],
            first,
            pace,
        };
        slots.block(0);
        slots
    }

    /// The block of a slot, and its place there.
    fn place(&self, slot: usize) -> (usize, usize) {
        match slot / self.first {
            0 => (0, slot),
            times => {
                let doublings = times.ilog2() as usize;
                (doublings + 1, slot - (self.first << doublings))
            }
        }
    }

    fn block(&self, number: usize) -> &[Slot<J>] {
        self.blocks[number].get_or_init(|| {
            let slots = self.first << number.saturating_sub(1);
            (0..slots).map(|_| Slot::new(self.pace)).collect()
        })
    }

    /// The slot with this number, if it was made.
    pub(super) fn get(&self, slot: usize) -> Option<&Slot<J>> {
        let (block, place) = self.place(slot);
        self.blocks[block].get()?.get(place)
    }

    /// The slot with this number, which is made where there is none. To be called under the head's lock: who holds it sees all slots.
    pub(super) fn make(&self, slot: usize) -> &Slot<J> {
        let (block, place) = self.place(slot);
        for number in 0..block {
            self.block(number);
        }
        &self.block(block)[place]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<J>> {
        self.blocks.iter().map_while(OnceLock::get).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idle::Queued;

    #[test]
    fn slots_have_places_of_their_own_that_stay() {
        for first in 1..4 {
            let slots = Slots::<dyn Queued>::new(first, Pace::ONE);
            assert_eq!(slots.iter().count(), first);
            assert!(slots.get(first).is_none());
            let made: Vec<*const _> = (0..9)
                .map(|slot| std::ptr::from_ref(slots.make(slot)))
                .collect();
            let listed: Vec<*const _> = slots.iter().map(std::ptr::from_ref).collect();
            assert_eq!(made, listed[..9]);
            let found = |slot| slots.get(slot).map(std::ptr::from_ref);
            assert!((0..9).all(|slot| found(slot) == Some(made[slot])));
            assert_eq!(
                slots.make(first << 5) as *const _,
                slots.iter().nth(first << 5).unwrap() as *const _
            );
        }
    }
}
