//! Workers that are threads: each takes the next unit from the feed and runs it in place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use pool_core::{
    Attendance, Backend, Carry, Cell, Deadline, Erased, Feed, Job, Seat, StartError, Unit, Work,
    Worker, WorkerSeat,
};

/// A job as a thread sees it: something to run here and now.
pub(crate) trait RunHere: Send + Sync {
    /// The job as the queue sees it.
    fn as_job(&self) -> &dyn Job<dyn RunHere>;

    /// Runs one unit, its panics contained.
    fn run_here(&self, unit: Unit);
}

impl<W: Work + 'static> RunHere for Cell<dyn RunHere, W> {
    fn as_job(&self) -> &dyn Job<dyn RunHere> {
        self
    }

    fn run_here(&self, unit: Unit) {
        self.run(unit);
    }
}

impl Erased for dyn RunHere {
    fn job(&self) -> &dyn Job<dyn RunHere> {
        self.as_job()
    }
}

/// The threads of one pool.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    present: Arc<Attendance>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    fn handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hire(&self, feed: &Arc<Feed<dyn RunHere>>, index: usize) -> Result<(), StartError> {
        let (feed, present) = (feed.clone(), self.present.enter());
        let work = move || {
            let _present = present;
            let _seat = WorkerSeat::take(
                feed.pool(),
                Worker {
                    name: format!("ThreadPoolWorker-{}", index + 1),
                    index,
                    pid: std::process::id(),
                },
            );
            while let Some(claim) = feed.next(Seat(index)) {
                claim.job.run_here(claim.unit);
            }
        };
        // The system keeps 15 bytes of a thread's name.
        let thread = thread::Builder::new()
            .name(format!("tpool-{}", index + 1))
            .spawn(work);
        self.handles()
            .push(thread.map_err(|source| StartError::Worker { index, source })?);
        Ok(())
    }
}

impl Backend for Threads {
    type Job = dyn RunHere;

    const KIND: &'static str = "thread";

    fn start(&self, feed: &Arc<Feed<dyn RunHere>>) -> Result<(), StartError> {
        (0..feed.size()).try_for_each(|index| self.hire(feed, index))
    }

    fn wake(&self) {}

    fn drain(&self) {}

    fn abandon(&self) {}

    fn reap(&self, deadline: &Deadline) -> bool {
        let gone = self.present.wait(deadline);
        if gone {
            // Held until the last thread is joined, so that a second caller does not return before.
            let mut handles = self.handles();
            for handle in handles.drain(..) {
                // A worker contains what it runs; were it to panic, there is nothing left to save here.
                let _ = handle.join();
            }
        }
        gone
    }
}

impl<W: Work + 'static> Carry<W> for Threads {
    fn load(cell: Arc<Cell<dyn RunHere, W>>) -> Arc<dyn RunHere> {
        cell
    }
}
