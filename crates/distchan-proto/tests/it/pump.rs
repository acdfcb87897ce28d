//! How a cluster's machines are driven: who reads or writes next, byte by byte, by the numbered drain rules of their documentation.
//! It must never look inside a machine.

use distchan_proto::batch::{Batch, Kind};
use distchan_proto::failure::{AttemptEnd, Failure};
use distchan_proto::ids::{ChannelId, JobId};
use distchan_proto::limits;
use distchan_proto::server::{Loss, ServerEvent};
use rand::RngExt;

use crate::harness::{Cluster, Outcome};

/// A writer waits while so many bytes are on the way, as it would before a full socket.
const PIPE: usize = 64 * 1024;

impl Cluster {
    /// One thing that can happen, chosen by the seed: a side writes, or bytes arrive.
    pub(crate) fn step(&mut self) -> bool {
        self.drain();
        for node in &mut self.nodes {
            node.drain();
        }
        if self.reconnect_one() || self.write_to_lingering() {
            return true;
        }
        let actions = self.nodes.len() * 4;
        if actions == 0 {
            return false;
        }
        let first = self.rng.random_range(0..actions);
        (first..first + actions).any(|action| {
            let index = action % actions / 4;
            match action % 4 {
                0 => self.server_writes(index),
                1 => self.worker_writes(index),
                2 => self.server_reads(index),
                _ => self.worker_reads(index),
            }
        })
    }

    /// The drain rule of the server's machine, 1 to 3.
    pub(crate) fn drain(&mut self) {
        while let Some(event) = self.server.poll_event() {
            self.note(event);
        }
        for (channel, waiting) in &mut self.waiting {
            while self.server.is_hungry(*channel)
                && let Some(batch) = waiting.pop_front()
            {
                self.server.submit(self.now, *channel, batch);
            }
            if waiting.is_empty() && self.closing.remove(channel) {
                self.server.close(*channel);
            }
        }
        let idle: Vec<ChannelId> =
            self.closing.iter().copied().filter(|channel| !self.waiting.contains_key(channel)).collect();
        for channel in idle {
            self.closing.remove(&channel);
            self.server.close(channel);
        }
        while let Some(connection) = self.server.poll_ready() {
            self.writable.insert(connection);
        }
        while let Some(event) = self.server.poll_event() {
            self.note(event);
        }
    }

