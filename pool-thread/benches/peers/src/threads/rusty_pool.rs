//! `rusty_pool`.

use std::time::Duration;

use rusty_pool::{JoinHandle, ThreadPool};

use super::by_handle::Spawn;
use crate::contestant::Outcome;

/// `evaluate`, whose handle is its own.
#[derive(Clone)]
pub struct RustyPool(ThreadPool);

impl Spawn for RustyPool {
    const NAME: &'static str = "rusty_pool";
    type Handle<R: Send + 'static> = JoinHandle<R>;

    fn start(workers: usize) -> Outcome<Self> {
        let idle = Duration::from_secs(60);
        Ok(RustyPool(ThreadPool::new(workers, workers, idle)))
    }

    fn spawn<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Outcome<Self::Handle<R>> {
        Ok(self.0.evaluate(job))
    }

    fn get<R: Send + 'static>(&self, handle: Self::Handle<R>) -> Outcome<R> {
        handle
            .try_await_complete()
            .map_err(|_| "the task has panicked".into())
    }

    fn stop(self) -> Outcome<()> {
        self.0.shutdown_join();
        Ok(())
    }
}
