//! `rayon`: with a handle for each task, by its parallel iterators, and by its scopes.

use crossbeam_channel::unbounded;
use rayon::iter::{
    IndexedParallelIterator, IntoParallelIterator, IntoParallelRefIterator, ParallelBridge,
    ParallelIterator,
};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::by_handle::Spawn;
use crate::contestant::{Chunks, Contestant, Items, Order, Outcome};
use crate::work::{Work, square};

fn pool(workers: usize) -> Outcome<ThreadPool> {
    Ok(ThreadPoolBuilder::new().num_threads(workers).build()?)
}

/// `spawn`, and a channel for one value as the handle.
#[derive(Debug)]
pub struct RayonHandles(ThreadPool);

impl Spawn for RayonHandles {
    const NAME: &'static str = "rayon, handles";
    type Handle<R: Send + 'static> = oneshot::Receiver<R>;

    fn start(workers: usize) -> Outcome<Self> {
        Ok(RayonHandles(pool(workers)?))
    }

    fn spawn<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Outcome<Self::Handle<R>> {
        let (result, handle) = oneshot::channel();
        // A value that nobody waits for is dropped.
        self.0.spawn(move || drop(result.send(job())));
        Ok(handle)
    }

    fn get<R: Send + 'static>(&self, handle: Self::Handle<R>) -> Outcome<R> {
        Ok(handle.recv()?)
    }

    fn stop(self) -> Outcome<()> {
        Ok(())
    }
}

/// `install` for one task, parallel iterators for many.
#[derive(Debug)]
pub struct RayonIdioms(ThreadPool);

impl Contestant for RayonIdioms {
    const NAME: &'static str = "rayon, par_iter";
    const HANDLES: bool = false;
    type Handle = u64;

    fn start(workers: usize) -> Outcome<Self> {
        Ok(RayonIdioms(pool(workers)?))
    }

    fn submit(&self, work: Work, arg: u64) -> Outcome<Self::Handle> {
        Ok(self.0.install(|| work.call(arg)))
    }

    fn wait(&self, handle: Self::Handle) -> Outcome<u64> {
        Ok(handle)
    }

    fn burst(&self, work: Work, arg: u64, tasks: usize) -> Outcome<u64> {
        let sum = self.0.install(|| {
            let tasks = (0..tasks).into_par_iter().with_max_len(1);
            let results: Vec<u64> = tasks.map(|_| work.call(arg)).collect();
            results
                .iter()
                .fold(0_u64, |sum, value| sum.wrapping_add(*value))
        });
        Ok(sum)
    }

    fn map(&self, items: &Items, chunks: Chunks) -> Outcome<Option<Vec<u64>>> {
        let output = self.0.install(|| {
            let items = items.par_iter().copied();
            match chunks {
                Chunks::Own => items.map(square).collect(),
                Chunks::One => items.with_max_len(1).map(square).collect(),
            }
        });
        Ok(Some(output))
    }

    fn stream(&self, items: u64, order: Order) -> Outcome<Option<u64>> {
        if order == Order::Input {
            return Ok(None);
        }
        let (results, output) = unbounded();
        self.0.spawn(move || {
            let items = (0..items).par_bridge();
            items.for_each_with(results, |results, item| {
                // The receiver is there until all results are.
                let _ = results.send(Work::Noop.call(item));
            });
        });
        Ok(Some(output.iter().sum()))
    }

    fn stop(self) -> Outcome<()> {
        Ok(())
    }
}

/// `scope`, whose tasks have no handles and write their results to places that the caller lends.
#[derive(Debug)]
pub struct RayonScope {
    pool: ThreadPool,
    workers: usize,
}

impl Contestant for RayonScope {
    const NAME: &'static str = "rayon, scope";
    const HANDLES: bool = false;
    type Handle = u64;

    fn start(workers: usize) -> Outcome<Self> {
        let pool = pool(workers)?;
        Ok(RayonScope { pool, workers })
    }

    fn submit(&self, work: Work, arg: u64) -> Outcome<Self::Handle> {
        let mut result = 0;
        let place = &mut result;
        self.pool
            .in_place_scope(|scope| scope.spawn(move |_| *place = work.call(arg)));
        Ok(result)
    }

    fn wait(&self, handle: Self::Handle) -> Outcome<u64> {
        Ok(handle)
    }

    fn burst(&self, work: Work, arg: u64, tasks: usize) -> Outcome<u64> {
        let mut results = vec![0_u64; tasks];
        self.pool.in_place_scope(|scope| {
            for place in &mut results {
                scope.spawn(move |_| *place = work.call(arg));
            }
        });
        Ok(results
            .iter()
            .fold(0_u64, |sum, value| sum.wrapping_add(*value)))
    }

    fn map(&self, items: &Items, chunks: Chunks) -> Outcome<Option<Vec<u64>>> {
        let size = match chunks {
            Chunks::Own => items.len().div_ceil(4 * self.workers).max(1),
            Chunks::One => 1,
        };
        let mut output = vec![0_u64; items.len()];
        self.pool.in_place_scope(|scope| {
            for (places, items) in output.chunks_mut(size).zip(items.chunks(size)) {
                scope.spawn(move |_| {
                    for (place, item) in places.iter_mut().zip(items) {
                        *place = square(*item);
                    }
                });
            }
        });
        Ok(Some(output))
    }

    fn stream(&self, _items: u64, _order: Order) -> Outcome<Option<u64>> {
        Ok(None)
    }

    fn stop(self) -> Outcome<()> {
        Ok(())
    }
}
