//! The memory of the last large result. The next argument of its type is decoded into it: new pages cost several times what the copy
//! costs. It is there between two tasks only, and not for longer than a rest.

use std::any::Any;
use std::cell::Cell;

thread_local! {
    static SPARE: Cell<Option<Box<dyn Any>>> = const { Cell::new(None) };
}

/// Keeps a value that is used no more, and has no code of the user's for its drop.
pub(super) fn keep<T: 'static>(value: T) {
    SPARE.set(Some(Box::new(value)));
}

/// The value that was kept, if it is of this type; it is kept no longer.
pub(super) fn take<T: 'static>() -> Option<T> {
    let spare = SPARE.take()?;
    spare.downcast().ok().map(|value| *value)
}

/// Keeps nothing any more; whether there was something.
pub(super) fn clear() -> bool {
    SPARE.take().is_some()
}

/// Whether a value is kept.
pub(super) fn is_there() -> bool {
    let spare = SPARE.take();
    let is_there = spare.is_some();
    SPARE.set(spare);
    is_there
}

#[cfg(test)]
mod tests {
    use super::{clear, is_there, keep, take};

    #[test]
    fn a_value_is_kept_until_the_next_is_asked_for() {
        keep(vec![1_u8]);
        assert!(is_there());
        assert_eq!(take(), Some(vec![1_u8]));
        assert_eq!(take::<Vec<u8>>(), None);
        keep(vec![1_u8]);
        assert_eq!(take::<Vec<u16>>(), None);
        assert!(!clear());
        keep(String::new());
        assert!(clear() && !is_there());
    }
}
