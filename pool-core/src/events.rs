//! Events that other threads send to one consumer, who waits for them as for the outcome of a job: a worker of the pool counts as
//! blocked meanwhile, and a callback runs other callbacks.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};

use crate::error::PoolError;
use crate::panics;
use crate::shared::PoolShared;
use crate::thread_state::{self, BlockedWorker, Interrupt};

/// The consumer's end.
pub(crate) struct Events<T> {
    sender: Arc<EventSender<T>>,
    receiver: Receiver<T>,
}

/// Sends events to the consumer and wakes it.
pub(crate) struct EventSender<T> {
    sender: Sender<T>,
    /// The waker of a consumer that polls.
    waker: Mutex<Option<Waker>>,
    /// The worker of the pool that waits for an event.
    blocked: Mutex<Option<Arc<BlockedWorker>>>,
    /// A callback has waited for an event: each event must wake the callback thread.
    callback_waits: AtomicBool,
    shared: Arc<PoolShared>,
}

impl<T> EventSender<T> {
    /// Sends an event.
    pub(crate) fn send(&self, event: T) {
        // It fails if the consumer was dropped. Then nobody needs the event.
        let _ = self.sender.send(event);
        // Pairs with the fence in `receive_on_callback_thread`: either the callback sees the event, or this thread sees that the
        // callback waits.
        fence(Ordering::SeqCst);
        if self.callback_waits.load(Ordering::Relaxed) {
            self.shared.callbacks.nudge();
        }
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            // A waker is the caller's code. Its panic must not reach this thread, and the panic hook has reported it.
            let _ = panics::catch(|| waker.wake());
        }
    }
}

impl<T: Send + 'static> EventSender<T> {
    /// A waker for a job: it sends this event.
    pub(crate) fn waker<F: Fn() -> T + Send + Sync + 'static>(self: &Arc<Self>, event: F) -> Waker {
        Waker::from(Arc::new(JobWaker {
            sender: self.clone(),
            event,
        }))
    }
}

struct JobWaker<T, F> {
    sender: Arc<EventSender<T>>,
    event: F,
}

impl<T: Send + 'static, F: Fn() -> T + Send + Sync + 'static> Wake for JobWaker<T, F> {
    fn wake(self: Arc<Self>) {
        // The waiting worker must count as running before the thread that has ended the job takes more work.
        let blocked = lock(&self.sender.blocked).take();
        if let Some(worker) = blocked {
            worker.unblock();
        }
        self.sender.send((self.event)());
    }
}

/// Interrupts a task that waits for an event.
struct Interrupter(Sender<()>);

impl Interrupt for Interrupter {
    fn interrupt(&self) {
        // Where it is full, the task has not seen the last one yet.
        let _ = self.0.try_send(());
    }
}

impl<T> Events<T> {
    /// For a consumer that waits for jobs of this pool.
    pub(crate) fn new(shared: &Arc<PoolShared>) -> Events<T> {
        let (sender, receiver) = unbounded();
        let sender = Arc::new(EventSender {
            sender,
            waker: Mutex::default(),
            blocked: Mutex::default(),
            callback_waits: AtomicBool::new(false),
            shared: shared.clone(),
        });
        Events { sender, receiver }
    }

    pub(crate) fn sender(&self) -> &Arc<EventSender<T>> {
        &self.sender
    }

    /// The oldest event, if there is one.
    pub(crate) fn try_receive(&self) -> Option<T> {
        // The channel stays open: `self` holds a sender.
        self.receiver.try_recv().ok()
    }

    #[cfg(feature = "stream")]
    /// Sets the waker that the next event wakes. An event may arrive before that, so the consumer must look again.
    pub(crate) fn set_waker(&self, waker: Waker) {
        // Wakers are the caller's code: the one that is replaced is dropped outside of the lock.
        let replaced = lock(&self.sender.waker).replace(waker);
        drop(replaced);
    }

    /// Blocks until there is an event.
    ///
    /// # Errors
    ///
    /// Where nothing ends the wait but an event (`is_limited` is false): there is no compensation thread for this worker, or the pool
    /// makes no progress without this thread. And where the task that waits is cancelled.
    pub(crate) fn receive(&self, is_limited: bool) -> Result<T, PoolError> {
        let shared = &self.sender.shared;
        if thread_state::on_callback_thread(shared.pool) {
            return self.receive_on_callback_thread();
        }
        let blocked = match thread_state::block(shared.pool) {
            Ok(blocked) => {
                if let Some(assist) = &shared.assist {
                    assist.assist(&|| !self.receiver.is_empty());
                }
                blocked
            }
            Err(_) if is_limited => None,
            Err(refused) => return Err(refused),
        };
        *lock(&self.sender.blocked) = blocked.as_ref().map(|blocked| blocked.worker());
        // A job may have ended before the worker was stored. Then its event is in the channel.
        match thread_state::is_worker(shared.pool) {
            true => self.receive_unless_cancelled(),
            false => self.receive_here(),
        }
    }

    /// In a task of the pool, which may be cancelled.
    fn receive_unless_cancelled(&self) -> Result<T, PoolError> {
        let (sender, interrupts) = bounded(1);
        let interrupter: Arc<Interrupter> = Arc::new(Interrupter(sender));
        let weak: Weak<Interrupter> = Arc::downgrade(&interrupter);
        let shared = &self.sender.shared;
        thread_state::add_interrupt(shared.pool, weak);
        while !shared.ends_wait() {
            select! {
                recv(self.receiver) -> event => return event.map_err(|_| PoolError::NotRunning),
                recv(interrupts) -> _ => {}
            }
        }
        Err(PoolError::Cancelled)
    }

    /// In a callback: runs other callbacks meanwhile, nested.
    fn receive_on_callback_thread(&self) -> Result<T, PoolError> {
        self.sender.callback_waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let event = Cell::new(None);
        self.sender.shared.callbacks.run_until(|| {
            let received = event.take().or_else(|| self.try_receive());
            let is_received = received.is_some();
            event.set(received);
            is_received
        });
        // Without a callback thread there is nothing else to run meanwhile.
        event.take().map_or_else(|| self.receive_here(), Ok)
    }

    fn receive_here(&self) -> Result<T, PoolError> {
        // The channel stays open: `self` holds a sender.
        self.receiver.recv().map_err(|_| PoolError::NotRunning)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
