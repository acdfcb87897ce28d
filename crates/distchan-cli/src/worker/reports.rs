//! What a process writes, gathered for its job's ending, or sent ahead of it where there is much, or somebody wants to see it now.

use bytes::Bytes;

use crate::wire::{Chunk, Delivery, INLINE, Output, RunId, Stream};

/// A chunk is sent when it has so many bytes.
const CHUNK: usize = 256 * 1024;

/// The outputs of one run.
pub(super) struct Reports<'a> {
    seq: u64,
    run: RunId,
    delivery: Delivery,
    /// Nothing is sent ahead of the ending until there is more than this.
    inline: usize,
    outputs: [Gathered; 2],
    send: &'a dyn Fn(Chunk),
}

#[derive(Debug, Default)]
struct Gathered {
    held: Vec<u8>,
    chunks: u64,
    bytes: u64,
}

impl<'a> Reports<'a> {
    pub(super) fn new(seq: u64, run: RunId, delivery: Delivery, send: &'a dyn Fn(Chunk)) -> Self {
        Self { seq, run, delivery, inline: INLINE, outputs: Default::default(), send }
    }

    /// The process has written this.
    pub(super) fn add(&mut self, stream: Stream, bytes: &[u8]) {
        let (delivery, inline) = (self.delivery, self.inline);
        let gathered = self.gathered(stream);
        gathered.bytes += bytes.len() as u64;
        gathered.held.extend_from_slice(bytes);
        let ready = match delivery {
            Delivery::AsRead => gathered.held.len(),
            // What comes is looked through once; a line that is long is held whole, so that it is never torn.
            Delivery::Lines => match bytes.iter().rposition(|byte| *byte == b'\n') {
                Some(at) => gathered.held.len() - bytes.len() + at + 1,
                None => 0,
            },
            Delivery::Whole if gathered.chunks == 0 && gathered.held.len() <= inline => 0,
            Delivery::Whole if gathered.held.len() < CHUNK => 0,
            Delivery::Whole => gathered.held.len(),
        };
        if ready > 0 {
            self.send(stream, ready);
        }
    }

    /// The process has ended: what is there of an output, or how much was sent of it.
    pub(super) fn finish(&mut self, stream: Stream) -> Output {
        let gathered = self.gathered(stream);
        if gathered.chunks == 0 && gathered.held.len() <= INLINE {
            return Output::Whole(Bytes::from(std::mem::take(&mut gathered.held)));
        }
        let rest = gathered.held.len();
        if rest > 0 {
            self.send(stream, rest);
        }
        let Gathered { chunks, bytes, .. } = *self.gathered(stream);
        Output::Sent { chunks, bytes }
    }

    fn send(&mut self, stream: Stream, length: usize) {
        let (seq, run) = (self.seq, self.run);
        let gathered = self.gathered(stream);
        let rest = gathered.held.split_off(length);
        let bytes = Bytes::from(std::mem::replace(&mut gathered.held, rest));
        gathered.chunks += 1;
        (self.send)(Chunk { seq, run, stream, bytes });
    }

    const fn gathered(&mut self, stream: Stream) -> &mut Gathered {
        let [out, err] = &mut self.outputs;
        match stream {
            Stream::Out => out,
            Stream::Err => err,
        }
    }
}
