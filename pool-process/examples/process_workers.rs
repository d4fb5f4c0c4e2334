//! A table of what the workers of a pool did.
//!
//! `cargo run -p pool-process --example process_workers`
//!
//! ```text
//! worker lost: exited with code 3 (pid 24026) while running a closure (task 20, submitted at ..)
//! worker    tasks  working  waiting  replaced  lost
//! 0            10    522ms     41ms         1     0
//! 1            11    526ms     30ms         1     1
//! ```

use std::num::NonZeroUsize;

use pool_process::prelude::*;

/// A sum that takes a while.
fn busy(number: u64) -> u64 {
    (0..2_000_000).fold(number, |sum, x| sum.rotate_left(1) ^ x)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ten = NonZeroUsize::new(10).ok_or("not zero")?;
    let pool = ProcessPool::builder()
        .size(2)
        .maxtasksperchild(ten)
        .build()?;
    for sum in pool.imap_unordered(busy, 0..20)? {
        sum?;
    }
    // One task costs its worker.
    let exit = |code: i32| -> u64 { std::process::exit(code) };
    println!("{}", pool.apply(exit, 3).expect_err("its worker has gone"));
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
