//! A view of a pool whose functions get a reference to a context.

use std::fmt;
use std::sync::Arc;

use super::Pool;
use crate::call::{Call, Each};
use crate::context::Context;
use crate::context_fn::{ContextCall, ContextEach, ContextFn, TryContextCall, TryContextEach};
use crate::error::{Never, PoolError, TaskError};
use crate::handle::AsyncResult;
use crate::imap::{Imap, Results};
use crate::task::{ContextValue, FnCall, FnEach, Plain, Portable, Star, Trying, Tuple};

/// A pool with a context, made by [`Pool::with`]: it has the same verbs, and their functions get `&C` before their argument.
/// Clones share the context.
///
/// A worker that is a process gets the context once, with the first task that needs it, and keeps it while the view, a clone
/// of it or a job of it lives. A slice of numbers and a `str` lie in memory once for all workers, see [`ContextValue`]. A context that
/// cannot be encoded or decoded is the error of each task that needs it.
///
/// # Examples
///
/// ```
/// use pool_core::prelude::*;
///
/// fn lookup(pool: &impl Pool, table: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
///     let table = pool.with(table);
///     for length in table.each(|table, index: usize| table[index].len(), 0..3).chunksize(2).imap()? {
///         println!("{}", length?);
///     }
///     println!("{}", table.apply(|table, ()| table.join(", "), ())?);
///     Ok(())
/// }
/// # lookup(&pool_thread::ThreadPool::new(2)?, vec!["a".into(), "b".into(), "c".into()])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WithContext<'p, P, C: ?Sized> {
    pool: &'p P,
    context: Context<C>,
}

impl<P, C: ?Sized> Clone for WithContext<'_, P, C> {
    fn clone(&self) -> Self {
        WithContext {
            pool: self.pool,
            context: self.context.clone(),
        }
    }
}

impl<'p, P: Pool, C: ContextValue + ?Sized> WithContext<'p, P, C> {
    pub(crate) fn new(pool: &'p P, context: Arc<C>) -> Self {
        WithContext {
            pool,
            context: Context::new(context),
        }
    }

    /// The context.
    pub fn context(&self) -> &C {
        self.context.value()
    }

    fn func<F>(&self, func: F) -> ContextFn<F, C> {
        ContextFn::new(func, self.context.clone())
    }

    /// As [`Pool::call`].
    #[track_caller]
    pub fn call<A: Portable, R: Portable>(
        &self,
        func: fn(&C, A) -> R,
        arg: A,
    ) -> Call<'p, P, ContextCall<C, A, R>, R> {
        let func = self.func(Plain(func));
        Call::new(self.pool, FnCall { func, arg })
    }

    /// As [`Pool::try_call`].
    #[track_caller]
    pub fn try_call<A: Portable, R: Portable, E: Portable>(
        &self,
        func: fn(&C, A) -> Result<R, E>,
        arg: A,
    ) -> Call<'p, P, TryContextCall<C, A, R, E>, R, E> {
        let func = self.func(Trying(func));
        Call::new(self.pool, FnCall { func, arg })
    }

    /// As [`Pool::each`].
    #[track_caller]
    pub fn each<A: Portable, R: Portable, I: IntoIterator<Item = A>>(
        &self,
        func: fn(&C, A) -> R,
        items: I,
    ) -> Each<'p, P, ContextEach<C, A, R>, I, R> {
        Each::new(self.pool, FnEach(self.func(Plain(func))), items)
    }

    /// As [`Pool::try_each`].
    #[track_caller]
    pub fn try_each<A: Portable, R: Portable, E: Portable, I: IntoIterator<Item = A>>(
        &self,
        func: fn(&C, A) -> Result<R, E>,
        items: I,
    ) -> Each<'p, P, TryContextEach<C, A, R, E>, I, R, E> {
        Each::new(self.pool, FnEach(self.func(Trying(func))), items)
    }

    /// As [`Pool::try_each_ok`].
    #[track_caller]
    #[expect(clippy::type_complexity, reason = "an alias would say less")]
    pub fn try_each_ok<
        A: Portable,
        R: Portable,
        E: Portable,
        I: IntoIterator<Item = Result<A, E>>,
    >(
        &self,
        func: fn(&C, A) -> Result<R, E>,
        results: I,
    ) -> Each<'p, P, TryContextEach<C, A, R, E>, Results<I>, R, E> {
        Each::new(self.pool, FnEach(self.func(Trying(func))), Results(results))
    }

    /// As [`Pool::starmap`], with the context before the tuple's parts.
    ///
    /// # Errors
    ///
    /// As for [`Pool::starmap`].
    #[track_caller]
    pub fn starmap<A: Tuple + Portable, R: Portable>(
        &self,
        func: A::FnWith<C, R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError> {
        let func = FnEach(self.func(Star(func)));
        Each::<_, _, _, R, Never>::new(self.pool, func, items).wait()
    }
}

