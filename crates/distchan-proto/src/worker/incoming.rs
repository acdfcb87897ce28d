//! Bytes from the server: its answers to opens, its jobs.

use bytes::{Bytes, BytesMut};

use crate::batch::Kind;
use crate::compression;
use crate::error::{Code, ProtocolError, printable};
use crate::frame::batch;
use crate::frame::control::{Control, Direction, Opened, Refused, Schemas};
use crate::ids::ChannelNo;
use crate::limits;
use crate::schema::{Parties, Schema, first_difference_between};
use crate::session::envelope::Envelope;
use crate::session::landing::Landing;
use crate::session::{Incoming, body_limit};
use crate::time::Time;
use crate::worker::WorkerMachine;
use crate::worker::event::WorkerEvent;
use crate::worker::link::LinkState;

impl WorkerMachine {
    /// Bytes have arrived: takes what is whole off the front of `input` and leaves the rest there for the next call.
    pub fn handle_input(&mut self, now: Time, input: &mut BytesMut) {
        self.handle_bytes(now, None, input);
    }

    /// Where what arrives next is to be put, instead of `input`: to be asked for after [`WorkerMachine::handle_input`], and once more after
    /// [`WorkerMachine::handle_landed`]. It need not be asked for; whoever has asked must do so.
    pub fn poll_landing(&mut self, input: &mut BytesMut) -> Option<Landing> {
        self.session.lend(input)
    }

    /// What a [`Landing`] was for is whole. Otherwise like [`WorkerMachine::handle_input`], for which `input` is empty.
    pub fn handle_landed(&mut self, now: Time, landing: Landing, input: &mut BytesMut) {
        self.handle_bytes(now, Some(landing), input);
    }

