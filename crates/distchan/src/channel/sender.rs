//! The sending end of a channel: a server's one-way channel, a worker's one-way channel, or a worker's results.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use distchan_proto::ids::SinkId;

use crate::channel::error::{SendError, SendErrorKind, TrySendError};
use crate::channel::keying::Keying;
use crate::channel::outgoing::{Label, Outgoing, PushError, Reservation, Room};
use crate::channel::port::{Alive, Encode};

/// Sends values of one type to the other side. Clones send into the same channel; with the last one, the channel closes.
///
/// A worker gets one for the results of a channel: what is sent through it belongs to the job that its
/// [`JobReceiver::recv`](crate::JobReceiver::recv) returned last.
pub struct Sender<T> {
    outgoing: Arc<Outgoing>,
    encode: Encode<T>,
    purpose: Purpose,
    /// By when what is sent must be done.
    within: Option<Duration>,
    /// Where what is sent has keys.
    keying: Option<Keying<T>>,
    alive: Alive,
}

/// What a sent value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A value that stands for itself.
    Value,
    /// A result of the job in hand.
    Result,
}

impl<T> Sender<T> {
    pub(crate) fn new(outgoing: Arc<Outgoing>, encode: Encode<T>, purpose: Purpose, alive: Alive) -> Self {
        // A job's end can be said without the results' sender, so that one closes nothing when it goes.
        if purpose == Purpose::Value {
            outgoing.add_sender();
        }
        Self { outgoing, encode, purpose, within: None, keying: None, alive }
    }

    /// The same sender, for jobs that must be done within this time of being sent.
    pub(crate) fn set_within(&mut self, within: Duration) {
        self.within = Some(within);
    }

    /// The same sender, where what is sent has keys.
    pub(crate) fn keyed(mut self, keying: Option<Keying<T>>) -> Self {
        self.keying = keying;
        self
    }

    pub(crate) const fn within(&self) -> Option<Duration> {
        self.within
    }

    /// Sends a value. Waits while the other side is behind: on a server while workers have as many jobs as they may have and the
    /// channel's capacity is used up, on a worker while the server's receiver does not keep up.
    ///
    /// A value that was sent has not arrived yet. A server's is kept until a worker has taken it and asked for the next; a worker's
    /// result becomes visible when its job completes; a worker's value on a one-way channel is lost if the connection is
    /// (call [`Worker::close`](crate::Worker::close) before a worker ends).
    ///
    /// # Errors
    /// [`SendError`] with the value: the channel is closed, the other side is gone, the value does not encode or is too large,
    /// or, for results, there is no job in hand.
    ///
    /// # Cancel safety
    /// Dropping the future before it is done sends nothing. Senders that wait are served in the order in which they came; one that is
    /// neither polled nor dropped keeps the room for one value.
    #[expect(clippy::manual_async_fn, reason = "an async fn would move the value once more")]
    pub fn send(&self, value: T) -> impl Future<Output = Result<(), SendError<T>>> {
        async move {
            if self.push_quickly(&value) {
                return Ok(());
            }
            match self.push(&value, Room::Free) {
                Ok(()) => Ok(()),
                Err(PushError::Failed(kind)) => Err(SendError::new(value, kind)),
                Err(PushError::Full) => match self.reserve().await {
                    Ok(permit) => permit.send(value),
                    Err(kind) => Err(SendError::new(value, kind)),
                },
            }
        }
    }

    /// Sends a value if there is room now.
    ///
    /// # Errors
    /// [`TrySendError::Full`] where [`Sender::send`] would wait; else as there. Both give the value back.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.push(&value, Room::Free) {
            Ok(()) => Ok(()),
            Err(PushError::Full) => Err(TrySendError::Full(value)),
            Err(PushError::Failed(kind)) => Err(TrySendError::Failed(SendError::new(value, kind))),
        }
    }

    /// [`Sender::send`] for code that is not async: blocks the thread. Must not be called from async code.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        match self.push(&value, Room::Free) {
            Ok(()) => Ok(()),
            Err(PushError::Failed(kind)) => Err(SendError::new(value, kind)),
            Err(PushError::Full) => pollster::block_on(self.send(value)),
        }
    }

    /// Waits for room for one value, and holds it until the permit is used or dropped.
    ///
    /// # Errors
    /// The channel is closed, or the other side is gone.
    ///
    /// # Cancel safety
    /// Dropping the future gives its place in the line up.
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendErrorKind> {
        let room = self.outgoing.reserve().await?;
        Ok(Permit { sender: self, room })
    }

    /// Takes room for one value, if there is some now. `None` where there is none.
    ///
    /// # Errors
    /// As [`Sender::reserve`].
    pub fn try_reserve(&self) -> Result<Option<Permit<'_, T>>, SendErrorKind> {
        match self.outgoing.try_reserve() {
            Ok(room) => Ok(Some(Permit { sender: self, room })),
            Err(PushError::Full) => Ok(None),
            Err(PushError::Failed(kind)) => Err(kind),
        }
    }

    /// Closes the channel for all its senders. What was sent still arrives.
    pub fn close(&self) {
        self.outgoing.end(SendErrorKind::Closed);
    }

    /// Whether nothing more can be sent.
    pub fn is_closed(&self) -> bool {
        self.outgoing.ended_with().is_some()
    }

    /// Waits until nothing more can be sent: this side has closed the channel, or the other side is gone.
    ///
    /// # Cancel safety
    /// Can be dropped and called again at any time.
    pub async fn closed(&self) {
        self.outgoing.closed().await;
    }

    /// How many values can be sent now without waiting (0 also when the channel's limit in bytes is reached).
    pub fn capacity(&self) -> usize {
        self.outgoing.room()
    }

    /// Whether the value has gone the way that nearly all go.
    #[inline]
    pub(crate) fn push_quickly(&self, value: &T) -> bool {
        match self.purpose {
            Purpose::Value => {
                let is_plain = self.within.is_none() && self.keying.is_none();
                is_plain && self.outgoing.push_quickly(value, self.encode)
            }
            Purpose::Result => self.outgoing.push_result_quickly(value, self.encode),
        }
    }

    fn push(&self, value: &T, room: Room<'_>) -> Result<(), PushError> {
        match self.purpose {
            Purpose::Value => {
                let key = self.keying.as_ref().map(|keying| keying.of(value));
                let label = Label { key, ..Label::job(SinkId::RECEIVER, self.within) };
                self.outgoing.push(value, self.encode, label, room).map(|_| ())
            }
            Purpose::Result => self.outgoing.push_result(value, self.encode, room),
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        let Self { outgoing, encode, purpose, within, keying, alive } = self;
        let mut clone = Self::new(Arc::clone(outgoing), *encode, *purpose, Arc::clone(alive));
        clone.within = *within;
        clone.keyed(keying.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.purpose == Purpose::Value {
            self.outgoing.remove_sender();
        }
    }
}

/// Room for one value. Dropped unused, it is given back.
#[must_use = "a permit that is dropped gives its room back"]
pub struct Permit<'a, T> {
    sender: &'a Sender<T>,
    room: Reservation<'a>,
}

impl<T> Permit<'_, T> {
    /// Sends a value without waiting.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        match self.sender.push(&value, Room::Reserved(self.room)) {
            Ok(()) => Ok(()),
            Err(PushError::Failed(kind)) => Err(SendError::new(value, kind)),
            Err(PushError::Full) => unreachable!("a permit holds its room"),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("sender", self.sender).finish_non_exhaustive()
    }
}
