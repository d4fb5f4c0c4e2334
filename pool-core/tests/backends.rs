//! A backend that panics, or keeps what it was lent, costs the caller its value and nothing else: what lies on a
//! caller's stack is never reached after the call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pool_core::{
    Backend, Batch, Call, Carry, Cell, Config, Deadline, Engine, Erased, Failure, Feed, Job,
    Misuse, Plain, Seat, StartError, Terms, Unit, Work,
};

/// A job that is run where it is taken.
trait Local: Send + Sync {
    fn as_job(&self) -> &dyn Job<dyn Local>;
    fn run(&self, unit: Unit);
}

impl<W: Work + 'static> Local for Cell<dyn Local, W> {
    fn as_job(&self) -> &dyn Job<dyn Local> {
        self
    }

    fn run(&self, unit: Unit) {
        Cell::run(self, unit);
    }
}

impl Erased for dyn Local {
    fn job(&self) -> &dyn Job<dyn Local> {
        self.as_job()
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
struct Manual(Mutex<Option<Arc<Feed<dyn Local>>>>);

impl Manual {
    fn feed(&self) -> Arc<Feed<dyn Local>> {
        lock(&self.0).clone().expect("it was started")
    }

    fn run_all(&self) {
        while let Some(claim) = self.feed().try_next(Seat(0)) {
            claim.job.run(claim.unit);
        }
    }
}

impl Backend for Manual {
    type Job = dyn Local;

    const KIND: &'static str = "manual";

    fn start(&self, feed: &Arc<Feed<dyn Local>>) -> Result<(), StartError> {
        *lock(&self.0) = Some(feed.clone());
        Ok(())
    }

    fn wake(&self) {
        if fault(Fault::WakeRunsOneAndPanics) {
            let claim = self.feed().try_next(Seat(0)).expect("it was queued");
            claim.job.run(claim.unit);
            panic!("after one");
        }
        assert!(!fault(Fault::WakePanics), "in wake");
    }

    fn drain(&self) {}

    fn abandon(&self) {}

    fn reap(&self, _: &Deadline) -> bool {
        true
    }
}

impl<W: Work + 'static> Carry<W> for Manual {
    fn load(cell: Arc<Cell<dyn Local, W>>) -> Arc<dyn Local> {
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
fn offer_again(engine: &Engine<Manual>) {
    *lock(&EXCHANGE) = lock(&KEPT).pop();
    let handle = engine.submit_task(
        Call {
            func: Plain(|x: u8| x),
            arg: 1,
        },
        Terms::here(),
        |_| (),
    );
    engine.backend().run_all();
    assert!(
        !handle.expect("it is let in").ready(),
        "another job was queued in its place"
    );
}

/// A blocking call whose function and items lie on this stack.
fn lend(engine: &Engine<Manual>) -> Result<Vec<usize>, Failure> {
    let words = [String::from("one"), String::from("three")];
    let length = |index: usize| {
        RUNS.fetch_add(1, Ordering::Relaxed);
        words[index].len()
    };
    engine.call(Batch::new(Plain(length), vec![0, 1], 1))
}

// One test, since the faults are the process's.
#[test]
fn a_backend_that_panics_or_keeps_a_job_reaches_nothing_of_the_callers_stack() {
    let pool = || {
        let config = Config::default()
            .size(1)
            .warn_on_drop(false)
            .panic_hook(false);
        Arc::new(Engine::start(Manual::default(), config).expect("it starts"))
    };
    for (wrong, runs) in [
        (Fault::LoadPanics, 0),
        (Fault::WakePanics, 0),
        (Fault::WakeRunsOneAndPanics, 1),
    ] {
        let engine = pool();
        *lock(&FAULT) = wrong;
        RUNS.store(0, Ordering::Relaxed);
        let ended = catch_unwind(AssertUnwindSafe(|| lend(&engine)));
        assert!(ended.is_err(), "the panic is the caller's");
        engine.backend().run_all();
        assert_eq!(RUNS.load(Ordering::Relaxed), runs);
        offer_again(&pool());
        assert_eq!(RUNS.load(Ordering::Relaxed), runs);
    }

    let engine = pool();
    *lock(&FAULT) = Fault::LoadCloses;
    let closing = engine.clone();
    *lock(&CLOSE) = Some(Box::new(move || closing.close()));
    assert_eq!(lend(&engine), Err(Failure::Misuse(Misuse::NotRunning)));
    offer_again(&pool());

    // A scope whose task the backend did not take ends all the same.
    let engine = pool();
    *lock(&FAULT) = Fault::LoadPanics;
    let text = String::from("on the stack");
    let ended = catch_unwind(AssertUnwindSafe(|| {
        engine.scope(|scope| {
            let task = scope.apply_async(|()| text.len(), ());
            task.map(|task| task.ready())
        })
    }));
    assert!(ended.is_err(), "the panic is the scope's");
}
