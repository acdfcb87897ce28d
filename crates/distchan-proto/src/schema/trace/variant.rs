//! What enums read their variants from during a trace, and the names of these and of fields.
//!
//! It must never choose a variant: it stands for the one that was chosen.

use crate::schema::trace::ask::Ask;
use crate::schema::trace::pass::Probe;
use crate::schema::trace::stop::Stop;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

/// The name of a field or variant.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) index: usize,
}

impl<'de> Deserializer<'de> for Name {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.name)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_u32(self.index.try_into().unwrap_or(u32::MAX))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_u64(self.index.try_into().unwrap_or(u64::MAX))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_bytes(self.name.as_bytes())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string byte_buf option unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// One variant of an enum: first its name, then what is in it.
#[derive(Debug)]
pub(super) struct Variant<'t> {
    /// Visits the variant's place in the enum.
    pub(super) probe: Probe<'t>,
    pub(super) name: &'static str,
    pub(super) index: usize,
}

impl<'de, 't> EnumAccess<'de> for Variant<'t> {
    type Error = Stop;
    type Variant = Payload<'t>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Payload<'t>), Stop> {
        let variant = seed.deserialize(Name { name: self.name, index: self.index })?;
        Ok((variant, Payload(self.probe)))
    }
}

/// What is in a variant.
#[derive(Debug)]
pub(super) struct Payload<'t>(Probe<'t>);

impl<'de> VariantAccess<'de> for Payload<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        self.0.found_here::<IgnoredAny>(Ask::UnitVariant).map(drop)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        let (owner, descent) = self.0.found_here::<IgnoredAny>(Ask::NewtypeVariant)?;
        self.0.tracer.enter_inside(owner, descent, 0, |probe| seed.deserialize(probe))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.0.tuple(Ask::TupleVariant(len), len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let found = self.0.found_here::<V>(Ask::StructVariant(fields))?;
        self.0.fields(found, fields, visitor)
    }
}
