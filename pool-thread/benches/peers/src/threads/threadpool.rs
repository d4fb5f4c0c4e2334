//! `threadpool`.

use threadpool::ThreadPool;

use super::by_handle::Spawn;
use crate::contestant::Outcome;

/// `execute`, and a channel for one value as the handle.
#[derive(Debug)]
pub struct ThreadPoolCrate(ThreadPool);

impl Spawn for ThreadPoolCrate {
    const NAME: &'static str = "threadpool";
    type Handle<R: Send + 'static> = oneshot::Receiver<R>;

    fn start(workers: usize) -> Outcome<Self> {
        Ok(ThreadPoolCrate(ThreadPool::new(workers)))
    }

    fn spawn<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Outcome<Self::Handle<R>> {
        let (result, handle) = oneshot::channel();
        // A value that nobody waits for is dropped.
        self.0.execute(move || drop(result.send(job())));
        Ok(handle)
    }

    fn get<R: Send + 'static>(&self, handle: Self::Handle<R>) -> Outcome<R> {
        Ok(handle.recv()?)
    }

    fn stop(self) -> Outcome<()> {
        self.0.join();
        Ok(())
    }
}
