//! A value of the user whose drop may panic, on any thread: the panic is caught.
//!
//! # Safety
//!
//! The value is moved out once: by `into_inner`, which forgets the container, or by its drop.
#![expect(unsafe_code, reason = "a value is dropped inside a catch")]

use std::mem::{ManuallyDrop, needs_drop};
use std::ops::{Deref, DerefMut};

use crate::panics;

/// A value of the user. Any thread may drop a job last, a worker for example: a panic of the value's drop is caught.
pub(crate) struct Contained<T>(ManuallyDrop<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Contained(ManuallyDrop::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: taken once: `this` is not dropped.
        unsafe { ManuallyDrop::take(&mut this.0) }
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Contained<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if !needs_drop::<T>() {
            return;
        }
        // SAFETY: dropped once, here.
        panics::contain(|| unsafe { ManuallyDrop::drop(&mut self.0) });
    }
}
