//! What the builders of both sides have in common: a channel's name, its types, and what happens to its bytes.

use distchan_proto::Direction;
use distchan_proto::compression::SharedCompressor;
use distchan_proto::limits;
use distchan_proto::schema::{Fingerprint, Schema};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::transform::SharedTransform;
use serde::de::DeserializeOwned;

use crate::codec::Codec;

/// The fingerprint of a type under a codec, as both sides compare it when a channel is opened: what a worker in another language sends.
///
/// ```
/// use distchan::codec::Json;
///
/// assert_eq!(distchan::fingerprint::<String, Json>().to_string(), "983c6f44348c650caddbf6822ceb7bc3");
/// ```
#[must_use]
pub fn fingerprint<T: DeserializeOwned, C: Codec>() -> Fingerprint {
    Schema::of::<T>(C::HUMAN_READABLE).fingerprint()
}

/// The settings that both sides compare when a channel is opened.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) name: String,
    pub(crate) max_value: usize,
    pub(crate) compressors: Vec<SharedCompressor>,
    pub(crate) transform: Option<SharedTransform>,
}

impl Common {
    /// A channel of this name, and how it may be compressed.
    pub(crate) const fn new(name: String, compressors: Vec<SharedCompressor>) -> Self {
        Self { name, max_value: limits::DEFAULT_MAX_VALUE, compressors, transform: None }
    }

    /// These settings for these types, as the machines compare them.
    pub(crate) fn spec<J, R, C>(&self, direction: Direction) -> ChannelSpec
    where
        J: DeserializeOwned,
        R: DeserializeOwned,
        C: Codec,
    {
        let job = Schema::of::<J>(C::HUMAN_READABLE);
        let result = Schema::of::<R>(C::HUMAN_READABLE);
        for blind in [job.blind_spot("job"), result.blind_spot("result")].into_iter().flatten() {
            tracing::warn!(channel = self.name, "the types of both sides cannot be compared whole: {blind}");
        }
        ChannelSpec {
            name: self.name.clone(),
            direction,
            codec: C::NAME.to_owned(),
            job,
            result,
            compressors: self.compressors.clone(),
            transform: self.transform.clone(),
            max_value: self.max_value,
        }
    }
}

/// The setters that every builder of a channel has. They expect the fields `settings`, with a [`Common`] in `common`, and `types`, and are told
/// of others.
macro_rules! common_setters {
    ($builder:ident<$($types:ident),+> $(, $other:ident)*) => {
        /// Encodes with another codec than [`Postcard`]. Both sides need the same.
        pub fn codec<D: Codec>(self, _codec: D) -> $builder<$($types,)+ D> {
            $builder { settings: self.settings, $($other: self.$other,)* types: PhantomData }
        }

        /// Transforms the bytes of whole batches on their way: encryption of one's own, for example. Both sides need the same,
        /// with the same key; the channel is not opened otherwise, and both sides are told.
        pub fn transform(mut self, transform: impl Transform + 'static) -> Self {
            self.settings.common.transform = Some(SharedTransform(Arc::new(transform)));
            self
        }

        /// The largest encoded value, either way, in bytes: 16 MiB unless set, 2 GiB at most. A worker has to accept what the
        /// server may send, or it is refused.
        pub fn max_value(mut self, bytes: usize) -> Self {
            self.settings.common.max_value = bytes.clamp(1, limits::LARGEST_MAX_VALUE);
            self
        }
    };
}
pub(crate) use common_setters;
