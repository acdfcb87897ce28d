//! What the fuzz targets reach of security: the file of a book, and a guarded door's first words. It must never be used by anything else.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rustls::{Connection, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::security::book::Book;
use crate::security::identity::Identity;
use crate::security::{base64, config};
use crate::transport::tls::{HandshakeError, exchange};
use distchan_proto::limits;

/// Text that is some bytes, or bytes that are some text: each has one form.
///
/// # Panics
/// Where it has two.
pub fn base64(text: &str) {
    let encoded = base64::encode(text.as_bytes());
    assert_eq!(base64::decode(&encoded).as_deref(), Some(text.as_bytes()));
    if let Some(bytes) = base64::decode(text) {
        assert_eq!(base64::encode(&bytes), text, "two texts for one value");
    }
}

/// A file with these lines of tickets, behind a right head.
///
/// # Panics
/// Where it is written as another one than was read.
pub fn book(lines: &str) {
    static KEY: OnceLock<String> = OnceLock::new();
    let key =
        KEY.get_or_init(|| base64::encode(Identity::generate().expect("the system gives randomness").key()));
    if let Some([again, written]) = Book::reread(key, lines) {
        assert_eq!(again, written, "a book is read as another one");
    }
}

/// What a stranger says to a server with tickets, in pieces of this size, and then hangs up. Whether that was a whole handshake.
///
/// # Panics
/// Where the door is moved by it to more than it should.
pub fn door(said: &[u8], piece: usize) -> bool {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let identity = Identity::generate().expect("the system gives randomness");
        Arc::new(config::server_with_tickets(&identity).expect("its own key is right"))
    });
    let tls = ServerConnection::new(Arc::clone(config)).expect("its configuration is right");
    let (mut tls, mut peer) = (Connection::Server(tls), Peer { said, piece: piece.max(1), answered: 0 });
    let exchanged = pollster::block_on(exchange(&mut peer, &mut tls, limits::MAX_TLS_HANDSHAKE));
    let answered = peer.answered;
    assert!(answered <= 8 * 1024, "{answered} bytes for a stranger");
    match exchanged {
        Ok(_) => return true,
        Err(HandshakeError::NotTls { began }) => {
            assert!(said.starts_with(&began) && !matches!(said[0], 21 | 22));
            assert_eq!(answered, 0, "a word to whoever does not speak TLS");
        }
        Err(HandshakeError::TooLong) => assert!(said.len() > limits::MAX_TLS_HANDSHAKE),
        Err(HandshakeError::HungUp { has_spoken }) => assert_eq!(has_spoken, !said.is_empty()),
        Err(HandshakeError::Io(_) | HandshakeError::Tls(_)) => {}
    }
    false
}

/// A stranger: what is left to say, and how much it has heard.
struct Peer<'a> {
    said: &'a [u8],
    piece: usize,
    answered: usize,
}

impl AsyncRead for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.piece.min(self.said.len()).min(buf.remaining());
        let (now, later) = self.said.split_at(count);
        buf.put_slice(now);
        self.said = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.answered += buf.len();
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
