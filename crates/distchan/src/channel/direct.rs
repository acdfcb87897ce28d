//! Jobs whose results go to whoever sent them, and not to the channel's receiver: what calls and maps have in common.

use std::sync::Arc;
use std::time::Duration;

use distchan_proto::ids::{JobId, SinkId};

use crate::channel::error::SendError;
use crate::channel::failed::Origin;
use crate::channel::keying::Keying;
use crate::channel::outgoing::{Label, Outgoing, PushError, Room};
use crate::channel::port::{Alive, Decode, Encode, Port};
use crate::channel::sinks::Sinks;

/// One channel, as its calls and maps use it.
#[derive(Debug)]
pub(crate) struct Direct<J, R> {
    pub(crate) outgoing: Arc<Outgoing>,
    pub(crate) encode: Encode<J>,
    /// Where jobs have keys: how the key of one is found, also of one that was encoded.
    pub(crate) keying: Option<(Keying<J>, Decode<J>)>,
    pub(crate) decode: Decode<R>,
    pub(crate) sinks: Arc<Sinks>,
    /// What failed jobs are known by.
    pub(crate) origin: Arc<Origin>,
    pub(crate) port: Arc<dyn Port>,
    pub(crate) _alive: Alive,
}

impl<J, R> Direct<J, R> {
    /// How a job is labelled whose results go to `sink`.
    pub(crate) fn label(&self, job: &J, sink: SinkId, within: Option<Duration>) -> Label {
        let key = self.keying.as_ref().map(|(keying, _)| keying.of(job));
        Label { key, ..Label::job(sink, within) }
    }

    /// Sends a job whose results go to `sink`; waits for room. Returns the job's number.
    pub(crate) async fn send_to(
        &self,
        job: J,
        sink: SinkId,
        within: Option<Duration>,
    ) -> Result<JobId, SendError<J>> {
        let label = self.label(&job, sink, within);
        match self.outgoing.push(&job, self.encode, label, Room::Free) {
            Ok(number) => return Ok(number),
            Err(PushError::Failed(kind)) => return Err(SendError::new(job, kind)),
            Err(PushError::Full) => {}
        }
        let room = match self.outgoing.reserve().await {
            Ok(room) => room,
            Err(kind) => return Err(SendError::new(job, kind)),
        };
        match self.outgoing.push(&job, self.encode, label, Room::Reserved(room)) {
            Ok(number) => Ok(number),
            Err(PushError::Failed(kind)) => Err(SendError::new(job, kind)),
            Err(PushError::Full) => unreachable!("room was reserved"),
        }
    }
}
