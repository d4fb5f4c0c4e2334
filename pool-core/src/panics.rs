//! Catches panics of tasks and callbacks, and turns them into values with message and location.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::error::Panic;
use crate::fork::{OwnerProcess, end_copy};

thread_local! {
    /// What the panic hook has recorded inside of `catch`; `None` outside of it.
    static RECORD: RefCell<Option<Record>> = const { RefCell::new(None) };
}

#[derive(Default)]
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
            // It fails while this thread's locals are destroyed. Then the panic has no location.
            let _ = RECORD.try_with(|record| {
                if let Ok(mut record) = record.try_borrow_mut()
                    && let Some(record) = record.as_mut()
                {
                    let backtrace = Backtrace::capture();
                    record.location = info.location().map(ToString::to_string);
                    record.backtrace = (backtrace.status() == BacktraceStatus::Captured)
                        .then(|| backtrace.to_string());
                }
            });
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
    let outer = replace_record(Some(Record::default()));
    let owner = OwnerProcess::current();
    let caught = panic::catch_unwind(AssertUnwindSafe(f));
    end_copy(owner);
    let caught = caught.map_err(|payload| {
        let message = message(&*payload);
        discard(payload);
        message
    });
    let record = replace_record(outer).unwrap_or_default();
    caught.map_err(|message| Panic {
        message,
        location: record.location,
        backtrace: record.backtrace,
        item: None,
    })
}

/// Runs `f`, usually a drop, and discards its panic. No caller could handle it, and the panic hook has reported it.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
        discard(payload);
    }
}

/// Replaces the record and returns the one before; `None` while this thread's locals are destroyed.
fn replace_record(next: Option<Record>) -> Option<Record> {
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
    fn a_panic_with_another_payload_still_has_a_message() {
        let panic = catch(|| std::panic::panic_any(7_u8)).expect_err("it panicked");
        assert!(panic.message.contains("not text"));
    }
}
