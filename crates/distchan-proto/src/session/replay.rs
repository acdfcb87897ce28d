//! The session's stream of frames, which outlives its connections: what was sent is kept until the peer has it, and sent again on the
//! next connection; what has arrived is counted. It knows frames by their length alone.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::error::ProtocolError;
use crate::limits;
use crate::scattered::ScatteredMut;
use crate::transmit::Transmit;

/// Buffers that are used again, at most, while the peer lacks something, and how large they may be. With fewer a fast connection would ask the
/// system for memory with every write.
const SPARE: usize = 16;
const LARGEST_SPARE: usize = 2 * limits::TRANSMIT_BYTES;

/// How large a buffer begins: enough for a few small values, so that a lone one does not grow it.
const FIRST_BUFFER: usize = 512;

/// What is no longer than this shares its memory with others like it: to ask the system for each would cost more than to copy it.
const SHORT: usize = FIRST_BUFFER;

/// So much memory they share.
const BLOCK: usize = 4 * SHORT;

/// Both directions of one session's stream.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// Frames that were sent, since the session began.
    sent: u64,
    /// ... of which the peer has so many.
    acknowledged: u64,
    /// What the peer may not have, oldest first.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// How many bytes were sent, of all frames.
    sent_bytes: u64,
    /// From here on `kept` has to be sent again; its length where nothing has.
    next: usize,
    spare: Vec<Vec<u8>>,
    /// Where short writes stand one behind the other.
    block: BytesMut,
    /// Frames that have arrived.
    received: u64,
    /// Bytes of frames that have arrived since the last acknowledgement.
    unsaid: usize,
}

/// What was written at once.
#[derive(Debug)]
struct Kept {
    transmit: Transmit,
    /// The number of the last frame in it.
    last: u64,
}

impl Kept {
    /// How many bytes of it a peer has that has so many frames.
    fn had(&self, received: u64) -> usize {
        self.transmit.len_of(received - (self.last - self.transmit.frames()))
    }
}

