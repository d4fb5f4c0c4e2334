//! Tasks of clients are given to the workers of this node.
//!
//! # Safety
//!
//! A task has arrived on a subject that contains the hash of this program's file, from somebody whom the server lets publish there. So it was
//! made by the same build, unless somebody whom the server trusts lies; README and the documentation of the crate say that such a one can
//! run whatever he likes. A context has arrived before its task, in the same conversation, under the number that the task names.
#![expect(unsafe_code, reason = "tasks of trusted clients")]

use pool_core::{AsyncResult, PoolError, WithContext};
use pool_process::ProcessPool;
use pool_process::remote::{self, Request};

/// Runs a task without a context.
pub(crate) fn submit(
    pool: &ProcessPool,
    request: Request,
) -> Result<AsyncResult<Vec<u8>>, PoolError> {
    // SAFETY: see the module.
    unsafe { remote::submit(pool, request.into_task(None)) }
}

/// Runs a task with a context, which has this number.
pub(crate) fn submit_with(
    (number, view): (u64, &WithContext<'_, ProcessPool, [u8]>),
    request: Request,
) -> Result<AsyncResult<Vec<u8>>, PoolError> {
    // SAFETY: see the module.
    unsafe { remote::submit_with(view, request.into_task(Some(number))) }
}
