//! The process backend: it passes the engine's orders to the dispatcher's thread.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, mpsc};
use std::thread::JoinHandle;

use pool_core::backend::{
    Assist, Backend, Batch, CallCell, Claim, Deadline, JobCell, PortableFn, Queue, ServiceGuard,
    TaskId, UnitStop, WaitGroup, thread_builder,
};
use pool_core::{Portable, StartError, TaskError};

use crate::sys::{self, about};

use super::bells::Bells;
use super::dispatcher::{BELLS, Dispatcher, Plan};
use super::feed::Feed;
use super::inbox::{Inbox, Order};
use super::remote_job::RemoteJob;
use super::stats::{Numbers, Stats};
use super::watch::{BEHIND, BUSY, Watch};

/// Workers that are processes.
pub struct Processes {
    /// Until the start.
    plan: Mutex<Option<Plan>>,
    inbox: Arc<Inbox>,
    present: Arc<WaitGroup>,
    thread: Mutex<Option<JoinHandle<()>>>,
    numbers: Arc<Mutex<Numbers>>,
    /// From the start on.
    feed: OnceLock<Arc<Feed>>,
    helper: Arc<Helper>,
}

/// The feed as jobs have it: a handle that outlives the pool keeps nothing of it.
#[derive(Debug, Default)]
struct Helper(OnceLock<Weak<Feed>>);

impl Assist for Helper {
    fn assist(&self, done: &dyn Fn() -> bool) {
        if let Some(feed) = self.0.get().and_then(Weak::upgrade) {
            feed.assist(done);
        }
    }

    fn sleep(&self, done: &dyn Fn() -> bool) -> bool {
        let feed = self.0.get().and_then(Weak::upgrade);
        feed.is_some_and(|feed| feed.sleep(done))
    }

    fn kick(&self) {
        if let Some(feed) = self.0.get().and_then(Weak::upgrade) {
            feed.kick();
        }
    }
}

impl Processes {
    pub(crate) fn new(plan: Plan) -> Result<Self, StartError> {
        let inbox = Inbox::new().map_err(|source| StartError::Worker { index: 0, source })?;
        Ok(Processes {
            numbers: plan.numbers.clone(),
            plan: Mutex::new(Some(plan)),
            inbox: Arc::new(inbox),
            present: Arc::new(WaitGroup::new()),
            thread: Mutex::new(None),
            feed: OnceLock::new(),
            helper: Arc::default(),
        })
    }

    pub(crate) fn stats(&self) -> Stats {
        let (rings, runs) = self
            .feed()
            .map_or((0, Vec::new()), |feed| (feed.rings(), feed.runs()));
        lock(&self.numbers).stats(rings, runs)
    }

    fn feed(&self) -> Option<&Feed> {
        self.feed.get().map(|feed| &**feed)
    }

    /// Runs the dispatcher on a thread of its own; returns when all workers were started, or none is left.
    fn dispatch(&self, plan: Plan, queue: &Arc<Queue<dyn RemoteJob>>) -> Result<(), StartError> {
        let refused = |source| StartError::Worker { index: 0, source };
        let watch = Arc::new(Watch::new(BUSY).map_err(refused)?);
        let behind = Watch::new(BEHIND).map_err(refused)?;
        let epoll = sys::epoll().map_err(refused)?;
        let bells = Bells::new(&epoll, BELLS).map_err(refused)?;
        let feed = Feed::new(
            queue,
            &self.inbox,
            (&watch, behind),
            bells,
            plan.pace,
            plan.max_payload,
            (plan.watches(), plan.timers.clone(), plan.observed.clone()),
        );
        let feed = self.feed.get_or_init(|| Arc::new(feed));
        self.helper.0.get_or_init(|| Arc::downgrade(feed));
        let mut dispatcher =
            Dispatcher::new(plan, queue, &self.inbox, feed, &watch, epoll).map_err(refused)?;
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

    fn assist(&self) -> Option<Arc<dyn Assist>> {
        Some(self.helper.clone())
    }

    fn wake(&self) {
        let Some(feed) = self.feed() else {
            return;
        };
        feed.queued();
        if feed.needs_dispatcher() || feed.needs_workers() {
            self.inbox.wake();
        }
    }

    fn unfinished(&self) -> usize {
        self.feed().map_or(0, Feed::unfinished)
    }

    fn abandon(&self) -> Vec<Arc<dyn RemoteJob>> {
        self.feed().map(Feed::terminate).unwrap_or_default()
    }

    fn stops_units(&self) -> bool {
        true
    }

    fn withdraw(&self) -> Vec<Claim<dyn RemoteJob>> {
        self.feed().map(Feed::withdraw).unwrap_or_default()
    }

    fn stop(&self, job: TaskId, unit: Option<usize>) -> UnitStop {
        if let Some(feed) = self.feed() {
            feed.stop_units(job, unit);
        }
        self.inbox.tell(Order::Stop { job, unit });
        UnitStop::Stops
    }

    fn call_job<F: PortableFn<A>, A: Portable>(cell: Arc<CallCell<F, A>>) -> Arc<dyn RemoteJob> {
        cell
    }

    fn map_job<F: PortableFn<A>, A: Portable>(
        cell: Arc<JobCell<Batch<F, A>>>,
    ) -> Arc<dyn RemoteJob> {
        cell
    }

    fn resize(&self, _before: usize) -> Result<(), StartError> {
        self.inbox.tell(Order::Resize);
        Ok(())
    }

    fn close(&self) {
        self.inbox.tell(Order::Close);
    }

    fn terminate(&self) {
        let abandoned = self.feed().map(Feed::abandoned).unwrap_or_default();
        for claim in abandoned {
            // Its job is over already, and is told how many of its units are left.
            claim.job.fail(claim.unit, TaskError::Terminated);
        }
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
