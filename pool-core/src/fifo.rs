//! A list, first in, first out, in blocks: it never moves what it holds, however long it grows.

use std::collections::VecDeque;

/// Entries per block.
const BLOCK: usize = 128;

/// Entries, the first at the front.
#[derive(Debug)]
pub(crate) struct Fifo<T> {
    /// None of them is empty.
    blocks: VecDeque<VecDeque<T>>,
    /// A block that is empty, for the next time.
    spare: Option<VecDeque<T>>,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Fifo {
            blocks: VecDeque::new(),
            spare: None,
        }
    }
}

impl<T> Fifo<T> {
    pub(crate) fn push(&mut self, entry: T) {
        match self.blocks.back_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => block.push_back(entry),
            None => {
                let spare = self.spare.take();
                let mut block = spare.unwrap_or_else(|| VecDeque::with_capacity(BLOCK));
                block.push_back(entry);
                self.blocks.push_back(block);
            }
        }
    }

    pub(crate) fn first_mut(&mut self) -> Option<&mut T> {
        self.blocks.front_mut()?.front_mut()
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let block = self.blocks.front_mut()?;
        let entry = block.pop_front();
        if block.is_empty() {
            self.spare = self.blocks.pop_front();
        }
        entry
    }

    /// Moves so many of the first entries to the end of `list`, as long as they are `wanted`, and of the first block; how many.
    pub(crate) fn take_first(
        &mut self,
        most: usize,
        wanted: impl Fn(&T) -> bool,
        list: &mut VecDeque<T>,
    ) -> usize {
        let Some(block) = self.blocks.front_mut() else {
            return 0;
        };
        let count = block
            .iter()
            .take(most)
            .take_while(|entry| wanted(entry))
            .count();
        list.extend(block.drain(..count));
        if block.is_empty() {
            self.spare = self.blocks.pop_front();
        }
        count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten()
    }

    /// Takes out all that `is_wanted`, in their order; it looks at every entry.
    pub(crate) fn take_out(&mut self, is_wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let all = std::mem::take(self);
        let (wanted, others): (Vec<T>, Vec<T>) =
            all.blocks.into_iter().flatten().partition(is_wanted);
        for entry in others {
            self.push(entry);
        }
        wanted
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
            let count = list.take_first(100, |entry| entry % 64 < 50, &mut first);
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
    }
}
