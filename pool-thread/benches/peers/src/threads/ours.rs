//! `pool-thread`.

use pool_thread::{Pool, TaskError, ThreadPool};

use crate::contestant::{Chunks, Contestant, Items, Order, Outcome};
use crate::work::{Work, square};

/// The pool of this repository.
#[derive(Debug)]
pub struct Ours(ThreadPool);

fn map_in_chunks_of_one(pool: &ThreadPool, items: &[u64]) -> Outcome<Vec<u64>> {
    let submission = pool.each(square, items.iter().copied()).chunksize(1);
    Ok(submission.submit()?.get()?)
}

impl Contestant for Ours {
    const NAME: &'static str = "pool-thread";
    type Handle = pool_thread::AsyncResult<u64>;

    fn start(workers: usize) -> Outcome<Self> {
        Ok(Ours(ThreadPool::new(workers)?))
    }

    fn submit(&self, work: Work, arg: u64) -> Outcome<Self::Handle> {
        Ok(self.0.apply_async(move |arg| work.call(arg), arg)?)
    }

    fn wait(&self, handle: Self::Handle) -> Outcome<u64> {
        Ok(handle.get()?)
    }

    fn map(&self, items: &Items, chunks: Chunks) -> Outcome<Option<Vec<u64>>> {
        let output = match chunks {
            Chunks::Own => self.0.map_slice(|item| square(*item), items)?,
            Chunks::One => map_in_chunks_of_one(&self.0, items)?,
        };
        Ok(Some(output))
    }

    fn stream(&self, items: u64, order: Order) -> Outcome<Option<u64>> {
        let noop = |item| Work::Noop.call(item);
        let mut results = match order {
            Order::Input => self.0.imap(noop, 0..items)?,
            Order::Completion => self.0.imap_unordered(noop, 0..items)?,
        };
        let sum = results.try_fold(0, |sum, result| Ok::<u64, TaskError>(sum + result?))?;
        Ok(Some(sum))
    }

    fn stop(self) -> Outcome<()> {
        self.0.close();
        Ok(self.0.join()?)
    }
}
