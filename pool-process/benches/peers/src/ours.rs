//! `pool-process`.

use peers::contestant::{Chunks, Items, Order};
use peers::work::{Work, square};
use peers::{Contestant, Outcome, Payload};
use pool_process::{AsyncResult, Pool, ProcessPool, TaskError};

/// The pool of this repository.
#[derive(Debug)]
pub(crate) struct Ours(ProcessPool);

fn map_in_chunks_of_one(pool: &ProcessPool, items: &[u64]) -> Outcome<Vec<u64>> {
    let submission = pool.each(square, items.iter().copied()).chunksize(1);
    Ok(submission.submit()?.get()?)
}

impl Contestant for Ours {
    const NAME: &'static str = "pool-process";
    type Handle = AsyncResult<u64>;

    fn start(workers: usize) -> Outcome<Self> {
        Ok(Ours(ProcessPool::new(workers)?))
    }

    fn submit(&self, work: Work, arg: u64) -> Outcome<Self::Handle> {
        Ok(self.0.apply_async(work.function(), arg)?)
    }

    fn wait(&self, handle: Self::Handle) -> Outcome<u64> {
        Ok(handle.get()?)
    }

    fn map(&self, items: &Items, chunks: Chunks) -> Outcome<Option<Vec<u64>>> {
        let output = match chunks {
            Chunks::Own => self.0.map(square, items.iter().copied())?,
            Chunks::One => map_in_chunks_of_one(&self.0, items)?,
        };
        Ok(Some(output))
    }

    fn stream(&self, items: u64, order: Order) -> Outcome<Option<u64>> {
        let noop = Work::Noop.function();
        let mut results = match order {
            Order::Input => self.0.imap(noop, 0..items)?,
            Order::Completion => self.0.imap_unordered(noop, 0..items)?,
        };
        let sum = results.try_fold(0, |sum, result| Ok::<u64, TaskError>(sum + result?))?;
        Ok(Some(sum))
    }

    fn echo(&self, payload: Payload) -> Outcome<Option<Payload>> {
        let echoed = match payload {
            Payload::Bytes(bytes) => Payload::Bytes(self.0.apply(|bytes| bytes, bytes)?),
            Payload::Text(text) => Payload::Text(self.0.apply(|text| text, text)?),
        };
        Ok(Some(echoed))
    }

    fn stop(self) -> Outcome<()> {
        self.0.close();
        Ok(self.0.join()?)
    }
}