/// Python's names: each is the long form and its last method.
macro_rules! short_forms {
    ($($name:ident($func:ty, $input:ident: $input_type:ty) $(<$error:ident>)? = $long:ident.$last:ident -> $output:ty;)+) => {
        impl<P: Pool, C: ContextValue + ?Sized> WithContext<'_, P, C> {$(
            #[doc = concat!("As [`Pool::", stringify!($name), "`].")]
            ///
            /// # Errors
            ///
            #[doc = concat!("As for [`Pool::", stringify!($name), "`].")]
            #[track_caller]
            pub fn $name<A: Portable, R: Portable $(, $error: Portable)?>(
                &self,
                func: $func,
                $input: $input_type,
            ) -> $output {
                self.$long(func, $input).$last()
            }
        )+}
    };
}

short_forms! {
    apply(fn(&C, A) -> R, arg: A) = call.wait -> Result<R, TaskError>;
    apply_async(fn(&C, A) -> R, arg: A) = call.submit -> Result<AsyncResult<R>, PoolError>;
    try_apply(fn(&C, A) -> Result<R, E>, arg: A) <E> = try_call.wait -> Result<R, TaskError<E>>;
    try_apply_async(fn(&C, A) -> Result<R, E>, arg: A) <E> = try_call.submit -> Result<AsyncResult<R, E>, PoolError>;
    map(fn(&C, A) -> R, items: impl IntoIterator<Item = A>) = each.wait -> Result<Vec<R>, TaskError>;
    map_async(fn(&C, A) -> R, items: impl IntoIterator<Item = A>) = each.submit -> Result<AsyncResult<Vec<R>>, PoolError>;
    try_map(fn(&C, A) -> Result<R, E>, items: impl IntoIterator<Item = A>) <E> = try_each.wait -> Result<Vec<R>, TaskError<E>>;
    try_map_async(fn(&C, A) -> Result<R, E>, items: impl IntoIterator<Item = A>) <E>
        = try_each.submit -> Result<AsyncResult<Vec<R>, E>, PoolError>;
    imap(fn(&C, A) -> R, items: impl IntoIterator<Item = A, IntoIter: Send + 'static>) = each.imap -> Result<Imap<R>, PoolError>;
    imap_unordered(fn(&C, A) -> R, items: impl IntoIterator<Item = A, IntoIter: Send + 'static>)
        = each.imap_unordered -> Result<Imap<R>, PoolError>;
    try_imap(fn(&C, A) -> Result<R, E>, items: impl IntoIterator<Item = A, IntoIter: Send + 'static>) <E>
        = try_each.imap -> Result<Imap<R, E>, PoolError>;
    try_imap_unordered(fn(&C, A) -> Result<R, E>, items: impl IntoIterator<Item = A, IntoIter: Send + 'static>) <E>
        = try_each.imap_unordered -> Result<Imap<R, E>, PoolError>;
}

impl<P, C: ?Sized> fmt::Debug for WithContext<'_, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithContext")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
