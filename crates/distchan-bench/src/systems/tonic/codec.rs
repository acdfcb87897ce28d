//! The codec that all systems here have, for tonic, which lets its users bring one; so no protoc is needed. prost, its usual one, derived by
//! hand for the same struct, was tried: it is a sixth slower. So were larger buffers than tonic's 8 and 32 KiB, which change nothing.

use std::marker::PhantomData;

use bytes::{Buf, BufMut};
use postcard::ser_flavors::Flavor;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::payload::{MAX_ENCODED, Payload};

/// Values of one type, both ways.
#[derive(Debug)]
pub(super) struct Postcard<P>(PhantomData<fn(P) -> P>);

impl<P> Postcard<P> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: Payload> Codec for Postcard<P> {
    type Encode = P;
    type Decode = P;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::new()
    }

    fn decoder(&mut self) -> Self {
        Self::new()
    }
}

impl<P: Payload> Encoder for Postcard<P> {
    type Item = P;
    type Error = Status;

    fn encode(&mut self, value: P, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // Small ones by way of the stack: one look at the buffer's room instead of one for each field.
        let mut small = [0; MAX_ENCODED];
        if let Ok(encoded) = postcard::to_slice(&value, &mut small) {
            buffer.put_slice(encoded);
            return Ok(());
        }
        postcard::serialize_with_flavor(&value, Appending(buffer))
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl<P: Payload> Decoder for Postcard<P> {
    type Item = P;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<P>, Status> {
        // tonic has gathered the whole message in one piece.
        let value =
            postcard::from_bytes(buffer.chunk()).map_err(|error| Status::internal(error.to_string()))?;
        buffer.advance(buffer.remaining());
        Ok(Some(value))
    }
}

struct Appending<'a, 'b>(&'a mut EncodeBuf<'b>);

impl Flavor for Appending<'_, '_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.put_u8(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.put_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
