//! Bounds on how deep a value nests, and on how many elements it has that take no bytes, for formats that have none of their own: every level is a
//! call on the stack, every element is work, and a peer must not be able to ask for more than it has sent. It changes nothing else of how a
//! value is read.
//!
//! Every step of a reader goes through here. All of it is always inlined, so that nothing of it is left for what has no more in it than numbers
//! and strings: as calls, the elements of an array of sixteen bytes were a third of what it took to read a small struct.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

/// What one value may ask for, and what it has gone beyond: not every format keeps an error's text.
pub(super) struct Bounds {
    /// How long the value is.
    bytes: usize,
    /// How many further elements may take no bytes.
    empty: Cell<usize>,
    broken: Cell<Option<Broken>>,
}

/// A bound that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Depth,
    Elements,
}

impl Bounds {
    /// For a value of so many bytes, with so many elements that take none.
    pub(super) const fn new(bytes: usize, empty: usize) -> Self {
        Self { bytes, empty: Cell::new(empty), broken: Cell::new(None) }
    }

    pub(super) const fn broken(&self) -> Option<Broken> {
        self.broken.get()
    }

    #[cold]
    fn refuse<E: Error>(&self, broken: Broken) -> E {
        self.broken.set(Some(broken));
        E::custom(match broken {
            Broken::Depth => "the value nests too deep",
            Broken::Elements => "the value has more elements than bytes",
        })
    }

    /// Whether so many elements could not all have bytes.
    #[inline(always)]
    fn are_too_many(&self, elements: Option<usize>) -> bool {
        elements.is_none_or(|elements| elements > self.bytes)
    }

    fn count_empty<E: Error>(&self) -> Result<(), E> {
        let left = self.empty.get().checked_sub(1).ok_or_else(|| self.refuse(Broken::Elements))?;
        self.empty.set(left);
        Ok(())
    }
}

/// Whatever reads, with how much deeper it may go.
pub(super) struct Guarded<'a, T> {
    inner: T,
    left: usize,
    bounds: &'a Bounds,
}

/// The elements of a sequence or a map.
struct Elements<'a, T> {
    of: Guarded<'a, T>,
    /// Whether each of them is counted, since there are more than there are bytes.
    are_counted: bool,
}

impl<T> Elements<'_, T> {
    /// Counts an element that was read; the end of them is none.
    #[inline(always)]
    fn count<V, E: Error>(&self, element: Option<V>) -> Result<Option<V>, E> {
        if self.are_counted && element.is_some() {
            self.of.bounds.count_empty()?;
        }
        Ok(element)
    }
}

impl<'a, T> Guarded<'a, T> {
    pub(super) const fn new(inner: T, levels: usize, bounds: &'a Bounds) -> Self {
        Self { inner, left: levels, bounds }
    }

    #[inline(always)]
    const fn with<U>(&self, inner: U) -> Guarded<'a, U> {
        Guarded { inner, left: self.left, bounds: self.bounds }
    }

    #[inline(always)]
    fn elements<U>(&self, inner: U, count: Option<usize>) -> Elements<'a, U> {
        Elements { of: self.with(inner), are_counted: self.bounds.are_too_many(count) }
    }

    /// The same, one level deeper.
    #[inline(always)]
    fn deeper<E: Error>(mut self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(self)
            }
            None => Err(self.bounds.refuse(Broken::Depth)),
        }
    }
}

/// What has nothing inside.
macro_rules! leaves {
    ($($method:ident)*) => {$(
        #[inline(always)]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

/// What may have something inside.
macro_rules! levels {
    ($($method:ident($($name:ident: $type:ty),*))*) => {$(
        #[inline(always)]
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let this = self.deeper()?;
            let visitor = this.with(visitor);
            this.inner.$method($($name,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guarded<'_, D> {
    type Error = D::Error;

    leaves! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
    }

    levels! {
        deserialize_any()
        deserialize_ignored_any()
        deserialize_option()
        deserialize_newtype_struct(name: &'static str)
        deserialize_seq()
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    #[inline(always)]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visits {
    ($($method:ident($type:ty))*) => {$(
        #[inline(always)]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

macro_rules! visits_inside {
    ($($method:ident: $access:ident)*) => {$(
        #[inline(always)]
        fn $method<A: $access<'de>>(self, access: A) -> Result<V::Value, A::Error> {
            let access = self.with(access);
            self.inner.$method(access)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Guarded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visits! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_f32(f32) visit_f64(f64) visit_char(char)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    visits_inside! {
        visit_some: Deserializer
        visit_newtype_struct: Deserializer
        visit_enum: EnumAccess
    }

    #[inline(always)]
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let count = access.size_hint();
        let access = self.elements(access, count);
        self.inner.visit_seq(access)
    }

    #[inline(always)]
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let count = access.size_hint();
        let access = self.elements(access, count);
        self.inner.visit_map(access)
    }

    #[inline(always)]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline(always)]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Guarded<'_, S> {
    type Value = S::Value;

    #[inline(always)]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.with(deserializer);
        self.inner.deserialize(deserializer)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        let seed = self.of.with(seed);
        let element = self.of.inner.next_element_seed(seed)?;
        self.count(element)
    }

    // The same as serde's, which is a call for each element of an array.
    #[inline(always)]
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, A::Error> {
        self.next_element_seed(PhantomData)
    }

    #[inline(always)]
    fn size_hint(&self) -> Option<usize> {
        self.of.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    #[inline(always)]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let seed = self.of.with(seed);
        let key = self.of.inner.next_key_seed(seed)?;
        self.count(key)
    }

    #[inline(always)]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let seed = self.of.with(seed);
        self.of.inner.next_value_seed(seed)
    }

    #[inline(always)]
    fn size_hint(&self) -> Option<usize> {
        self.of.inner.size_hint()
    }
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Guarded<'a, A> {
    type Error = A::Error;
    type Variant = Guarded<'a, A::Variant>;

    #[inline(always)]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        let Self { inner, left, bounds } = self;
        let (value, variant) = inner.variant_seed(seed)?;
        Ok((value, Guarded { inner: variant, left, bounds }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    #[inline(always)]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline(always)]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.newtype_variant_seed(seed)
    }

    #[inline(always)]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.with(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    #[inline(always)]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.with(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
