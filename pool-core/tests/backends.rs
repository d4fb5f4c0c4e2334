//! A backend that panics, or keeps what it was given, costs the caller its value and nothing else: what lies on a
//! caller's stack is never reached after the call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pool_core::backend::{
    AsJob, Backend, Batch, CallCell, Config, Deadline, Engine, Job, JobCell, LocalBackend, Plain,
    PortableFn, Queue, Unit, Work, WorkerSlot,
};
use pool_core::{Pool, PoolError, Portable, StartError, TaskError};

/// A job that is run where it is taken.
trait Local: Job {
    fn run(&self, unit: Unit);
}

impl<W: Work + 'static> Local for JobCell<W> {
    fn run(&self, unit: Unit) {
        assert!(JobCell::run(self, unit).is_none());
    }
}

impl AsJob for dyn Local {
    fn job(&self) -> &dyn Job {
        self
    }
}

/// What this backend does wrong, once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    LoadPanics,
    WakePanics,
    /// One unit is run before the panic.
    WakeRunsOneAndPanics,
    /// The pool is closed while the job is loaded, so that it is refused.
    LoadCloses,
}

static FAULT: Mutex<Fault> = Mutex::new(Fault::None);
/// Every job that was loaded.
static KEPT: Mutex<Vec<Arc<dyn Local>>> = Mutex::new(Vec::new());
/// What the next job is exchanged for while it is loaded.
static EXCHANGE: Mutex<Option<Arc<dyn Local>>> = Mutex::new(None);
static CLOSE: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);
static RUNS: AtomicUsize = AtomicUsize::new(0);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fault(expected: Fault) -> bool {
    let mut fault = lock(&FAULT);
    let is = *fault == expected;
    if is {
        *fault = Fault::None;
    }
    is
}

/// No worker of its own: a test takes units itself.
#[derive(Default)]
struct Manual(Mutex<Option<Arc<Queue<dyn Local>>>>);

impl Manual {
    fn queue(&self) -> Arc<Queue<dyn Local>> {
        lock(&self.0).clone().expect("it was started")
    }

    fn run_all(&self) {
        while let Some(claim) = self.queue().try_next(WorkerSlot(0)) {
            claim.job.run(claim.unit);
        }
    }
}

impl Backend for Manual {
    type Job = dyn Local;

    const KIND: &'static str = "manual";

    fn start(&self, queue: &Arc<Queue<dyn Local>>) -> Result<(), StartError> {
        *lock(&self.0) = Some(queue.clone());
        Ok(())
    }

    fn wake(&self) {
        if fault(Fault::WakeRunsOneAndPanics) {
            let claim = self.queue().try_next(WorkerSlot(0)).expect("it was queued");
            claim.job.run(claim.unit);
            panic!("after one");
        }
        assert!(!fault(Fault::WakePanics), "in wake");
    }

    fn call_job<F: PortableFn<A>, A: Portable>(cell: Arc<CallCell<F, A>>) -> Arc<dyn Local> {
        Self::local_job(cell)
    }

    fn map_job<F: PortableFn<A>, A: Portable>(cell: Arc<JobCell<Batch<F, A>>>) -> Arc<dyn Local> {
        Self::local_job(cell)
    }

    fn join(&self, _: &Deadline) -> bool {
        true
    }
}

struct ManualPool(Engine<Manual>);

impl Pool for ManualPool {
    type Backend = Manual;

    fn engine(&self) -> &Engine<Manual> {
        &self.0
    }
}

impl LocalBackend for Manual {
    fn local_job<W: Work + 'static>(cell: Arc<JobCell<W>>) -> Arc<dyn Local> {
        lock(&KEPT).push(cell.clone());
        assert!(!fault(Fault::LoadPanics), "in load");
        if fault(Fault::LoadCloses)
            && let Some(close) = lock(&CLOSE).take()
        {
            close();
        }
        lock(&EXCHANGE).take().unwrap_or(cell)
    }
}

/// Brings the job that was loaded last into the queue of another pool, where nothing of it may be left to run.
fn offer_again(pool: &ManualPool) {
    *lock(&EXCHANGE) = lock(&KEPT).pop();
    let handle = pool.apply_async(|x: u8| x, 1);
    pool.0.backend().run_all();
    assert!(
        !handle.expect("it is let in").ready(),
        "another job was queued in its place"
    );
}

/// A blocking call whose function and items lie on this stack.
fn borrow(pool: &ManualPool) -> Result<Vec<usize>, TaskError> {
    let words = [String::from("one"), String::from("three")];
    let length = |index: usize| {
        RUNS.fetch_add(1, Ordering::Relaxed);
        words[index].len()
    };
    pool.0.call(Batch::new(Plain(length), vec![0, 1], 1))
}

// One test, since the faults are the process's.
#[test]
fn a_backend_that_panics_or_keeps_a_job_reaches_nothing_of_the_callers_stack() {
    let pool = || {
        let config = Config::default()
            .size(1)
            .warn_on_drop(false)
            .panic_hook(false);
        let engine = Engine::start(Manual::default(), config).expect("it starts");
        Arc::new(ManualPool(engine))
    };
    for (what, runs) in [
        (Fault::LoadPanics, 0),
        (Fault::WakePanics, 0),
        (Fault::WakeRunsOneAndPanics, 1),
    ] {
        let wrong = pool();
        *lock(&FAULT) = what;
        RUNS.store(0, Ordering::Relaxed);
        let ended = catch_unwind(AssertUnwindSafe(|| borrow(&wrong)));
        assert!(ended.is_err(), "the panic is the caller's");
        wrong.0.backend().run_all();
        assert_eq!(RUNS.load(Ordering::Relaxed), runs);
        offer_again(&pool());
        assert_eq!(RUNS.load(Ordering::Relaxed), runs);
    }

    let wrong = pool();
    *lock(&FAULT) = Fault::LoadCloses;
    let closing = wrong.clone();
    *lock(&CLOSE) = Some(Box::new(move || closing.close()));
    assert_eq!(borrow(&wrong), Err(TaskError::Pool(PoolError::NotRunning)));
    offer_again(&pool());

    // A scope whose task the backend did not take ends all the same.
    let wrong = pool();
    *lock(&FAULT) = Fault::LoadPanics;
    let text = String::from("on the stack");
    let ended = catch_unwind(AssertUnwindSafe(|| {
        wrong.0.scope(|scope| {
            let task = scope.apply_async(|()| text.len(), ());
            task.map(|task| task.ready())
        })
    }));
    assert!(ended.is_err(), "the panic is the scope's");
}
