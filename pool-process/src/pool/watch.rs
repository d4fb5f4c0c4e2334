//! The timers by which busy workers are checked, see the dispatcher's module of this name, and by which what waits behind long tasks is
//! taken back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timer::Expiration;
use nix::sys::timerfd::{TimerFd, TimerSetTimeFlags};

use crate::sys;

/// How often busy workers are checked.
pub(crate) const BUSY: Duration = Duration::from_secs(1);
/// How long a unit may wait in a lane behind a long task.
pub(crate) const BEHIND: Duration = Duration::from_millis(1);

/// A timer that expires once after it was armed.
#[derive(Debug)]
pub(crate) struct Watch {
    timer: TimerFd,
    after: Duration,
    /// It will expire, or has, and the dispatcher has not seen that yet.
    armed: AtomicBool,
}

impl Watch {
    pub(crate) fn new(after: Duration) -> io::Result<Watch> {
        Ok(Watch {
            timer: sys::timer()?,
            after,
            armed: AtomicBool::new(false),
        })
    }

    /// Arms it, unless it is armed. Called by whoever gives a worker work, once that is written down.
    pub(crate) fn arm(&self) {
        if self.armed.load(Ordering::Acquire) || self.armed.swap(true, Ordering::AcqRel) {
            return;
        }
        let once = Expiration::OneShot(TimeSpec::from_duration(self.after));
        if self.timer.set(once, TimerSetTimeFlags::empty()).is_err() {
            self.armed.store(false, Ordering::Release);
        }
    }

    /// It has expired, and is not readable until it is armed again. Whoever calls this then looks whether a worker is busy.
    pub(crate) fn disarm(&self) {
        // Disarming an open timer does not fail.
        let _ = self.timer.unset();
        self.armed.store(false, Ordering::SeqCst);
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
