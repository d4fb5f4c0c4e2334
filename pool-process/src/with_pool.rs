//! A pool for the length of a call.

use pool_core::{DrainError, drain};

use crate::pool::ProcessPool;

/// Calls `body` with a pool of this many workers, then closes and joins it: all that was submitted has been done
/// when it returns. [`drain`](crate::drain) does so with a pool from a builder.
///
/// When the body panics, the pool is terminated and joined, and the panic goes on.
///
/// In Python `with Pool() as pool` terminates it instead, and errors of tasks that nobody asked for are lost.
///
/// # Errors
///
/// [`DrainError::Start`] where the pool cannot be started; the body's own error; else the first error of a task
/// that nobody looked at.
///
/// # Examples
///
/// ```
/// use pool_process::with_pool;
///
/// let squares = with_pool(2, |pool| pool.map(|x: u64| x * x, 0..4))?;
/// assert_eq!(squares, [0, 1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An error that would have gone unseen:
///
/// ```
/// use pool_process::{Misuse, with_pool};
///
/// let ended = with_pool(2, |pool| {
///     for text in ["1", "many"] {
///         drop(pool.try_apply_async(|text: String| text.parse::<u8>().map_err(|e| e.to_string()), text.to_owned())?);
///     }
///     Ok::<(), Misuse>(())
/// });
/// assert!(ended.unwrap_err().to_string().starts_with("task failed: invalid digit found in string (task 1"));
/// ```
pub fn with_pool<R, E>(
    size: usize,
    body: impl FnOnce(&ProcessPool) -> Result<R, E>,
) -> Result<R, DrainError<E>> {
    drain(ProcessPool::new(size).map_err(DrainError::Start)?, body)
}
