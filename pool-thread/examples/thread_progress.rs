//! Progress bars over work on threads: a map counts the items that are done, calls tell of their ends by callbacks, and an imap
//! is wrapped as any iterator.
//!
//! `cargo run -p pool-thread --example thread_progress`
//!
//! ```text
//! longest of the map: Some(351)
//! longest of the calls: Some(351)
//! longest of the imap: 351
//! ```

use std::time::Duration;

use indicatif::{ProgressBar, ProgressIterator};
use pool_thread::prelude::*;

/// The longest Collatz sequence from these numbers.
fn longest(starts: std::ops::Range<u64>) -> usize {
    let next = |x: &u64| (*x > 1).then(|| if x & 1 == 0 { x / 2 } else { 3 * x + 1 });
    starts
        .map(|x| std::iter::successors(Some(x), next).count())
        .max()
        .unwrap_or(0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = ThreadPool::with_default_size()?;
    let ranges = || (0..100).map(|index| 1 + index * 1_000..1 + (index + 1) * 1_000);

    // A map counts the items that are done.
    let bar = ProgressBar::new(100).with_message("map");
    let map = pool.each(longest, ranges()).chunksize(1).submit()?;
    while !map.wait_timeout(Duration::from_millis(50)) {
        bar.set_position(map.progress().done as u64);
    }
    bar.finish();
    let lengths = map.get()?;
    println!("longest of the map: {:?}", lengths.iter().max());

    // A call has a callback of its own.
    let bar = ProgressBar::new(100);
    let mut handles = vec![];
    for range in ranges() {
        let bar = bar.clone();
        let call = pool.call(longest, range).callback(move |_| bar.inc(1));
        handles.push(call.submit()?);
    }
    let lengths: Result<Vec<usize>, TaskError> = handles.into_iter().map(|h| h.get()).collect();
    println!("longest of the calls: {:?}", lengths?.iter().max());
    assert_eq!(bar.position(), 100); // a handle is ready when its callback has returned

    // The results of an imap are an iterator; its length is known where that of the input is.
    let results = pool.each(longest, ranges()).chunksize(4).imap_unordered()?;
    let longest = results
        .progress_count(100)
        .try_fold(0, |most, one| one.map(|one| most.max(one)))?;
    println!("longest of the imap: {longest}");
    Ok(())
}
