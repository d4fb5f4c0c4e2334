//! Reentrancy: the pool calls the user's code under no lock of its own. The `Serialize` of an argument, the `Deserialize` of a result, a
//! waker or a callback may call the pool or process. It gets an answer or an error, and never hangs.

mod common;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{BOUND, Outcome};
use pool_process::{AsyncResult, Pool, PoolError, Process, ProcessPool, TaskError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Does it on another thread, to notice where it never ends.
fn ends<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    let runs = std::thread::spawn(move || {
        let _ = tell.send(what());
    });
    match told.recv_timeout(BOUND) {
        Ok(value) => value,
        Err(_) if runs.is_finished() => panic!("it panicked"),
        Err(_) => panic!("it hangs"),
    }
}

/// What the process is asked while its argument is encoded.
static ASKED: OnceLock<Process> = OnceLock::new();
static ANSWERS: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Deserialize)]
struct Asks;

impl Serialize for Asks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(process) = ASKED.get() {
            ANSWERS.lock().expect("whole").extend([
                format!("{:?}", process.is_alive().ok()),
                format!("{:?}", process.pid().ok()),
                format!("{}", process.join().expect_err("not started")),
                format!("{}", process.start().expect_err("it is being started")),
                format!("{process:?}").replace(process.name(), "it"),
            ]);
        }
        serializer.serialize_unit_struct("Asks")
    }
}

#[test]
fn an_argument_may_ask_the_process_it_is_encoded_for() {
    ends(|| {
        let process = ASKED.get_or_init(|| Process::new(|_: Asks| (), Asks));
        process.start().expect("a start");
        process.join().expect("started");
        assert_eq!(process.exitcode().ok(), Some(Some(0)));
    });
    let answers = ANSWERS.lock().expect("whole");
    let expected = [
        "Some(false)",
        "Some(None)",
        "process was not started",
        "process was started already",
        "Process { name: \"it\", daemon: false, state: New, .. }",
    ];
    assert_eq!(*answers, expected);
}

/// The argument of its first start cannot be encoded.
#[derive(Deserialize)]
struct Reluctant;

impl Serialize for Reluctant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        static TRIED: AtomicBool = AtomicBool::new(false);
        if TRIED.swap(true, Ordering::Relaxed) {
            return serializer.serialize_unit_struct("Reluctant");
        }
        Err(serde::ser::Error::custom("not yet"))
    }
}

#[test]
fn a_process_whose_argument_was_refused_may_be_started_again() -> Outcome {
    let process = Process::new(|_: Reluctant| (), Reluctant);
    let refused = process.start().expect_err("refused").to_string();
    assert!(refused.contains("not yet"), "{refused}");
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(0));
    Ok(())
}

/// The pool that values of the type `Nosy` ask on their way, by their number.
static POOLS: [OnceLock<ProcessPool>; 2] = [const { OnceLock::new() }; 2];

/// What they were told: each by the thread that encodes or decodes.
static TOLD: Mutex<Vec<Told>> = Mutex::new(Vec::new());

type Told = (usize, Result<u32, TaskError>, Result<(), PoolError>);

/// A number in [`POOLS`]. In a worker there is no pool.
#[derive(Debug, PartialEq)]
struct Nosy(usize);

impl Nosy {
    fn ask(&self) {
        if let Some(pool) = POOLS[self.0].get() {
            let value = pool.apply(|x: u32| x + 1, 1);
            // So that a join is no misuse.
            pool.close();
            TOLD.lock()
                .expect("whole")
                .push((self.0, value, pool.join()));
        }
    }
}

impl Serialize for Nosy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 0 {
            self.ask();
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Nosy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nosy = usize::deserialize(deserializer).map(Nosy)?;
        if nosy.0 == 1 {
            nosy.ask();
        }
        Ok(nosy)
    }
}

#[test]
fn values_that_wait_for_the_pool_they_travel_through_are_refused_and_arrive() {
    for number in [0, 1] {
        let value = ends(move || {
            let pool = POOLS[number].get_or_init(|| ProcessPool::new(1).expect("a pool"));
            let handle = pool
                .apply_async(|nosy: Nosy| nosy, Nosy(number))
                .expect("running");
            let value = handle.get();
            pool.join().expect("closed");
            value
        });
        assert_eq!(value, Ok(Nosy(number)));
        let told = TOLD.lock().expect("whole").pop().expect("it asked");
        let (of, value, join) = told;
        let refused =
            [PoolError::WouldDeadlock, PoolError::NotRunning].map(|why| Err(TaskError::Pool(why)));
        assert!(of == number && refused.contains(&value), "{value:?}");
        assert_eq!(join, Err(PoolError::WouldDeadlock));
    }
}

/// Does something when woken.
struct Does(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Does {
    fn wake(self: Arc<Self>) {
        let act = self.0.lock().expect("whole").take();
        if let Some(act) = act {
            act();
        }
    }
}

#[test]
fn a_waker_may_be_the_one_who_drops_the_pool() {
    let got = ends(|| {
        let pool = ProcessPool::builder()
            .size(1)
            .warn_on_drop(false)
            .build()
            .expect("a pool");
        let mut handle = pool.apply_async(|x: u32| x, 5).expect("running");
        let (tell, told) = mpsc::channel();
        let queued = pool.apply_async(|x: u32| x, 6).expect("running");
        let act = move || {
            let refused = queued.get();
            drop(pool);
            let _ = tell.send(refused);
        };
        let waker = Waker::from(Arc::new(Does(Mutex::new(Some(Box::new(act))))));
        match Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)) {
            // The worker was quick.
            Poll::Ready(value) => {
                waker.wake();
                (value, told.recv().expect("told"))
            }
            Poll::Pending => {
                let refused = told.recv().expect("told");
                (handle.get(), refused)
            }
        }
    });
    assert_eq!(got.0, Ok(5));
    let refused = Err(TaskError::Pool(PoolError::WouldDeadlock));
    assert!(got.1 == Ok(6) || got.1 == refused, "{:?}", got.1);
}

#[test]
fn a_handle_awaited_in_its_own_callback_is_refused_and_keeps_its_value() -> Outcome {
    let pool = ProcessPool::new(1)?;
    let (hand, handed) = mpsc::channel::<AsyncResult<u32>>();
    let (tell, told) = mpsc::channel();
    let submission = pool.call(|x: u32| x, 7).callback(move |_| {
        let mut handle = handed.recv().expect("handed");
        let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
        let _ = tell.send((polled, handle));
    });
    hand.send(submission.submit()?)?;
    let (polled, handle) = told.recv_timeout(Duration::from_secs(60))?;
    assert_eq!(
        polled,
        Poll::Ready(Err(TaskError::Pool(PoolError::WouldDeadlock)))
    );
    assert_eq!(handle.get()?, 7);
    Ok(())
}
