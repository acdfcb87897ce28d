//! The rest of a frame that belongs to a large body: it is read straight to where the body is put together, so that the bytes of a large
//! value are touched once less. It looks at no byte itself.

use bytes::{BufMut, BytesMut};

use crate::frame::header::{self, Header};

/// Where so little of a frame is missing, to copy it is cheaper than to read it apart from what follows.
const LEAST_MISSING: usize = 4 * 1024;

/// A frame of a large body that has arrived in part. What else arrives is to be put into its [`Landing::room`], before anything else, until it
/// [`Landing::is_whole`]; then the machine takes it back. Where it is dropped instead, its connection must end: the frame is lost, but
/// nothing of what had arrived before.
#[derive(Debug)]
pub struct Landing {
    header: Header,
    /// The memory behind what has arrived of the body before. What fits the frame no more is the header of the next one.
    piece: BytesMut,
}

impl Landing {
    /// Whether it is worth it, where so much of a frame has arrived.
    pub(crate) const fn is_worth(header: &Header, arrived: usize) -> bool {
        header.length as usize >= arrived + LEAST_MISSING
    }

    /// `piece` has what has arrived of the frame's body, and room for what is missing and for another header.
    pub(crate) const fn new(header: Header, piece: BytesMut) -> Self {
        Self { header, piece }
    }

    /// Where the next bytes are to be put: the rest of the frame, and the next one's header, with which the machine can say where what follows is
    /// to be put.
    pub fn room(&mut self) -> impl BufMut {
        let missing = self.header.length as usize + header::LENGTH - self.piece.len();
        (&mut self.piece).limit(missing)
    }

    /// Whether the frame is there, so that the machine can go on with it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.piece.len() >= self.header.length as usize
    }

    /// The frame's header and its body, whose checksum nobody has looked at; what came behind it is put to `input`.
    pub(crate) fn into_parts(mut self, input: &mut BytesMut) -> (Header, BytesMut) {
        let length = self.header.length as usize;
        input.extend_from_slice(self.piece.get(length..).unwrap_or_default());
        self.piece.truncate(length);
        (self.header, self.piece)
    }
}
