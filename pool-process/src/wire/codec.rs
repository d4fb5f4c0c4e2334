//! How values become bytes: MessagePack with named fields, behind two functions that name the type in every error.
//!
//! It is written as a format for people (IP addresses and the like as text): serde's buffer for untagged, tagged and
//! flattened types takes every format for one, and would not find in it what a binary format has written.

// Each module uses only those above it.

// How deep a value may nest.
mod depth;

// The encoder.
mod write;

// The decoder.
mod read;

// Lists of numbers.
mod plain;

use std::any::{TypeId, type_name};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use pool_core::backend::Context;
use pool_core::{CodecError, ContextValue};
use serde::de::{DeserializeOwned, DeserializeSeed, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::view::View;

use super::payload::Payload;

use depth::Depth;
pub(crate) use depth::{has_room_for_small_values, ran_out_of_stack};
use write::Bounded;

/// Appends a value.
///
/// # Errors
///
/// The value's `Serialize` refused, or it nests too deep; what was appended until then must be cut off by the caller.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let mut writer = rmp_serde::Serializer::new(out)
        .with_struct_map()
        .with_human_readable();
    Bounded(value, Depth::here())
        .serialize(&mut writer)
        .map_err(|error| refused::<T>(&error))
}

/// As [`encode`], for a value of the user's. A list of plain numbers, or text, is not copied: it gives the last bytes, which are not
/// appended.
///
/// # Errors
///
/// As for [`encode`].
pub(crate) fn encode_value<'a, T: Serialize + 'static>(
    value: &'a T,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], CodecError> {
    match plain::write(value, out) {
        Some(last) => Ok(last),
        None => encode(value, out).map(|()| [].as_slice()),
    }
}

/// The counterpart of [`encode_value`]. A list of plain numbers, or text, may lie in the memory of a value that is `used` no more.
///
/// # Errors
///
/// As for [`decode`].
pub(crate) fn decode_value<T: DeserializeOwned + 'static>(
    payload: Payload<'_>,
    used: impl FnOnce() -> Option<T>,
) -> Result<T, CodecError> {
    match plain::read(payload, used) {
        Some(value) => value.map_err(|error| refused::<T>(&error)),
        None => decode(&whole::<T>(payload)?),
    }
}

/// The bytes of a context that is a slice of numbers or a `str`.
pub(crate) fn context_bytes<C: ContextValue + ?Sized>(context: &Context<C>) -> Option<&[u8]> {
    plain::context_bytes(context)
}

/// Appends a context.
///
/// # Errors
///
/// As for [`encode`].
pub(crate) fn encode_context<C: ContextValue + ?Sized>(
    context: &Context<C>,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    match (context.value().owned(), plain::context_bytes(context)) {
        (Some(value), _) => encode(value, out),
        (None, bytes) => {
            plain::write_bytes(bytes.unwrap_or_default(), out);
            Ok(())
        }
    }
}

/// Appends a context whose bytes these are.
pub(crate) fn write_context_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    plain::write_bytes(bytes, out);
}

/// The counterpart of [`encode_context`].
///
/// # Errors
///
/// As for [`decode`].
pub(crate) fn decode_context<C: ContextValue + ?Sized>(
    number: u64,
    bytes: &[u8],
) -> Result<Context<C>, CodecError> {
    let owned = match TypeId::of::<C>() == TypeId::of::<C::Owned>() {
        true => decode(bytes)?,
        false => decode_value(bytes.into(), || None)?,
    };
    Ok(Context::numbered(number, C::share(owned)))
}

/// A context that lies in memory that many processes read; `None` where the type is none that can.
pub(crate) fn context_in<C: ContextValue + ?Sized>(number: u64, view: View) -> Option<Context<C>> {
    plain::context_in(number, view)
}

