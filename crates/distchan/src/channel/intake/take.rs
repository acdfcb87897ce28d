//! The next entry of the current batch: taken and decoded, passed over, or left until the server knows that it begins.

use std::task::Waker;
use std::time::Instant;

use distchan_proto::batch::{Entry, Kind};
use distchan_proto::limits;
use serde::de::DeserializeOwned;

use crate::channel::delivery::Delivery;
use crate::channel::error::RecvError;
use crate::channel::failed::JobFailed;
use crate::channel::intake::Intake;
use crate::channel::outgoing::{Claim, Taking};
use crate::channel::panics;
use crate::codec::{Codec, CodecError};
use crate::zero_copy;

/// What became of an entry. A value is not in here: it is decoded to where it is wanted, since each further move of it would show.
pub(super) enum Taken {
    /// It is in hand now; by when it must be done.
    Value(Delivery, Option<Instant>),
    Undecodable(Delivery, CodecError),
    Failed(JobFailed, u64),
    /// Says how a job ended, and nothing that the user sees.
    Silent,
    /// Still here: the server must know first that it begins.
    TooEarly,
}

/// A [`DecodeTo`](crate::channel::port::DecodeTo). A `Deserialize` that panics has refused the value.
pub(super) fn decode_to<C: Codec, T: DeserializeOwned>(
    bytes: &[u8],
    value: &mut Option<T>,
) -> Result<(), CodecError> {
    let decoded = panics::catch(|| {
        *value = Some(C::decode(bytes)?);
        Ok(())
    });
    decoded.unwrap_or_else(|panic| Err(CodecError::panicked::<T>(&panic)))
}

/// What an entry brings.
pub(super) enum Received {
    /// A value, which is in hand now; by when it must be done.
    Value(Delivery, Option<Instant>),
    /// An error for the user.
    Error(RecvError),
    /// Nothing that the user sees.
    Nothing,
    /// It has to be announced first.
    Later,
}

impl<T> Intake<T> {
    /// Takes the next entry of the current batch; what it has is in `value` and in hand then.
    #[inline]
    pub(super) fn take(
        &mut self,
        taking: Taking,
        value: &mut Option<T>,
        waker: Option<&Waker>,
    ) -> Option<Taken> {
        let Some(entry) = self.cursor.entry().copied() else {
            self.finish_batch();
            return None;
        };
        let delivery = self.cursor.delivery(&entry);
        let taken = match entry.kind {
            Kind::Value | Kind::Result | Kind::Last => {
                if let Some(refused) = self.take_in_hand(delivery, taking, waker) {
                    return refused;
                }
                match self.decode(&entry, value) {
                    Ok(()) => Taken::Value(delivery, self.cursor.deadline()),
                    Err(error) => Taken::Undecodable(delivery, error),
                }
            }
            Kind::Failed => match &self.origin {
                Some(origin) => {
                    let failure = self.cursor.shared(&entry);
                    let cost = limits::ENTRY_COST + failure.len() as u64;
                    Taken::Failed(
                        JobFailed::read(delivery.job, &failure, origin, self.ends.port.as_ref()),
                        cost,
                    )
                }
                None => Taken::Silent,
            },
            Kind::Done | Kind::Returned | Kind::Unbegun | Kind::Void => Taken::Silent,
        };
        self.cursor.advance();
        Some(taken)
    }

    /// Takes a job in hand, on a worker; else what is to be returned instead.
    #[inline]
    fn take_in_hand(
        &mut self,
        delivery: Delivery,
        taking: Taking,
        waker: Option<&Waker>,
    ) -> Option<Option<Taken>> {
        let answers = self.ends.answers.as_ref()?;
        let index = self.cursor.index();
        if taking == Taking::Next && index < self.granted {
            answers.go_on(index + 1);
            return None;
        }
        match answers.claim(index, delivery, taking, waker) {
            Claim::Granted(until) => {
                self.granted = until;
                None
            }
            Claim::TooEarly => Some(Some(Taken::TooEarly)),
            Claim::Void => {
                self.cursor.advance();
                Some(Some(Taken::Silent))
            }
            Claim::Gone => {
                self.cursor.finish();
                Some(None)
            }
        }
    }

    /// The next value, where there is nothing else to be said of it, and on a worker it was granted already: nearly always.
    #[inline]
    pub(super) fn take_quickly(
        &mut self,
        value: &mut Option<T>,
    ) -> Option<Result<(), (Delivery, CodecError)>> {
        let entry = self.cursor.entry().copied()?;
        if !matches!(entry.kind, Kind::Value | Kind::Result | Kind::Last) || self.held.is_some() {
            return None;
        }
        if let Some(answers) = &self.ends.answers {
            let index = self.cursor.index();
            if index >= self.granted {
                return None;
            }
            answers.go_on(index + 1);
        }
        let decoded = self.decode(&entry, value).map_err(|error| (self.cursor.delivery(&entry), error));
        self.cursor.pass(&entry);
        Some(decoded)
    }

    #[inline]
    fn decode(&self, entry: &Entry, value: &mut Option<T>) -> Result<(), CodecError> {
        let bytes = self.cursor.bytes(entry);
        if zero_copy::is_large(bytes.len()) {
            return self.decode_large(entry, value);
        }
        (self.decode)(bytes, value)
    }

    #[cold]
    fn decode_large(&self, entry: &Entry, value: &mut Option<T>) -> Result<(), CodecError> {
        zero_copy::read_large(&self.cursor.shared(entry), |bytes| (self.decode)(bytes, value))
    }

    /// The current batch was taken whole.
    fn finish_batch(&mut self) {
        // Only a server's credit depends on what was taken: a worker's comes back with its answers.
        if let Some(cost) = self.cursor.finish()
            && self.ends.answers.is_none()
        {
            self.ends.port.consumed(cost - std::mem::take(&mut self.withheld));
        }
    }

    /// What an entry brings: a value, an error, or nothing that the user sees.
    #[inline]
    pub(super) fn receive(&mut self, taken: Taken) -> Received {
        match taken {
            Taken::Value(delivery, deadline) => Received::Value(delivery, deadline),
            Taken::Undecodable(delivery, error) => {
                self.fail(delivery, &error);
                if self.tells { Received::Error(RecvError::Decode(error)) } else { Received::Nothing }
            }
            Taken::Failed(failed, cost) => match self.aside.upgrade() {
                Some(aside) => {
                    self.withheld += cost;
                    aside.push(failed, cost);
                    Received::Nothing
                }
                None => Received::Error(RecvError::Failed(failed)),
            },
            Taken::Silent => Received::Nothing,
            Taken::TooEarly => Received::Later,
        }
    }

    pub(super) fn fail(&self, delivery: Delivery, error: &CodecError) {
        if let Some(answers) = &self.ends.answers {
            answers.note_failed(delivery, &error.to_string());
        }
    }
}
