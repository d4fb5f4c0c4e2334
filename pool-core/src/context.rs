//! A context: data that many calls get a reference to.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A value that many calls get a reference to. Clones share it.
pub struct Context<C: ?Sized>(Arc<Shared<C>>);

struct Shared<C: ?Sized> {
    number: u64,
    value: Value<C>,
    encoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// Where the value is.
enum Value<C: ?Sized> {
    Here(Arc<C>),
    /// In memory of the backend's.
    Elsewhere(Box<dyn Deref<Target = C> + Send + Sync>),
}

impl<C: ?Sized> Context<C> {
    /// A context with a number that no other one of this process has.
    pub(crate) fn new(value: Arc<C>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Context::of(NUMBERS.fetch_add(1, Ordering::Relaxed), Value::Here(value))
    }

    /// A context that has its number from another process.
    pub fn numbered(number: u64, value: Arc<C>) -> Self {
        Context::of(number, Value::Here(value))
    }

    /// As [`numbered`](Self::numbered), for a value in memory of the backend's.
    pub fn elsewhere(number: u64, value: impl Deref<Target = C> + Send + Sync + 'static) -> Self {
        Context::of(number, Value::Elsewhere(Box::new(value)))
    }

    fn of(number: u64, value: Value<C>) -> Self {
        Context(Arc::new(Shared {
            number,
            value,
            encoded: OnceLock::new(),
        }))
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The value.
    pub fn value(&self) -> &C {
        match &self.0.value {
            Value::Here(value) => value,
            Value::Elsewhere(value) => value,
        }
    }

    /// The value as it travels; `encode` is called once, at the first call. `None` where another type was asked for before.
    pub fn encoded<T: Send + Sync + 'static>(&self, encode: impl FnOnce() -> T) -> Option<Arc<T>> {
        let encoded = self.0.encoded.get_or_init(|| Arc::new(encode()));
        encoded.clone().downcast().ok()
    }
}

impl<C: ?Sized> Clone for Context<C> {
    fn clone(&self) -> Self {
        Context(self.0.clone())
    }
}

impl<C: ?Sized> fmt::Debug for Context<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("number", &self.0.number)
            .finish_non_exhaustive()
    }
}