/// The bytes of a payload.
///
/// # Errors
///
/// The system refused to read them.
fn whole<T>(payload: Payload<'_>) -> Result<Cow<'_, [u8]>, CodecError> {
    payload.whole().map_err(|error| refused::<T>(&error))
}

/// Reads a value that fills `bytes` to the end.
///
/// # Errors
///
/// The bytes are not such a value, or more than one, or it nests too deep.
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
/// The bytes do not begin with such a value, or it nests too deep.
pub(crate) fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), CodecError> {
    read::first(PhantomData::<T>, bytes).map_err(|error| refused::<T>(&error))
}

/// Which item of a list is being encoded, decoded or worked on.
pub(crate) type At = Cell<Option<usize>>;

/// Appends a list, and gives its last bytes, as [`encode_value`] does; `at` says which item is encoded now.
///
/// # Errors
///
/// As for [`encode`], with the item.
pub(crate) fn encode_items<'a, T: Serialize + 'static>(
    items: &'a [T],
    at: &At,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], CodecError> {
    if let Some(last) = plain::write_items(items, out) {
        return Ok(last);
    }
    let encoded = encode(&Items(items, at), out);
    encoded.map_or_else(|error| Err(of_item::<T>(error, at)), |()| Ok([].as_slice()))
}

/// The counterpart of [`encode_items`]; `at` says which item is decoded now.
///
/// # Errors
///
/// As for [`decode`], with the item.
pub(crate) fn decode_items<T: DeserializeOwned + 'static>(
    payload: Payload<'_>,
    at: &At,
    used: impl FnOnce() -> Option<Vec<T>>,
) -> Result<Vec<T>, CodecError> {
    if let Some(items) = plain::read(payload, used) {
        return items.map_err(|error| refused::<Vec<T>>(&error));
    }
    let bytes = whole::<Vec<T>>(payload)?;
    let seed = ItemsSeed(at, PhantomData);
    let read = match read::first(seed, &bytes) {
        Ok((items, [])) => return Ok(items),
        Ok((_, rest)) => refused::<Vec<T>>(&format_args!("{} bytes are left over", rest.len())),
        Err(error) => refused::<Vec<T>>(&error),
    };
    Err(of_item::<T>(read, at))
}

/// The error of a list, said of its item where it is known.
fn of_item<T>(mut error: CodecError, at: &At) -> CodecError {
    error.item = at.get();
    if error.item.is_some() {
        error.type_name = type_name::<T>().to_owned();
    }
    error
}

struct Items<'a, T>(&'a [T], &'a At);

impl<T: Serialize> Serialize for Items<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Items(items, at) = self;
        let mut list = serializer.serialize_seq(Some(items.len()))?;
        for (index, item) in items.iter().enumerate() {
            at.set(Some(index));
            list.serialize_element(item)?;
        }
        at.set(None);
        list.end()
    }
}

struct ItemsSeed<'a, T>(&'a At, PhantomData<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ItemsSeed<'_, T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ItemsSeed<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        /// What a length may say is no reason to take memory for it.
        const MOST: usize = 1 << 12;
        let mut items = Vec::with_capacity(list.size_hint().unwrap_or(0).min(MOST));
        self.0.set(Some(0));
        while let Some(item) = list.next_element()? {
            items.push(item);
            self.0.set(Some(items.len()));
        }
        self.0.set(None);
        Ok(items)
    }
}

