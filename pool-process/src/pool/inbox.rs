//! The inbox of a pool's dispatcher: orders from other threads, and an eventfd that wakes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};
use pool_core::backend::TaskId;

use crate::sys;

/// An order to the dispatcher. New work needs none: the dispatcher finds it in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Workers end once the queue is drained.
    Close,
    /// Workers are stopped.
    Terminate,
    /// The grace of a terminated pool is over.
    GraceOver,
    /// Workers that run a unit of this job, or this unit of it, are stopped.
    Stop {
        /// The job.
        job: TaskId,
        /// The unit's index.
        unit: Option<usize>,
    },
    /// The grace of a worker that is being stopped is over.
    StopGraceOver {
        /// Its place in the pool.
        slot: usize,
        /// Its number among all that the pool has started.
        serial: u32,
    },
    /// A worker is as old as it may get.
    Aged {
        /// Its place in the pool.
        slot: usize,
        /// Its number among all that the pool has started.
        serial: u32,
    },
    /// The pool has another size.
    Resize,
    /// A worker has had nothing to do for as long as it may.
    Idle {
        /// Its place in the pool.
        slot: usize,
        /// Its number among all that the pool has started.
        serial: u32,
    },
    /// A worker that could not be started, or not be written to, may be tried again.
    Retry {
        /// Its place in the pool.
        slot: usize,
    },
}

/// Orders, and the eventfd that says that there are some.
#[derive(Debug)]
pub(crate) struct Inbox {
    orders: Mutex<Vec<Order>>,
    eventfd: EventFd,
    /// The eventfd was written and not yet read: another write would change nothing.
    woken: AtomicBool,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Inbox> {
        let eventfd = sys::eventfd(EfdFlags::EFD_NONBLOCK)?;
        Ok(Inbox {
            orders: Mutex::default(),
            eventfd,
            woken: AtomicBool::new(false),
        })
    }

    /// Adds an order and wakes the dispatcher.
    pub(crate) fn tell(&self, order: Order) {
        self.orders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(order);
        self.wake();
    }

    /// Wakes the dispatcher.
    pub(crate) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // It can only fail when the counter is full, and then the eventfd is readable already.
            let _ = self.eventfd.write(1);
        }
    }

    /// Takes all orders. It reads the eventfd first, so that a later order makes it readable again.
    pub(crate) fn take(&self) -> Vec<Order> {
        // It fails only where nobody has written, and then there is nothing to reset.
        let _ = self.eventfd.read();
        self.woken.store(false, Ordering::Release);
        std::mem::take(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}
