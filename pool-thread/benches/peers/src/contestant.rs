//! What a pool has to say to be measured.

use std::error::Error;

use crate::work::Work;

/// The result of anything that can fail.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is sent to a worker and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// As `Vec<u8>`.
    Bytes(Vec<u8>),
    /// As `String`.
    Text(String),
}

/// A pool that is measured. What it does not have is `None`.
pub trait Contestant: Sized {
    /// Its name in the tables.
    const NAME: &'static str;
    /// Whether each task has a handle, by which its result is waited for.
    const HANDLES: bool = true;
    /// Large bursts are so many times smaller: for pools that are slow, or that hold descriptors for each task.
    const BURST_DIVISOR: usize = 1;
    /// Why it cannot be measured with tasks that are waited for when all have arrived, if it cannot.
    const NO_ARRIVALS: Option<&'static str> = None;
    /// How one waits for a task.
    type Handle;

    /// A pool of so many workers.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn start(workers: usize) -> Outcome<Self>;

    /// Queues a task.
    ///
    /// # Errors
    ///
    /// Why it is not queued.
    fn submit(&self, work: Work, arg: u64) -> Outcome<Self::Handle>;

    /// Waits for a task's result.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn wait(&self, handle: Self::Handle) -> Outcome<u64>;

    /// So many tasks with the same argument, all queued, then all waited for; the sum of their results.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn burst(&self, work: Work, arg: u64, tasks: usize) -> Outcome<u64> {
        let handles: Vec<Self::Handle> = (0..tasks)
            .map(|_| self.submit(work, arg))
            .collect::<Outcome<_>>()?;
        let mut sum = 0_u64;
        for handle in handles {
            sum = sum.wrapping_add(self.wait(handle)?);
        }
        Ok(sum)
    }

    /// The square of each item, in order; with the pool's own chunks, or chunks of one.
    ///
    /// # Errors
    ///
    /// Why there is no result.
    fn map(&self, items: &Items, chunks: Chunks) -> Outcome<Option<Vec<u64>>>;

    /// The results of no-ops on `0..items`, taken one by one; their sum.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn stream(&self, items: u64, order: Order) -> Outcome<Option<u64>>;

    /// What a worker returns that is given this and returns it.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn echo(&self, payload: Payload) -> Outcome<Option<Payload>> {
        drop(payload);
        Ok(None)
    }

    /// Ends the pool; all its tasks are done.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn stop(self) -> Outcome<()>;
}

/// The input of a map.
pub type Items = std::sync::Arc<Vec<u64>>;

/// How a map is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// As the pool does where nothing is said; by hand, into four for each worker.
    Own,
    /// One item each.
    One,
}

/// The order of a stream's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The input's.
    Input,
    /// That of completion.
    Completion,
}
