//! Lists of plain numbers travel as their bytes: a `Vec<u8>`, a `Vec<f64>`, and the items of a map that are numbers. Both sides know the type,
//! so neither asks the list for its items one by one.

use std::any::{Any, TypeId};

/// The first byte of such a list: one that MessagePack never writes.
const MARK: u8 = 0xc1;

/// Has a macro treat each type of plain numbers.
macro_rules! for_each_number {
    ($treat:ident) => {
        $treat!(u8 i8 u16 i16 u32 i32 u64 i64 usize isize f32 f64)
    };
}

/// Whether two types are one: known when this is compiled.
fn is<T: 'static, U: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<U>()
}

/// Appends a value that is such a list; false where it is none.
pub(super) fn write<T: 'static>(value: &T, out: &mut Vec<u8>) -> bool {
    macro_rules! each {
        ($($number:ty)+) => {$(
            if is::<T, Vec<$number>>()
                && let Some(list) = (value as &dyn Any).downcast_ref::<Vec<$number>>()
            {
                return write_items(list, out);
            }
        )+};
    }
    for_each_number!(each);
    false
}

/// Appends items that are plain numbers; false where they are not.
pub(super) fn write_items<T: 'static>(items: &[T], out: &mut Vec<u8>) -> bool {
    macro_rules! each {
        ($($number:ty)+) => {$(
            if is::<T, $number>() {
                out.push(MARK);
                let number = |item: &T| (item as &dyn Any).downcast_ref::<$number>().copied();
                // Each item is one: its type is.
                append(items, |item| number(item).unwrap_or_default().to_le_bytes(), out);
                return true;
            }
        )+};
    }
    for_each_number!(each);
    false
}

/// Reads such a list, if the type is one. `None` where it is not, or the bytes are none.
pub(super) fn read<T: 'static>(bytes: &[u8]) -> Option<T> {
    macro_rules! each {
        ($($number:ty)+) => {$(
            if is::<T, Vec<$number>>() {
                let [MARK, bytes @ ..] = bytes else {
                    return None;
                };
                let (numbers, rest) = bytes.as_chunks();
                let numbers = numbers.iter().copied().map(<$number>::from_le_bytes);
                let mut list = rest.is_empty().then(|| numbers.collect::<Vec<$number>>());
                let list: &mut dyn Any = &mut list;
                return list.downcast_mut::<Option<T>>()?.take();
            }
        )+};
    }
    for_each_number!(each);
    None
}

/// Appends numbers of `N` bytes.
fn append<T, const N: usize>(numbers: &[T], bytes: impl Fn(&T) -> [u8; N], out: &mut Vec<u8>) {
    out.reserve(size_of_val(numbers));
    // By way of some that stay in the CPU's cache: what was reserved is written once.
    let mut some = [[0; N]; 512];
    for numbers in numbers.chunks(some.len()) {
        for (place, number) in some.iter_mut().zip(numbers) {
            *place = bytes(number);
        }
        out.extend_from_slice(some[..numbers.len()].as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{At, decode_items, decode_value, encode_items, encode_value};

    fn there_and_back<T>(value: &T) -> Vec<u8>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug + 'static,
    {
        let mut bytes = Vec::new();
        encode_value(value, &mut bytes).expect("it can be encoded");
        assert_eq!(decode_value::<T>(&bytes).as_ref(), Ok(value));
        bytes
    }

    #[test]
    fn a_list_of_numbers_is_as_long_as_its_numbers() {
        assert_eq!(there_and_back(&vec![7_u8; 1_000]).len(), 1_001);
        assert_eq!(there_and_back(&vec![-1.5_f64; 100]).len(), 801);
        assert_eq!(there_and_back(&Vec::<u32>::new()).len(), 1);
        there_and_back(&vec![u64::MAX, 0, 1]);
        there_and_back(&vec![i16::MIN, 3]);
        // These are none.
        there_and_back(&vec![vec![1_u8], vec![]]);
        there_and_back(&vec![true, false]);
        there_and_back(&"text".to_owned());
    }

    #[test]
    fn items_that_are_numbers_are_such_a_list() {
        let mut bytes = Vec::new();
        encode_items(&[1_u64, 2, u64::MAX], &At::default(), &mut bytes).expect("numbers");
        assert_eq!(bytes.len(), 25);
        assert_eq!(
            decode_items::<u64>(&bytes, &At::default()),
            Ok(vec![1, 2, u64::MAX])
        );
        bytes.pop();
        assert!(decode_items::<u64>(&bytes, &At::default()).is_err());
        assert!(decode_value::<Vec<u64>>(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let marked: Vec<u8> = [&[0xc1], &bytes[..]].concat();
            let whole = bytes.len().is_multiple_of(8);
            prop_assert_eq!(decode_value::<Vec<u64>>(&marked).is_ok(), whole);
            prop_assert_eq!(decode_value::<Vec<u8>>(&marked), Ok(bytes.clone()));
            prop_assert!(decode_value::<String>(&marked).is_err());
            // What is written item by item is read as well.
            let _ = decode_value::<Vec<u8>>(&bytes);
        }
    }
}
