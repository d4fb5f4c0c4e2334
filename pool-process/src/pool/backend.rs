//! The process backend: it passes the engine's orders to the dispatcher's thread.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use pool_core::backend::{
    Backend, Batch, CallCell, Deadline, JobCell, PortableFn, Queue, ServiceGuard, WaitGroup,
    thread_builder,
};
use pool_core::{Portable, StartError};

use crate::sys::about;

use super::dispatcher::{Dispatcher, Plan};
use super::inbox::{Inbox, Order};
use super::remote_job::RemoteJob;
use super::stats::Stats;

/// Workers that are processes.
pub struct Processes {
    /// Until the start.
    plan: Mutex<Option<Plan>>,
    inbox: Arc<Inbox>,
    present: Arc<WaitGroup>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stats: Arc<Mutex<Stats>>,
}

impl Processes {
    pub(crate) fn new(plan: Plan) -> Result<Self, StartError> {
        let inbox = Inbox::new().map_err(|source| StartError::Worker { index: 0, source })?;
        Ok(Processes {
            stats: plan.stats.clone(),
            plan: Mutex::new(Some(plan)),
            inbox: Arc::new(inbox),
            present: Arc::new(WaitGroup::new()),
            thread: Mutex::new(None),
        })
    }

    pub(crate) fn stats(&self) -> Stats {
        lock(&self.stats).clone()
    }

    /// Runs the dispatcher on a thread of its own; returns when all workers were started, or none is left.
    fn dispatch(&self, plan: Plan, queue: &Arc<Queue<dyn RemoteJob>>) -> Result<(), StartError> {
        let refused = |source| StartError::Worker { index: 0, source };
        let mut dispatcher = Dispatcher::new(plan, queue, &self.inbox).map_err(refused)?;
        let present = self.present.enter();
        let (report, started) = mpsc::sync_channel(1);
        let pool = queue.pool();
        let run = move || {
            // Arguments are encoded here, results decoded, wakers called: whatever of that asks the pool to be waited
            // for would stop it.
            let _guard = ServiceGuard::enter(pool);
            let outcome = dispatcher.start();
            let running = outcome.is_ok();
            // The one who asked waits for it below.
            let _ = report.send(outcome);
            if running {
                dispatcher.run();
            }
            // Its descriptors are closed before anybody learns that it has gone.
            drop(dispatcher);
            drop(present);
        };
        let thread = thread_builder("pool-dispatcher")
            .spawn(run)
            .map_err(about("the pool's thread cannot be started"))
            .map_err(refused)?;
        *lock(&self.thread) = Some(thread);
        started.recv().unwrap_or_else(|_| {
            Err(StartError::Impossible {
                reason: "the dispatcher's thread ended at its start".to_owned(),
            })
        })
    }
}

impl Backend for Processes {
    type Job = dyn RemoteJob;

    const KIND: &'static str = "process";

    fn start(&self, queue: &Arc<Queue<dyn RemoteJob>>) -> Result<(), StartError> {
        let Some(plan) = lock(&self.plan).take() else {
            return Err(StartError::Impossible {
                reason: "it was started before".to_owned(),
            });
        };
        let outcome = self.dispatch(plan, queue);
        if outcome.is_err()
            && let Some(thread) = lock(&self.thread).take()
        {
            // It has nothing left to do; a panic in it was said on stderr.
            let _ = thread.join();
        }
        outcome
    }

    fn wake(&self) {
        self.inbox.wake();
    }

    fn call_job<F: PortableFn<A>, A: Portable>(cell: Arc<CallCell<F, A>>) -> Arc<dyn RemoteJob> {
        cell
    }

    fn map_job<F: PortableFn<A>, A: Portable>(
        cell: Arc<JobCell<Batch<F, A>>>,
    ) -> Arc<dyn RemoteJob> {
        cell
    }

    fn close(&self) {
        self.inbox.tell(Order::Close);
    }

    fn terminate(&self) {
        self.inbox.tell(Order::Terminate);
    }

    fn join(&self, deadline: &Deadline) -> bool {
        let gone = self.present.wait(deadline);
        if gone && let Some(thread) = lock(&self.thread).take() {
            // It is on its last steps; a panic in it was said on stderr.
            let _ = thread.join();
        }
        gone
    }
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processes")
            .field("present", &self.present.count())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
