//! The values that every system carries, and the count of what arrived. They must cost the same for every system, and little
//! beside carrying them: nothing here is formatted, hashed or looked up.

mod blob;
mod item;
mod tally;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::blob::{Blob, SMALL};
pub(crate) use self::item::{Item, MAX_ENCODED};
pub(crate) use self::tally::Tally;
use crate::scenarios::{Order, Work};

/// A kind of value that can be made, worked on, and recognised.
pub(crate) trait Payload:
    Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static
{
    /// What jobs are made from.
    type Mould: Clone + Send + Sync + 'static;

    /// Makes what jobs of this many bytes are made from. Values of one size need not be told theirs.
    fn mould(size: usize) -> Self::Mould;

    /// Makes the job with this id. Costs little, however large the value is.
    fn job(id: u64, mould: &Self::Mould) -> Self;

    /// Which one this is.
    fn id(&self) -> u64;

    /// Does the work: the same value with one field changed.
    #[must_use]
    fn worked(self) -> Self;

    /// Whether this is the job of its id, with no wrong field.
    fn is_job(&self) -> bool;

    /// Whether this is the result of its id, with no wrong field.
    fn is_result(&self) -> bool;
}

/// Encodes a value into bytes of its own, for systems that take those. Small ones cost one allocation of the right size.
#[cfg(feature = "peers")]
pub(crate) fn encode(value: &impl Serialize) -> postcard::Result<bytes::Bytes> {
    let mut small = [0; 256];
    match postcard::to_slice(value, &mut small) {
        Ok(encoded) => Ok(bytes::Bytes::copy_from_slice(encoded)),
        Err(_) => postcard::to_allocvec(value).map(Into::into),
    }
}

/// The most bytes that an encoded value of this order takes.
pub(crate) fn max_encoded(order: &Order) -> usize {
    if order.scenario.usual_size().is_some() { blob::max_encoded(order.size) } else { MAX_ENCODED }
}

/// The bytes that `n` values of this order take when encoded, without any system's framing.
pub(crate) fn encoded_bytes(order: &Order, n: u64) -> u64 {
    match (order.scenario.work(), order.scenario.usual_size()) {
        // What counts in W6 is the large value.
        (Work::Beside, _) => order.size as u64,
        (_, Some(_)) => n * order.size as u64,
        (_, None) => item::encoded_bytes(n),
    }
}
