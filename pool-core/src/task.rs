//! Functions and tasks: what a pool runs, and what of it can be sent to another process.

use std::sync::Arc;

use crate::context::Context;
use crate::error::{CodecError, Never, TaskError};

pub(crate) use crate::value::{ContextValue, Portable};

/// One piece of work for a worker: it runs once and yields a value or an error.
///
/// Anyone may implement it; [`FnCall`] and [`Once`] are what the methods of a pool make of a function
/// and its argument. It need not be `'static`: a call that blocks may borrow from the caller's stack.
pub trait Task {
    /// What the task yields.
    type Out;
    /// The error that it returns ([`Never`] when it returns none). In Python: a raised exception.
    type Raised;
    /// Does the work.
    ///
    /// # Errors
    ///
    /// The task's own error, which arrives at the caller as [`TaskError::Raised`].
    fn run(self) -> Result<Self::Out, Self::Raised>;

    /// Whether some of its errors are picked to be tried again.
    #[doc(hidden)]
    const RETRIES: bool = false;

    /// The same task, to be run after this one.
    #[doc(hidden)]
    fn copy(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Whether it is to be run again after this error.
    #[doc(hidden)]
    fn picks(&self, _error: &Self::Raised) -> bool {
        false
    }
}

/// A function that many workers may call at once. The type says whether a returned `Result` is a value or may be an error.
pub trait Func<A> {
    /// What a call yields.
    type Out;
    /// The error that it returns.
    type Raised;
    /// Calls it.
    ///
    /// # Errors
    ///
    /// The function's own error, where its return value is read as a `Result`.
    fn call(&self, arg: A) -> Result<Self::Out, Self::Raised>;

    /// Whether errors are values: then each item of an `imap` succeeds or fails on its own.
    #[doc(hidden)]
    const SETTLES: bool = false;

    /// The error that is in this value.
    #[doc(hidden)]
    fn error_in(_out: &Self::Out) -> Option<TaskError<String>> {
        None
    }

    /// The value in place of one that cannot be encoded.
    #[doc(hidden)]
    fn not_encoded(_error: CodecError) -> Option<Self::Out> {
        None
    }

    /// Whether some of its errors are picked to be tried again.
    #[doc(hidden)]
    const RETRIES: bool = false;

    /// The same function and the same argument, for the next call.
    #[doc(hidden)]
    fn copy(&self, _arg: &A) -> Option<(Self, A)>
    where
        Self: Sized,
    {
        None
    }

    /// The same argument, for the next call.
    #[doc(hidden)]
    fn copy_arg(&self, _arg: &A) -> Option<A> {
        None
    }

    /// Whether it is to be called again after this end.
    #[doc(hidden)]
    fn picks(&self, _end: Result<&Self::Out, &Self::Raised>) -> bool {
        false
    }

    /// Tells the error that is in this value how often the function was called.
    #[doc(hidden)]
    fn tell_attempts(_out: &mut Self::Out, _attempts: u32) {}
}

/// A function whose return value is a plain value, also when it is a `Result`.
#[derive(Debug, Clone, Copy)]
pub struct Plain<F>(pub F);

/// A function whose `Err` is the task's error: the `try_` forms.
#[derive(Debug, Clone, Copy)]
pub struct Trying<F>(pub F);

/// A function of 2 to 6 arguments that gets them as one tuple: `starmap`.
#[derive(Debug, Clone, Copy)]
pub struct Star<F>(pub F);

/// [`Star`], whose `Err` is the task's error.
#[derive(Debug, Clone, Copy)]
pub struct TryStar<F>(pub F);

impl<A, R, F: Fn(A) -> R> Func<A> for Plain<F> {
    type Out = R;
    type Raised = Never;
    fn call(&self, arg: A) -> Result<R, Never> {
        Ok((self.0)(arg))
    }
}

impl<A, R, E, F: Fn(A) -> Result<R, E>> Func<A> for Trying<F> {
    type Out = R;
    type Raised = E;
    fn call(&self, arg: A) -> Result<R, E> {
        (self.0)(arg)
    }
}

impl<A, F: StarFn<A>> Func<A> for Star<F> {
    type Out = F::Out;
    type Raised = Never;
    fn call(&self, arg: A) -> Result<F::Out, Never> {
        Ok(self.0.call_star(arg))
    }
}

impl<A, R, E, F: StarFn<A, Out = Result<R, E>>> Func<A> for TryStar<F> {
    type Out = R;
    type Raised = E;
    fn call(&self, arg: A) -> Result<R, E> {
        self.0.call_star(arg)
    }
}

/// A shared function, whatever it captures.
impl<A, F: Func<A>> Func<A> for Arc<F> {
    type Out = F::Out;
    type Raised = F::Raised;
    fn call(&self, arg: A) -> Result<F::Out, F::Raised> {
        (**self).call(arg)
    }

    const RETRIES: bool = F::RETRIES;

    fn copy(&self, arg: &A) -> Option<(Self, A)> {
        Some((self.clone(), self.copy_arg(arg)?))
    }

    fn copy_arg(&self, arg: &A) -> Option<A> {
        (**self).copy_arg(arg)
    }

