//! Whom a worker trusts: the server with a ticket's key, or one with a certificate. The server is known before anything is sent to it.

use std::fmt;
use std::io;
use std::sync::Arc;

use distchan_proto::error::printable;
use distchan_proto::limits;
use distchan_proto::proof::{Secret, ServerAnswer, WorkerProof};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, Connection, Error as TlsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::security::error::SecurityError;
use crate::security::failed::ConnectFailed;
use crate::security::guard::export;
use crate::security::mutual::MutualTls;
use crate::security::pin::WRONG_KEY;
use crate::security::ticket::Ticket;
use crate::security::{config, identity};
use crate::transport::tls::{HandshakeError, TlsStream, handshake};
use crate::transport::{Address, Stream};

/// What a worker shows, and wants to see.
#[derive(Clone)]
pub(super) struct Trust {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// Of a ticket; with a certificate, none.
    secret: Option<Secret>,
}

impl Trust {
    pub(super) fn of_ticket(ticket: &Ticket) -> Result<Self, SecurityError> {
        let config = config::worker_with_ticket(ticket.key()).map_err(tls)?;
        let name =
            ServerName::try_from(identity::NAME).map_err(|error| SecurityError::Tls(error.to_string()))?;
        Ok(Self { config: Arc::new(config), name, secret: Some(ticket.secret().clone()) })
    }

    pub(super) fn of_certificate(mutual: &MutualTls, address: &Address) -> Result<Self, SecurityError> {
        let Address::Tcp { host, .. } = address else {
            return Err(SecurityError::Certificate("certificates are for servers on TCP".to_owned()));
        };
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            SecurityError::Certificate(format!(
                "no certificate can be for the host \"{}\"",
                host.escape_debug()
            ))
        })?;
        let config = config::worker_with_certificate(mutual).map_err(tls)?;
        Ok(Self { config: Arc::new(config), name, secret: None })
    }

    /// Encrypts a connection to a server that is trusted, and is trusted by it.
    pub(super) async fn greet(&self, stream: Stream) -> Result<Stream, ConnectFailed> {
        let tcp = stream.into_tcp().map_err(|_| io::Error::other("a ticket is for TCP"))?;
        let tls = ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(tls)?;
        let mut stream = match handshake(tcp, Connection::Client(tls), limits::MAX_TLS_HANDSHAKE).await {
            Ok(stream) => stream,
            Err((_, error)) => return Err(explain(error)),
        };
        if let Some(secret) = &self.secret {
            let exporter = export(&stream)?;
            stream.write_all(&WorkerProof::new(secret, &exporter).to_bytes()).await?;
            stream.flush().await?;
            see_answer(&mut stream).await?;
            let mut proof = [0; ServerAnswer::PROOF];
            stream.read_exact(&mut proof).await?;
            if !ServerAnswer::is_proof_of(&proof, secret, &exporter) {
                return Err(SecurityError::NoProof.into());
            }
        } else {
            see_answer(&mut stream).await?;
        }
        Ok(Stream::from_tls(stream))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("has_secret", &self.secret.is_some()).finish_non_exhaustive()
    }
}

async fn see_answer(stream: &mut TlsStream) -> Result<(), ConnectFailed> {
    match stream.read_u8().await {
        Ok(byte) => match ServerAnswer::parse(byte) {
            ServerAnswer::Accepted => Ok(()),
            ServerAnswer::Refused(refusal) => Err(SecurityError::from(refusal).into()),
        },
        // What TLS says of a certificate that it does not take comes behind the handshake.
        Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            Some(error) => Err(tls(error.clone()).into()),
            None => Err(error.into()),
        },
    }
}

fn explain(error: HandshakeError) -> ConnectFailed {
    match error {
        HandshakeError::Io(error) => error.into(),
        HandshakeError::HungUp { has_spoken } => {
            let text = match has_spoken {
                true => "it hung up during the TLS handshake",
                false => "it hung up without a word when this worker began TLS",
            };
            io::Error::new(io::ErrorKind::UnexpectedEof, text).into()
        }
        HandshakeError::NotTls { began } if began.starts_with(b"distchan") => SecurityError::Unencrypted(
            "it is a distchan server without encryption, which no ticket and no certificate is for",
        )
        .into(),
        HandshakeError::NotTls { began } => SecurityError::NotTls(printable(&began, 32)).into(),
        HandshakeError::TooLong => SecurityError::Tls("the server says too much".to_owned()).into(),
        HandshakeError::Tls(error) => tls(error).into(),
    }
}

fn tls(error: TlsError) -> SecurityError {
    match error {
        wrong if wrong == WRONG_KEY => SecurityError::WrongKey,
        TlsError::InvalidCertificate(why) => {
            SecurityError::Certificate(format!("the server's certificate is not taken: {}", shown(&why)))
        }
        TlsError::AlertReceived(AlertDescription::NoApplicationProtocol) => SecurityError::OtherMeans,
        TlsError::AlertReceived(
            why @ (AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate),
        ) => {
            SecurityError::Certificate(format!("the server does not take this worker's certificate: {why:?}"))
        }
        other => SecurityError::Tls(shown(&other)),
    }
}

fn shown(error: &dyn fmt::Display) -> String {
    printable(error.to_string().as_bytes(), limits::MAX_REASON)
}
