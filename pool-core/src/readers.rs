//! The threads that read the inputs of `imap`s. A pool keeps them and uses them again, so that a short `imap` starts no thread.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use crate::panics;
use crate::threads::thread_builder;

/// What a reader does until its input has ended.
type Reading = Box<dyn FnOnce() + Send>;

/// A pool's readers.
#[derive(Default)]
pub(crate) struct Readers(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// No more of them are wanted.
    closed: bool,
    idle: Vec<Reader>,
    busy: HashMap<u64, Reader>,
    last: u64,
}

struct Reader {
    number: u64,
    sender: Sender<Reading>,
    thread: JoinHandle<()>,
}

impl Readers {
    /// Has something read by a thread that is idle, or by a new one.
    ///
    /// # Errors
    ///
    /// The system refuses a thread; nothing is read.
    pub(crate) fn start(&self, reading: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = lock(&self.0);
        if let Some(reader) = state.idle.pop() {
            // It waits for this, and for nothing else.
            let sent = reader.sender.send(Box::new(reading));
            debug_assert!(sent.is_ok(), "an idle reader has gone");
            state.busy.insert(reader.number, reader);
            return Ok(());
        }
        state.last += 1;
        let number = state.last;
        let (sender, readings) = channel::<Reading>();
        let readers = self.0.clone();
        let run = move || {
            let mut next: Option<Reading> = Some(Box::new(reading));
            while let Some(reading) = next {
                panics::contain(reading);
                let mut state = lock(&readers);
                // A reader that is not listed any more was detached.
                match state.busy.remove(&number) {
                    Some(reader) if !state.closed => state.idle.push(reader),
                    left => {
                        drop(state);
                        drop(left);
                        return;
                    }
                }
                drop(state);
                next = readings.recv().ok();
            }
        };
        let thread = thread_builder("pool-reader").spawn(run)?;
        let reader = Reader {
            number,
            sender,
            thread,
        };
        state.busy.insert(number, reader);
        Ok(())
    }

    /// Detaches the reader with this thread: nobody wants what it reads, and nobody waits for it.
    pub(crate) fn leave(&self, reader: ThreadId) {
        let mut state = lock(&self.0);
        state
            .busy
            .retain(|_, busy| busy.thread.thread().id() != reader);
    }

    /// Ends all idle readers, and returns when they have ended. Readers that read are waited for as well, or detached: they
    /// end when their input returns.
    pub(crate) fn close(&self, wait: bool) {
        let mut state = lock(&self.0);
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        let busy = std::mem::take(&mut state.busy);
        drop(state);
        let waited = busy.into_values().filter(|_| wait);
        for Reader { sender, thread, .. } in idle.into_iter().chain(waited) {
            drop(sender);
            let here = thread::current().id();
            if thread.thread().id() != here {
                // The panics of its input were caught.
                let ended = thread.join();
                debug_assert!(ended.is_ok(), "a reader has panicked");
            }
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0);
        f.debug_struct("Readers")
            .field("idle", &state.idle.len())
            .field("busy", &state.busy.len())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
