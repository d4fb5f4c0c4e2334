//! Catches panics of tasks and callbacks, and turns them into values with message and location.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::error::Panic;
use crate::fork::{OwnerProcess, end_copy};

thread_local! {
    /// How many calls of `catch` are active, one within the other, and whether the hook has recorded a panic in the innermost.
    static ACTIVE: Cell<(u32, bool)> = const { Cell::new((0, false)) };
    /// What the panic hook has recorded last inside of `catch`.
    static RECORD: RefCell<Option<Box<Record>>> = const { RefCell::new(None) };
}

struct Record {
    location: Option<String>,
    backtrace: Option<String>,
}

/// Installs the panic hook that records where a task panics. Later calls do nothing.
///
/// The hook records panics inside of [`catch`] only. It always calls the hook that was installed before, so messages on stderr stay
/// as they are.
pub fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let (depth, _) = ACTIVE.get();
            if depth > 0 {
                ACTIVE.set((depth, true));
                let backtrace = Backtrace::capture();
                replace_record(Some(Box::new(Record {
                    location: info.location().map(ToString::to_string),
                    backtrace: (backtrace.status() == BacktraceStatus::Captured)
                        .then(|| backtrace.to_string()),
                })));
            }
            previous(info);
        }));
    });
}

/// Runs `f` and catches its panic, also one in the drop of a panic's payload. If `f` has forked and returns in the child as well,
/// the child ends here: what follows is code of the pool, which belongs to the parent.
///
/// # Errors
///
/// The panic's message, with its location if [`install_hook`] was called.
pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
    let recording = Recording::begin();
    let owner = OwnerProcess::current();
    let caught = panic::catch_unwind(AssertUnwindSafe(f));
    end_copy(owner);
    let payload = match caught {
        Ok(value) => return Ok(value),
        Err(payload) => payload,
    };
    let message = message(&*payload);
    discard(payload);
    let (location, backtrace) = match recording.record() {
        Some(record) => (record.location, record.backtrace),
        None => (None, None),
    };
    Err(Panic {
        message,
        location,
        backtrace,
        item: None,
        stderr: None,
    })
}

/// One call of `catch`: the hook records until this is dropped.
struct Recording {
    /// The record of the call outside, where this one runs during its panic: in a drop, for example.
    outer: Option<Box<Record>>,
}

impl Recording {
    #[inline]
    fn begin() -> Recording {
        let (depth, recorded) = ACTIVE.get();
        ACTIVE.set((depth + 1, false));
        Recording {
            outer: if recorded { replace_record(None) } else { None },
        }
    }

    /// What the hook has recorded.
    fn record(&self) -> Option<Box<Record>> {
        match ACTIVE.get() {
            (_, true) => replace_record(None),
            (_, false) => None,
        }
    }
}

impl Drop for Recording {
    #[inline]
    fn drop(&mut self) {
        let ((depth, recorded), outer) = (ACTIVE.get(), self.outer.take());
        ACTIVE.set((depth - 1, outer.is_some()));
        if recorded || outer.is_some() {
            replace_record(outer);
        }
    }
}

/// Runs `f`, usually a drop, and discards its panic. No caller could handle it, and the panic hook has reported it.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
        discard(payload);
    }
}

/// Replaces the record and returns the one before; `None` while this thread's locals are destroyed.
fn replace_record(next: Option<Box<Record>>) -> Option<Box<Record>> {
    RECORD
        .try_with(|record| record.replace(next))
        .ok()
        .flatten()
}

/// Drops a payload. If the drop panics, the payload of that panic is leaked.
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
    fn a_panic_is_caught_with_message_and_location() {
        install_hook();
        let panic = catch(|| panic!("item {}", 7)).expect_err("it panicked");
        assert_eq!(panic.message, "item 7");
        assert!(
            panic
                .location
                .is_some_and(|location| location.contains("panics.rs"))
        );
    }

    #[test]
    fn what_was_recorded_of_one_panic_is_not_told_of_another() {
        install_hook();
        let inner = || catch(|| panic!("inner")).expect_err("it panicked");
        let resumed = || std::panic::resume_unwind(Box::new("resumed"));
        let outer = catch(|| {
            struct Nested<F: Fn()>(F);
            impl<F: Fn()> Drop for Nested<F> {
                fn drop(&mut self) {
                    self.0();
                }
            }
            let _nested = Nested(|| {
                assert_eq!(inner().message, "inner");
            });
            panic!("outer")
        })
        .expect_err("it panicked");
        assert_eq!(outer.message, "outer");
        assert!(
            outer.location.is_some(),
            "it is kept beside that of the inner one"
        );
        // A panic that the task has caught itself is not that of the next one, which no hook sees.
        assert!(catch(|| std::panic::catch_unwind(|| panic!("caught")).is_err()).is_ok());
        let next = catch(resumed).expect_err("it went on");
        assert_eq!((next.message.as_str(), next.location), ("resumed", None));
    }

    #[test]
    fn a_panic_with_another_payload_still_has_a_message() {
        let panic = catch(|| std::panic::panic_any(7_u8)).expect_err("it panicked");
        assert!(panic.message.contains("not text"));
    }
}
