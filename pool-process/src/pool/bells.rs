//! The bells of a pool's workers: each writes into an eventfd of its own when the pool sleeps beside an answer.
//!
//! One thread at a time sleeps on all of them: one that waits for a result, if there is one, and otherwise the dispatcher, so that an
//! answer wakes the one who wants it. The set of bells lies in the dispatcher's set of descriptors, which ignores it meanwhile.
//!
//! A worker has the same eventfd and may do with it what it likes: fill it, empty it, or make it block. So nobody here reads it or
//! writes it. It is watched for edges, and each write is one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::sys;

/// The bells of all workers.
#[derive(Debug)]
pub(crate) struct Bells {
    set: Epoll,
    /// By which a thread that waits is woken for another reason.
    kick: EventFd,
    seat: Mutex<()>,
    /// A thread has the seat, and the dispatcher's set reports no bells.
    taken: AtomicBool,
    /// The thread that has the seat sleeps, or is about to.
    sleeps: AtomicBool,
    /// The dispatcher's set, in which the set of bells lies.
    around: Epoll,
    data: u64,
}

/// Held by the thread that sleeps on the bells in the dispatcher's place.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    bells: &'a Bells,
    _taken: MutexGuard<'a, ()>,
}

/// The epoll data of a bell, and of the kick.
const BELL: u64 = 0;
const KICK: u64 = 1;

impl Bells {
    /// The set of bells, in the dispatcher's set: it is reported with these data.
    pub(crate) fn new(around: &Epoll, data: u64) -> io::Result<Bells> {
        let bells = Bells {
            set: sys::epoll()?,
            kick: sys::eventfd(EfdFlags::EFD_NONBLOCK)?,
            seat: Mutex::default(),
            taken: AtomicBool::new(false),
            sleeps: AtomicBool::new(false),
            around: Epoll(sys::above_standard(around.0.try_clone()?)?),
            data,
        };
        bells.watch(&bells.kick, KICK)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, data);
        bells.around.add(bells.set.0.as_fd(), event)?;
        Ok(bells)
    }

    /// Makes a bell: for the pool, and for its worker.
    pub(crate) fn make() -> io::Result<EventFd> {
        sys::eventfd(EfdFlags::EFD_NONBLOCK)
    }

    /// Watches a bell.
    pub(crate) fn add(&self, bell: &EventFd) -> io::Result<()> {
        self.watch(bell, BELL)
    }

    fn watch(&self, fd: &EventFd, data: u64) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        Ok(self.set.add(fd.as_fd(), EpollEvent::new(flags, data))?)
    }

    /// Watches a bell no more. To close it is not enough: the worker, and what it has forked, have it as well.
    pub(crate) fn remove(&self, bell: &EventFd) {
        // It fails only where it is not watched.
        let _ = self.set.delete(bell.as_fd());
    }

    /// Forgets who has rung: whoever calls this looks at all rings after that.
    pub(crate) fn clear(&self) {
        let was_kicked = self.wait(EpollTimeout::ZERO);
        // The kick was for a thread that has taken the seat meanwhile. Where it has not yet, it will look before it sleeps.
        if was_kicked && self.taken.load(Ordering::SeqCst) {
            self.write_kick();
        }
    }

    /// Waits for a bell or a kick; whether there was a kick.
    fn wait(&self, timeout: EpollTimeout) -> bool {
        let mut events = [EpollEvent::empty(); 64];
        // What is not reported now is reported the next time. Where a signal interrupts it, the caller looks again.
        let count = self.set.wait(&mut events, timeout).unwrap_or_default();
        events[..count].iter().any(|event| event.data() == KICK)
    }

    /// Sleeps on the bells from now on, in the dispatcher's place; `None` where another thread does.
    pub(crate) fn take_seat(&self) -> Option<Seat<'_>> {
        let taken = match self.seat.try_lock() {
            Ok(taken) => taken,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.report(EpollFlags::empty());
        self.taken.store(true, Ordering::SeqCst);
        Some(Seat {
            bells: self,
            _taken: taken,
        })
    }

    /// Whether the dispatcher's set reports bells.
    fn report(&self, flags: EpollFlags) {
        let mut event = EpollEvent::new(flags, self.data);
        // The set is in there: to modify it asks for no memory.
        let _ = self.around.modify(self.set.0.as_fd(), &mut event);
    }

    /// Wakes the thread that has the seat, if it sleeps.
    pub(crate) fn kick(&self) {
        if self.sleeps.load(Ordering::SeqCst) && self.sleeps.swap(false, Ordering::SeqCst) {
            self.write_kick();
        }
    }

    fn write_kick(&self) {
        // It is never read: each write is an edge, and it would take centuries to fill it.
        let _ = self.kick.write(1);
    }
}

impl Seat<'_> {
    /// From now on a kick wakes.
    pub(crate) fn lie_down(&self) {
        self.bells.sleeps.store(true, Ordering::SeqCst);
    }

    /// From now on it does not.
    pub(crate) fn get_up(&self) {
        self.bells.sleeps.store(false, Ordering::SeqCst);
    }

    /// Sleeps until a bell is rung, or it is kicked.
    pub(crate) fn wait(&self) {
        self.bells.wait(EpollTimeout::NONE);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.bells.taken.store(false, Ordering::SeqCst);
        self.bells.report(EpollFlags::EPOLLIN);
    }
}

impl AsFd for Bells {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::epoll::EpollTimeout;

    use super::{Bells, sys};

    #[test]
    fn a_kick_is_not_lost_where_the_dispatcher_forgets_who_has_rung() {
        let bells = Bells::new(&sys::epoll().expect("a set"), 0).expect("bells");
        let seat = bells.take_seat().expect("nobody has it");
        seat.lie_down();
        bells.kick();
        // What the dispatcher does with a ring that was reported before the seat was taken.
        bells.clear();
        assert!(bells.wait(EpollTimeout::ZERO));
        drop(seat);
        bells.write_kick();
        bells.clear();
        assert!(!bells.wait(EpollTimeout::ZERO), "it is for nobody");
    }
}
