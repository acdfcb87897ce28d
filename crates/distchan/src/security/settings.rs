//! What a server's user says of security, before there is a server.

use std::io;
use std::path::PathBuf;

use crate::security::guard::Guard;
use crate::security::mutual::MutualTls;

/// How a server on TCP keeps strangers out: for [`ServerBuilder::security`](crate::ServerBuilder::security).
#[derive(Clone, Debug)]
pub struct Security(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Tickets { file: Option<PathBuf> },
    Certificates(MutualTls),
}

impl Security {
    /// TLS 1.3 with a key that the server makes, and tickets that its workers are given. Both are gone when the server is: workers need a new
    /// ticket after a restart.
    #[must_use]
    pub const fn tickets() -> Self {
        Self(Kind::Tickets { file: None })
    }

    /// The same, kept in a file that only its owner can read, and which is made by the first start: tickets go on to count after a restart,
    /// and what was revoked stays so. It is for one server at a time.
    pub fn tickets_kept_in(file: impl Into<PathBuf>) -> Self {
        Self(Kind::Tickets { file: Some(file.into()) })
    }

    /// TLS 1.3 with certificates of an organisation's own authority on both sides, and no tickets.
    #[must_use]
    pub const fn mutual_tls(mutual: MutualTls) -> Self {
        Self(Kind::Certificates(mutual))
    }

    pub(crate) fn guard(self) -> io::Result<Guard> {
        match self.0 {
            Kind::Tickets { file } => Guard::with_tickets(file),
            Kind::Certificates(mutual) => Guard::with_certificates(&mutual),
        }
    }
}
