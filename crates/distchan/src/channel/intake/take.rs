//! The next entry of the current batch: taken and decoded, passed over, or left until the server knows that it begins.

use std::time::Instant;

use distchan_proto::batch::Kind;
use distchan_proto::limits;

use crate::channel::delivery::Delivery;
use crate::channel::error::RecvError;
use crate::channel::failed::JobFailed;
use crate::channel::inbox::{Shown, Step};
use crate::channel::intake::Intake;
use crate::channel::outgoing::Taking;
use crate::channel::panics;
use crate::channel::stopper::Stopper;
use crate::codec::CodecError;

/// What became of an entry. A value is not in here: it is decoded to where it is wanted, since each further move of it would show.
pub(super) enum Taken {
    /// It is in hand now; by when it must be done.
    Value(Delivery, Option<Instant>),
    Undecodable(Delivery, CodecError),
    Failed(JobFailed, u64),
    /// Says how a job ended, and nothing that the user sees.
    Silent,
    /// Still here: the server must know first that it begins.
    Unannounced(Delivery),
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
    Later(Delivery),
}

impl<T> Intake<T> {
    /// Takes the next entry of the current batch; what it has is in `value` and in hand then. A `Deserialize` that panics has refused the value.
    pub(super) fn take(&mut self, taking: Taking, value: &mut Option<T>) -> Option<Taken> {
        let Self { ends: Stopper { inbox, answers, port }, decode, announced, origin, withheld, .. } = self;
        let answers = answers.as_ref();
        let take = |shown: &Shown<'_>| {
            let delivery = shown.delivery();
            Step::Taken(match shown.entry.kind {
                Kind::Value | Kind::Result | Kind::Last => {
                    if answers.is_some() && delivery.is_risky() && *announced != Some(delivery) {
                        return Step::Left(Taken::Unannounced(delivery));
                    }
                    match panics::catch(|| decode(shown.bytes).map(|decoded| *value = Some(decoded))) {
                        Ok(Ok(())) => {
                            if let Some(answers) = answers {
                                answers.begin(delivery, taking);
                            }
                            Taken::Value(delivery, shown.deadline())
                        }
                        Ok(Err(error)) => Taken::Undecodable(delivery, error),
                        Err(panic) => Taken::Undecodable(delivery, CodecError::panicked::<T>(&panic)),
                    }
                }
                Kind::Failed => match origin {
                    Some(origin) => {
                        let failed = JobFailed::read(delivery.job, &shown.shared(), origin, port.as_ref());
                        Taken::Failed(failed, limits::ENTRY_COST + shown.bytes.len() as u64)
                    }
                    None => Taken::Silent,
                },
                Kind::Done | Kind::Returned | Kind::Void => Taken::Silent,
            })
        };
        inbox.next(take, |finished| {
            // Only a server's credit depends on what was taken: a worker's comes back with its answers.
            if answers.is_none() {
                port.consumed(finished.cost() - std::mem::take(withheld));
            }
        })
    }

    /// What an entry brings: a value, an error, or nothing that the user sees.
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
            Taken::Unannounced(delivery) => Received::Later(delivery),
        }
    }

    pub(super) fn fail(&self, delivery: Delivery, error: &CodecError) {
        if let Some(answers) = &self.ends.answers {
            answers.note_failed(delivery, &error.to_string());
        }
    }
}
