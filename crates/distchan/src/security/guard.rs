//! A server's guard: TLS with whoever comes, then a ticket's proof or a certificate. It waits for one peer, in that peer's task.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use distchan_proto::error::{Code, printable};
use distchan_proto::limits;
use distchan_proto::proof::{
    EXPORTER_LABEL, Exporter, KeyHash, Refusal, ServerAnswer, TicketId, WorkerProof,
};
use distchan_proto::server::farewell;
use parking_lot::Mutex;
use rustls::{Connection, ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::security::book::Book;
use crate::security::config;
use crate::security::mutual::MutualTls;
use crate::security::ticket::{Ticket, TicketError};
use crate::transport::tls::{HandshakeError, TlsStream, handshake};
use crate::transport::{Address, Stream};

/// How a server that has a guard tells workers without anything to show.
const NOT_IN_THE_CLEAR: &str = "this server takes workers over TLS only, with the ticket that it gives \
     (distchan://host:port/#…) or a certificate";

/// Who was turned away is read for so long, so that it can read why.
const LINGER: Duration = Duration::from_secs(1);

/// A server's guard.
pub(crate) struct Guard {
    config: Arc<ServerConfig>,
    tickets: Option<Tickets>,
}

struct Tickets {
    key: KeyHash,
    book: Mutex<Book>,
    /// Changes with each revocation.
    revoked: watch::Sender<u64>,
}

impl Guard {
    /// Workers show a ticket. What that needs is made, or taken from the file.
    pub(super) fn with_tickets(file: Option<PathBuf>) -> io::Result<Self> {
        let (identity, book) = file.map_or_else(Book::in_memory, Book::kept_in)?;
        let config = Arc::new(config::server_with_tickets(&identity)?);
        let (book, revoked) = (Mutex::new(book), watch::Sender::new(0));
        Ok(Self { config, tickets: Some(Tickets { key: identity.hash(), book, revoked }) })
    }

    /// Workers show a certificate.
    pub(super) fn with_certificates(mutual: &MutualTls) -> io::Result<Self> {
        Ok(Self { config: Arc::new(config::server_with_certificates(mutual)?), tickets: None })
    }

    /// The server's own ticket, for workers that reach it at `address`.
    pub(crate) fn ticket(&self, address: Address) -> Result<Ticket, TicketError> {
        let tickets = self.tickets.as_ref().ok_or(TicketError::NoTickets)?;
        Ok(Ticket::new(address, tickets.key, tickets.book.lock().main(SystemTime::now())?))
    }

    /// A further ticket.
    pub(crate) fn issue(&self, address: Address, lifetime: Option<Duration>) -> Result<Ticket, TicketError> {
        let tickets = self.tickets.as_ref().ok_or(TicketError::NoTickets)?;
        Ok(Ticket::new(address, tickets.key, tickets.book.lock().issue(lifetime, SystemTime::now())?))
    }

    /// Whoever has come with a ticket is turned out, and nobody comes in with it; false where it is none of this server's.
    pub(crate) fn revoke(&self, ticket: &Ticket) -> Result<bool, TicketError> {
        let tickets = self.tickets.as_ref().ok_or(TicketError::NoTickets)?;
        let revoked = tickets.book.lock().revoke(ticket.ticket_id());
        tickets.revoked.send_modify(|times| *times += 1);
        Ok(revoked?)
    }

    /// Lets a connection in, or says why not; the peer is told as far as it can understand. Where it came with a ticket, that may be revoked.
    pub(super) async fn admit(
        self: &Arc<Self>,
        stream: Stream,
    ) -> Result<(Stream, Option<Revocation>), String> {
        let tcp = stream.into_tcp().map_err(|_| "a guard is for TCP".to_owned())?;
        let tls = ServerConnection::new(Arc::clone(&self.config)).map_err(|error| error.to_string())?;
        let limit = limits::MAX_TLS_HANDSHAKE;
        let mut stream = match handshake(tcp, Connection::Server(tls), limit).await {
            Ok(stream) => stream,
            Err((tcp, error)) => return Err(turn_away(tcp, error).await),
        };
        if stream.look(|tls| tls.alpn_protocol().is_none()) {
            return Err("a TLS client that does not name distchan's protocol".to_owned());
        }
        let admitted = match &self.tickets {
            Some(tickets) => self.see_ticket(tickets, &mut stream).await,
            None => {
                // The worker learns by it that its certificate was taken.
                let told = stream.write_all(&[0]).await;
                told.map(|()| Ok(None))
            }
        };
        match admitted {
            Ok(Ok(revocation)) => Ok((Stream::from_tls(stream), revocation)),
            Ok(Err(refusal)) => Err(refusal.to_string()),
            Err(error) => Err(format!("the connection broke before a worker was known: {error}")),
        }
    }

    async fn see_ticket(
        self: &Arc<Self>,
        tickets: &Tickets,
        stream: &mut TlsStream,
    ) -> io::Result<Result<Option<Revocation>, Refusal>> {
        let mut bytes = [0; WorkerProof::LENGTH];
        stream.read_exact(&mut bytes).await?;
        let exporter = export(stream)?;
        // Before the ticket is looked at: what is revoked from now on is noticed.
        let changes = tickets.revoked.subscribe();
        let checked = match WorkerProof::parse(&bytes) {
            Ok(proof) => {
                let checked = tickets.book.lock().check(&proof, &exporter, SystemTime::now());
                checked.map(|secret| (proof.ticket(), secret))
            }
            Err(_) => Err(Refusal::Other),
        };
        match checked {
            Ok((ticket, secret)) => {
                stream.write_all(&ServerAnswer::accepting(&secret, &exporter)).await?;
                stream.flush().await?;
                let revocation = Revocation { guard: Arc::clone(self), ticket, changes };
                Ok(Ok(Some(revocation)))
            }
            Err(refusal) => {
                stream.write_all(&[refusal.to_wire()]).await?;
                stream.shutdown().await?;
                drain(stream).await;
                Ok(Err(refusal))
            }
        }
    }

    fn is_revoked(&self, ticket: TicketId) -> bool {
        self.tickets.as_ref().is_some_and(|tickets| tickets.book.lock().is_revoked(ticket))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("has_tickets", &self.tickets.is_some()).finish_non_exhaustive()
    }
}

/// The end of a ticket.
#[derive(Debug)]
pub(super) struct Revocation {
    guard: Arc<Guard>,
    ticket: TicketId,
    changes: watch::Receiver<u64>,
}

impl Revocation {
    /// Waits for it.
    pub(super) async fn come(&mut self) {
        while !self.guard.is_revoked(self.ticket) {
            if self.changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What this TLS session is known by.
pub(super) fn export(stream: &TlsStream) -> io::Result<Exporter> {
    let exported = stream.look(|tls| tls.export_keying_material([0; 32], EXPORTER_LABEL, None));
    exported.map_err(io::Error::other)
}

/// Why a peer is turned away, in words. A worker that does not speak TLS is told.
async fn turn_away(mut tcp: TcpStream, error: HandshakeError) -> String {
    match error {
        HandshakeError::Io(error) => format!("the connection broke during the TLS handshake: {error}"),
        HandshakeError::HungUp { .. } => "it hung up during the TLS handshake".to_owned(),
        HandshakeError::TooLong => {
            format!("more than {} bytes before the end of the TLS handshake", limits::MAX_TLS_HANDSHAKE)
        }
        HandshakeError::Tls(error) => {
            drain(&mut tcp).await;
            let text = error.to_string();
            format!("the TLS handshake failed: {}", printable(text.as_bytes(), limits::MAX_NAME))
        }
        HandshakeError::NotTls { began } => {
            if !began.starts_with(b"d") {
                return format!("this is not a TLS peer: it began with \"{}\"", printable(&began, 32));
            }
            if tcp.write_all(&farewell(Code::Security, NOT_IN_THE_CLEAR)).await.is_ok() {
                let _ = tcp.shutdown().await;
                drain(&mut tcp).await;
            }
            "a worker that does not speak TLS: it was started without a ticket".to_owned()
        }
    }
}

/// Reads what a peer has said, for a moment: to close with its bytes unread would take back what it was told.
async fn drain(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut nowhere = [0; 1024];
    let read = async {
        for _ in 0..64 {
            if !matches!(stream.read(&mut nowhere).await, Ok(1..)) {
                break;
            }
        }
    };
    // Whoever has not hung up by then is not waited for.
    let _ = tokio::time::timeout(LINGER, read).await;
}
