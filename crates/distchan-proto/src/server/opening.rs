//! How a worker comes to a channel: names, directions, codecs, types and transforms are compared, and what differs is said in words.

use std::time::Duration;

use crate::compression;
use crate::dispatch::Capacity;
use crate::error::{Code, printable};
use crate::frame::control::{Control, Direction, Open, Opened, Refused, Schemas};
use crate::ids::{ChannelId, ChannelNo, SessionId};
use crate::limits;
use crate::schema::{Parties, Schema, first_difference_between};
use crate::server::ServerMachine;
use crate::server::channel::Channel;
use crate::server::event::ServerEvent;
use crate::server::peer::{Link, OpenLink, Standing};
use crate::session::credit::Window;
use crate::session::envelope::Envelope;
use crate::time::Time;

/// Why an open is refused.
struct Refusal {
    code: Code,
    text: String,
    schemas: Option<Schemas>,
}

impl ServerMachine {
    /// A worker asks for a channel.
    pub(super) fn handle_open(&mut self, now: Time, id: SessionId, no: ChannelNo, open: Open) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if no == ChannelNo(0) || peer.links.contains_key(&no) {
            return self.refuse(
                id,
                Code::Protocol,
                "a channel number is used once on a connection, and never 0",
            );
        }
        if peer.links.len() >= limits::MAX_CHANNELS_PER_CONNECTION {
            return self.refuse(id, Code::Limit, "too many channels on one connection");
        }
        if let Some(&channel) = self.names.get(&open.name) {
            return self.decide(now, id, no, channel, &open);
        }
        let waiting = peer.links.values().filter(|link| matches!(link, Link::Waiting { .. })).count();
        let wait = Duration::from_millis(open.wait_millis).min(limits::MAX_OPEN_WAIT);
        if waiting >= limits::MAX_WAITING_OPENS {
            peer.links.insert(no, Link::Closed);
            let text = format!("{} opens of this connection wait already", limits::MAX_WAITING_OPENS);
            return self.refuse_open(id, no, &open.name, Refusal { code: Code::Limit, text, schemas: None });
        }
        if wait.is_zero() {
            peer.links.insert(no, Link::Closed);
            return self.refuse_unknown(id, no, &open);
        }
        let deadline = now + wait;
        peer.links.insert(no, Link::Waiting { open, deadline });
        self.timers.insert((deadline, id, no));
        self.events.push_back(ServerEvent::WorkerWaiting { session: id });
    }

    /// A channel has come into being: who waits for it is let in, or refused.
    pub(super) fn admit_waiting(&mut self, now: Time, channel: ChannelId) {
        let Some(name) = self.channel(channel).map(|entry| entry.spec.name.clone()) else {
            return;
        };
        let mut waiting = Vec::new();
        for (id, peer) in &self.peers {
            for (no, link) in &peer.links {
                if let Link::Waiting { open, deadline } = link
                    && open.name == name
                {
                    waiting.push((*deadline, *id, *no, open.clone()));
                }
            }
        }
        for (deadline, id, no, open) in waiting {
            self.timers.remove(&(deadline, id, no));
            self.decide(now, id, no, channel, &open);
        }
    }

    /// A worker has waited long enough for a channel that does not come.
    pub(super) fn open_overdue(&mut self, id: SessionId, no: ChannelNo) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if let Some(Link::Waiting { open, .. }) = peer.links.insert(no, Link::Closed) {
            self.refuse_unknown(id, no, &open);
        }
    }

    fn refuse_unknown(&mut self, id: SessionId, no: ChannelNo, open: &Open) {
        let names: Vec<String> = self.names.keys().map(|name| format!("{name:?}")).collect();
        let have = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let name = printable(open.name.as_bytes(), limits::MAX_NAME);
        let waited = Duration::from_millis(open.wait_millis).min(limits::MAX_OPEN_WAIT);
        let text = format!("the server has no channel \"{name}\" after {waited:?}; it has: {have}");
        self.refuse_open(id, no, &open.name, Refusal { code: Code::UnknownChannel, text, schemas: None });
    }

    fn decide(&mut self, now: Time, id: SessionId, no: ChannelNo, channel: ChannelId, open: &Open) {
        let Some(entry) = self.channel(channel) else {
            return;
        };
        let mut refusal = compare(entry, open).err();
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.open_links().any(|link| link.channel == channel && !link.is_drained) {
            let text = format!("this connection has opened the channel {:?} already", open.name);
            refusal = Some(Refusal { code: Code::AlreadyOpen, text, schemas: None });
        }
        if let Some(refusal) = refusal {
            let is_mismatch = refusal.schemas.is_some();
            peer.links.insert(no, if is_mismatch { Link::Mismatched { channel } } else { Link::Closed });
            return self.refuse_open(id, no, &open.name, refusal);
        }
        self.let_in(now, id, no, channel, open);
    }

    fn let_in(&mut self, now: Time, id: SessionId, no: ChannelNo, channel: ChannelId, open: &Open) {
        let Some(entry) = self.channels.get_mut(channel.0 as usize) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let capacity = Capacity {
            concurrency: open.concurrency,
            max_jobs: open.max_jobs,
            max_bytes: open.max_bytes,
            fixed: entry.options.credit,
        };
        let member = entry.dispatch.join(now, &capacity, id, &peer.name);
        entry.set_member(member, Some((id, no)));
        // What workers may have on the way together stays near one receiver's limit, however many they are.
        let share = limits::MAX_UNREAD_RESULTS / entry.dispatch.workers().max(1);
        let share = share.clamp(limits::SMALLEST_ANSWER_WINDOW, limits::ANSWER_WINDOW);
        // Who comes while the receiver is behind waits with the others: coming again and again must not fill memory.
        let window = if entry.dispatch.is_withholding() {
            entry.owed.insert((id, no));
            Window::withheld(share)
        } else {
            Window::new(share)
        };
        let max_value = entry.spec.agreed_max_value(open.max_value);
        let compressor = compression::agreed(&entry.spec.compressors, open.compressions);
        let opened = Opened {
            probe: entry.spec.probe().into(),
            max_value: max_value as u64,
            credit: window.granted(),
            compression: compressor.map_or(0, |compressor| compressor.0.number()),
        };
        let finished = entry.finished;
        let link = OpenLink {
            channel,
            member,
            window,
            max_value,
            envelope: Envelope::new(compressor, entry.spec.transform.as_ref()),
            is_drained: false,
            is_sending: false,
            withheld: 0,
        };
        peer.links.insert(no, Link::Open(link));
        if peer.standing == Standing::Away {
            // It asked before its connection broke: it is given jobs when it is back.
            entry.dispatch.pause(member);
        }
        peer.session.expect_bodies(no, max_value);
        // Before it is told: where that ends the connection, it has come before it goes.
        self.events.push_back(ServerEvent::WorkerJoined { session: id, channel });
        self.tell(id, no, &Control::Opened(opened));
        if finished {
            self.tell(id, no, &Control::Finished);
        }
        self.place(channel);
    }

    fn refuse_open(&mut self, id: SessionId, no: ChannelNo, name: &str, refusal: Refusal) {
        let Refusal { code, text, schemas } = refusal;
        let is_mismatch = schemas.is_some();
        self.tell(id, no, &Control::Refused(Refused { code, text: text.clone(), schemas }));
        if !is_mismatch {
            self.report_refusal(id, name, code, text);
        }
    }

    /// The worker's schemas have come: now this side can say, too, what the first difference is.
    pub(super) fn handle_schemas(&mut self, id: SessionId, no: ChannelNo, schemas: &Schemas) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(Link::Mismatched { channel }) = peer.links.get(&no) else {
            return self.refuse(id, Code::Protocol, "schemas that nobody asked for");
        };
        let channel = *channel;
        peer.links.insert(no, Link::Closed);
        let Some(entry) = self.channel(channel) else {
            return;
        };
        let text = match (Schema::decode(&schemas.job), Schema::decode(&schemas.result)) {
            (Ok(job), Ok(result)) => {
                let spec = &entry.spec;
                let root = if spec.direction == Direction::Jobs { "job" } else { "value" };
                first_difference_between(Parties::AT_SERVER, root, &spec.job, &job)
                    .or_else(|| first_difference_between(Parties::AT_SERVER, "result", &spec.result, &result))
                    .unwrap_or_else(|| {
                        "the worker's fingerprints belong to other types than its schemas".to_owned()
                    })
            }
            _ => "the worker has other types, and sent a description of them that cannot be read".to_owned(),
        };
        let name = entry.spec.name.clone();
        self.report_refusal(id, &name, Code::Types, text);
    }

    /// A worker with other types is gone before it has said which.
    pub(super) fn report_mismatch(&mut self, id: SessionId, channel: ChannelId) {
        if let Some(name) = self.channel(channel).map(|entry| entry.spec.name.clone()) {
            self.report_refusal(
                id,
                &name,
                Code::Types,
                "the worker has other types, and left without saying which".to_owned(),
            );
        }
    }

    fn report_refusal(&mut self, id: SessionId, name: &str, code: Code, reason: String) {
        let connection = self.peers.get(&id).and_then(|peer| peer.connection);
        let channel = Some(printable(name.as_bytes(), limits::MAX_NAME));
        self.events.push_back(ServerEvent::Refused { connection, channel, code, reason });
    }
}