impl Replay {
    /// Whether something new may be sent: nothing has to be sent again, and not too much waits for its acknowledgement.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_resending() && self.kept_bytes < limits::MAX_UNACKNOWLEDGED
    }

    /// Whether something has to be sent again.
    pub(crate) fn is_resending(&self) -> bool {
        self.next < self.kept.len()
    }

    /// Whether the peer has everything.
    pub(crate) fn is_settled(&self) -> bool {
        self.kept.is_empty()
    }

    /// Frames that were sent.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Frames that the peer has.
    pub(crate) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Frames that have arrived.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// Asks for the last frame again, where the peer was not told that it has arrived: what must never happen.
    pub(crate) const fn forget_one(&mut self) {
        if self.unsaid > 0 {
            self.received -= 1;
            self.unsaid = 0;
        }
    }

    /// What is kept for the peer, in bytes.
    pub(crate) const fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// What the peer has not acknowledged, in bytes. Less than what is kept, of which the oldest write may have been acknowledged in part.
    pub(crate) fn unacknowledged(&self) -> usize {
        let had = self.kept.front().map_or(0, |oldest| oldest.had(self.acknowledged));
        self.kept_bytes - had
    }

    /// Where in the stream the next frame will begin, in bytes.
    pub(crate) const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Up to where in the stream the peer has everything.
    pub(crate) fn arrived_bytes(&self) -> u64 {
        self.sent_bytes - self.unacknowledged() as u64
    }

    /// An empty buffer.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(FIRST_BUFFER))
    }

    /// Takes a buffer that was not needed.
    pub(crate) fn put_back(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE && (1..=LARGEST_SPARE).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Ends what is to be written at once: the whole of it, and what of it belongs to the session: see [`Transmit::of`].
    pub(crate) fn wrap(&mut self, out: ScatteredMut, from: usize, farewell: usize) -> (Transmit, Transmit) {
        if out.len() > SHORT {
            return Transmit::of(out, from, farewell);
        }
        if self.block.capacity() < out.len() {
            self.block = BytesMut::with_capacity(BLOCK);
        }
        let (all, kept, buffer) = Transmit::of_short(out, &mut self.block, from, farewell);
        self.put_back(buffer);
        (all, kept)
    }

    /// Keeps whole frames that are about to be written.
    pub(crate) fn keep(&mut self, transmit: Transmit) {
        self.sent += transmit.frames();
        self.kept_bytes += transmit.len();
        self.sent_bytes += transmit.len() as u64;
        debug_assert!(!self.is_resending(), "old frames go before new ones");
        self.kept.push_back(Kept { transmit, last: self.sent });
        self.next = self.kept.len();
    }

    /// The next frames that have to be sent again.
    pub(crate) fn resend(&mut self) -> Option<Transmit> {
        let kept = self.kept.get(self.next)?;
        self.next += 1;
        Some(kept.transmit.clone())
    }

    /// The peer has so many frames.
    pub(crate) fn acknowledge(&mut self, received: u64) -> Result<(), ProtocolError> {
        if received > self.sent {
            return Err(ProtocolError::Malformed("ACK: of what was not sent"));
        }
        self.acknowledged = self.acknowledged.max(received);
        while let Some(oldest) = self.kept.front()
            && oldest.last <= received
        {
            let Some(Kept { transmit, .. }) = self.kept.pop_front() else { break };
            self.kept_bytes -= transmit.len();
            self.next = self.next.saturating_sub(1);
            if let Some(mut bytes) = transmit.into_own() {
                // Cut to a byte first: then its memory comes back without a copy of more than that.
                bytes.truncate(1);
                self.put_back(Vec::from(bytes));
            }
        }
        if self.kept.is_empty() {
            // An idle connection costs next to nothing.
            self.spare.truncate(1);
            self.block = BytesMut::new();
        }
        Ok(())
    }

    /// A frame of so many bytes has arrived. Whether it is time to say so.
    pub(crate) const fn arrive(&mut self, bytes: usize) -> bool {
        self.received += 1;
        self.unsaid += bytes;
        self.unsaid >= limits::ACKNOWLEDGE_EVERY
    }

    /// Whether it is worth it to say what has arrived, though not yet time to.
    pub(crate) const fn has_much_to_say(&self) -> bool {
        self.unsaid >= limits::ACKNOWLEDGE_ALONG
    }

    /// What has arrived is being said.
    pub(crate) const fn said(&mut self) {
        self.unsaid = 0;
    }

    /// Whether the stream can go on with a peer that has so many frames.
    pub(crate) const fn can_go_on_from(&self, received: u64) -> bool {
        self.acknowledged <= received && received <= self.sent
    }

    /// Goes on with a peer that has so many frames: all others are sent again.
    pub(crate) fn go_on_from(&mut self, received: u64) -> Result<(), ProtocolError> {
        if !self.can_go_on_from(received) {
            return Err(ProtocolError::Malformed("greeting: the streams do not fit"));
        }
        self.acknowledge(received)?;
        if let Some(oldest) = self.kept.front_mut() {
            let had = oldest.had(received);
            self.kept_bytes -= had;
            oldest.transmit = oldest.transmit.behind(had);
        }
        self.next = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::encode;
    use crate::frame::header::{self, FrameKind};
    use crate::ids::ChannelNo;

    fn frames(count: usize) -> Transmit {
        frames_in(Vec::new(), count)
    }

    fn frames_in(buffer: Vec<u8>, count: usize) -> Transmit {
        let mut out = ScatteredMut::new(buffer);
        for index in 0..count {
            encode::put_with(out.own(), ChannelNo(7), |body| {
                body.resize(body.len() + index, 7);
                FrameKind::Leave
            });
        }
        Transmit::of(out, 0, 0).0
    }

    #[test]
    fn what_the_peer_lacks_is_sent_again_from_the_very_frame() {
        let mut replay = Replay::default();
        replay.keep(frames(3));
        replay.keep(frames(5));
        assert_eq!(replay.sent(), 8);
        assert!(replay.is_open());
        replay.acknowledge(2).unwrap();
        assert_eq!(replay.kept_bytes(), frames(3).len() + frames(5).len(), "whole writes are forgotten");
        let last_of_three = frames(3).len() - frames(2).len();
        assert_eq!(replay.unacknowledged(), last_of_three + frames(5).len(), "but frames are counted");
        replay.go_on_from(4).unwrap();
        assert!(replay.is_resending() && !replay.is_open());
        let first = frames(5).into_bytes().slice(header::LENGTH..);
        assert_eq!(replay.resend().map(Transmit::into_bytes), Some(first.clone()));
        assert_eq!((replay.resend(), replay.kept_bytes()), (None, first.len()));
        assert!(replay.is_open() && !replay.is_settled());
        replay.acknowledge(8).unwrap();
        assert!(replay.is_settled());
        assert_eq!(replay.kept_bytes(), 0);
    }

    #[test]
    fn an_acknowledgement_while_sending_again_moves_on() {
        let mut replay = Replay::default();
        replay.keep(frames(1));
        replay.keep(frames(2));
        replay.go_on_from(0).unwrap();
        assert_eq!(replay.resend(), Some(frames(1)));
        replay.acknowledge(1).unwrap();
        assert_eq!(replay.resend(), Some(frames(2)));
        replay.acknowledge(3).unwrap();
        assert!(replay.is_open() && replay.is_settled());
    }

    #[test]
    fn a_peer_cannot_have_what_was_not_sent_nor_lose_what_it_had() {
        let mut replay = Replay::default();
        replay.keep(frames(3));
        assert!(replay.acknowledge(4).is_err());
        replay.acknowledge(3).unwrap();
        assert!(replay.go_on_from(2).is_err());
        assert!(replay.go_on_from(3).is_ok());
    }

    #[test]
    fn memory_is_used_again() {
        let mut replay = Replay::default();
        let buffer = Vec::with_capacity(1000);
        replay.put_back(buffer);
        let buffer = replay.buffer();
        let address = buffer.as_ptr();
        replay.keep(frames_in(buffer, 2));
        replay.acknowledge(2).unwrap();
        let again = replay.buffer();
        assert_eq!((again.as_ptr(), again.capacity()), (address, 1000));
    }
}
