//! One line that lets a worker in: where the server is, how to know it, and a secret. It is text and a file here; who is let in with it is
//! the server's book.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use distchan_proto::proof::{KeyHash, Secret, TicketId};
use zeroize::Zeroizing;

use crate::security::{base64, private_file};
use crate::transport::{Address, AddressError, IntoAddress};

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

const SCHEME: &str = "distchan:";

/// The form of what stands behind the `#`: this byte, the hash, the secret, and two bytes that find slips of the pen.
const VERSION: u8 = 1;
const LENGTH: usize = 1 + KeyHash::LENGTH + Secret::LENGTH + 2;

impl Ticket {
    pub(super) const fn new(address: Address, key: KeyHash, secret: Secret) -> Self {
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

    pub(super) fn ticket_id(&self) -> TicketId {
        self.secret.id()
    }

    pub(super) const fn key(&self) -> KeyHash {
        self.key
    }

    pub(super) const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Whether a text is meant to be one.
    pub(super) fn is_meant(text: &str) -> bool {
        text.trim_start().get(..SCHEME.len()).is_some_and(|head| head.eq_ignore_ascii_case(SCHEME))
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
        bytes.push(VERSION);
        bytes.extend(self.key.0);
        bytes.extend(self.secret.expose());
        let check = check(&bytes);
        bytes.extend(check);
        write!(f, "{SCHEME}//{}/#{}", self.address, *Zeroizing::new(base64::encode(&bytes)))
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

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        if !Self::is_meant(text) {
            return Err(TicketError::Malformed("it does not begin with distchan://"));
        }
        let rest = text.get(SCHEME.len()..).unwrap_or_default();
        let rest =
            rest.strip_prefix("//").ok_or(TicketError::Malformed("it does not begin with distchan://"))?;
        let (address, secret) = rest
            .split_once("/#")
            .ok_or(TicketError::Malformed("it ends before its secret, which stands behind /#"))?;
        let bytes = Zeroizing::new(base64::decode(secret).ok_or(TicketError::Malformed(
            "behind its # stands something that no ticket has: was all of the line copied, and nothing else?",
        ))?);
        let damaged =
            TicketError::Malformed("a part of it is missing, or was changed: was all of the line copied?");
        let (body, sum) = match bytes.split_last_chunk::<2>() {
            Some((body, sum)) if bytes.len() == LENGTH => (body, sum),
            _ => return Err(damaged),
        };
        if *sum != check(body) {
            return Err(damaged);
        }
        let fields = body.split_first().and_then(|(version, rest)| {
            let (key, secret) = rest.split_first_chunk()?;
            Some((*version, KeyHash(*key), Secret::new(secret.try_into().ok()?)))
        });
        let Some((VERSION, key, secret)) = fields else {
            return Err(TicketError::Malformed("it is a later version's"));
        };
        let address = address.parse().map_err(|_| TicketError::Malformed("its address cannot be read"))?;
        let Address::Tcp { .. } = address else {
            return Err(TicketError::Malformed("its address is not a TCP address"));
        };
        Ok(Self { address, key, secret })
    }
}

/// Finds slips of the pen, and says nothing that the ticket does not.
fn check(body: &[u8]) -> [u8; 2] {
    let [first, second, ..] = KeyHash::of(body).0;
    [first, second]
}

/// There is no ticket. The text never shows what was given: it may be most of one.
#[derive(Debug)]
#[non_exhaustive]
pub enum TicketError {
    /// The text is none; why.
    Malformed(&'static str),
    /// The address is none.
    Address(AddressError),
    /// The system's error; the text names the file.
    Io(io::Error),
    /// The server has no tickets: it was bound without [`ServerBuilder::secure`](crate::ServerBuilder::secure).
    NoTickets,
    /// The server has as many tickets as it can have: 4,096 that are neither revoked nor expired.
    TooMany,
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "this is not a ticket, distchan://host:port/#…: {why}"),
            Self::Address(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::NoTickets => f.write_str(
                "this server has no tickets: Server::builder().secure().bind(…) makes one that has",
            ),
            Self::TooMany => f.write_str("this server has 4096 tickets, and no place for another"),
        }
    }
}

impl Error for TicketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Address(_) | Self::Malformed(_) | Self::NoTickets | Self::TooMany => None,
        }
    }
}

impl From<io::Error> for TicketError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<AddressError> for TicketError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(address: &str) -> Ticket {
        Ticket::new(address.parse().unwrap(), KeyHash([0xab; 32]), Secret::new(*b"hush-hush-hush-h"))
    }

    #[test]
    fn its_text_reads_the_same_and_its_debug_has_no_secret() {
        for address in ["127.0.0.1:5678", "[::1]:1", "build-7.example.org:65535"] {
            let ticket = ticket(address);
            let text = ticket.to_string();
            assert!(text.starts_with(&format!("distchan://{address}/#")), "{text}");
            assert_eq!(text.split_once('#').unwrap().1.len(), 68);
            assert_eq!(format!("  {text}\n").parse::<Ticket>().unwrap(), ticket);
            let shown = format!("{ticket:?}");
            assert!(shown.contains(address) && shown.contains(&ticket.id()), "{shown}");
            assert!(!shown.contains("hush") && !shown.contains(text.split_once('#').unwrap().1), "{shown}");
        }
    }

    #[test]
    fn the_one_in_the_protocol_is_read() {
        let document = include_str!("../../../../PROTOCOL.md");
        let line = document.lines().find(|line| line.starts_with("distchan://")).unwrap();
        let ticket: Ticket = line.parse().unwrap();
        assert_eq!(ticket.to_string(), line);
        assert_eq!(ticket.key.0, std::array::from_fn(|index| 0xc0 + u8::try_from(index).unwrap()));
        assert_eq!(*ticket.secret.expose(), std::array::from_fn(|index| 0x10 + u8::try_from(index).unwrap()));
    }

    #[test]
    fn no_character_of_it_can_change_unnoticed() {
        let text = ticket("host:80").to_string();
        let begin = text.find('#').unwrap() + 1;
        for at in begin..text.len() {
            for other in ["A", "z", "-", "=", " ", "ä"] {
                if &text[at..=at] != other {
                    let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                    let error = changed.parse::<Ticket>().unwrap_err().to_string();
                    assert!(error.starts_with("this is not a ticket"), "{error}");
                    assert!(!error.contains(&text[begin..begin + 10]), "{error}");
                }
            }
        }
        for short in begin..text.len() {
            text[..short].parse::<Ticket>().unwrap_err();
        }
    }

    #[test]
    fn what_is_none_is_told_why() {
        let good = ticket("host:80").to_string();
        let secret = good.split_once('#').unwrap().1;
        for (text, why) in [
            ("host:80".to_owned(), "does not begin with distchan://"),
            ("distchan:host:80".to_owned(), "does not begin with distchan://"),
            ("distchan://host:80".to_owned(), "ends before its secret"),
            ("distchan://host:80/#".to_owned(), "missing"),
            (format!("distchan://host:80/#{secret} and more"), "no ticket has"),
            (format!("distchan://host/#{secret}"), "address cannot be read"),
            (format!("distchan://memory:x/#{secret}"), "not a TCP address"),
        ] {
            let error = text.parse::<Ticket>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains(secret), "{error}");
        }
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
