//! How the items of a map are cut into chunks, each of which is one task for one worker.

use std::ops::Range;

/// The chunk size that `map` and `starmap` choose: `ceil(items / (4 * workers))`, at least 1.
///
/// Source: `Pool._map_async` in CPython's `multiprocessing/pool.py`.
///
/// # Examples
///
/// ```
/// assert_eq!(pool_core::default_chunksize(5, 4), 1);
/// assert_eq!(pool_core::default_chunksize(1_000, 4), 63);
/// ```
pub fn default_chunksize(items: usize, workers: usize) -> usize {
    items.div_ceil(workers.saturating_mul(4).max(1)).max(1)
}

/// How many items are cut into chunks of which size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    items: usize,
    chunk: usize,
}

impl Cut {
    /// Cuts `items` into chunks of `chunk` items; the last one may be shorter. There are at most `u32::MAX` of them: beyond
    /// that they are longer.
    pub(crate) fn new(items: usize, chunk: usize) -> Cut {
        let least = items.div_ceil(u32::MAX as usize);
        Cut {
            items,
            chunk: chunk.max(least).max(1),
        }
    }

    /// Number of chunks.
    pub(crate) fn chunks(self) -> usize {
        self.items.div_ceil(self.chunk)
    }

    /// The items of one chunk.
    pub(crate) fn range(self, index: usize) -> Range<usize> {
        let start = index.saturating_mul(self.chunk).min(self.items);
        start..start.saturating_add(self.chunk).min(self.items)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cut, default_chunksize};

    proptest! {
        #[test]
        fn chunks_cover_every_item_once_in_order(items in 0usize..2_000, chunk in 0usize..300) {
            let cut = Cut::new(items, chunk);
            let seen: Vec<usize> = (0..cut.chunks()).flat_map(|index| cut.range(index)).collect();
            prop_assert_eq!(seen, (0..items).collect::<Vec<_>>());
        }

        #[test]
        fn the_default_gives_each_worker_about_four_chunks(items in 1usize..10_000, workers in 1usize..64) {
            let chunks = Cut::new(items, default_chunksize(items, workers)).chunks();
            prop_assert!(chunks <= 4 * workers && chunks >= 1);
        }
    }
}
