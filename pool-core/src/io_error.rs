//! The errors of a pool as an `io::Error`, for functions that return `io::Result`.

use std::io::{self, ErrorKind};

use crate::backends::StartError;
use crate::error::{Never, PoolError, TaskError, TimedOut};
use crate::pool::RunError;
use crate::report::Report;

impl From<Never> for io::Error {
    fn from(never: Never) -> io::Error {
        match never {}
    }
}

/// Its kind is `Deadlock` for [`WouldDeadlock`](PoolError::WouldDeadlock), `InvalidInput` for an option that is refused, otherwise
/// `Other`.
impl From<PoolError> for io::Error {
    fn from(error: PoolError) -> io::Error {
        let kind = match error {
            PoolError::WouldDeadlock => ErrorKind::Deadlock,
            PoolError::ZeroChunksize
            | PoolError::ZeroReadAhead
            | PoolError::RetriesOfChunks
            | PoolError::CallbackOfImap => ErrorKind::InvalidInput,
            _ => ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// Its kind is `TimedOut`.
impl From<TimedOut> for io::Error {
    fn from(error: TimedOut) -> io::Error {
        io::Error::new(ErrorKind::TimedOut, error)
    }
}

/// Its kind is the system's where the system refused a worker, `Unsupported` where no worker can be started, otherwise
/// `InvalidInput`.
impl From<StartError> for io::Error {
    fn from(error: StartError) -> io::Error {
        let kind = match &error {
            StartError::Worker { source, .. } => source.kind(),
            StartError::Impossible { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

/// Its kind is `Other`.
impl From<Report> for io::Error {
    fn from(report: Report) -> io::Error {
        io::Error::other(report)
    }
}

/// Its kind is that of the function's own error, or of the pool's, `TimedOut` for an exceeded deadline, otherwise `Other`. Its message has the item, as always.
///
/// # Examples
///
/// ```
/// use std::{fs, io};
/// # use pool_thread::ThreadPool;
///
/// fn sizes(paths: &[&str]) -> io::Result<Vec<u64>> {
///     let pool = ThreadPool::new(2)?;
///     Ok(pool.try_map(|path| fs::metadata(path).map(|file| file.len()), paths)?)
/// }
///
/// let error = sizes(&["/", "/no/such/file"]).unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "task failed at item 1: No such file or directory (os error 2)");
/// ```
impl<E: Into<io::Error>> From<TaskError<E>> for io::Error {
    fn from(error: TaskError<E>) -> io::Error {
        let error = error.map(E::into);
        let kind = match &error {
            TaskError::Raised { error, .. } => error.kind(),
            TaskError::Pool(error) => return (*error).into(),
            TaskError::DeadlineExceeded(_) => ErrorKind::TimedOut,
            _ => ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// The body's own error, converted; or the error of the task, or of the pool.
impl<E: Into<io::Error>> From<RunError<E>> for io::Error {
    fn from(error: RunError<E>) -> io::Error {
        match error {
            RunError::Body(error) => error.into(),
            RunError::Unhandled(error) => io::Error::other(error),
            RunError::Pool(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use crate::backends::StartError;
    use crate::error::{PoolError, TaskError, TimedOut};
    use crate::pool::RunError;
    use crate::report::Report;

    #[test]
    fn the_kind_says_what_it_was() {
        let kind = |error: io::Error| error.kind();
        assert_eq!(kind(PoolError::WouldDeadlock.into()), ErrorKind::Deadlock);
        assert_eq!(kind(TimedOut.into()), ErrorKind::TimedOut);
        assert_eq!(kind(StartError::NoWorkers.into()), ErrorKind::InvalidInput);
        let source = io::Error::from(ErrorKind::WouldBlock);
        let refused = StartError::Worker { index: 0, source };
        assert_eq!(kind(refused.into()), ErrorKind::WouldBlock);
        let of_pool: TaskError = PoolError::ZeroChunksize.into();
        assert_eq!(kind(of_pool.into()), ErrorKind::InvalidInput);
        let body = RunError::Body(TaskError::raised(io::Error::from(ErrorKind::NotFound)));
        assert_eq!(kind(body.into()), ErrorKind::NotFound);
    }

    #[test]
    fn the_error_itself_is_inside() {
        let raised: io::Error = TaskError::raised(Report::new("no number")).into();
        assert_eq!(raised.to_string(), "task failed: no number");
        let terminated: io::Error = TaskError::<io::Error>::Terminated.into();
        let inner = terminated.get_ref().and_then(|e| e.downcast_ref());
        assert!(matches!(inner, Some(TaskError::<io::Error>::Terminated)));
    }
}
