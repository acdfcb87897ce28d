//! What types with parts read these from during a trace.
//!
//! It must never give a part twice, nor go on behind the target of a pass.

use crate::schema::trace::ask::{SlotId, TypeId};
use crate::schema::trace::pass::Tracer;
use crate::schema::trace::stop::{Descent, Halt, Mode, Stop};
use crate::schema::trace::variant::Name;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

/// The elements of a sequence or tuple, or the fields of a struct in their order.
#[derive(Debug)]
pub(super) struct Elements<'t> {
    tracer: &'t Tracer,
    owner: TypeId,
    descent: Descent,
    len: usize,
    given: usize,
}

impl<'t> Elements<'t> {
    pub(super) fn new(tracer: &'t Tracer, owner: TypeId, descent: Descent, len: usize) -> Self {
        Self { tracer, owner, descent, len, given: 0 }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if self.given >= self.len {
            return Ok(None);
        }
        let index = self.given;
        self.given += 1;
        // All elements that are not told apart share the last slot.
        let slots = self.tracer.look(|graph| graph.get(self.owner).map_or(0, |known| known.slots.len()));
        let index = index.min(slots.saturating_sub(1));
        let descent = match self.descent {
            Descent::Into(target, mode) if target == index => Descent::Into(target, mode),
            Descent::Into(..) | Descent::Make => Descent::Make,
        };
        self.tracer.enter_inside(self.owner, descent, index, |probe| seed.deserialize(probe)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len - self.given)
    }
}

/// The entries of a map: none or one.
#[derive(Debug)]
pub(super) struct Entries<'t> {
    tracer: &'t Tracer,
    owner: TypeId,
    descent: Descent,
    ended: bool,
}

const KEY: usize = 0;
const VALUE: usize = 1;

impl<'t> Entries<'t> {
    pub(super) fn new(tracer: &'t Tracer, owner: TypeId, descent: Descent, empty: bool) -> Self {
        Self { tracer, owner, descent, ended: empty }
    }

    fn part<'de, S: DeserializeSeed<'de>>(&self, index: usize, seed: S) -> Result<S::Value, Stop> {
        let descent = match self.descent {
            Descent::Into(target, mode) if target == index => Descent::Into(target, mode),
            Descent::Into(..) | Descent::Make => Descent::Make,
        };
        self.tracer.enter_inside(self.owner, descent, index, |probe| seed.deserialize(probe))
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(None);
        }
        self.part(KEY, seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        self.part(VALUE, seed)
    }

    fn next_entry_seed<K: DeserializeSeed<'de>, V: DeserializeSeed<'de>>(
        &mut self,
        key: K,
        value: V,
    ) -> Result<Option<(K::Value, V::Value)>, Stop> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(None);
        }
        if matches!(self.descent, Descent::Into(VALUE, _)) {
            // The value can be reached also where no key can be made.
            return match self.part(VALUE, value) {
                Ok(_) => Err(self.tracer.halt(Halt::Done)),
                Err(stop) => Err(stop),
            };
        }
        Ok(Some((self.part(KEY, key)?, self.part(VALUE, value)?)))
    }
}

/// The fields of a struct by their names: all, or the one that the pass is on its way to.
#[derive(Debug)]
pub(super) struct Fields<'t> {
    tracer: &'t Tracer,
    owner: TypeId,
    names: &'static [&'static str],
    /// Behind the name's index the slot, whose mode is that of the descent.
    order: Vec<(usize, usize, Descent)>,
    given: usize,
    /// The last name given is still without its value.
    pending: bool,
}

impl<'t> Fields<'t> {
    pub(super) fn new(
        tracer: &'t Tracer,
        owner: TypeId,
        descent: Descent,
        names: &'static [&'static str],
    ) -> Self {
        let tagged = tracer.look(|graph| graph.get(owner).and_then(|known| known.tagged));
        let order = match (descent, tagged) {
            (Descent::Into(slot, mode), Some(tagged)) if slot >= names.len() => {
                let tag = Descent::Into(tagged.tag, Mode::Variant(slot - names.len()));
                vec![(tagged.tag, tagged.tag, tag), (tagged.content, slot, Descent::Into(slot, mode))]
            }
            (Descent::Into(slot, mode), _) => vec![(slot, slot, Descent::Into(slot, mode))],
            (Descent::Make, _) => tracer.look(|graph| {
                let slots = graph.get(owner).map_or(&[][..], |known| &known.slots);
                let named = slots.iter().take(names.len()).enumerate();
                named
                    .filter(|(_, slot)| !slot.alias)
                    .map(|(index, _)| (index, index, Descent::Make))
                    .collect()
            }),
        };
        Self { tracer, owner, names, order, given: 0, pending: false }
    }

    /// Finds out what the visitor did not like, unless it was one of the values.
    pub(super) fn explain(&self, stop: Stop) -> Stop {
        if self.tracer.is_halted() {
            return stop;
        }
        if self.given == 0 && !self.names.is_empty() {
            return self.tracer.learn(|graph| {
                graph.get_mut(self.owner).into_iter().for_each(|known| known.positional = true);
            });
        }
        let last = self.given.checked_sub(1).and_then(|last| self.order.get(last));
        match last {
            Some((_, slot, _)) if stop.duplicate && self.pending => self.tracer.learn(|graph| {
                graph.slot(SlotId { owner: self.owner, index: *slot }).alias = true;
            }),
            _ => stop,
        }
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        let Some((index, _, _)) = self.order.get(self.given) else {
            return Ok(None);
        };
        self.given += 1;
        self.pending = true;
        let name = self.names.get(*index).copied().unwrap_or_default();
        seed.deserialize(Name { name, index: *index }).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        self.pending = false;
        let last = self.given.checked_sub(1).and_then(|last| self.order.get(last)).copied();
        let Some((_, slot, descent)) = last else {
            return Err(self.tracer.halt(Halt::DeadEnd));
        };
        match descent {
            Descent::Into(index, mode @ Mode::Variant(_)) => {
                let tag = SlotId { owner: self.owner, index };
                self.tracer.enter(tag, mode, |probe| seed.deserialize(probe))
            }
            Descent::Into(..) | Descent::Make => {
                self.tracer.enter_inside(self.owner, descent, slot, |probe| seed.deserialize(probe))
            }
        }
    }
}
