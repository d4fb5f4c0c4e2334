//! The cluster backend: it passes the engine's orders to the dispatcher's thread.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pool_core::backend::{
    Backend, Batch, CallCell, Deadline, JobCell, PortableFn, Queue, TaskId, UnitStop, WaitGroup,
};
use pool_core::{Portable, StartError, TaskError};
use pool_process::remote::RemoteJob;
use tokio::sync::oneshot;

use super::dispatcher::{QueueOf, Shared};
use super::stats::Stats;

/// Workers that are processes on other machines.
pub struct Cluster {
    shared: Arc<Shared>,
    /// To the dispatcher, which has nodes and waits for the queue.
    queue: Mutex<Option<oneshot::Sender<QueueOf>>>,
    present: Arc<WaitGroup>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Cluster {
    pub(crate) fn new(
        shared: Arc<Shared>,
        queue: oneshot::Sender<QueueOf>,
        present: Arc<WaitGroup>,
        thread: JoinHandle<()>,
    ) -> Cluster {
        Cluster {
            shared,
            queue: Mutex::new(Some(queue)),
            present,
            thread: Mutex::new(Some(thread)),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.shared.lock().stats()
    }
}

impl Backend for Cluster {
    type Job = dyn RemoteJob;

    const KIND: &'static str = "cluster";

    fn start(&self, queue: &Arc<Queue<dyn RemoteJob>>) -> Result<(), StartError> {
        let sender = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let sent = sender.map(|sender| sender.send(queue.clone()));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(StartError::Impossible {
                reason: "the connection to the server was lost".to_owned(),
            }),
        }
    }

    fn call_job<F: PortableFn<A>, A: Portable>(cell: Arc<CallCell<F, A>>) -> Arc<dyn RemoteJob> {
        cell
    }

    fn map_job<F: PortableFn<A>, A: Portable>(
        cell: Arc<JobCell<Batch<F, A>>>,
    ) -> Arc<dyn RemoteJob> {
        cell
    }

    fn wake(&self) {
        self.shared.wake();
    }

    fn unfinished(&self) -> usize {
        self.shared.lock().unfinished()
    }

    fn abandon(&self) -> Vec<Arc<dyn RemoteJob>> {
        let mut books = self.shared.lock();
        books.is_terminated = true;
        books.jobs()
    }

    fn stops_units(&self) -> bool {
        true
    }

    fn stop(&self, job: TaskId, unit: Option<usize>) -> UnitStop {
        self.shared.lock().stop(job, unit);
        self.shared.wake();
        UnitStop::Stops
    }

    fn close(&self) {
        self.shared.lock().is_closed = true;
        self.shared.wake();
    }

    fn terminate(&self) {
        let claims = {
            let mut books = self.shared.lock();
            books.is_terminated = true;
            books.take_all()
        };
        for claim in claims {
            // Its job is over already, and is told how many of its units are left.
            claim.job.fail(claim.unit, TaskError::Terminated);
        }
        self.shared.wake();
    }

    fn join(&self, deadline: &Deadline) -> bool {
        let gone = self.present.wait(deadline);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if gone && let Some(thread) = thread.take() {
            // It is on its last steps; a panic in it was said on stderr.
            let _ = thread.join();
        }
        gone
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("present", &self.present.count())
            .finish_non_exhaustive()
    }
}
