//! A function with a context: what the `*_with` methods make of their arguments.

use crate::common::Context;
use crate::failure::Never;
use crate::task::{FnPtr, Func, Lent, LentFn, Plain, Portable, Star, StarFnWith, TryStar, Trying};

/// A function that is lent a context with each call.
#[derive(Debug)]
pub struct With<F, C> {
    func: F,
    context: Context<C>,
}

impl<F, C> With<F, C> {
    /// `func`, to be lent `context`.
    pub fn new(func: F, context: C) -> Self {
        With {
            func,
            context: Context::new(context),
        }
    }
}

impl<F: Clone, C> Clone for With<F, C> {
    fn clone(&self) -> Self {
        With {
            func: self.func.clone(),
            context: self.context.clone(),
        }
    }
}

impl<C, A, R, F: Fn(&C, A) -> R> Func<A> for With<Plain<F>, C> {
    type Out = R;
    type Raised = Never;
    fn call(&self, arg: A) -> Result<R, Never> {
        Ok((self.func.0)(self.context.value(), arg))
    }
}

impl<C, A, R, E, F: Fn(&C, A) -> Result<R, E>> Func<A> for With<Trying<F>, C> {
    type Out = R;
    type Raised = E;
    fn call(&self, arg: A) -> Result<R, E> {
        (self.func.0)(self.context.value(), arg)
    }
}

impl<C, A, F: StarFnWith<C, A>> Func<A> for With<Star<F>, C> {
    type Out = F::Out;
    type Raised = Never;
    fn call(&self, arg: A) -> Result<F::Out, Never> {
        Ok(self.func.0.call_star_with(self.context.value(), arg))
    }
}

impl<C, A, R, E, F: StarFnWith<C, A, Out = Result<R, E>>> Func<A> for With<TryStar<F>, C> {
    type Out = R;
    type Raised = E;
    fn call(&self, arg: A) -> Result<R, E> {
        self.func.0.call_star_with(self.context.value(), arg)
    }
}

macro_rules! fn_ptr {
    ($($wrapper:ident)+) => {$(
        impl<A, P: LentFn, C: Portable + Sync> FnPtr<A> for With<$wrapper<P>, C>
        where
            With<$wrapper<P>, C>: Func<A>,
        {
            type Pointer = Lent<P>;
            type Context = C;
            fn pointer(&self) -> Lent<P> {
                Lent(self.func.0)
            }
            fn context(&self) -> Option<&Context<C>> {
                Some(&self.context)
            }
            fn assemble<E>(
                pointer: Lent<P>,
                context: impl FnOnce() -> Result<Context<C>, E>,
            ) -> Result<Self, E> {
                Ok(With {
                    func: $wrapper(pointer.0),
                    context: context()?,
                })
            }
        }
    )+};
}

fn_ptr!(Plain Trying Star TryStar);
