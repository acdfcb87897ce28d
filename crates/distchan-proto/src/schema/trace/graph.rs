//! What a trace has learned: the types it met, and for each place inside them what it holds and takes.
//!
//! It must never touch a value: it only keeps the books.

use crate::schema::sample;
use crate::schema::shape::Kind;
use crate::schema::trace::ask::{Ask, Identity, Key, ROOT, SlotId, TypeId};
use std::collections::BTreeMap;

/// The most types that are kept apart in one trace; the places of further ones stay unknown.
const MAX_TYPES: usize = 2000;
/// The most places in all types together.
const MAX_SLOTS: usize = 16 * 1024;
/// How many variations are tried on a type that refuses a value of which it accepted all parts.
const COMPOUND_TRIES: u8 = 4;

/// A type that the trace met.
#[derive(Debug)]
pub(super) struct Traced {
    pub(super) key: Key,
    pub(super) slots: Vec<Slot>,
    /// The place where it was met first: the way back to the root.
    found_at: SlotId,
    /// For an enum: the variant that is made where any would do.
    pub(super) variant: usize,
    /// For a struct: whether its visitor wants a sequence, since it does not take a map.
    pub(super) positional: bool,
    /// For an adjacently tagged enum: the slots of its tag and of its content; the content of variant `n`
    /// has the slot 2 + `n`.
    pub(super) tagged: Option<Tagged>,
}

/// Which fields of a struct are the tag and the content of an adjacently tagged enum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tagged {
    pub(super) tag: usize,
    pub(super) content: usize,
}

/// What is known about a place.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) child: Option<TypeId>,
    /// How many samples were refused: the next one to offer, or the one that is taken once `accepted`.
    pub(super) refused: u8,
    pub(super) accepted: bool,
    /// Nothing that the trace has to offer is taken.
    pub(super) exhausted: bool,
    /// The trace is through with it.
    pub(super) finished: bool,
    /// It was asked for different types at different times.
    pub(super) ambiguous: bool,
    /// An alias of another field, which must not be given along with that.
    pub(super) alias: bool,
    /// What the type says that it expects, if it is exhausted.
    pub(super) expecting: Option<String>,
}

/// All types that a trace met.
#[derive(Debug)]
pub(super) struct Graph {
    types: Vec<Traced>,
    keys: BTreeMap<Key, TypeId>,
    slots: usize,
    /// Grows with everything learned that makes another pass worth trying.
    pub(super) progress: u64,
    spare: Slot,
}

impl Graph {
    pub(super) fn new() -> Self {
        let key = Key { ask: Ask::Newtype, identity: Identity::At(ROOT) };
        let mut graph =
            Self { types: Vec::new(), keys: BTreeMap::new(), slots: 0, progress: 0, spare: Slot::default() };
        graph.insert(key, ROOT);
        graph
    }

    pub(super) fn types(&self) -> &[Traced] {
        &self.types
    }

    pub(super) fn get(&self, id: TypeId) -> Option<&Traced> {
        self.types.get(id.0)
    }

    pub(super) fn get_mut(&mut self, id: TypeId) -> Option<&mut Traced> {
        self.types.get_mut(id.0)
    }

    pub(super) fn slot(&mut self, id: SlotId) -> &mut Slot {
        let slot = self.types.get_mut(id.owner.0).and_then(|owner| owner.slots.get_mut(id.index));
        slot.unwrap_or(&mut self.spare)
    }

    /// Returns what a slot is known to ask for.
    pub(super) fn ask_at(&self, id: SlotId) -> Option<Ask> {
        let child = self.get(id.owner)?.slots.get(id.index)?.child?;
        Some(self.get(child)?.key.ask)
    }

    /// Notes that the type with `key` stands at `at`, and returns its id unless there are too many types.
    pub(super) fn record(&mut self, at: SlotId, key: Key) -> Option<TypeId> {
        if let Some(child) = self.slot(at).child
            && self.get(child).is_some_and(|known| known.key == key)
        {
            return Some(child);
        }
        let id = match self.keys.get(&key) {
            Some(id) => *id,
            None if self.types.len() >= MAX_TYPES || self.slots + key.ask.slots() > MAX_SLOTS => return None,
            None => self.insert(key, at),
        };
        if self.is_content(self.get(id)?.found_at)
            && let Some(known) = self.get_mut(id)
        {
            known.found_at = at;
        }
        let slot = self.slot(at);
        slot.ambiguous |= slot.child.is_some();
        slot.child.get_or_insert(id);
        Some(id)
    }

