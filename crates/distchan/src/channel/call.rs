//! One job, one answer.

use std::future::poll_fn;

use distchan_proto::batch::{Batch, Kind};

use crate::channel::direct::Direct;
use crate::channel::error::{CallError, JobFailed, RecvError};
use crate::channel::inbox::End;
use crate::channel::outgoing::Label;

/// Sends `job` and waits for its first result.
pub(crate) async fn call<J, R>(direct: &Direct<J, R>, job: J) -> Result<R, CallError<J>> {
    let sink = direct.sinks.open(&direct.port);
    let label = Label { extra: sink.id.0, ..Label::VALUE };
    direct.send_to(job, label).await.map_err(CallError::Send)?;
    let answer = poll_fn(|cx| sink.inbox.poll_take(cx)).await;
    match answer {
        Ok(batch) => {
            direct.port.consumed(batch.cost());
            read(direct, &batch)
        }
        Err(End::Finished) => Err(CallError::NoResult),
        Err(End::Error(error)) => Err(CallError::from_recv(error)),
    }
}

/// All of a job's results are in one batch, since they are released together.
fn read<J, R>(direct: &Direct<J, R>, batch: &Batch) -> Result<R, CallError<J>> {
    for (start, entry) in batch.iter() {
        let bytes = batch.payload.get(start as usize..entry.end as usize).unwrap_or_default();
        match entry.kind {
            Kind::Result | Kind::Last | Kind::Value => {
                return (direct.decode)(bytes).map_err(CallError::Decode);
            }
            Kind::Failed => {
                let reason = String::from_utf8_lossy(bytes).into_owned();
                let failed = JobFailed { job: entry.job, attempt: entry.attempt, reason };
                return Err(CallError::from_recv(RecvError::Failed(failed)));
            }
            Kind::Done | Kind::Returned | Kind::Void => {}
        }
    }
    Err(CallError::NoResult)
}
