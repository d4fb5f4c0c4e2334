//! A job that worker processes run: its units are encoded for a worker, and completed from the bytes of the answer.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use pool_core::backend::{
    Again, AsJob, Batch, CallCell, Context, FnAddress, Job, JobCell, PortableFn, Unit, catch,
};
use pool_core::{CodecError, Portable, TaskError};

use crate::image::symbols;
use crate::sys::memory_file::MemoryFile;
use crate::task::{panicked, payload};
use crate::wire::codec::{self, At, ran_out_of_stack};
use crate::wire::{self, Kind, Payload};
use crate::worker::entry_points::{Many, One, Shape};

/// A job that worker processes can run: the cells of calls and of maps.
pub trait RemoteJob: Send + Sync {
    /// The job as the queue sees it.
    fn as_job(&self) -> &dyn Job;

    /// The context of the unit's function. A worker must get it before the unit.
    fn context(&self, unit: &Unit) -> Option<JobContext>;

    /// A description of a unit for error messages: its function, where that is known, its items, and where it was submitted.
    fn describe(&self, unit: &Unit) -> String;

    /// Appends the payload of a task frame for one unit, and gives its last bytes, which are not appended.
    fn encode<'a>(&'a self, unit: &'a Unit, out: &mut Vec<u8>) -> Result<&'a [u8], CodecError>;

    /// Completes a unit with the answer of its worker, or gives it back to be tried again. With an error goes the end of what the task
    /// has written to stderr, where that was read.
    ///
    /// # Errors
    ///
    /// The unit comes back: the frame is no answer, or the answer nests deeper than the calling thread's stack has room for, where a
    /// thread with more may try again.
    fn complete(
        &self,
        unit: Unit,
        kind: Kind,
        payload: Payload<'_>,
        retry: Retry,
        stderr: Option<String>,
    ) -> Result<Option<Again>, Undone>;

    /// Completes a unit with a failure.
    fn fail(&self, unit: Unit, failure: TaskError);
}

/// Whether a thread with more stack may decode an answer that nests too deep for this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may.
    WithMoreStack,
    /// This thread has the most.
    Never,
}

/// A unit that was not completed, and why.
#[derive(Debug)]
pub struct Undone {
    pub(crate) unit: Unit,
    pub(crate) error: CodecError,
    /// The answer nests too deep for the stack of this thread; else the frame is no answer.
    pub(crate) is_deep: bool,
}

impl Undone {
    fn new(unit: Unit, error: CodecError, is_deep: bool) -> Self {
        Undone {
            unit,
            error,
            is_deep,
        }
    }
}

/// A context, encoded for workers.
#[derive(Debug)]
pub struct JobContext {
    pub(crate) number: u64,
    pub(crate) encoded: Arc<Result<Encoded, CodecError>>,
}

/// A context as it travels.
#[derive(Debug)]
pub(crate) enum Encoded {
    /// By the socket of each worker.
    Bytes(Vec<u8>),
    /// In memory that all workers read.
    Shared(Arc<MemoryFile>),
}

impl fmt::Debug for dyn RemoteJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJob")
            .field("units", &self.job().units())
            .finish_non_exhaustive()
    }
}

impl AsJob for dyn RemoteJob {
    fn job(&self) -> &dyn Job {
        self.as_job()
    }
}

impl<A: Portable, F: PortableFn<A>> RemoteJob for CallCell<F, A> {
    fn as_job(&self) -> &dyn Job {
        self
    }

    fn describe(&self, unit: &Unit) -> String {
        let function = self.inputs(unit).and_then(|call| name::<A, F>(&call.func));
        Job::describe(self, unit, function.as_deref())
    }

    fn context(&self, unit: &Unit) -> Option<JobContext> {
        job_context(&self.inputs(unit)?.func)
    }

    fn encode<'a>(&'a self, unit: &'a Unit, out: &mut Vec<u8>) -> Result<&'a [u8], CodecError> {
        match self.inputs(unit) {
            Some(call) => payload::<A, _>(
                <One as Shape<A, F>>::ENTRY,
                call.func.pointer(),
                call.func.context().map(Context::number),
                |out, _| codec::encode_value(&call.arg, out),
                out,
            ),
            None => Ok(&[]),
        }
    }

    fn complete(
        &self,
        mut unit: Unit,
        kind: Kind,
        payload: Payload<'_>,
        retry: Retry,
        stderr: Option<String>,
    ) -> Result<Option<Again>, Undone> {
        // The argument is not needed any more: a result that is like it may take its memory.
        let used = || same::<A, F::Out>(self.take_task(&mut unit)?.arg);
        let decode = |payload: Payload<'_>| codec::decode_value(payload, used);
        match answer(kind, payload, retry, decode) {
            Ok(end) => Ok(JobCell::complete(
                self,
                unit,
                end.map_err(|error| error.with_stderr(stderr)),
            )),
            Err((error, is_deep)) => Err(Undone::new(unit, error, is_deep)),
        }
    }

