//! The deserializer that a type meets at each place during a trace: it notes what the type asks for, and
//! gives it something small that it takes.
//!
//! It must never decide where a pass goes: it asks the tracer.

use crate::schema::sample;
use crate::schema::shape::Kind;
use crate::schema::trace::access::{Elements, Entries, Fields};
use crate::schema::trace::ask::{Ask, Identity, TypeId};
use crate::schema::trace::pass::Probe;
use crate::schema::trace::stop::{Descent, Halt, Mode, Stop};
use crate::schema::trace::variant::Variant;
use serde::de::{Deserializer, Visitor};
use std::any::type_name;

impl Probe<'_> {
    fn leaf<'de, V: Visitor<'de>>(self, kind: Kind, visitor: V) -> Result<V::Value, Stop> {
        self.tracer.record(self.at, Ask::Leaf(kind), Identity::Anonymous)?;
        let nth = usize::from(self.tracer.sample());
        if nth + 1 == sample::count(kind) {
            self.tracer.keep_expecting(self.at, &visitor);
        }
        sample::offer(kind, nth, visitor)
    }

    /// Notes a type with parts that the compiler's names tell apart.
    fn compound<'de, V: Visitor<'de>>(self, ask: Ask) -> Result<(TypeId, Descent), Stop> {
        let identity = Identity::Visitor(type_name::<V>(), type_name::<V::Value>(), size_of::<V::Value>());
        self.found::<V>(ask, identity)
    }

    /// Notes a type with parts that only its place tells apart.
    pub(super) fn found_here<'de, V: Visitor<'de>>(self, ask: Ask) -> Result<(TypeId, Descent), Stop> {
        self.found::<V>(ask, Identity::At(self.at))
    }

    fn found<'de, V: Visitor<'de>>(self, ask: Ask, identity: Identity) -> Result<(TypeId, Descent), Stop> {
        let id = self.tracer.record(self.at, ask, identity)?;
        self.tracer.check_size(size_of::<V::Value>())?;
        Ok((id, self.tracer.descent(id, self.mode)?))
    }

    pub(super) fn tuple<'de, V: Visitor<'de>>(
        self,
        ask: Ask,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let (owner, descent) = self.found_here::<V>(ask)?;
        visitor.visit_seq(Elements::new(self.tracer, owner, descent, len))
    }

    /// Lets a struct, which is already noted, read its fields: by name, which works also behind one that cannot
    /// be made; in order if it takes nothing else.
    pub(super) fn fields<'de, V: Visitor<'de>>(
        self,
        (owner, descent): (TypeId, Descent),
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if self.tracer.look(|graph| graph.get(owner).is_some_and(|known| known.positional)) {
            return visitor.visit_seq(Elements::new(self.tracer, owner, descent, names.len()));
        }
        let mut fields = Fields::new(self.tracer, owner, descent, names);
        let result = visitor.visit_map(&mut fields);
        result.map_err(|stop| fields.explain(stop))
    }
}

macro_rules! leaves {
    ($($method:ident $kind:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.leaf(Kind::$kind, visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    leaves! {
        deserialize_bool Bool,
        deserialize_i8 I8,
        deserialize_i16 I16,
        deserialize_i32 I32,
        deserialize_i64 I64,
        deserialize_i128 I128,
        deserialize_u8 U8,
        deserialize_u16 U16,
        deserialize_u32 U32,
        deserialize_u64 U64,
        deserialize_u128 U128,
        deserialize_f32 F32,
        deserialize_f64 F64,
        deserialize_char Char,
        deserialize_str Str,
        deserialize_string Str,
        deserialize_bytes Bytes,
        deserialize_byte_buf Bytes,
        deserialize_unit Unit,
        deserialize_any Any,
        deserialize_identifier Identifier,
        deserialize_ignored_any Ignored,
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.leaf(Kind::Unit, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let (owner, descent) = self.compound::<V>(Ask::Option)?;
        if descent == Descent::Make && self.tracer.sample() == 0 {
            return visitor.visit_none();
        }
        self.tracer.enter_inside(owner, descent, 0, |probe| visitor.visit_some(probe))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let (owner, descent) = self.compound::<V>(Ask::Newtype)?;
        self.tracer.enter_inside(owner, descent, 0, |probe| visitor.visit_newtype_struct(probe))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let (owner, descent) = self.compound::<V>(Ask::Seq)?;
        let empty = descent == Descent::Make && self.tracer.sample() == 0;
        visitor.visit_seq(Elements::new(self.tracer, owner, descent, usize::from(!empty)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let (owner, descent) = self.compound::<V>(Ask::Map)?;
        let empty = descent == Descent::Make && self.tracer.sample() == 0;
        visitor.visit_map(Entries::new(self.tracer, owner, descent, empty))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.tuple(Ask::Tuple(len), len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let (owner, descent) = self.compound::<V>(Ask::Tuple(len))?;
        visitor.visit_seq(Elements::new(self.tracer, owner, descent, len))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let found = self.compound::<V>(Ask::Struct(name, fields))?;
        self.fields(found, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let (owner, descent) = self.compound::<V>(Ask::Enum(name, variants))?;
        let make = |index, descent| {
            let Some(name) = variants.get(index).copied() else {
                return Err(self.tracer.halt(Halt::DeadEnd));
            };
            self.tracer.enter_inside(owner, descent, index, |probe| {
                visitor.visit_enum(Variant { probe, name, index })
            })
        };
        match (self.mode, descent) {
            (Mode::Variant(index), _) => make(index, Descent::Make),
            (_, Descent::Into(index, _)) => make(index, descent),
            (Mode::Make | Mode::Follow(_), Descent::Make) => {
                let index = self.tracer.begin_enum(owner)?;
                let made = make(index, descent);
                self.tracer.end_enum(owner, made.is_ok());
                made
            }
        }
    }

    fn is_human_readable(&self) -> bool {
        self.tracer.human_readable
    }
}