    fn picks(&self, end: Result<&F::Out, &F::Raised>) -> bool {
        (**self).picks(end)
    }
}

/// The task that calls a shared function with one argument.
#[derive(Debug, Clone, Copy)]
pub struct FnCall<F, A> {
    /// The function.
    pub func: F,
    /// Its argument.
    pub arg: A,
}

impl<A, F: Func<A>> Task for FnCall<F, A> {
    type Out = F::Out;
    type Raised = F::Raised;
    fn run(self) -> Result<F::Out, F::Raised> {
        self.func.call(self.arg)
    }

    const RETRIES: bool = F::RETRIES;

    fn copy(&self) -> Option<Self> {
        let (func, arg) = self.func.copy(&self.arg)?;
        Some(FnCall { func, arg })
    }

    fn picks(&self, error: &F::Raised) -> bool {
        self.func.picks(Err(error))
    }
}

/// A function that is called for each item of a map or imap.
#[derive(Debug, Clone, Copy)]
pub struct FnEach<F>(pub F);

/// What [`Pool::call`](crate::Pool::call) submits.
pub type PlainCall<A, R> = FnCall<Plain<fn(A) -> R>, A>;

/// What [`Pool::try_call`](crate::Pool::try_call) submits.
pub type TryCall<A, R, E> = FnCall<Trying<fn(A) -> Result<R, E>>, A>;

/// What [`Pool::each`](crate::Pool::each) submits.
pub type PlainEach<A, R> = FnEach<Plain<fn(A) -> R>>;

/// What [`Pool::try_each`](crate::Pool::try_each) submits.
pub type TryEach<A, R, E> = FnEach<Trying<fn(A) -> Result<R, E>>>;

/// The task that calls a function which can be called once only.
#[derive(Debug, Clone, Copy)]
pub struct Once<F, A> {
    /// The function.
    pub func: F,
    /// Its argument.
    pub arg: A,
}

impl<A, R, F: FnOnce(A) -> R> Task for Once<F, A> {
    type Out = R;
    type Raised = Never;
    fn run(self) -> Result<R, Never> {
        Ok((self.func)(self.arg))
    }
}

/// [`Once`], whose `Err` is the task's error.
#[derive(Debug, Clone, Copy)]
pub struct TryOnce<F, A> {
    /// The function.
    pub func: F,
    /// Its argument.
    pub arg: A,
}

impl<A, R, E, F: FnOnce(A) -> Result<R, E>> Task for TryOnce<F, A> {
    type Out = R;
    type Raised = E;
    fn run(self) -> Result<R, E> {
        (self.func)(self.arg)
    }
}

/// A plain function pointer, which means the same in every process that runs this very program.
///
/// # Safety
///
/// `from_address(f.address())` must give back `f`.
pub unsafe trait FnAddress: Copy + Send + Sync + 'static {
    /// Where its code lies in this process.
    fn address(self) -> usize;

    /// The function at an address.
    ///
    /// # Safety
    ///
    /// The address must be that of a function of exactly this type in this process.
    unsafe fn from_address(address: usize) -> Self;
}

/// A plain function pointer whose first argument is a reference to a context.
///
/// # Safety
///
/// As for [`FnAddress`].
pub unsafe trait ContextFnPtr: Copy + Send + Sync + 'static {
    /// Where its code lies in this process.
    fn context_fn_address(self) -> usize;

    /// The function at an address.
    ///
    /// # Safety
    ///
    /// The address must be that of a function of exactly this type in this process.
    unsafe fn from_context_fn_address(address: usize) -> Self;
}

/// A function pointer that takes a context first, as a [`FnAddress`].
#[derive(Debug, Clone, Copy)]
pub struct ContextPtr<P>(pub P);

/// A function that every backend can run: a function pointer as [`Plain`], [`Trying`], [`Star`] or [`TryStar`], or one of
/// these with a context.
pub trait PortableFn<A>:
    Func<A, Out: Portable, Raised: Portable> + Clone + Send + Sync + 'static
{
    /// The pointer's type.
    type Pointer: FnAddress;
    /// What each call gets a reference to; `()` where it is nothing.
    type Context: ContextValue + ?Sized;
    /// The pointer inside.
    fn pointer(&self) -> Self::Pointer;
    /// The context that is sent beside the pointer, if there is one.
    fn context(&self) -> Option<&Context<Self::Context>>;
    /// The function around a pointer; `context` is asked where there is one.
    ///
    /// # Errors
    ///
    /// That of `context`.
    fn assemble<E>(
        pointer: Self::Pointer,
        context: impl FnOnce() -> Result<Context<Self::Context>, E>,
    ) -> Result<Self, E>;
}

macro_rules! portable_fn {
    ($($wrapper:ident)+) => {$(
        impl<A, P: FnAddress> PortableFn<A> for $wrapper<P>
        where
            $wrapper<P>: Func<A, Out: Portable, Raised: Portable>,
        {
            type Pointer = P;
            type Context = ();
            fn pointer(&self) -> P {
                self.0
            }
            fn context(&self) -> Option<&Context<()>> {
                None
            }
            fn assemble<E>(
                pointer: P,
                _: impl FnOnce() -> Result<Context<()>, E>,
            ) -> Result<Self, E> {
                Ok($wrapper(pointer))
            }
        }
    )+};
}

