//! A task that kills its worker is an error of its own: the worker is replaced, the other tasks are done, and the program does
//! the lost item in another way.
//!
//! `cargo run -p pool-process --example lost_worker`
//!
//! ```text
//! plain: 5
//! overflow: worker lost: killed by SIGABRT (pid 4711) while running lost_worker::decode, item 1 (task 1, submitted at pool-process/examples/lost_worker.rs:34:53) [by a signal: true]
//! long enough: 11
//! quit: worker lost: exited with code 3 (pid 4711) while running lost_worker::decode, item 3 (task 3, submitted at pool-process/examples/lost_worker.rs:34:53) [by a signal: false]
//! last: 4
//! item 1 again, by Some("ProcessPoolWorker-3")
//! item 3 again, by Some("ProcessPoolWorker-3")
//! 2 workers, 2 lost
//! ```

use pool_process::prelude::*;
use pool_process::{Cause, current_worker};

/// What stands for a decoder in C, which some records kill.
fn decode(record: String) -> usize {
    match &*record {
        "overflow" => std::process::abort(),
        "quit" => std::process::exit(3),
        _ => record.len(),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = ProcessPool::new(2)?;
    let records = ["plain", "overflow", "long enough", "quit", "last"].map(String::from);

    let mut lost_items = vec![];
    for (record, result) in records.iter().zip(pool.imap(decode, records.clone())?) {
        match result {
            Ok(length) => println!("{record}: {length}"),
            Err(TaskError::WorkerLost(lost)) => {
                let signal = matches!(lost.cause, Cause::Signal { .. });
                println!("{record}: {lost} [by a signal: {signal}]");
                lost_items.extend(lost.item);
            }
            Err(error) => return Err(error.into()),
        }
    }
    for item in lost_items {
        let name = |_: String| current_worker().map(|worker| worker.name);
        let name = pool.apply(name, records[item].clone())?;
        println!("item {item} again, by {name:?}");
    }
    let stats = pool.stats();
    println!("{} workers, {} lost", stats.workers, stats.lost);

    pool.close();
    pool.join()?;
    Ok(())
}
