//! What an `imap` takes its items from.

use std::any::TypeId;
use std::ops::{Range, RangeFrom, RangeInclusive};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::TaskError;

/// Whether the items of this type of input are at hand: to read one neither blocks nor fails.
pub(crate) fn is_at_hand<I: 'static, A: 'static>(_items: &I) -> bool {
    let known = [
        TypeId::of::<std::vec::IntoIter<A>>(),
        TypeId::of::<std::collections::vec_deque::IntoIter<A>>(),
        TypeId::of::<std::option::IntoIter<A>>(),
        TypeId::of::<Range<A>>(),
        TypeId::of::<RangeInclusive<A>>(),
        TypeId::of::<RangeFrom<A>>(),
        TypeId::of::<std::array::IntoIter<A, 1>>(),
        TypeId::of::<std::array::IntoIter<A, 2>>(),
        TypeId::of::<std::array::IntoIter<A, 3>>(),
        TypeId::of::<std::array::IntoIter<A, 4>>(),
    ];
    known.contains(&TypeId::of::<I>())
}

/// The error with which an input has ended before its last item.
pub(crate) type InputError<E> = Mutex<Option<TaskError<E>>>;

/// What an `imap` takes its items from: any iterator that can go to another thread, or one of results.
pub trait Input<E> {
    /// An item, as the function gets it.
    type Item;
    /// The items, one by one.
    type Iter: Iterator<Item = Self::Item> + Send + 'static;
    /// Begins to read. An error with which the input ends is stored in `error`.
    #[doc(hidden)]
    fn read(self, error: &Arc<InputError<E>>) -> Self::Iter;
}

impl<I: IntoIterator<IntoIter: Send + 'static>, E> Input<E> for I {
    type Item = I::Item;
    type Iter = I::IntoIter;
    fn read(self, _error: &Arc<InputError<E>>) -> I::IntoIter {
        self.into_iter()
    }
}

/// An input of results: its first `Err` is its end.
#[derive(Debug, Clone, Copy)]
pub struct Results<I>(pub(crate) I);

impl<I> Results<I> {
    /// These results.
    pub fn new(results: I) -> Self {
        Results(results)
    }
}

impl<A, E: Send + 'static, I: IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static>> Input<E>
    for Results<I>
{
    type Item = A;
    type Iter = UntilError<I::IntoIter, E>;
    fn read(self, error: &Arc<InputError<E>>) -> UntilError<I::IntoIter, E> {
        UntilError {
            items: self.0.into_iter(),
            error: error.clone(),
        }
    }
}

/// The items of an input of results, up to its first error.
#[derive(Debug)]
pub struct UntilError<I, E> {
    items: I,
    error: Arc<InputError<E>>,
}

impl<A, E, I: Iterator<Item = Result<A, E>>> Iterator for UntilError<I, E> {
    type Item = A;

    fn next(&mut self) -> Option<A> {
        match self.items.next()? {
            Ok(item) => Some(item),
            Err(error) => {
                let mut end = self.error.lock().unwrap_or_else(PoisonError::into_inner);
                *end = Some(TaskError::raised(error));
                None
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // The error is an item of the input and becomes a result, so it counts.
        self.items.size_hint()
    }
}