portable_fn!(Plain Trying Star TryStar);

/// A function whose arguments come as one tuple `A`.
#[diagnostic::on_unimplemented(
    message = "this function does not take the parts of `{A}` as its arguments",
    note = "`starmap` unpacks tuples of 2 to 6 parts"
)]
pub trait StarFn<A> {
    /// What it returns.
    type Out;
    /// Calls it with the tuple's parts.
    fn call_star(&self, args: A) -> Self::Out;
}

/// A function whose arguments are a reference to a context and the parts of a tuple `A`.
#[diagnostic::on_unimplemented(
    message = "this function does not take `&{C}` and the parts of `{A}` as its arguments",
    note = "`with(context).starmap` passes `&context` and unpacks tuples of 2 to 6 parts"
)]
pub trait StarFnWith<C: ?Sized, A> {
    /// What it returns.
    type Out;
    /// Calls it with the context and the tuple's parts.
    fn call_star_with(&self, context: &C, args: A) -> Self::Out;
}

/// A tuple of 2 to 6 parts, and the type of the function pointers that take them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tuple of 2 to 6 parts",
    note = "`starmap` unpacks tuples; `map` takes any item"
)]
pub trait Tuple: Sized {
    /// `fn(A, B, ..) -> R`.
    type Fn<R: 'static>: StarFn<Self, Out = R> + FnAddress
    where
        Self: 'static;

    /// `fn(&C, A, B, ..) -> R`.
    type FnWith<C: ?Sized + 'static, R: 'static>: StarFnWith<C, Self, Out = R> + ContextFnPtr
    where
        Self: 'static;
}

mod pointers {
    //! Function pointers become addresses, and addresses function pointers, here and nowhere else.
    //!
    //! # Safety
    //!
    //! On every platform of the crates a `fn` pointer has the size of `usize` and no other content;
    //! the caller of `from_address` vouches for the type.
    #![expect(unsafe_code, reason = "addresses of functions become functions again")]

    use super::{ContextFnPtr, ContextPtr, FnAddress, StarFn, StarFnWith, Tuple};

    macro_rules! pointer {
        ($($part:ident $arg:ident),+) => {
            // SAFETY: both directions copy the pointer's bits unchanged.
            unsafe impl<$($part: 'static,)+ R: 'static> FnAddress for fn($($part),+) -> R {
                fn address(self) -> usize {
                    self as usize
                }
                unsafe fn from_address(address: usize) -> Self {
                    // SAFETY: the caller vouches that a function of this type lies there; sizes are equal.
                    unsafe { std::mem::transmute::<usize, Self>(address) }
                }
            }

            // SAFETY: both directions copy the pointer's bits unchanged.
            unsafe impl<X: ?Sized + 'static, $($part: 'static,)+ R: 'static> ContextFnPtr
                for for<'x> fn(&'x X, $($part),+) -> R
            {
                fn context_fn_address(self) -> usize {
                    self as usize
                }
                unsafe fn from_context_fn_address(address: usize) -> Self {
                    // SAFETY: the caller vouches that a function of this type lies there; sizes are equal.
                    unsafe { std::mem::transmute::<usize, Self>(address) }
                }
            }
        };
    }

    // SAFETY: handed on, both ways.
    unsafe impl<P: ContextFnPtr> FnAddress for ContextPtr<P> {
        fn address(self) -> usize {
            self.0.context_fn_address()
        }
        unsafe fn from_address(address: usize) -> Self {
            // SAFETY: the caller's promise.
            ContextPtr(unsafe { P::from_context_fn_address(address) })
        }
    }

    macro_rules! tuple {
        ($($part:ident $arg:ident),+) => {
            pointer!($($part $arg),+);

            impl<$($part,)+ R, F: Fn($($part),+) -> R> StarFn<($($part,)+)> for F {
                type Out = R;
                fn call_star(&self, ($($arg,)+): ($($part,)+)) -> R {
                    self($($arg),+)
                }
            }

            impl<$($part),+> Tuple for ($($part,)+) {
                type Fn<R: 'static> = fn($($part),+) -> R where Self: 'static;
                type FnWith<X: ?Sized + 'static, R: 'static>
                    = for<'x> fn(&'x X, $($part),+) -> R
                where
                    Self: 'static;
            }

            impl<X: ?Sized, $($part,)+ R, F: Fn(&X, $($part),+) -> R> StarFnWith<X, ($($part,)+)> for F {
                type Out = R;
                fn call_star_with(&self, context: &X, ($($arg,)+): ($($part,)+)) -> R {
                    self(context, $($arg),+)
                }
            }
        };
    }
    pointer!(A a);
    tuple!(A a, B b);
    tuple!(A a, B b, C c);
    tuple!(A a, B b, C c, D d);
    tuple!(A a, B b, C c, D d, E e);
    tuple!(A a, B b, C c, D d, E e, G g);
}
