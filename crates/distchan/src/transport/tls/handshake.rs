//! A TLS handshake over a fresh connection, with a bound on what the other side may send. It must never choose a time limit: a caller that
//! has one drops the future.

use std::io;

use rustls::Connection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::transport::tls::TlsStream;

/// What is read at once.
const READ: usize = 4 * 1024;

/// The first byte of whatever a TLS peer sends first: a handshake, or an alert.
const TLS: [u8; 2] = [22, 21];

/// How much of bytes that are no TLS is shown.
const SHOWN: usize = 64;

/// Why there is no encrypted connection.
#[derive(Debug)]
pub(crate) enum HandshakeError {
    /// The connection broke.
    Io(io::Error),
    /// The other side closed the connection; whether it had said anything before.
    HungUp { has_spoken: bool },
    /// The other side does not speak TLS; how it began.
    NotTls { began: Vec<u8> },
    /// It sent more than a handshake needs.
    TooLong,
    /// TLS says so.
    Tls(rustls::Error),
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Carries a handshake out, for which the other side may send `limit` bytes. Where it turns out to be no TLS peer, the connection comes
/// back bare.
pub(crate) async fn handshake(
    mut tcp: TcpStream,
    mut tls: Connection,
    limit: usize,
) -> Result<TlsStream, (TcpStream, HandshakeError)> {
    match exchange(&mut tcp, &mut tls, limit).await {
        Ok((ready, input)) => Ok(TlsStream::new(tcp, tls, ready, input)),
        Err(error) => Err((tcp, error)),
    }
}

/// Returns how much was decrypted of what has come behind the handshake, and the rest of that.
pub(crate) async fn exchange(
    tcp: &mut (impl AsyncRead + AsyncWrite + Unpin),
    tls: &mut Connection,
    limit: usize,
) -> Result<(usize, Vec<u8>), HandshakeError> {
    let (mut total, mut ready) = (0, 0);
    let mut input = Vec::new();
    loop {
        write_out(tcp, tls).await?;
        if !tls.is_handshaking() {
            return Ok((ready, input));
        }
        if input.is_empty() {
            input.reserve(READ);
            let read = tcp.read_buf(&mut input).await?;
            if read == 0 {
                return Err(HandshakeError::HungUp { has_spoken: total > 0 });
            }
            if total == 0 && !input.first().is_some_and(|first| TLS.contains(first)) {
                input.truncate(SHOWN);
                return Err(HandshakeError::NotTls { began: input });
            }
            total += read;
            if total > limit {
                return Err(HandshakeError::TooLong);
            }
        }
        let mut rest = input.as_slice();
        tls.read_tls(&mut rest)?;
        let taken = input.len() - rest.len();
        input.drain(..taken);
        match tls.process_new_packets() {
            Ok(state) => ready = state.plaintext_bytes_to_read(),
            Err(error) => {
                // The other side is told why.
                let _ = write_out(tcp, tls).await;
                return Err(HandshakeError::Tls(error));
            }
        }
    }
}

async fn write_out(tcp: &mut (impl AsyncWrite + Unpin), tls: &mut Connection) -> io::Result<()> {
    let mut output = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut output)?;
    }
    tcp.write_all(&output).await
}
