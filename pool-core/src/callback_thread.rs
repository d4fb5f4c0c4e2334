//! The thread on which a pool's callbacks run: one thread of the pool's own process, started with the first callback.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::panics;
use crate::thread_state;
use crate::threads::thread_builder;
use crate::wait_group::{Deadline, WaitGroup, WaitGroupGuard};

/// A job whose outcome is there and whose callback is due.
pub(crate) trait Due: Send + Sync {
    /// Runs the callback, catches its panic, and then makes the job ready.
    fn run_callback(&self);
}

/// What the callback thread is sent.
enum Message {
    /// The job, counted until its callback has run.
    Run(Arc<dyn Due>, WaitGroupGuard),
    /// Something has happened that a callback may wait for: it checks again.
    Nudge,
    Leave,
}

/// A pool's callback thread. It runs callbacks one at a time, in the order in which their jobs completed.
pub(crate) struct CallbackThread {
    pool: u64,
    line: Mutex<Option<Line>>,
    due: Arc<WaitGroup>,
}

struct Line {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    thread: JoinHandle<()>,
}

impl CallbackThread {
    pub(crate) fn new(pool: u64) -> CallbackThread {
        CallbackThread {
            pool,
            line: Mutex::default(),
            due: Arc::default(),
        }
    }

    /// Starts the thread, if it is not there. Where the system refuses, callbacks run on the thread that
    /// completed their job.
    pub(crate) fn open(&self) {
        let mut line = self.lock();
        if line.is_some() {
            return;
        }
        let (sender, receiver) = unbounded();
        let messages = receiver.clone();
        let pool = self.pool;
        let run = move || {
            thread_state::become_callback_thread(pool);
            while CallbackThread::one(&messages) {}
        };
        if let Ok(thread) = thread_builder("pool-callbacks").spawn(run) {
            *line = Some(Line {
                sender,
                receiver,
                thread,
            });
        }
    }

    /// Hands over a job.
    pub(crate) fn post(&self, due: Arc<dyn Due>) {
        let message = Message::Run(due, self.due.enter());
        // The receiver lies beside the sender, so a send cannot fail.
        let unsent = match &*self.lock() {
            Some(line) => line.sender.send(message).err().map(|unsent| unsent.0),
            None => Some(message),
        };
        if let Some(Message::Run(due, _present)) = unsent {
            due.run_callback();
        }
    }

    /// Wakes a callback that waits in [`CallbackThread::run_until`].
    pub(crate) fn nudge(&self) {
        self.tell(Message::Nudge);
    }

    /// On the callback thread itself: runs callbacks, nested, until `done` is true.
    pub(crate) fn run_until(&self, done: impl Fn() -> bool) {
        let messages = self.lock().as_ref().map(|line| line.receiver.clone());
        if let Some(messages) = messages {
            while !done() && CallbackThread::one(&messages) {}
        }
    }

    /// Waits until every callback has run and the thread has ended; false when the deadline came first.
    /// To be called when no more can come, and not from a callback.
    pub(crate) fn finish(&self, deadline: &Deadline) -> bool {
        if !self.due.wait(deadline) {
            return false;
        }
        // Held until the thread is joined, so that a second caller does not return before. The thread has nothing to do
        // any more, so no deadline is needed.
        let mut line = self.lock();
        let Some(Line { sender, thread, .. }) = line.take() else {
            return true;
        };
        // The panic of every callback is caught: the thread cannot have panicked.
        sender.send(Message::Leave).is_ok() && thread.join().is_ok()
    }

    fn tell(&self, message: Message) {
        if let Some(line) = &*self.lock() {
            // The receiver lies beside the sender, so a send cannot fail.
            let _ = line.sender.send(message);
        }
    }

    fn one(messages: &Receiver<Message>) -> bool {
        match messages.recv() {
            Ok(Message::Run(due, present)) => {
                // Its panics are caught already; this keeps the callback thread alive should a job's own code panic. What the
                // job holds may be dropped here, also before `finish` returns.
                let _ = panics::catch(|| due.run_callback());
                panics::contain(|| drop(due));
                drop(present);
                true
            }
            Ok(Message::Nudge) => true,
            Ok(Message::Leave) | Err(_) => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Line>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CallbackThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackThread")
            .field("started", &self.lock().is_some())
            .finish()
    }
}
