//! What policies need of a worker: it says which jobs it has begun, and is told which ones nobody wants any more. It keeps no list of jobs.

use crate::frame::control::Control;
use crate::frame::runs::Runs;
use crate::ids::{Attempt, ChannelNo, JobId};
use crate::worker::WorkerMachine;
use crate::worker::event::WorkerEvent;
use crate::worker::link::LinkState;

impl WorkerMachine {
    /// Says that the user has begun to work on a job. The server counts a crash, and measures a job timeout, only from then on: to be
    /// called before the handler runs where `attempt` is not the first, else when a job takes long. What is said in the order of the
    /// jobs between two calls of [`WorkerMachine::poll_transmit`] travels as one run.
    pub fn started(&mut self, no: ChannelNo, job: JobId, attempt: Attempt) {
        if let Some(link) = self.links.get_mut(&no)
            && link.is_open()
        {
            link.begun.push(job, attempt);
            self.mark_sending(no);
        }
    }

    /// Writes what was begun ahead of the answers.
    pub(super) fn announce(&mut self) {
        let mut begun = Vec::new();
        for no in &self.sending {
            if let Some(link) = self.links.get_mut(no)
                && !link.begun.is_empty()
            {
                begun.extend(link.begun.take().into_iter().map(|runs| (*no, runs)));
            }
        }
        for (no, runs) in begun {
            self.tell(no, &Control::Started(runs));
        }
    }

    /// Nobody wants these any more.
    pub(super) fn handle_cancel(&mut self, no: ChannelNo, runs: Runs) {
        let is_assembling = self.session.is_assembling(no);
        let Some(link) = self.links.get_mut(&no).filter(|link| link.state == LinkState::Open) else {
            return;
        };
        if is_assembling {
            // Control messages overtake a large value: the job may be the one that is still arriving.
            link.cancelled_early.push(runs);
        } else {
            self.report_cancelled(no, &runs);
        }
    }

    /// A body has arrived whole: what was cancelled meanwhile is here now, or never will be.
    pub(super) fn report_early(&mut self, no: ChannelNo) {
        if let Some(link) = self.links.get_mut(&no)
            && !link.cancelled_early.is_empty()
        {
            for runs in std::mem::take(&mut link.cancelled_early) {
                self.report_cancelled(no, &runs);
            }
        }
    }

    fn report_cancelled(&mut self, no: ChannelNo, runs: &Runs) {
        let attempt = runs.attempt;
        let event = |(job, further): &(JobId, u32)| WorkerEvent::Cancelled {
            no,
            job: *job,
            further: *further,
            attempt,
        };
        self.events.extend(runs.runs.iter().map(event));
    }
}