fn refused<T: ?Sized>(reason: &dyn fmt::Display) -> CodecError {
    CodecError::new(type_name::<T>(), reason.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, SocketAddr};

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
    fn options_with_nothing_inside_survive() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Wrapped(());
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Empty;
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Untagged {
            Number(u8),
            Perhaps(Option<Option<()>>),
        }
        there_and_back([None, Some(())]);
        there_and_back([None, Some(None), Some(Some(())), Some(Some(()))]);
        there_and_back(vec![("x".to_owned(), Some(None::<u8>))]);
        there_and_back(BTreeMap::from([
            (1, Some(Some(()))),
            (2, None),
            (3, Some(None)),
        ]));
        there_and_back(Ok::<_, u8>(Some(Wrapped(()))));
        there_and_back((Some(Empty), Some(7), Some(None::<Wrapped>)));
        there_and_back(vec![Some(Some(1)), None]);
        there_and_back(Some(vec![(); 3]));
        there_and_back(Some(Ok::<(), String>(())));
        there_and_back([
            Untagged::Number(1),
            Untagged::Perhaps(None),
            Untagged::Perhaps(Some(Some(()))),
        ]);
    }

    #[test]
    fn types_that_are_written_as_text_survive_in_untagged_tagged_and_flattened_ones() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Host {
            FnAddress(IpAddr),
            Name(String),
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        enum Event {
            Connected { from: SocketAddr },
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Outer {
            #[serde(flatten)]
            inner: Inner,
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Inner {
            address: IpAddr,
        }
        let address = IpAddr::from([127, 0, 0, 1]);
        there_and_back([Host::FnAddress(address), Host::Name("here".to_owned())]);
        there_and_back(Event::Connected {
            from: SocketAddr::new(address, 80),
        });
        there_and_back(Outer {
            inner: Inner { address },
        });
    }

    /// A value that nests, by each way in which one can.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Nest {
        End,
        Newtype(Box<Nest>),
        Struct { inner: Box<Nest> },
        Tuple(Box<Nest>, u8),
        List(Vec<Nest>),
        Map(BTreeMap<u8, Nest>),
        Perhaps(Option<Box<Nest>>),
    }

    const WAYS: [fn(Nest) -> Nest; 6] = [
        |inner| Nest::Newtype(Box::new(inner)),
        |inner| Nest::Struct {
            inner: Box::new(inner),
        },
        |inner| Nest::Tuple(Box::new(inner), 1),
        |inner| Nest::List(vec![inner]),
        |inner| Nest::Map(BTreeMap::from([(1, inner)])),
        |inner| Nest::Perhaps(Some(Box::new(inner))),
    ];

    #[test]
    fn what_nests_deeper_than_the_bound_is_refused_on_both_sides_and_no_stack_overflows() {
        // As large as the stack of a pool's own threads; the one of a test is smaller.
        let thread = pool_core::backend::thread_builder("deep").spawn(nesting_is_bounded);
        thread.expect("a thread").join().expect("it holds");
    }

    fn nesting_is_bounded() {
        for way in WAYS {
            let nest = |levels| (0..levels).fold(Nest::End, |inner, _| way(inner));
            there_and_back(nest(600));
            let error = encode(&nest(3000), &mut Vec::new()).expect_err("too deep");
            assert!(error.reason.contains("nests deeper"), "{error}");
        }
        // Bytes that no encoder of ours has made: lists, maps, variants and options without an end.
        let variant = |name: &str| [&[0x81, 0xa0 | name.len() as u8], name.as_bytes()].concat();
        for prefix in [
            variant("Newtype"),
            [variant("List"), vec![0x91]].concat(),
            [variant("Map"), vec![0x81, 1]].concat(),
        ] {
            let error = decode::<Nest>(&prefix.repeat(100_000)).expect_err("too deep");
            assert!(error.reason.contains("nests deeper"), "{error}");
        }
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "it is only decoded")]
        struct Chain(Option<Box<Chain>>);
        let somes = [&[0xd6, 0xad][..], &u32::MAX.to_le_bytes()].concat();
        let error = decode::<Chain>(&somes).expect_err("too deep");
        assert!(error.reason.contains("nests deeper"), "{error}");
        assert!(decode::<Shape>(&[0x91].repeat(100_000)).is_err());
    }

    #[test]
    fn the_stack_that_is_left_is_a_bound_too() {
        let nest = || (0..600).fold(Nest::End, |inner, _| WAYS[3](inner));
        let small = std::thread::Builder::new().stack_size(256 * 1024);
        let tried = small.spawn(move || {
            let nest = nest();
            let refused = encode(&nest, &mut Vec::new()).expect_err("no room");
            std::mem::forget(nest);
            refused
        });
        let error = tried.expect("a thread").join().expect("no overflow");
        assert!(error.reason.contains("stack"), "{error}");
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
