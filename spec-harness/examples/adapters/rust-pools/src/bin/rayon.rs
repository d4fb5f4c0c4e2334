//! rayon's thread pool: `spawn`, and a parallel iterator for `map`.

use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};
use rust_pools::{Rival, Work, adapter, error, lock};
use spec_harness::adapter::{Answer, puppet};
use spec_harness::protocol::ErrorReply;

fn main() -> ExitCode {
    adapter::<Rayon>()
}

struct Rayon {
    /// Until it is closed: to let go of it is the one way to end it.
    pool: Mutex<Option<Arc<ThreadPool>>>,
    /// Threads that have not ended, which the pool tells by its exit handler.
    threads: Arc<(Mutex<usize>, Condvar)>,
}

impl Rival for Rayon {
    const NAME: &'static str = "rayon";
    const VERSION: &'static str = "1.12";
    const DECLINES: &'static [(&'static str, &'static str)] = &[
        ("C2", "zero threads means the default number"),
        (
            "L3",
            "there is no join: to let go of the pool ends it, when its work is done",
        ),
        ("L9", "to let go of the pool does not wait"),
        ("O2", "a parallel iterator is split as it is stolen"),
        ("O4", "a parallel iterator is split as it is stolen"),
        ("O5", "work stealing"),
    ];
    const MAPS: bool = true;

    fn new(size: Option<usize>) -> Result<Rayon, ErrorReply> {
        let threads = Arc::new((Mutex::new(0), Condvar::new()));
        let gone = threads.clone();
        let pool = ThreadPoolBuilder::new()
            .num_threads(size.unwrap_or(0))
            .panic_handler(|_| {})
            .exit_handler(move |_| {
                *lock(&gone.0) -= 1;
                gone.1.notify_all();
            })
            .build()
            .map_err(|e| error("StartFailed", &e.to_string()))?;
        *lock(&threads.0) = pool.current_num_threads();
        Ok(Rayon {
            pool: Mutex::new(Some(Arc::new(pool))),
            threads,
        })
    }

    fn submit(&self, work: Work) -> bool {
        let pool = lock(&self.pool).clone();
        pool.map(|pool| pool.spawn(work)).is_some()
    }

    fn apply(&self, key: u64) -> Option<Answer> {
        let pool = lock(&self.pool).clone()?;
        Some(pool.install(|| puppet::task(key)))
    }

    fn map(&self, keys: &[u64]) -> Option<Vec<Answer>> {
        let pool = lock(&self.pool).clone()?;
        Some(pool.install(|| keys.par_iter().map(|key| puppet::task(*key)).collect()))
    }

    fn close(&self) {
        drop(lock(&self.pool).take());
    }

    fn join(&self) {
        self.close();
        let mut left = lock(&self.threads.0);
        while *left > 0 {
            let woken = self.threads.1.wait(left);
            left = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}
