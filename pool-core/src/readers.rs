//! The threads that read the inputs of `imap`s. A pool reuses them, so that a short `imap` starts no thread.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use crate::panics;
use crate::threads::thread_builder;

/// Reads one input to its end.
type ReadInput = Box<dyn FnOnce() + Send>;

/// The reader threads of a pool.
#[derive(Default)]
pub(crate) struct Readers(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The pool has ended: a reader ends when its input has ended.
    closed: bool,
    idle: Vec<Reader>,
    busy: HashMap<u64, Reader>,
    last: u64,
}

struct Reader {
    number: u64,
    sender: Sender<ReadInput>,
    thread: JoinHandle<()>,
}

impl Readers {
    /// Runs `read` on an idle thread, or on a new one.
    ///
    /// # Errors
    ///
    /// The system refuses a thread. Then `read` was dropped.
    pub(crate) fn start(&self, read: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = lock(&self.0);
        if let Some(reader) = state.idle.pop() {
            // An idle reader waits in `recv`, so it receives this.
            let sent = reader.sender.send(Box::new(read));
            debug_assert!(sent.is_ok(), "an idle reader has ended");
            state.busy.insert(reader.number, reader);
            return Ok(());
        }
        state.last += 1;
        let number = state.last;
        let (sender, inputs) = channel::<ReadInput>();
        let readers = self.0.clone();
        let run = move || {
            let mut next: Option<ReadInput> = Some(Box::new(read));
            while let Some(read) = next {
                panics::contain(read);
                let mut state = lock(&readers);
                // A reader that is not listed was detached.
                match state.busy.remove(&number) {
                    Some(reader) if !state.closed => state.idle.push(reader),
                    left => {
                        drop(state);
                        drop(left);
                        return;
                    }
                }
                drop(state);
                next = inputs.recv().ok();
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

    /// Detaches the reader on this thread: it ends when its input returns, and `close` does not wait for it.
    pub(crate) fn detach(&self, reader: ThreadId) {
        let mut state = lock(&self.0);
        state
            .busy
            .retain(|_, busy| busy.thread.thread().id() != reader);
    }

    /// Ends and joins all idle readers. With `wait` it joins the busy ones as well, otherwise it detaches them.
    pub(crate) fn close(&self, wait: bool) {
        let mut state = lock(&self.0);
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        let busy = std::mem::take(&mut state.busy);
        drop(state);
        let joined = busy.into_values().filter(|_| wait);
        for Reader { sender, thread, .. } in idle.into_iter().chain(joined) {
            drop(sender);
            let here = thread::current().id();
            if thread.thread().id() != here {
                // The panics of its inputs were caught, so it has not panicked.
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
