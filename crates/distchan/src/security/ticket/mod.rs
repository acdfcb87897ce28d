//! One line that lets a worker in: where the server is, how to know it, and a secret; and where it is kept and taken from. Who is let in with
//! it is the server's book. It must never show its secret but as its text.

mod error;
mod text;

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use distchan_proto::proof::{KeyHash, Secret, TicketId};
use zeroize::Zeroizing;

use crate::security::private_file;
pub use crate::security::ticket::error::TicketError;
use crate::transport::{Address, IntoAddress};

/// What a worker needs to connect to a server with tickets: its address, the hash of its public key, and a secret.
///
/// A server gives it with [`Server::ticket`](crate::Server::ticket). It is a text of one line, `distchan://host:port/#…`, to be pasted where the
/// worker is started; [`Worker::connect`](crate::Worker::connect) takes the text as it takes an address. **Whoever has it can join the server
/// as a worker**: take jobs, read them, and answer them. So it does not belong into a command's arguments, which every user of the machine can
/// read, or into a log; `Debug` shows no secret.
///
/// ```
/// # fn load() -> Result<(), Box<dyn std::error::Error>> {
/// use distchan::Ticket;
///
/// let ticket = Ticket::load("server.ticket")?;       // made by `ticket.save(…)`, with mode 0600
/// let ticket = Ticket::from_reader(std::io::stdin())?;
/// let ticket = Ticket::from_env("DISTCHAN_TICKET")?; // second best: a process shows its environment to others of the same user
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    address: Address,
    key: KeyHash,
    secret: Secret,
}

impl Ticket {
    pub(in crate::security) const fn new(address: Address, key: KeyHash, secret: Secret) -> Self {
        Self { address, key, secret }
    }

    /// Where the server is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The same ticket for a server that is reached at another address: by a name, or through a tunnel or a forwarded port.
    ///
    /// # Errors
    /// The address cannot be read, or is not a TCP address.
    pub fn with_address(mut self, address: impl IntoAddress) -> Result<Self, TicketError> {
        let address = address.into_address()?;
        if !matches!(address, Address::Tcp { .. }) {
            return Err(TicketError::Malformed("a ticket is for a server on TCP"));
        }
        self.address = address;
        Ok(self)
    }

    /// Keeps the ticket in a file that only its owner can read. A file that is there is replaced.
    ///
    /// # Errors
    /// The system's; the text names the file.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        private_file::write(path.as_ref(), &Zeroizing::new(format!("{self}\n")))
    }

    /// Takes the ticket out of a file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no ticket.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TicketError> {
        private_file::read(path.as_ref())?.parse()
    }

    /// Takes the ticket out of whatever can be read to its end: standard input, say.
    ///
    /// # Errors
    /// It cannot be read, or holds no ticket.
    pub fn from_reader(reader: impl Read) -> Result<Self, TicketError> {
        private_file::read_from(reader)?.parse()
    }

    /// Takes the ticket out of an environment variable.
    ///
    /// # Errors
    /// There is no such variable, or it holds no ticket.
    pub fn from_env(variable: &str) -> Result<Self, TicketError> {
        let text = std::env::var(variable).map(Zeroizing::new);
        let missing =
            || io::Error::new(io::ErrorKind::NotFound, format!("no ticket in the variable {variable}"));
        text.map_err(|_| missing())?.parse()
    }

    /// Which ticket this is, without saying its secret: for logs.
    #[must_use]
    pub fn id(&self) -> String {
        self.ticket_id().to_string()
    }

    pub(in crate::security) fn ticket_id(&self) -> TicketId {
        self.secret.id()
    }

    pub(in crate::security) const fn key(&self) -> KeyHash {
        self.key
    }

    pub(in crate::security) const fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// Shows the address and which ticket it is, not the secret.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("address", &format_args!("{}", self.address))
            .field("id", &format_args!("{}", self.ticket_id()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ticket for a server at `address`.
    pub(super) fn ticket(address: &str) -> Ticket {
        Ticket::new(address.parse().unwrap(), KeyHash([0xab; 32]), Secret::new(*b"hush-hush-hush-h"))
    }

    #[test]
    fn it_is_kept_in_a_file_a_reader_and_not_in_a_missing_variable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ticket");
        let ticket = ticket("host:80");
        ticket.save(&path).unwrap();
        assert_eq!(Ticket::load(&path).unwrap(), ticket);
        assert_eq!(Ticket::from_reader(ticket.to_string().as_bytes()).unwrap(), ticket);
        let error = Ticket::from_env("DISTCHAN_NO_SUCH_TICKET").unwrap_err();
        assert!(error.to_string().contains("DISTCHAN_NO_SUCH_TICKET"), "{error}");
        let elsewhere = ticket.clone().with_address("other:81").unwrap();
        assert_eq!(elsewhere.address().to_string(), "other:81");
        assert_eq!(elsewhere.id(), ticket.id());
        ticket.with_address("unix:/x").unwrap_err();
    }
}
