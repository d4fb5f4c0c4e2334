//! What a pool says of itself.

use std::time::{Duration, Instant};

use pool_core::{TaskStats, Worker, WorkerEnd, WorkerStats};

use crate::start::{StartMethod, Starter};

/// A pool's work and its workers in numbers, and how workers are started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks, errors, and errors that nobody looked at.
    pub tasks: TaskStats,
    /// How the last worker was started.
    pub start_method: StartMethod,
    /// Why that way.
    pub start_reason: String,
    /// Workers that live now.
    pub workers: usize,
    /// Of these, the workers whose tasks travel through memory that the pool shares with each: see
    /// [`Builder::shared_memory`](crate::Builder::shared_memory).
    pub shared_memory: usize,
    /// Workers that were started, replacements included.
    pub started: usize,
    /// Workers that ended without having been told to.
    pub lost: usize,
    /// What the workers in each place have done, by the place.
    pub per_worker: Vec<WorkerStats>,
}

/// What the dispatcher counts of its workers.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    stats: Stats,
    /// How long the workers before those of now were ready, by the place.
    before: Vec<Duration>,
}

impl Numbers {
    /// The numbers until now, with what the workers in each place have run.
    pub(crate) fn stats(&self, shared_memory: usize, runs: Vec<Run>) -> Stats {
        let mut stats = self.stats.clone();
        stats.shared_memory = shared_memory;
        for ((place, before), run) in stats.per_worker.iter_mut().zip(&self.before).zip(runs) {
            let now = place
                .started
                .map_or(Duration::ZERO, |since| since.elapsed());
            (place.tasks, place.working) = (run.tasks, run.working);
            place.waiting = (*before + now).saturating_sub(run.working);
        }
        stats
    }

    /// A worker was started for this place.
    pub(crate) fn started(&mut self, index: usize, starter: &Starter) {
        self.place(index);
        let stats = &mut self.stats;
        stats.start_method = starter.method();
        stats.start_reason.clone_from(&starter.reason);
        stats.workers += 1;
        stats.started += 1;
    }

    /// A worker is ready for its first task.
    pub(crate) fn ready(&mut self, worker: &Worker) {
        let place = self.place(worker.index);
        place.worker = Some(worker.clone());
        place.started = Some(Instant::now());
    }

    /// A worker has ended, which was ready or not.
    pub(crate) fn ended(&mut self, index: usize, end: WorkerEnd) {
        self.stats.workers = self.stats.workers.saturating_sub(1);
        self.stats.lost += usize::from(end == WorkerEnd::Lost);
        let place = self.place(index);
        let since = place.started.take();
        place.worker = None;
        match end {
            WorkerEnd::Lost | WorkerEnd::Stopped => place.lost += 1,
            WorkerEnd::Replaced => place.replaced += 1,
            _ => {}
        }
        self.before[index] += since.map_or(Duration::ZERO, |since| since.elapsed());
    }

    fn place(&mut self, index: usize) -> &mut WorkerStats {
        let places = &mut self.stats.per_worker;
        for index in places.len()..=index {
            let mut place = WorkerStats::default();
            place.index = index;
            places.push(place);
            self.before.push(Duration::ZERO);
        }
        &mut places[index]
    }
}

/// The name of a pool's n-th worker.
pub(crate) fn name(serial: u32) -> String {
    format!("ProcessPoolWorker-{serial}")
}

/// A pool's n-th worker, in this place.
pub(crate) fn worker(index: usize, serial: u32, pid: u32) -> Worker {
    Worker {
        name: name(serial),
        index,
        pid,
    }
}

/// What the workers in one place have run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Run {
    tasks: u64,
    working: Duration,
}

impl Run {
    /// A task has ended that has taken so long.
    pub(crate) fn count(&mut self, took: Duration) {
        self.tasks += 1;
        self.working += took;
    }

    /// The same, with a task that has run for so long until now.
    pub(crate) fn with(self, now: Duration) -> Run {
        Run {
            working: self.working + now,
            ..self
        }
    }
}
