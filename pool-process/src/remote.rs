//! For backends whose workers are on other machines: a unit as bytes, and the function that runs such bytes in a worker.
//!
//! Both sides must be the same program. The sender, where the pool is, [encodes](request) a unit. The receiver has a
//! [`ProcessPool`] of its own, and [submits](submit) to it what has arrived. The sender [completes](complete) the unit with the answer.
//!
//! # Safety
//!
//! A task names its code by offsets in the program. Whoever submits one promises that this program has made it; `execute` and
//! `execute_with` are called for such tasks alone, as nobody else can name them.
#![expect(
    unsafe_code,
    reason = "what arrives is trusted to be a task of this program"
)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pool_core::backend::{Again, Unit};
use pool_core::{AsyncResult, CodecError, Pool, PoolError, WithContext};
use serde::{Deserialize, Serialize};

#[cfg(feature = "hook")]
pub use crate::hook::{Initialiser, initialise_behind};
use crate::pool::ProcessPool;
pub use crate::pool::remote_job::RemoteJob;
use crate::pool::remote_job::{Retry, job_context_bytes};
use crate::wire::token::TOKEN;
use crate::wire::{Kind, MAX_PAYLOAD, Reply};
use crate::worker::{contexts, run_task};

/// A unit as it travels: which function, which context, which argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The task, encoded.
    #[serde(with = "serde_bytes")]
    pub task: Vec<u8>,
    /// The number of the context that its function gets, if it gets one: unique in the sender's process.
    pub context: Option<u64>,
}

impl Request {
    /// The bytes for [`submit`], or, with the number that its context has among all contexts of the receiver, for [`submit_with`].
    pub fn into_task(self, context: Option<u64>) -> Vec<u8> {
        let mut task = self.task;
        if let Some(number) = context
            && let Some(field) = task.get_mut(TOKEN..TOKEN + 8)
        {
            field.copy_from_slice(&(number | FOREIGN).to_le_bytes());
        }
        task
    }
}

/// What came of a unit that has run, as it travels.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    kind: u8,
    /// How long it took.
    nanos: u64,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

impl Answer {
    /// What the handle of [`submit`] has given.
    pub fn of(mut bytes: Vec<u8>) -> Answer {
        let end = bytes.split_off(bytes.len().saturating_sub(1 + size_of::<u64>()));
        let (kind, nanos) = end.split_first().unwrap_or((&0, &[]));
        let nanos = nanos
            .first_chunk()
            .map_or(0, |nanos| u64::from_le_bytes(*nanos));
        Answer {
            kind: *kind,
            nanos,
            payload: bytes,
        }
    }

    /// How long the task took in its worker, with the decoding of its argument and the encoding of its result.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }
}

/// Encodes a unit.
///
/// # Errors
///
/// Its argument cannot be encoded: the unit fails with this.
pub fn request(job: &dyn RemoteJob, unit: &Unit) -> Result<Request, CodecError> {
    let mut task = Vec::new();
    let last = job.encode(unit, &mut task)?;
    task.extend_from_slice(last);
    Ok(Request {
        task,
        context: job.context(unit).map(|context| context.number),
    })
}

/// The context that a unit's function gets, encoded; `None` where it gets none.
///
/// # Errors
///
/// It cannot be encoded: the unit fails with this.
pub fn context(job: &dyn RemoteJob, unit: &Unit) -> Result<Option<Vec<u8>>, CodecError> {
    job_context_bytes(job, unit)
}

/// Completes a unit with its answer, or gives it back to be tried again; with an error goes the end of what its task has written to stderr, where that was read.
///
/// # Errors
///
/// The unit comes back: the bytes are no answer.
pub fn complete(
    job: &dyn RemoteJob,
    unit: Unit,
    answer: &Answer,
    stderr: Option<String>,
) -> Result<Option<Again>, (Unit, CodecError)> {
    let kind = Kind::of(answer.kind).filter(|kind| kind.is_answer());
    let Some(kind) = kind else {
        let error = CodecError::new("an answer", format!("there is no kind {}", answer.kind));
        return Err((unit, error));
    };
    let payload = answer.payload.as_slice().into();
    job.complete(unit, kind, payload, Retry::Never, stderr)
        .map_err(|undone| (undone.unit, undone.error))
}

/// Has a pool run a task that has arrived; the handle gives the bytes of its [`Answer`].
///
/// # Errors
///
/// The pool refuses the call.
///
/// # Safety
///
/// The bytes must be those of [`Request::into_task`] without a context, of a request that the same build of this program has made.
pub unsafe fn submit(pool: &ProcessPool, task: Vec<u8>) -> Result<AsyncResult<Vec<u8>>, PoolError> {
    pool.call(execute, task).submit()
}

/// As [`submit`], for a task whose function gets a context, which the view has.
///
/// # Errors
///
/// As for [`submit`].
///
/// # Safety
///
/// The bytes must be those of [`Request::into_task`] with a number that this context alone has, of a request that the same build of this
/// program has made; and the context must be the one that [`context`] has given for it.
pub unsafe fn submit_with(
    view: &WithContext<'_, ProcessPool, [u8]>,
    task: Vec<u8>,
) -> Result<AsyncResult<Vec<u8>>, PoolError> {
    view.call(execute_with, task).submit()
}

/// Runs a task in a worker, and gives the bytes of its answer. What is no task of this program is an answer that says so, where that can be
/// seen.
fn execute(task: Vec<u8>) -> Vec<u8> {
    let began = Instant::now();
    let mut reply = Reply::new(Vec::new(), 0, None, MAX_PAYLOAD);
    let kind = run_task(task.as_slice().into(), &mut reply);
    let mut bytes = reply.bytes;
    bytes.push(kind as u8);
    bytes.extend_from_slice(&(began.elapsed().as_nanos() as u64).to_le_bytes());
    bytes
}

/// As [`execute`], for a task whose function gets a context: these bytes.
fn execute_with(context: &[u8], task: Vec<u8>) -> Vec<u8> {
    thread_local! {
        /// The contexts that this worker has, the one used last at the end.
        static KEPT: RefCell<VecDeque<u64>> = RefCell::default();
    }
    let Some(number) = context_number(&task) else {
        return execute(task);
    };
    let oldest = KEPT.with_borrow_mut(|kept| {
        if let Some(place) = kept.iter().position(|known| *known == number) {
            kept.rotate_left(place + 1);
            return None;
        }
        contexts::keep(number, context);
        kept.push_back(number);
        (kept.len() > MOST).then(|| kept.pop_front()).flatten()
    });
    if let Some(oldest) = oldest {
        contexts::forget(oldest);
    }
    execute(task)
}

/// The number of its context, which a task names behind its token.
fn context_number(task: &[u8]) -> Option<u64> {
    let number = task.get(TOKEN..)?.first_chunk()?;
    Some(u64::from_le_bytes(*number))
}

/// The bit that tells a context of another machine from those of the pool itself.
const FOREIGN: u64 = 1 << 63;

/// How many contexts of other machines a worker keeps.
const MOST: usize = 8;
