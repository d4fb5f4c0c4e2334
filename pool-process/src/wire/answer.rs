//! How an answer frame is decoded.

use pool_core::{CodecError, Panic, Portable, TaskError};

use super::codec;
use super::frame::Kind;

/// Decodes an answer; an inner error is the failure of the task.
///
/// # Errors
///
/// The bytes are no answer of this type: the worker broke the protocol.
pub(crate) fn read<O, E: Portable>(
    kind: Kind,
    payload: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<O, CodecError>,
) -> Result<Result<O, TaskError<E>>, CodecError> {
    Ok(Err(match kind {
        Kind::Done => match decode(payload) {
            Ok(output) => return Ok(Ok(output)),
            Err(error) => TaskError::Decode(Box::new(error)),
        },
        Kind::Raised => match codec::decode::<(Option<usize>, E)>(payload) {
            Ok((None, error)) => TaskError::raised(error),
            Ok((Some(item), error)) => TaskError::raised(error).at_item(item),
            Err(error) => TaskError::Decode(Box::new(error)),
        },
        Kind::BadArgument => TaskError::Decode(Box::new(codec::decode(payload)?)),
        Kind::BadResult => TaskError::Encode(Box::new(codec::decode(payload)?)),
        Kind::Panicked => TaskError::Panicked(Box::new(codec::decode::<Panic>(payload)?)),
        Kind::Setup
        | Kind::Task
        | Kind::Context
        | Kind::Forget
        | Kind::Leave
        | Kind::Wake
        | Kind::Ready
        | Kind::Started
        | Kind::Unfit => {
            return Err(CodecError::new("an answer", format!("{kind:?}")));
        }
    }))
}