    /// Notes that the type at a place took what it was offered, and whether that was the place's own sample.
    pub(super) fn accept(&mut self, at: SlotId, own: bool) {
        let slot = self.slot(at);
        slot.accepted |= own;
        if slot.child.is_none() {
            // It takes no data at all.
            self.record(at, Key { ask: Ask::Leaf(Kind::Unit), identity: Identity::Anonymous });
        }
    }

    /// Notes that the type at a place refused what it was offered. Returns whether there is more to offer.
    pub(super) fn refuse(&mut self, at: SlotId) -> bool {
        let tries = match self.ask_at(at) {
            None => 0,
            Some(Ask::Leaf(kind)) => u8::try_from(sample::count(kind)).unwrap_or(u8::MAX) - 1,
            Some(_) => COMPOUND_TRIES,
        };
        let slot = self.slot(at);
        if slot.accepted {
            return false;
        }
        if slot.refused < tries {
            slot.refused += 1;
        } else {
            slot.exhausted = true;
        }
        let more = !slot.exhausted;
        self.progress += 1;
        more
    }

    /// Makes the next variant the one to make. Returns false, back at the first, after the last.
    pub(super) fn next_variant(&mut self, id: TypeId) -> bool {
        let Some(known) = self.get_mut(id) else {
            return false;
        };
        known.variant += 1;
        if known.variant >= known.slots.len() {
            known.variant = 0;
            return false;
        }
        self.progress += 1;
        true
    }

    /// Returns the places to go through from the root to `target`.
    pub(super) fn path(&self, target: SlotId) -> Vec<SlotId> {
        let mut path = vec![target];
        let mut at = target;
        while at.owner != ROOT.owner && path.len() <= MAX_TYPES {
            let Some(owner) = self.get(at.owner) else { break };
            at = owner.found_at;
            path.push(at);
        }
        path.reverse();
        path
    }

    /// Adds slots for the content of each variant to every struct that looks like an adjacently tagged enum:
    /// two fields, an enum of unit variants and one that alone asks for anything. Returns whether there was one.
    pub(super) fn open_tagged(&mut self) -> bool {
        let mut found = Vec::new();
        for (index, known) in self.types.iter().enumerate() {
            let two = matches!(known.key.ask, Ask::Struct(_, [_, _])) && known.tagged.is_none();
            for (tag, content) in [(0, 1), (1, 0)] {
                let variants = self.tags(SlotId { owner: TypeId(index), index: tag });
                let content_at = SlotId { owner: TypeId(index), index: content };
                // Behind the tag it may have asked for the content of the first variant before.
                let ambiguous = known.slots.get(content).is_some_and(|slot| slot.ambiguous);
                let any = self.ask_at(content_at) == Some(Ask::Leaf(Kind::Any));
                if two && (any || ambiguous) && variants > 0 && self.slots + variants <= MAX_SLOTS {
                    found.push((TypeId(index), Tagged { tag, content }, variants));
                }
            }
        }
        for (id, tagged, variants) in &found {
            self.slots += variants;
            if let Some(known) = self.get_mut(*id) {
                known.tagged = Some(*tagged);
                known.slots.extend((0..*variants).map(|_| Slot::default()));
            }
        }
        // What was found behind the content before could not be reached there again, but now can be.
        let unseen =
            self.types.iter_mut().flat_map(|known| &mut known.slots).filter(|slot| slot.child.is_none());
        unseen.for_each(|slot| slot.finished = false);
        !found.is_empty()
    }

    /// Returns whether a place is one that cannot be visited alone, since what is there depends on a tag.
    fn is_content(&self, at: SlotId) -> bool {
        let tagged = self.get(at.owner).and_then(|owner| owner.tagged);
        tagged.is_some_and(|tagged| tagged.content == at.index)
    }

    /// Returns how many variants the enum at a place has, or 0 if it is none or has other than unit variants.
    fn tags(&self, at: SlotId) -> usize {
        let Some(Ask::Enum(_, variants)) = self.ask_at(at) else {
            return 0;
        };
        let child = self.types.get(at.owner.0).and_then(|owner| owner.slots.get(at.index)?.child);
        let Some(child) = child else { return 0 };
        let unit = |index| self.ask_at(SlotId { owner: child, index }) == Some(Ask::UnitVariant);
        if (0..variants.len()).all(unit) { variants.len() } else { 0 }
    }

    fn insert(&mut self, key: Key, found_at: SlotId) -> TypeId {
        let id = TypeId(self.types.len());
        let slots: Vec<Slot> = (0..key.ask.slots()).map(|_| Slot::default()).collect();
        self.slots += slots.len();
        self.types.push(Traced { key, slots, found_at, variant: 0, positional: false, tagged: None });
        self.keys.insert(key, id);
        id
    }
}
