//! What a channel's ends ask of the driver that runs beneath them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

use distchan_proto::ids::{JobId, SinkId};
use distchan_proto::scattered::ScatteredMut;
use distchan_proto::time::Time;

use crate::codec::CodecError;

/// The driver, as one channel sees it. None of these waits for anything but a short lock.
pub(crate) trait Port: Debug + Send + Sync {
    /// There is something to fetch that the driver has asked to be woken for, or the channel has ended on this side.
    fn wake(&self);

    /// The same, for something short whose sender is about to wait for what comes of it: written at once, if that can be done without waiting.
    fn flush(&self) {
        self.wake();
    }

    /// Values that cost so much have been taken by the user.
    fn consumed(&self, cost: u64);

    /// The user will take nothing more.
    fn close_receiver(&self);

    /// On a worker: jobs were taken in hand, and nobody has been ticking since the last were announced.
    fn begun(&self);

    /// On a server: nobody wants this job's results any more.
    fn cancel(&self, job: JobId);

    /// On a server: nobody wants the results of any job of this sink any more.
    fn cancel_sink(&self, sink: SinkId);

    /// What the machine's time is by this machine's clock.
    fn wall_clock(&self, time: Time) -> SystemTime;
}

/// Held by every handle: with the last one, the server or the connection ends.
pub(crate) type Alive = Arc<dyn Keep>;

/// Whatever ends something when it is dropped.
pub(crate) trait Keep: Debug + Send + Sync {}

/// Appends a value's bytes.
pub(crate) type Encode<T> = fn(&T, &mut ScatteredMut) -> Result<(), CodecError>;

/// Makes a value of bytes.
pub(crate) type Decode<T> = fn(&[u8]) -> Result<T, CodecError>;

/// The same, where it is wanted: each further move of a value would show.
pub(crate) type DecodeTo<T> = fn(&[u8], &mut Option<T>) -> Result<(), CodecError>;
