//! How the key of a job is found, on a channel whose jobs have keys. A leaf: who does what with a key is decided by the server's machine.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::channel::port::Decode;

/// What all senders of one channel make keys with.
pub(crate) struct Keying<J>(Arc<dyn Fn(&J) -> u64 + Send + Sync>);

impl<J> Keying<J> {
    /// Jobs whose keys are equal are equal here: to the machine a key is a number.
    pub(crate) fn new<K: Hash>(key: impl Fn(&J) -> K + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |job| {
            // Without a secret: a key's worker may be guessed, and nothing follows from that.
            let mut hasher = DefaultHasher::new();
            key(job).hash(&mut hasher);
            hasher.finish()
        }))
    }

    pub(crate) fn of(&self, job: &J) -> u64 {
        (self.0)(job)
    }

    /// The key of an encoded job. One that does not decode has been encoded by another than its decoder's inverse: its order is nobody's.
    pub(crate) fn of_encoded(&self, decode: Decode<J>, bytes: &[u8]) -> u64 {
        decode(bytes).map_or(0, |job| self.of(&job))
    }
}

impl<J> Clone for Keying<J> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<J> fmt::Debug for Keying<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keying").finish_non_exhaustive()
    }
}
