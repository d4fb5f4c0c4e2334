//! Values that can go from one process to another.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

/// A value that can go from one process to another: one that serde can write and read, and that owns its data.
///
/// A reference is not: a function takes a `String` and not a `&str`, and fails with a `String` and not a `&'static str`.
/// The compiler then says that "implementation of `Deserialize` is not general enough".
///
/// Nor is a `Result` whose error serde cannot write: the compiler then says that "the trait bound `std::io::Error: Serialize` is not
/// satisfied". Call such a function by a `try_` form, and let its error be a [`Report`](crate::Report).
///
/// # Examples
///
/// ```
/// use pool_core::prelude::*;
///
/// fn lengths(pool: &impl Pool, words: &[&str]) -> Result<Vec<usize>, TaskError> {
///     pool.map(|word: String| word.len(), words.iter().map(ToString::to_string))
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between processes",
    note = "arguments, results, errors and contexts need `serde::Serialize`, `serde::de::DeserializeOwned`, `Send` and `'static`",
    note = "use owned data: `String` for `&str`, `Vec<T>` for `&[T]`",
    note = "for an error without them, call by a `try_` form and let the function return `Result<_, Report>`: `?` makes the `Report`"
)]
pub trait Portable: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Portable for T {}

/// A value that calls get a reference to as their context: any [`Portable`] value that threads may share, a slice of plain numbers, or a
/// `str`. The last two are kept behind an `Arc`, as `Arc<[f64]>`; worker processes have them in memory once.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use pool_core::prelude::*;
///
/// fn picked(pool: &impl Pool, table: Vec<f64>) -> Result<Vec<f64>, TaskError> {
///     let table: Arc<[f64]> = table.into();
///     pool.with_arc(table).map(|table, index: usize| table[index], [2, 0])
/// }
/// # assert_eq!(picked(&pool_thread::ThreadPool::new(2)?, vec![0.5, 1.0, 1.5])?, [1.5, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the context of tasks in other processes",
    note = "a context needs `serde::Serialize`, `serde::de::DeserializeOwned`, `Send`, `Sync` and `'static`; or it is a slice of \
            numbers or a `str`",
    note = "use owned data: `String` for `&str`, `Vec<T>` for `&[T]`"
)]
pub trait ContextValue: Send + Sync + 'static {
    /// The value as it travels by encoding.
    #[doc(hidden)]
    type Owned: Portable + Sync;

    /// The value, if that is what travels.
    #[doc(hidden)]
    fn owned(&self) -> Option<&Self::Owned>;

    /// The value that has travelled.
    #[doc(hidden)]
    fn share(owned: Self::Owned) -> Arc<Self>;
}

impl<T: Portable + Sync> ContextValue for T {
    type Owned = T;

    fn owned(&self) -> Option<&T> {
        Some(self)
    }

    fn share(owned: T) -> Arc<T> {
        Arc::new(owned)
    }
}

macro_rules! unsized_value {
    ($($value:ty, $owned:ty;)+) => {$(
        impl ContextValue for $value {
            type Owned = $owned;

            fn owned(&self) -> Option<&$owned> {
                None
            }

            fn share(owned: $owned) -> Arc<$value> {
                owned.into()
            }
        }
    )+};
}

unsized_value! {
    str, String;
    [u8], Vec<u8>;
    [i8], Vec<i8>;
    [u16], Vec<u16>;
    [i16], Vec<i16>;
    [u32], Vec<u32>;
    [i32], Vec<i32>;
    [u64], Vec<u64>;
    [i64], Vec<i64>;
    [usize], Vec<usize>;
    [isize], Vec<isize>;
    [f32], Vec<f32>;
    [f64], Vec<f64>;
}
