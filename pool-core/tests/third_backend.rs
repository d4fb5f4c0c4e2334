//! A third kind of pool, in full: threads that take units from the queue and run them. It has every method of the trait.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pool_core::backend::{
    Again, AsJob, Backend, Batch, CallCell, Claim, Config, Deadline, Engine, Job, JobCell,
    PortableFn, Queue, Unit, WaitGroup, Work, WorkerGuard, WorkerSlot,
};
use pool_core::{Pool, Portable, StartError, Timers, Worker};

#[path = "programs/methods.rs"]
mod methods;

/// A job as the threads see it.
trait Run: Job {
    fn run(&self, unit: Unit) -> Option<Again>;
}

impl<W: Work + 'static> Run for JobCell<W> {
    fn run(&self, unit: Unit) -> Option<Again> {
        JobCell::run(self, unit)
    }
}

impl AsJob for dyn Run {
    fn job(&self) -> &dyn Job {
        self
    }
}

/// The threads.
#[derive(Default)]
struct Simple {
    running: Arc<WaitGroup>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Backend for Simple {
    type Job = dyn Run;

    const KIND: &'static str = "simple";

    fn start(&self, queue: &Arc<Queue<dyn Run>>) -> Result<(), StartError> {
        for index in 0..queue.size() {
            let (queue, running) = (queue.clone(), self.running.enter());
            let work = move || {
                let _running = running;
                let (name, pid) = (format!("Simple-{index}"), std::process::id());
                let _guard = WorkerGuard::enter(queue.pool(), Worker { name, index, pid });
                let mut taker = queue.taker(WorkerSlot(index));
                while let Some(taken) = taker.next() {
                    if let Some(Again { unit, pause }) = taken.job.run(taken.unit) {
                        let claim = Claim::again(taken.job, unit, taken.order);
                        queue.try_again(claim, pause, &Timers::real(), || ());
                    }
                }
            };
            let thread = std::thread::Builder::new().spawn(work);
            let thread = thread.map_err(|source| StartError::Worker { index, source })?;
            let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
            handles.push(thread);
        }
        Ok(())
    }

    fn call_job<F: PortableFn<A>, A: Portable>(cell: Arc<CallCell<F, A>>) -> Arc<dyn Run> {
        cell
    }

    fn map_job<F: PortableFn<A>, A: Portable>(cell: Arc<JobCell<Batch<F, A>>>) -> Arc<dyn Run> {
        cell
    }

    fn join(&self, deadline: &Deadline) -> bool {
        let gone = self.running.wait(deadline);
        if gone {
            let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
            for thread in handles.drain(..) {
                thread.join().expect("it runs nothing that panics");
            }
        }
        gone
    }
}

struct SimplePool(Engine<Simple>);

impl SimplePool {
    fn new(size: usize) -> Result<Self, StartError> {
        Engine::start(Simple::default(), Config::default().size(size)).map(SimplePool)
    }
}

impl Pool for SimplePool {
    type Backend = Simple;

    fn engine(&self) -> &Engine<Simple> {
        &self.0
    }
}

#[test]
fn a_pool_of_its_own_kind_has_every_method() -> Result<(), Box<dyn std::error::Error>> {
    methods::every_method(|| SimplePool::new(2))
}
