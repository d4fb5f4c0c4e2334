//! The options of a submission.

use std::fmt;
use std::panic::Location;

use crate::admission::Admission;
use crate::error::TaskError;
use crate::limits::LimitOptions;

type Callback<T> = Box<dyn FnOnce(&T) + Send>;

/// The options of a submission: callbacks, chunk size, read-ahead, and whether it waits for a place in the queue.
pub struct SubmitOptions<T, E> {
    pub(crate) place: &'static Location<'static>,
    pub(crate) admission: Admission,
    /// Of the calls that have some: most have none, and move little.
    more: Option<Box<MoreOptions<T, E>>>,
}

/// What most submissions do without.
pub(crate) struct MoreOptions<T, E> {
    pub(crate) callback: Option<Callback<T>>,
    pub(crate) error_callback: Option<Callback<TaskError<E>>>,
    pub(crate) chunksize: Option<usize>,
    pub(crate) read_ahead: Option<usize>,
    pub(crate) limits: Option<LimitOptions>,
}

impl<T, E> SubmitOptions<T, E> {
    /// The defaults, and the place of the caller in its source file, which errors name.
    #[track_caller]
    pub fn here() -> Self {
        SubmitOptions::at(Location::caller())
    }

    pub(crate) fn at(place: &'static Location<'static>) -> Self {
        SubmitOptions {
            place,
            admission: Admission::Wait,
            more: None,
        }
    }

    pub(crate) fn admission(self, admission: Admission) -> Self {
        SubmitOptions { admission, ..self }
    }

    /// Those that most submissions do without, to be set.
    pub(crate) fn more(&mut self) -> &mut MoreOptions<T, E> {
        self.more.get_or_insert_default()
    }

    /// The limits, to be set.
    pub(crate) fn limits(&mut self) -> &mut LimitOptions {
        self.more().limits.get_or_insert_default()
    }

    /// Those that most submissions do without, where there are some.
    pub(crate) fn take_more(self) -> Option<Box<MoreOptions<T, E>>> {
        self.more
    }

    pub(crate) fn chunksize(&self) -> Option<usize> {
        self.more.as_ref()?.chunksize
    }

    pub(crate) fn limits_if_any(&self) -> Option<&LimitOptions> {
        self.more.as_ref()?.limits.as_ref()
    }
}

impl<T, E> MoreOptions<T, E> {
    pub(crate) fn has_callbacks(&self) -> bool {
        self.callback.is_some() || self.error_callback.is_some()
    }

    /// Whether this outcome has a callback.
    pub(crate) fn has_callback_for(&self, failed: bool) -> bool {
        if failed {
            self.error_callback.is_some()
        } else {
            self.callback.is_some()
        }
    }
}

impl<T, E> Default for MoreOptions<T, E> {
    fn default() -> Self {
        MoreOptions {
            callback: None,
            error_callback: None,
            chunksize: None,
            read_ahead: None,
            limits: None,
        }
    }
}

impl<T, E> fmt::Debug for SubmitOptions<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitOptions")
            .field("place", &format_args!("{}", self.place))
            .field("admission", &self.admission)
            .field("more", &self.more)
            .finish()
    }
}

impl<T, E> fmt::Debug for MoreOptions<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoreOptions")
            .field("callback", &self.callback.is_some())
            .field("error_callback", &self.error_callback.is_some())
            .field("chunksize", &self.chunksize)
            .field("read_ahead", &self.read_ahead)
            .field("limits", &self.limits)
            .finish()
    }
}
