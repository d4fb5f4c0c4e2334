//! `procspawn`.

use peers::contestant::{Chunks, Items, Order};
use peers::work::{Work, square};
use peers::{Contestant, Outcome, Payload};
use procspawn::{JoinHandle, Pool};

/// Its pool.
pub(crate) struct Procspawn {
    pool: Pool,
    workers: usize,
}

fn squares(items: Vec<u64>) -> Vec<u64> {
    items.into_iter().map(square).collect()
}

impl Contestant for Procspawn {
    const NAME: &'static str = "procspawn";
    // Four descriptors for each task.
    const BURST_DIVISOR: usize = 20;
    const NO_ARRIVALS: Option<&'static str> =
        Some("a worker goes on only when somebody waits for the result that it has");
    type Handle = JoinHandle<u64>;

    fn start(workers: usize) -> Outcome<Self> {
        let pool = Pool::new(workers)?;
        Ok(Procspawn { pool, workers })
    }

    fn submit(&self, work: Work, arg: u64) -> Outcome<Self::Handle> {
        Ok(self.pool.spawn(arg, work.function()))
    }

    fn wait(&self, handle: Self::Handle) -> Outcome<u64> {
        Ok(handle.join()?)
    }

    fn map(&self, items: &Items, chunks: Chunks) -> Outcome<Option<Vec<u64>>> {
        let mut output = Vec::with_capacity(items.len());
        if chunks == Chunks::One {
            let spawn = |item: &u64| self.pool.spawn(*item, square);
            let handles: Vec<JoinHandle<u64>> = items.iter().map(spawn).collect();
            for handle in handles {
                output.push(handle.join()?);
            }
        } else {
            let size = items.len().div_ceil(4 * self.workers).max(1);
            let spawn = |items: &[u64]| self.pool.spawn(items.to_vec(), squares);
            let handles: Vec<JoinHandle<Vec<u64>>> = items.chunks(size).map(spawn).collect();
            for handle in handles {
                output.extend(handle.join()?);
            }
        }
        Ok(Some(output))
    }

    fn stream(&self, items: u64, order: Order) -> Outcome<Option<u64>> {
        if order == Order::Completion {
            return Ok(None);
        }
        let handles: Vec<Self::Handle> = (0..items)
            .map(|item| self.submit(Work::Noop, item))
            .collect::<Outcome<_>>()?;
        let mut sum = 0;
        for handle in handles {
            sum += handle.join()?;
        }
        Ok(Some(sum))
    }

    fn echo(&self, payload: Payload) -> Outcome<Option<Payload>> {
        let echoed = match payload {
            Payload::Bytes(bytes) => Payload::Bytes(self.pool.spawn(bytes, |bytes| bytes).join()?),
            Payload::Text(text) => Payload::Text(self.pool.spawn(text, |text| text).join()?),
        };
        Ok(Some(echoed))
    }

    fn stop(self) -> Outcome<()> {
        self.pool.shutdown();
        Ok(())
    }
}