fn compare(entry: &Channel, open: &Open) -> Result<(), Refusal> {
    let spec = &entry.spec;
    let refuse = |code, text| Err(Refusal { code, text, schemas: None });
    if open.direction != spec.direction {
        let (server, worker) = (describe(spec.direction), describe(open.direction));
        let name = &spec.name;
        return refuse(
            Code::Direction,
            format!("on the server the channel {name:?} {server}, on this worker it {worker}"),
        );
    }
    if open.codec != spec.codec {
        let worker = printable(open.codec.as_bytes(), limits::MAX_NAME);
        let text = format!(
            "the server encodes the channel {:?} with {}, this worker with {worker}",
            spec.name, spec.codec
        );
        return refuse(Code::Codec, text);
    }
    if open.job != spec.job.fingerprint().to_bytes() || open.result != spec.result.fingerprint().to_bytes() {
        let schemas = Schemas { job: spec.job.encode().into(), result: spec.result.encode().into() };
        let text = "the types differ".to_owned();
        return Err(Refusal { code: Code::Types, text, schemas: Some(schemas) });
    }
    let sends = spec.direction != Direction::Up;
    if sends && usize::try_from(open.max_value).unwrap_or(usize::MAX) < spec.max_value {
        let (server, worker) = (spec.max_value, open.max_value);
        let text = format!(
            "the server sends values of up to {server} bytes, this worker accepts {worker}: raise its `max_value`"
        );
        return refuse(Code::Limit, text);
    }
    spec.check_probe(&open.probe, "the server", "this worker").or_else(|text| refuse(Code::Transform, text))
}

const fn describe(direction: Direction) -> &'static str {
    match direction {
        Direction::Jobs => "carries jobs and results",
        Direction::Down => "carries values from the server only",
        Direction::Up => "carries values from the workers only",
    }
}
