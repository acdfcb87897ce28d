//! What handles have in hand on a worker, and what the server knows of it: who has begun long enough ago to be announced, and whom a
//! cancel concerns. It speaks to nobody: whoever calls it has the lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use distchan_proto::ids::{Attempt, JobId};

use crate::channel::delivery::Delivery;
use crate::channel::signal::Signal;

/// A delivery, within one generation.
type Key = (JobId, Attempt);

/// Whom to tell that there is no use in working on it; made when somebody asks.
type Held = Option<Arc<Signal>>;

/// The deliveries that handles have in hand, by how long they have: a job that ends soon is never looked at again.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// Since after the last tick.
    young: BTreeMap<Key, Held>,
    /// Since before the last tick, and after the one before.
    grown: BTreeMap<Key, Held>,
    /// The server knows of these.
    announced: BTreeMap<Key, Held>,
}

impl Begun {
    /// A handle has it. Who had to wait for its announcement has been announced.
    pub(super) fn insert(&mut self, delivery: Delivery) {
        let place = if delivery.is_risky() { &mut self.announced } else { &mut self.young };
        place.insert(delivery.key(), None);
    }

    /// It has been answered: whoever still works on it works for nobody.
    pub(super) fn remove(&mut self, key: Key) {
        let held = self.young.remove(&key).or_else(|| self.grown.remove(&key));
        if let Some(Some(signal)) = held.or_else(|| self.announced.remove(&key)) {
            signal.fire();
        }
    }

    /// The server wants no answer any more; the handle that has it still owes one.
    pub(super) fn cancel(&mut self, key: Key) {
        if let Some(held) = self.get_mut(key) {
            held.get_or_insert_default().fire();
        }
    }

    /// What fires when it is cancelled, or no longer in hand.
    pub(super) fn signal(&mut self, key: Key) -> Arc<Signal> {
        match self.get_mut(key) {
            Some(held) => Arc::clone(held.get_or_insert_default()),
            None => {
                let signal = Signal::new();
                signal.fire();
                signal
            }
        }
    }

    /// Whether it was cancelled, or is no longer in hand.
    pub(super) fn is_pointless(&mut self, key: Key) -> bool {
        self.get_mut(key).is_none_or(|held| held.as_ref().is_some_and(|signal| signal.has_fired()))
    }

    /// Time has passed: what was begun before the last tick is to be announced.
    pub(super) fn tick(&mut self, due: &mut Vec<Key>) {
        due.extend(self.grown.keys());
        self.announced.extend(std::mem::replace(&mut self.grown, std::mem::take(&mut self.young)));
    }

    pub(super) fn has_unannounced(&self) -> bool {
        !self.young.is_empty() || !self.grown.is_empty()
    }

    /// All of it is with other workers.
    pub(super) fn reset(&mut self) {
        let Self { young, grown, announced } = std::mem::take(self);
        for signal in [young, grown, announced].into_iter().flat_map(BTreeMap::into_values).flatten() {
            signal.fire();
        }
    }

    fn get_mut(&mut self, key: Key) -> Option<&mut Held> {
        let Self { young, grown, announced } = self;
        young.get_mut(&key).or_else(|| grown.get_mut(&key)).or_else(|| announced.get_mut(&key))
    }
}
