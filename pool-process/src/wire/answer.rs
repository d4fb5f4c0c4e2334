//! How an answer frame is decoded.

use pool_core::{CodecError, Panic, Portable, TaskError};

use super::codec;
use super::frame::Kind;
use super::payload::Payload;

/// Decodes an answer; an inner error is the failure of the task.
///
/// # Errors
///
/// The bytes are no answer of this type: the worker broke the protocol.
pub(crate) fn read<O, E: Portable>(
    kind: Kind,
    payload: Payload<'_>,
    decode: impl FnOnce(Payload<'_>) -> Result<O, CodecError>,
) -> Result<Result<O, TaskError<E>>, CodecError> {
    if kind == Kind::Done {
        let decoded = decode(payload);
        return Ok(decoded.map_err(|error| TaskError::Decode(Box::new(error))));
    }
    let payload = payload
        .whole()
        .map_err(|error| CodecError::new("an answer", error.to_string()))?;
    let payload = &*payload;
    Ok(Err(match kind {
        Kind::Raised => match codec::decode::<(Option<usize>, E)>(payload) {
            Ok((None, error)) => TaskError::raised(error),
            Ok((Some(item), error)) => TaskError::raised(error).at_item(item),
            Err(error) => TaskError::Decode(Box::new(error)),
        },
        Kind::BadArgument => TaskError::Decode(Box::new(codec::decode(payload)?)),
        Kind::BadResult => TaskError::Encode(Box::new(codec::decode(payload)?)),
        Kind::Panicked => TaskError::Panicked(Box::new(codec::decode::<Panic>(payload)?)),
        Kind::Done
        | Kind::Setup
        | Kind::Task
        | Kind::Context
        | Kind::Forget
        | Kind::Leave
        | Kind::Wake
        | Kind::SharedContext
        | Kind::Ready
        | Kind::Started
        | Kind::Unfit => {
            return Err(CodecError::new("an answer", format!("{kind:?}")));
        }
    }))
}
