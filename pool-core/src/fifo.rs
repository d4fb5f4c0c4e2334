//! A list, first in, first out, in blocks: it never moves what it holds, however long it grows.

use std::collections::VecDeque;

/// Entries per block.
const BLOCK: usize = 128;

/// Entries, the first at the front.
#[derive(Debug)]
pub(crate) struct Fifo<T> {
    /// None of them is empty.
    full: VecDeque<VecDeque<T>>,
    /// Those behind.
    last: VecDeque<T>,
    /// A block that is empty, for the next time.
    spare: Option<VecDeque<T>>,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Fifo {
            full: VecDeque::new(),
            last: VecDeque::new(),
            spare: None,
        }
    }
}

impl<T> Fifo<T> {
    pub(crate) fn push(&mut self, entry: T) {
        if self.last.len() == self.last.capacity() {
            self.begin_block();
        }
        self.last.push_back(entry);
    }

    #[cold]
    fn begin_block(&mut self) {
        let spare = self.spare.take();
        let block = spare.unwrap_or_else(|| VecDeque::with_capacity(BLOCK));
        let full = std::mem::replace(&mut self.last, block);
        if !full.is_empty() {
            self.full.push_back(full);
        }
    }

    pub(crate) fn first_mut(&mut self) -> Option<&mut T> {
        self.first_block().front_mut()
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let entry = self.first_block().pop_front();
        self.leave_block();
        entry
    }

    /// Takes so many of the first entries, as long as they are `wanted`, and of the first block; how many.
    pub(crate) fn take_first(
        &mut self,
        most: usize,
        mut wanted: impl FnMut(&T) -> bool,
        take: impl FnMut(T),
    ) -> usize {
        let block = self.first_block();
        let count = block
            .iter()
            .take(most)
            .take_while(|entry| wanted(entry))
            .count();
        block.drain(..count).for_each(take);
        self.leave_block();
        count
    }

    fn first_block(&mut self) -> &mut VecDeque<T> {
        self.full.front_mut().unwrap_or(&mut self.last)
    }

    /// Entries were taken from the first block.
    fn leave_block(&mut self) {
        if self.full.front().is_some_and(VecDeque::is_empty) {
            self.spare = self.full.pop_front();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.full.iter().flatten().chain(&self.last)
    }

    /// Takes out all that `is_wanted`, in their order; it looks at every entry.
    pub(crate) fn take_out(&mut self, is_wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let all = std::mem::take(self);
        let all = all.full.into_iter().flatten().chain(all.last);
        let (wanted, others): (Vec<T>, Vec<T>) = all.partition(is_wanted);
        for entry in others {
            self.push(entry);
        }
        wanted
    }
}

impl<T> Fifo<T> {
    /// Takes out the entry with this key, where the keys are in ascending order.
    pub(crate) fn take_by_key(&mut self, key: u64, key_of: impl Fn(&T) -> u64) -> Option<T> {
        let is_before = |block: &VecDeque<T>| block.back().is_some_and(|last| key_of(last) < key);
        let number = self.full.partition_point(is_before);
        let block = self.full.get_mut(number).unwrap_or(&mut self.last);
        let place = block.binary_search_by_key(&key, key_of).ok()?;
        let entry = block.remove(place);
        if block.is_empty() && number < self.full.len() {
            self.full.remove(number);
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::Fifo;

    proptest! {
        #[test]
        fn entries_leave_in_the_order_in_which_they_came(pushes in proptest::collection::vec(0..400_usize, 1..8)) {
            let (mut list, mut next, mut seen) = (Fifo::default(), 0, 0);
            for count in pushes {
                for _ in 0..count {
                    list.push(next);
                    next += 1;
                }
                for _ in 0..count / 2 {
                    prop_assert_eq!(list.first_mut().copied(), Some(seen));
                    prop_assert_eq!(list.pop(), Some(seen));
                    seen += 1;
                }
            }
            prop_assert_eq!(list.iter().copied().collect::<Vec<_>>(), (seen..next).collect::<Vec<_>>());
            let mut first = VecDeque::new();
            let count = list.take_first(100, |entry| entry % 64 < 50, |entry| first.push_back(entry));
            prop_assert_eq!(count, first.len());
            prop_assert!(first.iter().all(|entry| entry % 64 < 50));
            let wanted = seen < next && seen % 64 < 50;
            prop_assert_eq!(count > 0, wanted);
            prop_assert_eq!(first.into_iter().collect::<Vec<_>>(), (seen..seen + count).collect::<Vec<_>>());
            seen += count;
            let even = list.take_out(|entry| entry % 2 == 0);
            prop_assert_eq!(even.len() + list.iter().count(), next - seen);
            prop_assert!(list.iter().all(|entry| entry % 2 == 1));
            while list.pop().is_some() {}
            prop_assert_eq!(list.iter().count(), 0);
        }

        #[test]
        fn an_entry_is_found_by_its_key(count in 0..700_u64, popped in 0..200_u64, keys in proptest::collection::vec(0..1500_u64, 0..200)) {
            let (mut list, key) = (Fifo::default(), |entry: &u64| 2 * *entry);
            (0..count).for_each(|entry| list.push(entry));
            let mut left: Vec<u64> = (popped.min(count)..count).collect();
            for _ in 0..popped {
                list.pop();
            }
            // All of a block, and some of others.
            for wanted in (200..400).map(|entry| 2 * entry).chain(keys) {
                let place = left.iter().position(|entry| key(entry) == wanted);
                prop_assert_eq!(list.take_by_key(wanted, key), place.map(|place| left.remove(place)));
            }
            list.push(count);
            left.push(count);
            prop_assert!(list.iter().eq(&left));
            prop_assert!(left.iter().all(|entry| list.pop() == Some(*entry)));
        }
    }
}
