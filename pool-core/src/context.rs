//! A context: data that many calls get a reference to.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::CodecError;

/// A value that many calls get a reference to. Clones share it.
pub struct Context<C>(Arc<Shared<C>>);

struct Shared<C> {
    number: u64,
    value: Arc<C>,
    encoded: OnceLock<Result<Arc<[u8]>, CodecError>>,
}

impl<C> Context<C> {
    /// A context with a number that no other one of this process has.
    pub(crate) fn new(value: Arc<C>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Context::of(NUMBERS.fetch_add(1, Ordering::Relaxed), value)
    }

    /// A context that has its number from another process.
    pub fn numbered(number: u64, value: C) -> Self {
        Context::of(number, Arc::new(value))
    }

    fn of(number: u64, value: Arc<C>) -> Self {
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
        &self.0.value
    }

    /// The value as bytes; `encode` is called once, at the first call.
    ///
    /// # Errors
    ///
    /// Why it could not be encoded, at each call.
    pub fn encoded(
        &self,
        encode: impl FnOnce(&C) -> Result<Vec<u8>, CodecError>,
    ) -> Result<Arc<[u8]>, CodecError> {
        let encode = || encode(&self.0.value).map(Arc::from);
        self.0.encoded.get_or_init(encode).clone()
    }
}

impl<C> Clone for Context<C> {
    fn clone(&self) -> Self {
        Context(self.0.clone())
    }
}

impl<C> fmt::Debug for Context<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("number", &self.0.number)
            .finish_non_exhaustive()
    }
}
