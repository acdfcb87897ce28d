//! What a channel's ends ask of the driver that runs beneath them.

use std::fmt::Debug;
use std::sync::Arc;

use crate::codec::CodecError;

/// The driver, as one channel sees it. None of these waits for anything but a short lock.
pub(crate) trait Port: Debug + Send + Sync {
    /// There is something to fetch that the driver has asked to be woken for, or the channel has ended on this side.
    fn wake(&self);

    /// Values that cost so much have been taken by the user.
    fn consumed(&self, cost: u64);

    /// The user will take nothing more.
    fn close_receiver(&self);
}

/// Held by every handle: with the last one, the server or the connection ends.
pub(crate) type Alive = Arc<dyn Keep>;

/// Whatever ends something when it is dropped.
pub(crate) trait Keep: Debug + Send + Sync {}

/// Appends a value's bytes.
pub(crate) type Encode<T> = fn(&T, &mut Vec<u8>) -> Result<(), CodecError>;

/// Makes a value of bytes.
pub(crate) type Decode<T> = fn(&[u8]) -> Result<T, CodecError>;
