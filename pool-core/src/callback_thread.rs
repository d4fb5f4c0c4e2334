//! The thread that runs the callbacks of a pool. It is started with the first callback.

use std::fmt;
use std::sync::Arc;

use crate::flaws::{self, Flaw};
use crate::panics;
use crate::sync::channel::{Receiver, Sender, unbounded};
use crate::sync::thread::JoinHandle;
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::thread_state;
use crate::threads::checked_thread_builder;
use crate::wait_group::{Deadline, WaitGroup, WaitGroupGuard};

/// A job that has its outcome, and whose callback must run next.
pub(crate) trait Due: Send + Sync {
    /// Runs the callback, catches its panic, and then makes the job ready.
    fn run_callback(&self);
}

/// A message to the callback thread.
enum Message {
    /// Run the callback of a job. The guard is dropped when it has run.
    Run(Arc<dyn Due>, WaitGroupGuard),
    /// A callback that waits in `run_until` checks its condition again.
    Wake,
    /// End the thread.
    Exit,
}

/// A pool's callback thread. It runs callbacks one at a time, in the order in which their jobs completed.
pub(crate) struct CallbackThread {
    pool: u64,
    thread: Mutex<Thread>,
    /// Counts the callbacks that have not yet run.
    pending: Arc<WaitGroup>,
}

#[derive(Default)]
enum Thread {
    #[default]
    NotStarted,
    Started(Started),
    /// The pool has ended: a callback runs on the thread that has it.
    Finished,
}

struct Started {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    thread: JoinHandle<()>,
}

impl CallbackThread {
    pub(crate) fn new(pool: u64) -> CallbackThread {
        CallbackThread {
            pool,
            thread: Mutex::default(),
            pending: Arc::default(),
        }
    }

    /// Starts the thread if it was not started. If the system refuses it, a callback runs on the thread that resolved its job.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        if !matches!(*state, Thread::NotStarted) {
            return;
        }
        let (sender, receiver) = unbounded();
        let messages = receiver.clone();
        let pool = self.pool;
        let run = move || {
            thread_state::become_callback_thread(pool);
            while CallbackThread::run_next(&messages) {}
        };
        if let Ok(thread) = checked_thread_builder("pool-callbacks").spawn(run) {
            *state = Thread::Started(Started {
                sender,
                receiver,
                thread,
            });
        }
    }

    /// Until the guard is dropped, a callback is to come: the thread does not end.
    pub(crate) fn expect(&self) -> WaitGroupGuard {
        self.pending.enter()
    }

    /// Queues the callback of a job.
    pub(crate) fn post(&self, due: Arc<dyn Due>) {
        let message = Message::Run(due, self.pending.enter());
        // The receiver is in the same struct as the sender, so a send cannot fail.
        let unsent = match &*self.lock() {
            Thread::Started(started) => started.sender.send(message).err().map(|unsent| unsent.0),
            Thread::NotStarted | Thread::Finished => Some(message),
        };
        if let Some(Message::Run(due, _guard)) = unsent {
            due.run_callback();
        }
    }

    /// Wakes a callback that waits in [`CallbackThread::run_until`].
    pub(crate) fn nudge(&self) {
        if flaws::has(Flaw::NudgesNobody) {
            return;
        }
        if let Thread::Started(started) = &*self.lock() {
            // The receiver is in the same struct as the sender, so a send cannot fail.
            let _ = started.sender.send(Message::Wake);
        }
    }

    /// On the callback thread: runs callbacks, nested, until `done` returns true.
    pub(crate) fn run_until(&self, done: impl Fn() -> bool) {
        let receiver = match &*self.lock() {
            Thread::Started(started) => Some(started.receiver.clone()),
            Thread::NotStarted | Thread::Finished => None,
        };
        if let Some(messages) = receiver {
            while !done() && CallbackThread::run_next(&messages) {}
        }
    }

    /// Waits until every callback has run and the thread has ended; false if the deadline passes first. No callback may be queued
    /// afterwards. A callback must not call this.
    pub(crate) fn finish(&self, deadline: &Deadline) -> bool {
        if !self.pending.wait(deadline) {
            return false;
        }
        // Held until the thread is joined, so that no second caller returns before. The join needs no deadline: the thread has
        // nothing left to run.
        let mut state = self.lock();
        let before = std::mem::replace(&mut *state, Thread::Finished);
        let Thread::Started(Started { sender, thread, .. }) = before else {
            return true;
        };
        // The panic of every callback is caught, so the thread has not panicked.
        sender.send(Message::Exit).is_ok() && thread.join().is_ok()
    }

    /// Handles the next message; false if the thread must end.
    fn run_next(messages: &Receiver<Message>) -> bool {
        match messages.recv() {
            Ok(Message::Run(due, guard)) => {
                // `run_callback` catches the callback's panic and stores it. This catches a panic of the job's own code, which the
                // panic hook has reported: the thread must live. The job's values may be dropped here, before `finish` returns.
                let _ = panics::catch(|| due.run_callback());
                panics::contain(|| drop(due));
                drop(guard);
                true
            }
            Ok(Message::Wake) => true,
            Ok(Message::Exit) | Err(_) => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Thread> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CallbackThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackThread")
            .field("started", &matches!(*self.lock(), Thread::Started(_)))
            .finish()
    }
}
