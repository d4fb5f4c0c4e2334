//! A connection for each worker: the initializer opens it, tasks reach it as the worker's state, and it is dropped when the
//! worker leaves. Where it cannot be opened, what is queued fails with the reason.
//!
//! `cargo run -p pool-process --example connection_per_process`
//!
//! ```text
//! [Some(100), Some(101), Some(102), Some(103), Some(104), Some(105)]
//! closed after 3 queries
//! closed after 3 queries
//! Err("worker lost: did not start: the initializer failed: prices is no database before it began a closure (task 0, submitted at pool-process/examples/connection_per_process.rs:55:35)")
//! ```

use std::time::Duration;

use pool_process::prelude::*;
use pool_process::worker_state;

/// What stands for a connection to a database. It is never sent: the worker opens it, and has it for as long as it lives.
struct Connection(u32);

impl Connection {
    fn open(url: String) -> Result<Connection, String> {
        let known = url.starts_with("db://").then(|| Connection(0));
        known.ok_or_else(|| format!("{url} is no database"))
    }

    fn price(&mut self, item: u32) -> u32 {
        std::thread::sleep(Duration::from_millis(20)); // the database's time
        self.0 += 1;
        100 + item
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        println!("closed after {} queries", self.0);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // An initializer captures nothing; its argument is sent to each worker.
    let pool = |url: &str| {
        let builder = ProcessPool::builder().size(2);
        builder
            .try_initializer(Connection::open, url.to_owned())
            .build()
    };
    let price = |item| worker_state(|connection: &mut Connection| connection.price(item));

    let prices = pool("db://prices")?;
    println!("{:?}", prices.map(price, 0..6)?);
    prices.close();
    prices.join()?;

    let refused = pool("prices")?.apply(price, 0);
    println!("{:?}", refused.map_err(|error| error.to_string()));
    Ok(())
}
