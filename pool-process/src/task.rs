//! The payload of a task frame: which function, which context, which argument.

use std::any::type_name;

use pool_core::backend::{FnAddress, catch};
use pool_core::{CodecError, Panic};

use crate::wire::codec::At;
use crate::wire::token::{Entry, Refused, Token};
use crate::worker::entry_points::PRELOAD;

/// Names a function that a fork server is to run before it forks.
pub(crate) fn preload(func: fn()) -> Result<Token, Refused> {
    Token::of(PRELOAD, func as usize)
}

/// Appends code, the context's number and the argument; `encode` writes the argument of the type `A`, whose own `Serialize` may refuse,
/// or panic. Gives the last bytes, which are not appended.
pub(crate) fn payload<'a, A, P: FnAddress>(
    entry: &'static Entry,
    pointer: P,
    context: Option<u64>,
    encode: impl FnOnce(&mut Vec<u8>, &At) -> Result<&'a [u8], CodecError>,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], CodecError> {
    let refused = |refused: Refused| CodecError::new(type_name::<P>(), refused.to_string());
    let at = At::default();
    let encoded = catch(|| {
        out.extend_from_slice(
            &Token::of(entry, pointer.address())
                .map_err(refused)?
                .to_bytes(),
        );
        if let Some(number) = context {
            out.extend_from_slice(&number.to_le_bytes());
        }
        encode(out, &at)
    });
    encoded
        .unwrap_or_else(|panic| Err(panicked::<A>(&panic)))
        .map_err(|mut error| {
            error.item = error.item.or(at.get());
            error
        })
}

/// The error of a value whose own code panicked while it was encoded or decoded.
pub(crate) fn panicked<T: ?Sized>(panic: &Panic) -> CodecError {
    CodecError::new(type_name::<T>(), format!("it panicked: {}", panic.message))
}
