//! The backend: workers that are threads.

use std::sync::{Arc, Mutex, OnceLock};

use pool_core::backend::{
    Backend, Batch, Deadline, FnCall, JobCell, LocalBackend, PortableFn, Queue, Single, Work,
};
use pool_core::{Portable, StartError, WorkerStats};

use crate::initializer::Settings;
use crate::job::ThreadJob;
use crate::workers::{Workers, lock};

/// Workers that are threads: the backend behind a [`ThreadPool`](crate::ThreadPool).
#[derive(Debug)]
pub struct Threads {
    /// Taken when the pool starts.
    settings: Mutex<Option<Settings>>,
    /// Set when the pool starts.
    workers: OnceLock<Arc<Workers>>,
}

impl Threads {
    pub(crate) fn new(settings: Settings) -> Self {
        Threads {
            settings: Mutex::new(Some(settings)),
            workers: OnceLock::new(),
        }
    }

    /// The number of threads that live, and of threads that were ever started.
    pub(crate) fn thread_counts(&self) -> (usize, usize) {
        self.workers
            .get()
            .map_or((0, 0), |workers| workers.counts())
    }

    /// What the workers in each place have done.
    pub(crate) fn worker_stats(&self) -> Vec<WorkerStats> {
        self.workers
            .get()
            .map_or_else(Vec::new, |workers| workers.stats())
    }
}

impl Backend for Threads {
    type Job = dyn ThreadJob;

    const KIND: &'static str = "thread";

    fn start(&self, queue: &Arc<Queue<dyn ThreadJob>>) -> Result<(), StartError> {
        let settings = lock(&self.settings).take().unwrap_or_default();
        self.workers
            .get_or_init(|| Workers::new(queue, settings))
            .spawn_all()
    }

    fn call_job<F: PortableFn<A>, A: Portable>(
        cell: Arc<JobCell<Single<FnCall<F, A>>>>,
    ) -> Arc<dyn ThreadJob> {
        cell
    }

    fn map_job<F: PortableFn<A>, A: Portable>(
        cell: Arc<JobCell<Batch<F, A>>>,
    ) -> Arc<dyn ThreadJob> {
        cell
    }

    fn reach(&self) -> usize {
        const REACH: usize = 64;
        let bounded = |settings: &Settings| settings.recycling.is_limited();
        match lock(&self.settings).as_ref().is_some_and(bounded) {
            true => 1,
            false => REACH,
        }
    }

    fn wake(&self) {
        if let Some(workers) = self.workers.get() {
            workers.return_by_need();
        }
    }

    fn resize(&self, before: usize) -> Result<(), StartError> {
        self.workers
            .get()
            .map_or(Ok(()), |workers| workers.resize(before))
    }

    fn join(&self, deadline: &Deadline) -> bool {
        self.workers
            .get()
            .is_none_or(|workers| workers.join(deadline))
    }
}

impl LocalBackend for Threads {
    fn local_job<W: Work + 'static>(cell: Arc<JobCell<W>>) -> Arc<dyn ThreadJob> {
        cell
    }
}
