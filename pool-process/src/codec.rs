//! How values become bytes: MessagePack with named fields, behind two functions that name the type in every error.

mod strict;

use std::any::type_name;

use pool_core::CodecError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use strict::Looked;

/// Appends a value.
///
/// # Errors
///
/// The value's `Serialize` refused; what was appended until then must be cut off by the caller.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    rmp_serde::encode::write_named(out, &Looked(value)).map_err(|error| refused::<T>(&error))
}

/// Reads a value that fills `bytes` to the end.
///
/// # Errors
///
/// The bytes are not such a value, or more than one.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    match decode_first(bytes)? {
        (value, []) => Ok(value),
        (_, rest) => Err(refused::<T>(&format_args!(
            "{} bytes are left over",
            rest.len()
        ))),
    }
}

/// Reads a value, and gives back what is behind it.
///
/// # Errors
///
/// The bytes do not begin with such a value.
pub(crate) fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), CodecError> {
    let mut rest = bytes;
    let value = T::deserialize(&mut rmp_serde::Deserializer::new(&mut rest));
    Ok((value.map_err(|error| refused::<T>(&error))?, rest))
}

fn refused<T: ?Sized>(reason: &dyn std::fmt::Display) -> CodecError {
    CodecError {
        type_name: type_name::<T>().to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize, Serializer};

    use super::{decode, encode};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "shape")]
    enum Shape {
        Circle { radius: f64 },
        Named(Label),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Label {
        text: Option<String>,
        #[serde(flatten)]
        more: BTreeMap<String, i64>,
    }

    fn there_and_back<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
        value: T,
    ) {
        let mut bytes = Vec::new();
        encode(&value, &mut bytes).expect("it can be encoded");
        assert_eq!(decode::<T>(&bytes).expect("it can be decoded"), value);
    }

    #[test]
    fn tagged_and_flattened_types_survive() {
        there_and_back(Shape::Circle { radius: 1.5 });
        there_and_back(Shape::Named(Label {
            text: None,
            more: BTreeMap::from([("a".into(), -1)]),
        }));
        there_and_back((
            (),
            Some(1.5_f32),
            vec![Ok::<u8, String>(1), Err("no".into())],
            u64::MAX,
            'x',
            i128::MIN,
        ));
    }

    #[test]
    fn a_value_that_refuses_is_named_with_its_reason() {
        #[derive(Debug)]
        struct Stubborn;
        impl Serialize for Stubborn {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("not today"))
            }
        }
        let error = encode(&Stubborn, &mut Vec::new()).expect_err("it refuses");
        assert!(
            error.type_name.ends_with("Stubborn") && error.reason.contains("not today"),
            "{error}"
        );
    }

    #[test]
    fn an_option_with_nothing_inside_is_refused_instead_of_changed() {
        #[derive(Serialize)]
        struct Wrapped(());
        #[derive(Serialize)]
        struct Empty;
        let refuses = |encoded: Result<(), pool_core::CodecError>| {
            assert!(encoded.is_err_and(|error| error.reason.contains("would arrive as `None`")));
        };
        refuses(encode(&Some(()), &mut Vec::new()));
        refuses(encode(&vec![("x", Some(None::<u8>))], &mut Vec::new()));
        refuses(encode(
            &BTreeMap::from([(1, Some(Some(())))]),
            &mut Vec::new(),
        ));
        refuses(encode(&Ok::<_, u8>(Some(Wrapped(()))), &mut Vec::new()));
        assert_eq!(encode(&Some(Empty), &mut Vec::new()), Ok(()));
        there_and_back(vec![Some(Some(1)), None]);
        there_and_back(Some(vec![(); 3]));
        there_and_back(Some(Ok::<(), String>(())));
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let error = decode::<u8>(&[1, 2]).expect_err("two values");
        assert_eq!(error.to_string(), "u8: 1 bytes are left over");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode::<Vec<Shape>>(&bytes);
            let _ = decode::<(String, BTreeMap<u8, Option<f32>>)>(&bytes);
        }
    }
}
