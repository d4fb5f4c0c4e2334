//! What each thread of a pool does, and what those have done that had its slot before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pool_core::backend::WaitMeter;
use pool_core::{Worker, WorkerStats};

/// What one thread counts of itself: nobody else writes it.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    tasks: AtomicU64,
    pub(crate) waits: WaitMeter,
}

impl Meter {
    /// So many tasks have ended.
    pub(crate) fn count(&self, tasks: usize) {
        let before = self.tasks.load(Ordering::Relaxed);
        self.tasks.store(before + tasks as u64, Ordering::Relaxed);
    }

    /// Adds what it has counted.
    fn add_to(&self, stats: &mut WorkerStats, waited: Duration) {
        stats.tasks += self.tasks.load(Ordering::Relaxed);
        stats.waiting += waited;
        stats.working += self.began.elapsed().saturating_sub(waited);
    }
}

/// The slots of a pool, those of compensation threads included.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Vec<Place>>);

#[derive(Debug, Default)]
struct Place {
    /// The thread that has the slot.
    now: Option<(Worker, Arc<Meter>)>,
    /// What came of those before.
    before: WorkerStats,
}

impl Places {
    /// A worker is ready.
    pub(crate) fn enter(&self, worker: Worker) -> Arc<Meter> {
        let meter = Arc::new(Meter {
            began: Instant::now(),
            tasks: AtomicU64::new(0),
            waits: WaitMeter::default(),
        });
        let mut places = self.lock();
        for index in places.len()..=worker.index {
            let mut place = Place::default();
            place.before.index = index;
            places.push(place);
        }
        let index = worker.index;
        places[index].now = Some((worker, meter.clone()));
        meter
    }

    /// The worker of a slot has ended, and has waited so long.
    pub(crate) fn leave(&self, index: usize, waited: Duration, is_replaced: bool) {
        if let Some(place) = self.lock().get_mut(index)
            && let Some((_, meter)) = place.now.take()
        {
            meter.add_to(&mut place.before, waited);
            place.before.replaced += u64::from(is_replaced);
        }
    }

    /// What the workers of each slot have done until now.
    pub(crate) fn stats(&self, waited: impl Fn(&WaitMeter) -> Duration) -> Vec<WorkerStats> {
        let stats = |place: &Place| {
            let mut stats = place.before.clone();
            if let Some((worker, meter)) = &place.now {
                meter.add_to(&mut stats, waited(&meter.waits));
                stats.worker = Some(worker.clone());
                stats.started = Some(meter.began);
            }
            stats
        };
        self.lock().iter().map(stats).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
