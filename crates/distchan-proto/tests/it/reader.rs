//! What a driver reads into: its input, or where a machine wants the rest of a large value's frame.

use bytes::{BufMut, BytesMut};
use distchan_proto::Landing;

#[derive(Debug, Default)]
pub(crate) struct Reader {
    input: BytesMut,
    landing: Option<Landing>,
    /// How many pieces have been read straight to where they belong.
    pub(crate) landed: u32,
}

impl Reader {
    /// Bytes have arrived. `call` hands the input, or what has landed, to the machine, and asks it where the next ones are to be put.
    pub(crate) fn read(
        &mut self,
        mut bytes: &[u8],
        mut call: impl FnMut(Option<Landing>, &mut BytesMut) -> Option<Landing>,
    ) {
        while !bytes.is_empty() {
            let Some(mut landing) = self.landing.take() else {
                self.input.extend_from_slice(bytes);
                self.landing = call(None, &mut self.input);
                return;
            };
            let mut room = landing.room();
            let (these, rest) = bytes.split_at(bytes.len().min(room.remaining_mut()));
            room.put_slice(these);
            drop(room);
            bytes = rest;
            if landing.is_whole() {
                assert!(self.input.is_empty(), "nothing stands before it");
                self.landed += 1;
                self.landing = call(Some(landing), &mut self.input);
            } else {
                self.landing = Some(landing);
            }
        }
    }
}
