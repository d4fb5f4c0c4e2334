//! A deserializer in front of MessagePack's, and the counterpart of [`write`](super::write): it bounds how deep a value
//! nests, and reads options itself.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::marker::PhantomData;

use rmp_serde::Deserializer as MessagePack;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::depth::Depth;
use super::write::SOMES;

/// Reads a value, and gives back what is behind it.
pub(super) fn first<S: for<'de> DeserializeSeed<'de, Value = T>, T>(
    seed: S,
    bytes: &[u8],
) -> Result<(T, &[u8]), rmp_serde::decode::Error> {
    let rest = Rest(Cell::new(bytes));
    let mut inner = MessagePack::new(&rest).with_human_readable();
    // The depth is bounded here.
    inner.set_max_depth(usize::MAX);
    let at = Reading {
        rest: &rest,
        depth: Depth::here(),
    };
    let value = seed.deserialize(Reader(&mut inner, at))?;
    let read = bytes.len() - rest.0.get().len();
    Ok((value, &bytes[read..]))
}

/// The bytes that were not read yet.
struct Rest<'b>(Cell<&'b [u8]>);

impl Read for &Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.0.get();
        let read = rest.read(buffer)?;
        self.0.set(rest);
        Ok(read)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut rest = self.0.get();
        let read = rest.read_exact(buffer);
        self.0.set(rest);
        read
    }
}

/// What an option says of itself.
enum Word {
    None,
    /// So many `Some`s around nothing.
    Somes(u32),
    /// Its value follows, and nothing before it.
    Value,
}

impl Rest<'_> {
    /// The word that comes next; it is consumed.
    fn word(&self) -> Word {
        const NIL: u8 = 0xc0;
        /// An extension of four bytes.
        const FIXEXT4: u8 = 0xd6;
        const TYPE: u8 = SOMES.cast_unsigned();
        match self.0.get() {
            [NIL, rest @ ..] => {
                self.0.set(rest);
                Word::None
            }
            [FIXEXT4, TYPE, a, b, c, d, rest @ ..] => {
                self.0.set(rest);
                Word::Somes(u32::from_le_bytes([*a, *b, *c, *d]))
            }
            _ => Word::Value,
        }
    }
}

/// Where in the bytes, and how deep.
#[derive(Clone, Copy)]
struct Reading<'c> {
    rest: &'c Rest<'c>,
    depth: Depth,
}

impl Reading<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.deeper().map_err(E::custom)?;
        Ok(Reading { depth, ..self })
    }
}

/// The deserializer, its parts, the visitors that it calls and the seeds that they bring.
struct Reader<'c, T>(T, Reading<'c>);

macro_rules! forward {
    ($($method:ident($($arg:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($arg,)* Reader(visitor, self.1))
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Reader<'_, D> {
    type Error = D::Error;

    forward! {
        deserialize_bool() deserialize_char() deserialize_str() deserialize_string() deserialize_bytes()
        deserialize_byte_buf() deserialize_identifier()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64()
        deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_seq() deserialize_tuple(len: usize) deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map() deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.1.rest.word() {
            Word::None => visitor.visit_unit(),
            Word::Somes(somes) => Somes::new(somes, self.1).deserialize_option(visitor),
            Word::Value => self.0.deserialize_any(Reader(visitor, self.1)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.1.rest.word() {
            Word::None => visitor.visit_none(),
            Word::Somes(somes) => Somes::new(somes, self.1).deserialize_option(visitor),
            Word::Value => visitor.visit_some(Reader(self.0, self.1.deeper()?)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident($type:ty))+) => {$(
        fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Reader<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool(bool) visit_char(char)
        visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_f32(f32) visit_f64(f64)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Reader(inner, self.1.deeper()?))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Reader(inner, self.1.deeper()?))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Reader(items, self.1.deeper()?))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Reader(entries, self.1.deeper()?))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Reader(variant, self.1.deeper()?))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Reader<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Reader(inner, self.1))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Reader<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Reader(seed, self.1))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Reader<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(Reader(seed, self.1))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Reader(seed, self.1))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, 'c, A: EnumAccess<'de>> EnumAccess<'de> for Reader<'c, A> {
    type Error = A::Error;
    type Variant = Reader<'c, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(Reader(seed, self.1))?;
        Ok((value, Reader(variant, self.1)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Reader<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Reader(seed, self.1))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Reader(visitor, self.1))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Reader(visitor, self.1))
    }
}

/// So many `Some`s around nothing.
struct Somes<'c, E> {
    left: u32,
    at: Reading<'c>,
    error: PhantomData<E>,
}

impl<'c, E> Somes<'c, E> {
    fn new(left: u32, at: Reading<'c>) -> Self {
        Somes {
            left,
            at,
            error: PhantomData,
        }
    }
}

impl<'de, E: de::Error> Deserializer<'de> for Somes<'_, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.left {
            0 => visitor.visit_unit(),
            _ => self.deserialize_option(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.left.checked_sub(1) {
            None => visitor.visit_none(),
            Some(left) => visitor.visit_some(Somes::new(left, self.at.deeper()?)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        let at = self.at.deeper()?;
        visitor.visit_newtype_struct(Somes { at, ..self })
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
