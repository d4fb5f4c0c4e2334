//! Rows of the contract that need the system, or the program's own memory, to be seen on processes.

mod common;

use std::future::Future;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use common::{Outcome, Watch, each_way, pid};
use pool_process::{Pool, ProcessPool};

#[test]
fn a_map_reads_its_input_in_the_calling_thread() -> Outcome {
    each_way(1, |pool| {
        let caller = thread::current().id();
        let read = Mutex::new(Vec::new());
        let input = (0..4_u32).inspect(|_| read.lock().unwrap().push(thread::current().id()));
        let handle = pool.map_async(|x| x + 1, input)?;
        // Read before the submission had returned.
        assert_eq!(*read.lock().unwrap(), [caller; 4]);
        assert_eq!(handle.get()?, [1, 2, 3, 4]);
        Ok(())
    })
}

/// Tells that it was woken.
struct Bell(Mutex<std::sync::mpsc::Sender<()>>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.lock().unwrap().send(()).unwrap();
    }
}

fn bell() -> (Waker, Receiver<()>) {
    let (ring, rung) = channel();
    (Waker::from(Arc::new(Bell(Mutex::new(ring)))), rung)
}

#[test]
fn a_handle_is_a_future() -> Outcome {
    each_way(1, |pool| {
        let mut handle = pin!(pool.apply_async(|x: u32| x * 7, 6)?);
        let (waker, rung) = bell();
        let mut context = Context::from_waker(&waker);
        let outcome = loop {
            match handle.as_mut().poll(&mut context) {
                Poll::Ready(outcome) => break outcome,
                Poll::Pending => rung.recv()?,
            }
        };
        assert_eq!(outcome?, 42);
        Ok(())
    })
}

static COUNT: AtomicU32 = AtomicU32::new(0);

#[test]
fn tasks_in_processes_work_on_copies() -> Outcome {
    each_way(1, |pool| {
        let count = |by: u32| COUNT.fetch_add(by, Ordering::Relaxed);
        let here = COUNT.load(Ordering::Relaxed);
        let first = pool.apply(count, 5)?;
        assert_eq!(pool.apply(count, 5)?, first + 5, "the worker keeps its own");
        assert_eq!(COUNT.load(Ordering::Relaxed), here, "and it is not ours");
        Ok(())
    })
}

/// The values of a pool that the task makes, and one of its workers.
fn nested(x: u32) -> Result<(Vec<u32>, u32), String> {
    let own = ProcessPool::new(2).map_err(|error| error.to_string())?;
    let values = own.starmap(|a: u32, b: u32| a * b, (0..3).map(|y| (x, y)));
    let worker = own.apply(pid, ()).map_err(|error| error.to_string())?;
    // Its end is the business of whoever ends this process.
    std::mem::forget(own);
    Ok((values.map_err(|error| error.to_string())?, worker))
}

#[test]
fn a_task_may_have_a_pool_of_its_own() -> Outcome {
    each_way(1, |pool| {
        let (values, worker) = pool.apply(nested, 5)??;
        assert_eq!(values, [0, 5, 10]);
        // It ends with the worker whose it is.
        let worker = Watch::over(worker);
        pool.terminate();
        pool.join()?;
        worker.ends();
        Ok(())
    })
}

#[test]
fn what_a_worker_printed_is_not_lost() -> Outcome {
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", "program_that_prints", "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    for word in ["one ", "two ", "three "] {
        assert!(text.contains(word), "{word} is not in {text:?}");
    }
    Ok(())
}

#[test]
#[ignore = "a program that another test runs"]
fn program_that_prints() {
    let pool = ProcessPool::new(1).expect("a pool");
    // No line ends here: what is printed stays in the worker's buffer until somebody flushes it.
    let print = |text: String| print!("{text}");
    pool.map(print, ["one ".to_owned(), "two ".to_owned()])
        .expect("printed");
    drop(pool);
    let pool = ProcessPool::new(1).expect("a pool");
    pool.apply_async(print, "three ".to_owned())
        .map(drop)
        .expect("accepted");
    pool.close();
    pool.join().expect("ended");
}
