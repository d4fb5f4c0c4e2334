//! Panics of tasks and callbacks become values, with the place where they began.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::error::Panic;
use crate::fork::{OwnerProcess, end_copy};

thread_local! {
    /// `None` outside of tasks; inside, what the hook recorded.
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Seen {
    location: Option<String>,
    backtrace: Option<String>,
}

/// Installs the panic hook that records where a task panics; the first call does it, later ones do nothing.
///
/// The hook records only while a task runs on the panicking thread, and always calls the hook that was
/// there before: messages on stderr stay as they are.
pub fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A panic while this thread's locals are torn down is not recorded.
            let _ = SEEN.try_with(|seen| {
                if let Ok(mut seen) = seen.try_borrow_mut()
                    && let Some(seen) = seen.as_mut()
                {
                    let backtrace = Backtrace::capture();
                    seen.location = info.location().map(ToString::to_string);
                    seen.backtrace = (backtrace.status() == BacktraceStatus::Captured)
                        .then(|| backtrace.to_string());
                }
            });
            before(info);
        }));
    });
}

/// Runs `f`; a panic comes back as a value. No panic of `f` leaves this function, not even that of a payload's drop. A process
/// that `f` forks, and in which it returns as well, ends here: it is a copy, and what follows is the pool's own code.
///
/// # Errors
///
/// What the panic said, with its location when [`install_hook`] was called.
pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
    let outer = see(Some(Seen::default()));
    let owner = OwnerProcess::current();
    let caught = panic::catch_unwind(AssertUnwindSafe(f));
    end_copy(owner);
    let caught = caught.map_err(|payload| {
        let message = message(&*payload);
        discard(payload);
        message
    });
    let seen = see(outer).unwrap_or_default();
    caught.map_err(|message| Panic {
        message,
        location: seen.location,
        backtrace: seen.backtrace,
        item: None,
    })
}

/// Runs `f`, usually a drop, and discards its panic: no caller could handle it, and the panic hook has reported it.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
        discard(payload);
    }
}

/// Replaces what the hook has recorded; nothing while this thread's locals are torn down.
fn see(next: Option<Seen>) -> Option<Seen> {
    SEEN.try_with(|seen| seen.replace(next)).ok().flatten()
}

/// Drops a payload; if that panics with another payload, that one is leaked.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(another);
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "(a panic whose payload is not text)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{catch, install_hook};

    #[test]
    fn a_panic_comes_back_with_message_and_place() {
        install_hook();
        let panic = catch(|| panic!("item {}", 7)).expect_err("it panicked");
        assert_eq!(panic.message, "item 7");
        assert!(
            panic
                .location
                .is_some_and(|place| place.contains("panics.rs"))
        );
    }

    #[test]
    fn a_panic_with_another_payload_still_has_a_message() {
        let panic = catch(|| std::panic::panic_any(7_u8)).expect_err("it panicked");
        assert!(panic.message.contains("not text"));
    }
}
