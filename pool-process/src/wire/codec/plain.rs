//! Lists of plain numbers, and text, travel as their bytes: a `Vec<u8>`, a `Vec<f64>`, a `String`, and the items of a map that are numbers.
//! Both sides know the type, so neither asks the value for its parts one by one.

use std::any::{Any, TypeId};
use std::io;

use pool_core::backend::Context;

use crate::arena::{Number, append, bytes_of, bytes_of_items};
use crate::view::{Numbers, Text, View};
use crate::wire::payload::Payload;

/// The first byte of such a value: one that MessagePack never writes.
const MARK: u8 = 0xc1;

/// Has a macro treat each type of plain numbers.
macro_rules! for_each_number {
    ($treat:ident) => {
        $treat!(u8 i8 u16 i16 u32 i32 u64 i64 usize isize f32 f64)
    };
}

/// Whether two types are one: known when this is compiled.
fn is<T: ?Sized + 'static, U: ?Sized + 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<U>()
}

/// Appends the mark of such a value, and gives its bytes; nothing where it is none.
pub(super) fn write<'a, T: 'static>(value: &'a T, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let bytes = bytes(value)?;
    out.push(MARK);
    Some(bytes)
}

/// The bytes of such a value.
fn bytes<T: 'static>(value: &T) -> Option<&[u8]> {
    macro_rules! each {
        ($($number:ty)+) => {$(
            if is::<T, Vec<$number>>() {
                let list = (value as &dyn Any).downcast_ref::<Vec<$number>>();
                return list.map(|list| bytes_of(list));
            }
        )+};
    }
    for_each_number!(each);
    if is::<T, String>() {
        return (value as &dyn Any)
            .downcast_ref::<String>()
            .map(String::as_bytes);
    }
    None
}

/// As [`write`], for items that are plain numbers.
pub(super) fn write_items<'a, T: 'static>(items: &'a [T], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    macro_rules! each {
        ($($number:ty)+) => {$(
            if let Some(bytes) = bytes_of_items::<T, $number>(items) {
                out.push(MARK);
                return Some(bytes);
            }
        )+};
    }
    for_each_number!(each);
    None
}

/// The bytes of a context that is a slice of numbers or a `str`.
pub(super) fn context_bytes<C: ?Sized + 'static>(context: &Context<C>) -> Option<&[u8]> {
    let context: &dyn Any = context;
    macro_rules! each {
        ($($number:ty)+) => {$(
            if let Some(numbers) = context.downcast_ref::<Context<[$number]>>() {
                return Some(bytes_of(numbers.value()));
            }
        )+};
    }
    for_each_number!(each);
    let text = context.downcast_ref::<Context<str>>();
    text.map(|text| text.value().as_bytes())
}

/// Appends bytes as those of such a value.
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(MARK);
    out.extend_from_slice(bytes);
}

/// A context that lies in memory that many processes read.
pub(super) fn context_in<C: ?Sized + 'static>(number: u64, view: View) -> Option<Context<C>> {
    macro_rules! each {
        ($($number:ty)+) => {$(
            if is::<C, [$number]>() {
                return cast(Context::<[$number]>::elsewhere(number, Numbers::of(view)?));
            }
        )+};
    }
    for_each_number!(each);
    match is::<C, str>() {
        true => cast(Context::<str>::elsewhere(number, Text::of(view)?)),
        false => None,
    }
}

/// Reads such a value, if the type is one, into the memory of a value that is `used` no more, if that has about its size. `None` where the
/// type is none, or the bytes are those of an encoder that takes it for a list of items.
pub(super) fn read<T: 'static>(
    payload: Payload<'_>,
    used: impl FnOnce() -> Option<T>,
) -> Option<io::Result<T>> {
    macro_rules! each {
        ($($number:ty)+) => {$(
            if is::<T, Vec<$number>>() {
                let payload = unmarked(payload)?;
                let used = || cast::<T, Vec<$number>>(used()?);
                let list = read_numbers(payload, used);
                return Some(list.and_then(|list| cast(list).ok_or_else(broken)));
            }
        )+};
    }
    for_each_number!(each);
    if is::<T, String>() {
        let payload = unmarked(payload)?;
        let used = || cast::<T, String>(used()?).map(String::into_bytes);
        let text = read_numbers(payload, used).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|error| io::Error::other(error.utf8_error()))
        });
        return Some(text.and_then(|text| cast(text).ok_or_else(broken)));
    }
    None
}