    fn note(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Results { channel, sink, batch } => {
                assert!(!self.finished.contains(&channel), "results of a channel that is finished");
                *self.unconsumed.entry(channel).or_default() += batch.cost();
                if batch.entries.iter().any(|entry| entry.kind == Kind::Value) {
                    self.values.extend(payloads(&batch));
                } else {
                    collect(self.outcomes.entry((channel, sink)).or_default(), &batch);
                }
                if self.consumes {
                    let cost = self.unconsumed.remove(&channel).unwrap_or_default();
                    self.server.consumed(channel, cost);
                }
            }
            ServerEvent::Finished { channel } => self.finished.push(channel),
            ServerEvent::Refused { channel, code, reason, .. } => self.refused.push((channel, code, reason)),
            ServerEvent::WorkerGone { reason, .. } => self.gone.push(reason),
            ServerEvent::WorkerAway { reason, .. } => self.away.push(reason),
            ServerEvent::WorkerBack { .. } => self.back += 1,
            _ => {}
        }
    }

    /// The server's drain rule, 3.
    pub(crate) fn server_writes(&mut self, index: usize) -> bool {
        let node = &mut self.nodes[index];
        if self.is_stopped || !self.writable.contains(&node.connection) || node.down.len() >= PIPE {
            return false;
        }
        let out = self.server.poll_transmit(self.now, node.connection).unwrap_or_default().into_bytes();
        assert!(
            out.len() <= limits::TRANSMIT_BYTES + 2 * limits::MAX_FRAME_BODY,
            "{} bytes at once",
            out.len()
        );
        if out.is_empty() {
            self.writable.remove(&node.connection);
            if self.server.is_closing(node.connection) && node.server_is_open {
                node.server_is_open = false;
                self.server.handle_closed(self.now, node.connection, Loss::Broken, "written");
            }
        } else if node.is_open && !node.server_is_mute {
            let bit = self.rng.random_range(0..1_000_000);
            let out = node.damage(out.into(), bit);
            node.down.extend(out);
        }
        true
    }

    /// The worker's drain rule, 3.
    pub(crate) fn worker_writes(&mut self, index: usize) -> bool {
        let node = &mut self.nodes[index];
        if !node.is_open || node.is_stopped || node.up.len() >= PIPE {
            return false;
        }
        let out = node.machine.poll_transmit(self.now).unwrap_or_default().into_bytes();
        if out.is_empty() {
            if node.machine.is_closing() {
                node.is_open = false;
                node.hang_up("written");
                return true;
            }
            return false;
        }
        if !node.is_mute {
            let bit = self.rng.random_range(0..1_000_000);
            let out = node.damage(out.into(), bit);
            node.up.extend(out);
        }
        true
    }

    pub(crate) fn server_reads(&mut self, index: usize) -> bool {
        let node = &mut self.nodes[index];
        if self.is_stopped {
            return false;
        }
        if node.up.is_empty() {
            // The end of the stream comes behind its last byte.
            let ended = !node.is_open && node.server_is_open && !node.is_mute;
            if ended {
                node.server_is_open = false;
                self.server.handle_closed(self.now, node.connection, Loss::Closed, "the worker's end closed");
            }
            return ended;
        }
        let count = node.pass(self.rng.random_range(1..=self.chunk).min(node.up.len()), true);
        let bytes: Vec<u8> = node.up.drain(..count).collect();
        if node.server_is_open {
            let (server, id, now) = (&mut self.server, node.connection, self.now);
            node.server_reader.read(&bytes, |landed, input| {
                match landed {
                    Some(landed) => server.handle_landed(now, id, landed, input),
                    None => server.handle_input(now, id, input),
                }
                server.poll_landing(id, input)
            });
        }
        self.cut_if_due(index) || count > 0
    }

    pub(crate) fn worker_reads(&mut self, index: usize) -> bool {
        let node = &mut self.nodes[index];
        if !node.is_open || !node.reads || node.is_stopped {
            return false;
        }
        if node.down.is_empty() {
            let ended = !node.server_is_open && !node.server_is_mute;
            if ended {
                node.is_open = false;
                node.hang_up("the server's end closed");
            }
            return ended;
        }
        let count = node.pass(self.rng.random_range(1..=self.chunk).min(node.down.len()), false);
        let bytes: Vec<u8> = node.down.drain(..count).collect();
        let (machine, now) = (&mut node.machine, self.now);
        node.reader.read(&bytes, |landed, input| {
            match landed {
                Some(landed) => machine.handle_landed(now, landed, input),
                None => machine.handle_input(now, input),
            }
            machine.poll_landing(input)
        });
        node.drain();
        self.cut_if_due(index) || count > 0
    }
}

fn payloads(batch: &Batch) -> impl Iterator<Item = Vec<u8>> {
    batch.iter().map(|(start, entry)| batch.payload[start as usize..entry.end as usize].to_vec())
}

/// Reads a released batch as a receiver does: a job's results stand before its end, in one batch.
fn collect(outcomes: &mut Vec<Outcome>, batch: &Batch) {
    let mut results = Vec::new();
    for (entry, payload) in batch.entries.iter().zip(payloads(batch)) {
        let story = match entry.kind {
            Kind::Result => {
                results.push((entry.job, payload));
                continue;
            }
            Kind::Void => continue,
            Kind::Last => {
                results.push((entry.job, payload));
                None
            }
            Kind::Done => None,
            Kind::Failed => Some(Failure::decode(&payload.into()).expect("a failure's payload")),
            Kind::Value | Kind::Returned | Kind::Unbegun => panic!("{entry:?} for a receiver"),
        };
        assert!(
            results.iter().all(|(job, _)| *job == entry.job),
            "results of another job before the end of {}",
            entry.job
        );
        for job in (entry.job.0..).take(usize::try_from(entry.run()).unwrap()).map(JobId) {
            let results = results.drain(..).map(|(_, result)| result).collect();
            let last = story.as_ref().and_then(|story| story.attempts.last());
            let failure = last.and_then(|last| match &last.end {
                AttemptEnd::Failed(reason) => Some(reason.clone()),
                _ => None,
            });
            outcomes.push(Outcome { job, results, failure, story: story.clone() });
        }
    }
    assert!(results.is_empty(), "results without an end");
}
