//! The contexts that a worker was sent. The first task that uses a context decodes it.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;

use pool_core::backend::{Context, catch};
use pool_core::{CodecError, ContextValue};

use crate::view::View;
use crate::wire::codec;

/// A context in the cache.
enum Kept {
    /// Not decoded yet.
    Bytes(Vec<u8>),
    /// Not looked at yet.
    Shared(View),
    /// Decoded: a [`Context`] of its function's type.
    Decoded(Box<dyn Any>),
    /// It cannot be decoded. All its tasks get this error.
    Refused(CodecError),
}

thread_local! {
    static KEPT: RefCell<HashMap<u64, Kept>> = RefCell::default();
}

/// Keeps a context that has arrived.
pub(crate) fn keep(number: u64, bytes: &[u8]) {
    put(number, Kept::Bytes(bytes.to_vec()));
}

/// Keeps a context whose memory others read as well.
pub(crate) fn keep_shared(number: u64, file: Option<OwnedFd>) {
    let view = file
        .ok_or_else(|| io::Error::other("its memory has not arrived"))
        .and_then(View::open);
    put(
        number,
        match view {
            Ok(view) => Kept::Shared(view),
            Err(error) => Kept::Refused(CodecError::new("the job's context", error.to_string())),
        },
    );
}

/// Drops a context; its own `Drop` may panic.
pub(crate) fn forget(number: u64) {
    let kept = KEPT.with_borrow_mut(|kept| kept.remove(&number));
    // The panic hook has reported the panic, and no task waits for this.
    let _ = catch(|| drop(kept));
}

/// Drops every context.
pub(crate) fn forget_all() {
    for (_, kept) in KEPT.take() {
        // As above.
        let _ = catch(|| drop(kept));
    }
}

/// The number of a context, and the argument behind it.
pub(crate) fn split(argument: &[u8]) -> Result<(u64, &[u8]), CodecError> {
    let split = argument.split_first_chunk();
    let (number, rest) =
        split.ok_or_else(|| broken::<u64>("the number of a context is cut off"))?;
    Ok((u64::from_le_bytes(*number), rest))
}

/// The context with this number.
///
/// # Errors
///
/// It cannot be decoded, or has not arrived.
pub(crate) fn find<C: ContextValue + ?Sized>(number: u64) -> Result<Context<C>, CodecError> {
    // Taken out meanwhile, so that the user's `Deserialize` may use this cache.
    let kept = KEPT.with_borrow_mut(|kept| kept.remove(&number));
    let kept = match kept {
        Some(Kept::Shared(view)) => match codec::context_in::<C>(number, view) {
            Some(context) => Kept::Decoded(Box::new(context)),
            None => Kept::Refused(broken::<C>("its memory holds another type")),
        },
        Some(Kept::Bytes(bytes)) => match catch(|| codec::decode_context::<C>(number, &bytes)) {
            Ok(Ok(context)) => Kept::Decoded(Box::new(context)),
            Ok(Err(error)) => Kept::Refused(error),
            Err(panic) => Kept::Refused(broken::<C>(&format!("it panicked: {}", panic.message))),
        },
        Some(kept) => kept,
        None => Kept::Refused(broken::<C>("the context has not arrived")),
    };
    let found = match &kept {
        Kept::Decoded(context) => context
            .downcast_ref::<Context<C>>()
            .cloned()
            .ok_or_else(|| broken::<C>("the context is of another type")),
        Kept::Refused(error) => Err(error.clone()),
        Kept::Bytes(_) | Kept::Shared(_) => Err(broken::<C>("the context was not decoded")),
    };
    put(number, kept);
    found
}

fn put(number: u64, kept: Kept) {
    let before = KEPT.with_borrow_mut(|all| all.insert(number, kept));
    drop(before);
}

fn broken<T: ?Sized>(reason: &str) -> CodecError {
    CodecError::new(std::any::type_name::<T>(), reason)
}

#[cfg(test)]
mod tests {
    use super::{find, forget, keep, split};
    use crate::wire::codec;

    #[test]
    fn a_context_is_found_until_it_is_forgotten() {
        let mut bytes = Vec::new();
        codec::encode("here", &mut bytes).expect("it can be encoded");
        keep(7, &bytes);
        for _ in 0..2 {
            assert_eq!(find::<String>(7).expect("it is there").value(), "here");
        }
        assert!(
            find::<u8>(7)
                .expect_err("another type")
                .reason
                .contains("another type")
        );
        assert_eq!(find::<String>(7).expect("it is there").value(), "here");
        forget(7);
        assert!(
            find::<String>(7)
                .expect_err("gone")
                .reason
                .contains("not arrived")
        );
    }

    #[test]
    fn what_cannot_be_decoded_stays_refused() {
        keep(1, &[0xc1]);
        let first = find::<String>(1).expect_err("no string");
        assert_eq!(find::<String>(1).expect_err("still none"), first);
        assert!(first.type_name.ends_with("String"), "{first}");
        assert!(split(&[1, 2, 3]).is_err());
        assert_eq!(split(&[2, 0, 0, 0, 0, 0, 0, 0, 9]), Ok((2, &[9][..])));
    }
}
