//! What a side says of a channel when it opens it. Both machines compare these; neither changes them.

use crate::compression::SharedCompressor;
use crate::frame::control::Direction;
use crate::limits;
use crate::schema::Schema;
use crate::transform::SharedTransform;

/// A channel as one side was built to use it.
#[derive(Clone, Debug)]
pub struct ChannelSpec {
    /// The name under which both sides open it.
    pub name: String,
    /// What flows through it.
    pub direction: Direction,
    /// The codec's name.
    pub codec: String,
    /// The jobs' shape; on a channel from the workers, the values'.
    pub job: Schema,
    /// The results' shape; that of `()` on a one-way channel.
    pub result: Schema,
    /// How bodies may be compressed: at the server what it would like, the best first, at a worker all that it knows.
    pub compressors: Vec<SharedCompressor>,
    /// The bytes-to-bytes step, if any.
    pub transform: Option<SharedTransform>,
    /// The largest encoded value that this side accepts, in bytes.
    pub max_value: usize,
}

impl ChannelSpec {
    /// What the other side must be able to undo: the channel's name, transformed.
    pub(crate) fn probe(&self) -> Vec<u8> {
        self.transform
            .as_ref()
            .map_or_else(Vec::new, |transform| transform.seal(&mut self.name.clone().into_bytes()))
    }

    /// Checks the other side's probe; the text says what is wrong.
    pub(crate) fn check_probe(&self, probe: &[u8], us: &str, them: &str) -> Result<(), String> {
        match &self.transform {
            None if probe.is_empty() => Ok(()),
            None => Err(format!("{them} transforms this channel's bytes, {us} does not")),
            Some(_) if probe.is_empty() => {
                Err(format!("{us} transforms this channel's bytes, {them} does not"))
            }
            Some(transform) => match transform.open(probe, limits::MAX_FRAME_BODY) {
                Ok(name) if name == self.name.as_bytes() => Ok(()),
                Ok(_) | Err(_) => Err(format!(
                    "{us} cannot undo the transform of {them}: both need the same transform with the same key"
                )),
            },
        }
    }

    /// The largest value that can travel between a side that says `theirs` and this one.
    pub(crate) fn agreed_max_value(&self, theirs: u64) -> usize {
        usize::try_from(theirs).unwrap_or(usize::MAX).min(self.max_value).min(limits::LARGEST_MAX_VALUE)
    }
}
