//! A pool that anybody can write: threads on a `crossbeam-channel`, and a channel for one value as the handle.

use std::hint;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};

use super::by_handle::Spawn;
use crate::contestant::Outcome;

type Job = Box<dyn FnOnce() + Send>;

/// Its threads, and those who wait for it, look again and again for so many microseconds before they sleep.
#[derive(Debug)]
pub struct Crossbeam<const SPIN: u64> {
    jobs: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

/// What comes before the time is over, if anything does.
fn look<T, const SPIN: u64>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    if SPIN == 0 {
        return None;
    }
    let (began, limit) = (Instant::now(), Duration::from_micros(SPIN));
    loop {
        for _ in 0..64 {
            if let Some(found) = attempt() {
                return Some(found);
            }
            hint::spin_loop();
        }
        if began.elapsed() >= limit {
            return None;
        }
    }
}

fn work<const SPIN: u64>(jobs: &Receiver<Job>) {
    loop {
        let next = look::<_, SPIN>(|| match jobs.try_recv() {
            Ok(job) => Some(Some(job)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        });
        match next.unwrap_or_else(|| jobs.recv().ok()) {
            Some(job) => job(),
            None => return,
        }
    }
}

impl<const SPIN: u64> Spawn for Crossbeam<SPIN> {
    const NAME: &'static str = match SPIN {
        0 => "crossbeam by hand, blocking",
        50 => "crossbeam by hand, spinning 50 us",
        _ => "crossbeam by hand, spinning",
    };
    type Handle<R: Send + 'static> = oneshot::Receiver<R>;

    fn start(workers: usize) -> Outcome<Self> {
        let (jobs, queue) = unbounded::<Job>();
        let threads = (0..workers)
            .map(|_| {
                let queue = queue.clone();
                thread::spawn(move || work::<SPIN>(&queue))
            })
            .collect();
        Ok(Crossbeam { jobs, threads })
    }

    fn spawn<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Outcome<Self::Handle<R>> {
        let (result, handle) = oneshot::channel();
        // A value that nobody waits for is dropped.
        let job = Box::new(move || drop(result.send(job())));
        self.jobs.send(job).map_err(|_| "the pool has ended")?;
        Ok(handle)
    }

    fn get<R: Send + 'static>(&self, handle: Self::Handle<R>) -> Outcome<R> {
        let found = look::<_, SPIN>(|| match handle.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(oneshot::TryRecvError::Disconnected) => Some(Err("the task has panicked")),
            Err(oneshot::TryRecvError::Empty) => None,
        });
        match found {
            Some(value) => Ok(value?),
            None => Ok(handle.recv()?),
        }
    }

    fn stop(self) -> Outcome<()> {
        drop(self.jobs);
        for thread in self.threads {
            thread.join().map_err(|_| "a worker has panicked")?;
        }
        Ok(())
    }
}
