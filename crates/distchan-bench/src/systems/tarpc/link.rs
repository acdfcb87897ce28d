//! tarpc's transport over TCP, with the codec that all systems here have.

use std::io;
use std::pin::Pin;

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tarpc::serde_transport::{self, Transport};
use tarpc::tokio_serde::{Deserializer, Serializer};
use tarpc::tokio_util::codec::{Framed, LengthDelimitedCodec};
use tarpc::{ClientMessage, Response};
use tokio::net::TcpStream;

use super::{BenchRequest, BenchResponse};
use crate::payload::encode;

type Received = ClientMessage<BenchRequest>;
type Sent = Response<BenchResponse>;

/// The end that calls.
pub(super) fn caller(stream: TcpStream) -> Result<Transport<TcpStream, Sent, Received, Postcard>> {
    stream.set_nodelay(true)?;
    Ok(serde_transport::new(Framed::new(stream, LengthDelimitedCodec::new()), Postcard))
}

/// The end that answers.
pub(super) fn callee(stream: TcpStream) -> Result<Transport<TcpStream, Received, Sent, Postcard>> {
    stream.set_nodelay(true)?;
    Ok(serde_transport::new(Framed::new(stream, LengthDelimitedCodec::new()), Postcard))
}

/// Its own examples use JSON and bincode.
#[derive(Debug)]
pub(super) struct Postcard;

impl<T: Serialize> Serializer<T> for Postcard {
    type Error = io::Error;

    fn serialize(self: Pin<&mut Self>, item: &T) -> io::Result<Bytes> {
        encode(item).map_err(io::Error::other)
    }
}

impl<T: DeserializeOwned> Deserializer<T> for Postcard {
    type Error = io::Error;

    fn deserialize(self: Pin<&mut Self>, bytes: &BytesMut) -> io::Result<T> {
        postcard::from_bytes(bytes).map_err(io::Error::other)
    }
}
