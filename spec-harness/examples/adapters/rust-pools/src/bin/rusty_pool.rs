//! rusty_pool's thread pool, of a fixed size.

use std::process::ExitCode;
use std::sync::Mutex;
use std::thread::JoinHandle;

use rust_pools::{Rival, Work, adapter, error, lock};
use rusty_pool::ThreadPool;
use spec_harness::adapter::Answer;
use spec_harness::protocol::ErrorReply;

fn main() -> ExitCode {
    adapter::<Rusty>()
}

struct Rusty {
    /// Until it is closed: to shut it down consumes it.
    pool: Mutex<Option<ThreadPool>>,
    /// Waits aside for the end of what was let in.
    closing: Mutex<Option<JoinHandle<()>>>,
}

impl Rival for Rusty {
    const NAME: &'static str = "rusty_pool";
    const VERSION: &'static str = "0.7";
    const DECLINES: &'static [(&'static str, &'static str)] = &[
        ("L3", "one call shuts the pool down and waits"),
        ("L9", "to let go of the pool does not wait"),
    ];
    const MAPS: bool = false;

    fn new(size: Option<usize>) -> Result<Rusty, ErrorReply> {
        let builder = rusty_pool::Builder::new();
        let pool = match size {
            // Its own answer to a size of zero is a panic.
            Some(0) => return Err(error("InvalidSize", "")),
            Some(size) => builder.core_size(size).max_size(size).build(),
            None => builder.build(),
        };
        Ok(Rusty {
            pool: Mutex::new(Some(pool)),
            closing: Mutex::new(None),
        })
    }

    fn submit(&self, work: Work) -> bool {
        let pool = lock(&self.pool);
        pool.as_ref()
            .is_some_and(|pool| pool.try_execute(work).is_ok())
    }

    fn map(&self, _: &[u64]) -> Option<Vec<Answer>> {
        None
    }

    fn close(&self) {
        if let Some(pool) = lock(&self.pool).take() {
            let waits = std::thread::spawn(move || pool.shutdown_join());
            *lock(&self.closing) = Some(waits);
        }
    }

    fn join(&self) {
        self.close();
        // Whoever comes second finds the lock taken until the first has waited.
        let mut closing = lock(&self.closing);
        if let Some(waits) = closing.take() {
            drop(waits.join());
        }
    }
}