    fn handle_bytes(&mut self, now: Time, mut landing: Option<Landing>, input: &mut BytesMut) {
        loop {
            let said = match landing.take() {
                Some(landing) => self.session.land(now, landing, input),
                None => self.session.next(now, input),
            };
            let handled = match said {
                Ok(Some(incoming)) => self.handle(now, incoming),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            if let Err(error) = handled {
                self.break_off(&error);
            }
        }
    }

    fn handle(&mut self, now: Time, incoming: Incoming) -> Result<(), ProtocolError> {
        match incoming {
            Incoming::Welcome(welcome) => return self.handle_welcome(now, &welcome),
            Incoming::Body(no, body) => return self.handle_body(no, &body),
            Incoming::Control(no, Control::Opened(opened)) => return self.handle_opened(no, &opened),
            Incoming::Control(no, Control::Refused(refused)) => return self.handle_refused(no, &refused),
            Incoming::Control(no, Control::Credit(total)) => {
                if let Some(link) = self.links.get_mut(&no) {
                    link.allowance.grant(total);
                    self.mark_sending(no);
                }
            }
            Incoming::Control(no, Control::Finished) => {
                if let Some(link) = self.links.get_mut(&no)
                    && link.state == LinkState::Open
                {
                    link.is_finished = true;
                    self.events.push_back(WorkerEvent::Finished { no });
                }
            }
            Incoming::Control(no, Control::Recall(count)) => {
                if self.links.get(&no).is_some_and(|link| link.state == LinkState::Open) {
                    self.events.push_back(WorkerEvent::Recalled { no, count });
                }
            }
            Incoming::Control(no, Control::Cancel(runs)) => self.handle_cancel(no, runs),
            Incoming::Control(_, Control::Goodbye(goodbye)) => self.handle_goodbye(&goodbye),
            Incoming::Control(..) | Incoming::Hello(_) => {
                return Err(ProtocolError::Unexpected("message from a server"));
            }
        }
        Ok(())
    }

    fn handle_opened(&mut self, no: ChannelNo, opened: &Opened) -> Result<(), ProtocolError> {
        let Some(link) = self.links.get_mut(&no).filter(|link| link.is_asked) else {
            return Err(ProtocolError::Unexpected("OPENED for a channel that was not asked for"));
        };
        match link.state {
            LinkState::Opening => {}
            // The user has left meanwhile; LEAVE is on its way. What still comes has a place to be dropped.
            LinkState::Closed => {
                self.session.expect_bodies(no, link.spec.max_value);
                return Ok(());
            }
            LinkState::Open | LinkState::Leaving => return Err(ProtocolError::Unexpected("a second OPENED")),
        }
        let max_value = link.spec.agreed_max_value(opened.max_value);
        self.session.expect_bodies(no, max_value);
        if let Err(reason) = link.spec.check_probe(&opened.probe, "this worker", "the server") {
            link.close();
            self.tell(no, &Control::Leave);
            self.events.push_back(WorkerEvent::Refused { no, code: Code::Transform, reason });
            return Ok(());
        }
        let compressor = match opened.compression {
            0 => None,
            number => Some(
                compression::agreed(&link.spec.compressors, compression::bit(number))
                    .ok_or(ProtocolError::Unexpected("OPENED with a compression that was not offered"))?,
            ),
        };
        link.envelope = Envelope::new(compressor, link.spec.transform.as_ref());
        link.state = if link.leaves_when_open { LinkState::Leaving } else { LinkState::Open };
        link.max_value = max_value;
        link.allowance.grant(opened.credit);
        self.mark_sending(no);
        self.events.push_back(WorkerEvent::Opened { no, max_value });
        Ok(())
    }

    fn handle_refused(&mut self, no: ChannelNo, refused: &Refused) -> Result<(), ProtocolError> {
        let Some(link) = self.links.get_mut(&no).filter(|link| link.is_asked) else {
            return Err(ProtocolError::Unexpected("REFUSED for a channel that was not asked for"));
        };
        if link.state != LinkState::Opening {
            return Ok(());
        }
        link.close();
        let mut reason = printable(refused.text.as_bytes(), limits::MAX_REASON);
        let mut ours = None;
        if let Some(schemas) = &refused.schemas {
            reason = match (Schema::decode(&schemas.job), Schema::decode(&schemas.result)) {
                (Ok(job), Ok(result)) => {
                    let spec = &link.spec;
                    first_difference_between(Parties::AT_WORKER, Self::root(spec.direction), &job, &spec.job)
                        .or_else(|| {
                            first_difference_between(Parties::AT_WORKER, "result", &result, &spec.result)
                        })
                        .unwrap_or_else(|| {
                            "the server's fingerprints belong to other types than its schemas".to_owned()
                        })
                }
                _ => "the server has other types, and sent a description of them that cannot be read"
                    .to_owned(),
            };
            let (job, result) = (link.spec.job.encode().into(), link.spec.result.encode().into());
            ours = Some(Schemas { job, result });
        }
        if let Some(schemas) = ours {
            self.tell(no, &Control::Schemas(schemas));
        }
        self.events.push_back(WorkerEvent::Refused { no, code: refused.code, reason });
        Ok(())
    }

    fn handle_body(&mut self, no: ChannelNo, body: &Bytes) -> Result<(), ProtocolError> {
        let Some(link) = self.links.get_mut(&no).filter(|link| link.state != LinkState::Opening) else {
            return Err(ProtocolError::Unexpected("jobs for a channel that is not open"));
        };
        if link.state != LinkState::Open || link.spec.direction == Direction::Up {
            // Jobs that were on their way when this worker left: the server gives them to another.
            return Ok(());
        }
        let batch = batch::decode(&link.envelope.open(body, body_limit(link.max_value))?)?;
        batch::check_sizes(&batch, link.max_value)?;
        if batch.entries.iter().any(|entry| entry.kind != Kind::Value) {
            return Err(ProtocolError::Unexpected("entry from a server"));
        }
        link.in_hand += batch.entries.len() as u64;
        if link.in_hand > u64::from(link.open.max_jobs) {
            return Err(ProtocolError::Overrun("jobs"));
        }
        self.events.push_back(WorkerEvent::Jobs { no, batch });
        self.report_early(no);
        Ok(())
    }
}
