//! A function some of whose errors are picked to be tried again.

use std::fmt;
use std::sync::Arc;

use crate::context::Context;
use crate::panics;
use crate::task::{FnCall, FnEach, Func, PortableFn, Task, TryOnce};

/// Says of an error whether the task is tried again.
pub type Pick<E> = Arc<dyn Fn(&E) -> bool + Send + Sync>;

/// Work whose function may be called again: what [`retry_if`](crate::Call::retry_if) makes of it.
#[diagnostic::on_unimplemented(
    message = "this call cannot be tried again after an error",
    note = "`retry_if` is for the `try_` forms, whose function and argument are `Clone`"
)]
pub trait RetryIf {
    /// The same work, with the errors that are picked.
    type Retrying<E>;
    /// The same work, which is tried again after the errors that this picks.
    fn retry_if<E>(self, pick: Pick<E>) -> Self::Retrying<E>;
}

impl<F, A: Clone> RetryIf for FnCall<F, A> {
    type Retrying<E> = FnCall<Retrying<F, E>, A>;
    fn retry_if<E>(self, pick: Pick<E>) -> Self::Retrying<E> {
        FnCall {
            func: Retrying::new(self.func, pick),
            arg: self.arg,
        }
    }
}

impl<F> RetryIf for FnEach<F> {
    type Retrying<E> = FnEach<Retrying<F, E>>;
    fn retry_if<E>(self, pick: Pick<E>) -> Self::Retrying<E> {
        FnEach(Retrying::new(self.0, pick))
    }
}

/// A closure that can be called once, and its argument, which are cloned for each call but the last.
pub struct OnceAgain<F, A, E> {
    /// The call.
    pub call: TryOnce<F, A>,
    pick: Pick<E>,
}

impl<F: Clone, A: Clone> RetryIf for TryOnce<F, A> {
    type Retrying<E> = OnceAgain<F, A, E>;
    fn retry_if<E>(self, pick: Pick<E>) -> Self::Retrying<E> {
        OnceAgain { call: self, pick }
    }
}

impl<A: Clone, R, E, F: FnOnce(A) -> Result<R, E> + Clone> Task for OnceAgain<F, A, E> {
    type Out = R;
    type Raised = E;

    fn run(self) -> Result<R, E> {
        self.call.run()
    }

    const RETRIES: bool = true;

    fn copy(&self) -> Option<Self> {
        Some(OnceAgain {
            call: self.call.clone(),
            pick: self.pick.clone(),
        })
    }

    fn picks(&self, error: &E) -> bool {
        picks(&self.pick, error)
    }
}

impl<F, A, E> fmt::Debug for OnceAgain<F, A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceAgain").finish_non_exhaustive()
    }
}

/// One that panics picks nothing.
fn picks<E>(pick: &Pick<E>, error: &E) -> bool {
    panics::catch(|| pick(error)).unwrap_or(false)
}

/// A function that is called again after some of its errors.
pub struct Retrying<F, E> {
    func: F,
    /// A worker process has none: the pool's own process picks.
    pick: Option<Pick<E>>,
}

impl<F, E> Retrying<F, E> {
    /// This function, which is called again after the errors that this picks.
    pub fn new(func: F, pick: Pick<E>) -> Self {
        Retrying {
            func,
            pick: Some(pick),
        }
    }
}

impl<F: Clone, E> Clone for Retrying<F, E> {
    fn clone(&self) -> Self {
        Retrying {
            func: self.func.clone(),
            pick: self.pick.clone(),
        }
    }
}

impl<F, E> fmt::Debug for Retrying<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").finish_non_exhaustive()
    }
}

impl<A: Clone, E, F: Func<A, Raised = E> + Clone> Func<A> for Retrying<F, E> {
    type Out = F::Out;
    type Raised = E;

    fn call(&self, arg: A) -> Result<F::Out, E> {
        self.func.call(arg)
    }

    const RETRIES: bool = true;

    fn copy(&self, arg: &A) -> Option<(Self, A)> {
        Some((self.clone(), arg.clone()))
    }

    fn copy_arg(&self, arg: &A) -> Option<A> {
        Some(arg.clone())
    }

    fn picks(&self, end: Result<&F::Out, &E>) -> bool {
        match (end, &self.pick) {
            (Err(error), Some(pick)) => picks(pick, error),
            _ => false,
        }
    }
}

impl<A: Clone, E, F: PortableFn<A, Raised = E>> PortableFn<A> for Retrying<F, E>
where
    Retrying<F, E>: Func<A, Out = F::Out, Raised = E>,
    E: crate::value::Portable,
{
    type Pointer = F::Pointer;
    type Context = F::Context;

    fn pointer(&self) -> F::Pointer {
        self.func.pointer()
    }

    fn context(&self) -> Option<&Context<F::Context>> {
        self.func.context()
    }

    fn assemble<X>(
        pointer: F::Pointer,
        context: impl FnOnce() -> Result<Context<F::Context>, X>,
    ) -> Result<Self, X> {
        let func = F::assemble(pointer, context)?;
        Ok(Retrying { func, pick: None })
    }
}
