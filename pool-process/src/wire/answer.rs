//! How an answer frame is decoded.

use pool_core::{CodecError, Failure, Panic, Portable};

use super::codec;
use super::frame::Kind;

/// Decodes an answer; an inner error is the failure of the task.
///
/// # Errors
///
/// The bytes are no answer of this type: the worker broke the protocol.
pub(crate) fn read<O: Portable, E: Portable>(
    kind: Kind,
    payload: &[u8],
) -> Result<Result<O, Failure<E>>, CodecError> {
    Ok(Err(match kind {
        Kind::Done => match codec::decode(payload) {
            Ok(output) => return Ok(Ok(output)),
            Err(error) => Failure::Decode(Box::new(error)),
        },
        Kind::Raised => match codec::decode(payload) {
            Ok(raised) => Failure::Raised(raised),
            Err(error) => Failure::Decode(Box::new(error)),
        },
        Kind::BadArgument => Failure::Decode(Box::new(codec::decode(payload)?)),
        Kind::BadResult => Failure::Encode(Box::new(codec::decode(payload)?)),
        Kind::Panicked => Failure::Panicked(Box::new(codec::decode::<Panic>(payload)?)),
        Kind::Setup
        | Kind::Task
        | Kind::Context
        | Kind::Forget
        | Kind::Leave
        | Kind::Ready
        | Kind::Started
        | Kind::Unfit => {
            return Err(CodecError {
                type_name: "an answer".to_owned(),
                reason: format!("{kind:?}"),
            });
        }
    }))
}
