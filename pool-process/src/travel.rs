//! A job as the pool's side of a worker sees it: something that is encoded, and completed from bytes.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use pool_core::{
    Address, Batch, Call, Cell, CodecError, Erased, Failure, FnPtr, Job, Panic, Portable, Single,
    Unit, catch,
};

use serde::Serialize;

use crate::codec;
use crate::errand::{self, Errand, Many, One, Shape};
use crate::image::{Refused, TOKEN};
use crate::symbols;
use crate::wire::Kind;

/// A job that can travel to a worker process: the cells of calls and of maps.
pub(crate) trait Travel: Send + Sync {
    /// The job as the queue sees it.
    fn as_job(&self) -> &dyn Job<dyn Travel>;

    /// What the unit's function is lent: a worker must have got it before the unit.
    fn context(&self, unit: &Unit) -> Option<Lending>;

    /// A unit's name for people: its function, where that is known, its items, and where it was submitted.
    fn describe(&self, unit: &Unit) -> String;

    /// Appends the payload of a task frame for one unit.
    fn encode(&self, unit: &Unit, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Ends a unit with what its worker answered.
    ///
    /// # Errors
    ///
    /// The answer is none; the unit comes back.
    fn complete(&self, unit: Unit, kind: Kind, payload: &[u8]) -> Result<(), (Unit, CodecError)>;

    /// Ends a unit without a value.
    fn fail(&self, unit: Unit, failure: Failure);
}

/// A context on its way to a worker.
#[derive(Debug)]
pub(crate) struct Lending {
    pub(crate) number: u64,
    pub(crate) bytes: Result<Arc<[u8]>, CodecError>,
}

impl fmt::Debug for dyn Travel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Travel")
            .field("units", &self.job().units())
            .finish_non_exhaustive()
    }
}

impl Erased for dyn Travel {
    fn job(&self) -> &dyn Job<dyn Travel> {
        self.as_job()
    }
}

impl<A: Portable, F: Errand<A>> Travel for Cell<dyn Travel, Single<Call<F, A>>> {
    fn as_job(&self) -> &dyn Job<dyn Travel> {
        self
    }

    fn describe(&self, unit: &Unit) -> String {
        let function = self.inputs(unit).and_then(|call| name::<A, F>(&call.func));
        Job::describe(self, unit, function.as_deref())
    }

    fn context(&self, unit: &Unit) -> Option<Lending> {
        lending(&self.inputs(unit)?.func)
    }

    fn encode(&self, unit: &Unit, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self.inputs(unit) {
            Some(call) => payload::<One, A, F, A>(&call.func, &call.arg, out),
            None => Ok(()),
        }
    }

    fn complete(&self, unit: Unit, kind: Kind, payload: &[u8]) -> Result<(), (Unit, CodecError)> {
        match answer(kind, payload) {
            Ok(end) => self.finish(unit, end),
            Err(error) => return Err((unit, error)),
        }
        Ok(())
    }

    fn fail(&self, unit: Unit, failure: Failure) {
        self.finish(unit, Err(failure.widen()));
    }
}

impl<A: Portable, F: Errand<A>> Travel for Cell<dyn Travel, Batch<F, A>> {
    fn as_job(&self) -> &dyn Job<dyn Travel> {
        self
    }

    fn describe(&self, unit: &Unit) -> String {
        let (func, _) = self.inputs(unit);
        Job::describe(self, unit, name::<A, F>(func).as_deref())
    }

    fn context(&self, unit: &Unit) -> Option<Lending> {
        lending(self.inputs(unit).0)
    }

    fn encode(&self, unit: &Unit, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let (func, items) = self.inputs(unit);
        payload::<Many, A, F, [A]>(func, items, out)
    }

    fn complete(&self, unit: Unit, kind: Kind, payload: &[u8]) -> Result<(), (Unit, CodecError)> {
        match answer(kind, payload) {
            Ok(end) => self.finish(unit, end),
            Err(error) => return Err((unit, error)),
        }
        Ok(())
    }

    fn fail(&self, unit: Unit, failure: Failure) {
        self.finish(unit, Err(failure.widen()));
    }
}

/// What a function is lent, encoded once; its own `Serialize` may refuse, or panic.
fn lending<A, F: FnPtr<A>>(func: &F) -> Option<Lending> {
    let context = func.context()?;
    let encode = |value: &F::Context| {
        let mut bytes = Vec::new();
        let encoded = catch(|| codec::encode(value, &mut bytes));
        encoded.unwrap_or_else(|panic| Err(panicked::<F::Context>(&panic)))?;
        Ok(bytes)
    };
    Some(Lending {
        number: context.number(),
        bytes: context.encoded(encode),
    })
}

/// What a function is called in the program's text.
fn name<A, F: FnPtr<A>>(func: &F) -> Option<String> {
    symbols::name(func.pointer().address())
}

/// Code, context and argument; the argument's own `Serialize` may refuse, or panic.
pub(crate) fn payload<S: Shape<A, F>, A, F: FnPtr<A>, I: Serialize + ?Sized>(
    func: &F,
    input: &I,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let refused = |refused: Refused| CodecError {
        type_name: type_name::<F::Pointer>().to_owned(),
        reason: refused.to_string(),
    };
    let encoded = catch(|| {
        out.extend_from_slice(&errand::token::<S, A, F>(func).map_err(refused)?.to_bytes());
        if let Some(context) = func.context() {
            out.extend_from_slice(&context.number().to_le_bytes());
        }
        codec::encode(input, out)
    });
    encoded.unwrap_or_else(|panic| Err(panicked::<I>(&panic)))
}

/// What a worker's frame means; the value's own `Deserialize` may panic.
fn answer<O: Portable, E: Portable>(
    kind: Kind,
    payload: &[u8],
) -> Result<Result<O, Failure<E>>, CodecError> {
    catch(|| errand::answer(kind, payload))
        .unwrap_or_else(|panic| Ok(Err(Failure::Decode(Box::new(panicked::<O>(&panic))))))
}

fn panicked<T: ?Sized>(panic: &Panic) -> CodecError {
    CodecError {
        type_name: type_name::<T>().to_owned(),
        reason: format!("it panicked: {}", panic.message),
    }
}

/// Code and argument of a task frame, taken apart again.
pub(crate) fn open(payload: &[u8]) -> Option<(crate::image::Token, &[u8])> {
    let (token, argument) = payload.split_first_chunk::<TOKEN>()?;
    Some((crate::image::Token::from_bytes(*token), argument))
}
