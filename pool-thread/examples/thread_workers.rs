//! A table of what the workers of a pool did.
//!
//! `cargo run -p pool-thread --example thread_workers`
//!
//! ```text
//! worker    tasks  working  waiting  replaced  lost
//! 0             8   1226ms     62ms         0     0
//! 1            12   1278ms      0ms         1     0
//! ```

use std::num::NonZeroUsize;

use pool_thread::prelude::*;

/// A sum that takes a while.
fn busy(number: u64) -> u64 {
    (0..2_000_000).fold(number, |sum, x| sum.rotate_left(1) ^ x)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ten = NonZeroUsize::new(10).ok_or("not zero")?;
    let pool = ThreadPool::builder()
        .size(2)
        .maxtasksperchild(ten)
        .build()?;
    for sum in pool.imap_unordered(busy, 0..20)? {
        sum?;
    }
    pool.close();
    pool.join()?;
    println!("worker    tasks  working  waiting  replaced  lost");
    for place in pool.stats().per_worker {
        println!(
            "{:<6} {:>8} {:>6}ms {:>6}ms {:>9} {:>5}",
            place.index,
            place.tasks,
            place.working.as_millis(),
            place.waiting.as_millis(),
            place.replaced,
            place.lost,
        );
    }
    Ok(())
}
