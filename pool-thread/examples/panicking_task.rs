//! A task that panics is an error of its own: its worker goes on, and so does the program, which does the failed item in
//! another way.
//!
//! `cargo run -p pool-thread --example panicking_task`
//!
//! ```text
//! thread 'tpool-1' (4711) panicked at pool-thread/examples/panicking_task.rs:24:5:
//! attempt to divide by zero
//! "1 2 3": 2
//! "10 20": 15
//! note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
//! "none": attempt to divide by zero at pool-thread/examples/panicking_task.rs:24:5
//! "7": 7
//! item 2 again: 4 bytes
//! 2 workers, 2 were started
//! ```

use pool_thread::prelude::*;

/// The mean of a record; it panics where there are no numbers.
fn mean(record: &'static str) -> u32 {
    let words = record.split(' ');
    let numbers: Vec<u32> = words.filter_map(|word| word.parse().ok()).collect();
    numbers.iter().sum::<u32>() / numbers.len() as u32
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = ThreadPool::new(2)?;
    let records = ["1 2 3", "10 20", "none", "7"];

    let mut failed = Vec::new();
    for (record, result) in records.iter().zip(pool.imap(mean, records)?) {
        match result {
            Ok(mean) => println!("{record:?}: {mean}"),
            Err(TaskError::Panicked(panic)) => {
                let place = panic.location.as_deref().unwrap_or("an unknown place");
                println!("{record:?}: {} at {place}", panic.message);
                failed.extend(panic.item);
            }
            Err(error) => return Err(error.into()),
        }
    }
    for item in failed {
        let length = pool.apply(str::len, records[item])?;
        println!("item {item} again: {length} bytes");
    }
    let (workers, started) = (pool.stats().workers, pool.stats().started);
    println!("{workers} workers, {started} were started");

    pool.close();
    pool.join()?;
    Ok(())
}