/// What is behind the mark.
fn unmarked(payload: Payload<'_>) -> Option<Payload<'_>> {
    match payload.head {
        [MARK, head @ ..] => Some(Payload { head, ..payload }),
        _ => None,
    }
}

/// A value as what it is.
fn cast<T: 'static, U: 'static>(value: T) -> Option<U> {
    let mut value = Some(value);
    let value: &mut dyn Any = &mut value;
    value.downcast_mut::<Option<U>>()?.take()
}

fn read_numbers<T: Number>(
    payload: Payload<'_>,
    used: impl FnOnce() -> Option<Vec<T>>,
) -> io::Result<Vec<T>> {
    let tail = payload.tail.map_or(0, |(_, span)| span.length);
    let length = payload.head.len() + tail as usize;
    // Memory that is much larger than what lies there would be kept for nothing.
    let fits = |list: &Vec<T>| {
        let room = list.capacity() * size_of::<T>();
        length >= LARGE && length <= room && room / 2 <= length
    };
    let mut list = used().filter(fits).unwrap_or_default();
    list.clear();
    let is_whole = match payload.tail {
        Some((arena, span)) if payload.head.is_empty() => {
            arena.read(span, &mut list)?;
            true
        }
        // What lies in two parts may be cut within a number.
        _ => append(&payload.whole()?, &mut list),
    };
    match is_whole {
        true => Ok(list),
        false => Err(io::Error::other("a number is cut off")),
    }
}

/// From so many bytes on memory is used again.
const LARGE: usize = 1 << 12;

fn broken() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use pool_core::CodecError;

    use super::super::{At, decode_items, decode_value, encode_items, encode_value};

    fn there_and_back<T>(value: &T) -> Vec<u8>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug + 'static,
    {
        let mut bytes = Vec::new();
        let last = encode_value(value, &mut bytes).expect("it can be encoded");
        bytes.extend_from_slice(last);
        assert_eq!(decoded::<T>(&bytes).as_ref(), Ok(value));
        bytes
    }

    fn decoded<T: serde::de::DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, CodecError> {
        decode_value(bytes.into(), || None)
    }

    #[test]
    fn a_list_of_numbers_is_as_long_as_its_numbers() {
        assert_eq!(there_and_back(&vec![7_u8; 1_000]).len(), 1_001);
        assert_eq!(there_and_back(&vec![-1.5_f64; 100]).len(), 801);
        assert_eq!(there_and_back(&Vec::<u32>::new()).len(), 1);
        there_and_back(&vec![u64::MAX, 0, 1]);
        there_and_back(&vec![i16::MIN, 3]);
        assert_eq!(there_and_back(&"text".to_owned()), b"\xc1text");
        // These are none.
        there_and_back(&vec![vec![1_u8], vec![]]);
        there_and_back(&vec![true, false]);
    }

    #[test]
    fn items_that_are_numbers_are_such_a_list() {
        let mut bytes = Vec::new();
        let items = [1_u64, 2, u64::MAX];
        let last = encode_items(&items, &At::default(), &mut bytes).expect("numbers");
        bytes.extend_from_slice(last);
        assert_eq!(bytes.len(), 25);
        assert_eq!(
            decode_items::<u64>(bytes[..].into(), &At::default(), || None),
            Ok(vec![1, 2, u64::MAX])
        );
        bytes.pop();
        assert!(decode_items::<u64>(bytes[..].into(), &At::default(), || None).is_err());
        assert!(decoded::<Vec<u64>>(&bytes).is_err());
    }

    #[test]
    fn memory_is_used_again_where_it_has_about_the_size() {
        let bytes = there_and_back(&vec![7_u32; 5_000]);
        for (capacity, is_used) in [
            (5_000, true),
            (9_000, true),
            (4_999, false),
            (11_000, false),
        ] {
            let old = Vec::<u32>::with_capacity(capacity);
            let place = old.as_ptr();
            let list = decode_value(bytes[..].into(), || Some(old)).expect("a list");
            assert_eq!(list, [7; 5_000]);
            assert!(!is_used || list.as_ptr() == place);
            let has = if is_used { capacity } else { 5_000 };
            assert_eq!(list.capacity(), has);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let marked: Vec<u8> = [&[0xc1], &bytes[..]].concat();
            let whole = bytes.len().is_multiple_of(8);
            prop_assert_eq!(decoded::<Vec<u64>>(&marked).is_ok(), whole);
            prop_assert_eq!(decoded::<Vec<u8>>(&marked), Ok(bytes.clone()));
            prop_assert_eq!(decoded::<String>(&marked).ok(), String::from_utf8(bytes.clone()).ok());
            prop_assert!(decoded::<Vec<bool>>(&marked).is_err());
            // What is written item by item is read as well.
            let _ = decoded::<Vec<u8>>(&bytes);
        }
    }
}
