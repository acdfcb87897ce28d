//! How others come to a server: the ticket, wherever it is, and what it means that there is no connection.

use distchan::{Code, ConnectError, Ticket};

use crate::exit::{self, Failure};
use crate::settings::TicketFrom;

/// The ticket or address, as a text.
///
/// # Errors
/// There is none where it was said to be, or none can be read there.
pub(crate) fn ticket(from: TicketFrom) -> Result<String, Failure> {
    let read = match from {
        TicketFrom::Text(text) => return Ok(text.trim().to_owned()),
        TicketFrom::File(path) => Ticket::load(path),
        TicketFrom::Stdin => Ticket::from_reader(std::io::stdin()),
    };
    read.map(|ticket| ticket.to_string()).map_err(|error| Failure::usage(error.to_string()))
}

/// Why there is no connection, and what to do about it.
pub(crate) fn refused(error: &ConnectError) -> Failure {
    let (code, advice) = match error {
        ConnectError::Address(_) | ConnectError::Ticket(_) => {
            (exit::USAGE, "paste the whole line that `distchan serve` printed")
        }
        ConnectError::Security { .. } => (
            exit::AUTHENTICATION,
            "take the line that this very `distchan serve` printed: each has its own ticket",
        ),
        ConnectError::Refused { code: Code::Security, .. } => {
            (exit::AUTHENTICATION, "the server wants its ticket, and not its address alone")
        }
        ConnectError::Refused { code: Code::Version | Code::Signature | Code::Protocol, .. } => {
            (exit::VERSION, "run the same version of distchan on both sides")
        }
        _ => (exit::UNREACHABLE, "is `distchan serve` running, and can this machine reach it?"),
    };
    Failure::new(code, format!("{error}\n  {advice}"))
}

/// What this machine calls itself.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
