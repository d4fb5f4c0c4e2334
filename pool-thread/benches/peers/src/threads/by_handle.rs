//! What can be made of a pool that runs closures, and of a handle for each.

use crossbeam_channel::unbounded;

use crate::contestant::{Chunks, Contestant, Items, Order, Outcome};
use crate::work::{Work, square};

/// A pool of threads that runs closures and has a handle for each, its own or a channel.
pub trait Spawn: Sized {
    /// Its name in the tables.
    const NAME: &'static str;
    /// How one waits for a closure.
    type Handle<R: Send + 'static>;

    /// A pool of so many threads.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn start(workers: usize) -> Outcome<Self>;

    /// Queues a closure.
    ///
    /// # Errors
    ///
    /// Why it is not queued.
    fn spawn<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Outcome<Self::Handle<R>>;

    /// Waits for its value.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn get<R: Send + 'static>(&self, handle: Self::Handle<R>) -> Outcome<R>;

    /// Ends the pool.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn stop(self) -> Outcome<()>;
}

/// Such a pool as one that is measured; maps and streams are made by hand.
#[derive(Debug)]
pub struct ByHandle<S> {
    pool: S,
    workers: usize,
}

impl<S: Spawn> Contestant for ByHandle<S> {
    const NAME: &'static str = S::NAME;
    type Handle = S::Handle<u64>;

    fn start(workers: usize) -> Outcome<Self> {
        let pool = S::start(workers)?;
        Ok(ByHandle { pool, workers })
    }

    fn submit(&self, work: Work, arg: u64) -> Outcome<Self::Handle> {
        self.pool.spawn(move || work.call(arg))
    }

    fn wait(&self, handle: Self::Handle) -> Outcome<u64> {
        self.pool.get(handle)
    }

    fn map(&self, items: &Items, chunks: Chunks) -> Outcome<Option<Vec<u64>>> {
        let mut output = Vec::with_capacity(items.len());
        if chunks == Chunks::One {
            let handles: Vec<S::Handle<u64>> = items
                .iter()
                .map(|&item| self.pool.spawn(move || square(item)))
                .collect::<Outcome<_>>()?;
            for handle in handles {
                output.push(self.pool.get(handle)?);
            }
        } else {
            let size = items.len().div_ceil(4 * self.workers).max(1);
            let handles: Vec<S::Handle<Vec<u64>>> = (0..items.len())
                .step_by(size)
                .map(|first| {
                    let items = Items::clone(items);
                    self.pool.spawn(move || {
                        let end = items.len().min(first + size);
                        items[first..end].iter().copied().map(square).collect()
                    })
                })
                .collect::<Outcome<_>>()?;
            for handle in handles {
                output.extend(self.pool.get(handle)?);
            }
        }
        Ok(Some(output))
    }

    fn stream(&self, items: u64, order: Order) -> Outcome<Option<u64>> {
        let mut sum = 0;
        match order {
            Order::Input => {
                let handles: Vec<Self::Handle> = (0..items)
                    .map(|item| self.submit(Work::Noop, item))
                    .collect::<Outcome<_>>()?;
                for handle in handles {
                    sum += self.wait(handle)?;
                }
            }
            Order::Completion => {
                let (results, output) = unbounded();
                for item in 0..items {
                    let results = results.clone();
                    self.pool
                        .spawn(move || results.send(Work::Noop.call(item)))?;
                }
                drop(results);
                sum = output.iter().sum();
            }
        }
        Ok(Some(sum))
    }

    fn stop(self) -> Outcome<()> {
        self.pool.stop()
    }
}
