//! What threads synchronise with: std's types, and in a build with `--cfg loom` or `--cfg shuttle` those of the model checker, for
//! the unit tests. `Arc` and `Weak` are std's in each.
//!
//! A model checker runs all threads of a model on one thread of the system, and chooses which of them goes on at each operation on
//! one of these types.

pub(crate) use std::sync::PoisonError;

#[cfg(all(test, loom))]
use loom as checker;
#[cfg(all(test, shuttle))]
use shuttle as checker;
#[cfg(not(all(test, any(loom, shuttle))))]
use std as checker;

pub(crate) use checker::sync::{Condvar, Mutex, MutexGuard, atomic};
pub(crate) use checker::thread;

#[cfg(all(test, loom))]
pub(crate) use loom::cell::UnsafeCell;

/// A cell that is written by whoever owns it by protocol: a model checker that knows such cells sees who breaks it.
#[cfg(not(all(test, loom)))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(all(test, loom)))]
impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    #[inline]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Whether a model checker runs the threads.
pub(crate) const MODELLED: bool = cfg!(all(test, any(loom, shuttle)));

/// Channels that any number of threads send to and receive from.
#[cfg(not(all(test, any(loom, shuttle))))]
pub(crate) use crossbeam_channel as channel;

#[cfg(not(all(test, any(loom, shuttle))))]
pub(crate) use std::time::Instant;

#[cfg(all(test, any(loom, shuttle)))]
pub(crate) use modelled::{Instant, channel};

#[cfg(all(test, any(loom, shuttle)))]
pub(crate) mod modelled {
    //! What a model checker does not have.

    use std::cell::Cell;
    use std::time::Duration;

    thread_local! {
        /// What all clocks of the model show.
        static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    /// A moment of the model's time, which passes only where the model says so.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Instant(Duration);

    impl Instant {
        pub(crate) fn now() -> Instant {
            Instant(NOW.get())
        }

        /// From now on it is this time.
        pub(crate) fn set(time: Duration) {
            NOW.set(time);
        }

        pub(crate) fn saturating_duration_since(self, earlier: Instant) -> Duration {
            self.0.saturating_sub(earlier.0)
        }

        pub(crate) fn elapsed(self) -> Duration {
            Instant::now().saturating_duration_since(self)
        }
    }

    pub(crate) mod channel {
        //! A queue of messages under a lock.

        use std::collections::VecDeque;
        use std::sync::Arc;

        use crate::sync::{Condvar, Mutex};

        #[derive(Debug)]
        struct Shared<T> {
            /// The messages, and how many senders live.
            state: Mutex<(VecDeque<T>, usize)>,
            changed: Condvar,
        }

        #[derive(Debug)]
        pub(crate) struct Sender<T>(Arc<Shared<T>>);

        #[derive(Debug)]
        pub(crate) struct Receiver<T>(Arc<Shared<T>>);

        #[derive(Debug)]
        pub(crate) struct SendError<T>(pub(crate) T);

        #[derive(Debug)]
        pub(crate) struct RecvError;

        pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
            let shared = Arc::new(Shared {
                state: Mutex::new((VecDeque::new(), 1)),
                changed: Condvar::new(),
            });
            (Sender(shared.clone()), Receiver(shared))
        }

        impl<T> Sender<T> {
            pub(crate) fn send(&self, message: T) -> Result<(), SendError<T>> {
                match self.0.state.lock() {
                    Ok(mut state) => state.0.push_back(message),
                    Err(_) => return Err(SendError(message)),
                }
                self.0.changed.notify_one();
                Ok(())
            }
        }

        impl<T> Drop for Sender<T> {
            fn drop(&mut self) {
                if let Ok(mut state) = self.0.state.lock() {
                    state.1 -= 1;
                }
                self.0.changed.notify_all();
            }
        }

        impl<T> Receiver<T> {
            pub(crate) fn recv(&self) -> Result<T, RecvError> {
                let mut state = self.0.state.lock().map_err(|_| RecvError)?;
                loop {
                    if let Some(message) = state.0.pop_front() {
                        return Ok(message);
                    }
                    if state.1 == 0 {
                        return Err(RecvError);
                    }
                    state = self.0.changed.wait(state).map_err(|_| RecvError)?;
                }
            }
        }

        impl<T> Clone for Receiver<T> {
            fn clone(&self) -> Self {
                Receiver(self.0.clone())
            }
        }
    }
}
