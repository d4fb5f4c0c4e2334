//! The terms of one submission: where it was made, and what follows its end.

use std::fmt;
use std::panic::Location;

use crate::entry::Entry;
use crate::failure::Failure;

type Callback<T> = Box<dyn FnOnce(&T) + Send>;

/// What is said of a submission beside its work.
pub struct Terms<T, E> {
    pub(crate) place: &'static Location<'static>,
    pub(crate) callback: Option<Callback<T>>,
    pub(crate) error_callback: Option<Callback<Failure<E>>>,
    pub(crate) entry: Entry,
}

impl<T, E> Terms<T, E> {
    /// No callbacks; the caller's place is the one that errors name.
    #[track_caller]
    pub fn here() -> Self {
        Terms::at(Location::caller())
    }

    pub(crate) fn at(place: &'static Location<'static>) -> Self {
        Terms {
            place,
            callback: None,
            error_callback: None,
            entry: Entry::Wait,
        }
    }

    /// Calls this with the value when there is one.
    #[must_use]
    pub fn callback(self, callback: impl FnOnce(&T) + Send + 'static) -> Self {
        Terms {
            callback: Some(Box::new(callback)),
            ..self
        }
    }

    /// Calls this with the failure when there is one.
    #[must_use]
    pub fn error_callback(self, callback: impl FnOnce(&Failure<E>) + Send + 'static) -> Self {
        Terms {
            error_callback: Some(Box::new(callback)),
            ..self
        }
    }

    pub(crate) fn entry(self, entry: Entry) -> Self {
        Terms { entry, ..self }
    }

    pub(crate) fn has_callbacks(&self) -> bool {
        self.callback.is_some() || self.error_callback.is_some()
    }

    /// Whether a callback follows this end.
    pub(crate) fn concern(&self, failed: bool) -> bool {
        if failed {
            self.error_callback.is_some()
        } else {
            self.callback.is_some()
        }
    }
}

impl<T, E> fmt::Debug for Terms<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("place", &format_args!("{}", self.place))
            .field("callback", &self.callback.is_some())
            .field("error_callback", &self.error_callback.is_some())
            .field("entry", &self.entry)
            .finish()
    }
}
