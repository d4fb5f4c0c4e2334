//! A function with a context.

use crate::context::Context;
use crate::error::Never;
use crate::task::{
    ContextFnPtr, ContextPtr, ContextValue, FnCall, FnEach, Func, Plain, Portable, PortableFn,
    Star, StarFnWith, TryStar, Trying,
};

/// A function that gets a reference to a context with each call.
#[derive(Debug)]
pub struct ContextFn<F, C: ?Sized> {
    func: F,
    context: Context<C>,
}

/// What `call` submits where there is a context.
pub type ContextCall<C, A, R> = FnCall<ContextFn<Plain<fn(&C, A) -> R>, C>, A>;

/// What `try_call` submits where there is a context.
pub type TryContextCall<C, A, R, E> = FnCall<ContextFn<Trying<fn(&C, A) -> Result<R, E>>, C>, A>;

/// What `each` submits where there is a context.
pub type ContextEach<C, A, R> = FnEach<ContextFn<Plain<fn(&C, A) -> R>, C>>;

/// What `try_each` submits where there is a context.
pub type TryContextEach<C, A, R, E> = FnEach<ContextFn<Trying<fn(&C, A) -> Result<R, E>>, C>>;

impl<F, C: ?Sized> ContextFn<F, C> {
    pub(crate) fn new(func: F, context: Context<C>) -> Self {
        ContextFn { func, context }
    }
}

impl<F: Clone, C: ?Sized> Clone for ContextFn<F, C> {
    fn clone(&self) -> Self {
        ContextFn {
            func: self.func.clone(),
            context: self.context.clone(),
        }
    }
}

impl<C: ?Sized, A, R, F: Fn(&C, A) -> R> Func<A> for ContextFn<Plain<F>, C> {
    type Out = R;
    type Raised = Never;
    fn call(&self, arg: A) -> Result<R, Never> {
        Ok((self.func.0)(self.context.value(), arg))
    }
}

impl<C: ?Sized, A, R, E, F: Fn(&C, A) -> Result<R, E>> Func<A> for ContextFn<Trying<F>, C> {
    type Out = R;
    type Raised = E;
    fn call(&self, arg: A) -> Result<R, E> {
        (self.func.0)(self.context.value(), arg)
    }
}

impl<C: ?Sized, A, F: StarFnWith<C, A>> Func<A> for ContextFn<Star<F>, C> {
    type Out = F::Out;
    type Raised = Never;
    fn call(&self, arg: A) -> Result<F::Out, Never> {
        Ok(self.func.0.call_star_with(self.context.value(), arg))
    }
}

impl<C: ?Sized, A, R, E, F: StarFnWith<C, A, Out = Result<R, E>>> Func<A>
    for ContextFn<TryStar<F>, C>
{
    type Out = R;
    type Raised = E;
    fn call(&self, arg: A) -> Result<R, E> {
        self.func.0.call_star_with(self.context.value(), arg)
    }
}

macro_rules! portable_fn {
    ($($wrapper:ident)+) => {$(
        impl<A, P: ContextFnPtr, C: ContextValue + ?Sized> PortableFn<A> for ContextFn<$wrapper<P>, C>
        where
            ContextFn<$wrapper<P>, C>: Func<A, Out: Portable, Raised: Portable>,
        {
            type Pointer = ContextPtr<P>;
            type Context = C;
            fn pointer(&self) -> ContextPtr<P> {
                ContextPtr(self.func.0)
            }
            fn context(&self) -> Option<&Context<C>> {
                Some(&self.context)
            }
            fn assemble<E>(
                pointer: ContextPtr<P>,
                context: impl FnOnce() -> Result<Context<C>, E>,
            ) -> Result<Self, E> {
                Ok(ContextFn {
                    func: $wrapper(pointer.0),
                    context: context()?,
                })
            }
        }
    )+};
}

portable_fn!(Plain Trying Star TryStar);
