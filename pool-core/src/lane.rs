//! The lane on which callbacks run: one thread of the pool's own process, started with the first callback.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::attendance::{Attendance, Deadline};
use crate::panics;

/// A job whose outcome is there and whose callback is due.
pub(crate) trait Due: Send + Sync {
    /// Runs the callback, contained, and then makes the job ready.
    fn run_callback(&self);
}

/// What the lane is told.
enum Message {
    Run(Arc<dyn Due>),
    /// Something that a callback waits for has happened.
    Nudge,
    Leave,
}

/// A pool's callbacks: run one at a time, in the order in which their jobs completed.
#[derive(Default)]
pub(crate) struct Lane {
    line: Mutex<Option<Line>>,
    present: Arc<Attendance>,
}

struct Line {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    thread: JoinHandle<()>,
}

impl Lane {
    /// Starts the thread, if it is not there. Where the system refuses, callbacks run on the thread that
    /// completed their job.
    pub(crate) fn open(&self) {
        let mut line = self.lock();
        if line.is_some() {
            return;
        }
        let (sender, receiver) = unbounded();
        let (messages, present) = (receiver.clone(), self.present.enter());
        let run = move || {
            let _present = present;
            while Lane::one(&messages) {}
        };
        if let Ok(thread) = thread::Builder::new()
            .name("pool-callbacks".into())
            .spawn(run)
        {
            *line = Some(Line {
                sender,
                receiver,
                thread,
            });
        }
    }

    /// Hands over a job.
    pub(crate) fn post(&self, due: Arc<dyn Due>) {
        // The receiver lies beside the sender, so a send cannot fail.
        let unsent = match &*self.lock() {
            Some(line) => line
                .sender
                .send(Message::Run(due))
                .err()
                .map(|unsent| unsent.0),
            None => Some(Message::Run(due)),
        };
        if let Some(Message::Run(due)) = unsent {
            due.run_callback();
        }
    }

    /// Wakes a callback that waits in [`Lane::run_until`].
    pub(crate) fn nudge(&self) {
        self.tell(Message::Nudge);
    }

    /// On the lane's own thread: runs callbacks, nested, until `done` says so.
    pub(crate) fn run_until(&self, done: impl Fn() -> bool) {
        let messages = self.lock().as_ref().map(|line| line.receiver.clone());
        if let Some(messages) = messages {
            while !done() && Lane::one(&messages) {}
        }
    }

    /// Waits until every callback has run and the thread has ended; false when the deadline came first.
    /// To be called when no more can come, and not from a callback.
    pub(crate) fn finish(&self, deadline: &Deadline) -> bool {
        self.tell(Message::Leave);
        if !self.present.wait(deadline) {
            return false;
        }
        let line = self.lock().take();
        // Every callback is contained: the thread cannot have panicked.
        line.is_none_or(|line| line.thread.join().is_ok())
    }

    fn tell(&self, message: Message) {
        if let Some(line) = &*self.lock() {
            // The receiver lies beside the sender, so a send cannot fail.
            let _ = line.sender.send(message);
        }
    }

    fn one(messages: &Receiver<Message>) -> bool {
        match messages.recv() {
            Ok(Message::Run(due)) => {
                // Contained already; this keeps the lane alive should a job's own code panic.
                let _ = panics::catch(|| due.run_callback());
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

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("started", &self.lock().is_some())
            .finish()
    }
}
