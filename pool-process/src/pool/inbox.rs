//! How other threads speak to a pool's dispatcher: a few orders, and a eventfd that it sleeps on.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::sys;

/// What a dispatcher can be told. New work needs no order: it is in the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Workers leave once the feed is drained.
    Drain,
    /// Workers stop.
    Abandon,
    /// The grace of a terminated pool is over.
    GraceOver,
    /// A worker that could not be started, or not be written to, may be tried again.
    Retry {
        /// Its place in the pool.
        slot: usize,
    },
}

/// Orders and the eventfd.
#[derive(Debug)]
pub(crate) struct Inbox {
    orders: Mutex<Vec<Order>>,
    eventfd: EventFd,
    /// The eventfd was woken and not yet outcome: ringing again would say nothing new.
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

    /// Gives an order.
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
            // It can only fail when the counter is full, and then the eventfd rings already.
            let _ = self.eventfd.write(1);
        }
    }

    /// Takes all orders, having silenced the eventfd first: what comes later rings again.
    pub(crate) fn take(&self) -> Vec<Order> {
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