    fn fail(&self, unit: Unit, failure: TaskError) {
        self.finish(unit, Err(failure.widen()));
    }
}

impl<A: Portable, F: PortableFn<A>> RemoteJob for JobCell<Batch<F, A>> {
    fn as_job(&self) -> &dyn Job {
        self
    }

    fn describe(&self, unit: &Unit) -> String {
        let (func, _) = self.inputs(unit);
        Job::describe(self, unit, name::<A, F>(func).as_deref())
    }

    fn context(&self, unit: &Unit) -> Option<JobContext> {
        job_context(self.inputs(unit).0)
    }

    fn encode<'a>(&'a self, unit: &'a Unit, out: &mut Vec<u8>) -> Result<&'a [u8], CodecError> {
        let (func, items) = self.inputs(unit);
        payload::<A, _>(
            <Many as Shape<A, F>>::ENTRY,
            func.pointer(),
            func.context().map(Context::number),
            |out, at| codec::encode_items(items, at, out),
            out,
        )
    }

    fn complete(
        &self,
        unit: Unit,
        kind: Kind,
        payload: Payload<'_>,
        retry: Retry,
        stderr: Option<String>,
    ) -> Result<Option<Again>, Undone> {
        let decode = |payload: Payload<'_>| codec::decode_items(payload, &At::default(), || None);
        match answer(kind, payload, retry, decode) {
            Ok(end) => Ok(JobCell::complete(
                self,
                unit,
                end.map_err(|error| error.with_stderr(stderr)),
            )),
            Err((error, is_deep)) => Err(Undone::new(unit, error, is_deep)),
        }
    }

    fn fail(&self, unit: Unit, failure: TaskError) {
        self.finish(unit, Err(failure.widen()));
    }
}

/// The context of a function, encoded once. Its `Serialize` may refuse, or panic.
fn job_context<A, F: PortableFn<A>>(func: &F) -> Option<JobContext> {
    let context = func.context()?;
    let encode = || {
        let plain = codec::context_bytes(context);
        if let Some(bytes) = plain.filter(|bytes| bytes.len() >= SHARED) {
            // Where the system refuses it, or has no memory for it, each worker gets a copy.
            if let Ok(file) = MemoryFile::of_bytes(c"pool-context", bytes) {
                return Ok(Encoded::Shared(Arc::new(file)));
            }
        }
        let mut bytes = Vec::new();
        let encoded = catch(|| codec::encode_context(context, &mut bytes));
        encoded.unwrap_or_else(|panic| Err(panicked::<F::Context>(&panic)))?;
        Ok(Encoded::Bytes(bytes))
    };
    Some(JobContext {
        number: context.number(),
        encoded: context.encoded(encode)?,
    })
}

/// The context that a unit's function gets, encoded; `None` where it gets none.
pub(crate) fn job_context_bytes(
    job: &dyn RemoteJob,
    unit: &Unit,
) -> Result<Option<Vec<u8>>, CodecError> {
    let Some(context) = job.context(unit) else {
        return Ok(None);
    };
    match &*context.encoded {
        Ok(Encoded::Bytes(bytes)) => Ok(Some(bytes.clone())),
        Ok(Encoded::Shared(file)) => {
            let refused = |error: std::io::Error| CodecError::new("context", error.to_string());
            let plain = file.bytes().map_err(refused)?;
            let mut bytes = Vec::with_capacity(plain.len() + 16);
            codec::write_context_bytes(&plain, &mut bytes);
            Ok(Some(bytes))
        }
        Err(error) => Err(error.clone()),
    }
}

/// From so many bytes on a context that can be shared is.
const SHARED: usize = 16 << 10;

/// The name of a function in the program's source.
fn name<A, F: PortableFn<A>>(func: &F) -> Option<String> {
    symbols::name(func.pointer().address())
}

/// A value of a type that is another one's name; `None` where it is not.
fn same<A: 'static, T: 'static>(value: A) -> Option<T> {
    let mut value = Some(value);
    let value: &mut dyn Any = &mut value;
    value.downcast_mut::<Option<T>>()?.take()
}

/// Decodes an answer. The `Deserialize` of its value may panic.
///
/// # Errors
///
/// Why it is none, or that it nests too deep for this thread.
fn answer<O, E: Portable>(
    kind: Kind,
    payload: Payload<'_>,
    retry: Retry,
    decode: impl FnOnce(Payload<'_>) -> Result<O, CodecError>,
) -> Result<Result<O, TaskError<E>>, (CodecError, bool)> {
    let end = catch(|| wire::answer::read(kind, payload, decode))
        .unwrap_or_else(|panic| Ok(Err(TaskError::Decode(Box::new(panicked::<O>(&panic))))));
    match end {
        Ok(Err(TaskError::Decode(error)))
            if retry == Retry::WithMoreStack && ran_out_of_stack() =>
        {
            Err((*error, true))
        }
        Ok(end) => Ok(end),
        Err(error) => Err((error, false)),
    }
}
