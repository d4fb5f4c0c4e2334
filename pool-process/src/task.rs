//! The payload of a task frame: which function, which context, which argument.

use std::any::type_name;

use pool_core::{Address, CodecError, FnPtr, Panic, catch};
use serde::Serialize;

use crate::wire::codec;
use crate::wire::token::{Refused, Token};
use crate::worker::entry_points::{PRELOAD, Shape};

/// Names a function for the workers, as it is to be called.
fn token<S: Shape<A, F>, A, F: FnPtr<A>>(func: &F) -> Result<Token, Refused> {
    Token::of(S::ENTRY, func.pointer().address())
}

/// Names a function that a fork server is to run before it forks.
pub(crate) fn preload(func: fn()) -> Result<Token, Refused> {
    Token::of(PRELOAD, func as usize)
}

/// Code, context and argument; the argument's own `Serialize` may refuse, or panic.
pub(crate) fn payload<S: Shape<A, F>, A, F: FnPtr<A>, I: Serialize + ?Sized>(
    func: &F,
    input: &I,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let refused = |refused: Refused| CodecError {
        type_name: type_name::<F::Pointer>().to_owned(),
        reason: refused.to_string(),
    };
    let encoded = catch(|| {
        out.extend_from_slice(&token::<S, A, F>(func).map_err(refused)?.to_bytes());
        if let Some(context) = func.context() {
            out.extend_from_slice(&context.number().to_le_bytes());
        }
        codec::encode(input, out)
    });
    encoded.unwrap_or_else(|panic| Err(panicked::<I>(&panic)))
}

/// The error of a value whose own code panicked while it was encoded or decoded.
pub(crate) fn panicked<T: ?Sized>(panic: &Panic) -> CodecError {
    CodecError {
        type_name: type_name::<T>().to_owned(),
        reason: format!("it panicked: {}", panic.message),
    }
}
