//! A serializer in front of MessagePack's: it bounds how deep a value nests, and tells an option with nothing inside from
//! `None`.
//!
//! MessagePack has one word for nothing. `Some(())` and `Some(None)` are written as an extension that counts the `Some`s around it.

use std::fmt;

use serde::ser::{
    self, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct,
    SerializeStructVariant, SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
    Serializer,
};

use super::depth::Depth;

/// The extension's type: one that MessagePack keeps for itself, so that it is no user's.
pub(super) const SOMES: i8 = -83;

/// A value that is written no deeper than this.
pub(super) struct Bounded<'a, T: ?Sized>(pub(super) &'a T, pub(super) Depth);

impl<T: Serialize + ?Sized> Serialize for Bounded<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Writer(serializer, self.1))
    }
}

/// The serializer, and each of its parts, with the depth that is left.
struct Writer<S>(S, Depth);

fn deeper<E: ser::Error>(depth: Depth) -> Result<Depth, E> {
    depth.deeper().map_err(E::custom)
}

macro_rules! forward {
    ($($method:ident($($arg:ident: $type:ty),*))+) => {$(
        fn $method(self, $($arg: $type),*) -> Result<S::Ok, S::Error> {
            self.0.$method($($arg),*)
        }
    )+};
}

macro_rules! open {
    ($($method:ident($($arg:ident: $type:ty),*) -> $part:ident;)+) => {$(
        fn $method(self, $($arg: $type),*) -> Result<Self::$part, S::Error> {
            let depth = deeper(self.1)?;
            self.0.$method($($arg),*).map(|part| Writer(part, depth))
        }
    )+};
}

impl<S: Serializer> Serializer for Writer<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Writer<S::SerializeSeq>;
    type SerializeTuple = Writer<S::SerializeTuple>;
    type SerializeTupleStruct = Writer<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Writer<S::SerializeTupleVariant>;
    type SerializeMap = Writer<S::SerializeMap>;
    type SerializeStruct = Writer<S::SerializeStruct>;
    type SerializeStructVariant = Writer<S::SerializeStructVariant>;

    forward! {
        serialize_bool(v: bool) serialize_char(v: char) serialize_str(v: &str) serialize_bytes(v: &[u8])
        serialize_i8(v: i8) serialize_i16(v: i16) serialize_i32(v: i32) serialize_i64(v: i64) serialize_i128(v: i128)
        serialize_u8(v: u8) serialize_u16(v: u16) serialize_u32(v: u32) serialize_u64(v: u64) serialize_u128(v: u128)
        serialize_f32(v: f32) serialize_f64(v: f64)
        serialize_none() serialize_unit() serialize_unit_struct(name: &'static str)
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str)
    }

    open! {
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let depth = deeper(self.1)?;
        match value.serialize(Nothing(1, depth)) {
            Ok(somes) => self.0.serialize_newtype_struct(
                rmp_serde::MSGPACK_EXT_STRUCT_NAME,
                &(SOMES, Count(somes.to_le_bytes())),
            ),
            Err(_) => self.0.serialize_some(&Bounded(value, depth)),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = deeper(self.1)?;
        self.0
            .serialize_newtype_struct(name, &Bounded(value, depth))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = deeper(self.1)?;
        self.0
            .serialize_newtype_variant(name, index, variant, &Bounded(value, depth))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! part {
    ($($part:ident: $($method:ident($($name:ident: $type:ty)?))+;)+) => {$(
        impl<S: $part> $part for Writer<S> {
            type Ok = S::Ok;
            type Error = S::Error;
            $(
                fn $method<T: Serialize + ?Sized>(&mut self, $($name: $type,)? value: &T) -> Result<(), S::Error> {
                    self.0.$method($($name,)? &Bounded(value, self.1))
                }
            )+
            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )+};
}

part! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key() serialize_value();
    SerializeStruct: serialize_field(name: &'static str);
    SerializeStructVariant: serialize_field(name: &'static str);
}

/// The bytes of a number.
struct Count([u8; 4]);

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// Accepts what MessagePack would write as nothing, with the number of `Some`s around it, and refuses everything else at
/// its first word.
struct Nothing(u32, Depth);

/// It was something.
#[derive(Debug)]
struct Something;

impl fmt::Display for Something {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is something")
    }
}

impl std::error::Error for Something {}

impl ser::Error for Something {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Something
    }
}

macro_rules! refuse {
    ($($method:ident($($type:ty),*) -> $ok:ty;)+) => {$(
        fn $method(self, $(_: $type),*) -> Result<$ok, Something> {
            Err(Something)
        }
    )+};
}

impl Serializer for Nothing {
    type Ok = u32;
    type Error = Something;
    type SerializeSeq = Impossible<u32, Something>;
    type SerializeTuple = Impossible<u32, Something>;
    type SerializeTupleStruct = Impossible<u32, Something>;
    type SerializeTupleVariant = Impossible<u32, Something>;
    type SerializeMap = Impossible<u32, Something>;
    type SerializeStruct = Impossible<u32, Something>;
    type SerializeStructVariant = Impossible<u32, Something>;

    fn serialize_none(self) -> Result<u32, Something> {
        Ok(self.0)
    }

    fn serialize_unit(self) -> Result<u32, Something> {
        Ok(self.0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u32, Something> {
        value.serialize(Nothing(self.0 + 1, deeper(self.1)?))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<u32, Something> {
        value.serialize(Nothing(self.0, deeper(self.1)?))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<u32, Something> {
        Err(Something)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<u32, Something> {
        Err(Something)
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    refuse! {
        serialize_bool(bool) -> u32;
        serialize_char(char) -> u32;
        serialize_str(&str) -> u32;
        serialize_bytes(&[u8]) -> u32;
        serialize_i8(i8) -> u32;
        serialize_i16(i16) -> u32;
        serialize_i32(i32) -> u32;
        serialize_i64(i64) -> u32;
        serialize_i128(i128) -> u32;
        serialize_u8(u8) -> u32;
        serialize_u16(u16) -> u32;
        serialize_u32(u32) -> u32;
        serialize_u64(u64) -> u32;
        serialize_u128(u128) -> u32;
        serialize_f32(f32) -> u32;
        serialize_f64(f64) -> u32;
        serialize_unit_struct(&'static str) -> u32;
        serialize_unit_variant(&'static str, u32, &'static str) -> u32;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
