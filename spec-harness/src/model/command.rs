//! What the commands of the protocol hand to the model's pools.

use super::work::Work;
use crate::protocol::{Call, Tasks};

/// The pool, the work and the handle of a command that submits something.
pub(super) fn submission(command: &Call) -> Option<(&str, Work, Option<&str>)> {
    let job = command.job()?;
    let (many, chunksize, star) = match job.tasks {
        Tasks::One(_) => (false, None, false),
        Tasks::Many {
            chunksize, star, ..
        } => (true, chunksize, star),
    };
    let work = Work {
        // O8: the items are there already.
        keys: job.tasks.keys().to_vec(),
        args: if star { 2 } else { 1 },
        many,
        of_imap: false,
        chunksize,
        callback: job.later.and_then(|later| later.callback),
        error_callback: job.later.and_then(|later| later.error_callback),
        limits: job.limits.into(),
    };
    Some((job.pool, work, job.later.map(|later| later.handle)))
}

/// The pool in whose own method the caller waits; for a handle's, no pool is needed.
pub(super) fn held(command: &Call) -> Option<&str> {
    if let Call::Join { pool, .. } = command {
        return Some(pool);
    }
    let job = command.job().filter(|job| job.later.is_none())?;
    Some(job.pool)
}
