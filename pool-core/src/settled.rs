//! Each item of an `imap` succeeds or fails on its own: a function whose errors, panics too, are values.

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::{CodecError, Never, Panic, TaskError};
use crate::panics;
use crate::stats::in_words_of;
use crate::task::{Func, Portable, PortableFn};

/// A function whose errors, panics too, are values of its items.
#[derive(Debug, Clone, Copy)]
pub struct Settled<F>(pub F);

/// The result of one item, in a form that can be sent to another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ItemResult<R, E>(Outcome<R, E>);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Outcome<R, E> {
    Value(R),
    Raised(E, u32),
    Panicked(Box<Panic>),
    NotEncoded(Box<CodecError>),
}

impl<R, E> ItemResult<R, E> {
    /// The value of this item, or why there is none.
    pub(crate) fn into_result(self, item: usize) -> Result<R, TaskError<E>> {
        let error = match self.0 {
            Outcome::Value(value) => return Ok(value),
            Outcome::Raised(error, attempts) => TaskError::raised(error).with_attempts(attempts),
            Outcome::Panicked(panic) => TaskError::Panicked(panic),
            Outcome::NotEncoded(error) => TaskError::Encode(error),
        };
        Err(error.at_item(item))
    }
}

impl<A, F: Func<A, Raised: 'static>> Func<A> for Settled<F> {
    type Out = ItemResult<F::Out, F::Raised>;
    type Raised = Never;

    const SETTLES: bool = true;

    fn error_in(out: &Self::Out) -> Option<TaskError<String>> {
        Some(match &out.0 {
            Outcome::Value(_) => return None,
            Outcome::Raised(error, _) => in_words_of(TaskError::raised(error)),
            Outcome::Panicked(panic) => TaskError::Panicked(panic.clone()),
            Outcome::NotEncoded(error) => TaskError::Encode(error.clone()),
        })
    }

    fn not_encoded(error: CodecError) -> Option<Self::Out> {
        Some(ItemResult(Outcome::NotEncoded(Box::new(error))))
    }

    fn call(&self, arg: A) -> Result<Self::Out, Never> {
        Ok(ItemResult(match panics::catch(|| self.0.call(arg)) {
            Ok(Ok(value)) => Outcome::Value(value),
            Ok(Err(raised)) => Outcome::Raised(raised, 1),
            Err(panic) => Outcome::Panicked(Box::new(panic)),
        }))
    }

    const RETRIES: bool = F::RETRIES;

    fn copy_arg(&self, arg: &A) -> Option<A> {
        self.0.copy_arg(arg)
    }

    fn picks(&self, end: Result<&Self::Out, &Never>) -> bool {
        match end {
            Ok(ItemResult(Outcome::Raised(error, _))) => self.0.picks(Err(error)),
            _ => false,
        }
    }

    fn tell_attempts(out: &mut Self::Out, attempts: u32) {
        if let Outcome::Raised(_, told) = &mut out.0 {
            *told = attempts;
        }
    }
}

impl<A, F: PortableFn<A>> PortableFn<A> for Settled<F>
where
    ItemResult<F::Out, F::Raised>: Portable,
{
    type Pointer = F::Pointer;
    type Context = F::Context;

    fn pointer(&self) -> F::Pointer {
        self.0.pointer()
    }

    fn context(&self) -> Option<&Context<F::Context>> {
        self.0.context()
    }

    fn assemble<X>(
        pointer: F::Pointer,
        context: impl FnOnce() -> Result<Context<F::Context>, X>,
    ) -> Result<Self, X> {
        F::assemble(pointer, context).map(Settled)
    }
}
