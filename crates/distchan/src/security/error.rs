//! Why a worker and a server do not trust each other, for the worker.

use distchan_proto::proof::Refusal;

/// A worker does not trust its server, or the other way round. Trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// The server's public key is not the ticket's. Nothing was sent to it.
    #[error(
        "its key is not the one in the ticket: this is another server, or one that was started anew with another key, or somebody in between; \
         nothing was sent to it"
    )]
    WrongKey,
    /// The server does not know the ticket: it is another server's secret, or the server was started anew.
    #[error("it does not know this ticket")]
    UnknownTicket,
    /// The ticket has expired.
    #[error("this ticket has expired")]
    Expired,
    /// The ticket was revoked.
    #[error("this ticket was revoked")]
    Revoked,
    /// The server has the right key, and did not show that it has the ticket's secret.
    #[error("it does not have the ticket's secret")]
    NoProof,
    /// The server's address was given without a ticket or certificate, and it does not let anybody in without; or the other way round.
    #[error("{0}")]
    Unencrypted(&'static str),
    /// What answers is no TLS server; how it began, escaped.
    #[error("it does not speak TLS: it began with \"{0}\"")]
    NotTls(String),
    /// The server lets workers in by other means: certificates where there is a ticket, or tickets where there is a certificate.
    #[error(
        "it lets workers in by other means: with certificates where this one has a ticket, or the other way round"
    )]
    OtherMeans,
    /// A certificate was not taken, by this side or by the other.
    #[error("{0}")]
    Certificate(String),
    /// TLS could not be agreed on.
    #[error("TLS could not be agreed on: {0}")]
    Tls(String),
}

impl From<Refusal> for SecurityError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::UnknownTicket,
            Refusal::Expired => Self::Expired,
            Refusal::Revoked => Self::Revoked,
            other => Self::Tls(other.to_string()),
        }
    }
}
